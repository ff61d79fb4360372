/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which BMS sent this frame (protocol §4): a bus told in words, and what must come of its frames.
 *
 * Words: q1L q1S q1I   request to address 1 for live data, settings, info
 *        a1L a1S a1I   ACK of address 1; a1P: of a one-key preset; a1B: with a broken CRC
 *        L1            live frame with the clock of pack 1; L1r: just restarted
 *        S1            settings frame that says address 1; S1000
 *        I E D U       info, log, detail log, unknown frame
 *        B             a frame with a wrong sum
 *        z3 x3         zero bytes, junk
 *        w150          that many ms pass
 *        t7            the clocks of the packs move on by 7 s, but no time passes (a fast feed)
 *        o1L           a request of our own that the bus does not show
 * Between two words 1 ms passes. Expected, for each frame in order: its letter, address and
 * evidence (a s q u n for ack, settings, request, unsolicited, neighbour), or ?u ?c ?t when it is dropped
 * (unattributed, conflict, continuity).
 */
#include <stdlib.h>
#include <string.h>

#include "wire-fixture.h"

#define BYTE_US 87

typedef struct
{
  const char *name;
  JkbTiming timing;
  const char *words, *expected;
} Row;

static const Row rows[] = {
  /* E1 */
  { "ack", JKB_TIMING_SERIAL, "q1L L1 a1L", "L1a" },
  { "ack-of-each-type", JKB_TIMING_SERIAL, "L1 a1L S1 a1S I a1I", "L1a S1a I1a" },
  { "ack-of-preset", JKB_TIMING_SERIAL, "S1 a1P", "S1a" },
  { "ack-of-log-frames", JKB_TIMING_SERIAL, "E a2E D a2D", "E2a D2a" },
  { "ack-behind-1-zero", JKB_TIMING_SERIAL, "L1 z1 a1L", "L1a" },
  { "ack-behind-4-zeros", JKB_TIMING_SERIAL, "L1 z4 a1L", "L1a" },
  { "ack-behind-5-zeros", JKB_TIMING_SERIAL, "L1 z5 a1L", "L?u" },
  { "ack-behind-junk", JKB_TIMING_SERIAL, "L1 x1 a1L", "L?u" },
  { "ack-of-master-behind-4-zeros", JKB_TIMING_SERIAL, "L0 z4 a0L", "L0a" },
  { "ack-of-other-register", JKB_TIMING_SERIAL, "L1 a1S", "L?u" },
  { "ack-of-unusual-address", JKB_TIMING_SERIAL, "L1 a200L", "L200a" },
  { "ack-just-in-time", JKB_TIMING_SERIAL, "L1 w98 a1L", "L1a" },
  { "ack-too-late", JKB_TIMING_SERIAL, "L1 w102 a1L", "L?u" },
  { "ack-late-over-tcp", JKB_TIMING_TCP, "L1 w1900 a1L", "L1a" },
  { "ack-too-late-over-tcp", JKB_TIMING_TCP, "L1 w2100 a1L w5000", "L?u" },
  { "ack-never-late-without-clock", JKB_TIMING_UNKNOWN, "L1 w9999 a1L", "L1a" },
  { "ack-without-frame", JKB_TIMING_SERIAL, "a1L a1S q1L a1L", "" },
  { "ack-of-bad-frame", JKB_TIMING_SERIAL, "q1L B a1L", "" },
  { "frame-behind-ack", JKB_TIMING_SERIAL, "L1 a1L L2 w3000", "L1a L?u" },

  /* E2 */
  { "settings-alone", JKB_TIMING_SERIAL, "S3 w101", "S3s" },
  { "settings-then-request", JKB_TIMING_SERIAL, "S3 q4S", "S3s" },
  { "settings-then-frame", JKB_TIMING_SERIAL, "S3 S4 a4S", "S3s S4a" },
  { "settings-of-master", JKB_TIMING_SERIAL, "q15L S0 w101", "S0s" },
  { "settings-247", JKB_TIMING_SERIAL, "S247 w101", "S247s" },
  { "settings-248", JKB_TIMING_SERIAL, "S248 w101", "S?u" },
  { "settings-65535", JKB_TIMING_SERIAL, "S65535 w101", "S?u" },
  { "settings-not-before-silence", JKB_TIMING_SERIAL, "S3 w98", "" },
  { "settings-at-the-end", JKB_TIMING_UNKNOWN, "S3", "S3s" },
  { "settings-although-other-request", JKB_TIMING_SERIAL, "q5S S3 w101", "S3s" },

  /* E3 */
  { "request", JKB_TIMING_SERIAL, "q1L L1 w101", "L1q" },
  { "request-for-info", JKB_TIMING_SERIAL, "q1I I w101", "I1q" },
  { "request-then-broken-ack", JKB_TIMING_SERIAL, "q1L L1 a1B q2L", "L1q" },
  { "request-of-other-type", JKB_TIMING_SERIAL, "q1S L1 w3000", "L?u" },
  { "request-with-zeros-between", JKB_TIMING_SERIAL, "q1L z3 L1 w101", "L1q" },
  { "request-with-junk-between", JKB_TIMING_SERIAL, "q1L x3 L1 w3000", "L?u" },
  { "request-190-ms-before", JKB_TIMING_SERIAL, "q1L w170 L1 w101", "L1q" },
  { "request-210-ms-before", JKB_TIMING_SERIAL, "q1L w200 L1 w3000", "L?u" },
  { "request-1-s-before-over-tcp", JKB_TIMING_TCP, "q1L w1000 L1 w2100", "L1q" },
  { "request-then-ack-of-write", JKB_TIMING_SERIAL, "q1L a1S L1 w3000", "L?u" },
  { "request-for-log", JKB_TIMING_SERIAL, "q1E E w101", "E?u" },
  { "request-and-its-echo", JKB_TIMING_SERIAL, "q1L q1L L1 w101", "L1q" },
  { "echo-of-request-with-ack", JKB_TIMING_SERIAL, "q1L q1L L1 a1L q2L q2L L2 a2L", "L1a L2a" },
  { "request-to-15-unknown", JKB_TIMING_SERIAL, "q15L L15 w3000", "L?u" },
  { "request-to-15-that-answers", JKB_TIMING_SERIAL, "q15L L15 a15L q15L L15 w101", "L15a L15q" },
  { "request-to-15-that-answered-long-ago", JKB_TIMING_SERIAL,
    "q15L L15 a15L w61000 q15L L15 w3000", "L15a L?u" },
  { "request-to-15-without-clock", JKB_TIMING_UNKNOWN, "q15L L15 a15L q15L L15", "L15a L15q" },
  { "own-request", JKB_TIMING_SERIAL, "o1L L1 w101", "L1q" },
  { "own-request-to-15", JKB_TIMING_SERIAL, "o15L L15 w101", "L15q" },

  /* E4 */
  { "unsolicited", JKB_TIMING_SERIAL, "L0 a0L w400 q15L w400 L0 w101", "L0a L0u" },
  { "unsolicited-at-once", JKB_TIMING_SERIAL, "L0 a0L q15L w10 L0 w101", "L0a L0u" },
  { "unsolicited-19", JKB_TIMING_SERIAL, "L0 a0L q15S w200 L0 w101", "L0a L0u" },
  { "unsolicited-without-known-master", JKB_TIMING_SERIAL, "q15L w400 L0 w3000", "L?u" },
  { "unsolicited-master-long-gone", JKB_TIMING_SERIAL, "L0 a0L w61000 q15L w400 L0 w3000",
    "L0a L?u" },
  { "unsolicited-without-request", JKB_TIMING_SERIAL, "L0 a0L w400 L0 w3000", "L0a L?u" },
  { "unsolicited-behind-request-to-3", JKB_TIMING_SERIAL, "L0 a0L q3L w400 L0 w3000", "L0a L?u" },
  { "unsolicited-behind-learned-end-of-scan", JKB_TIMING_SERIAL,
    "q7L w400 L0 a0L w400 q7L w400 L0 w101", "L0a L0u" },
  { "unsolicited-info-does-not-exist", JKB_TIMING_SERIAL, "L0 a0L q15L w400 I w3000", "L0a I?u" },

  /* E5 */
  { "neighbour-of-master", JKB_TIMING_SERIAL, "L0 w300 S0 a0S", "L0n S0a" },
  { "neighbour-of-master-without-acks", JKB_TIMING_SERIAL, "L0 w300 S0 w101", "L0n S0s" },
  { "neighbour-behind-broken-ack", JKB_TIMING_SERIAL, "L0 a0B w300 S0 a0S", "L0n S0a" },
  { "neighbour-behind-more-junk", JKB_TIMING_SERIAL, "L0 x9 w300 S0 a0S", "L?u S0a" },
  { "neighbour-of-slave", JKB_TIMING_SERIAL, "L4 w200 q4S S4 a4S", "L4n S4a" },
  { "neighbour-of-slave-not-asked", JKB_TIMING_SERIAL, "L4 w200 S4 a4S", "L?u S4a" },
  { "neighbour-of-other-slave", JKB_TIMING_SERIAL, "L4 w200 q5S w300 S4 a4S", "L?u S4a" },
  { "neighbour-behind-two-requests", JKB_TIMING_SERIAL, "L4 q4S q4S S4 a4S", "L?u S4a" },
  { "neighbour-behind-live-request", JKB_TIMING_SERIAL, "L4 q4L S4 a4S", "L?u S4a" },
  { "neighbour-within-2-s", JKB_TIMING_SERIAL, "L0 w1800 S0 a0S", "L0n S0a" },
  { "neighbour-after-2-s", JKB_TIMING_SERIAL, "L0 w2100 S0 a0S", "L?u S0a" },
  { "neighbour-behind-other-frame", JKB_TIMING_SERIAL, "L0 w200 L1 a1L S0 a0S", "L?u L1a S0a" },
  { "neighbour-behind-bad-frame", JKB_TIMING_SERIAL, "L0 B S0 a0S", "L?u S0a" },
  { "neighbour-in-conflict", JKB_TIMING_SERIAL, "L0 w200 S0 a3S", "L?u S?c" },
  { "neighbour-without-clock", JKB_TIMING_UNKNOWN, "L0 S0 a0S", "L0n S0a" },
  { "neighbours-of-two-lost-frames", JKB_TIMING_SERIAL, "L0 w200 L0 w200 S0 a0S", "L?u L0n S0a" },

  /* E6 */
  { "continuity-holds", JKB_TIMING_SERIAL, "q1L L1 a1L w7000 q1L L1 w101", "L1a L1q" },
  { "continuity-broken", JKB_TIMING_SERIAL, "q1L L1 a1L w7000 q1L L2 w101", "L1a L?t" },
  { "continuity-over-tcp", JKB_TIMING_TCP, "q1L L1 a1L w7000 q1L L2 w2100", "L1a L?t" },
  { "continuity-not-without-clock", JKB_TIMING_UNKNOWN, "q1L L1 a1L q1L L2 q2L", "L1a L1q" },
  { "continuity-of-unsolicited", JKB_TIMING_SERIAL, "L0 a0L w400 q15L w400 L3 w101", "L0a L?t" },
  { "continuity-of-neighbour", JKB_TIMING_SERIAL, "L0 a0L w400 L3 w300 S0 a0S", "L0a L?t S0a" },
  { "no-continuity-of-a-fast-feed", JKB_TIMING_TCP,
    "q1L L1 a1L t7 q1L L1 a1L t7 q1L L1 w2100", "L1a L1a L1q" },
  { "continuity-when-the-feed-keeps-pace-again", JKB_TIMING_SERIAL,
    "q1L L1 a1L t7 q1L L1 a1L w7000 q1L L1 a1L w7000 q1L L2 w101", "L1a L1a L1a L?t" },
  { "restart-with-ack", JKB_TIMING_SERIAL, "q1L L1 a1L w7000 q1L L1r a1L", "L1a L1a" },
  { "others-clock-once", JKB_TIMING_SERIAL, "L1 a1L L2 a2L w7000 L2 a1L w100 L1 a1L",
    "L1a L2a L?t L1a" },
  { "others-clock-twice-is-renumbered", JKB_TIMING_SERIAL,
    "L1 a1L L2 a2L w7000 L2 a1L w7000 L2 a1L w7000 L2 a1L", "L1a L2a L?t L1a L1a" },
  { "renumbered-to-new-address", JKB_TIMING_SERIAL, "L1 a1L w7000 L1 a3L w7000 L1 a3L",
    "L1a L3a L3a" },
  { "others-clock-not-without-clock", JKB_TIMING_UNKNOWN, "L1 a1L L2 a2L L2 a1L", "L1a L2a L1a" },

  /* Conflicts */
  { "conflict-ack-settings", JKB_TIMING_SERIAL, "S1 a2S", "S?c" },
  { "conflict-ack-settings-too-big", JKB_TIMING_SERIAL, "S1000 a2S", "S?c" },
  { "conflict-ack-request", JKB_TIMING_SERIAL, "q1L L2 a2L", "L?c" },
  { "conflict-ack-request-without-clock", JKB_TIMING_UNKNOWN, "q1L L2 a2L", "L?c" },
  { "no-conflict-when-late", JKB_TIMING_SERIAL, "q1L w300 L2 a2L", "L2a" },
  { "no-conflict-other-type", JKB_TIMING_SERIAL, "q1S L2 a2L", "L2a" },
  { "no-conflict-self-broadcast", JKB_TIMING_SERIAL, "q15L L0 a0L", "L0a" },
  { "no-conflict-self-broadcast-settings", JKB_TIMING_SERIAL, "q15S S0 a0S", "S0a" },
  { "conflict-ack-own-request", JKB_TIMING_SERIAL, "o1L L2 a2L", "L?c" },
  { "conflict-settings-request", JKB_TIMING_SERIAL, "q1S S2 a2S", "S?c" },

  /* Whole cycles */
  { "cycle-14", JKB_TIMING_SERIAL,
    "L0 a0L w370 S0 a0S w370 q1L w30 L1 a1L w300 q1S w30 S1 a1S w300 q2L w400 q3L w400 q15L w400 "
    "L0 a0L w370 S0 a0S",
    "L0a S0a L1a S1a L0a S0a" },
  { "cycle-19", JKB_TIMING_SERIAL,
    "q1L w30 L1 a1L w190 q1S w30 S1 a1S w190 q2L w220 q2S w220 q15L w220 q15S w220 L0 a0L S0 a0S",
    "L1a S1a L0a S0a" },
  { "cycle-that-lost-every-ack", JKB_TIMING_SERIAL,
    "L0 a0L w370 S0 a0S w370 q1L w30 L1 w300 q1S w30 S1 w300 q2L w400 q15L w400 L0 w370 S0 w370",
    "L0a S0a L1q S1s L0u S0s" },
  { "polled-without-master", JKB_TIMING_SERIAL, "o1L w30 L1 a1L w100 o2L w150 o3L w30 L3 a3L",
    "L1a L3a" },

  /* Frames that nobody knows */
  { "unknown-type", JKB_TIMING_SERIAL, "U a1L L1 a1L", "U?u L1a" },
  { "info-alone", JKB_TIMING_SERIAL, "I w101", "I?u" },
  { "live-alone", JKB_TIMING_SERIAL, "L1 w3000", "L?u" },
  { "live-alone-at-the-end", JKB_TIMING_UNKNOWN, "L1", "L?u" },
};

/* ---- a bus that speaks in words ----------------------------------------------------------- */

typedef struct
{
  JkbStream *stream;
  gint64 now_us;
  GString *told;
  gint64 ahead_us; /* of the packs' clocks */
} Bus;

static void
tell (Bus *bus, const JkbEvent *event)
{
  static const char letters[] = "?SLI?ED";
  static const char evidence[] = "?nuqsa";
  static const char drops[] = "?uct";
  char letter = event->type < 7 ? letters[event->type] : '?';

  if (event->kind != JKB_EVENT_FRAME)
    return;
  if (bus->told->len > 0)
    g_string_append_c (bus->told, ' ');
  g_string_append_c (bus->told, letter == '?' ? 'U' : letter);
  if (event->drop != JKB_DROP_NONE)
    {
      g_assert_cmpint (event->address, ==, -1);
      g_assert_cmpint (event->evidence, ==, JKB_EVIDENCE_NONE);
      g_string_append_printf (bus->told, "?%c", drops[event->drop]);
    }
  else
    g_string_append_printf (bus->told, "%d%c", event->address, evidence[event->evidence]);
}

static void
listen_now (Bus *bus)
{
  JkbEvent event;

  while (jkb_stream_next (bus->stream, bus->now_us, &event))
    tell (bus, &event);
}

/* Time passes as a reader sees it: it wakes at the stream's deadlines, not in between. */
static void
wait_ms (Bus *bus, gint64 ms)
{
  gint64 end_us = bus->now_us + ms * 1000;

  for (;;)
    {
      gint64 deadline = jkb_stream_deadline (bus->stream);

      if (deadline > end_us)
        break;
      g_assert_cmpint (deadline, >=, bus->now_us);
      bus->now_us = deadline;
      listen_now (bus);
      g_assert_cmpint (jkb_stream_deadline (bus->stream), >, deadline);
    }
  bus->now_us = end_us;
}

static void
put_on_bus (Bus *bus, const GByteArray *bytes)
{
  gsize room;
  guint8 *place = jkb_stream_reserve (bus->stream, &room);

  g_assert_cmpuint (room, >=, bytes->len);
  memcpy (place, bytes->data, bytes->len);
  bus->now_us += bytes->len * BYTE_US;
  jkb_stream_commit (bus->stream, bytes->len, bus->now_us);
  listen_now (bus);
}

static guint16
register_of (char letter)
{
  static const char letters[] = "LSIEDPB";
  static const guint16 registers[] = { 0x1620, 0x161e, 0x161c, 0x1624, 0x1622, 0x160a, 0x1620 };

  g_assert_nonnull (strchr (letters, letter));
  return registers[strchr (letters, letter) - letters];
}

static void
append_frame_word (Bus *bus, GByteArray *out, const char *word)
{
  guint8 frame[JKB_FRAME_SIZE];
  guint32 number = (guint32) atoi (word + 1);

  if (word[0] == 'L')
    {
      wire_fill_live (frame);
      wire_put32 (frame + 246, strchr (word, 'r') != NULL
                                   ? 3
                                   : (guint32) ((bus->now_us + bus->ahead_us) / 100000)
                                         + 100000 * number);
      wire_seal_frame (frame);
    }
  else if (word[0] == 'S')
    wire_fill_settings (frame, number);
  else
    wire_fill_frame (frame, word[0] == 'I'   ? 3
                            : word[0] == 'E' ? 5
                            : word[0] == 'D' ? 6
                            : word[0] == 'B' ? 2
                                             : 9);
  if (word[0] == 'B')
    frame[299] ^= 0x01;
  wire_append_frame (out, frame);
}

static void
say (Bus *bus, const char *word)
{
  g_autoptr(GByteArray) bytes = g_byte_array_new ();
  int number = atoi (word + 1);
  char letter = word[strlen (word) - 1];

  if (word[0] == 'w')
    {
      wait_ms (bus, number);
      return;
    }
  if (word[0] == 't')
    {
      bus->ahead_us += number * G_GINT64_CONSTANT (1000000);
      return;
    }
  if (word[0] == 'q' || word[0] == 'o')
    wire_append_request (bytes, (guint8) number, register_of (letter));
  else if (word[0] == 'a')
    wire_append_ack (bytes, (guint8) number, register_of (letter));
  else if (word[0] == 'z' || word[0] == 'x')
    for (int i = 0; i < number; i++)
      g_byte_array_append (bytes, (const guint8 *) (word[0] == 'z' ? "\0" : "\xee"), 1);
  else
    append_frame_word (bus, bytes, word);
  if (letter == 'B' && word[0] == 'a')
    bytes->data[7] ^= 0xff;

  if (word[0] == 'o')
    jkb_stream_sent (bus->stream, bytes->data, bytes->len, bus->now_us);
  else
    put_on_bus (bus, bytes);
  wait_ms (bus, 1);
}

static void
test_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr(JkbStream) stream = jkb_stream_new (row->timing);
  g_autoptr(GString) told = g_string_new (NULL);
  g_auto(GStrv) words = g_strsplit (row->words, " ", -1);
  Bus bus = { stream, 3600 * G_GINT64_CONSTANT (1000000), told };

  for (guint i = 0; words[i] != NULL; i++)
    say (&bus, words[i]);
  if (row->timing == JKB_TIMING_UNKNOWN)
    {
      jkb_stream_finish (stream);
      listen_now (&bus);
      g_assert_cmpuint (jkb_stream_undecided (stream), ==, G_MAXUINT64);
    }
  g_assert_cmpstr (told->str, ==, row->expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_set_nonfatal_assertions (); /* every row tells its own */
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *path = g_strdup_printf ("/attribution/%s", rows[i].name);

      g_test_add_data_func (path, &rows[i], test_row);
    }
  return g_test_run ();
}
