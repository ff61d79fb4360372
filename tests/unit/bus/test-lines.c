/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Whole buses, reader thread and main loop, on ptys and sockets: what ports and connections do.
 */
#include <asm/termbits.h> /* struct termios2 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus-fixture.h"

#define MEGABYTE (1024 * 1024)

/* ---- serial ---- */

static void
test_serial_raw (Fixture *f, gconstpointer data)
{
  int master = fixture_start_pty (f);
  struct termios2 tio;

  g_assert_cmpint (ioctl (master, TCGETS2, &tio), ==, 0);
  g_assert_cmpuint (tio.c_iflag, ==, 0);
  g_assert_cmpuint (tio.c_oflag, ==, 0);
  g_assert_cmpuint (tio.c_lflag, ==, 0);
  g_assert_cmpuint (tio.c_cflag & (CSIZE | PARENB | CSTOPB | CRTSCTS), ==, CS8);
  g_assert_cmpuint (tio.c_ospeed, ==, 115200);
  g_assert_cmpstr (jkb_role_name (jkb_bus_get_role (f->bus)), ==, "listening");
  close (master);
}

static void
test_serial_odd_speed (Fixture *f, gconstpointer data)
{
  int master;

  f->config.baud = 123456;
  master = fixture_start_pty (f);
  fixture_write_frame (master, 1, 0);
  fixture_wait (f, fixture_has_frame);
  close (master);
}

/* What lay in the adapter before the port was opened has no time: it is thrown away. */
static void
test_serial_stale (Fixture *f, gconstpointer data)
{
  g_autofree char *name = NULL;
  g_autofree char *uri = NULL;
  int master = fixture_make_pty (&name);
  int other = open (name, O_RDWR | O_NOCTTY | O_CLOEXEC);

  fixture_write_frame (master, 1, 1);
  uri = g_strconcat ("serial:", name, NULL);
  fixture_start (f, uri);
  fixture_wait (f, fixture_is_up);
  fixture_write_frame (master, 2, 2);
  fixture_wait (f, fixture_has_frame);
  g_assert_cmpuint (f->frames_of[1], ==, 0);
  close (other);
  close (master);
}

/* Frames with every byte value, split anywhere. */
static void
test_serial_frames (Fixture *f, gconstpointer data)
{
  int master = fixture_start_pty (f);
  guint8 bytes[FRAME_AND_ACK];

  for (guint n = 0; n < 20; n++)
    {
      guint split = 1 + n * 15;

      fixture_make_frame (bytes, 3, 0x0D111304 + n);
      fixture_write (master, bytes, split);
      fixture_run (5);
      fixture_write (master, bytes + split, sizeof bytes - split);
    }
  while (f->n_frames < 20)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (f->frames_of[3], ==, 20);
  g_assert_cmpmem (f->last.data, JKB_FRAME_SIZE, bytes, JKB_FRAME_SIZE);
  g_assert_cmpint (f->last.evidence, ==, JKB_EVIDENCE_ACK);
  g_assert_cmpint (ABS (f->last.realtime_us - g_get_real_time ()), <, G_USEC_PER_SEC);
  g_assert_cmpint (ABS (f->last.monotonic_us - g_get_monotonic_time ()), <, G_USEC_PER_SEC);
  close (master);
}

static void
test_serial_in_use (Fixture *f, gconstpointer data)
{
  g_autofree char *name = NULL;
  g_autofree char *uri = NULL;
  int master = fixture_make_pty (&name);
  int other = open (name, O_RDWR | O_NOCTTY | O_CLOEXEC);

  g_assert_cmpint (flock (other, LOCK_EX), ==, 0);
  uri = g_strconcat ("serial:", name, NULL);
  fixture_start (f, uri);
  fixture_wait (f, fixture_is_faulty);
  fixture_assert_error (f, "is in use by another program (flock)");
  fixture_run (500);
  g_assert_cmpuint (fixture_count_log ("in use"), ==, 1);
  close (other);
  fixture_wait (f, fixture_is_good);
  other = open (name, O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (other < 0 ? -1 : flock (other, LOCK_EX | LOCK_NB), ==, -1);
  if (other >= 0)
    close (other);
  close (master);
}

static void
test_serial_no_port (Fixture *f, gconstpointer data)
{
  fixture_start (f, "serial:/dev/null");
  fixture_wait (f, fixture_is_faulty);
  fixture_assert_error (f, "/dev/null is not a serial port");
}

/* Back-off alone would take twenty seconds: the directory tells. */
static void
test_serial_replug (Fixture *f, gconstpointer data)
{
  g_autofree char *directory = g_dir_make_tmp ("jkb-bus-XXXXXX", NULL);
  g_autofree char *by_id = g_build_filename (directory, "serial", "by-id", NULL);
  g_autofree char *parent = g_build_filename (directory, "serial", NULL);
  g_autofree char *link = g_build_filename (by_id, "usb-adapter", NULL);
  g_autofree char *uri = g_strconcat ("serial:", link, NULL);
  guint fds = 0;

  f->config.reconnect_min = f->config.reconnect_max = 20;
  fixture_start (f, uri);
  fixture_wait (f, fixture_is_faulty);
  fixture_assert_error (f, "is not there: plug the adapter in");
  for (guint n = 0; n < 4; n++)
    {
      g_autofree char *name = NULL;
      int master = fixture_make_pty (&name);

      f->n_frames = 0;
      g_assert_cmpint (g_mkdir_with_parents (by_id, 0700), ==, 0);
      g_assert_cmpint (symlink (name, link), ==, 0);
      fixture_wait (f, fixture_is_good);
      fixture_write_frame (master, 1, n);
      fixture_wait (f, fixture_has_frame);
      if (n == 0)
        fds = fixture_count_fds ();
      g_assert_cmpuint (fixture_count_fds (), ==, fds);
      g_unlink (link);
      g_rmdir (by_id);
      g_rmdir (parent);
      close (master);
      fixture_wait (f, fixture_is_down);
      fixture_assert_error (f, "adapter unplugged");
    }
  g_rmdir (directory);
}

/* ---- TCP ---- */

static void
test_tcp_frames (Fixture *f, gconstpointer data)
{
  int listener, peer = fixture_start_tcp (f, &listener);
  guint8 bytes[3 * FRAME_AND_ACK];

  for (guint n = 0; n < 3; n++)
    fixture_make_frame (bytes + n * FRAME_AND_ACK, (guint8) n, n);
  fixture_write (peer, bytes, 500);
  fixture_run (20);
  fixture_write (peer, bytes + 500, 300);
  fixture_run (80);
  fixture_write (peer, bytes + 800, sizeof bytes - 800);
  while (f->n_frames < 3)
    g_main_context_iteration (NULL, TRUE);
  for (guint n = 0; n < 3; n++)
    g_assert_cmpuint (f->frames_of[n], ==, 1);
  close (peer);
  close (listener);
}

/* A record that stalls is read as far as it came, and its rest at once: low water never delays. */
static void
test_tcp_stalls (Fixture *f, gconstpointer data)
{
  int listener, peer = fixture_start_tcp (f, &listener);
  guint8 bytes[FRAME_AND_ACK];
  gint64 begin_us;

  fixture_make_frame (bytes, 1, 1);
  for (guint i = 0; i < sizeof bytes - 10; i += 50)
    {
      fixture_write (peer, bytes + i, MIN (50, sizeof bytes - 10 - i));
      fixture_run (70);
    }
  begin_us = g_get_monotonic_time ();
  fixture_write (peer, bytes + sizeof bytes - 10, 10);
  fixture_wait (f, fixture_has_frame);
  g_assert_cmpint (g_get_monotonic_time () - begin_us, <, G_USEC_PER_SEC / 2);
  close (peer);
  close (listener);
}

/* On a busy bus whole records are waited for; one that does not come holds up nothing. */
static void
test_tcp_rhythm_breaks (Fixture *f, gconstpointer data)
{
  int listener, peer = fixture_start_tcp (f, &listener);
  guint8 bytes[FRAME_AND_ACK];

  for (guint n = 0; n < 12; n++)
    {
      fixture_write_frame (peer, n % 3 + 1, n);
      fixture_run (26);
    }
  while (f->n_frames < 12)
    g_main_context_iteration (NULL, TRUE);

  fixture_make_frame (bytes, 1, 12);
  fixture_write (peer, bytes, 100);
  fixture_run (150);
  fixture_write (peer, bytes + 100, sizeof bytes - 100);
  f->n_frames = 0;
  fixture_wait (f, fixture_has_frame);
  for (guint n = 0; n < 3; n++)
    {
      f->n_frames = 0;
      fixture_write_frame (peer, 7, 13 + n);
      fixture_wait (f, fixture_has_frame);
      fixture_run (100);
    }
  close (peer);
  close (listener);
}

/* Retried with back-off, told once. */
static void
test_tcp_closes_at_once (Fixture *f, gconstpointer data)
{
  int listener, peer = fixture_start_tcp (f, &listener);
  JkbBusCounters counters;

  close (peer);
  fixture_wait (f, fixture_is_down);
  fixture_assert_error (f, "peer closed the connection");
  for (guint i = 0; i < 5; i++)
    close (fixture_accept (f, listener));
  peer = fixture_accept (f, listener);
  fixture_write_frame (peer, 1, 1);
  fixture_wait (f, fixture_has_frame);
  g_assert_true (fixture_is_good (f));
  g_assert_cmpuint (fixture_count_log ("peer closed"), ==, 1);
  g_assert_cmpuint (fixture_count_log ("peer"), ==, 1);
  jkb_bus_get_counters (f->bus, &counters);
  g_assert_cmpuint (counters.reconnects, ==, 6);
  close (peer);
  close (listener);
}

static void
test_tcp_refused (Fixture *f, gconstpointer data)
{
  g_autofree char *uri = NULL;
  int listener = fixture_listen (1, &uri);

  close (listener);
  fixture_start (f, uri);
  fixture_wait (f, fixture_is_faulty);
  fixture_assert_error (f, "refuses connections to port");
}

/* Nobody takes the connection: neither stop() nor reconnect() wait for it. */
static void
test_tcp_black_hole (Fixture *f, gconstpointer data)
{
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  g_autofree char *uri = NULL;
  int listener = fixture_listen (0, &uri);
  int fillers[4];

  g_assert_cmpint (getsockname (listener, (struct sockaddr *) &address, &size), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (fillers); i++)
    {
      fillers[i] = socket (AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
      if (connect (fillers[i], (struct sockaddr *) &address, size) < 0)
        g_assert_cmpint (errno, ==, EINPROGRESS);
    }
  fixture_run (50);
  fixture_start (f, uri);
  fixture_run (100);
  g_assert_cmpint (jkb_bus_get_state (f->bus), ==, JKB_LINK_CONNECTING);
  jkb_bus_reconnect (f->bus);
  fixture_run (100);
  g_assert_cmpint (jkb_bus_get_state (f->bus), ==, JKB_LINK_CONNECTING);
  for (guint i = 0; i < G_N_ELEMENTS (fillers); i++)
    close (fillers[i]);
  close (listener);
}

static void
test_tcp_bad_name (Fixture *f, gconstpointer data)
{
  fixture_start (f, "tcp:no-such-host.invalid:4000");
  fixture_run (30);
}

/* Megabytes of noise with a header now and then: memory stays, and the next good frame counts. */
static void
test_tcp_garbage (Fixture *f, gconstpointer data)
{
  int listener, peer = fixture_start_tcp (f, &listener);
  g_autofree guint8 *noise = g_malloc (MEGABYTE);
  JkbBusCounters counters;
  guint32 state = 12345;

  for (guint i = 0; i < MEGABYTE; i++)
    noise[i] = (guint8) ((state = state * 1103515245u + 12345u) >> 16);
  for (guint i = 0; i + 5 < MEGABYTE; i += 4096)
    memcpy (noise + i, "\x55\xAA\xEB\x90\x02", 5);
  for (guint i = 0; i < 20; i++)
    fixture_write (peer, noise, MEGABYTE);
  for (guint i = 0; i < 3; i++)
    fixture_write_frame (peer, 7, i);
  while (f->frames_of[7] < 2) /* the first may be swallowed by a header in front of it */
    g_main_context_iteration (NULL, TRUE);
  fixture_run (50); /* counters are told once per pass, after the frames of it */
  jkb_bus_get_counters (f->bus, &counters);
  g_assert_cmpuint (counters.bytes_received, ==, 20 * MEGABYTE + 3 * FRAME_AND_ACK);
  g_assert_cmpuint (counters.checksum_errors, >, 0);
  close (peer);
  close (listener);
}

/* As fast as a socket goes: what is not delivered is counted, and the newest is there. */
static void
test_tcp_flood (Fixture *f, gconstpointer data)
{
  enum { N = 100000, BATCH = 500 };
  int listener, peer = fixture_start_tcp (f, &listener);
  g_autofree guint8 *bytes = g_malloc (BATCH * FRAME_AND_ACK);
  JkbBusCounters counters;
  guint32 ticks = 0;

  for (guint32 n = 0; n < N; n += BATCH)
    {
      for (guint32 i = 0; i < BATCH; i++)
        fixture_make_frame (bytes + i * FRAME_AND_ACK, (guint8) ((n + i) % 16), n + i);
      fixture_write (peer, bytes, BATCH * FRAME_AND_ACK);
    }
  while (ticks != N - 1)
    {
      g_main_context_iteration (NULL, TRUE);
      memcpy (&ticks, f->last.data + 246, sizeof ticks);
    }
  fixture_run (100);
  jkb_bus_get_counters (f->bus, &counters);
  g_test_message ("%u delivered, %" G_GUINT64_FORMAT " overruns", f->n_frames, counters.overruns);
  g_assert_cmpuint (counters.frames_received, ==, N);
  g_assert_cmpuint (f->n_frames + counters.overruns + counters.unattributed_frames, ==, N);
  close (peer);
  close (listener);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
#define ADD(name, func) g_test_add (name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("/bus/serial/raw", test_serial_raw);
  ADD ("/bus/serial/odd-speed", test_serial_odd_speed);
  ADD ("/bus/serial/frames", test_serial_frames);
  ADD ("/bus/serial/stale", test_serial_stale);
  ADD ("/bus/serial/in-use", test_serial_in_use);
  ADD ("/bus/serial/no-port", test_serial_no_port);
  ADD ("/bus/serial/replug", test_serial_replug);
  ADD ("/bus/tcp/frames", test_tcp_frames);
  ADD ("/bus/tcp/stalls", test_tcp_stalls);
  ADD ("/bus/tcp/rhythm-breaks", test_tcp_rhythm_breaks);
  ADD ("/bus/tcp/closes-at-once", test_tcp_closes_at_once);
  ADD ("/bus/tcp/refused", test_tcp_refused);
  ADD ("/bus/tcp/black-hole", test_tcp_black_hole);
  ADD ("/bus/tcp/bad-name", test_tcp_bad_name);
  ADD ("/bus/tcp/garbage", test_tcp_garbage);
  ADD ("/bus/tcp/flood", test_tcp_flood);
  return g_test_run ();
}
