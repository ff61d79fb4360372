/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The time for those who delete.
 */
#include "history/jkb-history-clock.h"

#include "core/jkb-stamp.h"

#define STATE_CLOCK "clock"                     /* .now_us of the last commit */
#define STATE_CLOCK_MONOTONIC "clock-monotonic" /* at that moment */
#define STATE_CLOCK_ERA "clock-era"             /* the boot that this is of */
#define STATE_CLOCK_DOUBT "clock-doubt"         /* for how long it is not believed */

/* In this boot, since the last commit. */
static gint64
read_elapsed (const JkbHistorySource *source)
{
  gint64 before_us = jkb_history_db_get_state (source->db, STATE_CLOCK_MONOTONIC, 0);

  return MAX (source->monotonic_us - before_us, 0) + MAX (source->slept_us, 0);
}

static gboolean
write_state (const JkbHistorySource *source, gint64 now_us, gint64 doubt_us, GError **error)
{
  gint64 era = (gint64) jkb_journal_get_era (source->journal);

  return jkb_history_db_set_state (source->db, STATE_CLOCK, now_us, error)
         && jkb_history_db_set_state (source->db, STATE_CLOCK_MONOTONIC, source->monotonic_us,
                                      error)
         && jkb_history_db_set_state (source->db, STATE_CLOCK_ERA, era, error)
         && jkb_history_db_set_state (source->db, STATE_CLOCK_DOUBT, doubt_us, error);
}

gboolean
jkb_history_clock_step (const JkbHistorySource *source, gint64 *now_us, GError **error)
{
  gint64 era = (gint64) jkb_journal_get_era (source->journal);
  gboolean same_boot = jkb_history_db_get_state (source->db, STATE_CLOCK_ERA, 0) == era;
  gint64 before_us = jkb_history_db_get_state (source->db, STATE_CLOCK, 0);
  gint64 elapsed_us = same_boot ? read_elapsed (source) : 0;
  gint64 leap_us = same_boot ? JKB_CLOCK_LEAP_US : JKB_CLOCK_BOOT_LEAP_US;
  gint64 doubt_us = jkb_history_db_get_state (source->db, STATE_CLOCK_DOUBT, 0) + elapsed_us;

  *now_us = 0;
  if (!jkb_stamp_is_set (source->realtime_us))
    return TRUE;
  *now_us = source->realtime_us;
  if (before_us == 0 || source->synchronized
      || source->realtime_us <= before_us + elapsed_us + leap_us || doubt_us > JKB_CLOCK_DOUBT_US)
    doubt_us = 0;
  else
    *now_us = before_us + elapsed_us;
  return write_state (source, *now_us, doubt_us, error);
}
