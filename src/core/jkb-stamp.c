/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Moments told by a wall clock that was not set yet, and whether it is set now.
 */
#include "core/jkb-stamp.h"

#include <sys/stat.h>
#include <sys/timex.h>

#define TIMESYNCD_MARK "/run/systemd/timesync/synchronized"

/* 2024-01-01: a clock that says less was never set. */
#define CLOCK_FLOOR_US (G_GINT64_CONSTANT (1704067200) * G_USEC_PER_SEC)
#define CLOCK_STEP_US (2 * G_USEC_PER_SEC)

gboolean
jkb_stamp_is_set (gint64 realtime_us)
{
  return realtime_us >= CLOCK_FLOOR_US;
}

gint64
jkb_stamp_correct (gint64 realtime_us, gint64 monotonic_us, gint64 now_realtime_us,
                   gint64 now_monotonic_us)
{
  gint64 moved_us = (now_realtime_us - now_monotonic_us) - (realtime_us - monotonic_us);

  if (!jkb_stamp_is_set (now_realtime_us))
    return 0;
  return ABS (moved_us) < CLOCK_STEP_US ? realtime_us : realtime_us + moved_us;
}

gboolean
jkb_stamp_is_synchronized (gint64 max_age_us)
{
  struct timex state = { .modes = 0 }; /* only asks */
  struct stat mark;

  if (adjtimex (&state) != -1 && (state.status & STA_UNSYNC) == 0)
    return TRUE;
  return stat (TIMESYNCD_MARK, &mark) == 0
         && ABS (g_get_real_time () - mark.st_mtim.tv_sec * (gint64) G_USEC_PER_SEC) <= max_age_us;
}
