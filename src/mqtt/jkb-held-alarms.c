/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Alarm events that wait for the clock. Main thread only.
 */
#include "mqtt/jkb-held-alarms.h"

#include "mqtt/jkb-topic.h"

void
jkb_held_alarm_free (JkbHeldAlarm *alarm)
{
  g_free (alarm->topic);
  g_free (alarm);
}

gboolean
jkb_held_alarms_add (GQueue *held, JkbHeldAlarm *alarm, guint max)
{
  g_queue_push_tail (held, alarm);
  if (held->length <= max)
    return TRUE;
  jkb_held_alarm_free (g_queue_pop_head (held));
  return FALSE;
}

JkbHeldAlarm *
jkb_held_alarms_take (GQueue *held, gint64 now_realtime_us, gint64 now_monotonic_us,
                      gint64 *stamp_us)
{
  JkbHeldAlarm *alarm = g_queue_peek_head (held);

  if (alarm == NULL)
    return NULL;
  *stamp_us = jkb_stamp_correct (alarm->realtime_us, alarm->monotonic_us, now_realtime_us,
                                 now_monotonic_us);
  return *stamp_us != 0 ? g_queue_pop_head (held) : NULL;
}
