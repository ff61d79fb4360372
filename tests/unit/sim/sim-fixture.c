/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * CRC and sum are computed bit by bit here, not by the simulator's own functions.
 */
#include "sim-fixture.h"

static void
on_bytes (const guint8 *bytes, gsize n_bytes, gint except, gpointer user_data)
{
  Line *line = user_data;
  guint length = n_bytes;

  g_byte_array_append (line->heard, bytes, n_bytes);
  if (except != 0)
    g_byte_array_append (line->own, bytes, n_bytes);
  g_array_append_val (line->times, line->now_ns);
  g_array_append_val (line->lengths, length);
}

Line *
line_new (const LineOptions *options)
{
  Line *line = g_new0 (Line, 1);
  SimBusOptions bus = { .speed = options->speed, .slots = options->slots,
                        .firmware = options->firmware, .count = options->count };

  line->fault = sim_fault_new (options->seed + 1);
  line->heard = g_byte_array_new ();
  line->own = g_byte_array_new ();
  line->times = g_array_new (FALSE, FALSE, sizeof (gint64));
  line->lengths = g_array_new (FALSE, FALSE, sizeof (guint));
  line->bus = sim_bus_new (&bus, line->fault, NULL, on_bytes, line);
  for (const char *each = options->bms; *each; each++)
    sim_bus_add (line->bus, sim_bms_new (g_ascii_xdigit_value (*each), 16, options->firmware,
                                         options->seed + 1, 1));
  if (options->master)
    sim_bus_start_master (line->bus);
  return line;
}

void
line_free (Line *line)
{
  sim_bus_free (line->bus);
  sim_fault_free (line->fault);
  g_byte_array_unref (line->heard);
  g_byte_array_unref (line->own);
  g_array_unref (line->times);
  g_array_unref (line->lengths);
  g_free (line);
}

void
line_run (Line *line, gint64 until_ns)
{
  gint64 next_ns;

  while ((next_ns = sim_bus_next_ns (line->bus)) <= until_ns)
    {
      line->now_ns = MAX (line->now_ns, next_ns);
      sim_bus_run (line->bus, line->now_ns);
    }
  line->now_ns = MAX (line->now_ns, until_ns);
}

void
line_run_dry (Line *line)
{
  gint64 next_ns;

  while ((next_ns = sim_bus_next_ns (line->bus)) != G_MAXINT64)
    line_run (line, next_ns);
}

void
line_send (Line *line, const guint8 *bytes, gsize n_bytes)
{
  sim_bus_receive (line->bus, 0, &line->input, bytes, n_bytes, line->now_ns);
}

static guint
crc_of (const guint8 *bytes, guint n)
{
  guint crc = 0xFFFF;

  for (guint bit = 0; bit < 8 * n; bit++)
    {
      guint in = bytes[bit / 8] >> bit % 8 & 1;

      crc = (crc & 1) != in ? crc >> 1 ^ 0xA001 : crc >> 1;
    }
  return crc;
}

GByteArray *
with_crc (const char *hex)
{
  GByteArray *bytes = g_byte_array_new ();
  guint8 crc[2];
  gint half = -1;

  for (; *hex; hex++)
    {
      gint digit = g_ascii_xdigit_value (*hex);
      guint8 byte;

      if (digit < 0)
        continue;
      byte = (half < 0 ? 0 : half) << 4 | digit;
      if (half >= 0)
        g_byte_array_append (bytes, &byte, 1);
      half = half < 0 ? digit : -1;
    }
  crc[0] = crc_of (bytes->data, bytes->len) & 0xFF;
  crc[1] = crc_of (bytes->data, bytes->len) >> 8;
  return g_byte_array_append (bytes, crc, 2);
}

void
line_ask (Line *line, const char *hex)
{
  g_autoptr (GByteArray) request = with_crc (hex);

  g_byte_array_set_size (line->own, 0);
  line_send (line, request->data, request->len);
  line_run_dry (line);
}

static gboolean
crc_holds (const guint8 *bytes, guint n, guint left)
{
  return n <= left && crc_of (bytes, n - 2) == u16_at (bytes, n - 2);
}

static gboolean
sum_holds (const guint8 *bytes)
{
  guint sum = 0;

  for (guint i = 0; i < 299; i++)
    sum += bytes[i];
  return sum % 256 == bytes[299];
}

/* The record that begins at @bytes; its length, 0: none. */
static guint
read_record (const guint8 *bytes, guint left, Found *found)
{
  found->address = bytes[0];
  if (left >= 300 && memcmp (bytes, "\x55\xAA\xEB\x90", 4) == 0 && sum_holds (bytes))
    {
      *found = (Found) { .kind = SIM_RECORD_FRAME, .type = bytes[4] };
      return 300;
    }
  if (left < 5)
    return 0;
  found->reg = bytes[2] << 8 | bytes[3];
  if (bytes[1] == 0x10 && left > 9 && bytes[6] == 2 * bytes[5]
      && crc_holds (bytes, 9 + bytes[6], left))
    {
      found->kind = SIM_RECORD_REQUEST;
      return 9 + bytes[6];
    }
  if (bytes[1] == 0x10 && crc_holds (bytes, 8, left))
    {
      found->kind = SIM_RECORD_ACK;
      return 8;
    }
  if (bytes[1] == 0x03 && crc_holds (bytes, 8, left))
    {
      found->kind = SIM_RECORD_READ_REQUEST;
      return 8;
    }
  if (bytes[1] == 0x03 && crc_holds (bytes, 5 + bytes[2], left))
    {
      found->kind = SIM_RECORD_READ_RESPONSE;
      return 5 + bytes[2];
    }
  if ((bytes[1] == 0x83 || bytes[1] == 0x90) && crc_holds (bytes, 5, left))
    {
      found->kind = SIM_RECORD_EXCEPTION;
      return 5;
    }
  return 0;
}

GArray *
read_records (const GByteArray *bytes, guint *skipped)
{
  GArray *records = g_array_new (FALSE, FALSE, sizeof (Found));

  *skipped = 0;
  for (guint at = 0; at < bytes->len;)
    {
      Found found = { 0 };

      found.length = read_record (bytes->data + at, bytes->len - at, &found);
      if (found.length == 0)
        {
          at++;
          (*skipped)++;
          continue;
        }
      if (found.kind == SIM_RECORD_FRAME)
        found.length = 300;
      found.offset = at;
      at += found.length;
      g_array_append_val (records, found);
    }
  return records;
}

guint
u16_at (const guint8 *bytes, guint offset)
{
  return bytes[offset] | bytes[offset + 1] << 8;
}

guint32
u32_at (const guint8 *bytes, guint offset)
{
  return u16_at (bytes, offset) | (guint32) u16_at (bytes, offset + 2) << 16;
}
