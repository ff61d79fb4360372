/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Bytes to records (protocol §2.5): finds frames and Modbus records, and finds its way again after
 * noise. Knows neither time nor senders. Not thread-safe: part of a stream.
 */
#pragma once

#include "wire/jkb-stream.h"

G_BEGIN_DECLS

#define JKB_FRAMER_BUFFER 8192

typedef struct
{
  JkbEventKind kind;
  guint64 offset;      /* in the stream */
  const guint8 *bytes; /* valid until the next call; secrets blanked */
  gsize n_bytes;
  guint8 type;   /* frames */
  gint16 address; /* Modbus records; -1: frames */
  guint16 reg;   /* FC 0x10 records and FC 0x03 requests */
  guint16 count; /* registers */
  gsize padding; /* zero bytes directly behind the record in front */
  gsize junk;    /* bytes that were skipped behind that padding */
} JkbRecord;

typedef struct
{
  guint64 offset;  /* in the stream, of the first byte not yet taken */
  gsize head, tail; /* bytes not yet taken */
  gsize padding, junk; /* behind the last record */
  gsize need; /* bytes from head on that the decision waits for */
  gboolean in_frame; /* what waits is a frame */
  struct
  {
    gint16 address; /* -1: none */
    guint16 reg, count;
    gsize max_junk;
  } read; /* the FC 0x03 request whose answer comes next */
  JkbStreamCounters *counters;
  guint8 bad[JKB_FRAME_SIZE]; /* what is handed out of a bad frame: its first bytes, zeros behind */
  guint8 buffer[JKB_FRAMER_BUFFER];
} JkbFramer;

void jkb_framer_init (JkbFramer *framer, JkbStreamCounters *counters);

/* Forgets all bytes; the count of the stream goes on. */
void jkb_framer_reset (JkbFramer *framer);

guint8 *jkb_framer_reserve (JkbFramer *framer, gsize *room);
void jkb_framer_commit (JkbFramer *framer, gsize n_bytes);

/* An FC 0x03 request that the bus does not show, since we sent it. */
void jkb_framer_expect_read (JkbFramer *framer, guint8 address, guint16 reg, guint16 count);

/**
 * jkb_framer_next:
 * @final: nothing follows what is there: a record cut off at the end is given up
 *
 * Returns: %FALSE when more bytes are needed
 */
gboolean jkb_framer_next (JkbFramer *framer, gboolean final, JkbRecord *record);

static inline gsize
jkb_framer_available (const JkbFramer *framer)
{
  return framer->tail - framer->head;
}

G_END_DECLS
