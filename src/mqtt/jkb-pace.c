/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How fast what was missed may be sent: one more after a window full of quick answers, half as many
 * after a slow one.
 */
#include "mqtt/jkb-pace.h"

void
jkb_pace_reset (JkbPace *pace)
{
  pace->in_flight = 0;
  pace->window = 1;
  pace->quick = 0;
  pace->best_us = G_MAXINT64;
  pace->alone = FALSE;
}

JkbMessage *
jkb_pace_take (JkbPace *pace)
{
  return pace->in_flight < pace->window ? g_queue_pop_head (&pace->waiting) : NULL;
}

void
jkb_pace_put_back (JkbPace *pace, JkbMessage *message)
{
  g_queue_push_head (&pace->waiting, message);
}

void
jkb_pace_sent (JkbPace *pace)
{
  pace->alone = pace->in_flight++ == 0;
}

void
jkb_pace_answered (JkbPace *pace, gint64 took_us)
{
  pace->in_flight -= MIN (pace->in_flight, 1);
  /* One at a time, and none waited for another: that is how long the way takes now, even if it was
   * shorter once. */
  if (pace->alone && pace->window == 1)
    pace->best_us = took_us;
  pace->best_us = MIN (pace->best_us, took_us);
  pace->alone = FALSE;
  if (took_us - pace->best_us > JKB_PACE_QUEUE_US)
    {
      pace->window = MAX (pace->window / 2, 1);
      pace->quick = 0;
    }
  else if (++pace->quick >= pace->window)
    {
      pace->window = MIN (pace->window + 1, JKB_PACE_MAX);
      pace->quick = 0;
    }
}
