/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What each trouble sounds like. Frames are made here; nothing is recorded.
 */
#include "ctl/jkb-ctl-hearing.h"

#include <string.h>

#include "wire/jkb-crc.h"


static void
put (GByteArray *line, const void *bytes, gsize n_bytes)
{
  g_byte_array_append (line, bytes, n_bytes);
}

static void
put_request (GByteArray *line, guint8 address)
{
  guint8 request[JKB_REQUEST_SIZE] = { address, 0x10, 0x16, 0x20, 0, 1, 2 };

  jkb_crc16_store (request, sizeof request);
  put (line, request, sizeof request);
}

static void
put_frame (GByteArray *line, gboolean good)
{
  guint8 frame[JKB_FRAME_SIZE] = { 0x55, 0xaa, 0xeb, 0x90, JKB_FRAME_LIVE };

  memset (frame + 6, 0x21, 293);
  frame[299] = jkb_sum8 (frame, 299) + !good;
  put (line, frame, sizeof frame);
}

static void
put_ack (GByteArray *line, guint8 address)
{
  guint8 ack[JKB_ACK_SIZE] = { address, 0x10, 0x16, 0x20, 0, 1 };

  jkb_crc16_store (ack, sizeof ack);
  put (line, ack, sizeof ack);
}

static void
put_answer (GByteArray *line, guint8 address)
{
  put_request (line, address);
  put_frame (line, TRUE);
  put_ack (line, address);
}

/* As a UART takes it in with A and B swapped, from a line that rests high between records. */
static void
put_inverted (GByteArray *out, const GByteArray *sent)
{
  g_autoptr(GByteArray) level = g_byte_array_new (); /* one byte per bit */
  const guint8 one = 1;

  put (level, &one, 1);
  for (guint i = 0; i < sent->len; i++)
    for (guint bit = 0; bit < 10; bit++)
      {
        guint8 value = !((sent->data[i] << 1 | 0x200) >> bit & 1);

        put (level, &value, 1);
      }
  for (guint i = 0; i < 20; i++)
    put (level, &one, 1);
  for (guint at = 0; at + 10 <= level->len;)
    {
      guint8 byte = 0;

      if (level->data[at] != 0)
        {
          at++;
          continue;
        }
      for (guint bit = 0; bit < 8; bit++)
        byte |= level->data[at + 1 + bit] << bit;
      put (out, &byte, 1);
      at += 9;
      while (at < level->len && level->data[at] == 0)
        at++; /* a framing error: wait for rest */
    }
}

static JkbVerdict
judge (const GByteArray *line, JkbCtlHeard *heard)
{
  g_autoptr(JkbCtlHearing) hearing = jkb_ctl_hearing_new (JKB_TIMING_UNKNOWN);

  for (guint i = 0; i < line->len; i += 100)
    jkb_ctl_hearing_take (hearing, line->data + i, MIN (100, line->len - i), 1000 + i * 87);
  jkb_ctl_hearing_end (hearing);
  return jkb_ctl_hearing_judge (hearing, heard);
}

static void
assert_verdict (const GByteArray *line, JkbVerdict expected)
{
  JkbCtlHeard heard;

  g_assert_cmpstr (jkb_verdict_name (judge (line, &heard)), ==, jkb_verdict_name (expected));
}

static void
assert_text (const char *text, gsize n_bytes, JkbVerdict expected)
{
  g_autoptr(GByteArray) line = g_byte_array_new ();

  put (line, text, n_bytes);
  assert_verdict (line, expected);
}

static void
test_good (void)
{
  g_autoptr(GByteArray) line = g_byte_array_new ();
  JkbCtlHeard heard;

  for (guint i = 0; i < 3; i++)
    {
      put_frame (line, TRUE);
      put_ack (line, 0);
      put_answer (line, 1);
      put_request (line, 2);
      put_answer (line, 3);
    }
  g_assert_cmpint (judge (line, &heard), ==, JKB_VERDICT_OK);
  g_assert_cmpint (heard.frames, ==, 9);
  g_assert_cmpint (heard.good_by_address[3], ==, 3);
  g_assert_cmpint (heard.good_by_address[2], ==, 0);
  g_assert_true (heard.master);
}

static void
test_collision (void)
{
  g_autoptr(GByteArray) line = g_byte_array_new ();
  JkbCtlHeard heard;

  for (guint i = 0; i < 3; i++)
    {
      put_answer (line, 1);
      put_request (line, 2);
      put_frame (line, FALSE);
    }
  put_answer (line, 1);
  g_assert_cmpint (judge (line, &heard), ==, JKB_VERDICT_COLLISION);
  g_assert_cmpint (heard.collision, ==, 2);
}

static void
test_noise (void)
{
  g_autoptr(GByteArray) line = g_byte_array_new ();

  for (guint8 i = 0; i < 5; i++)
    {
      put_answer (line, i);
      put_request (line, i);
      put_frame (line, FALSE);
      put_ack (line, i);
      put_answer (line, i);
    }
  assert_verdict (line, JKB_VERDICT_NOISE);
}

/* A polled bus: only answers are heard. Those of address 2 are garbage from the first byte on. */
static void
test_answers (void)
{
  g_autoptr(JkbCtlHearing) hearing = jkb_ctl_hearing_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GByteArray) line = g_byte_array_new ();
  guint8 garbage[200];
  JkbCtlHeard heard;

  memset (garbage, 0x3c, sizeof garbage);
  for (guint i = 0; i < 6; i++)
    {
      put_frame (line, TRUE);
      put_ack (line, 1);
      put (line, garbage, i % 2 == 0 ? sizeof garbage : 0);
    }
  jkb_ctl_hearing_take (hearing, line->data, line->len, 1000);
  jkb_ctl_hearing_end (hearing);
  g_assert_cmpint (jkb_ctl_hearing_judge (hearing, &heard), ==, JKB_VERDICT_OK);
  g_assert_cmpint (jkb_ctl_hearing_judge_answers (hearing, &heard), ==, JKB_VERDICT_NOISE);
  g_assert_cmpint (heard.skipped, ==, 600);
}

static void
test_no_ack (void)
{
  g_autoptr(GByteArray) line = g_byte_array_new ();

  for (guint i = 0; i < 3; i++)
    {
      put_request (line, 1);
      put_frame (line, TRUE);
    }
  assert_verdict (line, JKB_VERDICT_NO_ACK);
}

static void
test_no_answer (void)
{
  g_autoptr(GByteArray) line = g_byte_array_new ();

  for (guint8 i = 0; i < 16; i++)
    put_request (line, i);
  assert_verdict (line, JKB_VERDICT_NO_ANSWER);
}

static void
test_inverted (void)
{
  g_autoptr(GByteArray) out = g_byte_array_new ();

  for (guint8 i = 1; i < 4; i++)
    {
      g_autoptr(GByteArray) request = g_byte_array_new ();
      g_autoptr(GByteArray) answer = g_byte_array_new ();

      put_request (request, i);
      put_frame (answer, TRUE);
      put_ack (answer, i);
      put_inverted (out, request);
      put_inverted (out, answer);
    }
  assert_verdict (out, JKB_VERDICT_INVERTED);
}

static void
test_others (void)
{
  static const char modbus_tcp[] = "\0\1\0\0\0\5\1\3\2\0\0\0\2\0\0\0\5\1\3\2\0\7";
  static const char meter[] = "\x02\x03\x00\x00\x00\x02\xc4\x38\x02\x03\x04\x41\x20\x00\x00\xdc\xa5"
                              "\x02\x03\x00\x00\x00\x02\xc4\x38";
  guint8 junk[64];

  for (guint i = 0; i < sizeof junk; i++)
    junk[i] = 0x80 | i * 37;
  assert_text ("", 0, JKB_VERDICT_SILENCE);
  assert_text ("AT\r\nAT+NAME?\r\n\0\1\2\3", 17, JKB_VERDICT_BLUETOOTH);
  assert_text ("~20014682C0048520FCC3\r~20014682", 31, JKB_VERDICT_OTHER_PROTOCOL);
  assert_text (modbus_tcp, sizeof modbus_tcp - 1, JKB_VERDICT_MODBUS_TCP);
  assert_text (meter, sizeof meter - 1, JKB_VERDICT_OTHER_MODBUS);
  assert_text ((const char *) junk, sizeof junk, JKB_VERDICT_WRONG_SPEED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl/hearing/good", test_good);
  g_test_add_func ("/ctl/hearing/collision", test_collision);
  g_test_add_func ("/ctl/hearing/noise", test_noise);
  g_test_add_func ("/ctl/hearing/answers", test_answers);
  g_test_add_func ("/ctl/hearing/no-ack", test_no_ack);
  g_test_add_func ("/ctl/hearing/no-answer", test_no_answer);
  g_test_add_func ("/ctl/hearing/inverted", test_inverted);
  g_test_add_func ("/ctl/hearing/others", test_others);
  return g_test_run ();
}
