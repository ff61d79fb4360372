/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Pure arithmetic, on the main thread.
 */
#include "bus/jkb-health.h"

#include <math.h>

#define STARTING_US (120 * G_USEC_PER_SEC)
#define FREE_GAP_US (10 * G_USEC_PER_SEC) /* longer than the cycle of any master */
#define WORST_DAMAGE 0.05
#define WORST_UNATTRIBUTED 0.5
#define WORTH_SAYING 0.01

/* What happened within the window. */
typedef struct
{
  guint64 frames, damaged, unattributed;
  double coverage; /* share of the intervals between samples in which frames came */
  gint64 length_us;
} Period;

static void
add_sample (JkbHealth *health, gint64 now_us, const JkbReaderReport *report)
{
  health->samples[health->next] = (JkbHealthSample){ now_us, *report };
  health->next = (health->next + 1) % JKB_HEALTH_SAMPLES;
  health->n_samples = MIN (health->n_samples + 1, JKB_HEALTH_SAMPLES);
}

/* @age: 0 is the last one */
static const JkbHealthSample *
get_sample (const JkbHealth *health, guint age)
{
  return &health->samples[(health->next + JKB_HEALTH_SAMPLES - 1 - age) % JKB_HEALTH_SAMPLES];
}

void
jkb_health_start (JkbHealth *health, gint64 now_us, const JkbReaderReport *report)
{
  *health = (JkbHealth){ .started_us = now_us };
  add_sample (health, now_us, report);
}

void
jkb_health_note (JkbHealth *health, gint64 now_us, const JkbReaderReport *report)
{
  if (health->n_samples == 0
      || now_us - get_sample (health, 0)->at_us >= JKB_HEALTH_SPACING_US)
    add_sample (health, now_us, report);
}

static guint64
damaged (const JkbBusCounters *counters)
{
  return counters->checksum_errors + counters->ack_errors;
}

static Period
measure (const JkbHealth *health, gint64 now_us, const JkbReaderReport *report)
{
  JkbHealthSample newer = { now_us, *report };
  Period period = { 0 };
  gint64 covered_us = 0;

  for (guint age = 0; age < health->n_samples; age++)
    {
      const JkbHealthSample *older = get_sample (health, age);
      const JkbBusCounters *a = &older->report.counters, *b = &newer.report.counters;

      if (now_us - older->at_us > JKB_HEALTH_WINDOW_US + JKB_HEALTH_SPACING_US)
        break;
      period.frames += b->frames_received - a->frames_received;
      period.damaged += damaged (b) - damaged (a);
      period.unattributed += b->unattributed_frames - a->unattributed_frames;
      if (b->frames_received != a->frames_received)
        covered_us += newer.at_us - older->at_us;
      newer = *older;
    }
  period.length_us = now_us - newer.at_us;
  period.coverage = period.length_us == 0 ? 0 : (double) covered_us / (double) period.length_us;
  return period;
}

static double
ratio (guint64 part, guint64 rest)
{
  return part == 0 ? 0 : (double) part / (double) (part + rest);
}

static char *
describe (const Period *period, double damage, double unattributed, double present)
{
  if (damage >= WORTH_SAYING)
    return g_strdup_printf ("%.0f %% of frames damaged: check cable, termination and ground",
                            100 * damage);
  if (unattributed >= WORTH_SAYING)
    return g_strdup_printf ("%.0f %% of frames from an unknown sender", 100 * unattributed);
  if (period->coverage < 0.99 && period->length_us > STARTING_US)
    return g_strdup_printf ("frames in %.0f %% of the last %.0f min only", 100 * period->coverage,
                            (double) period->length_us / (60.0 * G_USEC_PER_SEC));
  if (present < 1)
    return g_strdup ("no frames for a while");
  return g_strdup ("good");
}

static guint
score_flowing (const Period *period, gint64 gap_us, gint64 timeout_us, char **reason)
{
  double damage = ratio (period->damaged, period->frames);
  double unattributed = ratio (period->unattributed, period->frames - period->unattributed);
  double limit_us = (double) MAX (timeout_us, 2 * FREE_GAP_US);
  double present = 1 - CLAMP ((double) (gap_us - FREE_GAP_US) / (limit_us - FREE_GAP_US), 0, 1);
  double clean = 1 - MIN (damage / WORST_DAMAGE, 1);
  double known = 1 - MIN (unattributed / WORST_UNATTRIBUTED, 1);
  double came = period->length_us > STARTING_US ? period->coverage : 1;

  *reason = describe (period, damage, unattributed, present);
  return (guint) lround (100 * (0.60 * came * known + 0.25 * clean + 0.15 * present));
}

static char *
describe_silence (gint64 bytes_ago_us, gint64 frame_ago_us, gint64 timeout_us)
{
  if (bytes_ago_us >= timeout_us)
    return g_strdup_printf ("no bytes for %.0f s: nobody polls this bus or it is not connected",
                            (double) bytes_ago_us / G_USEC_PER_SEC);
  return g_strdup_printf ("bytes but no frames for %.0f s: wrong speed, wiring or protocol",
                          (double) frame_ago_us / G_USEC_PER_SEC);
}

guint
jkb_health_score (const JkbHealth *health, gint64 now_us, const JkbReaderReport *report,
                  JkbLinkState state, const char *error, gint64 timeout_us, char **reason)
{
  gint64 start_us = health->n_samples == 0 ? now_us : health->started_us;
  gint64 frame_ago_us = now_us - MAX (report->last_frame_us, start_us);
  gint64 bytes_ago_us = now_us - MAX (report->last_bytes_us, start_us);
  Period period;

  if (state != JKB_LINK_UP)
    {
      *reason = g_strdup (error[0] != '\0' ? error : "not connected");
      return 0;
    }
  if (timeout_us > 0 && frame_ago_us >= timeout_us)
    {
      *reason = describe_silence (bytes_ago_us, frame_ago_us, timeout_us);
      return 0;
    }
  if (report->last_frame_us == 0)
    {
      *reason = g_strdup ("waiting for the first frame");
      return 50;
    }
  period = measure (health, now_us, report);
  return score_flowing (&period, frame_ago_us, timeout_us, reason);
}
