/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header. One writer: no read-modify-write is needed.
 */
#include "bus/jkb-tally.h"

static void
count_set (JkbTally *tally, JkbTallyKind kind, guint64 value)
{
  atomic_store_explicit (&tally->counts[kind], value, memory_order_relaxed);
}

static void
count_add (JkbTally *tally, JkbTallyKind kind, guint64 value)
{
  count_set (tally, kind, tally->before[kind] + value);
}

void
jkb_tally_update (JkbTally *tally, const JkbStreamCounters *counters)
{
  count_add (tally, JKB_TALLY_BYTES, counters->bytes);
  count_add (tally, JKB_TALLY_FRAMES, counters->frames);
  count_add (tally, JKB_TALLY_REQUESTS, counters->requests);
  count_add (tally, JKB_TALLY_CHECKSUM_ERRORS, counters->checksum_errors);
  count_add (tally, JKB_TALLY_ACK_ERRORS, counters->ack_errors);
  count_add (tally, JKB_TALLY_UNATTRIBUTED, counters->unattributed);
  count_add (tally, JKB_TALLY_RESYNCS, counters->resyncs);
}

void
jkb_tally_carry_over (JkbTally *tally)
{
  for (guint i = 0; i < JKB_N_TALLIES; i++)
    tally->before[i] = jkb_tally_get (tally, i);
}

void
jkb_tally_add_reconnect (JkbTally *tally)
{
  count_set (tally, JKB_TALLY_RECONNECTS, jkb_tally_get (tally, JKB_TALLY_RECONNECTS) + 1);
}

guint64
jkb_tally_get (const JkbTally *tally, JkbTallyKind kind)
{
  return atomic_load_explicit (&tally->counts[kind], memory_order_relaxed);
}

void
jkb_tally_report (const JkbTally *tally, JkbBusCounters *counters)
{
  counters->bytes_received = jkb_tally_get (tally, JKB_TALLY_BYTES);
  counters->frames_received = jkb_tally_get (tally, JKB_TALLY_FRAMES);
  counters->requests_seen = jkb_tally_get (tally, JKB_TALLY_REQUESTS);
  counters->checksum_errors = jkb_tally_get (tally, JKB_TALLY_CHECKSUM_ERRORS);
  counters->ack_errors = jkb_tally_get (tally, JKB_TALLY_ACK_ERRORS);
  counters->unattributed_frames = jkb_tally_get (tally, JKB_TALLY_UNATTRIBUTED);
  counters->resyncs = jkb_tally_get (tally, JKB_TALLY_RESYNCS);
  counters->reconnects = jkb_tally_get (tally, JKB_TALLY_RECONNECTS);
}
