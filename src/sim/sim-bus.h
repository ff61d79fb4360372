/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The RS485 line: who speaks when, who hears what. Half duplex; time is an argument (nanoseconds of
 * bus time), bytes come out through a callback when their last bit has passed. Nothing here knows of
 * sockets or clocks.
 */
#pragma once

#include "sim/sim-bms.h"
#include "sim/sim-fault.h"
#include "sim/sim-master.h"
#include "sim/sim-truth.h"

G_BEGIN_DECLS

#define SIM_LINE_BYTE_NS (10 * G_GINT64_CONSTANT (1000000000) / 115200)
#define SIM_NOBODY (-1)

/* @except: the reader that does not hear these bytes, since it sent them; SIM_NOBODY: all hear. */
typedef void (*SimBusSink) (const guint8 *bytes, gsize n_bytes, gint except, gpointer user_data);

/* What one adapter has sent and no slave has understood yet. */
typedef struct
{
  guint8 bytes[512];
  guint n_bytes;
  gint64 last_ns;
} SimInput;

typedef struct
{
  gdouble speed;       /* times 115200 baud; 0: no pace, times are those of 1 */
  gboolean slots;      /* the master keeps its slot times */
  SimFirmware firmware;
  guint64 count;       /* frames to send, then silence; 0: for ever */
} SimBusOptions;

typedef struct
{
  guint64 frames, records, bytes, damaged, dropped, requests_heard, writes, collisions;
} SimBusCounters;

typedef struct _SimBus SimBus;

/* @fault is the caller's; @truth too, and may be NULL. */
SimBus *sim_bus_new (const SimBusOptions *options, SimFault *fault, SimTruth *truth,
                     SimBusSink sink, gpointer user_data);
void sim_bus_free (SimBus *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimBus, sim_bus_free)

/* Takes @bms over. */
void sim_bus_add (SimBus *self, SimBms *bms);
/* The BMS that answers at @address; NULL: none. */
SimBms *sim_bus_find (SimBus *self, guint8 address);
/* BMS 0 speaks as the master from now on. */
void sim_bus_start_master (SimBus *self);

/* When something is due next; G_MAXINT64: nothing before a request comes. */
gint64 sim_bus_next_ns (SimBus *self);
/* All that is due by @now_ns. */
void sim_bus_run (SimBus *self, gint64 now_ns);
/* The master sends @n_frames more and is silent then; 0: goes on. */
void sim_bus_step (SimBus *self, guint64 n_frames);
/* All frames of the option count were sent and have arrived. */
gboolean sim_bus_is_done (SimBus *self);

/* Reader @source has sent bytes. */
void sim_bus_receive (SimBus *self, gint source, SimInput *input, const guint8 *bytes,
                      gsize n_bytes, gint64 now_ns);

/* Puts a record on the line as soon as it is free. */
void sim_bus_send (SimBus *self, const SimRecord *record, gint64 at_ns);

const SimBusCounters *sim_bus_counters (SimBus *self);

G_END_DECLS
