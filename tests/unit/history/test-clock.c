/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A wall clock that is set, far ahead or back, while the history goes on: what must not be lost.
 */
#include "commit-fixture.h"
#include "core/jkb-log.h"

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

#define ADD(path, data, func) g_test_add (path, Fixture, data, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  /* What the clock dates farther back is thinned by the time that it is set again. */
  static const gint64 back_us = -66 * 60 * SECOND, far_back_us = -DAY;

  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error");
  ADD ("/clock/outage-back", &back_us, test_outage);
  ADD ("/clock/outage-back-restart", &far_back_us, test_outage_restart);
  return g_test_run ();
}
