/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A recorded file as the bus: its bytes in pieces, at the pace of the line.
 */
#pragma once

#include "sim/sim-record.h"

G_BEGIN_DECLS

typedef struct _SimReplay SimReplay;

/* @speed: times 115200 baud; 0: no pace. */
SimReplay *sim_replay_new (const char *path, gboolean loop, gdouble speed, GError **error);
void sim_replay_free (SimReplay *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimReplay, sim_replay_free)

/* When the next piece begins; G_MAXINT64: there is none. */
gint64 sim_replay_next_ns (const SimReplay *self);
gboolean sim_replay_take (SimReplay *self, SimRecord *record, gint64 *at_ns);
gboolean sim_replay_is_done (const SimReplay *self);

G_END_DECLS
