/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the verbs share: the options of a verb beside the global ones, errors and their exit codes.
 */
#include "config.h"

#include "ctl/jkb-ctl.h"

#include <glib/gi18n.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "ctl/jkb-ctl-print.h"

G_DEFINE_QUARK (jkb-ctl-error-quark, jkb_ctl_error)

static gboolean
on_bus_option (const char *name, const char *value, gpointer data, GError **error)
{
  JkbCtl *ctl = data;

  g_clear_pointer (&ctl->address, g_free);
  if (strcmp (name, "--system") == 0)
    ctl->bus_type = G_BUS_TYPE_SYSTEM;
  else if (strcmp (name, "--session") == 0)
    ctl->bus_type = G_BUS_TYPE_SESSION;
  else
    {
      ctl->bus_type = G_BUS_TYPE_NONE;
      ctl->address = g_strdup (value);
    }
  return TRUE;
}

GOptionGroup *
jkb_ctl_global_options (JkbCtl *ctl)
{
  const GOptionEntry entries[] = {
    { "system", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, (gpointer) on_bus_option,
      N_("Use the system bus (default)"), NULL },
    { "session", 0, G_OPTION_FLAG_NO_ARG, G_OPTION_ARG_CALLBACK, (gpointer) on_bus_option,
      N_("Use the session bus"), NULL },
    { "bus-address", 0, 0, G_OPTION_ARG_CALLBACK, (gpointer) on_bus_option,
      N_("Use the D-Bus daemon at ADDRESS"), N_("ADDRESS") },
    { "no-color", 0, 0, G_OPTION_ARG_NONE, &ctl->no_color, N_("Print without colours"), NULL },
    { NULL }
  };
  GOptionGroup *group = g_option_group_new ("global", NULL, NULL, ctl, NULL);

  g_option_group_add_entries (group, entries);
  g_option_group_set_translation_domain (group, PACKAGE);
  return group;
}

static void
look_at_terminal (JkbCtl *ctl)
{
  const char *term = g_getenv ("TERM");
  const char *no_color = g_getenv ("NO_COLOR");
  struct winsize size;

  ctl->tty = isatty (STDOUT_FILENO);
  ctl->color = ctl->tty && !ctl->no_color && (no_color == NULL || *no_color == '\0')
               && term != NULL && strcmp (term, "dumb") != 0;
  if (!ctl->tty)
    return;
  ctl->width = 80;
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
    ctl->width = size.ws_col;
}

int
jkb_ctl_fail_usage (const char *message)
{
  g_printerr ("jkbmsctl: %s\n", message);
  return JKB_CTL_USAGE;
}

gboolean
jkb_ctl_parse (JkbCtl *ctl, const JkbCtlVerb *verb, const GOptionEntry *options, int *argc,
               char ***argv, int *status)
{
  g_autoptr(GOptionContext) context = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *name = g_strconcat ("jkbmsctl ", verb->name, NULL);
  g_autofree char *example
    = verb->example != NULL ? g_strdup_printf (_("Example:\n  %s"), verb->example) : NULL;
  int n_args;

  g_set_prgname (name);
  context = g_option_context_new (verb->arguments != NULL ? _(verb->arguments) : NULL);
  g_option_context_set_summary (context, verb->summary != NULL ? _(verb->summary) : NULL);
  g_option_context_set_description (context, example);
  g_option_context_set_main_group (context, jkb_ctl_global_options (ctl));
  if (options != NULL)
    g_option_context_add_main_entries (context, options, PACKAGE);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      *status = jkb_ctl_fail_usage (error->message);
      return FALSE;
    }
  n_args = *argc - 1;
  if (n_args > 0 && strcmp ((*argv)[1], "--") == 0)
    {
      memmove (*argv + 1, *argv + 2, sizeof (char *) * n_args);
      n_args--;
    }
  (*argv)++;
  *argc = n_args;
  look_at_terminal (ctl);
  if (n_args >= verb->min_args && (verb->max_args < 0 || n_args <= verb->max_args))
    return TRUE;
  g_printerr (_("jkbmsctl: usage: jkbmsctl %s%s%s (see “jkbmsctl %s --help”)\n"), verb->name,
              verb->arguments != NULL ? " " : "",
              verb->arguments != NULL ? _(verb->arguments) : "", verb->name);
  *status = JKB_CTL_USAGE;
  return FALSE;
}

JkbCtlExit
jkb_ctl_exit_code (const GError *error)
{
  if (error->domain == JKB_CTL_ERROR)
    return error->code;
  if (error->domain == JKB_ERROR)
    switch (error->code)
      {
      case JKB_ERROR_INVALID_ARGUMENT:
        return JKB_CTL_USAGE;
      case JKB_ERROR_NOT_FOUND:
        return JKB_CTL_NOT_FOUND;
      case JKB_ERROR_NOT_AUTHORIZED:
        return JKB_CTL_NOT_AUTHORIZED;
      case JKB_ERROR_OUT_OF_RANGE:
      case JKB_ERROR_INTERLOCK:
        return JKB_CTL_REFUSED;
      default:
        return JKB_CTL_FAILED;
      }
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_OBJECT))
    return JKB_CTL_NOT_FOUND;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED)
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_AUTH_FAILED))
    return JKB_CTL_NOT_AUTHORIZED;
  return JKB_CTL_FAILED;
}

static gboolean
is_absence (const GError *error)
{
  return g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN)
         || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER);
}

int
jkb_ctl_fail (JkbCtl *ctl, const GError *error)
{
  g_autoptr(GError) plain = g_error_copy (error);
  g_autofree char *text = NULL;

  g_dbus_error_strip_remote_error (plain);
  g_strdelimit (plain->message, "\r\n", ' ');
  text = jkb_ctl_text_safe (plain->message); /* a stranger's file, say, can be quoted in it */
  if (is_absence (error) && ctl->bus_type == G_BUS_TYPE_SYSTEM)
    g_printerr (_("jkbmsctl: jkbmsd is not running; start it with “systemctl start jkbmsd”\n"));
  else if (is_absence (error))
    g_printerr (_("jkbmsctl: no jkbmsd on this bus; start it with “jkbmsd %s%s”\n"),
                ctl->bus_type == G_BUS_TYPE_SESSION ? "--session" : "--bus-address ",
                ctl->bus_type == G_BUS_TYPE_SESSION ? "" : ctl->address);
  else if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
           || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    g_printerr (_("jkbmsctl: jkbmsd does not answer; see “systemctl status jkbmsd”\n"));
  else
    g_printerr ("jkbmsctl: %s\n", text);
  return jkb_ctl_exit_code (error);
}
