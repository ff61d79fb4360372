/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One bus as a stream: bytes in, records and attributed frames out. Puts the framer (protocol §2.5)
 * and the attribution (protocol §4) together; this is all that a reader, the decoder and the
 * fuzzers need to know of them. Not thread-safe: owned by one reader thread. Time comes in as an
 * argument.
 */
#pragma once

#include "wire/jkb-frame.h"

G_BEGIN_DECLS

/* Whose clock the arrival times are. */
typedef enum
{
  JKB_TIMING_SERIAL,  /* the bus's own: all rules of protocol §4 */
  JKB_TIMING_TCP,     /* a gateway's: silence is 2 s, no rule on gaps below that */
  JKB_TIMING_UNKNOWN  /* decode, fast replay: touching records are immediate, no E6, no silence */
} JkbTiming;

typedef enum
{
  JKB_EVENT_FRAME,         /* good sum, and its sender has been decided, or "none" */
  JKB_EVENT_BAD_FRAME,     /* header and 300 bytes, wrong sum */
  JKB_EVENT_REQUEST,       /* FC 0x10 with data */
  JKB_EVENT_ACK,           /* FC 0x10 answer */
  JKB_EVENT_READ_REQUEST,  /* FC 0x03 */
  JKB_EVENT_READ_RESPONSE, /* FC 0x03 answer */
  JKB_EVENT_EXCEPTION      /* 0x83, 0x90 */
} JkbEventKind;

/* What the daemon does not publish a frame for, although its sum is good. */
typedef enum
{
  JKB_DROP_NONE,
  JKB_DROP_UNATTRIBUTED, /* nobody knows who sent it */
  JKB_DROP_CONFLICT,     /* two proofs disagree (protocol §4.2.5) */
  JKB_DROP_CONTINUITY    /* E6 says: another BMS's */
} JkbDropReason;

typedef struct
{
  JkbEventKind kind;
  guint64 offset;      /* in the stream, of its first byte */
  gint64 monotonic_us; /* arrival of its last byte */
  gint16 address;      /* -1: unknown (frames only) */
  guint8 type;         /* frames: JkbFrameType */
  JkbEvidence evidence;
  JkbDropReason drop;  /* frames */
  guint16 reg;         /* FC 0x10 records: first register */
  guint16 count;       /* FC 0x10 records: registers */
  const guint8 *bytes; /* the whole record, secrets wiped (all data of an FC 0x03 answer whose
                          request is not known, all of a bad frame behind its first six bytes);
                          valid until the next call on the stream */
  gsize n_bytes;
} JkbEvent;

/* All counters start at 0 and only grow. */
typedef struct
{
  guint64 bytes;
  guint64 frames;            /* good sum */
  guint64 requests;          /* FC 0x10 and FC 0x03 requests */
  guint64 checksum_errors;   /* frames with a wrong sum */
  guint64 ack_errors;        /* frames whose ACK was missing or wrong */
  guint64 unattributed;      /* good frames whose sender stayed unknown, conflicts included */
  guint64 truncated;         /* given up after silence */
  guint64 resyncs;           /* times that bytes had to be skipped to find the next record */
  guint64 skipped;           /* bytes skipped */
} JkbStreamCounters;

typedef struct _JkbStream JkbStream;

JkbStream *jkb_stream_new (JkbTiming timing);
void jkb_stream_free (JkbStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbStream, jkb_stream_free)

/* Forget bytes, pending frames and what is known of the bus (after a reconnect); counters stay. */
void jkb_stream_reset (JkbStream *stream);

/**
 * jkb_stream_reserve:
 * @room: (out): bytes that may be written there, at least 1 once jkb_stream_next() returned %FALSE
 *
 * Where the next bytes of the bus are to be read into: no copy.
 */
guint8 *jkb_stream_reserve (JkbStream *stream, gsize *room);

/* @n_bytes were read into the reserved place; they arrived at @monotonic_us. */
void jkb_stream_commit (JkbStream *stream, gsize n_bytes, gint64 monotonic_us);

/**
 * jkb_stream_next:
 * @monotonic_us: now; lets silence decide
 *
 * Takes the next event. Records other than frames come in the order of the wire and at once; a
 * frame comes when its sender is decided, directly in front of the record that decided it.
 *
 * Returns: %FALSE when there is none before more bytes or time come
 */
gboolean jkb_stream_next (JkbStream *stream, gint64 monotonic_us, JkbEvent *event);

/* End of input (decode, end of a replay): what waits is decided by what is there. Call next() until
 * it returns %FALSE. */
void jkb_stream_finish (JkbStream *stream);

/* When jkb_stream_next() is worth calling without new bytes; G_MAXINT64: never. */
gint64 jkb_stream_deadline (JkbStream *stream);

/* Least number of bytes until the record that has begun, with its ACK, can be complete; 1 between
 * records. Lets the reader sleep until then. */
gsize jkb_stream_missing (JkbStream *stream);

/* Offset of the oldest frame whose sender is not decided yet, G_MAXUINT64: none. All events that
 * are still to come begin there or later. */
guint64 jkb_stream_undecided (JkbStream *stream);

/**
 * jkb_stream_sent:
 * @request: a record that we put on the bus ourselves
 *
 * Counts as the record in front of what is read next: the sender of an answer without ACK and the
 * registers of an FC 0x03 answer follow from it (of one to an unknown request all data are wiped).
 * Not needed where the adapter echoes, and harmless there.
 */
void jkb_stream_sent (JkbStream *stream, const guint8 *request, gsize n_bytes, gint64 monotonic_us);

const JkbStreamCounters *jkb_stream_counters (JkbStream *stream);

G_END_DECLS
