/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Secrets never leave the stream, and nothing of them stays in it (protocol §5.8).
 */
#include <malloc.h>
#include <string.h>

#include "wire-fixture.h"
#include "wire/jkb-crc.h"
#include "wire/jkb-secret.h"

#define SECRET "SECRET"

/* Info frame with secrets in all three places and public texts around them. */
static void
fill_info (guint8 frame[JKB_FRAME_SIZE])
{
  wire_fill_frame (frame, JKB_FRAME_INFO);
  memcpy (frame + 6, "JK_PB2A16S20P", 13);
  memcpy (frame + 42, "\x16\0\0\0", 4);
  memcpy (frame + 46, SECRET "-NAME-123", 16);
  memcpy (frame + 62, SECRET "-PIN-4567", 16);
  memcpy (frame + 78, "240914", 6);
  memcpy (frame + 102, "user data", 9);
  memcpy (frame + 118, SECRET "-PASSWORD", 16);
  memcpy (frame + 134, "more data", 9);
  wire_seal_frame (frame);
}

static gboolean
holds_secret (gconstpointer bytes, gsize n_bytes)
{
  return memmem (bytes, n_bytes, SECRET, strlen (SECRET)) != NULL;
}

static void
feed (JkbStream *stream, const guint8 *bytes, gsize n_bytes)
{
  gsize room;
  guint8 *place = jkb_stream_reserve (stream, &room);

  g_assert_cmpuint (room, >=, n_bytes);
  memcpy (place, bytes, n_bytes);
  jkb_stream_commit (stream, n_bytes, 1000);
}

static void
test_good_frame (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
  g_autoptr(GByteArray) ack = g_byte_array_new ();
  guint8 frame[JKB_FRAME_SIZE];
  JkbEvent event;

  fill_info (frame);
  wire_append_ack (ack, 1, 0x161c);
  feed (stream, frame, JKB_FRAME_SIZE);
  feed (stream, ack->data, ack->len);
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_cmpint (event.kind, ==, JKB_EVENT_FRAME);
  g_assert_cmpint (event.address, ==, 1);
  g_assert_false (holds_secret (event.bytes, event.n_bytes));
  g_assert_cmpuint (jkb_sum8 (event.bytes, 299), ==, event.bytes[299]);
  g_assert_cmpmem (event.bytes, 46, frame, 46);
  g_assert_cmpmem (event.bytes + 78, 40, frame + 78, 40);
  g_assert_cmpmem (event.bytes + 134, 165, frame + 134, 165);
  g_assert_false (holds_secret (stream, malloc_usable_size (stream)));
}

/* Whatever byte is wrong, the type included. */
static void
test_bad_frame (void)
{
  for (guint wrong = 4; wrong < JKB_FRAME_SIZE; wrong++)
    {
      g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
      guint8 frame[JKB_FRAME_SIZE];
      JkbEvent event;

      fill_info (frame);
      frame[wrong] ^= 0x20;
      feed (stream, frame, JKB_FRAME_SIZE);
      g_assert_true (jkb_stream_next (stream, 1000, &event));
      g_assert_cmpint (event.kind, ==, JKB_EVENT_BAD_FRAME);
      g_assert_cmpuint (event.n_bytes, ==, JKB_FRAME_SIZE);
      g_assert_false (holds_secret (event.bytes, event.n_bytes));
      g_assert_cmpmem (event.bytes, JKB_FRAME_PAYLOAD, frame, JKB_FRAME_PAYLOAD);
      for (guint i = JKB_FRAME_PAYLOAD; i < JKB_FRAME_SIZE; i++)
        g_assert_cmpuint (event.bytes[i], ==, 0);
      g_assert_false (jkb_stream_next (stream, 1000, &event));
      g_assert_false (jkb_stream_next (stream, 1000000, &event));
      g_assert_false (holds_secret (stream, malloc_usable_size (stream)));
    }
}

/* Blanking a bad info frame must not cost the good frame that begins inside it. */
static void
test_record_inside_bad_frame (void)
{
  guint8 info[JKB_FRAME_SIZE], live[JKB_FRAME_SIZE];

  fill_info (info);
  wire_fill_live (live);
  for (guint length = 5; length < JKB_FRAME_SIZE; length++)
    {
      g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
      gboolean found = FALSE;
      JkbEvent event;

      feed (stream, info, length);
      feed (stream, live, JKB_FRAME_SIZE);
      jkb_stream_finish (stream);
      while (jkb_stream_next (stream, 0, &event))
        {
          g_assert_false (holds_secret (event.bytes, event.n_bytes));
          if (event.kind != JKB_EVENT_FRAME)
            continue;
          g_assert_cmpuint (event.offset, ==, length);
          g_assert_cmpmem (event.bytes, JKB_FRAME_SIZE, live, JKB_FRAME_SIZE);
          found = TRUE;
        }
      g_assert_true (found);
      g_assert_false (holds_secret (stream, malloc_usable_size (stream)));
    }
}

/* Good, bad and cut frames in pieces of any size: nothing stays in memory that was moved about. */
static void
test_nothing_stays (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  gsize at = 0;
  JkbEvent event;

  for (guint i = 0; i < 3000; i++)
    {
      guint8 frame[JKB_FRAME_SIZE];

      fill_info (frame);
      if (g_test_rand_int_range (0, 3) == 0)
        frame[g_test_rand_int_range (5, JKB_FRAME_SIZE)] ^= 1 << g_test_rand_int_range (0, 8);
      g_byte_array_append (bytes, frame,
                           g_test_rand_int_range (0, 3) == 0
                               ? (guint) g_test_rand_int_range (1, JKB_FRAME_SIZE)
                               : JKB_FRAME_SIZE);
    }
  while (at < bytes->len)
    {
      gsize n = MIN ((gsize) g_test_rand_int_range (1, 700), bytes->len - at);

      feed (stream, bytes->data + at, n);
      at += n;
      while (jkb_stream_next (stream, 0, &event))
        g_assert_false (holds_secret (event.bytes, event.n_bytes));
    }
  jkb_stream_finish (stream);
  while (jkb_stream_next (stream, 0, &event))
    g_assert_false (holds_secret (event.bytes, event.n_bytes));
  g_assert_false (holds_secret (stream, malloc_usable_size (stream)));
}

/* A recording in any pieces: good frames stay good, bad ones bad, cut ones are blanked too. */
static void
test_recording (void)
{
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  guint8 frame[JKB_FRAME_SIZE];
  JkbSecretFilter filter = { 0 };

  for (guint length = 5; length < 130; length++)
    {
      fill_info (frame);
      g_byte_array_append (bytes, frame, length);
      wire_append_frame (bytes, frame);
      frame[40] ^= 1;
      wire_append_frame (bytes, frame);
      wire_fill_live (frame);
      wire_append_frame (bytes, frame);
    }
  for (gsize at = 0; at < bytes->len;)
    {
      gsize n = MIN ((gsize) g_test_rand_int_range (1, 100), bytes->len - at);

      jkb_secret_filter (&filter, bytes->data + at, n);
      at += n;
    }
  g_assert_false (holds_secret (bytes->data, bytes->len));

  wire_fill_live (frame);
  for (gsize at = 0, length = 5; length < 130; length++)
    {
      g_assert_cmpuint (bytes->data[at + 4], ==, JKB_FRAME_INFO);
      at += length + JKB_FRAME_SIZE;
      g_assert_cmpuint (jkb_sum8 (bytes->data + at, 299), !=, bytes->data[at + 299]);
      at += JKB_FRAME_SIZE;
      g_assert_cmpmem (bytes->data + at, JKB_FRAME_SIZE, frame, JKB_FRAME_SIZE);
      at += JKB_FRAME_SIZE;
    }

  memset (&filter, 0, sizeof filter);
  fill_info (frame);
  jkb_secret_filter (&filter, frame, JKB_FRAME_SIZE);
  g_assert_false (holds_secret (frame, sizeof frame));
  g_assert_cmpuint (jkb_sum8 (frame, 299), ==, frame[299]);
  g_assert_cmpuint (filter.n_open, ==, 0);
}

/* Beginnings of info frames and nothing else. */
static void
test_recording_flood (void)
{
  JkbSecretFilter filter = { 0 };

  for (guint i = 0; i < 10000; i++)
    {
      guint8 bytes[] = { 0x55, 0xaa, 0xeb, 0x90, 0x03 };

      jkb_secret_filter (&filter, bytes, sizeof bytes);
      g_assert_cmpuint (filter.n_open, <=, JKB_FRAME_SIZE / sizeof bytes);
    }
}

static void
test_cut_frames (void)
{
  for (gsize length = 1; length <= JKB_FRAME_SIZE; length++)
    {
      guint8 frame[JKB_FRAME_SIZE], blanked[JKB_FRAME_SIZE];

      fill_info (frame);
      memcpy (blanked, frame, sizeof frame);
      jkb_secret_blank_frame (blanked, length);
      for (gsize i = 0; i < JKB_FRAME_SIZE - 1; i++)
        {
          gboolean secret = (i >= 46 && i < 78) || (i >= 118 && i < 134);

          g_assert_cmpuint (blanked[i], ==, secret && i < length ? 0 : frame[i]);
        }
    }
}

/* One exchange: what the request asks for, and which bytes of the answer are to be seen. */
static const struct
{
  const char *name;
  const char *request; /* NULL: none */
  gboolean own;
  const char *between, *answer, *seen;
} reads[] = {
  { "alarms", "01 03 12A0 0002", FALSE, "", "01 03 04 11223344", "11223344" },
  { "alarms-unknown-request", NULL, FALSE, "", "01 03 04 11223344", "00000000" },
  { "alarms-own-request", "01 03 12A0 0002", TRUE, "", "01 03 04 11223344", "11223344" },
  { "alarms-own-request-stray-bytes", "01 03 12A0 0002", TRUE, "FF FE FD", "01 03 04 11223344",
    "11223344" },
  { "alarms-stray-bytes", "01 03 12A0 0002", FALSE, "FF FE FD", "01 03 04 11223344", "00000000" },
  { "alarms-zero-bytes", "01 03 12A0 0002", FALSE, "00 00", "01 03 04 11223344", "11223344" },
  { "alarms-other-address", "02 03 12A0 0002", FALSE, "", "01 03 04 11223344", "00000000" },
  { "alarms-other-length", "01 03 12A0 0001", FALSE, "", "01 03 04 11223344", "00000000" },
  { "pin", "01 03 1438 0002", FALSE, "", "01 03 04 11223344", "00000000" },
  { "pin-end", "01 03 1446 0002", FALSE, "", "01 03 04 11223344", "00003344" },
  { "pin-odd-address", "01 03 1447 0002", FALSE, "", "01 03 04 11223344", "00223344" },
  { "bluetooth-name-begin", "01 03 1426 0002", FALSE, "", "01 03 04 11223344", "11220000" },
  { "password-begin", "01 03 146E 0002", FALSE, "", "01 03 04 11223344", "11220000" },
  { "password-end", "01 03 147E 0002", FALSE, "", "01 03 04 11223344", "00003344" },
  { "serial-number", "01 03 1450 0002", FALSE, "", "01 03 04 11223344", "11223344" },
};

static void
test_reads (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (reads); i++)
    {
      g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
      g_autoptr(GByteArray) request = g_byte_array_new ();
      g_autoptr(GByteArray) rest = wire_bytes (reads[i].between);
      g_autoptr(GByteArray) seen = wire_bytes (reads[i].seen);
      JkbEvent event;

      g_test_message ("%s", reads[i].name);
      if (reads[i].request != NULL)
        wire_append_modbus (request, reads[i].request);
      if (reads[i].own)
        jkb_stream_sent (stream, request->data, request->len, 1000);
      else if (request->len > 0)
        {
          feed (stream, request->data, request->len);
          g_assert_true (jkb_stream_next (stream, 1000, &event));
        }
      wire_append_modbus (rest, reads[i].answer);
      feed (stream, rest->data, rest->len);
      g_assert_true (jkb_stream_next (stream, 1000, &event));
      g_assert_cmpint (event.kind, ==, JKB_EVENT_READ_RESPONSE);
      g_assert_cmpmem (event.bytes + 3, event.bytes[2], seen->data, seen->len);
      g_assert_true (jkb_crc16_is_good (event.bytes, event.n_bytes));
    }
}

/* A second answer is nobody's. */
static void
test_answer_twice (void)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  JkbEvent event;

  wire_append_modbus (bytes, "01 03 12A0 0002");
  wire_append_modbus (bytes, "01 03 04 11223344");
  wire_append_modbus (bytes, "01 03 04 11223344");
  feed (stream, bytes->data, bytes->len);
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_cmpuint (event.bytes[3], ==, 0x11);
  g_assert_true (jkb_stream_next (stream, 1000, &event));
  g_assert_cmpuint (event.bytes[3], ==, 0);
}

/* Somebody sets a new PIN or password. */
static void
test_writes (void)
{
  static const struct
  {
    const char *request, *seen;
  } rows[] = {
    { "01 10 1438 0002 04 31323334", "00000000" },
    { "01 10 1470 0001 02 3132", "0000" },
    { "01 10 1070 0002 04 00000001", "00000001" },
    { "01 10 1460 0002 04 31323334", "31323334" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_SERIAL);
      g_autoptr(GByteArray) request = g_byte_array_new ();
      g_autoptr(GByteArray) seen = wire_bytes (rows[i].seen);
      JkbEvent event;

      wire_append_modbus (request, rows[i].request);
      feed (stream, request->data, request->len);
      g_assert_true (jkb_stream_next (stream, 1000, &event));
      g_assert_cmpint (event.kind, ==, JKB_EVENT_REQUEST);
      g_assert_cmpmem (event.bytes + 7, event.bytes[6], seen->data, seen->len);
      g_assert_true (jkb_crc16_is_good (event.bytes, event.n_bytes));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/secret/good-frame", test_good_frame);
  g_test_add_func ("/secret/bad-frame", test_bad_frame);
  g_test_add_func ("/secret/record-inside-bad-frame", test_record_inside_bad_frame);
  g_test_add_func ("/secret/nothing-stays", test_nothing_stays);
  g_test_add_func ("/secret/recording", test_recording);
  g_test_add_func ("/secret/recording-flood", test_recording_flood);
  g_test_add_func ("/secret/cut-frames", test_cut_frames);
  g_test_add_func ("/secret/reads", test_reads);
  g_test_add_func ("/secret/answer-twice", test_answer_twice);
  g_test_add_func ("/secret/writes", test_writes);
  return g_test_run ();
}
