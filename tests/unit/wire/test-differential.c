/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The stream against a splitter that was written once more, slowly, and against frames made from
 * known values. Random bytes, random damage, random cuts.
 */
#include <string.h>

#include "made-frame.h"
#include "slow-splitter.h"
#include "wire-fixture.h"
#include "wire/jkb-decode.h"

/* ---- the stream and the slow splitter ------------------------------------------------------- */

static gsize
one (void)
{
  return 1;
}

static gsize
seven (void)
{
  return 7;
}

static gsize
all_at_once (void)
{
  return G_MAXSIZE;
}

static gsize
some (void)
{
  return (gsize) g_test_rand_int_range (1, 1000);
}

static void
compare (const GByteArray *bytes)
{
  static const SlowSplitterPiece pieces[] = { one, all_at_once, some, seven };
  g_autofree char *slow = slow_splitter_events (bytes->data, bytes->len);

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autofree char *fast = slow_splitter_of_stream (bytes->data, bytes->len, pieces[i]);

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

static guint32
any_number (void)
{
  return (guint32) g_test_rand_int ();
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

      made_frame_fill (group, frame, &wanted, any_number);
      memcpy (jkb_stream_reserve (stream, &room), frame, sizeof frame);
      jkb_stream_commit (stream, sizeof frame, 0);
      jkb_stream_finish (stream);
      g_assert_true (jkb_stream_next (stream, 0, &event));
      g_assert_cmpint (event.kind, ==, JKB_EVENT_FRAME);
      g_assert_true (jkb_decode (event.bytes, &values));
      made_frame_check (&values, &wanted);
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
