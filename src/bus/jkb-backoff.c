/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Pure arithmetic, on the reader thread.
 */
#include "bus/jkb-backoff.h"

#include <math.h>

#define JITTER 0.2
#define MAX_DOUBLINGS 30

void
jkb_backoff_note_frame (JkbBackoff *backoff, gint64 now_us)
{
  if (backoff->good_since_us == 0)
    backoff->good_since_us = now_us;
  else if (now_us - backoff->good_since_us >= JKB_BACKOFF_GOOD_US)
    backoff->failures = 0;
}

gint64
jkb_backoff_fail (JkbBackoff *backoff, double min_s, double max_s, double random)
{
  double delay_s = MIN (ldexp (min_s, (int) backoff->failures), MAX (min_s, max_s));

  backoff->failures = MIN (backoff->failures + 1, MAX_DOUBLINGS);
  backoff->good_since_us = 0;
  return (gint64) (delay_s * (1 - JITTER + 2 * JITTER * random) * G_USEC_PER_SEC);
}
