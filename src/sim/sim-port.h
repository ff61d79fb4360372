/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How readers get at the simulated bus: a pseudo terminal with a symbolic link to it, or a TCP
 * listener whose clients are each an adapter of their own. Never blocks: a reader that does not
 * read loses bytes (pty) or its connection (TCP), and the others notice nothing.
 */
#pragma once

#include <glib.h>

#include "sim/sim-bus.h"

G_BEGIN_DECLS

/* Reader @source has sent @n_bytes. */
typedef void (*SimPortFunc) (gint source, SimInput *input, const guint8 *bytes, gsize n_bytes,
                             gpointer user_data);

typedef struct
{
  guint64 bytes_out, bytes_in, bytes_lost;
  guint64 connects, disconnects, overruns; /* TCP: clients thrown out for not reading */
} SimPortCounters;

typedef struct _SimPort SimPort;

SimPort *sim_port_new_tcp (const char *host, guint16 port, GError **error);
/* @link: made, or replaced when it is a symbolic link already. */
SimPort *sim_port_new_pty (const char *link, GError **error);
void sim_port_free (SimPort *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimPort, sim_port_free)

void sim_port_set_func (SimPort *self, SimPortFunc func, gpointer user_data);

/* "listening on tcp:127.0.0.1:15020", "pty LINK -> /dev/pts/3" */
const char *sim_port_description (SimPort *self);

/* Adds what it waits for to @fds (GPollFD), and handles what came of it. */
void sim_port_prepare (SimPort *self, GArray *fds);
void sim_port_dispatch (SimPort *self);

void sim_port_send (SimPort *self, const guint8 *bytes, gsize n_bytes, gint except);
/* Passes on what send() has collected. */
void sim_port_flush (SimPort *self);

gboolean sim_port_has_reader (SimPort *self);
/* A reader is there and has taken most of what it got: more may come, however fast. */
gboolean sim_port_has_room (SimPort *self);
/* All is on its way. */
gboolean sim_port_is_drained (SimPort *self);

const SimPortCounters *sim_port_counters (SimPort *self);

G_END_DECLS
