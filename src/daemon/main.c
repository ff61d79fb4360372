/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsd: options, configuration, signals, exit status. The daemon itself is JkbDaemon.
 */
#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/jkb-config.h"
#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "core/jkb-watchdog.h"
#include "daemon/jkb-daemon.h"
#include "daemon/jkb-reconfigure.h"
#include "history/jkb-history-place.h"

#define EXIT_USAGE 2

typedef struct
{
  char *config;
  char *state_dir;
  gboolean system_bus;
  gboolean session_bus;
  char *bus_address;
  gboolean no_dbus;
  gboolean check_config;
  char *log_level;
  gboolean version;
} Arguments;

static void
arguments_clear (Arguments *arguments)
{
  g_free (arguments->config);
  g_free (arguments->state_dir);
  g_free (arguments->bus_address);
  g_free (arguments->log_level);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Arguments, arguments_clear)

static gboolean
parse_arguments (Arguments *a, int *argc, char ***argv, GError **error)
{
  g_autofree char *config_help
      = g_strdup_printf (_ ("Configuration file (default %s)"), JKB_CONFIG_FILE);
  g_autofree char *state_help
      = g_strdup_printf (_ ("Where state is kept (default %s)"), JKB_STATE_DIR);
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &a->config, config_help, N_ ("FILE") },
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &a->state_dir, state_help, N_ ("DIR") },
    { "system", 0, 0, G_OPTION_ARG_NONE, &a->system_bus, N_ ("Use the system D-Bus (default)"),
      NULL },
    { "session", 0, 0, G_OPTION_ARG_NONE, &a->session_bus, N_ ("Use the session D-Bus"), NULL },
    { "bus-address", 0, 0, G_OPTION_ARG_STRING, &a->bus_address,
      N_ ("Use the D-Bus daemon at this address"), N_ ("ADDR") },
    { "no-dbus", 0, 0, G_OPTION_ARG_NONE, &a->no_dbus, N_ ("Run without D-Bus"), NULL },
    { "check-config", 0, 0, G_OPTION_ARG_NONE, &a->check_config,
      N_ ("Check the configuration, print every mistake, exit"), NULL },
    { "log-level", 0, 0, G_OPTION_ARG_STRING, &a->log_level,
      N_ ("error, warning, message, info or debug (default: log-level= of [daemon])"), N_ ("LEVEL") },
    { "version", 0, 0, G_OPTION_ARG_NONE, &a->version, N_ ("Print the version and exit"), NULL },
    { NULL }
  };
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);

  g_option_context_set_summary (context, _ ("Reads JK battery management systems on RS485 and "
                                            "offers them on D-Bus and MQTT."));
  g_option_context_add_main_entries (context, entries, PACKAGE);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  if (*argc > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, _ ("unexpected argument '%s'"),
                   (*argv)[1]);
      return FALSE;
    }
  if (a->system_bus + a->session_bus + a->no_dbus + (a->bus_address != NULL) > 1)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "%s",
                   _ ("give only one of --system, --session, --bus-address and --no-dbus"));
      return FALSE;
    }
  return TRUE;
}

static GBusType
bus_type (const Arguments *a)
{
  if (a->no_dbus || a->bus_address != NULL)
    return G_BUS_TYPE_NONE;
  return a->session_bus ? G_BUS_TYPE_SESSION : G_BUS_TYPE_SYSTEM;
}

/* Mistakes do not stop the daemon: what is right is used, what is wrong is said. */
static JkbConfig *
load_config (const JkbDaemonOptions *options)
{
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  JkbConfig *config = jkb_config_load (options->config_file, options->config_required,
                                       options->state_dir, problems);

  for (guint i = 0; i < problems->len; i++)
    {
      g_autofree char *text = jkb_problem_to_string (g_ptr_array_index (problems, i));

      jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s", text);
    }
  return config;
}

/* ---- running ---- */

typedef struct
{
  GMainLoop *loop;
  JkbDaemon *daemon;
  gboolean stopping;
} Run;

static gboolean
on_stop_signal (gpointer user_data)
{
  Run *run = user_data;

  if (!run->stopping)
    jkb_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "stopping");
  run->stopping = TRUE;
  g_main_loop_quit (run->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload_signal (gpointer user_data)
{
  Run *run = user_data;

  jkb_reconfigure_reload_async (jkb_daemon_get_reconfigure (run->daemon), NULL, NULL);
  return G_SOURCE_CONTINUE;
}

static gboolean
is_alive (gint64 monotonic_us, gpointer user_data)
{
  Run *run = user_data;

  return jkb_daemon_is_alive (run->daemon, monotonic_us);
}

static void
on_running (JkbDaemon *daemon, gpointer user_data)
{
  g_autofree char *status = jkb_daemon_describe (daemon);

  jkb_notify_ready (status);
}

static int
run_daemon (const JkbDaemonOptions *options, JkbConfig *config)
{
  Run run = { 0 };
  JkbWatchdog *watchdog;

  run.loop = g_main_loop_new (NULL, FALSE);
  g_unix_signal_add (SIGTERM, on_stop_signal, &run);
  g_unix_signal_add (SIGINT, on_stop_signal, &run);

  jkb_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, PACKAGE " " VERSION " starts, %u bus%s configured",
           config->buses->len, config->buses->len == 1 ? "" : "es");
  run.daemon = jkb_daemon_new (options, config);
  g_unix_signal_add (SIGHUP, on_reload_signal, &run);
  watchdog = jkb_watchdog_new (is_alive, &run);
  jkb_daemon_start (run.daemon, on_running, &run);
  g_main_loop_run (run.loop);

  jkb_notify_stopping ();
  jkb_daemon_stop (run.daemon);
  jkb_watchdog_free (watchdog);
  g_object_unref (run.daemon);
  g_main_loop_unref (run.loop);
  return EXIT_SUCCESS;
}

/* Help is in the user's language. Everything after it, the log above all, is English: also what the C
 * library says of an error. No thread runs yet. */
static gboolean
parse_in_own_language (Arguments *arguments, int *argc, char ***argv, GError **error)
{
  const char *directory = g_getenv ("JKBMSD_LOCALEDIR");
  gboolean good;

  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  bindtextdomain (PACKAGE, directory != NULL ? directory : LOCALEDIR);
  bind_textdomain_codeset (PACKAGE, "UTF-8");
  textdomain (PACKAGE);
  good = parse_arguments (arguments, argc, argv, error);
  setlocale (LC_MESSAGES, "C");
  return good;
}

/* That of the service; by hand, one of our own. */
static void
find_runtime_dir (JkbDaemonOptions *options)
{
  options->runtime_dir = g_strdup (g_getenv ("RUNTIME_DIRECTORY"));
  if (options->runtime_dir != NULL)
    return;
  options->runtime_dir = jkb_history_place_find_usual (options->state_dir);
  options->runtime_dir_is_ours = options->runtime_dir != NULL;
}

/* Threads of paho end by themselves, without being waited for, and take what OpenSSL keeps of them
 * along; exit() has OpenSSL tidy up the same, and both at once frees it twice. Nothing else is left to
 * do in there, but for a sanitizer that looks for leaks. */
static int
end_process (int status)
{
  if (JKB_SANITIZED)
    return status;
  fflush (NULL);
  _exit (status);
}

int
main (int argc, char **argv)
{
  g_auto (Arguments) arguments = { 0 };
  g_autoptr (GError) error = NULL;
  JkbDaemonOptions options = { 0 };
  JkbConfig *config;
  int status;

  /* Dozens of reader threads would each get a heap of their own, which never shrinks. */
  mallopt (M_ARENA_MAX, 2);
  jkb_error_quark ();

  if (!parse_in_own_language (&arguments, &argc, &argv, &error))
    {
      fprintf (stderr, "jkbmsd: %s\n", error->message);
      return EXIT_USAGE;
    }
  if (arguments.version)
    {
      printf ("%s %s\n", PACKAGE, VERSION);
      return EXIT_SUCCESS;
    }

  options.config_required = arguments.config != NULL;
  options.config_file = arguments.config != NULL ? arguments.config : (char *) JKB_CONFIG_FILE;
  options.state_dir = arguments.state_dir != NULL ? arguments.state_dir : (char *) JKB_STATE_DIR;
  options.bus_address = arguments.bus_address;
  options.bus_type = bus_type (&arguments);
  if (arguments.check_config)
    return jkb_config_check (options.config_file, options.config_required, options.state_dir,
                             stdout);

  jkb_log_init ();
  config = load_config (&options);
  if (!jkb_log_set_level (arguments.log_level != NULL ? arguments.log_level
                                                      : config->daemon.log_level))
    {
      fprintf (stderr, "jkbmsd: --log-level is one of error, warning, message, info, debug\n");
      jkb_config_free (config);
      return EXIT_USAGE;
    }
  find_runtime_dir (&options);
  status = run_daemon (&options, config);
  g_free (options.runtime_dir);
  return end_process (status);
}
