/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The transports by themselves: what only shows without a reader around them.
 */
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus-fixture.h"
#include "bus/jkb-resolve.h"
#include "bus/jkb-transport.h"
#include "core/jkb-error.h"

#define NOBODY 65534

static const JkbBusConfig config = { .baud = 115200 };

static JkbTransport *
open_uri (const char *uri, const JkbTransportClass **klass, GError **error)
{
  const char *rest;
  int stop_fd = eventfd (0, EFD_CLOEXEC);
  JkbTransport *transport;

  *klass = jkb_transport_find (uri, &rest, error);
  g_assert_nonnull (*klass);
  transport = (*klass)->open (rest, &config, stop_fd, error);
  close (stop_fd);
  return transport;
}

/* ---- serial, as an ordinary user ---- */

static gboolean
become_nobody (void)
{
  if (geteuid () == 0 && seteuid (NOBODY) == 0)
    return TRUE;
  g_test_skip ("needs root, to become somebody who may less");
  return FALSE;
}

static void
test_serial_denied (void)
{
  const JkbTransportClass *klass;
  g_autofree char *name = NULL;
  g_autofree char *uri = NULL;
  g_autoptr(GError) error = NULL;
  int master = fixture_make_pty (&name);

  g_chmod (name, 0600);
  uri = g_strconcat ("serial:", name, NULL);
  if (become_nobody ())
    {
      g_assert_null (open_uri (uri, &klass, &error));
      g_assert_cmpint (seteuid (0), ==, 0);
      g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
      g_test_message ("%s", error->message);
      g_assert_nonnull (
          strstr (error->message, "permission denied: add the daemon's user to the group "));
    }
  close (master);
}

/* Exclusive while open, free again afterwards although the pty lives on. */
static void
test_serial_exclusive (void)
{
  const JkbTransportClass *klass;
  g_autofree char *name = NULL;
  g_autofree char *uri = NULL;
  g_autoptr(GError) error = NULL;
  int master = fixture_make_pty (&name);
  JkbTransport *transport;
  int fd;

  uri = g_strconcat ("serial:", name, NULL);
  g_chmod (name, 0666);
  transport = open_uri (uri, &klass, &error);
  g_assert_no_error (error);
  if (become_nobody ())
    {
      fd = open (name, O_RDWR | O_NOCTTY);
      g_assert_true (fd < 0 && errno == EBUSY);
      g_assert_null (open_uri (uri, &klass, &error));
      g_assert_nonnull (strstr (error->message, "in use by another program (TIOCEXCL)"));
      klass->close (transport);
      fd = open (name, O_RDWR | O_NOCTTY);
      g_assert_cmpint (fd, >=, 0);
      close (fd);
      g_assert_cmpint (seteuid (0), ==, 0);
    }
  else
    klass->close (transport);
  close (master);
}

static void
assert_directories (const char *path, const char *expected)
{
  g_auto(GStrv) directories = jkb_transport_serial.watch_directories (path);
  g_autofree char *joined = g_strjoinv (" ", directories);

  g_assert_cmpstr (joined, ==, expected);
}

static void
test_serial_directories (void)
{
  g_autofree char *top = g_dir_make_tmp ("jkb-bus-XXXXXX", NULL);
  g_autofree char *a = g_build_filename (top, "a", NULL);
  g_autofree char *b = g_build_filename (top, "b", NULL);
  g_autofree char *link = g_build_filename (a, "port", NULL);
  g_autofree char *loop = g_build_filename (a, "loop", NULL);
  g_autofree char *both = g_strjoin (" ", a, b, NULL);
  g_autofree char *deep = g_build_filename (a, "by-id", "x", NULL);

  g_mkdir (a, 0700);
  g_mkdir (b, 0700);
  g_assert_cmpint (symlink ("../b/ttyUSB0", link), ==, 0);
  g_assert_cmpint (symlink ("loop", loop), ==, 0);
  assert_directories (link, both);
  assert_directories (deep, a);
  assert_directories (loop, a);
  assert_directories ("/no-such-directory/x/y", "/");
  g_unlink (link);
  g_unlink (loop);
  g_rmdir (a);
  g_rmdir (b);
  g_rmdir (top);
}

/* ---- TCP ---- */

static int
get_option (int fd, int name)
{
  int value = -1;
  socklen_t size = sizeof value;

  g_assert_cmpint (getsockopt (fd, SOL_SOCKET, name, &value, &size), ==, 0);
  return value;
}

static void
test_tcp_options (void)
{
  const JkbTransportClass *klass;
  g_autofree char *uri = NULL;
  g_autoptr(GError) error = NULL;
  int listener = fixture_listen (1, &uri);
  JkbTransport *transport = open_uri (uri, &klass, &error);
  guint8 buffer[16];
  int fd;

  g_assert_no_error (error);
  fd = klass->get_fd (transport);
  g_assert_cmpint (get_option (fd, SO_KEEPALIVE), ==, 1);
  klass->set_low_water (transport, 308);
  g_assert_cmpint (get_option (fd, SO_RCVLOWAT), ==, 308);
  klass->set_low_water (transport, 1);
  g_assert_cmpint (get_option (fd, SO_RCVLOWAT), ==, 1);
  g_assert_cmpint (klass->read (transport, buffer, sizeof buffer), ==, -1);
  g_assert_cmpint (errno, ==, EAGAIN);
  klass->close (transport);
  close (listener);
}

static void
test_resolve (void)
{
  int stop_fd = eventfd (0, EFD_CLOEXEC);
  g_autoptr(GError) error = NULL;
  struct addrinfo *answer;
  gint64 now_us = g_get_monotonic_time ();

  answer = jkb_resolve ("::1", "80", stop_fd, now_us, &error);
  g_assert_no_error (error);
  g_assert_cmpint (answer->ai_family, ==, AF_INET6);
  freeaddrinfo (answer);
  eventfd_write (stop_fd, 1);
  g_assert_null (
      jkb_resolve ("no-such-host.invalid", "80", stop_fd, now_us + G_USEC_PER_SEC, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  close (stop_fd);
}

int
main (int argc, char **argv)
{
  fixture_init (&argc, &argv);
  g_test_add_func ("/transport/serial/denied", test_serial_denied);
  g_test_add_func ("/transport/serial/exclusive", test_serial_exclusive);
  g_test_add_func ("/transport/serial/directories", test_serial_directories);
  g_test_add_func ("/transport/tcp/options", test_tcp_options);
  g_test_add_func ("/transport/resolve", test_resolve);
  return g_test_run ();
}
