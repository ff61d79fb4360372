/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What systemd is told, read from a notify socket of our own.
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/jkb-watchdog.h"

#define STALE_US (10 * G_USEC_PER_SEC)

static int notify_fd = -1;
static guint n_warnings;

static GLogWriterOutput
count_warnings (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if (level & G_LOG_LEVEL_WARNING)
    n_warnings++;
  return G_LOG_WRITER_HANDLED;
}

static void
open_socket (void)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  g_autofree char *name = g_strdup_printf ("@jkb-watchdog-%d", getpid ());

  notify_fd = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  memcpy (address.sun_path + 1, name + 1, strlen (name) - 1);
  g_assert_cmpint (bind (notify_fd, (struct sockaddr *) &address,
                         offsetof (struct sockaddr_un, sun_path) + strlen (name)),
                   ==, 0);
  g_setenv ("NOTIFY_SOCKET", name, TRUE);
  g_setenv ("WATCHDOG_USEC", "200000", TRUE);
}

/* Returns: the next message, "" when there is none. */
static const char *
receive (void)
{
  static char text[500];
  gssize n = recv (notify_fd, text, sizeof text - 1, MSG_DONTWAIT);

  text[MAX (n, 0)] = '\0';
  return text;
}

static gboolean
is_fresh (gint64 monotonic_us, gpointer user_data)
{
  return monotonic_us - *(gint64 *) user_data < STALE_US;
}

static void
test_decision (void)
{
  gint64 beat = 100;
  g_autoptr(JkbWatchdog) watchdog = jkb_watchdog_new (is_fresh, &beat);

  g_assert_cmpuint (jkb_watchdog_get_period (watchdog), ==, 100000);
  g_assert_true (jkb_watchdog_tick (watchdog, beat));
  g_assert_cmpstr (receive (), ==, "WATCHDOG=1");
  g_assert_true (jkb_watchdog_tick (watchdog, beat + STALE_US - 1));
  g_assert_cmpstr (receive (), ==, "WATCHDOG=1");
  g_assert_false (jkb_watchdog_tick (watchdog, beat + STALE_US));
  g_assert_false (jkb_watchdog_tick (watchdog, beat + STALE_US + 1));
  g_assert_cmpuint (n_warnings, ==, 1);
  g_assert_cmpstr (receive (), ==, "");
  beat += STALE_US;
  g_assert_true (jkb_watchdog_tick (watchdog, beat + 1));
  g_assert_cmpstr (receive (), ==, "WATCHDOG=1");
}

static gboolean
count_and_quit (gint64 monotonic_us, gpointer user_data)
{
  g_main_loop_quit (user_data);
  return TRUE;
}

static void
test_timer (void)
{
  g_autoptr(GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr(JkbWatchdog) watchdog = jkb_watchdog_new (count_and_quit, loop);

  g_assert_cmpuint (jkb_watchdog_get_period (watchdog), >, 0);
  g_main_loop_run (loop);
  g_assert_cmpstr (receive (), ==, "WATCHDOG=1");
}

static void
test_notices (void)
{
  jkb_notify_ready ("2 buses up\nREADY=0");
  g_assert_cmpstr (receive (), ==, "READY=1\nSTATUS=2 buses up READY=0");
  jkb_notify_status ("1 bus\nup");
  g_assert_cmpstr (receive (), ==, "STATUS=1 bus up");
  jkb_notify_reloading (42);
  g_assert_cmpstr (receive (), ==, "RELOADING=1\nMONOTONIC_USEC=42");
  jkb_notify_stopping ();
  g_assert_cmpstr (receive (), ==, "STOPPING=1\nSTATUS=stopping");
}

static void
test_without_systemd (void)
{
  gint64 beat = 0;

  g_unsetenv ("WATCHDOG_USEC");
  g_unsetenv ("NOTIFY_SOCKET");
  {
    g_autoptr(JkbWatchdog) watchdog = jkb_watchdog_new (is_fresh, &beat);

    g_assert_cmpuint (jkb_watchdog_get_period (watchdog), ==, 0);
    g_assert_true (jkb_watchdog_tick (watchdog, 0));
  }
  jkb_notify_ready (NULL);
  g_assert_cmpstr (receive (), ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (count_warnings, NULL, NULL);
  open_socket ();
  g_test_add_func ("/watchdog/decision", test_decision);
  g_test_add_func ("/watchdog/timer", test_timer);
  g_test_add_func ("/watchdog/notices", test_notices);
  g_test_add_func ("/watchdog/without-systemd", test_without_systemd);
  return g_test_run ();
}
