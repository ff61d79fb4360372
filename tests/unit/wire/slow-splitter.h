/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The splitter written once more, slowly, to judge the fast one: for the tests and the fuzzers.
 */
#pragma once

#include <glib.h>

/* One line for each record that these bytes hold, in the order of the wire: "0 frame 02", "300 ack 1
 * 1620", "308 bad 01". Frames come without their senders: those are not the splitter's business. */
char *slow_splitter_events (const guint8 *bytes, gsize n_bytes);

/* The size of the next piece, at least 1. */
typedef gsize (*SlowSplitterPiece) (void);

/* What the stream makes of the same bytes, fed in pieces, as the same lines. */
char *slow_splitter_of_stream (const guint8 *bytes, gsize n_bytes, SlowSplitterPiece piece);
