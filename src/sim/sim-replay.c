/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The file is read once, into memory.
 */
#include "sim/sim-replay.h"

#include <string.h>

#include "sim/sim-bus.h"

/* bytes at a time: what a USB adapter collects in about 8 ms */
#define PIECE 96

struct _SimReplay
{
  char *bytes;
  gsize n_bytes, at;
  gboolean loop;
  gint64 next_ns, byte_ns;
};

SimReplay *
sim_replay_new (const char *path, gboolean loop, gdouble speed, GError **error)
{
  g_autoptr (SimReplay) self = g_new0 (SimReplay, 1);

  if (!g_file_get_contents (path, &self->bytes, &self->n_bytes, error))
    return NULL;
  self->loop = loop && self->n_bytes > 0;
  self->byte_ns = speed > 0 ? (gint64) (SIM_LINE_BYTE_NS / speed) : SIM_LINE_BYTE_NS;
  return g_steal_pointer (&self);
}

void
sim_replay_free (SimReplay *self)
{
  g_free (self->bytes);
  g_free (self);
}

gint64
sim_replay_next_ns (const SimReplay *self)
{
  return sim_replay_is_done (self) ? G_MAXINT64 : self->next_ns;
}

gboolean
sim_replay_take (SimReplay *self, SimRecord *record, gint64 *at_ns)
{
  gsize n = MIN (PIECE, self->n_bytes - self->at);

  if (sim_replay_is_done (self))
    return FALSE;
  *record = (SimRecord) { .kind = SIM_RECORD_RAW, .n_bytes = n };
  memcpy (record->bytes, self->bytes + self->at, n);
  *at_ns = self->next_ns;
  self->next_ns += n * self->byte_ns;
  self->at += n;
  if (self->loop && self->at == self->n_bytes)
    self->at = 0;
  return TRUE;
}

gboolean
sim_replay_is_done (const SimReplay *self)
{
  return self->at >= self->n_bytes;
}
