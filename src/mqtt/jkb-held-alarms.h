/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Alarm events that wait for the wall clock to be set: until then nobody can say when they were, as
 * soon as it is everybody can. Main thread only; time comes in as an argument.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  char *topic;
  guint bit;
  gboolean raised;
  gint64 realtime_us; /* both clocks at that moment */
  gint64 monotonic_us;
} JkbHeldAlarm;

void jkb_held_alarm_free (JkbHeldAlarm *alarm);

/**
 * jkb_held_alarms_add:
 * @held: (element-type JkbHeldAlarm)
 * @alarm: (transfer full)
 *
 * Returns: %FALSE when the oldest had to go because there are more than @max
 */
gboolean jkb_held_alarms_add (GQueue *held, JkbHeldAlarm *alarm, guint max);

/**
 * jkb_held_alarms_take:
 * @stamp_us: (out): when it was, by the clock of now
 *
 * Returns: (nullable) (transfer full): the oldest whose time is known
 */
JkbHeldAlarm *jkb_held_alarms_take (GQueue *held, gint64 now_realtime_us, gint64 now_monotonic_us,
                                    gint64 *stamp_us);

G_END_DECLS
