/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How well a bus does, as a score of 0..100 and one sentence that says why. Computed from what the
 * counters did over the last ten minutes; no clock and no timer of its own: samples are taken when
 * somebody asks or something happens, at most every 15 s.
 */
#pragma once

#include "bus/jkb-reader.h"

G_BEGIN_DECLS

#define JKB_HEALTH_WINDOW_US (600 * G_USEC_PER_SEC)
#define JKB_HEALTH_SPACING_US (15 * G_USEC_PER_SEC)
#define JKB_HEALTH_SAMPLES 41 /* window / spacing, both ends */

typedef struct
{
  gint64 at_us;
  JkbReaderReport report;
} JkbHealthSample;

/* Zeroed: nothing known yet. */
typedef struct
{
  JkbHealthSample samples[JKB_HEALTH_SAMPLES]; /* a ring */
  gint64 started_us;
  guint n_samples;
  guint next;
} JkbHealth;

/* Forgets everything; the bus was started at @now_us. */
void jkb_health_start (JkbHealth *health, gint64 now_us, const JkbReaderReport *report);

/* Keeps a sample, unless the last one is too young. */
void jkb_health_note (JkbHealth *health, gint64 now_us, const JkbReaderReport *report);

/**
 * jkb_health_score:
 * @error: what the link says is wrong, "" when nothing
 * @timeout_us: silence that is a fault; 0: none is
 * @reason: (out) (transfer full)
 *
 * Weights and limits of the window: 60 % that frames come at all, 25 % damaged records (5 % of them
 * are the worst case), 15 % the present gap.
 *
 * Returns: 0..100
 */
guint jkb_health_score (const JkbHealth *health, gint64 now_us, const JkbReaderReport *report,
                        JkbLinkState state, const char *error, gint64 timeout_us, char **reason);

G_END_DECLS
