/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What needs no port: URIs, back-off, the watch over a line, urgency, health. Time is a number
 * here.
 */
#include <string.h>

#include "bus/jkb-backoff.h"
#include "bus/jkb-health.h"
#include "bus/jkb-line-watch.h"
#include "bus/jkb-tally.h"
#include "bus/jkb-transport.h"
#include "bus/jkb-urgency.h"
#include "core/jkb-error.h"

#define S G_USEC_PER_SEC

/* ---- URIs ---- */

typedef struct
{
  const char *uri;
  const char *scheme; /* NULL: refused */
  const char *text;   /* in the error, or what is behind the colon */
} UriCase;

static const UriCase uri_cases[] = {
  { "serial:/dev/serial/by-id/usb-x", "serial", "/dev/serial/by-id/usb-x" },
  { "tcp:gateway:8899", "tcp", "gateway:8899" },
  { "tcp:[fe80::1%eth0]:23", "tcp", "[fe80::1%eth0]:23" },
  { "tcp:192.168.1.7:65535", "tcp", "192.168.1.7:65535" },
  { "replay:a.bin", "replay", "a.bin" },
  { "replay:/x/a.bin?speed=2.5&loop=true", "replay", "/x/a.bin?speed=2.5&loop=true" },
  { "replay:/x/a.bin?loop=true&", NULL, "Unknown option ''" },
  { "", NULL, "use serial:/dev" },
  { "/dev/ttyUSB0", NULL, "use serial:/dev" },
  { "udp:gateway:8899", NULL, "use serial:/dev" },
  { "serial:ttyUSB0", NULL, "use serial:/dev" },
  { "serial:///dev/ttyUSB0", NULL, "use serial:/dev" },
  { "serial:/dev/tty\nUSB0", NULL, "control character" },
  { "serial:/dev/\xff", NULL, "not UTF-8" },
  { "tcp:gateway", NULL, "use tcp:HOST:PORT" },
  { "tcp:gateway:", NULL, "1 to 65535" },
  { "tcp:gateway:0", NULL, "1 to 65535" },
  { "tcp:gateway:65536", NULL, "1 to 65535" },
  { "tcp:gateway:+80", NULL, "1 to 65535" },
  { "tcp::8899", NULL, "missing" },
  { "tcp:[]:8899", NULL, "in brackets" },
  { "tcp:[::1:8899", NULL, "in brackets" },
  { "tcp:fe80::1:8899", NULL, "in brackets" },
  { "tcp://gateway:8899", NULL, "Only a host and a port" },
  { "tcp:admin:hunter2@gateway:8899", NULL, "user or a password" },
  { "replay:", NULL, "file is missing" },
  { "replay:?loop=true", NULL, "file is missing" },
  { "replay:a?speed=0", NULL, "speed is 0.001 to 100000" },
  { "replay:a?speed=-1", NULL, "speed is" },
  { "replay:a?speed=nan", NULL, "speed is" },
  { "replay:a?speed=1x", NULL, "speed is" },
  { "replay:a?speed=", NULL, "speed is" },
  { "replay:a?loop=yes", NULL, "'loop=yes'" },
};

static void
test_uris (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (uri_cases); i++)
    {
      const UriCase *c = &uri_cases[i];
      g_autoptr(GError) error = NULL;
      const char *rest = NULL;
      const JkbTransportClass *klass = jkb_transport_find (c->uri, &rest, &error);

      g_test_message ("%s: %s", c->uri, error != NULL ? error->message : rest);
      if (c->scheme != NULL)
        {
          g_assert_no_error (error);
          g_assert_cmpstr (klass->scheme, ==, c->scheme);
          g_assert_cmpstr (rest, ==, c->text);
          continue;
        }
      g_assert_null (klass);
      g_assert_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, c->text));
      g_assert_null (strstr (error->message, "hunter2"));
    }
}

/* ---- back-off ---- */

static void
test_backoff_doubles (void)
{
  static const double expected[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
  JkbBackoff backoff = { 0 };

  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    g_assert_cmpint (jkb_backoff_fail (&backoff, 1, 30, 0.5), ==, (gint64) (expected[i] * S));
  for (guint i = 0; i < 10000; i++)
    g_assert_cmpint (jkb_backoff_fail (&backoff, 1, 30, 0.5), ==, 30 * S);
}

static void
test_backoff_jitter (void)
{
  JkbBackoff low = { 0 }, high = { 0 };

  g_assert_cmpint (jkb_backoff_fail (&low, 10, 30, 0), ==, 8 * S);
  g_assert_cmpint (jkb_backoff_fail (&high, 10, 30, 1), ==, 12 * S);
  g_assert_cmpint (jkb_backoff_fail (&low, 50, 30, 0.5), ==, 50 * S);
}

static void
test_backoff_good_minute (void)
{
  JkbBackoff backoff = { 0 };

  for (guint i = 0; i < 3; i++)
    jkb_backoff_fail (&backoff, 1, 30, 0.5);
  jkb_backoff_note_frame (&backoff, 100 * S);
  jkb_backoff_note_frame (&backoff, 159 * S);
  g_assert_cmpint (jkb_backoff_fail (&backoff, 1, 30, 0.5), ==, 8 * S);
  jkb_backoff_note_frame (&backoff, 200 * S);
  jkb_backoff_note_frame (&backoff, 260 * S);
  g_assert_cmpint (jkb_backoff_fail (&backoff, 1, 30, 0.5), ==, 1 * S);
}

/* ---- the watch over a line ---- */

static void
test_watch_silence (void)
{
  JkbLineWatch watch;

  jkb_line_watch_start (&watch, 30 * S, 100 * S, 1000, 10, 5);
  g_assert_cmpint (jkb_line_watch_deadline (&watch), ==, 130 * S);
  g_assert_cmpint (jkb_line_watch_check (&watch, 129 * S, 1000, 10, 5), ==, JKB_LINE_GOOD);
  g_assert_cmpint (jkb_line_watch_check (&watch, 130 * S, 1007, 10, 5), ==, JKB_LINE_SILENT);
  g_assert_cmpint (jkb_line_watch_deadline (&watch), ==, 160 * S);
  g_assert_cmpint (jkb_line_watch_check (&watch, 150 * S, 1400, 11, 5), ==, JKB_LINE_GOOD);
  g_assert_cmpint (jkb_line_watch_deadline (&watch), ==, 180 * S);
}

static void
test_watch_garbage (void)
{
  JkbLineWatch watch;

  jkb_line_watch_start (&watch, 30 * S, 0, 0, 0, 0);
  g_assert_cmpint (jkb_line_watch_check (&watch, 30 * S, 9000, 0, 0), ==, JKB_LINE_GARBAGE);
  g_assert_cmpint (jkb_line_watch_check (&watch, 31 * S, 9100, 0, 0), ==, JKB_LINE_GOOD);
  g_assert_cmpint (jkb_line_watch_check (&watch, 60 * S, 18000, 0, 0), ==, JKB_LINE_STILL_GARBAGE);
  g_assert_cmpint (jkb_line_watch_check (&watch, 90 * S, 18200, 0, 9), ==, JKB_LINE_UNANSWERED);
  g_assert_cmpint (jkb_line_watch_check (&watch, 120 * S, 28000, 0, 9), ==, JKB_LINE_GARBAGE);
}

static void
test_watch_never (void)
{
  JkbLineWatch watch;

  jkb_line_watch_start (&watch, 0, 0, 0, 0, 0);
  g_assert_cmpint (jkb_line_watch_deadline (&watch), ==, G_MAXINT64);
  g_assert_cmpint (jkb_line_watch_check (&watch, 1000 * S, 0, 0, 0), ==, JKB_LINE_GOOD);
}

/* ---- urgency ---- */

static void
test_urgency_live (void)
{
  static const guint16 offsets[] = { 166, 169, 191, 198, 199, 215 };
  JkbUrgency urgency = { 0 };
  JkbFrame frame = { .address = 3, .type = JKB_FRAME_LIVE };

  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (jkb_urgency_check (&urgency, &frame), ==, JKB_WAKE_NOW);
  g_assert_cmpint (jkb_urgency_check (&urgency, &frame), !=, JKB_WAKE_NOW);
  frame.data[158]++; /* the current */
  g_assert_cmpint (jkb_urgency_check (&urgency, &frame), !=, JKB_WAKE_NOW);
  for (guint i = 0; i < G_N_ELEMENTS (offsets); i++)
    {
      frame.data[offsets[i]] ^= 1;
      g_assert_cmpint (jkb_urgency_check (&urgency, &frame), ==, JKB_WAKE_NOW);
      g_assert_cmpint (jkb_urgency_check (&urgency, &frame), !=, JKB_WAKE_NOW);
    }
  frame.address = 4;
  g_assert_cmpint (jkb_urgency_check (&urgency, &frame), ==, JKB_WAKE_NOW);
}

static void
test_urgency_settings (void)
{
  static const guint16 offsets[] = { 118, 122, 126, 282, 283 };
  JkbUrgency urgency = { 0 };
  JkbFrame frame = { .address = 247, .type = JKB_FRAME_SETTINGS };

  for (guint i = 0; i < 3; i++)
    g_assert_cmpint (jkb_urgency_check (&urgency, &frame), ==, JKB_WAKE_NOW);
  frame.data[10]++; /* a protection voltage */
  g_assert_cmpint (jkb_urgency_check (&urgency, &frame), !=, JKB_WAKE_NOW);
  for (guint i = 0; i < G_N_ELEMENTS (offsets); i++)
    {
      frame.data[offsets[i]] ^= 1;
      g_assert_cmpint (jkb_urgency_check (&urgency, &frame), ==, JKB_WAKE_NOW);
      g_assert_cmpint (jkb_urgency_check (&urgency, &frame), !=, JKB_WAKE_NOW);
    }
}

/* ---- health ---- */

static JkbHealth health;

static void
assert_health (gint64 now_us, const JkbReaderReport *report, JkbLinkState state, guint least,
               guint most, const char *text)
{
  g_autofree char *reason = NULL;
  guint score;

  jkb_health_note (&health, now_us, report);
  score = jkb_health_score (&health, now_us, report, state, "adapter unplugged", 30 * S, &reason);
  g_test_message ("%u: %s", score, reason);
  g_assert_cmpuint (score, >=, least);
  g_assert_cmpuint (score, <=, most);
  g_assert_nonnull (strstr (reason, text));
}

/* A bus with one frame a second, of which @bad in a hundred are damaged. */
static gint64
run (gint64 now_us, guint seconds, JkbReaderReport *report, guint bad)
{
  for (guint i = 0; i < seconds; i++)
    {
      now_us += S;
      report->last_bytes_us = report->last_frame_us = now_us;
      report->counters.frames_received += 100 - bad;
      report->counters.checksum_errors += bad;
      jkb_health_note (&health, now_us, report);
    }
  return now_us;
}

static void
test_health (void)
{
  JkbReaderReport report = { 0 };
  gint64 now_us = 1000 * S;

  jkb_health_start (&health, now_us, &report);
  assert_health (now_us, &report, JKB_LINK_CONNECTING, 0, 0, "adapter unplugged");
  assert_health (now_us + S, &report, JKB_LINK_UP, 50, 50, "waiting for the first frame");
  assert_health (now_us + 42 * S, &report, JKB_LINK_UP, 0, 0, "no bytes for 42 s");
  now_us = run (now_us + 42 * S, 300, &report, 0);
  assert_health (now_us, &report, JKB_LINK_UP, 85, 95, "frames in 8");
  now_us = run (now_us, 700, &report, 0);
  assert_health (now_us, &report, JKB_LINK_UP, 100, 100, "good");
  assert_health (now_us + 20 * S, &report, JKB_LINK_UP, 85, 95, "no frames for a while");
  now_us = run (now_us, 700, &report, 12);
  assert_health (now_us, &report, JKB_LINK_UP, 75, 75, "12 % of frames damaged");
  report.last_bytes_us = now_us + 31 * S;
  assert_health (now_us + 31 * S, &report, JKB_LINK_UP, 0, 0, "bytes but no frames for 31 s");
  assert_health (now_us + S, &report, JKB_LINK_DOWN, 0, 0, "adapter unplugged");
}

static void
test_health_unattributed (void)
{
  JkbReaderReport report = { 0 };
  gint64 now_us = 1000 * S;

  jkb_health_start (&health, now_us, &report);
  for (guint i = 0; i < 200; i++)
    {
      now_us = run (now_us, 1, &report, 0);
      report.counters.unattributed_frames += 25;
    }
  assert_health (now_us, &report, JKB_LINK_UP, 65, 75, "25 % of frames from an unknown sender");
}

/* ---- the tally ---- */

static void
test_tally (void)
{
  JkbTally tally = { 0 };
  JkbBusCounters counters = { .overruns = 7 };

  jkb_tally_update (&tally, &(JkbStreamCounters){ .bytes = 900, .frames = 3 });
  jkb_tally_carry_over (&tally);
  jkb_tally_add_reconnect (&tally);
  g_assert_cmpuint (jkb_tally_get (&tally, JKB_TALLY_FRAMES), ==, 3);
  jkb_tally_update (&tally, &(JkbStreamCounters){ .bytes = 300, .frames = 1, .resyncs = 2 });
  jkb_tally_report (&tally, &counters);
  g_assert_cmpuint (counters.bytes_received, ==, 1200);
  g_assert_cmpuint (counters.frames_received, ==, 4);
  g_assert_cmpuint (counters.resyncs, ==, 2);
  g_assert_cmpuint (counters.reconnects, ==, 1);
  g_assert_cmpuint (counters.overruns, ==, 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/bus/uris", test_uris);
  g_test_add_func ("/bus/backoff/doubles", test_backoff_doubles);
  g_test_add_func ("/bus/backoff/jitter", test_backoff_jitter);
  g_test_add_func ("/bus/backoff/good-minute", test_backoff_good_minute);
  g_test_add_func ("/bus/line-watch/silence", test_watch_silence);
  g_test_add_func ("/bus/line-watch/garbage", test_watch_garbage);
  g_test_add_func ("/bus/line-watch/never", test_watch_never);
  g_test_add_func ("/bus/urgency/live", test_urgency_live);
  g_test_add_func ("/bus/urgency/settings", test_urgency_settings);
  g_test_add_func ("/bus/health/score", test_health);
  g_test_add_func ("/bus/health/unattributed", test_health_unattributed);
  g_test_add_func ("/bus/tally/over-streams", test_tally);
  return g_test_run ();
}
