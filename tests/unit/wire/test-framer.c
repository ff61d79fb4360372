/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The splitting of the stream (protocol §2.5): literal bytes in, lines out, the same however the
 * bytes are cut.
 */
#include <string.h>

#include "wire-fixture.h"
#include "wire/jkb-crc.h"

/* Fixed byte strings of protocol §2.2 and of captured exchanges. */
static const struct
{
  const char *name, *hex, *events;
} rows[] = {
  { "request-live", "01 10 16 20 00 01 02 00 00 D6 F1", "0 request 1 1620\n" },
  { "request-settings", "01 10 16 1E 00 01 02 00 00 D2 2F", "0 request 1 161e\n" },
  { "request-info", "01 10 16 1C 00 01 02 00 00 D3 CD", "0 request 1 161c\n" },
  { "ack-live", "01 10 16 20 00 01 04 4B", "0 ack 1 1620\n" },
  { "ack-settings", "01 10 16 1E 00 01 65 87", "0 ack 1 161e\n" },
  { "ack-info", "01 10 16 1C 00 01 C4 47", "0 ack 1 161c\n" },
  { "ack-live-master", "00 10 16 20 00 01 05 9A", "0 ack 0 1620\n" },
  { "ack-settings-master", "00 10 16 1E 00 01 64 56", "0 ack 0 161e\n" },
  { "read-alarms", "01 03 12 A0 00 02 C1 51", "0 read_request 1\n" },
  { "read-answer", "01 03 04 00 00 00 00 FA 33", "0 read_response 1\n" },
  { "exception-read", "01 83 02 C0 F1", "0 exception 1\n" },
  { "write-two-registers", "01 10 10 70 00 02 04 00 00 00 01 F8 8B", "0 request 1 1070\n" },
  { "write-ack", "01 10 10 70 00 02 44 D3", "0 ack 1 1070\n" },
  { "flipped-bit", "01 10 16 20 00 01 02 00 00 D6 F0", "" },
  { "crc-high-byte-first", "01 10 16 20 00 01 4B 04", "" },
  { "address-248", "F8 10 16 20 00 01 02 00 00 B8 A5", "" },
  { "address-247", "F7 10 16 20 00 01 02 00 00 F9 55", "0 request 247 1620\n" },
  { "nothing", "", "" },
  { "zero-bytes", "00 00 00 00 00 00 00 00 00 00 00 00", "" },
  { "zero-byte-before-master-ack", "00 00 10 16 20 00 01 05 9A", "1 ack 0 1620\n" },
  { "zero-bytes-between", "01 10 16 20 00 01 04 4B 00 00 00 01 10 16 1E 00 01 65 87",
    "0 ack 1 1620\n11 ack 1 161e\n" },
  { "junk-before", "A0 FF 55 01 10 16 20 00 01 04 4B", "3 ack 1 1620\n" },
  { "junk-before-that-looks-like-a-record", "01 10 01 10 16 20 00 01 04 4B", "2 ack 1 1620\n" },
  { "cut-request-before-request", "01 10 16 20 00 01 02 01 10 16 1E 00 01 02 00 00 D2 2F",
    "7 request 1 161e\n" },
  { "request-twice-is-an-echo", "01 10 16 20 00 01 02 00 00 D6 F1 01 10 16 20 00 01 02 00 00 D6 F1",
    "0 request 1 1620\n11 request 1 1620\n" },
  { "beginning-of-a-header", "55 AA EB", "" },
  { "header-only", "55 AA EB 90", "" },
  { "request-of-address-85", "55 10 16 20 00 01 02 00 00 18 32", "0 request 85 1620\n" },
  { "cut-header-before-ack", "55 AA EB 01 10 16 20 00 01 04 4B", "3 ack 1 1620\n" },
  { "cut-frame-before-ack", "55 AA EB 90 02 05 CC 01 10 16 20 00 01 04 4B", "7 ack 1 1620\n" },
};

static gsize
one_byte (void)
{
  return 1;
}

static gsize
some_bytes (void)
{
  return (gsize) g_test_rand_int_range (1, 400);
}

static void
check_all_ways (const GByteArray *bytes, const char *expected)
{
  g_autofree char *whole = wire_events (bytes->data, bytes->len);
  g_autofree char *single = wire_events_in_pieces (bytes->data, bytes->len, one_byte);

  g_assert_cmpstr (whole, ==, expected);
  g_assert_cmpstr (single, ==, expected);
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *pieces = wire_events_in_pieces (bytes->data, bytes->len, some_bytes);

      g_assert_cmpstr (pieces, ==, expected);
    }
}

static void
test_rows (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr(GByteArray) bytes = wire_bytes (rows[i].hex);

      g_test_message ("%s", rows[i].name);
      check_all_ways (bytes, rows[i].events);
    }
}

static void
test_checks (void)
{
  g_autoptr(GByteArray) digits = wire_bytes ("31 32 33 34 35 36 37 38 39");

  g_assert_cmphex (jkb_crc16 (digits->data, digits->len), ==, 0x4b37);
  g_assert_cmphex (jkb_crc16 (digits->data, 0), ==, 0xffff);
  for (guint n = 0; n < 300; n++)
    {
      g_autoptr(GByteArray) bytes = g_byte_array_new ();
      guint8 sum = 0;

      for (guint i = 0; i < n; i++)
        {
          guint8 byte = (guint8) g_test_rand_int ();

          g_byte_array_append (bytes, &byte, 1);
          sum += byte;
        }
      g_assert_cmpuint (jkb_sum8 (bytes->data, n), ==, sum);
      wire_append_modbus (bytes, "");
      jkb_crc16_store (bytes->data, bytes->len);
      g_assert_true (jkb_crc16_is_good (bytes->data, bytes->len));
      bytes->data[g_test_rand_int_range (0, (gint32) bytes->len)] ^= 0x40;
      g_assert_false (jkb_crc16_is_good (bytes->data, bytes->len));
    }
}

/* The CRC of this ACK reads like the byte count of a request: only what follows tells them
 * apart. */
static void
test_ack_that_begins_a_request (void)
{
  g_autoptr(GByteArray) ack = wire_bytes ("0C 10 10 44 00 02 04 00");
  g_autoptr(GByteArray) request = g_byte_array_new ();
  g_autoptr(GByteArray) both = g_byte_array_new ();

  g_assert_true (jkb_crc16_is_good (ack->data, ack->len));
  check_all_ways (ack, "0 ack 12 1044\n");
  wire_append_modbus (request, "0C 10 10 44 00 02 04 00 00 00 05");
  check_all_ways (request, "0 request 12 1044\n");
  g_byte_array_append (both, ack->data, ack->len);
  wire_append_hex (both, "01 10 16 20 00 01 04 4B");
  check_all_ways (both, "0 ack 12 1044\n8 ack 1 1620\n");
}

/* An answer with one register is shorter than a request and must not wait for more. */
static void
test_short_answer_at_once (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
  g_autoptr(GByteArray) answer = g_byte_array_new ();
  JkbEvent event;
  gsize room;

  wire_append_modbus (answer, "01 03 02 12 34");
  g_assert_cmpuint (answer->len, ==, 7);
  memcpy (jkb_stream_reserve (stream, &room), answer->data, 7);
  jkb_stream_commit (stream, 7, 1000);
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_cmpint (event.kind, ==, JKB_EVENT_READ_RESPONSE);
}

static void
test_good_frame (void)
{
  guint8 frame[JKB_FRAME_SIZE];
  g_autoptr(GByteArray) bytes = g_byte_array_new ();

  wire_fill_live (frame);
  frame[5] = 0x68; /* nobody cares */
  wire_seal_frame (frame);
  wire_append_frame (bytes, frame);
  wire_append_ack (bytes, 1, 0x1620);
  check_all_ways (bytes, "0 live 1 ack\n300 ack 1 1620\n");
}

/* A sum that comes out as 0 is as good as any. */
static void
test_sum_of_zero (void)
{
  guint8 frame[JKB_FRAME_SIZE];
  g_autoptr(GByteArray) bytes = g_byte_array_new ();

  wire_fill_settings (frame, 1);
  frame[290] -= frame[299];
  wire_seal_frame (frame);
  g_assert_cmpuint (frame[299], ==, 0);
  wire_append_frame (bytes, frame);
  check_all_ways (bytes, "0 settings 1 settings\n");
}

/* What is inside a good frame is nobody's record. */
static void
test_record_inside_good_frame (void)
{
  guint8 frame[JKB_FRAME_SIZE], inner[JKB_FRAME_SIZE];
  g_autoptr(GByteArray) ack = wire_bytes ("01 10 16 20 00 01 04 4B");
  g_autoptr(GByteArray) bytes = g_byte_array_new ();

  wire_fill_settings (frame, 2);
  memcpy (frame + 150, ack->data, ack->len);
  wire_fill_live (inner);
  memcpy (frame + 200, inner, 60);
  wire_seal_frame (frame);
  wire_append_frame (bytes, frame);
  wire_append_ack (bytes, 2, 0x161e);
  check_all_ways (bytes, "0 settings 2 ack\n300 ack 2 161e\n");
}

/* A cut frame whose 300 bytes, with those of the next frame, have a good sum by chance. */
static void
test_good_sum_by_chance (void)
{
  guint8 frame[JKB_FRAME_SIZE];

  for (guint length = 6; length < JKB_FRAME_SIZE - 4; length++)
    {
      g_autoptr(GByteArray) bytes = g_byte_array_new ();
      g_autofree char *expected = NULL, *whole = NULL, *single = NULL;
      guint8 wrong;

      wire_fill_live (frame);
      g_byte_array_append (bytes, frame, length);
      wire_append_frame (bytes, frame);
      wrong = bytes->data[299] - jkb_sum8 (bytes->data, 299);
      bytes->data[5] += wrong; /* byte 5 may be anything */
      g_assert_cmpuint (jkb_sum8 (bytes->data, 299), ==, bytes->data[299]);
      wire_append_ack (bytes, 7, 0x1620);
      expected = g_strdup_printf ("0 bad 02\n%u live 7 ack\n%u ack 7 1620\n", length, length + 300);
      whole = wire_events (bytes->data, bytes->len);
      single = wire_events_in_pieces (bytes->data, bytes->len, one_byte);
      g_assert_cmpstr (whole, ==, expected);
      g_assert_cmpstr (single, ==, expected);
    }
}

/* A frame with a wrong bit, then everything that can stand behind it. */
static void
test_bad_frame (void)
{
  guint8 frame[JKB_FRAME_SIZE];
  g_autoptr(GByteArray) bytes = g_byte_array_new ();

  wire_fill_live (frame);
  frame[100] ^= 0x10;
  wire_append_frame (bytes, frame);
  wire_append_ack (bytes, 1, 0x1620);
  wire_append_request (bytes, 2, 0x1620);
  wire_fill_live (frame);
  wire_append_frame (bytes, frame);
  wire_append_ack (bytes, 2, 0x1620);
  check_all_ways (bytes, "0 bad 02\n300 ack 1 1620\n308 request 2 1620\n319 live 2 ack\n"
                         "619 ack 2 1620\n");
}

/* Cut anywhere: whatever follows is found, all of it. */
static void
test_cut_frame (void)
{
  for (guint length = 1; length < JKB_FRAME_SIZE; length++)
    {
      g_autoptr(GByteArray) bytes = g_byte_array_new ();
      g_autoptr(GString) expected = g_string_new (NULL);
      g_autofree char *whole = NULL, *single = NULL;
      guint8 frame[JKB_FRAME_SIZE];

      wire_fill_live (frame);
      g_byte_array_append (bytes, frame, length);
      wire_append_ack (bytes, 1, 0x1620);
      wire_append_request (bytes, 2, 0x161e);
      wire_fill_settings (frame, 2);
      wire_append_frame (bytes, frame);
      wire_append_ack (bytes, 2, 0x161e);
      if (length >= 4)
        g_string_append (expected, length == 4 ? "0 bad 01\n" : "0 bad 02\n");
      g_string_append_printf (expected,
                              "%u ack 1 1620\n%u request 2 161e\n"
                              "%u settings 2 ack\n%u ack 2 161e\n",
                              length, length + 8, length + 19, length + 319);
      whole = wire_events (bytes->data, bytes->len);
      single = wire_events_in_pieces (bytes->data, bytes->len, one_byte);
      g_assert_cmpstr (whole, ==, expected->str);
      g_assert_cmpstr (single, ==, expected->str);
    }
}

/* The header of the next frame stands inside the bad one. */
static void
test_two_cut_frames (void)
{
  guint8 frame[JKB_FRAME_SIZE];
  g_autoptr(GByteArray) bytes = g_byte_array_new ();

  wire_fill_live (frame);
  g_byte_array_append (bytes, frame, 120);
  wire_fill_settings (frame, 0);
  g_byte_array_append (bytes, frame, 77);
  wire_fill_live (frame);
  wire_append_frame (bytes, frame);
  wire_append_ack (bytes, 0, 0x1620);
  check_all_ways (bytes, "0 bad 02\n120 bad 01\n197 live 0 ack\n497 ack 0 1620\n");
}

/* A Modbus record never reaches over a frame, even with the right CRC. */
static void
test_record_over_header (void)
{
  guint8 frame[JKB_FRAME_SIZE];
  g_autoptr(GByteArray) bytes = g_byte_array_new ();

  wire_append_hex (bytes, "01 03 20 00");
  wire_fill_live (frame);
  wire_append_frame (bytes, frame);
  /* The answer would end inside the frame: give it a CRC there, and the frame its sum. */
  jkb_crc16_store (bytes->data, 37);
  wire_seal_frame (bytes->data + 4);
  g_assert_true (jkb_crc16_is_good (bytes->data, 37));
  wire_append_ack (bytes, 1, 0x1620);
  check_all_ways (bytes, "4 live 1 ack\n304 ack 1 1620\n");
}

static void
feed (JkbStream *stream, const guint8 *bytes, gsize n_bytes, gint64 monotonic_us)
{
  gsize room;
  guint8 *place = jkb_stream_reserve (stream, &room);

  g_assert_cmpuint (room, >=, n_bytes);
  memcpy (place, bytes, n_bytes);
  jkb_stream_commit (stream, n_bytes, monotonic_us);
}

/* A cut frame is given up after silence, and only then. */
static void
test_cut_frame_and_silence (void)
{
  static const struct
  {
    JkbTiming timing;
    gint64 limit_us;
  } clocks[] = { { JKB_TIMING_SERIAL, 50000 }, { JKB_TIMING_TCP, 2000000 } };
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  guint8 frame[JKB_FRAME_SIZE];

  wire_fill_live (frame);
  g_byte_array_append (bytes, frame, 200);
  wire_append_ack (bytes, 1, 0x1620);
  for (guint i = 0; i < G_N_ELEMENTS (clocks); i++)
    {
      g_autoptr(JkbStream) stream = jkb_stream_new (clocks[i].timing);
      JkbEvent event;

      feed (stream, bytes->data, bytes->len, 1000000);
      g_assert_false (jkb_stream_next (stream, 1000000, &event));
      g_assert_cmpint (jkb_stream_deadline (stream), ==, 1000000 + clocks[i].limit_us);
      g_assert_cmpuint (jkb_stream_missing (stream), ==, 92 + 8);
      g_assert_false (jkb_stream_next (stream, 1000000 + clocks[i].limit_us - 1, &event));
      g_assert_cmpuint (jkb_stream_counters (stream)->truncated, ==, 0);
      g_assert_true (jkb_stream_next (stream, 1000000 + clocks[i].limit_us, &event));
      g_assert_cmpint (event.kind, ==, JKB_EVENT_ACK);
      g_assert_cmpuint (event.offset, ==, 200);
      g_assert_false (jkb_stream_next (stream, 1000000 + clocks[i].limit_us, &event));
      g_assert_cmpuint (jkb_stream_counters (stream)->truncated, ==, 1);
      g_assert_cmpint (jkb_stream_deadline (stream), ==, G_MAXINT64);
    }
}

/* Without a clock nothing is given up before the end. */
static void
test_no_silence_without_clock (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  guint8 frame[JKB_FRAME_SIZE];
  JkbEvent event;

  wire_fill_settings (frame, 4);
  feed (stream, frame, 200, 0);
  g_assert_false (jkb_stream_next (stream, G_MAXINT64 / 2, &event));
  g_assert_cmpint (jkb_stream_deadline (stream), ==, G_MAXINT64);
  feed (stream, frame + 200, 100, 0);
  g_assert_false (jkb_stream_next (stream, G_MAXINT64 / 2, &event));
  jkb_stream_finish (stream);
  g_assert_true (jkb_stream_next (stream, 0, &event));
  g_assert_cmpint (event.kind, ==, JKB_EVENT_FRAME);
  g_assert_false (jkb_stream_next (stream, 0, &event));
}

static void
test_missing (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
  g_autoptr(GByteArray) ack = wire_bytes ("01 10 16 20 00 01 04 4B");
  guint8 frame[JKB_FRAME_SIZE];
  JkbEvent event;

  wire_fill_live (frame);
  g_assert_cmpuint (jkb_stream_missing (stream), ==, 1);
  for (guint i = 0; i < JKB_FRAME_SIZE; i++)
    {
      feed (stream, frame + i, 1, 1000);
      g_assert_false (jkb_stream_next (stream, 1000, &event));
      g_assert_cmpuint (jkb_stream_missing (stream), ==, i < 3 ? 1 : 307 - i);
    }
  for (guint i = 0; i < 7; i++)
    {
      feed (stream, ack->data + i, 1, 1000);
      g_assert_false (jkb_stream_next (stream, 1000, &event));
      g_assert_cmpuint (jkb_stream_missing (stream), ==, i == 0 ? 1 : 7 - i);
    }
  feed (stream, ack->data + 7, 1, 1000);
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_false (jkb_stream_next (stream, 1000, &event));
  g_assert_cmpuint (jkb_stream_missing (stream), ==, 1);
}

static void
test_counters (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GByteArray) bytes = wire_bytes ("FF FE 01 02"); /* 4 skipped, 1 resync */
  const JkbStreamCounters *counters = jkb_stream_counters (stream);
  guint8 frame[JKB_FRAME_SIZE];
  JkbEvent event;

  wire_append_request (bytes, 1, 0x1620);
  wire_fill_live (frame);
  wire_append_frame (bytes, frame);
  wire_append_ack (bytes, 1, 0x1620);
  wire_append_hex (bytes, "00 00"); /* padding is no junk */
  wire_append_modbus (bytes, "01 03 12 A0 00 02");
  wire_append_frame (bytes, frame); /* nobody's, no ACK */
  frame[50] ^= 1;
  wire_append_frame (bytes, frame); /* wrong sum: 300 skipped, 1 resync */
  wire_append_ack (bytes, 2, 0x1620);
  wire_fill_settings (frame, 3);
  wire_append_frame (bytes, frame); /* conflict */
  wire_append_ack (bytes, 4, 0x161e);
  g_byte_array_append (bytes, frame, 20); /* cut at the end: 20 skipped, 1 resync */
  feed (stream, bytes->data, bytes->len, 0);
  jkb_stream_finish (stream);
  while (jkb_stream_next (stream, 0, &event))
    ;
  g_assert_cmpuint (counters->bytes, ==, bytes->len);
  g_assert_cmpuint (counters->frames, ==, 3);
  g_assert_cmpuint (counters->requests, ==, 2);
  g_assert_cmpuint (counters->checksum_errors, ==, 1);
  g_assert_cmpuint (counters->ack_errors, ==, 1);
  g_assert_cmpuint (counters->unattributed, ==, 2);
  g_assert_cmpuint (counters->truncated, ==, 1);
  g_assert_cmpuint (counters->resyncs, ==, 3);
  g_assert_cmpuint (counters->skipped, ==, 324);
}

/* After a reconnect nothing old is left, the offsets and counters go on. */
static void
test_reset (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_TCP);
  g_autoptr(GByteArray) ack = wire_bytes ("01 10 16 20 00 01 04 4B");
  guint8 frame[JKB_FRAME_SIZE];
  JkbEvent event;

  wire_fill_live (frame);
  feed (stream, frame, JKB_FRAME_SIZE, 0);
  g_assert_false (jkb_stream_next (stream, 0, &event));
  feed (stream, frame, 100, 0);
  jkb_stream_reset (stream);
  feed (stream, ack->data, ack->len, 10);
  g_assert_true (jkb_stream_next (stream, 10, &event));
  g_assert_cmpint (event.kind, ==, JKB_EVENT_ACK);
  g_assert_cmpuint (event.offset, ==, 400);
  g_assert_false (jkb_stream_next (stream, 10, &event));
  g_assert_cmpuint (jkb_stream_counters (stream)->bytes, ==, 408);
}

/* However much is read at once and however little is taken, there is room and nothing is lost. */
static void
test_big_reads (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  guint8 frame[JKB_FRAME_SIZE];
  guint n_frames = 0;
  gsize at = 0;
  JkbEvent event;

  wire_fill_live (frame);
  for (guint i = 0; i < 2000; i++)
    {
      wire_append_frame (bytes, frame);
      wire_append_ack (bytes, i % 16, 0x1620);
    }
  while (at < bytes->len)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize n = MIN (room, bytes->len - at);

      g_assert_cmpuint (room, >=, 1);
      memcpy (place, bytes->data + at, n);
      jkb_stream_commit (stream, n, 0);
      at += n;
      while (jkb_stream_next (stream, 0, &event))
        if (event.kind == JKB_EVENT_FRAME)
          {
            g_assert_cmpint (event.address, ==, n_frames % 16);
            g_assert_cmpmem (event.bytes, event.n_bytes, frame, JKB_FRAME_SIZE);
            n_frames++;
          }
    }
  g_assert_cmpuint (n_frames, ==, 2000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/framer/rows", test_rows);
  g_test_add_func ("/framer/checks", test_checks);
  g_test_add_func ("/framer/ack-that-begins-a-request", test_ack_that_begins_a_request);
  g_test_add_func ("/framer/short-answer-at-once", test_short_answer_at_once);
  g_test_add_func ("/framer/good-frame", test_good_frame);
  g_test_add_func ("/framer/sum-of-zero", test_sum_of_zero);
  g_test_add_func ("/framer/record-inside-good-frame", test_record_inside_good_frame);
  g_test_add_func ("/framer/good-sum-by-chance", test_good_sum_by_chance);
  g_test_add_func ("/framer/bad-frame", test_bad_frame);
  g_test_add_func ("/framer/cut-frame", test_cut_frame);
  g_test_add_func ("/framer/two-cut-frames", test_two_cut_frames);
  g_test_add_func ("/framer/record-over-header", test_record_over_header);
  g_test_add_func ("/framer/cut-frame-and-silence", test_cut_frame_and_silence);
  g_test_add_func ("/framer/no-silence-without-clock", test_no_silence_without_clock);
  g_test_add_func ("/framer/missing", test_missing);
  g_test_add_func ("/framer/counters", test_counters);
  g_test_add_func ("/framer/reset", test_reset);
  g_test_add_func ("/framer/big-reads", test_big_reads);
  return g_test_run ();
}
