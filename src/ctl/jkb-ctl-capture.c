/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl capture: a file with what a bus says. The file is the user's own; the daemon gets it
 * open and writes to it until told to stop.
 */
#include "config.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/jkb-ctl-client.h"

typedef struct
{
  JkbCtl *ctl;
  GMainLoop *loop;
  const char *path; /* of the bus */
  const char *file;
  int fd;
  gboolean shown; /* a line that counts stands on the terminal */
  gboolean lost;  /* the daemon or the bus is gone */
  GError *refusal;
} Capture;

static char *
size_text (const Capture *capture)
{
  struct stat status = { 0 };
  g_autofree char *size = NULL;

  fstat (capture->fd, &status);
  size = g_strdup_printf ("%" G_GINT64_FORMAT, (gint64) status.st_size);
  /* Translators: the number of bytes is a text, %s; the second %s is the file. */
  return g_strdup_printf (ngettext ("%s byte in %s", "%s bytes in %s", (gulong) status.st_size),
                          size, capture->file);
}

static int
open_file (const char *file, gboolean force, GError **error)
{
  int fd = g_open (file, O_WRONLY | O_CREAT | O_CLOEXEC | (force ? O_TRUNC : O_EXCL), 0644);
  int problem = errno;

  if (fd < 0 && problem == EEXIST)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED,
                 _("%s is there already; choose another name or say --force"), file);
  else if (fd < 0)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED, _("cannot open %s: %s"), file,
                 g_strerror (problem));
  return fd;
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Capture *capture = user_data;
  g_autoptr(GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
    G_DBUS_CONNECTION (source), NULL, result, &capture->refusal);

  if (reply == NULL)
    g_main_loop_quit (capture->loop);
}

static gboolean
start (Capture *capture, GError **error)
{
  g_autoptr(GUnixFDList) fds = g_unix_fd_list_new ();
  int index = g_unix_fd_list_append (fds, capture->fd, error);

  if (index < 0)
    return FALSE;
  g_dbus_connection_call_with_unix_fd_list (
    capture->ctl->connection, JKB_CTL_BUS_NAME, capture->path, JKB_CTL_BUS_NAME ".Bus",
    "StartCapture", g_variant_new ("(h)", index), NULL, JKB_CTL_CALL_FLAGS, jkb_ctl_timeout (0),
    fds, NULL, on_started, capture);
  return TRUE;
}

static gboolean
on_stop (gpointer user_data)
{
  g_main_loop_quit (((Capture *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_second (gpointer user_data)
{
  Capture *capture = user_data;
  g_autofree char *size = size_text (capture);

  g_printerr ("\r");
  /* Translators: %s is "123 bytes in FILE" */
  g_printerr (_("%s; Ctrl-C stops"), size);
  capture->shown = TRUE;
  return G_SOURCE_CONTINUE;
}

static void
on_daemon_gone (GDBusConnection *connection, const char *name, gpointer user_data)
{
  Capture *capture = user_data;

  capture->lost = TRUE;
  g_main_loop_quit (capture->loop);
}

static void
on_interfaces_removed (GDBusConnection *connection, const char *sender, const char *path,
                       const char *interface, const char *signal, GVariant *arguments,
                       gpointer user_data)
{
  Capture *capture = user_data;
  const char *removed;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(oas)")))
    return;
  g_variant_get_child (arguments, 0, "&o", &removed);
  if (strcmp (removed, capture->path) == 0)
    on_daemon_gone (connection, NULL, capture);
}

/* Until Ctrl-C, the end of the time, or the end of the bus. Ctrl-C counts from the start on: the
 * daemon may write already when its answer is still under way. */
static gboolean
run_to_end (Capture *capture, guint seconds, GError **error)
{
  GDBusConnection *connection = capture->ctl->connection;
  guint watch = g_bus_watch_name_on_connection (connection, JKB_CTL_BUS_NAME,
                                                G_BUS_NAME_WATCHER_FLAGS_NONE, NULL, on_daemon_gone,
                                                capture, NULL);
  guint subscription = g_dbus_connection_signal_subscribe (
    connection, JKB_CTL_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved",
    JKB_CTL_ROOT_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_interfaces_removed, capture, NULL);
  guint interrupt = g_unix_signal_add (SIGINT, on_stop, capture);
  guint terminate = g_unix_signal_add (SIGTERM, on_stop, capture);
  guint tick = isatty (STDERR_FILENO) ? g_timeout_add_seconds (1, on_second, capture) : 0;
  guint end = seconds > 0 ? g_timeout_add_seconds (seconds, on_stop, capture) : 0;
  gboolean started = start (capture, error);
  GError *refusal;

  if (started)
    g_main_loop_run (capture->loop);
  g_bus_unwatch_name (watch);
  g_dbus_connection_signal_unsubscribe (connection, subscription);
  g_source_remove (interrupt);
  g_source_remove (terminate);
  g_clear_handle_id (&tick, g_source_remove);
  g_clear_handle_id (&end, g_source_remove);
  if (capture->shown)
    g_printerr ("\r\033[K");
  if (capture->refusal == NULL)
    return started;
  refusal = g_steal_pointer (&capture->refusal);
  g_propagate_error (error, refusal);
  return FALSE;
}

static int
finish (Capture *capture)
{
  g_autofree char *size = size_text (capture);
  g_autoptr(GError) error = NULL;
  gboolean stopped
    = !capture->lost
      && jkb_ctl_call (capture->ctl, capture->path, "Bus", "StopCapture", NULL, 0, &error);

  g_print ("%s\n", size);
  if (stopped)
    return JKB_CTL_OK;
  if (error == NULL)
    g_set_error (&error, JKB_CTL_ERROR, JKB_CTL_FAILED,
                 _("jkbmsd or the bus is gone; the file ends there"));
  return jkb_ctl_fail (capture->ctl, error);
}

static int
run (Capture *capture, guint seconds, gboolean force)
{
  g_autoptr(GError) error = NULL;
  int status;

  capture->fd = open_file (capture->file, force, &error);
  if (capture->fd < 0)
    return jkb_ctl_fail (capture->ctl, error);
  if (run_to_end (capture, seconds, &error))
    status = finish (capture);
  else
    {
      /* What was made for nothing goes; what was there before was only emptied on demand. */
      if (!force)
        g_unlink (capture->file);
      status = jkb_ctl_fail (capture->ctl, error);
    }
  close (capture->fd);
  return status;
}

int
jkb_ctl_verb_capture (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean force = FALSE;
  int seconds = 0;
  const GOptionEntry options[]
    = { { "force", 'f', 0, G_OPTION_ARG_NONE, &force, N_("Replace FILE if it is there"), NULL },
        { "time", 0, 0, G_OPTION_ARG_INT, &seconds, N_("Stop after so many seconds"),
          N_("SECONDS") },
        { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GMainLoop) loop = NULL;
  g_autoptr(GError) error = NULL;
  const JkbCtlObject *bus;
  Capture capture = { ctl, NULL, NULL, NULL, -1, FALSE, FALSE, NULL };
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (seconds < 0)
    return jkb_ctl_fail_usage (_("--time is a number of seconds"));
  bus = jkb_ctl_fetch_bus (ctl, argv[0], &model, &error);
  if (bus == NULL)
    return jkb_ctl_fail (ctl, error);
  loop = g_main_loop_new (NULL, FALSE);
  capture.loop = loop;
  capture.path = bus->path;
  capture.file = argv[1];
  return run (&capture, seconds, force);
}
