/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A simulated bus in memory, and a slow reader of records that shares no code with anything.
 */
#pragma once

#include <string.h>

#include "sim/sim-bus.h"

#define MS G_GINT64_CONSTANT (1000000)
#define S G_GINT64_CONSTANT (1000000000)

typedef struct
{
  SimFault *fault;
  SimBus *bus;
  GByteArray *heard; /* by everybody but reader 0 */
  GByteArray *own;   /* by reader 0 */
  GArray *times;     /* gint64 ns: when each delivery came */
  GArray *lengths;   /* guint: of each delivery */
  gint64 now_ns;
  SimInput input;    /* of reader 0 */
} Line;

/* One record of a stream; kind as in SimRecordKind. */
typedef struct
{
  guint8 kind;
  guint8 address;
  guint8 type; /* frames */
  guint16 reg;
  guint offset;
  guint length;
} Found;

typedef struct
{
  const char *bms;  /* "0123" */
  SimFirmware firmware;
  gdouble speed;
  gboolean slots, master;
  guint64 count;
  guint32 seed;
} LineOptions;

Line *line_new (const LineOptions *options);
void line_free (Line *line);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Line, line_free)

/* Until @until_ns of bus time. */
void line_run (Line *line, gint64 until_ns);
/* Until nothing is left to do. */
void line_run_dry (Line *line);
/* Reader 0 sends these bytes now. */
void line_send (Line *line, const guint8 *bytes, gsize n_bytes);
/* Reader 0 sends this request and reads what comes until the line is quiet; in line->own. */
void line_ask (Line *line, const char *hex);

/* All records of @bytes, good sums and CRCs only; *skipped: bytes that are in none. */
GArray *read_records (const GByteArray *bytes, guint *skipped);

/* "01 10 1070 ..." and its CRC. */
GByteArray *with_crc (const char *hex);

guint32 u32_at (const guint8 *bytes, guint offset);
guint u16_at (const guint8 *bytes, guint offset);
