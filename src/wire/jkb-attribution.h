/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which BMS sent this frame (protocol §4): holds a frame back until the record behind it, or its
 * absence, has decided. Not thread-safe: part of a stream.
 */
#pragma once

#include "wire/jkb-framer.h"

G_BEGIN_DECLS

/* Frames that can be known at once: one pending, one kept for its neighbour, one new. */
#define JKB_ATTRIBUTION_SLOTS 3

/* The trigger request directly in front of a frame. */
typedef struct
{
  gint16 address; /* -1: none */
  guint16 reg;
  gboolean own;
  gint64 gap_us; /* from its last byte to the frame's first */
} JkbFront;

typedef struct
{
  guint64 offset;
  gint64 start_us, end_us;
  guint8 type;
  JkbFront front;
  guint8 data[JKB_FRAME_SIZE];
} JkbWaitingFrame;

typedef struct
{
  guint8 slot;
  gint16 address; /* -1 when dropped */
  JkbEvidence evidence;
  JkbDropReason drop;
} JkbDecision;

/* What is known of an address, for the continuity rule E6. */
typedef struct
{
  gint64 ack_us; /* last ACK, G_MININT64: none */
  gint64 live_us; /* last live frame, G_MININT64: none */
  guint32 ticks; /* its clock, 0.1 s */
  gboolean suspect; /* its last frame was dropped: it looked like another one's */
} JkbKnown;

typedef struct
{
  JkbTiming timing;
  gboolean foreign_clock; /* arrival times are not the bus's own: no E6 */
  JkbStreamCounters *counters;
  JkbWaitingFrame frames[JKB_ATTRIBUTION_SLOTS];
  gint8 pending; /* slot, -1: none; waits for its ACK */
  gint8 held;    /* slot, -1: none; a live frame that waits for its neighbour (E5) */
  gint16 held_request; /* address of the settings request behind it, -1: none */
  JkbFront front;      /* what the next frame has in front: address, reg, own */
  gint64 front_us;
  gint16 scan_end; /* address that a master asks last */
  JkbKnown known[JKB_N_ADDRESSES];
  JkbDecision decisions[JKB_ATTRIBUTION_SLOTS]; /* to be handed out, oldest frame first */
  guint n_decisions;
} JkbAttribution;

void jkb_attribution_init (JkbAttribution *self, JkbTiming timing, JkbStreamCounters *counters);

/* A record, with the arrival of its first and last byte. Afterwards take self->decisions. */
void jkb_attribution_record (JkbAttribution *self, const JkbRecord *record, gint64 start_us,
                             gint64 end_us);

/* So many bytes that are no record have come behind the last record. */
void jkb_attribution_gap (JkbAttribution *self, gsize padding, gsize junk);

/* Nothing has come since @last_byte_us. */
void jkb_attribution_silence (JkbAttribution *self, gint64 last_byte_us, gint64 now_us);

/* Nothing will come. */
void jkb_attribution_finish (JkbAttribution *self);

/* We sent that trigger ourselves and the bus does not show it. */
void jkb_attribution_own_request (JkbAttribution *self, guint8 address, guint16 reg,
                                  gint64 monotonic_us);

/* When jkb_attribution_silence() will decide something; G_MAXINT64: never. */
gint64 jkb_attribution_deadline (const JkbAttribution *self, gint64 last_byte_us);

/* Offset of the oldest frame that waits, G_MAXUINT64: none. */
guint64 jkb_attribution_oldest (const JkbAttribution *self);

G_END_DECLS
