/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The evidence E1..E6 and its rules (protocol §4). A frame is pending until the record behind it is
 * known; a live frame that stays without proof is held until its neighbour is known.
 */
#include "wire/jkb-attribution.h"

#include <string.h>

#define MAX_ADDRESS 247
#define LAST_DIP_ADDRESS 15
#define OFFSET_TICKS 246
#define OFFSET_DEVICE_ADDRESS 270

#define SETTINGS_TRIGGER 0x161e
#define MAX_ACK_PADDING 4
#define MAX_ACK_REMAINS 8 /* of an ACK that was damaged */

#define SECOND_US G_USEC_PER_SEC
#define RECENT_US (60 * SECOND_US)
#define CONTINUITY_US (3 * SECOND_US)
#define OTHERS_CLOCK_US (1 * SECOND_US)

/* How long each clock waits; unknown clocks never do. */
static const struct
{
  gint64 ack_us, request_us, held_us;
} limits[] = {
  [JKB_TIMING_SERIAL] = { 100000, 200000, 2 * SECOND_US },
  [JKB_TIMING_TCP] = { 2 * SECOND_US, 2 * SECOND_US, 4 * SECOND_US },
  [JKB_TIMING_UNKNOWN] = { G_MAXINT64, G_MAXINT64, G_MAXINT64 },
};

static inline guint32
le32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_LE (value);
}

/* The frame type that a trigger register calls up, 0: none. */
static guint8
type_of_trigger (guint16 reg)
{
  switch (reg)
    {
    case 0x160a: /* one-key presets answer with the new settings */
    case 0x160c:
    case 0x160e:
    case SETTINGS_TRIGGER:
      return JKB_FRAME_SETTINGS;
    case 0x1620:
      return JKB_FRAME_LIVE;
    case 0x161c:
      return JKB_FRAME_INFO;
    case 0x1624:
      return JKB_FRAME_LOG;
    case 0x1622:
      return JKB_FRAME_DETAIL_LOG;
    default:
      return 0;
    }
}

void
jkb_attribution_init (JkbAttribution *self, JkbTiming timing, JkbStreamCounters *counters)
{
  memset (self, 0, sizeof *self);
  self->timing = timing;
  self->foreign_clock = timing == JKB_TIMING_UNKNOWN;
  self->counters = counters;
  self->pending = self->held = -1;
  self->held_request = -1;
  self->front.address = -1;
  self->scan_end = LAST_DIP_ADDRESS;
  for (guint i = 0; i < JKB_N_ADDRESSES; i++)
    self->known[i].ack_us = self->known[i].live_us = G_MININT64;
}

/* NULL for addresses that no DIP switch can set: nothing is remembered of them. */
static JkbKnown *
known (JkbAttribution *self, gint address)
{
  return address >= 0 && address < JKB_N_ADDRESSES ? &self->known[address] : NULL;
}

static gboolean
acked_lately (JkbAttribution *self, gint address, gint64 now_us)
{
  const JkbKnown *entry = known (self, address);

  if (entry == NULL || entry->ack_us == G_MININT64)
    return FALSE;
  return self->timing == JKB_TIMING_UNKNOWN || now_us - entry->ack_us <= RECENT_US;
}

/* How far the clock in @frame is from where the clock of @entry must be by now. */
static gint64
clock_error_us (const JkbKnown *entry, const JkbWaitingFrame *frame)
{
  gint64 ticks = (gint64) le32 (frame->data + OFFSET_TICKS) - entry->ticks;

  return ABS (ticks * (SECOND_US / 10) - (frame->end_us - entry->live_us));
}

/* E6 for frames that have a clock. */
static gboolean
continues (JkbAttribution *self, gint address, const JkbWaitingFrame *frame)
{
  const JkbKnown *entry = known (self, address);

  if (self->foreign_clock || frame->type != JKB_FRAME_LIVE || entry == NULL
      || entry->live_us == G_MININT64)
    return TRUE;
  return clock_error_us (entry, frame) <= CONTINUITY_US;
}

/* A live frame with a good ACK whose clock is impossible for its address, but just right for
 * another: data in the wrong order. Twice in a row it is a pack that was renumbered. */
static gboolean
is_anothers (JkbAttribution *self, gint address, const JkbWaitingFrame *frame)
{
  JkbKnown *entry = known (self, address);

  if (entry == NULL)
    return FALSE;
  if (entry->suspect || continues (self, address, frame))
    {
      entry->suspect = FALSE;
      return FALSE;
    }
  for (gint other = 0; other < JKB_N_ADDRESSES; other++)
    if (other != address && self->known[other].live_us != G_MININT64
        && clock_error_us (&self->known[other], frame) <= OTHERS_CLOCK_US)
      entry->suspect = TRUE;
  return entry->suspect;
}

static gboolean
is_scan_end (JkbAttribution *self, gint address)
{
  return address == self->scan_end || address == LAST_DIP_ADDRESS;
}

/* E3: the request directly in front asks for this type and the frame came at once. */
static gboolean
is_answer (JkbAttribution *self, const JkbWaitingFrame *frame)
{
  return frame->front.address >= 0 && type_of_trigger (frame->front.reg) == frame->type
         && frame->front.gap_us <= limits[self->timing].request_us;
}

/* Frames come at the bus's own pace, or a recording is fed in faster than it was made: a frame
 * with an ACK tells, by its clock. A clock that went back is a restart and tells nothing. */
static void
compare_clocks (JkbAttribution *self, const JkbKnown *entry, const JkbWaitingFrame *frame)
{
  if (entry->live_us == G_MININT64 || self->timing == JKB_TIMING_UNKNOWN
      || le32 (frame->data + OFFSET_TICKS) < entry->ticks)
    return;
  self->foreign_clock = clock_error_us (entry, frame) > CONTINUITY_US;
}

static void
remember (JkbAttribution *self, gint address, JkbEvidence evidence, const JkbWaitingFrame *frame)
{
  JkbKnown *entry = known (self, address);

  if (entry == NULL || frame->type != JKB_FRAME_LIVE)
    return;
  if (evidence == JKB_EVIDENCE_ACK)
    compare_clocks (self, entry, frame);
  entry->live_us = frame->end_us;
  entry->ticks = le32 (frame->data + OFFSET_TICKS);
  entry->suspect = FALSE;
}

static void
decide (JkbAttribution *self, gint8 slot, gint address, JkbEvidence evidence, JkbDropReason drop)
{
  JkbDecision *decision = &self->decisions[self->n_decisions++];

  decision->slot = slot;
  decision->drop = drop;
  decision->address = drop == JKB_DROP_NONE ? address : -1;
  decision->evidence = drop == JKB_DROP_NONE ? evidence : JKB_EVIDENCE_NONE;
  if (drop == JKB_DROP_NONE)
    remember (self, address, evidence, &self->frames[slot]);
  else
    self->counters->unattributed++;
}

/* A label that is only probable must pass E6. */
static void
decide_probable (JkbAttribution *self, gint8 slot, gint address, JkbEvidence evidence)
{
  gboolean good = continues (self, address, &self->frames[slot]);

  decide (self, slot, address, evidence, good ? JKB_DROP_NONE : JKB_DROP_CONTINUITY);
}

static void
drop_held (JkbAttribution *self)
{
  gint8 slot = self->held;

  if (slot < 0)
    return;
  self->held = -1;
  decide (self, slot, -1, JKB_EVIDENCE_NONE, JKB_DROP_UNATTRIBUTED);
}

/* E5: the settings frame behind the held frame has been decided. A slave has been asked for it;
 * only the master sends it unasked. */
static void
decide_held (JkbAttribution *self, gint neighbour)
{
  gint8 slot = self->held;

  if (slot < 0)
    return;
  if (neighbour < 0 || neighbour != MAX (self->held_request, 0))
    {
      drop_held (self);
      return;
    }
  self->held = -1;
  decide_probable (self, slot, neighbour, JKB_EVIDENCE_NEIGHBOUR);
}

static void
decide_settings (JkbAttribution *self, gint8 slot, gint address, JkbEvidence evidence,
                 JkbDropReason drop)
{
  decide_held (self, drop == JKB_DROP_NONE ? address : -1);
  decide (self, slot, address, evidence, drop);
}

/* E1 and what may contradict it (protocol §4.2.5). */
static void
decide_by_ack (JkbAttribution *self, gint address)
{
  gint8 slot = self->pending;
  const JkbWaitingFrame *frame = &self->frames[slot];
  JkbDropReason drop = JKB_DROP_NONE;

  self->pending = -1;
  if (address != 0 && is_answer (self, frame) && frame->front.address != address)
    drop = JKB_DROP_CONFLICT;
  if (frame->type == JKB_FRAME_SETTINGS)
    {
      if (le32 (frame->data + OFFSET_DEVICE_ADDRESS) != (guint32) address)
        drop = JKB_DROP_CONFLICT;
      decide_settings (self, slot, address, JKB_EVIDENCE_ACK, drop);
      return;
    }
  if (drop == JKB_DROP_NONE && frame->type == JKB_FRAME_LIVE)
    {
      if (is_anothers (self, address, frame))
        drop = JKB_DROP_CONTINUITY;
      else if (address == 0 && frame->front.address > 0)
        self->scan_end = frame->front.address;
    }
  decide (self, slot, address, JKB_EVIDENCE_ACK, drop);
}

static void
decide_settings_without_ack (JkbAttribution *self, gint8 slot)
{
  guint32 address = le32 (self->frames[slot].data + OFFSET_DEVICE_ADDRESS);

  if (address <= MAX_ADDRESS)
    decide_settings (self, slot, (gint) address, JKB_EVIDENCE_SETTINGS, JKB_DROP_NONE);
  else
    decide_settings (self, slot, -1, JKB_EVIDENCE_NONE, JKB_DROP_UNATTRIBUTED);
}

/* The order of protocol §4.2.3: E3, E4, E5. Only live frames come unasked. */
static void
decide_by_front (JkbAttribution *self, gint8 slot)
{
  const JkbWaitingFrame *frame = &self->frames[slot];
  const JkbFront *front = &frame->front;
  gboolean asked_last = front->address >= 0 && is_scan_end (self, front->address);

  if (is_answer (self, frame)
      && (front->own || !asked_last || acked_lately (self, front->address, frame->end_us)))
    decide_probable (self, slot, front->address, JKB_EVIDENCE_REQUEST);
  else if (frame->type != JKB_FRAME_LIVE)
    decide (self, slot, -1, JKB_EVIDENCE_NONE, JKB_DROP_UNATTRIBUTED);
  else if (asked_last && acked_lately (self, 0, frame->end_us))
    decide_probable (self, slot, 0, JKB_EVIDENCE_UNSOLICITED);
  else
    {
      self->held = slot;
      self->held_request = -1;
    }
}

/* The ACK of the pending frame is lost. */
static void
decide_without_ack (JkbAttribution *self)
{
  gint8 slot = self->pending;

  self->pending = -1;
  self->counters->ack_errors++;
  switch (self->frames[slot].type)
    {
    case JKB_FRAME_SETTINGS:
      decide_settings_without_ack (self, slot);
      break;
    case JKB_FRAME_LIVE:
    case JKB_FRAME_INFO:
      decide_by_front (self, slot);
      break;
    case JKB_FRAME_LOG:
    case JKB_FRAME_DETAIL_LOG:
      decide (self, slot, -1, JKB_EVIDENCE_NONE, JKB_DROP_UNATTRIBUTED);
      break;
    default:
      self->counters->ack_errors--; /* nobody knows whether such a frame has an ACK */
      decide (self, slot, -1, JKB_EVIDENCE_NONE, JKB_DROP_UNATTRIBUTED);
      break;
    }
}

/* Whether @record, that is not the held frame's ACK, leaves the way to its neighbour open. */
static gboolean
keeps_held (JkbAttribution *self, const JkbRecord *record)
{
  gboolean near = record->junk <= (self->held_request < 0 ? MAX_ACK_REMAINS : 0);

  if (record->kind == JKB_EVENT_FRAME)
    return near && record->type == JKB_FRAME_SETTINGS;
  return near && record->kind == JKB_EVENT_REQUEST && record->reg == SETTINGS_TRIGGER
         && self->held_request < 0;
}

static void
make_pending (JkbAttribution *self, const JkbRecord *record, gint64 start_us, gint64 end_us)
{
  JkbWaitingFrame *frame;
  guint used = 0;
  gint8 slot = 0;

  if (self->held >= 0)
    used |= 1u << self->held;
  for (guint i = 0; i < self->n_decisions; i++)
    used |= 1u << self->decisions[i].slot;
  while ((used & 1u << slot) != 0)
    slot++;

  frame = &self->frames[slot];
  frame->offset = record->offset;
  frame->type = record->type;
  frame->start_us = start_us;
  frame->end_us = end_us;
  frame->front = self->front;
  frame->front.gap_us = start_us - self->front_us;
  if (record->junk > 0)
    frame->front.address = -1;
  memcpy (frame->data, record->bytes, JKB_FRAME_SIZE);
  self->pending = slot;
}

void
jkb_attribution_record (JkbAttribution *self, const JkbRecord *record, gint64 start_us,
                        gint64 end_us)
{
  if (self->pending >= 0)
    {
      if (record->kind == JKB_EVENT_ACK && record->junk == 0 && record->padding <= MAX_ACK_PADDING
          && type_of_trigger (record->reg) == self->frames[self->pending].type)
        decide_by_ack (self, record->address);
      else
        decide_without_ack (self);
    }
  if (self->held >= 0)
    {
      if (!keeps_held (self, record))
        drop_held (self);
      else if (record->kind == JKB_EVENT_REQUEST)
        self->held_request = record->address;
    }

  if (record->kind == JKB_EVENT_FRAME)
    make_pending (self, record, start_us, end_us);
  if (record->kind == JKB_EVENT_ACK && known (self, record->address) != NULL)
    self->known[record->address].ack_us = end_us;
  self->front.address = -1;
  if (record->kind == JKB_EVENT_REQUEST)
    {
      self->front = (JkbFront){ .address = record->address, .reg = record->reg };
      self->front_us = end_us;
    }
}

void
jkb_attribution_gap (JkbAttribution *self, gsize padding, gsize junk)
{
  if (self->pending >= 0 && (junk > 0 || padding > MAX_ACK_PADDING))
    decide_without_ack (self);
}

/* The times at which silence decides; the frame that is older in the stream first. */
void
jkb_attribution_silence (JkbAttribution *self, gint64 last_byte_us, gint64 now_us)
{
  if (self->timing == JKB_TIMING_UNKNOWN)
    return;
  if (self->held >= 0 && now_us - self->frames[self->held].end_us >= limits[self->timing].held_us)
    drop_held (self);
  if (self->pending >= 0 && now_us - last_byte_us >= limits[self->timing].ack_us)
    decide_without_ack (self);
}

void
jkb_attribution_finish (JkbAttribution *self)
{
  if (self->pending >= 0)
    decide_without_ack (self);
  drop_held (self);
}

void
jkb_attribution_own_request (JkbAttribution *self, guint8 address, guint16 reg, gint64 monotonic_us)
{
  self->front = (JkbFront){ .address = address, .reg = reg, .own = TRUE };
  self->front_us = monotonic_us;
}

gint64
jkb_attribution_deadline (const JkbAttribution *self, gint64 last_byte_us)
{
  gint64 deadline = G_MAXINT64;

  if (self->timing == JKB_TIMING_UNKNOWN)
    return deadline;
  if (self->pending >= 0)
    deadline = last_byte_us + limits[self->timing].ack_us;
  if (self->held >= 0)
    deadline = MIN (deadline, self->frames[self->held].end_us + limits[self->timing].held_us);
  return deadline;
}

guint64
jkb_attribution_oldest (const JkbAttribution *self)
{
  if (self->held >= 0)
    return self->frames[self->held].offset;
  if (self->pending >= 0)
    return self->frames[self->pending].offset;
  return G_MAXUINT64;
}
