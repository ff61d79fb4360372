/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a reader has counted since the daemon started, over all its streams. The reader thread
 * writes, any thread reads.
 */
#pragma once

#include <stdatomic.h>

#include "bus/jkb-bus.h"
#include "wire/jkb-stream.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_TALLY_BYTES,
  JKB_TALLY_FRAMES,
  JKB_TALLY_REQUESTS,
  JKB_TALLY_CHECKSUM_ERRORS,
  JKB_TALLY_ACK_ERRORS,
  JKB_TALLY_UNATTRIBUTED,
  JKB_TALLY_RESYNCS,
  JKB_TALLY_RECONNECTS,
  JKB_N_TALLIES
} JkbTallyKind;

/* Zero it first. */
typedef struct
{
  _Atomic guint64 counts[JKB_N_TALLIES];
  guint64 before[JKB_N_TALLIES]; /* reader thread: by former streams */
} JkbTally;

/* ---- reader thread ---- */

/* @counters: of the present stream. */
void jkb_tally_update (JkbTally *tally, const JkbStreamCounters *counters);

/* The next stream begins at 0. */
void jkb_tally_carry_over (JkbTally *tally);

void jkb_tally_add_reconnect (JkbTally *tally);

/* ---- any thread ---- */

guint64 jkb_tally_get (const JkbTally *tally, JkbTallyKind kind);

/* Fills in all but the overruns, which the inbox counts. */
void jkb_tally_report (const JkbTally *tally, JkbBusCounters *counters);

G_END_DECLS
