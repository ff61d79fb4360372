/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Records on the wire as the simulator builds and reads them (protocol §2).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define SIM_FRAME_SIZE 300
#define SIM_RECORD_MAX 320

typedef enum
{
  SIM_RECORD_FRAME,
  SIM_RECORD_REQUEST,      /* FC 0x10 with data: trigger or write */
  SIM_RECORD_ACK,
  SIM_RECORD_READ_REQUEST, /* FC 0x03 */
  SIM_RECORD_READ_RESPONSE,
  SIM_RECORD_EXCEPTION,
  SIM_RECORD_RAW           /* bytes of a replay, of another master */
} SimRecordKind;

typedef struct
{
  guint8 kind; /* SimRecordKind */
  guint8 address;
  guint8 type; /* frames: 1, 2, 3 */
  guint16 reg; /* FC 0x10 and FC 0x03 */
  guint n_bytes;
  guint8 bytes[SIM_RECORD_MAX];
} SimRecord;

const char *sim_record_kind_name (guint8 kind);

guint16 sim_crc16 (const guint8 *bytes, gsize n_bytes);

/* @payload: 293 bytes. @origin: byte 5. */
void sim_record_frame (SimRecord *record, guint8 address, guint8 type, guint8 origin,
                       const guint8 *payload);
void sim_record_trigger (SimRecord *record, guint8 address, guint16 reg);
void sim_record_ack (SimRecord *record, guint8 address, guint16 reg, guint16 count);
void sim_record_read_response (SimRecord *record, guint8 address, guint16 reg, const guint8 *data,
                               guint8 n_bytes);
void sim_record_exception (SimRecord *record, guint8 address, guint8 function, guint8 code);

/* Adds the CRC behind @n_bytes. */
void sim_record_seal (SimRecord *record, guint n_bytes);

/**
 * sim_record_parse_request:
 * What a master sent, as a slave reads it.
 *
 * Returns: bytes used; 0: more are needed; -1: no request starts here
 */
gint sim_record_parse_request (const guint8 *bytes, gsize n_bytes, SimRecord *record);

/* 0x161E -> 1, 0x1620 -> 2, 0x161C -> 3, else 0; and back. */
guint8 sim_trigger_type (guint16 reg);
guint16 sim_type_trigger (guint8 type);

G_END_DECLS
