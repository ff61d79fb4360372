/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the history survives: restarts, kill -9, damaged files, a full journal; and what was missed.
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/jkb-log.h"
#include "history/jkb-history-db-private.h"
#include "history/jkb-journal.h"
#include "live-fixture.h"

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

/* Until the store thread has told it. */
static void
wait_for_error (Fixture *f, const char *text)
{
  while (strstr (jkb_history_get_error (f->history), text) == NULL)
    g_main_context_iteration (NULL, TRUE);
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

/* What a damaged record takes with it is counted, whoever finds it. */
static void
test_damaged_record (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "history.journal", NULL);
  JkbHistoryCounters counters;
  JkbJournal *journal;

  stop (f);
  journal = jkb_journal_open (path, NULL);
  for (guint i = 0; i < 10; i++)
    {
      JkbRecord *record = jkb_journal_reserve (journal, sizeof *record);

      memset (&record->realtime_us, 0, sizeof *record - G_STRUCT_OFFSET (JkbRecord, realtime_us));
      record->realtime_us = g_get_real_time ();
      record->monotonic_us = g_get_monotonic_time ();
      strcpy (record->id, "garage_1");
      make_live (record->frame, 3300);
      jkb_journal_publish (journal, record, sizeof *record, JKB_RECORD_SAMPLE);
      if (i == 6)
        record->frame[100] ^= 1;
    }
  jkb_journal_close (journal);
  start (f);
  g_assert_cmpuint (count (f), ==, 6);
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.dropped, ==, 4);
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

/* Nothing is written over what cannot be set aside; it is told, and the samples wait. */
static void
test_cannot_be_set_aside (Fixture *f, gconstpointer data)
{
  g_autofree char *aside = g_build_filename (f->directory, "history.sqlite.set-aside", NULL);
  g_autofree char *path = g_build_filename (f->directory, "history.sqlite", NULL);
  g_autofree char *bytes = NULL;
  g_autoptr (GError) error = NULL;

  add (f, "garage_1", 5);
  stop (f);
  overwrite (f, "history.sqlite");
  g_assert_cmpint (g_mkdir (aside, 0700), ==, 0);
  start (f);
  wait_for_error (f, "is damaged and cannot be set aside");
  add (f, "garage_1", 3);
  g_assert_true (jkb_history_is_recording (f->history));
  g_assert_null (ask (f, "cell_voltage_1", 0, G_MAXINT64, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  g_assert_nonnull (strstr (error->message, "cannot be set aside"));
  stop (f);
  g_assert_true (g_file_get_contents (path, &bytes, NULL, NULL));
  g_assert_true (g_str_has_prefix (bytes, "nonsense"));
  g_rmdir (aside);
  start (f);
  g_assert_cmpuint (count (f), ==, 3);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

static void
change (Fixture *f, const char *sql)
{
  g_autofree char *path = g_build_filename (f->directory, "history.sqlite", NULL);
  JkbHistoryDb *db = jkb_history_db_open (path, NULL);

  g_assert_true (jkb_history_db_run (db, sql, NULL));
  jkb_history_db_close (db);
}

/* What is too old cannot be deleted: that is told, and everything else goes on. */
static void
test_untidy (Fixture *f, gconstpointer data)
{
  add (f, "garage_1", 5);
  stop (f);
  change (f, "UPDATE chunk SET t0=t0-3000000000000, t1=t1-3000000000000;"
             "CREATE TRIGGER no BEFORE DELETE ON chunk BEGIN SELECT RAISE (ABORT, 'not so'); END");
  start (f);
  wait_for_error (f, "the history cannot be tidied: not so");
  add (f, "garage_1", 3);
  g_assert_cmpuint (count (f), ==, 5 + 3);
  stop (f);
  change (f, "DROP TRIGGER no");
  start (f);
  g_assert_cmpuint (count (f), ==, 3);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
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

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  if (argc == 3 && g_str_equal (argv[0], "record"))
    record_until_killed (argv[1], (int) strtol (argv[2], NULL, 10));
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error"); /* what is set aside is warned of */
  ADD ("/survival/restart", test_restart);
  ADD ("/survival/killed", test_killed);
  ADD ("/survival/missed", test_missed);
  ADD ("/survival/damaged-files", test_damaged_files);
  ADD ("/survival/damaged-record", test_damaged_record);
  ADD ("/survival/damaged-pages", test_damaged_pages);
  ADD ("/survival/cannot-be-set-aside", test_cannot_be_set_aside);
  ADD ("/survival/untidy", test_untidy);
  ADD ("/survival/each-page", test_each_page);
  ADD ("/survival/link-in-path", test_link_in_path);
  ADD ("/survival/flood", test_flood);
  g_test_add_func ("/survival/no-directory", test_no_directory);
  g_test_add_func ("/survival/no-state", test_no_state);
  return g_test_run ();
}
