/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Leading-edge throttle: the first change goes at once, then at most one per interval, and what came
 * in between goes when the interval is over. Pure functions of the time.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gint64 last_us; /* when it last went, 0: never */
  gboolean pending;
} JkbThrottle;

/* Ticks of a second and an interval of seconds must not beat: a little early is on time. */
static inline gint64
jkb_throttle_slack (gint64 interval_us)
{
  return MIN (interval_us / 10, G_USEC_PER_SEC / 10);
}

/* Whether it goes now; then it counts as gone. @urgent: whatever the interval says. */
static inline gboolean
jkb_throttle_take (JkbThrottle *throttle, gint64 now_us, gint64 interval_us, gboolean urgent)
{
  if (!throttle->pending)
    return FALSE;
  if (!urgent && throttle->last_us != 0
      && now_us < throttle->last_us + interval_us - jkb_throttle_slack (interval_us))
    return FALSE;
  throttle->pending = FALSE;
  throttle->last_us = now_us;
  return TRUE;
}

/* When somebody must look again although nothing new comes; G_MAXINT64: need not. A frame that comes
 * shortly after the interval saves the wake-up, so this is a little late. */
static inline gint64
jkb_throttle_deadline (const JkbThrottle *throttle, gint64 interval_us)
{
  if (!throttle->pending)
    return G_MAXINT64;
  return throttle->last_us + interval_us + MIN (interval_us / 4, G_USEC_PER_SEC);
}

G_END_DECLS
