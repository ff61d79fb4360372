/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The command line of jkbms-sim.
 */
#pragma once

#include "sim/sim-bus.h"

G_BEGIN_DECLS

typedef struct
{
  guint8 address;
  guint8 bit;
  gint64 at_ns; /* bus time */
} SimAlarm;

typedef struct
{
  char *host; /* TCP */
  guint16 port;
  char *pty;  /* link; NULL: TCP */
  guint8 *addresses;
  guint n_addresses;
  guint8 *cells; /* the last one also for the BMS behind it */
  guint n_cells;
  gboolean master;
  guint32 seed;
  gdouble time_lapse;
  SimBusOptions bus;
  char **faults;
  GArray *alarms; /* SimAlarm, by time */
  char *replay, *truth;
  gboolean loop, stay, wait, events;
  gdouble duration; /* s; 0: for ever */
} SimOptions;

/* Returns: -1: go on; else the exit status, everything having been said. */
int sim_options_parse (SimOptions *self, int argc, char **argv);
void sim_options_clear (SimOptions *self);

/* Puts the BMS on @bus, and the master. Not for a replay. */
void sim_options_populate (const SimOptions *self, SimBus *bus);

G_END_DECLS
