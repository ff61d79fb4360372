/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the tests of the wire share. The checks are worked out here the slow way, bit by bit, so
 * that they prove those of the library.
 */
#include "wire-fixture.h"

#include <string.h>

void
wire_append_hex (GByteArray *out, const char *hex)
{
  for (const char *c = hex; *c != '\0';)
    {
      guint8 byte;

      if (*c == ' ')
        {
          c++;
          continue;
        }
      g_assert_true (g_ascii_isxdigit (c[0]) && g_ascii_isxdigit (c[1]));
      byte = (guint8) (g_ascii_xdigit_value (c[0]) << 4 | g_ascii_xdigit_value (c[1]));
      g_byte_array_append (out, &byte, 1);
      c += 2;
    }
}

GByteArray *
wire_bytes (const char *hex)
{
  GByteArray *out = g_byte_array_new ();

  wire_append_hex (out, hex);
  return out;
}

void
wire_put16 (guint8 *place, guint16 value)
{
  place[0] = value & 0xff;
  place[1] = value >> 8;
}

void
wire_put32 (guint8 *place, guint32 value)
{
  wire_put16 (place, value & 0xffff);
  wire_put16 (place + 2, value >> 16);
}

void
wire_seal_frame (guint8 frame[JKB_FRAME_SIZE])
{
  guint8 sum = 0;

  for (guint i = 0; i < JKB_FRAME_SIZE - 1; i++)
    sum += frame[i];
  frame[JKB_FRAME_SIZE - 1] = sum;
}

void
wire_fill_frame (guint8 frame[JKB_FRAME_SIZE], guint8 type)
{
  memset (frame, 0, JKB_FRAME_SIZE);
  frame[0] = 0x55;
  frame[1] = 0xaa;
  frame[2] = 0xeb;
  frame[3] = 0x90;
  frame[4] = type;
  wire_seal_frame (frame);
}

void
wire_fill_live (guint8 frame[JKB_FRAME_SIZE])
{
  guint32 sum = 0;

  wire_fill_frame (frame, JKB_FRAME_LIVE);
  for (guint cell = 0; cell < 16; cell++)
    {
      wire_put16 (frame + 6 + 2 * cell, 3300 + cell);
      wire_put16 (frame + 80 + 2 * cell, 60 + cell);
      sum += 3300 + cell;
    }
  wire_put32 (frame + 70, 0xffff);
  wire_put32 (frame + 150, sum);
  wire_put32 (frame + 158, (guint32) -7980);
  wire_put16 (frame + 144, 214);
  wire_put16 (frame + 162, 189);
  wire_put16 (frame + 164, 193);
  wire_put16 (frame + 256, 175);
  wire_put16 (frame + 258, 168);
  frame[173] = 65;
  wire_put32 (frame + 174, 202859);
  wire_put32 (frame + 178, 314000);
  frame[190] = 100;
  frame[198] = frame[199] = 1;
  frame[214] = 0xff;
  wire_seal_frame (frame);
}

void
wire_fill_settings (guint8 frame[JKB_FRAME_SIZE], guint32 device_address)
{
  wire_fill_frame (frame, JKB_FRAME_SETTINGS);
  wire_put32 (frame + 114, 16);
  wire_put32 (frame + 270, device_address);
  wire_seal_frame (frame);
}

void
wire_append_modbus (GByteArray *out, const char *hex)
{
  guint from = out->len;
  guint16 crc = 0xffff;
  guint8 bytes[2];

  wire_append_hex (out, hex);
  for (guint i = from; i < out->len; i++)
    {
      crc ^= out->data[i];
      for (guint bit = 0; bit < 8; bit++)
        crc = (crc & 1) != 0 ? crc >> 1 ^ 0xa001 : crc >> 1;
    }
  wire_put16 (bytes, crc);
  g_byte_array_append (out, bytes, 2);
}

void
wire_append_request (GByteArray *out, guint8 address, guint16 reg)
{
  g_autofree char *hex = g_strdup_printf ("%02x10%04x0001020000", address, reg);

  wire_append_modbus (out, hex);
}

void
wire_append_ack (GByteArray *out, guint8 address, guint16 reg)
{
  g_autofree char *hex = g_strdup_printf ("%02x10%04x0001", address, reg);

  wire_append_modbus (out, hex);
}

void
wire_append_frame (GByteArray *out, const guint8 frame[JKB_FRAME_SIZE])
{
  g_byte_array_append (out, frame, JKB_FRAME_SIZE);
}

static const char *
drop_name (JkbDropReason drop)
{
  static const char *const names[] = { "", "unattributed", "conflict", "continuity" };

  return names[drop];
}

void
wire_append_event (GString *out, const JkbEvent *event)
{
  static const char *const names[]
      = { "", "bad", "request", "ack", "read_request", "read_response", "exception" };

  g_string_append_printf (out, "%" G_GUINT64_FORMAT " ", event->offset);
  if (event->kind == JKB_EVENT_BAD_FRAME)
    g_string_append_printf (out, "bad %02x", event->type);
  else if (event->kind == JKB_EVENT_FRAME && event->drop != JKB_DROP_NONE)
    g_string_append_printf (out, "%s ? %s", jkb_frame_type_name (event->type),
                            drop_name (event->drop));
  else if (event->kind == JKB_EVENT_FRAME)
    g_string_append_printf (out, "%s %d %s", jkb_frame_type_name (event->type), event->address,
                            jkb_evidence_name (event->evidence));
  else if (event->kind == JKB_EVENT_REQUEST || event->kind == JKB_EVENT_ACK)
    g_string_append_printf (out, "%s %d %04x", names[event->kind], event->address, event->reg);
  else
    g_string_append_printf (out, "%s %d", names[event->kind], event->address);
  g_string_append_c (out, '\n');
}

static gsize
everything (void)
{
  return G_MAXSIZE;
}

char *
wire_events (const guint8 *bytes, gsize n_bytes)
{
  return wire_events_in_pieces (bytes, n_bytes, everything);
}

char *
wire_events_in_pieces (const guint8 *bytes, gsize n_bytes, gsize (*piece) (void))
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  GString *out = g_string_new (NULL);
  gboolean finished = FALSE;
  gsize at = 0;
  JkbEvent event;

  while (!finished)
    {
      if (at < n_bytes)
        {
          gsize room;
          guint8 *place = jkb_stream_reserve (stream, &room);
          gsize n = piece ();

          g_assert_cmpuint (room, >=, 1);
          n = MIN (n, MIN (room, n_bytes - at));
          memcpy (place, bytes + at, n);
          jkb_stream_commit (stream, n, 0);
          at += n;
        }
      else
        {
          jkb_stream_finish (stream);
          finished = TRUE;
        }
      while (jkb_stream_next (stream, 0, &event))
        {
          g_assert_nonnull (event.bytes);
          wire_append_event (out, &event);
        }
    }
  g_assert_cmpuint (jkb_stream_counters (stream)->bytes, ==, n_bytes);
  return g_string_free (out, FALSE);
}

const char *
wire_captures (void)
{
  const char *shared = g_getenv ("JKB_SHARED");
  static char *captures;

  if (captures == NULL && shared != NULL)
    captures = g_build_filename (shared, "captures", NULL);
  if (captures != NULL && g_file_test (captures, G_FILE_TEST_IS_DIR))
    return captures;
  g_test_skip ("the captures are not there: set JKB_SHARED to the directory that holds them");
  return NULL;
}
