/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The rhythm of a busy bus. A reader that only listens cannot know how many bytes come next, so it
 * would be woken by each request and by the end of each answer. But a master asks in rounds, and on
 * a busy bus nothing lies between two records: behind a given one comes the same as in the round
 * before, after the same number of bytes. So the end of the next live frame is known in advance, and
 * nobody waits for the settings in front of it. Pure; reader thread.
 */
#pragma once

#include "wire/jkb-stream.h"

G_BEGIN_DECLS

#define JKB_RHYTHM_KINDS (JKB_N_ADDRESSES * 4) /* by address and type */

/* What came behind a record in the round before. */
typedef struct
{
  guint16 n_bytes; /* from the end of the one to the end of the other; 0: unknown, or a pause */
  guint8 next;     /* kind */
} JkbBeat;

typedef struct
{
  JkbBeat behind[JKB_RHYTHM_KINDS];
  gboolean known;    /* the last record */
  guint8 last;       /* its kind */
  guint64 end;       /* its end, a position in the stream */
  gboolean paused;   /* the line was, since then */
  guint8 frame;      /* kind of a frame whose ACK comes next */
  guint64 frame_end; /* its end, 0: none */
} JkbRhythm;

/* Forgets all, for a new connection. */
void jkb_rhythm_reset (JkbRhythm *self);

/* The line was silent for a while, or brings less than it could. */
void jkb_rhythm_note_pause (JkbRhythm *self);

/* To be told of every event: frames with an ACK behind them are the beats. */
void jkb_rhythm_note_event (JkbRhythm *self, const JkbEvent *event);

/* Bytes behind @position until the end of the next live frame, or as far as it is known; 0: unknown. */
gsize jkb_rhythm_foretell (const JkbRhythm *self, guint64 position);

G_END_DECLS
