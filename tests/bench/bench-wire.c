/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the wire costs: nanoseconds per frame from bytes to judged values and to text, and per byte
 * of noise. Prints the best of several rounds; judges nothing.
 */
#include <stdio.h>
#include <string.h>

#include "wire/jkb-crc.h"
#include "wire/jkb-decode.h"
#include "wire/jkb-stream.h"
#include "wire/jkb-text.h"

#define N_ROUNDS 15
#define ROUND_BYTES (2 * 1024 * 1024)
#define READ_SIZE 4096

typedef void (*Work) (const guint8 *bytes, gsize n_bytes);

static guint64 n_seen; /* keeps the compiler from leaving work out */
static const char *only; /* run what has this in its name */

static void
put_le32 (guint8 *place, guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (place, &value, sizeof value);
}

/* A live frame of 16 cells as a pack would send it. */
static void
fill_live (guint8 *frame, guint ticks)
{
  memset (frame, 0, JKB_FRAME_SIZE);
  memcpy (frame, "\x55\xaa\xeb\x90\x02\x05", 6);
  for (guint cell = 0; cell < 16; cell++)
    {
      guint16 mv = 3300 + (cell * 7 + ticks) % 11;

      frame[6 + 2 * cell] = mv & 0xff;
      frame[7 + 2 * cell] = mv >> 8;
      frame[80 + 2 * cell] = 60 + cell;
    }
  put_le32 (frame + 70, 0xffff);
  put_le32 (frame + 150, 16 * 3305);
  put_le32 (frame + 158, (guint32) -7980);
  frame[144] = frame[162] = frame[164] = frame[254] = 0xb4;
  frame[173] = 65;
  frame[190] = 100;
  put_le32 (frame + 174, 202859);
  put_le32 (frame + 178, 314000);
  put_le32 (frame + 166, 1u << 19);
  frame[198] = frame[199] = 1;
  frame[214] = 0xff;
  put_le32 (frame + 246, ticks);
  frame[299] = jkb_sum8 (frame, 299);
}

/* Request, frame and ACK of one slave, again and again. */
static gsize
fill_traffic (guint8 *bytes)
{
  static const guint8 request[11] = { 0x01, 0x10, 0x16, 0x20, 0x00, 0x01,
                                      0x02, 0x00, 0x00, 0xd6, 0xf1 };
  static const guint8 ack[8] = { 0x01, 0x10, 0x16, 0x20, 0x00, 0x01, 0x04, 0x4b };
  gsize n = 0;

  for (guint ticks = 0; n + 319 <= ROUND_BYTES; ticks++)
    {
      memcpy (bytes + n, request, sizeof request);
      fill_live (bytes + n + 11, ticks);
      memcpy (bytes + n + 311, ack, sizeof ack);
      n += 319;
    }
  return n;
}

static void
feed (const guint8 *bytes, gsize n_bytes, gboolean decode)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  JkbValues values;
  JkbEvent event;

  for (gsize at = 0; at < n_bytes;)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize n = MIN (MIN (room, READ_SIZE), n_bytes - at);

      memcpy (place, bytes + at, n);
      jkb_stream_commit (stream, n, 0);
      at += n;
      while (jkb_stream_next (stream, 0, &event))
        {
          if (event.kind != JKB_EVENT_FRAME || event.drop != JKB_DROP_NONE)
            continue;
          n_seen++;
          if (decode)
            jkb_decode (event.bytes, &values);
        }
    }
}

static void
split_only (const guint8 *bytes, gsize n_bytes)
{
  feed (bytes, n_bytes, FALSE);
}

static void
split_and_decode (const guint8 *bytes, gsize n_bytes)
{
  feed (bytes, n_bytes, TRUE);
}

static void
decode_only (const guint8 *bytes, gsize n_bytes)
{
  JkbValues values;

  for (gsize at = 11; at + 308 <= n_bytes; at += 319)
    n_seen += jkb_decode (bytes + at, &values);
}

static void
judge_too (const guint8 *bytes, gsize n_bytes)
{
  JkbValues values;

  for (gsize at = 11; at + 308 <= n_bytes; at += 319)
    {
      jkb_decode (bytes + at, &values);
      n_seen += jkb_plausible_frame (bytes + at, &values);
      n_seen += jkb_plausible_values (bytes + at, &values);
    }
}

static void
state_text (const guint8 *bytes, gsize n_bytes)
{
  g_autoptr(GString) out = g_string_sized_new (4096);
  JkbValues values;

  jkb_decode (bytes + 11, &values);
  for (gsize at = 0; at + 319 <= n_bytes; at += 319)
    {
      g_string_truncate (out, 0);
      g_string_append_c (out, '{');
      for (JkbFieldId id = 0; id < JKB_FIRST_SETTING; id++)
        if (jkb_fields[id].kind != JKB_KIND_LIST)
          jkb_text_append_member (out, &values, id);
      g_string_append_c (out, '}');
      n_seen += out->len;
    }
}

static double
best_ns (Work work, const guint8 *bytes, gsize n_bytes)
{
  gint64 best = G_MAXINT64;

  for (guint round = 0; round < N_ROUNDS; round++)
    {
      gint64 start = g_get_monotonic_time ();

      work (bytes, n_bytes);
      best = MIN (best, g_get_monotonic_time () - start);
    }
  return 1000.0 * (double) best;
}

static void
report (const char *what, const char *per, Work work, const guint8 *bytes, gsize n_bytes,
        gsize n_units)
{
  if (only != NULL && strstr (what, only) == NULL)
    return;
  printf ("%-34s %9.2f ns per %s\n", what, best_ns (work, bytes, n_bytes) / (double) n_units, per);
}

int
main (int argc, char **argv)
{
  g_autofree guint8 *bytes = g_malloc (ROUND_BYTES);
  gsize n_traffic = fill_traffic (bytes);
  gsize n_frames = n_traffic / 319;

  only = argc > 1 ? argv[1] : NULL;
  report ("framing, attribution", "frame", split_only, bytes, n_traffic, n_frames);
  report ("framing, attribution, decoding", "frame", split_and_decode, bytes, n_traffic, n_frames);
  report ("decoding", "frame", decode_only, bytes, n_traffic, n_frames);
  report ("decoding, plausibility", "frame", judge_too, bytes, n_traffic, n_frames);
  report ("state text", "text", state_text, bytes, n_traffic, n_frames);

  for (gsize i = 0; i < ROUND_BYTES; i++)
    bytes[i] = (guint8) g_random_int ();
  report ("noise, random", "byte", split_only, bytes, ROUND_BYTES, ROUND_BYTES);
  memset (bytes, 0, ROUND_BYTES);
  report ("noise, zero bytes", "byte", split_only, bytes, ROUND_BYTES, ROUND_BYTES);
  for (gsize i = 0; i < ROUND_BYTES; i++)
    bytes[i] = "\x55\xaa\xeb\x90"[i % 4];
  report ("noise, headers only", "byte", split_only, bytes, ROUND_BYTES, ROUND_BYTES);
  for (gsize i = 0; i < ROUND_BYTES; i++)
    bytes[i] = "\x01\x03\xfa"[i % 3];
  report ("noise, read answers only", "byte", split_only, bytes, ROUND_BYTES, ROUND_BYTES);
  return 0;
}
