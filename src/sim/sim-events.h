/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Commands while it runs, one per line on standard input (option --events).
 */
#pragma once

#include "sim/sim-bus.h"
#include "sim/sim-port.h"

G_BEGIN_DECLS

typedef struct
{
  SimBus *bus;
  SimFault *fault;
  SimPort *port;
  SimTruth *truth; /* may be NULL */
  gboolean paused;
  gboolean quit;
} SimEvents;

/**
 * sim_events_run:
 * @line: such as "offline 3"
 *
 * Returns: (transfer full): the answer without line end: "ok", "ok JSON" or "error: sentence"
 */
char *sim_events_run (SimEvents *self, const char *line);

G_END_DECLS
