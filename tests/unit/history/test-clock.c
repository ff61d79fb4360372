/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A wall clock that is set, far ahead or back, while the history goes on: what must not be lost.
 */
#include <string.h>

#include "commit-fixture.h"
#include "core/jkb-log.h"
#include "history/jkb-journal-private.h"

/* One minute at 1 Hz from @monotonic_us on, by a wall clock that is @shift_us ahead of it. */
static void
live_a_minute (Fixture *f, gint64 *monotonic_us, gint64 shift_us)
{
  for (guint i = 0; i < 60; i++, *monotonic_us += SECOND)
    add_at (f, "garage_1", *monotonic_us + shift_us, *monotonic_us, 3300);
  f->source.realtime_us = *monotonic_us + shift_us;
  f->source.monotonic_us = *monotonic_us;
  commit (f);
}

/* ---- outages ---- */

/* An outage of 20 minutes, in which the clock is set for the middle 10; then all is well. */
static void
test_outage (Fixture *f, gconstpointer data)
{
  const gint64 *step_us = data;
  gint64 monotonic_us = BOOT_US, shift_us = NEW_YEAR + 10 * DAY - BOOT_US;

  live_a_minute (f, &monotonic_us, shift_us);
  control (f, JKB_RECORD_BEGIN_OUTAGE, "", monotonic_us + shift_us, monotonic_us);
  for (guint minute = 0; minute < 20; minute++)
    live_a_minute (f, &monotonic_us, shift_us + (minute >= 5 && minute < 15 ? *step_us : 0));
  control (f, JKB_RECORD_END_OUTAGE, "", monotonic_us - 1 + shift_us, monotonic_us - 1);
  live_a_minute (f, &monotonic_us, shift_us);
  live_a_minute (f, &monotonic_us, shift_us);
  g_assert_cmpuint (read_all_missed (f, 1000, 0, G_MAXINT64), ==, 20 * 60);
}

/* The clock stays where it was set; a restart lies between. */
static void
test_outage_restart (Fixture *f, gconstpointer data)
{
  const gint64 *step_us = data;
  gint64 monotonic_us = BOOT_US, shift_us = NEW_YEAR + 10 * DAY - BOOT_US;

  control (f, JKB_RECORD_BEGIN_OUTAGE, "", monotonic_us + shift_us, monotonic_us);
  for (guint minute = 0; minute < 20; minute++)
    {
      live_a_minute (f, &monotonic_us, shift_us + (minute >= 10 ? *step_us : 0));
      close_all (f);
      open_all (f);
    }
  shift_us += *step_us;
  control (f, JKB_RECORD_END_OUTAGE, "", monotonic_us - 1 + shift_us, monotonic_us - 1);
  live_a_minute (f, &monotonic_us, shift_us);
  g_assert_cmpuint (read_all_missed (f, 1000, 0, G_MAXINT64), ==, 20 * 60);
}

/* ---- deleting ---- */

static void
live_hours (Fixture *f, guint n)
{
  gint64 monotonic_us = BOOT_US;

  for (guint minute = 0; minute < 60 * n; minute++)
    live_a_minute (f, &monotonic_us, NEW_YEAR - BOOT_US);
}

static void
commit_at (Fixture *f, gint64 realtime_us, gint64 monotonic_us)
{
  f->source.realtime_us = realtime_us;
  f->source.monotonic_us = monotonic_us;
  commit (f);
}

/* One commit by a clock that is wrong, and all that is old by it would be gone. */
static void
test_ahead (Fixture *f, gconstpointer data)
{
  const gint64 *step_us = data;
  guint before;

  live_hours (f, 2);
  before = count_all (f, "garage_1");
  g_assert_cmpuint (before, ==, 3600 + 360);
  for (guint i = 0; i < 10; i++)
    commit_at (f, NEW_YEAR + 2 * HOUR + *step_us, BOOT_US + 2 * HOUR + i * SECOND);
  commit_at (f, NEW_YEAR + 2 * HOUR, BOOT_US + 2 * HOUR + 10 * SECOND);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, before);
}

static void
boot_anew (Fixture *f)
{
  static const char boot[16] = "another boot";
  g_autofree char *bytes = NULL;
  gsize size;

  close_all (f);
  g_assert_true (g_file_get_contents (f->journal_path, &bytes, &size, NULL));
  memcpy (bytes + G_STRUCT_OFFSET (JkbJournalHeader, boot), boot, sizeof boot);
  g_assert_true (g_file_set_contents (f->journal_path, bytes, (gssize) size, NULL));
  open_all (f);
}

/* The clock of the machine has lost its battery; the network tells the time after a minute. */
static void
test_ahead_at_start (Fixture *f, gconstpointer data)
{
  const gint64 *step_us = data;

  live_hours (f, 2);
  boot_anew (f);
  commit_at (f, NEW_YEAR + 2 * HOUR + *step_us, 10 * SECOND);
  commit_at (f, NEW_YEAR + 2 * HOUR + *step_us + 60 * SECOND, 70 * SECOND);
  f->source.synchronized = TRUE;
  commit_at (f, NEW_YEAR + 2 * HOUR + 80 * SECOND, 80 * SECOND);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 3600 + 360);
}

/* Nobody ever tells that it is right, and so it must be. */
static void
test_ahead_for_a_day (Fixture *f, gconstpointer data)
{
  live_hours (f, 1);
  for (guint hour = 1; hour <= 25; hour++)
    {
      commit_at (f, NEW_YEAR + 40 * DAY + hour * HOUR, BOOT_US + hour * HOUR);
      if (hour <= 24)
        g_assert_cmpuint (count_all (f, "garage_1"), >=, 360);
    }
  commit_at (f, NEW_YEAR + 40 * DAY + 26 * HOUR, BOOT_US + 26 * HOUR);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 0);
}

static void
test_ahead_synchronized (Fixture *f, gconstpointer data)
{
  live_hours (f, 1);
  f->source.synchronized = TRUE;
  commit_at (f, NEW_YEAR + 40 * DAY, BOOT_US + HOUR + SECOND);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 0);
}

/* A machine that slept for 40 days has no clock that leapt. */
static void
test_slept (Fixture *f, gconstpointer data)
{
  live_hours (f, 1);
  f->source.slept_us = 40 * DAY;
  commit_at (f, NEW_YEAR + 40 * DAY + HOUR, BOOT_US + HOUR + SECOND);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 0);
}

/* A clock that is never set does not switch off the limit of the size. */
static void
test_limit_without_clock (Fixture *f, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint64 lost = 0;

  f->limits.max_bytes = 1000 * 1000;
  for (guint minute = 0; minute < 100; minute++)
    {
      gint64 begin_us = minute * 60 * SECOND;

      for (guint i = 0; i < 240; i++)
        add_noise (f, NEW_YEAR - BOOT_US + begin_us + i * SECOND / 4, rand);
      commit_at (f, begin_us + 60 * SECOND, BOOT_US + begin_us + 60 * SECOND);
      lost += f->result.lost;
      g_assert_cmpuint (jkb_history_db_file_bytes (f->source.db), <, 1500 * 1000);
    }
  g_assert_cmpuint (lost, >, 100 * 240 / 4);
  g_assert_cmpuint (lost, <, 100 * 240);
}

/* What the last boot left in the journal keeps its time, even if the first start of this one was
 * killed before it committed. */
static void
test_boot_twice (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) points = NULL;

  add (f, "garage_1", NEW_YEAR, 3300);
  boot_anew (f);
  close_all (f);
  open_all (f);
  commit_at (f, NEW_YEAR + 10 * HOUR, 200 * SECOND);
  points = ask (f, "garage_1", 0, G_MAXINT64, 100);
  g_assert_cmpuint (points->len, ==, 1);
  g_assert_cmpint (g_array_index (points, JkbHistoryPoint, 0).stamp_us, ==, NEW_YEAR);
  g_assert_false (jkb_journal_is_foreign (f->source.journal, 0));
}

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  /* What the clock dates farther back is thinned by the time that it is set again. */
  static const gint64 back_us = -66 * 60 * SECOND, far_back_us = -DAY;
  static const gint64 ahead_us = DAY, far_us = 20000 * DAY;

  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error");
  ADD ("/clock/outage-back", &back_us, test_outage);
  ADD ("/clock/outage-back-restart", &far_back_us, test_outage_restart);
  ADD ("/clock/outage-ahead", &ahead_us, test_outage);
  ADD ("/clock/outage-far-ahead", &far_us, test_outage);
  ADD ("/clock/outage-ahead-restart", &ahead_us, test_outage_restart);
  ADD ("/clock/ahead", &far_us, test_ahead);
  ADD ("/clock/ahead-at-start", &far_us, test_ahead_at_start);
  ADD ("/clock/ahead-for-a-day", NULL, test_ahead_for_a_day);
  ADD ("/clock/ahead-synchronized", NULL, test_ahead_synchronized);
  ADD ("/clock/slept", NULL, test_slept);
  ADD ("/clock/boot-twice", NULL, test_boot_twice);
  ADD ("/clock/limit-without-clock", NULL, test_limit_without_clock);
  return g_test_run ();
}
