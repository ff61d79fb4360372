/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The history as the daemon uses it: main loop and store thread together, with real clocks. What is
 * refused, restarts, kill -9, a full file system, a damaged database, changed configuration.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "history-fixture.h"

static const JkbHistoryConfig standard = { TRUE, 2592000, 64 };

typedef struct
{
  char *directory;
  JkbHistory *history;
  GAsyncResult *result;
} Fixture;

static void
start (Fixture *f)
{
  f->history = jkb_history_new (f->directory, NULL);
  jkb_history_start (f->history, &standard);
}

static void
stop (Fixture *f)
{
  jkb_history_stop (f->history);
  g_clear_object (&f->history);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = make_directory ();
  start (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  stop (f);
  remove_directory (f->directory);
}

static void
add (Fixture *f, const char *id, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      JkbFrame frame = { .type = JKB_FRAME_LIVE,
                         .realtime_us = g_get_real_time (),
                         .monotonic_us = g_get_monotonic_time () };

      make_live (frame.data, 3000 + i);
      jkb_history_add (f->history, id, &frame);
    }
}

/* ---- asking ---- */

static void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_true (source == G_OBJECT (f->history));
  f->result = g_object_ref (result);
}

static void
wait_for_result (Fixture *f)
{
  while (f->result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

static GArray *
ask_of (Fixture *f, const char *id, const char *key, gint64 from_us, gint64 to_us, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  jkb_history_query_async (f->history, ":1.1", id, key, from_us, to_us, 0, on_result, f);
  g_assert_null (f->result);
  wait_for_result (f);
  result = g_steal_pointer (&f->result);
  return jkb_history_query_finish (f->history, result, error);
}

static GArray *
ask (Fixture *f, const char *key, gint64 from_us, gint64 to_us, GError **error)
{
  return ask_of (f, "garage_1", key, from_us, to_us, error);
}

static guint
count_of (Fixture *f, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = ask_of (f, id, "cell_voltage_1", 0, G_MAXINT64, &error);

  g_assert_no_error (error);
  return points->len;
}

static guint
count (Fixture *f)
{
  return count_of (f, "garage_1");
}

static JkbHistoryBatch *
read_missed (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  JkbHistoryBatch *batch;

  jkb_history_read_missed_async (f->history, 0, 100, on_result, f);
  wait_for_result (f);
  result = g_steal_pointer (&f->result);
  batch = jkb_history_read_missed_finish (f->history, result, &error);
  g_assert_no_error (error);
  return batch;
}

/* ---- what is answered ---- */

static void
test_add_and_ask (Fixture *f, gconstpointer data)
{
  gint64 before_us = g_get_real_time ();
  g_autoptr (GArray) points = NULL;
  JkbHistoryCounters counters;

  g_assert_true (jkb_history_is_recording (f->history));
  add (f, "garage_1", 10);
  add (f, "garage_2", 5);
  points = ask (f, "cell_voltage_1", before_us, g_get_real_time (), NULL);
  g_assert_cmpuint (points->len, ==, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpfloat_with_epsilon (g_array_index (points, JkbHistoryPoint, i).value,
                                    3.0 + i * 0.001, 1e-9);
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.recorded, ==, 15);
  g_assert_cmpuint (counters.dropped, ==, 0);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

/* Settings and device information are none of the history's business. */
static void
test_live_only (Fixture *f, gconstpointer data)
{
  JkbFrame frame = { .type = JKB_FRAME_INFO, .realtime_us = g_get_real_time () };
  JkbHistoryCounters counters;

  jkb_history_add (f->history, "garage_1", &frame);
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.recorded, ==, 0);
}

typedef struct
{
  const char *key;
  gint64 from_us, to_us;
  JkbError code;
} Refusal;

static const Refusal refusals[] = {
  { "nothing", 0, 1, JKB_ERROR_NOT_FOUND },
  { "", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltage_0", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltage_33", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltage_overvoltage_protection", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltages", 0, 1, JKB_ERROR_INVALID_ARGUMENT },
  { "errors", 0, 1, JKB_ERROR_INVALID_ARGUMENT },
  { "charge_status", 0, 1, JKB_ERROR_INVALID_ARGUMENT },
  { "total_voltage", 2, 1, JKB_ERROR_INVALID_ARGUMENT },
};

static void
test_refused (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (ask (f, refusals[i].key, refusals[i].from_us, refusals[i].to_us, &error));
      g_assert_error (error, JKB_ERROR, (gint) refusals[i].code);
    }
}

/* Every key that has a number can be asked for. */
static void
test_every_number (Fixture *f, gconstpointer data)
{
  add (f, "garage_1", 1);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE); id < jkb_group_end (JKB_GROUP_LIVE); id++)
    {
      const JkbField *field = &jkb_fields[id];
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) points = NULL;

      if (field->kind != JKB_KIND_NUMBER && field->kind != JKB_KIND_BOOL)
        continue;
      points = ask (f, field->key, 0, G_MAXINT64, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (points->len, <=, 1);
    }
}

static void
on_many (GObject *source, GAsyncResult *result, gpointer user_data)
{
  guint *counts = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = jkb_history_query_finish (JKB_HISTORY (source), result, &error);

  if (points == NULL)
    g_assert_error (error, JKB_ERROR, JKB_ERROR_BUSY);
  counts[points != NULL ? 0 : 1]++;
}

/* Questions are bounded, and each gets exactly one answer, also when the history ends meanwhile. */
static void
test_many (Fixture *f, gconstpointer data)
{
  guint counts[2] = { 0, 0 };

  for (guint round = 0; round < 2; round++)
    {
      for (guint i = 0; i < 100; i++)
        {
          g_autofree char *asker = g_strdup_printf (":1.%u", i % 10);

          jkb_history_query_async (f->history, asker, "garage_1", "total_voltage", 0, 1, 0, on_many,
                                   counts);
        }
      if (round == 1)
        jkb_history_stop (f->history);
      while (counts[0] + counts[1] < 100 * (round + 1))
        g_main_context_iteration (NULL, TRUE);
      if (round == 0)
        {
          g_assert_cmpuint (counts[0], ==, 16);
          g_assert_cmpuint (counts[1], ==, 84);
        }
    }
  g_assert_cmpuint (counts[1], >=, 2 * 84);
}

/* The old thread may still be on its way out. */
static guint
count_when_open (Fixture *f)
{
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) points = ask (f, "cell_voltage_1", 0, G_MAXINT64, &error);

      if (points != NULL)
        return points->len;
      g_assert_error (error, JKB_ERROR, JKB_ERROR_BUSY);
      g_usleep (1000);
    }
}

/* Off and on again at once, with questions under way: each gets its answer, what was dropped counts
 * once, and the history goes on. */
static void
test_off_and_on (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = standard;
  JkbHistoryCounters before, after;
  guint counts[2] = { 0, 0 };

  off.enabled = FALSE;
  for (guint i = 0; i < 20; i++)
    {
      add (f, "garage_1", 400);
      g_usleep (1000);
    }
  jkb_history_get_counters (f->history, &before);
  g_assert_cmpuint (before.dropped, >, 0);
  for (guint round = 1; round <= 3; round++)
    {
      for (guint i = 0; i < 16; i++)
        jkb_history_query_async (f->history, ":1.1", "garage_1", "total_voltage", 0, G_MAXINT64, 0,
                                 on_many, counts);
      jkb_history_configure (f->history, &off);
      g_assert_false (jkb_history_is_recording (f->history));
      add (f, "garage_1", 1);
      jkb_history_configure (f->history, &standard);
      while (counts[0] + counts[1] < 16 * round)
        g_main_context_iteration (NULL, TRUE);
      count_when_open (f);
      g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
    }
  jkb_history_get_counters (f->history, &after);
  g_assert_cmpuint (after.dropped, ==, before.dropped);
  g_assert_cmpuint (after.recorded, ==, before.recorded);
  add (f, "garage_1", 1);
  g_assert_cmpuint (count_when_open (f), ==, before.recorded + 1);
}

/* Forgotten is forgotten at once, and by an outage as well; a BMS that comes again begins anew. */
static void
test_forget (Fixture *f, gconstpointer data)
{
  g_autoptr (JkbHistoryBatch) batch = NULL;

  jkb_history_begin_outage (f->history, g_get_monotonic_time ());
  add (f, "garage_1", 5);
  add (f, "garage_2", 3);
  stop (f);
  start (f);
  add (f, "garage_1", 4);
  g_assert_cmpuint (count (f), ==, 9);
  jkb_history_forget (f->history, "garage_1");
  g_assert_cmpuint (count (f), ==, 0);
  add (f, "garage_1", 2);
  g_assert_cmpuint (count (f), ==, 2);
  g_assert_cmpuint (count_of (f, "garage_2"), ==, 3);
  jkb_history_end_outage (f->history, g_get_monotonic_time ());
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, 5);
  stop (f);
  start (f);
  g_assert_cmpuint (count (f), ==, 2);
}

static void
test_forget_while_off (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = standard;

  off.enabled = FALSE;
  add (f, "garage_1", 5);
  for (guint round = 0; round < 3; round++)
    {
      add (f, "garage_1", 5);
      jkb_history_configure (f->history, &off);
      for (guint i = 0; round == 1 && i < 100; i++)
        {
          g_usleep (1000);
          g_main_context_iteration (NULL, FALSE);
        }
      jkb_history_forget (f->history, "garage_1");
      g_assert_false (jkb_history_is_recording (f->history));
      if (round == 2)
        {
          stop (f);
          start (f);
        }
      jkb_history_configure (f->history, &standard);
      g_assert_cmpuint (count_when_open (f), ==, 0);
    }
}

/* Off stays off, though the thread ends later. */
static void
test_off (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = standard;
  g_autoptr (GError) error = NULL;

  off.enabled = FALSE;
  add (f, "garage_1", 5);
  jkb_history_configure (f->history, &off);
  jkb_history_configure (f->history, &standard);
  jkb_history_configure (f->history, &off);
  for (guint i = 0; i < 20; i++)
    {
      g_clear_error (&error);
      g_assert_null (ask (f, "total_voltage", 0, 1, &error));
      g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
      g_assert_false (jkb_history_is_recording (f->history));
      g_usleep (5000);
    }
}

/* One that asks without end leaves places for others. */
static void
test_many_of_one (Fixture *f, gconstpointer data)
{
  guint counts[2] = { 0, 0 };

  for (guint i = 0; i < 100; i++)
    jkb_history_query_async (f->history, ":1.1", "garage_1", "total_voltage", 0, 1, 0, on_many,
                             counts);
  jkb_history_query_async (f->history, ":1.2", "garage_1", "total_voltage", 0, 1, 0, on_many,
                           counts);
  while (counts[0] + counts[1] < 101)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (counts[0], ==, 4 + 1);
}

/* ---- restarts ---- */

static void
test_restart (Fixture *f, gconstpointer data)
{
  add (f, "garage_1", 20);
  stop (f);
  start (f);
  g_assert_cmpuint (count (f), ==, 20);
  add (f, "garage_1", 20);
  g_assert_cmpuint (count (f), ==, 40);
}

/* A child records, tells how many, and is killed; whoever comes next finds all of them, and knows
 * what was missed. */
static void
record_until_killed (const char *directory, int fd)
{
  Fixture f = { .directory = (char *) directory };

  start (&f);
  jkb_history_begin_outage (f.history, g_get_monotonic_time ());
  for (guint i = 1;; i++)
    {
      add (&f, "garage_1", 1);
      if (write (fd, &i, sizeof i) != sizeof i)
        _exit (1);
      g_usleep (500);
    }
}

/* A program of its own: threads and forks do not go together. */
static void
record_elsewhere (const char *directory, int fd)
{
  char number[16];

  g_snprintf (number, sizeof number, "%d", fd);
  execl ("/proc/self/exe", "record", directory, number, NULL);
  _exit (1);
}

static void
test_killed (Fixture *f, gconstpointer data)
{
  guint total = 0, told = 0;
  g_autoptr (JkbHistoryBatch) batch = NULL;

  stop (f);
  for (guint round = 1; round <= 3; round++)
    {
      int fds[2];
      pid_t child;

      g_assert_cmpint (pipe (fds), ==, 0);
      child = fork ();
      if (child == 0)
        record_elsewhere (f->directory, fds[1]);
      close (fds[1]);
      for (guint i = 0; i < 10 * round; i++)
        g_assert_cmpint (read (fds[0], &told, sizeof told), ==, sizeof told);
      kill (child, SIGKILL);
      waitpid (child, NULL, 0);
      while (read (fds[0], &told, sizeof told) == sizeof told)
        continue;
      close (fds[0]);
      total += told;
    }
  start (f);
  g_assert_cmpuint (count (f), >=, total);
  g_assert_cmpuint (count (f), <=, total + 3);
  jkb_history_end_outage (f->history, g_get_monotonic_time ());
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, MIN (count (f), 100));
}

/* ---- what was missed ---- */

static void
test_missed (Fixture *f, gconstpointer data)
{
  g_autoptr (JkbHistoryBatch) batch = NULL;
  JkbHistorySample *sample;
  JkbValues values;

  add (f, "garage_1", 3);
  g_usleep (2000);
  jkb_history_begin_outage (f->history, g_get_monotonic_time ());
  add (f, "garage_2", 5);
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, 0);
  g_clear_pointer (&batch, jkb_history_batch_free);

  jkb_history_end_outage (f->history, g_get_monotonic_time ());
  g_usleep (2000);
  add (f, "garage_1", 3);
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, 5);
  sample = &g_array_index (batch->samples, JkbHistorySample, 4);
  g_assert_cmpstr (sample->id, ==, "garage_2");
  g_assert_true (jkb_history_sample_decode (sample, &values));
  g_assert_cmpint (jkb_values_get_item (&values, JKB_FIELD_CELL_VOLTAGES, 0), ==, 3004);

  jkb_history_confirm (f->history, batch->from_us, batch->to_us);
  g_clear_pointer (&batch, jkb_history_batch_free);
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, 0);
}

/* ---- trouble ---- */

static void
overwrite (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->directory, name, NULL);

  g_assert_true (
      g_file_set_contents (path, "nonsense that is longer than a header of 16", -1, NULL));
}

static void
test_damaged_files (Fixture *f, gconstpointer data)
{
  add (f, "garage_1", 5);
  stop (f);
  overwrite (f, "history.sqlite");
  overwrite (f, "history.journal");
  start (f);
  add (f, "garage_1", 3);
  g_assert_cmpuint (count (f), ==, 3);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

/* Its head says that it is one of ours, the rest does not: found out when it is used. */
static void
test_damaged_pages (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "history.sqlite", NULL);
  g_autofree char *aside = g_strconcat (path, ".set-aside", NULL);
  g_autofree char *bytes = NULL;
  gsize size;

  add (f, "garage_1", 5);
  stop (f);
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  g_assert_cmpuint (size, >, 3 * 4096);
  memset (bytes + 4096, 0x5a, size - 4096);
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
  start (f);
  add (f, "garage_1", 3);
  g_assert_cmpuint (count (f), ==, 3);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
}

/* Whichever page is damaged alone: the history goes on at once. */
static void
test_each_page (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "history.sqlite", NULL);
  g_autofree char *whole = NULL;
  gsize size;

  jkb_history_begin_outage (f->history, g_get_monotonic_time ());
  add (f, "garage_1", 200);
  stop (f);
  g_assert_true (g_file_get_contents (path, &whole, &size, NULL));
  for (gsize page = 0; page < size / 4096; page++)
    {
      g_autofree char *bytes = g_memdup2 (whole, size);

      memset (bytes + page * 4096, 0xa5, 4096);
      g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
      start (f);
      add (f, "garage_2", 3);
      g_assert_cmpuint (count_of (f, "garage_2"), ==, 3);
      g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
      stop (f);
    }
  start (f);
}

/* State on another disk, or below a /var that is a link. */
static void
test_link_in_path (Fixture *f, gconstpointer data)
{
  g_autofree char *link = g_strconcat (f->directory, "-link", NULL);
  g_autofree char *directory = g_steal_pointer (&f->directory);

  stop (f);
  g_assert_cmpint (symlink (directory, link), ==, 0);
  f->directory = g_strdup (link);
  start (f);
  add (f, "garage_1", 3);
  g_assert_cmpuint (count (f), ==, 3);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
  g_unlink (link);
  g_free (f->directory);
  f->directory = g_steal_pointer (&directory);
}

/* More than the journal holds: dropped, counted, and the rest is there. */
static void
test_flood (Fixture *f, gconstpointer data)
{
  JkbHistoryCounters counters;

  for (guint i = 0; i < 40; i++)
    {
      add (f, "garage_1", 500);
      g_usleep (1000);
    }
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.recorded + counters.dropped, ==, 20000);
  g_assert_cmpuint (counters.dropped, >, 0);
  g_assert_cmpuint (count (f), ==, counters.recorded);
}

static void
test_no_directory (void)
{
  JkbHistory *history = jkb_history_new ("/nonexistent/directory", NULL);
  Fixture f = { .history = history };
  g_autoptr (GError) error = NULL;

  jkb_history_start (history, &standard);
  g_assert_false (jkb_history_is_recording (history));
  g_assert_nonnull (strstr (jkb_history_get_error (history), "the history is off: cannot open"));
  add (&f, "garage_1", 1);
  g_assert_null (ask (&f, "total_voltage", 0, 1, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  jkb_history_stop (history);
  g_object_unref (history);
}

static void
test_no_state (void)
{
  JkbHistory *history = jkb_history_new (NULL, NULL);

  jkb_history_start (history, &standard);
  g_assert_false (jkb_history_is_recording (history));
  g_assert_cmpstr (jkb_history_get_error (history), ==, "");
  jkb_history_begin_outage (history, 0);
  jkb_history_stop (history);
  g_object_unref (history);
}

/* ---- configuration ---- */

static void
test_switched_off_and_on (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = { FALSE, 2592000, 64 };
  g_autoptr (GError) error = NULL;

  add (f, "garage_1", 3);
  jkb_history_configure (f->history, &off);
  g_assert_false (jkb_history_is_recording (f->history));
  add (f, "garage_1", 3);
  g_assert_null (ask (f, "total_voltage", 0, 1, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  jkb_history_configure (f->history, &standard);
  add (f, "garage_1", 4);
  g_assert_cmpuint (count_when_open (f), ==, 7);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  if (argc == 3 && g_str_equal (argv[0], "record"))
    record_until_killed (argv[1], (int) strtol (argv[2], NULL, 10));
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error"); /* what is set aside is warned of */
  ADD ("/history/add-and-ask", test_add_and_ask);
  ADD ("/history/live-only", test_live_only);
  ADD ("/history/refused", test_refused);
  ADD ("/history/every-number", test_every_number);
  ADD ("/history/many", test_many);
  ADD ("/history/many-of-one", test_many_of_one);
  ADD ("/history/restart", test_restart);
  ADD ("/history/killed", test_killed);
  ADD ("/history/missed", test_missed);
  ADD ("/history/damaged-files", test_damaged_files);
  ADD ("/history/off-and-on", test_off_and_on);
  ADD ("/history/off", test_off);
  ADD ("/history/forget", test_forget);
  ADD ("/history/forget-while-off", test_forget_while_off);
  ADD ("/history/damaged-pages", test_damaged_pages);
  ADD ("/history/each-page", test_each_page);
  ADD ("/history/link-in-path", test_link_in_path);
  ADD ("/history/flood", test_flood);
  g_test_add_func ("/history/no-directory", test_no_directory);
  g_test_add_func ("/history/no-state", test_no_state);
  ADD ("/history/switched-off-and-on", test_switched_off_and_on);
  return g_test_run ();
}
