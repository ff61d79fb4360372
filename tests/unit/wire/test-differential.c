/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The stream against a splitter that was written once more, slowly, and against frames made from
 * known values. Random bytes, random damage, random cuts.
 */
#include <string.h>

#include "wire-fixture.h"
#include "wire/jkb-decode.h"

/* ---- the slow splitter: all bytes at hand, one position after the other --------------------- */

typedef struct
{
  const guint8 *bytes;
  gsize n_bytes;
} All;

static gboolean
slow_header (const All *all, gsize at)
{
  return at + 4 <= all->n_bytes && all->bytes[at] == 0x55 && all->bytes[at + 1] == 0xaa
         && all->bytes[at + 2] == 0xeb && all->bytes[at + 3] == 0x90;
}

static gboolean
slow_sum (const All *all, gsize at)
{
  guint sum = 0;

  if (at + 300 > all->n_bytes)
    return FALSE;
  for (gsize i = 0; i < 299; i++)
    sum += all->bytes[at + i];
  return sum % 256 == all->bytes[at + 299];
}

/* A good sum, and no good frame that begins inside. */
static gboolean
slow_frame (const All *all, gsize at)
{
  if (!slow_sum (all, at))
    return FALSE;
  for (gsize inner = at + 1; inner + 4 <= at + 300; inner++)
    if (slow_header (all, inner) && slow_sum (all, inner))
      return FALSE;
  return TRUE;
}

static gboolean
slow_crc (const All *all, gsize at, gsize n)
{
  guint crc = 0xffff;

  if (at + n > all->n_bytes)
    return FALSE;
  for (gsize i = 0; i < n - 2; i++)
    {
      crc ^= all->bytes[at + i];
      for (guint bit = 0; bit < 8; bit++)
        crc = crc % 2 != 0 ? crc / 2 ^ 0xa001 : crc / 2;
    }
  for (gsize i = at + 1; i + 4 <= at + n; i++)
    if (slow_header (all, i))
      return FALSE;
  return all->bytes[at + n - 2] == crc % 256 && all->bytes[at + n - 1] == crc / 256;
}

static guint
slow_word (const All *all, gsize at)
{
  return all->bytes[at] * 256u + all->bytes[at + 1];
}

/* Returns: the length of the Modbus record at @at, 0: none; appends its line. */
static gsize
slow_modbus (const All *all, gsize at, GString *out)
{
  const guint8 *b = all->bytes + at;
  gsize left = all->n_bytes - at;
  guint count = left >= 8 ? slow_word (all, at + 4) : 0;

  if (left < 3 || b[0] > 247)
    return 0;
  if (b[1] == 0x10 && left >= 8 && count >= 1 && count <= 123)
    {
      if (b[6] == 2 * count && slow_crc (all, at, 9 + b[6]))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " request %u %04x\n", at, b[0],
                                  slow_word (all, at + 2));
          return 9 + b[6];
        }
      if (slow_crc (all, at, 8))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " ack %u %04x\n", at, b[0],
                                  slow_word (all, at + 2));
          return 8;
        }
    }
  if (b[1] == 0x03)
    {
      gboolean answer = b[2] >= 2 && b[2] <= 250 && b[2] % 2 == 0 && slow_crc (all, at, 5 + b[2]);
      gboolean request = left >= 8 && count >= 1 && count <= 125 && slow_crc (all, at, 8);

      if (answer && (b[2] == 2 || !request))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " read_response %u\n", at, b[0]);
          return 5 + b[2];
        }
      if (request)
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " read_request %u\n", at, b[0]);
          return 8;
        }
    }
  if ((b[1] == 0x83 || b[1] == 0x90) && b[2] >= 1 && b[2] <= 11 && slow_crc (all, at, 5))
    {
      g_string_append_printf (out, "%" G_GSIZE_FORMAT " exception %u\n", at, b[0]);
      return 5;
    }
  return 0;
}

/* Frames without their senders: those are not the splitter's business. */
static char *
slow_events (const guint8 *bytes, gsize n_bytes)
{
  All all = { bytes, n_bytes };
  GString *out = g_string_new (NULL);
  gsize at = 0;

  while (at < n_bytes)
    {
      gsize n = 0;

      if (slow_header (&all, at) && slow_frame (&all, at))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " frame %02x\n", at, bytes[at + 4]);
          n = 300;
        }
      else
        {
          if (slow_header (&all, at) && at + 300 <= n_bytes)
            g_string_append_printf (out, "%" G_GSIZE_FORMAT " bad %02x\n", at, bytes[at + 4]);
          n = slow_modbus (&all, at, out);
        }
      at += MAX (n, 1);
    }
  return g_string_free (out, FALSE);
}

/* ---- the stream, its lines made alike ------------------------------------------------------- */

static gint
by_offset (gconstpointer a, gconstpointer b)
{
  guint64 first = g_ascii_strtoull (*(char **) a, NULL, 10);
  guint64 second = g_ascii_strtoull (*(char **) b, NULL, 10);

  return first < second ? -1 : first > second;
}

static char *
stream_events (const guint8 *bytes, gsize n_bytes, gsize piece)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GString *out = g_string_new (NULL);
  gboolean finished = FALSE;
  gsize at = 0;
  JkbEvent event;

  while (!finished)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize n = piece > 0 ? piece : (gsize) g_test_rand_int_range (1, 1000);

      n = MIN (n, MIN (room, n_bytes - at));
      memcpy (place, bytes + at, n);
      jkb_stream_commit (stream, n, 0);
      at += n;
      if (at == n_bytes)
        {
          jkb_stream_finish (stream);
          finished = TRUE;
        }
      while (jkb_stream_next (stream, 0, &event))
        {
          GString *line = g_string_new (NULL);

          if (event.kind == JKB_EVENT_FRAME)
            g_string_append_printf (line, "%" G_GUINT64_FORMAT " frame %02x\n", event.offset,
                                    event.type);
          else
            wire_append_event (line, &event);
          g_ptr_array_add (lines, g_string_free (line, FALSE));
        }
    }
  g_ptr_array_sort (lines, by_offset);
  for (guint i = 0; i < lines->len; i++)
    g_string_append (out, lines->pdata[i]);
  return g_string_free (out, FALSE);
}

static void
compare (const GByteArray *bytes)
{
  static const gsize pieces[] = { 1, G_MAXSIZE, 0, 7 };
  g_autofree char *slow = slow_events (bytes->data, bytes->len);

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autofree char *fast = stream_events (bytes->data, bytes->len, pieces[i]);

      g_assert_cmpstr (fast, ==, slow);
    }
}

/* ---- what is fed ---------------------------------------------------------------------------- */

static void
append_random (GByteArray *out, gsize n)
{
  for (gsize i = 0; i < n; i++)
    {
      guint8 byte = (guint8) g_test_rand_int ();

      g_byte_array_append (out, &byte, 1);
    }
}

/* Bytes that begin records, over and over: much denser than chance. */
static void
append_dense (GByteArray *out, gsize n)
{
  static const guint8 choice[] = { 0x55, 0xaa, 0xeb, 0x90, 0x00, 0x01, 0x02, 0x03, 0x10, 0x16,
                                   0x20, 0x1e, 0x83, 0x04, 0x0f, 0xff };

  for (gsize i = 0; i < n; i++)
    g_byte_array_append (out, &choice[g_test_rand_int_range (0, sizeof choice)], 1);
}

static void
append_random_record (GByteArray *out)
{
  guint8 address = (guint8) g_test_rand_int_range (0, 17);
  guint8 frame[JKB_FRAME_SIZE];
  g_autofree char *hex = NULL;

  switch (g_test_rand_int_range (0, 9))
    {
    case 0:
      wire_append_request (out, address, 0x1620);
      break;
    case 1:
      wire_append_ack (out, address, 0x161e);
      break;
    case 2:
      hex = g_strdup_printf ("%02x 03 10 %02x 00 02", address, (guint8) g_test_rand_int ());
      wire_append_modbus (out, hex);
      break;
    case 3:
      hex = g_strdup_printf ("%02x 03 02 %04x", address, g_test_rand_int () & 0xffff);
      wire_append_modbus (out, hex);
      break;
    case 4:
      hex = g_strdup_printf ("%02x 03 10 %08x%08x%08x%08x", address, g_test_rand_int (),
                             g_test_rand_int (), g_test_rand_int (), g_test_rand_int ());
      wire_append_modbus (out, hex);
      break;
    case 5:
      hex = g_strdup_printf ("%02x 83 02", address);
      wire_append_modbus (out, hex);
      break;
    case 6:
      hex = g_strdup_printf ("%02x 10 10 %02x 00 02 04 %08x", address, g_test_rand_int () & 0xff,
                             g_test_rand_int ());
      wire_append_modbus (out, hex);
      break;
    case 7:
      wire_fill_settings (frame, address);
      wire_append_frame (out, frame);
      break;
    default:
      wire_fill_live (frame);
      for (guint i = 6; i < 299; i++)
        if (g_test_rand_int_range (0, 4) == 0)
          frame[i] = (guint8) g_test_rand_int ();
      wire_seal_frame (frame);
      wire_append_frame (out, frame);
      break;
    }
}

/* Damages what was appended since @from: a bit, a cut, a hole, bytes put in. */
static void
damage (GByteArray *out, guint from)
{
  guint n = out->len - from;
  guint at, hole;

  if (n == 0)
    return;
  at = from + (guint) g_test_rand_int_range (0, (gint32) n);
  switch (g_test_rand_int_range (0, 4))
    {
    case 0:
      out->data[at] ^= (guint8) (1u << g_test_rand_int_range (0, 8));
      break;
    case 1:
      g_byte_array_set_size (out, at);
      break;
    case 2:
      hole = (guint) g_test_rand_int_range (1, 30);
      g_byte_array_remove_range (out, at, MIN (out->len - at, hole));
      break;
    default:
      append_random (out, (gsize) g_test_rand_int_range (1, 20));
      break;
    }
}

static void
test_noise (void)
{
  for (guint i = 0; i < 60; i++)
    {
      g_autoptr(GByteArray) bytes = g_byte_array_new ();

      append_random (bytes, 4000);
      compare (bytes);
    }
}

static void
test_dense_noise (void)
{
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr(GByteArray) bytes = g_byte_array_new ();

      append_dense (bytes, 2000);
      compare (bytes);
    }
}

static void
test_damaged_traffic (void)
{
  for (guint round = 0; round < 300; round++)
    {
      g_autoptr(GByteArray) bytes = g_byte_array_new ();

      for (guint i = 0; i < 30; i++)
        {
          guint from = bytes->len;

          append_random_record (bytes);
          if (g_test_rand_int_range (0, 3) == 0)
            damage (bytes, from);
          if (g_test_rand_int_range (0, 10) == 0)
            append_dense (bytes, (gsize) g_test_rand_int_range (1, 60));
        }
      compare (bytes);
    }
}

/* A lot of noise, fast splitter only: hardly anything may come of it, and never a frame. */
static void
test_much_noise (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  const JkbStreamCounters *counters = jkb_stream_counters (stream);
  const guint64 n_wanted = g_test_slow () ? G_GUINT64_CONSTANT (1000000000) : 20000000;
  guint64 state = G_GUINT64_CONSTANT (88172645463325252);
  guint n_records = 0;
  JkbEvent event;

  while (counters->bytes < n_wanted)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);

      for (gsize i = 0; i < room; i++)
        {
          state ^= state << 13;
          state ^= state >> 7;
          state ^= state << 17;
          place[i] = (guint8) (state >> 32);
        }
      jkb_stream_commit (stream, room, 0);
      while (jkb_stream_next (stream, 0, &event))
        n_records++;
    }
  g_test_message ("%u records in %" G_GUINT64_FORMAT " bytes", n_records, counters->bytes);
  g_assert_cmpuint (counters->frames, ==, 0);
  g_assert_cmpuint (n_records, <=, 3 + n_wanted / 10000000);
}

/* ---- values to frame and back --------------------------------------------------------------- */

static gint64
random_raw (const JkbField *field)
{
  static const guint8 widths[] = { 0, 1, 1, 2, 2, 4, 4 };
  guint32 raw = g_test_rand_int ();
  guint width = widths[field->wire];

  if (field->kind == JKB_KIND_BOOL || field->bit > 0)
    return raw & 1;
  if (field->kind == JKB_KIND_ENUM)
    return raw % g_strv_length ((char **) field->names);
  if (g_strcmp0 (field->unit, "°C") == 0 && width == 2)
    return (gint64) (raw % 1600) - 400;
  raw = width == 4 ? raw : raw & ((1u << 8 * width) - 1);
  switch (field->wire)
    {
    case JKB_WIRE_I8:
      return (gint8) raw;
    case JKB_WIRE_I16:
      return (gint16) raw;
    case JKB_WIRE_I32:
      return (gint32) raw;
    default:
      return raw;
    }
}

static void
encode (guint8 *frame, const JkbField *field, guint item, gint64 raw)
{
  guint width = jkb_field_width (field);
  guint8 *place = frame + field->offset + item * width;

  if (field->bit > 0)
    {
      guint bit = (guint) field->bit - 1;

      place[bit / 8] = (guint8) ((place[bit / 8] & ~(1u << bit % 8)) | (guint) raw << bit % 8);
      return;
    }
  for (guint i = 0; i < width; i++)
    place[i] = (guint8) (raw >> 8 * i);
}

static gboolean
is_shared (JkbFieldId id)
{
  return id == JKB_FIELD_ERRORS || id == JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM
         || id == JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM_RECOVERY
         || id == JKB_FIELD_HEATING_START_TEMPERATURE || id == JKB_FIELD_HEATING_STOP_TEMPERATURE;
}

/* Returns: what was put in, as it must come out. */
static void
make_frame (JkbGroup group, guint8 *frame, JkbValues *wanted)
{
  static const guint8 types[] = { JKB_FRAME_LIVE, JKB_FRAME_SETTINGS, JKB_FRAME_INFO };
  guint32 mask = g_test_rand_int ();

  wire_fill_frame (frame, types[group]);
  for (guint i = 6; i < 299; i++)
    frame[i] = (guint8) g_test_rand_int ();
  jkb_values_init (wanted, group);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (jkb_fields[id].wire != JKB_WIRE_NONE && jkb_fields[id].wire != JKB_WIRE_TEXT
        && jkb_fields[id].kind != JKB_KIND_LIST && !is_shared (id))
      {
        gint64 raw = random_raw (&jkb_fields[id]);

        encode (frame, &jkb_fields[id], 0, raw);
        jkb_values_set (wanted, id, raw);
      }
  if (group == JKB_GROUP_LIVE)
    {
      wire_put32 (frame + 70, mask);
      wanted->n_cells = (guint8) (mask == 0 ? 0 : g_bit_storage (mask));
    }
  for (guint cell = 0; cell < wanted->n_cells; cell++)
    if ((mask & 1u << cell) != 0)
      {
        gint64 raw = random_raw (&jkb_fields[JKB_FIELD_CELL_VOLTAGES]);

        encode (frame, &jkb_fields[JKB_FIELD_CELL_VOLTAGES], cell, raw);
        wanted->list[0][cell] = (gint32) raw;
      }
  wire_seal_frame (frame);
}

static void
test_round_trip (void)
{
  for (guint i = 0; i < 3000; i++)
    {
      JkbGroup group = (JkbGroup) (i % JKB_N_GROUPS);
      g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
      JkbValues wanted, values;
      guint8 frame[JKB_FRAME_SIZE];
      JkbEvent event;
      gsize room;

      make_frame (group, frame, &wanted);
      memcpy (jkb_stream_reserve (stream, &room), frame, sizeof frame);
      jkb_stream_commit (stream, sizeof frame, 0);
      jkb_stream_finish (stream);
      g_assert_true (jkb_stream_next (stream, 0, &event));
      g_assert_cmpint (event.kind, ==, JKB_EVENT_FRAME);
      g_assert_true (jkb_decode (event.bytes, &values));
      if (group != JKB_GROUP_SETTINGS)
        g_assert_cmpuint (values.n_cells, ==, wanted.n_cells);
      for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
        if (jkb_fields[id].wire != JKB_WIRE_NONE && jkb_fields[id].wire != JKB_WIRE_TEXT
            && jkb_fields[id].kind != JKB_KIND_LIST && !is_shared (id))
          {
            g_test_message ("%s", jkb_fields[id].key);
            g_assert_cmpint (jkb_values_get (&values, id), ==, jkb_values_get (&wanted, id));
          }
      for (guint cell = 0; cell < wanted.n_cells; cell++)
        g_assert_cmpint (values.list[0][cell], ==, wanted.list[0][cell]);
      jkb_plausible_frame (event.bytes, &values);
      jkb_plausible_values (event.bytes, &values);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/differential/noise", test_noise);
  g_test_add_func ("/differential/dense-noise", test_dense_noise);
  g_test_add_func ("/differential/damaged-traffic", test_damaged_traffic);
  g_test_add_func ("/differential/much-noise", test_much_noise);
  g_test_add_func ("/differential/round-trip", test_round_trip);
  return g_test_run ();
}
