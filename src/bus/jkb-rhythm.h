/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The rhythm of a busy bus. Between records nobody can know how many bytes come next, so a reader
 * that only listens would be woken twice for each: by the request and by the end of the answer. But
 * on a busy bus a unit of request, frame and ACK follows the other without a pause and all are of the
 * same length: after two of them the third is expected as a whole. Pure; reader thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gsize unit;          /* bytes since the line was at rest */
  gsize last, before;  /* lengths of the last two units */
  gint64 rest_us;      /* end of the last unit */
  gboolean busy;       /* the last unit began at once behind the one before */
} JkbRhythm;

/* Zero it at a new connection. @at_rest: all bytes so far are whole records. */
void jkb_rhythm_note (JkbRhythm *self, gsize n_bytes, gboolean at_rest, gboolean foretold,
                      gint64 now_us);

/* Bytes that the next unit will have, 0: unknown. */
gsize jkb_rhythm_foretell (const JkbRhythm *self);

G_END_DECLS
