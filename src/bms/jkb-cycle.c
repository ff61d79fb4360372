/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Median of the last few intervals. Owned by a JkbBms, main thread.
 */
#include "bms/jkb-cycle.h"

#include <string.h>

#define OUTAGE_US (120 * G_USEC_PER_SEC)

void
jkb_cycle_add (JkbCycle *cycle, gint64 monotonic_us)
{
  gint64 interval_us = monotonic_us - cycle->last_us;

  if (cycle->last_us != 0 && interval_us > 0 && interval_us <= OUTAGE_US)
    {
      cycle->interval_ms[cycle->next] = (gint32) (interval_us / 1000);
      cycle->next = (cycle->next + 1) % JKB_CYCLE_SAMPLES;
      cycle->n = MIN (cycle->n + 1, JKB_CYCLE_SAMPLES);
    }
  cycle->last_us = monotonic_us;
}

static int
compare_intervals (const void *a, const void *b)
{
  gint32 x = *(const gint32 *) a, y = *(const gint32 *) b;

  return (x > y) - (x < y);
}

double
jkb_cycle_get (const JkbCycle *cycle)
{
  gint32 sorted[JKB_CYCLE_SAMPLES];

  if (cycle->n == 0)
    return 0;
  memcpy (sorted, cycle->interval_ms, sizeof sorted);
  qsort (sorted, cycle->n, sizeof sorted[0], compare_intervals);
  return sorted[cycle->n / 2] / 1000.0;
}
