/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Framer and attribution put together, and the arrival times of the bytes. Owned by one reader
 * thread.
 */
#include "wire/jkb-stream.h"

#include <string.h>

#include "wire/jkb-attribution.h"
#include "wire/jkb-framer.h"

/* Commits that are told apart by their time. */
#define N_ARRIVALS 32

/* Bytes in front of @end came at @monotonic_us, unless an earlier arrival says otherwise. */
typedef struct
{
  guint64 end;
  gint64 monotonic_us;
} Arrival;

struct _JkbStream
{
  JkbTiming timing;
  gboolean finished;
  guint64 end; /* offset behind the last byte */
  gint64 last_byte_us;
  Arrival arrivals[N_ARRIVALS]; /* oldest first */
  guint n_arrivals;
  JkbRecord record; /* a Modbus record or bad frame to be handed out behind the decisions */
  gboolean has_record;
  guint next_decision;
  JkbStreamCounters counters;
  JkbAttribution attribution;
  JkbFramer framer;
};

/* A cut record is given up after so much silence. */
static gint64
cut_limit_us (JkbTiming timing)
{
  return timing == JKB_TIMING_SERIAL ? 50000 : 2 * G_USEC_PER_SEC;
}

JkbStream *
jkb_stream_new (JkbTiming timing)
{
  JkbStream *stream = g_new0 (JkbStream, 1);

  stream->timing = timing;
  jkb_framer_init (&stream->framer, &stream->counters);
  jkb_attribution_init (&stream->attribution, timing, &stream->counters);
  return stream;
}

void
jkb_stream_free (JkbStream *stream)
{
  if (stream != NULL)
    memset (stream->framer.buffer, 0, sizeof stream->framer.buffer); /* secrets of a cut frame */
  g_free (stream);
}

void
jkb_stream_reset (JkbStream *stream)
{
  jkb_framer_reset (&stream->framer);
  jkb_attribution_init (&stream->attribution, stream->timing, &stream->counters);
  stream->n_arrivals = 0;
  stream->has_record = FALSE;
  stream->next_decision = 0;
  stream->finished = FALSE;
}

guint8 *
jkb_stream_reserve (JkbStream *stream, gsize *room)
{
  return jkb_framer_reserve (&stream->framer, room);
}

/* When there is no place for another arrival, the newest two become one. */
void
jkb_stream_commit (JkbStream *stream, gsize n_bytes, gint64 monotonic_us)
{
  guint n = stream->n_arrivals;

  if (n_bytes == 0)
    return;
  jkb_framer_commit (&stream->framer, n_bytes);
  stream->end += n_bytes;
  stream->last_byte_us = monotonic_us;
  if (n < N_ARRIVALS && (n == 0 || stream->arrivals[n - 1].monotonic_us != monotonic_us))
    stream->n_arrivals = ++n;
  stream->arrivals[n - 1] = (Arrival){ stream->end, monotonic_us };
}

static gint64
arrival_of (JkbStream *stream, guint64 offset)
{
  for (guint i = 0; i < stream->n_arrivals; i++)
    if (offset < stream->arrivals[i].end)
      return stream->arrivals[i].monotonic_us;
  return stream->last_byte_us;
}

static void
forget_arrivals (JkbStream *stream)
{
  guint n_past = 0;

  while (n_past < stream->n_arrivals && stream->arrivals[n_past].end <= stream->framer.offset)
    n_past++;
  if (n_past == 0)
    return;
  stream->n_arrivals -= n_past;
  memmove (stream->arrivals, stream->arrivals + n_past, stream->n_arrivals * sizeof (Arrival));
}

static void
take_record (JkbStream *stream)
{
  JkbRecord *record = &stream->record;
  gint64 start_us = arrival_of (stream, record->offset);
  gint64 end_us = arrival_of (stream, record->offset + record->n_bytes - 1);

  stream->counters.requests
      += record->kind == JKB_EVENT_REQUEST || record->kind == JKB_EVENT_READ_REQUEST;
  jkb_attribution_record (&stream->attribution, record, start_us, end_us);
  stream->has_record = record->kind != JKB_EVENT_FRAME;
}

static void
fill_record (JkbStream *stream, JkbEvent *event)
{
  const JkbRecord *record = &stream->record;

  *event = (JkbEvent){
    .kind = record->kind,
    .offset = record->offset,
    .monotonic_us = arrival_of (stream, record->offset + record->n_bytes - 1),
    .address = record->address,
    .type = record->kind == JKB_EVENT_BAD_FRAME ? record->type : 0,
    .reg = record->reg,
    .count = record->count,
    .bytes = record->bytes,
    .n_bytes = record->n_bytes,
  };
  if (record->kind == JKB_EVENT_BAD_FRAME)
    event->reg = event->count = 0;
}

static void
fill_frame (JkbStream *stream, const JkbDecision *decision, JkbEvent *event)
{
  const JkbWaitingFrame *frame = &stream->attribution.frames[decision->slot];

  *event = (JkbEvent){
    .kind = JKB_EVENT_FRAME,
    .offset = frame->offset,
    .monotonic_us = frame->end_us,
    .address = decision->address,
    .type = frame->type,
    .evidence = decision->evidence,
    .drop = decision->drop,
    .bytes = frame->data,
    .n_bytes = JKB_FRAME_SIZE,
  };
}

/* What the last step brought, one by one and in the order of the wire: the record that decided a
 * frame stands behind it. */
static gboolean
hand_out (JkbStream *stream, JkbEvent *event)
{
  JkbAttribution *attribution = &stream->attribution;

  if (stream->next_decision < attribution->n_decisions)
    {
      fill_frame (stream, &attribution->decisions[stream->next_decision++], event);
      return TRUE;
    }
  attribution->n_decisions = stream->next_decision = 0;
  if (!stream->has_record)
    return FALSE;
  stream->has_record = FALSE;
  fill_record (stream, event);
  return TRUE;
}

gboolean
jkb_stream_next (JkbStream *stream, gint64 monotonic_us, JkbEvent *event)
{
  JkbFramer *framer = &stream->framer;
  JkbAttribution *attribution = &stream->attribution;
  gboolean final = stream->finished;

  if (stream->timing != JKB_TIMING_UNKNOWN)
    final |= monotonic_us - stream->last_byte_us >= cut_limit_us (stream->timing);
  for (;;)
    {
      if (hand_out (stream, event))
        return TRUE;
      forget_arrivals (stream);
      if (jkb_framer_next (framer, final, &stream->record))
        {
          take_record (stream);
          continue;
        }
      jkb_attribution_gap (attribution, framer->padding, framer->junk);
      jkb_attribution_silence (attribution, stream->last_byte_us, monotonic_us);
      if (stream->finished)
        jkb_attribution_finish (attribution);
      if (attribution->n_decisions == 0)
        return FALSE;
    }
}

void
jkb_stream_finish (JkbStream *stream)
{
  stream->finished = TRUE;
}

gint64
jkb_stream_deadline (JkbStream *stream)
{
  gint64 deadline = jkb_attribution_deadline (&stream->attribution, stream->last_byte_us);

  if (stream->timing == JKB_TIMING_UNKNOWN || jkb_framer_available (&stream->framer) == 0)
    return deadline;
  return MIN (deadline, stream->last_byte_us + cut_limit_us (stream->timing));
}

gsize
jkb_stream_missing (JkbStream *stream)
{
  const JkbFramer *framer = &stream->framer;
  gsize available = jkb_framer_available (framer);
  gsize missing = 1;

  if (available > 0 && framer->need > available)
    missing = framer->need - available;
  else if (available == 0 && stream->attribution.pending >= 0)
    missing = JKB_ACK_SIZE;
  return framer->in_frame ? missing + JKB_ACK_SIZE : missing;
}

guint64
jkb_stream_undecided (JkbStream *stream)
{
  const JkbAttribution *attribution = &stream->attribution;

  if (stream->next_decision < attribution->n_decisions)
    return attribution->frames[attribution->decisions[stream->next_decision].slot].offset;
  return jkb_attribution_oldest (attribution);
}

/* Only triggers and reads matter for what comes next. */
void
jkb_stream_sent (JkbStream *stream, const guint8 *request, gsize n_bytes, gint64 monotonic_us)
{
  guint16 reg = n_bytes < JKB_ACK_SIZE ? 0 : (guint16) (request[2] << 8 | request[3]);

  if (n_bytes == JKB_ACK_SIZE && request[1] == 0x03)
    jkb_framer_expect_read (&stream->framer, request[0], reg,
                            (guint16) (request[4] << 8 | request[5]));
  else if (n_bytes == JKB_REQUEST_SIZE && request[1] == 0x10)
    jkb_attribution_own_request (&stream->attribution, request[0], reg, monotonic_us);
}

const JkbStreamCounters *
jkb_stream_counters (JkbStream *stream)
{
  return &stream->counters;
}
