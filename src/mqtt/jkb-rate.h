/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How many messages that nobody answers may leave: as many as any number of real buses brings, but
 * in a flood no more than a broker takes at once. What it does not would wait in the kernel, behind
 * which nothing newer can replace it. Pure; time is an argument.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_RATE_INTERVAL_US 250                        /* 4,000 a second */
#define JKB_RATE_BURST 256                              /* at once after a rest */
#define JKB_RATE_RETRY_US (20 * JKB_RATE_INTERVAL_US)   /* a few together, then */

typedef struct
{
  gint64 free_us; /* when a sender at the even rate would be done with what went; 0: long ago */
} JkbRate;

/* Whether one may go now. */
static inline gboolean
jkb_rate_allows (const JkbRate *rate, gint64 now_us)
{
  return rate->free_us - now_us <= (JKB_RATE_BURST - 1) * JKB_RATE_INTERVAL_US;
}

/* One went. */
static inline void
jkb_rate_count (JkbRate *rate, gint64 now_us)
{
  rate->free_us = MAX (rate->free_us, now_us) + JKB_RATE_INTERVAL_US;
}

G_END_DECLS
