/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Whole buses, reader thread and main loop: lines without sense, recordings, many lives.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "bus-fixture.h"

/* ---- silence and noise ---- */

/* "up" all the time: on a bus that nobody polls, silence is right. */
static void
test_silence (Fixture *f, gconstpointer data)
{
  int listener, peer, second;
  JkbBusCounters counters;

  f->config.no_data_timeout = 1;
  peer = fixture_start_tcp (f, &listener);
  fixture_wait (f, fixture_is_faulty);
  fixture_assert_error (f, "no bytes for 1 s");
  g_assert_true (fixture_is_up (f));
  second = fixture_accept (f, listener);
  fixture_run (1100);
  g_assert_cmpuint (fixture_count_log ("no bytes"), ==, 1);
  close (peer);
  peer = fixture_accept (f, listener);
  fixture_write_frame (peer, 1, 1);
  fixture_wait (f, fixture_is_good);
  g_assert_null (strstr (f->states->str, "down"));
  jkb_bus_get_counters (f->bus, &counters);
  g_assert_cmpuint (counters.reconnects, >=, 2);
  close (second);
  close (peer);
  close (listener);
}

static void
test_no_frames (Fixture *f, gconstpointer data)
{
  guint8 junk[200];
  int master;

  memset (junk, 0xE5, sizeof junk);
  f->config.no_data_timeout = 1;
  f->config.baud = 9600;
  master = fixture_start_pty (f);
  while (!fixture_is_faulty (f))
    {
      fixture_write (master, junk, sizeof junk);
      fixture_run (50);
    }
  fixture_assert_error (f, "bytes but no frames for 1 s: wrong speed (9600 baud is set), A and B swapped");
  fixture_write_frame (master, 1, 1);
  fixture_wait (f, fixture_is_good);
  fixture_wait (f, fixture_has_frame);
  close (master);
}

static void
test_unanswered (Fixture *f, gconstpointer data)
{
  static const guint8 request[] = {
    0x01, 0x10, 0x16, 0x20, 0x00, 0x01, 0x02, 0x00, 0x00, 0xD6, 0xF1
  };
  int master;

  f->config.no_data_timeout = 1;
  master = fixture_start_pty (f);
  while (!fixture_is_faulty (f))
    {
      fixture_write (master, request, sizeof request);
      fixture_run (50);
    }
  fixture_assert_error (f, "requests but no answers");
  close (master);
}

static void
test_reconnect (Fixture *f, gconstpointer data)
{
  g_autofree char *uri = NULL;
  int listener = fixture_listen (1, &uri);
  int port_keeper, peer;

  f->config.reconnect_min = f->config.reconnect_max = 20;
  fixture_start (f, uri);
  peer = fixture_accept (f, listener);
  close (peer);
  fixture_wait (f, fixture_is_down);
  jkb_bus_reconnect (f->bus);
  port_keeper = fixture_accept (f, listener);
  fixture_wait (f, fixture_is_up);
  jkb_bus_reconnect (f->bus);
  peer = fixture_accept (f, listener);
  fixture_write_frame (peer, 1, 1);
  fixture_wait (f, fixture_has_frame);
  close (port_keeper);
  close (peer);
  close (listener);
}

/* ---- replay ---- */

static char *
write_capture (guint n_frames)
{
  g_autofree guint8 *bytes = g_malloc (n_frames * FRAME_AND_ACK + 1);
  g_autofree char *file = NULL;
  int fd = g_file_open_tmp ("jkb-replay-XXXXXX", &file, NULL);

  for (guint n = 0; n < n_frames; n++)
    fixture_make_frame (bytes + n * FRAME_AND_ACK, (guint8) (n % 16), n);
  fixture_write (fd, bytes, n_frames * FRAME_AND_ACK);
  close (fd);
  return g_steal_pointer (&file);
}

/* Nothing is lost, however slow the main loop is. */
static void
test_replay_fast (Fixture *f, gconstpointer data)
{
  g_autofree char *file = write_capture (3000);
  g_autofree char *uri = g_strconcat ("replay:", file, NULL);
  JkbBusCounters counters;

  fixture_start (f, uri);
  g_usleep (100000);
  fixture_wait (f, fixture_has_ten_frames);
  g_usleep (100000);
  fixture_wait (f, fixture_is_faulty);
  g_assert_true (fixture_is_down (f));
  fixture_assert_error (f, "replay finished");
  jkb_bus_get_counters (f->bus, &counters);
  g_assert_cmpuint (counters.overruns, ==, 0);
  g_assert_cmpuint (f->n_frames, ==, 3000);
  fixture_run (300);
  g_assert_cmpuint (f->n_frames, ==, 3000);
  g_assert_cmpuint (counters.reconnects, ==, 0);
  jkb_bus_reconnect (f->bus);
  while (f->n_frames < 6000)
    g_main_context_iteration (NULL, TRUE);
  g_unlink (file);
}

/* 3,080 bytes at 5,760 a second. */
static void
test_replay_speed (Fixture *f, gconstpointer data)
{
  g_autofree char *file = write_capture (10);
  g_autofree char *uri = g_strconcat ("replay:", file, "?speed=0.5", NULL);
  gint64 begin_us = g_get_monotonic_time ();
  double seconds;

  fixture_start (f, uri);
  fixture_wait (f, fixture_has_ten_frames);
  seconds = (double) (g_get_monotonic_time () - begin_us) / G_USEC_PER_SEC;
  g_assert_cmpfloat (seconds, >=, 10 * FRAME_AND_ACK / 5760.0);
  g_assert_cmpfloat (seconds, <, 2);
  g_unlink (file);
}

static void
test_replay_loop (Fixture *f, gconstpointer data)
{
  g_autofree char *file = write_capture (3);
  g_autofree char *uri = g_strconcat ("replay:", file, "?loop=true&speed=1", NULL);

  fixture_start (f, uri);
  fixture_wait (f, fixture_has_ten_frames);
  g_assert_true (fixture_is_good (f));
  g_unlink (file);
}

static void
test_replay_empty (Fixture *f, gconstpointer data)
{
  g_autofree char *file = write_capture (0);
  g_autofree char *uri = g_strconcat ("replay:", file, "?loop=true", NULL);

  fixture_start (f, uri);
  fixture_wait (f, fixture_is_faulty);
  fixture_assert_error (f, "is empty or no plain file");
  g_unlink (file);
}

/* ---- the bus object ---- */

static void
test_bad_uri (Fixture *f, gconstpointer data)
{
  fixture_start (f, "udp:somewhere:1");
  g_assert_true (fixture_is_down (f));
  fixture_assert_error (f, "use serial:/dev");
  jkb_bus_reconnect (f->bus);
}

/* The limit with which @left more can be opened. */
static rlim_t
lowest_descriptors (guint left)
{
  rlim_t limit = 0;

  for (;; limit++)
    if (fcntl ((int) limit, F_GETFD) < 0 && left-- == 0)
      return limit;
}

/* Of the three that a bus needs to exist, none, one or two are left; nothing stays behind. */
static void
test_no_descriptor (Fixture *f, gconstpointer data)
{
  struct rlimit limit, low;

  f->config.uri = g_strdup ("serial:/dev/null");
  g_main_context_default (); /* has one of its own */
  g_assert_cmpint (getrlimit (RLIMIT_NOFILE, &limit), ==, 0);
  low = limit;
  for (guint left = 0; left <= 3; left++)
    {
      g_autoptr (JkbBus) bus = NULL;
      g_autoptr (GError) error = NULL;

      low.rlim_cur = lowest_descriptors (left);
      setrlimit (RLIMIT_NOFILE, &low);
      bus = jkb_bus_new (&f->config, NULL, NULL, NULL, &error);
      setrlimit (RLIMIT_NOFILE, &limit);
      if (left == 3)
        g_assert_no_error (error);
      else
        g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
      g_assert_true ((bus != NULL) == (left == 3));
      if (bus == NULL)
        g_assert_nonnull (strstr (error->message, "raise LimitNOFILE="));
    }
}

static void
test_disabled (Fixture *f, gconstpointer data)
{
  f->config.enabled = FALSE;
  fixture_start (f, "tcp:127.0.0.1:1");
  fixture_run (50);
  g_assert_cmpuint (f->n_changed, ==, 0);
}

/* Many lives: descriptors and threads end with each, counters and numbers go on. */
static void
test_restart (Fixture *f, gconstpointer data)
{
  int master = fixture_start_pty (f);
  guint fds = fixture_count_fds ();

  for (guint n = 0; n < 50; n++)
    {
      f->n_frames = 0;
      fixture_write_frame (master, 1, n);
      fixture_wait (f, fixture_has_frame);
      g_assert_cmpuint (f->last.sequence, ==, n);
      jkb_bus_stop (f->bus);
      g_assert_true (fixture_is_down (f));
      g_assert_cmpuint (fixture_count_fds (), <, fds);
      jkb_bus_start (f->bus);
      fixture_wait (f, fixture_is_up);
      g_assert_cmpuint (fixture_count_fds (), ==, fds);
    }
  close (master);
}

/* Frames that wait for the next tick are delivered by stop(). */
static void
test_stop_delivers (Fixture *f, gconstpointer data)
{
  int master = fixture_start_pty (f);

  jkb_bus_set_due (f->bus, G_MAXINT64);
  for (guint n = 0; n < 3; n++) /* those that introduce a BMS do not wait */
    fixture_write_frame (master, 1, n);
  while (f->n_frames < 3)
    g_main_context_iteration (NULL, TRUE);
  fixture_run (50); /* the wake-up of the third may come behind it */
  for (guint n = 3; n < 10; n++)
    fixture_write_frame (master, 1, n);
  fixture_run (100);
  g_assert_cmpuint (f->n_frames, ==, 3);
  jkb_bus_stop (f->bus);
  g_assert_cmpuint (f->n_frames, ==, 10);
  close (master);
}

static void
test_due (Fixture *f, gconstpointer data)
{
  int master = fixture_start_pty (f);
  gint64 due_us;

  for (guint n = 0; n < 3; n++)
    fixture_write_frame (master, 1, n);
  while (f->n_frames < 3)
    g_main_context_iteration (NULL, TRUE);
  fixture_run (50); /* the wake-up of the third may come behind it */
  due_us = g_get_monotonic_time () + 400000;
  jkb_bus_set_due (f->bus, due_us);
  for (guint n = 0; n < 5; n++)
    fixture_write_frame (master, 1, n);
  while (f->n_frames < 8)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (g_get_monotonic_time (), >=, due_us);
  g_assert_cmpint (g_get_monotonic_time (), <, due_us + 300000);
  close (master);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
#define ADD(name, func) g_test_add (name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("/bus/line/silence", test_silence);
  ADD ("/bus/line/no-frames", test_no_frames);
  ADD ("/bus/line/unanswered", test_unanswered);
  ADD ("/bus/reconnect", test_reconnect);
  ADD ("/bus/replay/fast", test_replay_fast);
  ADD ("/bus/replay/speed", test_replay_speed);
  ADD ("/bus/replay/loop", test_replay_loop);
  ADD ("/bus/replay/empty", test_replay_empty);
  ADD ("/bus/bad-uri", test_bad_uri);
  ADD ("/bus/no-descriptor", test_no_descriptor);
  ADD ("/bus/disabled", test_disabled);
  ADD ("/bus/restart", test_restart);
  ADD ("/bus/stop-delivers", test_stop_delivers);
  ADD ("/bus/due", test_due);
  return g_test_run ();
}
