/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Compares a few bytes with those of the frame before. Runs on the reader thread; offsets as in
 * protocol §5.1 and §5.6.
 */
#include "bus/jkb-urgency.h"

#include <string.h>

/* A BMS is announced with its third frame: none of the three may wait. */
#define FRAMES_TO_CONFIRM 3

typedef struct
{
  guint16 offset;
  guint8 size;
} Span;

static const Span live[] = {
  { 166, 4 }, /* errors_bitmask */
  { 191, 1 }, /* precharging */
  { 198, 2 }, /* charging, discharging */
  { 215, 1 }, /* heating */
  { 0, 0 },
};

static const Span settings[] = {
  { 118, 1 }, /* charging_switch: u32 0 or 1, little-endian */
  { 122, 1 }, /* discharging_switch */
  { 126, 1 }, /* balancer */
  { 282, 2 }, /* control_mask */
  { 0, 0 },
};

static const Span info[] = { { 0, 0 } };

static const Span *const spans[JKB_N_GROUPS] = {
  [JKB_GROUP_LIVE] = live,
  [JKB_GROUP_SETTINGS] = settings,
  [JKB_GROUP_INFO] = info,
};

static void
collect (const JkbFrame *frame, JkbGroup group, guint8 *state)
{
  for (const Span *span = spans[group]; span->size != 0; span++)
    {
      memcpy (state, frame->data + span->offset, span->size);
      state += span->size;
    }
}

/* 8 instead of 300 bytes for each of 51 frames. A change within one word always makes another
 * digest; that a greater one makes the same is next to impossible, and would do no more than let
 * news wait for a second. */
static guint64
digest (const guint8 *bytes, gsize n_bytes)
{
  guint64 sum = n_bytes;

  for (gsize i = 0; i < n_bytes; i += sizeof (guint64))
    {
      guint64 word = 0;

      memcpy (&word, bytes + i, MIN (sizeof word, n_bytes - i));
      sum = ((sum << 5 | sum >> 59) ^ word) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
    }
  return sum;
}

static gboolean
tells_news (JkbUrgencyEntry *entry, const JkbFrame *frame)
{
  guint64 sum = digest (frame->data + JKB_FRAME_PAYLOAD, JKB_FRAME_SIZE - JKB_FRAME_PAYLOAD);
  gboolean news = sum != entry->digest;

  entry->digest = sum;
  return news;
}

JkbWake
jkb_urgency_check (JkbUrgency *urgency, const JkbFrame *frame)
{
  JkbGroup group = jkb_frame_group (frame->type);
  JkbUrgencyEntry *entry = &urgency->entries[MIN (frame->address, JKB_N_ADDRESSES)][group];
  guint8 state[JKB_URGENCY_STATE] = { 0 };
  gboolean urgent, news;

  collect (frame, group, state);
  urgent = entry->seen < FRAMES_TO_CONFIRM || memcmp (entry->state, state, sizeof state) != 0;
  entry->seen += entry->seen < FRAMES_TO_CONFIRM;
  memcpy (entry->state, state, sizeof state);
  news = group == JKB_GROUP_LIVE || tells_news (entry, frame);
  if (urgent)
    return JKB_WAKE_NOW;
  return news ? JKB_WAKE_DUE : JKB_WAKE_LATER;
}
