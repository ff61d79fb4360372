/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The measured time between two live frames of one address (protocol §4.2.6): a median, so that one
 * lost frame does not move it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_CYCLE_SAMPLES 5

typedef struct
{
  gint64 last_us;
  gint32 interval_ms[JKB_CYCLE_SAMPLES]; /* ring */
  guint8 next, n;
} JkbCycle;

/* A live frame came at @monotonic_us. Gaps above two minutes are outages, not cycles. */
void jkb_cycle_add (JkbCycle *cycle, gint64 monotonic_us);

/* Median of the last intervals in seconds, 0 while unknown. */
double jkb_cycle_get (const JkbCycle *cycle);

G_END_DECLS
