/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The history is switched on while the daemon runs, on a disk that hangs: the main loop does not.
 * What it asks and says meanwhile is refused, counted or kept for later.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/jkb-log.h"
#include "history/jkb-history-private.h"
#include "live-fixture.h"

#define PATIENCE_US (5 * SECOND) /* a hanging disk of these tests does no more */

static const JkbHistoryConfig off = { FALSE, 2592000, 64 };

static atomic_bool hangs, is_hanging;

/* Instead of the C library's: all the blocks of the journal are had at once. */
int
posix_fallocate (int fd, off_t offset, off_t length)
{
  gint64 until_us = g_get_monotonic_time () + PATIENCE_US;

  atomic_store (&is_hanging, true);
  while (atomic_load (&hangs) && g_get_monotonic_time () < until_us)
    g_usleep (500);
  atomic_store (&is_hanging, false);
  return ftruncate (fd, offset + length) == 0 ? 0 : EIO;
}

static void
set_up_off (Fixture *f, gconstpointer data)
{
  set_up (f, data);
  jkb_history_configure (f->history, &off);
}

/* For what ends or begins by itself. */
static void
turn_loop (guint ms)
{
  for (guint i = 0; i < ms; i++)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (1000);
    }
}

/* On, and the disk does not answer; the thread of before may be on its way out still. */
static void
switch_on_and_hang (Fixture *f)
{
  atomic_store (&hangs, true);
  jkb_history_configure (f->history, &standard);
  while (!atomic_load (&is_hanging))
    turn_loop (1);
}

static void
let_go (Fixture *f)
{
  g_assert_true (atomic_load (&is_hanging));
  atomic_store (&hangs, false);
  while (!jkb_history_is_recording (f->history))
    g_main_context_iteration (NULL, TRUE);
}

static void
on_forgotten (JkbHistory *history, const char *id, GString *ids)
{
  g_string_append_printf (ids, "%s ", id);
}

static void
test_switched_on (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  JkbHistoryCounters counters;

  switch_on_and_hang (f);
  g_assert_false (jkb_history_is_recording (f->history));
  add (f, "garage_1", 3);
  g_assert_null (ask (f, "total_voltage", 0, G_MAXINT64, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_BUSY);
  let_go (f);
  add (f, "garage_1", 5);
  g_assert_cmpuint (count (f), ==, 5);
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.dropped, ==, 3);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

/* What was said meanwhile is heard: a BMS is forgotten, and nobody waits for what was missed. */
static void
test_said_meanwhile (Fixture *f, gconstpointer data)
{
  g_autoptr (GString) forgotten = g_string_new ("");
  g_autoptr (JkbHistoryBatch) batch = NULL;

  jkb_history_begin_outage (f->history, g_get_monotonic_time ());
  add (f, "garage_1", 3);
  add (f, "garage_2", 2);
  jkb_history_end_outage (f->history, g_get_monotonic_time ());
  jkb_history_configure (f->history, &off);
  switch_on_and_hang (f);
  g_signal_connect (f->history, "forgotten", G_CALLBACK (on_forgotten), forgotten);
  jkb_history_forget (f->history, "garage_1");
  g_assert_cmpstr (forgotten->str, ==, "");
  jkb_history_drop_outages (f->history);
  let_go (f);
  g_assert_cmpstr (forgotten->str, ==, "garage_1 ");
  g_assert_cmpuint (count (f), ==, 0);
  g_assert_cmpuint (count_of (f, "garage_2"), ==, 2);
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, 0);
}

/* Off, on and off again before it is open: nothing waits, and off it is. */
static void
test_off_meanwhile (Fixture *f, gconstpointer data)
{
  switch_on_and_hang (f);
  jkb_history_configure (f->history, &off);
  jkb_history_configure (f->history, &standard);
  jkb_history_configure (f->history, &off);
  g_assert_true (atomic_load (&is_hanging));
  atomic_store (&hangs, false);
  while (f->history->store != NULL)
    turn_loop (1);
  g_assert_false (jkb_history_is_recording (f->history));
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

/* No descriptor is left: that is told, and no reason to end. */
static void
test_no_descriptors (Fixture *f, gconstpointer data)
{
  struct rlimit limit, none;

  while (f->history->store != NULL)
    turn_loop (1);
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  none = limit;
  none.rlim_cur = 3;
  setrlimit (RLIMIT_NOFILE, &none);
  jkb_history_configure (f->history, &standard);
  setrlimit (RLIMIT_NOFILE, &limit);
  g_assert_false (jkb_history_is_recording (f->history));
  g_assert_nonnull (strstr (jkb_history_get_error (f->history), "no file descriptor is left"));
  jkb_history_configure (f->history, &off);
  jkb_history_configure (f->history, &standard);
  while (!jkb_history_is_recording (f->history))
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

/* A start waits for the journal, so that the first sample is in it; not for ever. */
static void
test_start (Fixture *f, gconstpointer data)
{
  stop (f);
  start (f);
  g_assert_true (jkb_history_is_recording (f->history));
  stop (f);
  atomic_store (&hangs, true);
  start (f);
  g_assert_false (jkb_history_is_recording (f->history));
  let_go (f);
  add (f, "garage_1", 1);
  g_assert_cmpuint (count (f), ==, 1);
}

/* Where there never was a history, forgetting makes none. */
static void
test_forget_nothing (Fixture *f, gconstpointer data)
{
  g_autofree char *path = g_build_filename (f->directory, "history.sqlite", NULL);
  g_autofree char *journal = g_build_filename (f->directory, "history.journal", NULL);
  g_autoptr (GString) forgotten = g_string_new ("");

  stop (f);
  g_unlink (path);
  g_unlink (journal);
  f->history = jkb_history_new (f->directory, NULL);
  g_signal_connect (f->history, "forgotten", G_CALLBACK (on_forgotten), forgotten);
  jkb_history_start (f->history, &off);
  jkb_history_forget (f->history, "garage_1");
  while (forgotten->len == 0 || f->history->store != NULL)
    turn_loop (1);
  g_assert_cmpstr (forgotten->str, ==, "garage_1 ");
  g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
  g_assert_false (g_file_test (journal, G_FILE_TEST_EXISTS));
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

#define ADD(path, set, func) g_test_add (path, Fixture, NULL, set, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error");
  ADD ("/opening/switched-on", set_up_off, test_switched_on);
  ADD ("/opening/said-meanwhile", set_up, test_said_meanwhile);
  ADD ("/opening/off-meanwhile", set_up_off, test_off_meanwhile);
  ADD ("/opening/no-descriptors", set_up_off, test_no_descriptors);
  ADD ("/opening/start", set_up, test_start);
  ADD ("/opening/forget-nothing", set_up, test_forget_nothing);
  return g_test_run ();
}
