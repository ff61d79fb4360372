/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header. Pure; reader thread.
 */
#include "bus/jkb-rhythm.h"

#include <string.h>

#define RECORD_MAX 1024 /* bytes between two ends: beyond that, something else was in between */
#define PADDING_MAX 16  /* bytes between a frame and its ACK */
#define N_TYPES (JKB_RHYTHM_KINDS / JKB_N_ADDRESSES)

void
jkb_rhythm_reset (JkbRhythm *self)
{
  memset (self, 0, sizeof *self);
}

void
jkb_rhythm_note_pause (JkbRhythm *self)
{
  self->paused = TRUE;
}

static void
note_record (JkbRhythm *self, guint8 kind, guint64 end)
{
  guint64 n_bytes = end - self->end;
  gboolean busy = !self->paused && n_bytes <= RECORD_MAX;

  if (self->known)
    self->behind[self->last] = (JkbBeat){ busy ? (guint16) n_bytes : 0, kind };
  self->known = TRUE;
  self->last = kind;
  self->end = end;
  self->paused = FALSE;
}

static void
note_frame (JkbRhythm *self, const JkbEvent *event)
{
  gboolean good = event->drop == JKB_DROP_NONE && event->address >= 0
                  && event->address < JKB_N_ADDRESSES && event->type < N_TYPES;

  self->known = self->known && good;
  self->frame_end = good ? event->offset + event->n_bytes : 0;
  self->frame = good ? (guint8) (event->address * N_TYPES + event->type) : 0;
}

void
jkb_rhythm_note_event (JkbRhythm *self, const JkbEvent *event)
{
  if (event->kind == JKB_EVENT_FRAME)
    note_frame (self, event);
  else if (event->kind == JKB_EVENT_BAD_FRAME)
    self->known = FALSE;
  else if (event->kind == JKB_EVENT_ACK && self->frame_end != 0)
    {
      if (event->offset >= self->frame_end && event->offset - self->frame_end <= PADDING_MAX)
        note_record (self, self->frame, event->offset + event->n_bytes);
      self->frame_end = 0;
    }
}

gsize
jkb_rhythm_foretell (const JkbRhythm *self, guint64 position)
{
  guint64 end = self->end;
  guint8 kind = self->last;

  if (!self->known || self->paused)
    return 0;
  for (guint n = 0; n < 2 && self->behind[kind].n_bytes > 0; n++)
    {
      end += self->behind[kind].n_bytes;
      kind = self->behind[kind].next;
      if (kind % N_TYPES == JKB_FRAME_LIVE)
        break;
    }
  return end > position ? end - position : 0;
}
