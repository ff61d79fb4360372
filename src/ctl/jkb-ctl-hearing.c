/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a port sounds like: the stream's own records first, then the marks that other things leave
 * in bytes.
 */
#include "ctl/jkb-ctl-hearing.h"

#include <string.h>

/* Enough for the marks; the stream sees everything. */
#define KEEP 65536
/* Bytes of no record behind a request that were an answer. */
#define GARBLED 100

struct _JkbCtlHearing
{
  JkbStream *stream;
  GByteArray *kept;
  JkbCtlHeard heard;
  guint reads;
  int asked;       /* whom the last request was for, -1: answered or none */
  guint garbled;   /* answers that could not be read */
  guint64 skipped; /* bytes of no record, when that request came */
  gint64 now_us;
};

static const char *const names[JKB_N_VERDICTS] = {
  [JKB_VERDICT_OK] = "ok",
  [JKB_VERDICT_NOISE] = "noise",
  [JKB_VERDICT_COLLISION] = "collision",
  [JKB_VERDICT_NO_ACK] = "no-ack",
  [JKB_VERDICT_NO_ANSWER] = "no-answer",
  [JKB_VERDICT_INVERTED] = "inverted",
  [JKB_VERDICT_BLUETOOTH] = "bluetooth",
  [JKB_VERDICT_OTHER_MODBUS] = "other-modbus",
  [JKB_VERDICT_MODBUS_TCP] = "modbus-tcp",
  [JKB_VERDICT_OTHER_PROTOCOL] = "other-protocol",
  [JKB_VERDICT_WRONG_SPEED] = "wrong-speed",
  [JKB_VERDICT_SILENCE] = "silence",
  [JKB_VERDICT_CLOSED] = "closed",
  [JKB_VERDICT_HELD] = "held",
  [JKB_VERDICT_NO_PERMISSION] = "no-permission",
  [JKB_VERDICT_NOT_THERE] = "not-there",
  [JKB_VERDICT_FAILED] = "failed",
};

const char *
jkb_verdict_name (JkbVerdict verdict)
{
  return names[verdict];
}

JkbCtlHearing *
jkb_ctl_hearing_new (JkbTiming timing)
{
  JkbCtlHearing *hearing = g_new0 (JkbCtlHearing, 1);

  hearing->stream = jkb_stream_new (timing);
  hearing->kept = g_byte_array_new ();
  hearing->asked = -1;
  return hearing;
}

void
jkb_ctl_hearing_free (JkbCtlHearing *hearing)
{
  jkb_stream_free (hearing->stream);
  g_byte_array_unref (hearing->kept);
  g_free (hearing);
}

/* An answer that came but cannot be read: as a damaged frame, or as bytes of no record. */
static void
judge_answer (JkbCtlHearing *hearing, const JkbEvent *event)
{
  guint64 skipped = jkb_stream_counters (hearing->stream)->skipped;

  if (event->kind != JKB_EVENT_FRAME
      && (event->kind == JKB_EVENT_BAD_FRAME || skipped >= hearing->skipped + GARBLED))
    {
      hearing->garbled++;
      if (hearing->asked >= 0)
        hearing->heard.bad_by_address[hearing->asked]++;
    }
  if (event->kind != JKB_EVENT_REQUEST)
    hearing->asked = -1;
  else
    hearing->asked = event->address & 0xff;
  /* What is skipped behind a bad frame belongs to it: its own bytes, and those of whoever spoke at
   * the same time. */
  hearing->skipped = event->kind == JKB_EVENT_BAD_FRAME ? G_MAXUINT64 - GARBLED : skipped;
}

static void
take_event (JkbCtlHearing *hearing, const JkbEvent *event)
{
  JkbCtlHeard *heard = &hearing->heard;

  judge_answer (hearing, event);
  switch (event->kind)
    {
    case JKB_EVENT_FRAME:
      heard->frames++;
      if (event->address < 0 || event->drop != JKB_DROP_NONE
          || event->evidence != JKB_EVIDENCE_ACK)
        break;
      heard->attributed++;
      heard->good_by_address[event->address & 0xff]++;
      break;
    case JKB_EVENT_REQUEST:
      heard->requests++;
      break;
    case JKB_EVENT_READ_REQUEST:
    case JKB_EVENT_READ_RESPONSE:
    case JKB_EVENT_EXCEPTION:
      hearing->reads++;
      break;
    case JKB_EVENT_BAD_FRAME:
    case JKB_EVENT_ACK:
      break;
    }
}

static void
take_events (JkbCtlHearing *hearing)
{
  JkbEvent event;

  while (jkb_stream_next (hearing->stream, hearing->now_us, &event))
    take_event (hearing, &event);
}

void
jkb_ctl_hearing_take (JkbCtlHearing *hearing, const guint8 *bytes, gsize n_bytes,
                      gint64 monotonic_us)
{
  hearing->now_us = monotonic_us;
  hearing->heard.bytes += n_bytes;
  if (hearing->kept->len < KEEP)
    g_byte_array_append (hearing->kept, bytes, MIN (n_bytes, KEEP - hearing->kept->len));
  while (n_bytes > 0)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (hearing->stream, &room);
      gsize n = MIN (room, n_bytes);

      memcpy (place, bytes, n);
      jkb_stream_commit (hearing->stream, n, monotonic_us);
      bytes += n;
      n_bytes -= n;
      take_events (hearing);
    }
  take_events (hearing);
}

void
jkb_ctl_hearing_ask (JkbCtlHearing *hearing, int address, gint64 monotonic_us)
{
  const JkbEvent request = { .kind = JKB_EVENT_REQUEST, .address = address };

  /* Silence may have ended a record that is still waited for. */
  hearing->now_us = monotonic_us;
  take_events (hearing);
  judge_answer (hearing, &request);
  hearing->asked = address;
}

void
jkb_ctl_hearing_end (JkbCtlHearing *hearing)
{
  jkb_stream_finish (hearing->stream);
  take_events (hearing);
}

/* ---- marks in the bytes ------------------------------------------------------------------- */

static guint
count_marks (const GByteArray *bytes, const char *mark, gsize n_mark)
{
  const guint8 *at = bytes->data, *end = bytes->data + bytes->len;
  guint n = 0;

  while (at != NULL && at < end && (at = memmem (at, end - at, mark, n_mark)) != NULL)
    {
      at += n_mark;
      n++;
    }
  return n;
}

/* What a UART makes of the traffic when A and B are swapped. Every bit arrives inverted and the
 * receiver finds its start bits elsewhere, but always in the same places: the first bytes of a frame
 * become 55 ?? E1 B3 F5 (live) or 55 ?? E1 D3 F5 (settings), a request becomes 37 F7 FB FD FB (live)
 * or 37 ?? FF FD FB (settings, info). ?? is a framing error: each driver has its own idea of it. */
static guint
count_inverted (const GByteArray *bytes)
{
  static const struct
  {
    guint8 mark[5];
    gboolean any_second;
  } marks[] = {
    { { 0x55, 0, 0xe1, 0xb3, 0xf5 }, TRUE },
    { { 0x55, 0, 0xe1, 0xd3, 0xf5 }, TRUE },
    { { 0x37, 0xf7, 0xfb, 0xfd, 0xfb }, FALSE },
    { { 0x37, 0, 0xff, 0xfd, 0xfb }, TRUE },
  };
  guint n = 0;

  for (guint i = 0; i + sizeof marks[0].mark <= bytes->len; i++)
    for (guint m = 0; m < G_N_ELEMENTS (marks); m++)
      {
        const guint8 *b = bytes->data + i, *mark = marks[m].mark;

        n += b[0] == mark[0] && (marks[m].any_second || b[1] == mark[1])
             && memcmp (b + 2, mark + 2, 3) == 0;
      }
  return n;
}

/* Whether everything reads as Modbus TCP: number, protocol 0, length, unit, function. */
static gboolean
is_modbus_tcp (const GByteArray *bytes)
{
  guint at = 0, n = 0;

  while (at + 8 <= bytes->len)
    {
      const guint8 *b = bytes->data + at;
      guint length = b[4] << 8 | b[5];

      if (b[2] != 0 || b[3] != 0 || length < 2 || length > 254)
        return FALSE;
      at += 6 + length;
      n++;
    }
  return n > 0;
}

static gboolean
is_text (const GByteArray *bytes)
{
  guint printable = 0;

  for (guint i = 0; i < bytes->len; i++)
    printable += g_ascii_isprint (bytes->data[i]) || g_ascii_isspace (bytes->data[i]);
  return bytes->len >= 8 && printable * 10 >= bytes->len * 9;
}

/* ---- the verdict -------------------------------------------------------------------------- */

/* At an address that two BMS have, answers get lost again and again while others come through. */
static int
find_collision (const JkbCtlHeard *heard, guint garbled)
{
  for (guint address = 0; address < 256; address++)
    if (heard->bad_by_address[address] >= 2
        && heard->bad_by_address[address] > heard->good_by_address[address]
        && heard->bad_by_address[address] * 5 >= garbled * 4)
      return (int) address;
  return -1;
}

static JkbVerdict
judge_frames (const JkbCtlHeard *heard)
{
  if (heard->collision >= 0)
    return JKB_VERDICT_COLLISION;
  if (heard->attributed == 0 && heard->frames > 0)
    return JKB_VERDICT_NO_ACK;
  if (heard->bad_frames >= 2 && heard->bad_frames * 10 > heard->frames)
    return JKB_VERDICT_NOISE;
  return JKB_VERDICT_OK;
}

JkbVerdict
jkb_ctl_hearing_judge (JkbCtlHearing *hearing, JkbCtlHeard *heard)
{
  const JkbStreamCounters *counters = jkb_stream_counters (hearing->stream);

  hearing->heard.bad_frames
    = counters->checksum_errors + counters->truncated + counters->ack_errors;
  hearing->heard.skipped = counters->skipped;
  hearing->heard.collision = find_collision (&hearing->heard, hearing->garbled);
  hearing->heard.master = hearing->heard.good_by_address[0] > 0;
  *heard = hearing->heard;
  if (heard->bytes == 0)
    return JKB_VERDICT_SILENCE;
  if (heard->frames > 0 || heard->collision >= 0)
    return judge_frames (heard);
  if (count_marks (hearing->kept, "AT+", 3) > 0 || count_marks (hearing->kept, "AT\r\n", 4) > 0)
    return JKB_VERDICT_BLUETOOTH;
  if (count_inverted (hearing->kept) > 1)
    return JKB_VERDICT_INVERTED;
  if (is_text (hearing->kept))
    return JKB_VERDICT_OTHER_PROTOCOL;
  if (is_modbus_tcp (hearing->kept))
    return JKB_VERDICT_MODBUS_TCP;
  if (heard->bad_frames > 0)
    return JKB_VERDICT_NOISE;
  if (heard->requests > 0)
    return JKB_VERDICT_NO_ANSWER;
  if (hearing->reads > 0)
    return JKB_VERDICT_OTHER_MODBUS;
  return JKB_VERDICT_WRONG_SPEED;
}

JkbVerdict
jkb_ctl_hearing_judge_answers (JkbCtlHearing *hearing, JkbCtlHeard *heard)
{
  JkbVerdict verdict = jkb_ctl_hearing_judge (hearing, heard);

  if (verdict == JKB_VERDICT_OK && heard->skipped >= 2 * GARBLED
      && heard->skipped * 10 > heard->bytes)
    return JKB_VERDICT_NOISE;
  return verdict;
}
