/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Builds and reads records; no state.
 */
#include "sim/sim-record.h"

#include <string.h>

const char *
sim_record_kind_name (guint8 kind)
{
  static const char *const names[] = { "frame",        "request",       "ack", "read_request",
                                       "read_response", "exception", "raw" };

  return kind < G_N_ELEMENTS (names) ? names[kind] : "raw";
}

guint16
sim_crc16 (const guint8 *bytes, gsize n_bytes)
{
  guint16 crc = 0xFFFF;

  for (gsize i = 0; i < n_bytes; i++)
    {
      crc ^= bytes[i];
      for (guint bit = 0; bit < 8; bit++)
        crc = crc & 1 ? (crc >> 1) ^ 0xA001 : crc >> 1;
    }
  return crc;
}

void
sim_record_seal (SimRecord *record, guint n_bytes)
{
  guint16 crc = sim_crc16 (record->bytes, n_bytes);

  record->bytes[n_bytes] = crc & 0xFF;
  record->bytes[n_bytes + 1] = crc >> 8;
  record->n_bytes = n_bytes + 2;
}

void
sim_record_frame (SimRecord *record, guint8 address, guint8 type, guint8 origin,
                  const guint8 *payload)
{
  guint8 *bytes = record->bytes;
  guint8 sum = 0;

  *record = (SimRecord) { .kind = SIM_RECORD_FRAME, .address = address, .type = type,
                          .reg = sim_type_trigger (type), .n_bytes = SIM_FRAME_SIZE };
  memcpy (bytes, "\x55\xAA\xEB\x90", 4);
  bytes[4] = type;
  bytes[5] = origin;
  memcpy (bytes + 6, payload, 293);
  for (guint i = 0; i < 299; i++)
    sum += bytes[i];
  bytes[299] = sum;
}

static void
begin (SimRecord *record, guint8 kind, guint8 address, guint8 function, guint16 reg)
{
  *record = (SimRecord) { .kind = kind, .address = address, .reg = reg };
  record->bytes[0] = address;
  record->bytes[1] = function;
  record->bytes[2] = reg >> 8;
  record->bytes[3] = reg & 0xFF;
}

void
sim_record_trigger (SimRecord *record, guint8 address, guint16 reg)
{
  begin (record, SIM_RECORD_REQUEST, address, 0x10, reg);
  memcpy (record->bytes + 4, "\x00\x01\x02\x00\x00", 5);
  sim_record_seal (record, 9);
}

void
sim_record_ack (SimRecord *record, guint8 address, guint16 reg, guint16 count)
{
  begin (record, SIM_RECORD_ACK, address, 0x10, reg);
  record->type = sim_trigger_type (reg);
  record->bytes[4] = count >> 8;
  record->bytes[5] = count & 0xFF;
  sim_record_seal (record, 6);
}

void
sim_record_read_response (SimRecord *record, guint8 address, guint16 reg, const guint8 *data,
                          guint8 n_bytes)
{
  begin (record, SIM_RECORD_READ_RESPONSE, address, 0x03, reg);
  record->bytes[2] = n_bytes;
  memcpy (record->bytes + 3, data, n_bytes);
  sim_record_seal (record, 3 + n_bytes);
}

void
sim_record_exception (SimRecord *record, guint8 address, guint8 function, guint8 code)
{
  begin (record, SIM_RECORD_EXCEPTION, address, function | 0x80, 0);
  record->bytes[2] = code;
  sim_record_seal (record, 3);
}

/* Bytes of the request that begins so; 0 when the count is not there yet, -1 when it is none. */
static gint
request_length (const guint8 *bytes, gsize n_bytes)
{
  if (n_bytes < 2)
    return 0;
  if (bytes[1] == 0x03)
    return 8;
  if (bytes[1] != 0x10)
    return -1;
  if (n_bytes < 7)
    return 0;
  if (bytes[4] != 0 || bytes[6] != 2 * bytes[5] || bytes[5] == 0)
    return -1;
  return 9 + bytes[6];
}

gint
sim_record_parse_request (const guint8 *bytes, gsize n_bytes, SimRecord *record)
{
  gint length = request_length (bytes, n_bytes);
  guint16 crc;

  if (length < 0 || length > SIM_RECORD_MAX)
    return -1;
  if (length == 0 || n_bytes < (gsize) length)
    return 0;
  crc = sim_crc16 (bytes, length - 2);
  if (bytes[length - 2] != (crc & 0xFF) || bytes[length - 1] != crc >> 8)
    return -1;
  begin (record, bytes[1] == 0x10 ? SIM_RECORD_REQUEST : SIM_RECORD_READ_REQUEST, bytes[0],
         bytes[1], bytes[2] << 8 | bytes[3]);
  memcpy (record->bytes, bytes, length);
  record->n_bytes = length;
  return length;
}

guint8
sim_trigger_type (guint16 reg)
{
  switch (reg)
    {
    case 0x161E:
    case 0x160A:
    case 0x160C:
    case 0x160E:
      return 1;
    case 0x1620:
      return 2;
    case 0x161C:
      return 3;
    default:
      return 0;
    }
}

guint16
sim_type_trigger (guint8 type)
{
  static const guint16 registers[] = { 0, 0x161E, 0x1620, 0x161C };

  return type < G_N_ELEMENTS (registers) ? registers[type] : 0;
}
