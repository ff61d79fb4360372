/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the tests of the wire share: bytes from hex, frames from scratch, events as text.
 */
#pragma once

#include "wire/jkb-stream.h"

/* "01 10 16" -> bytes appended to @out; spaces do not matter. */
void wire_append_hex (GByteArray *out, const char *hex);

GByteArray *wire_bytes (const char *hex);

void wire_put16 (guint8 *place, guint16 value);
void wire_put32 (guint8 *place, guint32 value);

/* A frame of @type with nothing in it but its header and its sum. */
void wire_fill_frame (guint8 frame[JKB_FRAME_SIZE], guint8 type);
void wire_seal_frame (guint8 frame[JKB_FRAME_SIZE]);

/* A live frame of 16 cells, 3.300 V … 3.315 V, that is plausible in all parts. */
void wire_fill_live (guint8 frame[JKB_FRAME_SIZE]);
void wire_fill_settings (guint8 frame[JKB_FRAME_SIZE], guint32 device_address);

/* FC 0x10 trigger and its ACK, with CRC. */
void wire_append_request (GByteArray *out, guint8 address, guint16 reg);
void wire_append_ack (GByteArray *out, guint8 address, guint16 reg);
void wire_append_frame (GByteArray *out, const guint8 frame[JKB_FRAME_SIZE]);
/* @hex and its CRC */
void wire_append_modbus (GByteArray *out, const char *hex);

/* One line for people: "0 live 1 ack", "300 ack 1 1620", "608 settings ? conflict", "0 bad 02". */
void wire_append_event (GString *out, const JkbEvent *event);

/* Feeds all at once and finishes, timing unknown; returns the lines of all events. */
char *wire_events (const guint8 *bytes, gsize n_bytes);

/* The same in pieces: @piece() says how long the next one is. */
char *wire_events_in_pieces (const guint8 *bytes, gsize n_bytes, gsize (*piece) (void));

/* The directory of the reference captures; NULL: skip, it has been said. */
const char *wire_captures (void);
