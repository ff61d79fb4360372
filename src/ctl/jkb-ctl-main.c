/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl: the table of verbs, the global options, --help. Each group of verbs is a file of its
 * own. One thread.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <langinfo.h>
#include <locale.h>
#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-suggest.h"
#include "ctl/jkb-ctl-print.h"

#define VERB_WIDTH 20

static int run_help (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);

static const JkbCtlVerb verbs[] = {
  { "list", NULL, N_("List the buses and every BMS with its main values"), "jkbmsctl list", 0, 0,
    jkb_ctl_verb_list },
  /* Translators: words in capitals stand for what the user types: the same in all texts */
  { "show", N_("ID"), N_("Show everything that is known of a BMS"), "jkbmsctl show garage_1 --json",
    1, 1, jkb_ctl_verb_show },
  { "get", N_("ID KEY"), N_("Print one value of a BMS, bare"),
    "jkbmsctl get garage_1 state_of_charge", 2, 2, jkb_ctl_verb_get },
  { "history", N_("ID KEY"), N_("Show how a value of a BMS went over time"),
    "jkbmsctl history garage_1 state_of_charge --since 24h --plot", 2, 2, jkb_ctl_verb_history },
  { "monitor", N_("[ID…] [KEY…]"), N_("Print a line for every change"),
    "jkbmsctl monitor garage_1 current power", 0, -1, jkb_ctl_verb_monitor },
  { "top", NULL, N_("Show everything on a live screen"), "jkbmsctl top", 0, 0, jkb_ctl_verb_top },
  { "health", NULL, N_("Print good, degraded or down"), "jkbmsctl health --strict", 0, 0,
    jkb_ctl_verb_health },
  { "settings", N_("ID"), N_("Show the settings of a BMS, compare or export them"),
    "jkbmsctl settings garage_1 --diff garage_2", 1, 1, jkb_ctl_verb_settings },
  { "set", N_("ID KEY=VALUE…"), N_("Write settings of a BMS"),
    "jkbmsctl set garage_1 max_charge_current=90 --dry-run", 2, -1, jkb_ctl_verb_set },
  { "apply", N_("ID FILE"), N_("Write the settings of a file"),
    "jkbmsctl apply garage_1 garage_1.conf --dry-run", 2, 2, jkb_ctl_verb_apply },
  { "snapshots", N_("ID"), N_("List the settings that were kept before each write"),
    "jkbmsctl snapshots garage_1", 1, 1, jkb_ctl_verb_snapshots },
  { "restore", N_("ID SNAPSHOT"), N_("Write the settings of a snapshot back"),
    "jkbmsctl restore garage_1 20261122T081500.000Z", 2, 2, jkb_ctl_verb_restore },
  { "bus list", NULL, N_("List the buses with their counters"), "jkbmsctl bus list", 0, 0,
    jkb_ctl_verb_bus_list },
  { "bus add", N_("NAME URI [KEY=VALUE…]"), N_("Add a bus"),
    "jkbmsctl bus add garage tcp:192.168.1.7:8899 mode=listen", 2, -1, jkb_ctl_verb_bus_add },
  { "bus set", N_("NAME KEY=VALUE…"), N_("Change options of a bus"),
    "jkbmsctl bus set garage poll-interval=5", 2, -1, jkb_ctl_verb_bus_set },
  { "bus remove", N_("NAME"), N_("Remove a bus and its BMS"), "jkbmsctl bus remove garage", 1, 1,
    jkb_ctl_verb_bus_remove },
  { "bus scan", N_("NAME"), N_("Ask all addresses of a bus now"), "jkbmsctl bus scan garage", 1, 1,
    jkb_ctl_verb_bus_scan },
  { "mqtt show", NULL, N_("Show the connection to the MQTT broker"), "jkbmsctl mqtt show", 0, 0,
    jkb_ctl_verb_mqtt_show },
  { "mqtt set", N_("KEY=VALUE…"), N_("Change the connection to the MQTT broker"),
    "jkbmsctl mqtt set uri=mqtt://192.168.1.2 username=jkbms password=-", 1, -1,
    jkb_ctl_verb_mqtt_set },
  { "config show", NULL, N_("Show the configuration that counts"), "jkbmsctl config show --origin",
    0, 0, jkb_ctl_verb_config_show },
  { "config reset", N_("[GROUP [KEY]]"), N_("Drop what was changed at run time"),
    "jkbmsctl config reset mqtt interval", 0, 3, jkb_ctl_verb_config_reset },
  { "forget", N_("ID"), N_("Forget a BMS that is gone"), "jkbmsctl forget garage_13", 1, 1,
    jkb_ctl_verb_forget },
  { "capture", N_("BUS FILE"), N_("Write down what a bus says"),
    "jkbmsctl capture garage garage.bin", 2, 2, jkb_ctl_verb_capture },
  { "decode", N_("FILE|-"), N_("Explain recorded bytes of a bus (needs no daemon)"),
    "jkbmsctl decode --json garage.bin", 1, 1, jkb_ctl_verb_decode },
  { "doctor", N_("[BUS|PORT]"), N_("Say what is wrong with a bus or a port"),
    "jkbmsctl doctor /dev/ttyUSB0", 0, 1, jkb_ctl_verb_doctor },
  { "ports", NULL, N_("List the serial adapters of this machine"), "jkbmsctl ports", 0, 0,
    jkb_ctl_verb_ports },
  { "help", N_("[VERB]"), N_("Explain a verb"), "jkbmsctl help bus add", 0, 2, run_help },
  { "complete", "WHAT [OF]", NULL, NULL, 1, 2, jkb_ctl_verb_complete },
};

const JkbCtlVerb *
jkb_ctl_verbs (gsize *n_verbs)
{
  *n_verbs = G_N_ELEMENTS (verbs);
  return verbs;
}

static JkbCtl ctl_state = { .bus_type = G_BUS_TYPE_SYSTEM };

/* "bus" and "list" are one verb; "mqtt" alone shows. */
static const JkbCtlVerb *
find_verb (int argc, char **argv, int *n_words)
{
  g_autofree char *two = argc > 1 ? g_strconcat (argv[0], " ", argv[1], NULL) : NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      *n_words = strchr (verbs[i].name, ' ') != NULL ? 2 : 1;
      if (strcmp (verbs[i].name, *n_words == 2 && two != NULL ? two : argv[0]) == 0)
        return &verbs[i];
    }
  *n_words = 1;
  if (strcmp (argv[0], "mqtt") == 0 && (argc == 1 || argv[1][0] == '-'))
    return find_verb (2, (char *[]) { argv[0], (char *) "show" }, &(int) { 0 });
  return NULL;
}

static void
append_verbs (GString *out, const char *first_word)
{
  gsize n = first_word != NULL ? strlen (first_word) : 0;

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      const JkbCtlVerb *verb = &verbs[i];
      g_autofree char *left = NULL;

      if (verb->summary == NULL)
        continue;
      if (n > 0 && (strncmp (verb->name, first_word, n) != 0 || verb->name[n] != ' '))
        continue;
      left = g_strjoin (" ", verb->name, verb->arguments != NULL ? _(verb->arguments) : NULL, NULL);
      g_string_append (out, "\n  ");
      jkb_ctl_text_pad (out, left, VERB_WIDTH, FALSE, FALSE);
      if (jkb_ctl_text_width (left) > VERB_WIDTH)
        g_string_append_printf (out, "\n%*s", 2 + VERB_WIDTH, "");
      g_string_append_printf (out, "  %s", _(verb->summary));
    }
}

static GOptionContext *
main_context (JkbCtl *ctl, gboolean *version)
{
  const GOptionEntry entries[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, version, N_("Print the version"), NULL }, { NULL }
  };
  GOptionContext *context = g_option_context_new (_("VERB [ARGUMENT…]"));
  g_autoptr(GString) summary = g_string_new (_("Talks to jkbmsd, the daemon for JK BMS.\n\nVerbs:"));

  append_verbs (summary, NULL);
  g_option_context_set_summary (context, summary->str);
  g_option_context_set_description (
    context, _("“jkbmsctl VERB --help” explains a verb. ID is the id or name of a BMS, or the\n"
               "beginning of it. Without a bus option, JKBMSD_BUS_ADDRESS names the D-Bus daemon."));
  g_option_context_set_main_group (context, jkb_ctl_global_options (ctl));
  g_option_context_add_main_entries (context, entries, PACKAGE);
  g_option_context_set_strict_posix (context, TRUE);
  return context;
}

/* "bus lst": the verb of a group that was meant. */
static const char *
guess_in_group (const char *group, const char *word)
{
  const char *words[G_N_ELEMENTS (verbs) + 1] = { NULL };
  gsize n = strlen (group), n_words = 0;
  const char *guess;

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (strncmp (verbs[i].name, group, n) == 0 && verbs[i].name[n] == ' ')
      words[n_words++] = verbs[i].name + n + 1;
  guess = jkb_suggest (word, words);
  return guess != NULL ? guess - n - 1 : NULL;
}

static int
unknown_verb (int argc, char **argv)
{
  g_autoptr(GString) group = g_string_new (NULL);
  g_autofree char *two = argc > 1 ? g_strconcat (argv[0], " ", argv[1], NULL) : NULL;
  const char *words[G_N_ELEMENTS (verbs) + 1] = { NULL };
  const char *guess;

  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    words[i] = verbs[i].name;
  guess = jkb_suggest (argv[0], words);
  append_verbs (group, argv[0]);
  if (group->len == 0 && guess != NULL)
    g_printerr (_("jkbmsctl: there is no verb “%s”; did you mean “%s”?\n"), argv[0], guess);
  else if (group->len == 0)
    g_printerr (_("jkbmsctl: there is no verb “%s” (see “jkbmsctl --help”)\n"), argv[0]);
  else if (argc > 1 && (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0))
    {
      g_print (_("Verbs:%s\n"), group->str);
      return JKB_CTL_OK;
    }
  else if (two != NULL && (guess = guess_in_group (argv[0], argv[1])) != NULL)
    g_printerr (_("jkbmsctl: there is no verb “%s”; did you mean “%s”?\n"), two, guess);
  else
    g_printerr (_("jkbmsctl: “%s” needs one of its verbs (see “jkbmsctl %s --help”)\n"), argv[0],
                argv[0]);
  return JKB_CTL_USAGE;
}

/* "help VERB" is "VERB --help". */
static int
run_help (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  char *words[] = { NULL, NULL, NULL, NULL };
  const JkbCtlVerb *wanted;
  int status, n_words;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  if (argc == 0)
    {
      g_autoptr(GOptionContext) context = NULL;
      g_autofree char *text = NULL;

      g_set_prgname ("jkbmsctl");
      context = main_context (ctl, &(gboolean) { FALSE });
      text = g_option_context_get_help (context, TRUE, NULL);
      g_print ("%s", text);
      return JKB_CTL_OK;
    }
  for (int i = 0; i < argc; i++)
    words[i] = argv[i];
  words[argc++] = (char *) "--help";
  wanted = find_verb (argc, words, &n_words);
  if (wanted == NULL)
    return unknown_verb (argc, words);
  return wanted->run (ctl, wanted, argc - n_words + 1, words + n_words - 1);
}

/* Everything printed is UTF-8 or the locale's own; "C" alone says only that nobody chose. Translators
 * see their work without installing it: JKBMSD_LOCALEDIR=build/po. */
static void
set_locale (void)
{
  const char *directory = g_getenv ("JKBMSD_LOCALEDIR");

  setlocale (LC_ALL, "");
  if (strcmp (nl_langinfo (CODESET), "ANSI_X3.4-1968") == 0)
    setlocale (LC_CTYPE, "C.UTF-8");
  bindtextdomain (PACKAGE, directory != NULL ? directory : LOCALEDIR);
  bind_textdomain_codeset (PACKAGE, "UTF-8");
  textdomain (PACKAGE);
}

int
main (int argc, char **argv)
{
  JkbCtl *ctl = &ctl_state;
  g_autoptr(GOptionContext) context = NULL;
  g_autoptr(GError) error = NULL;
  const char *address = g_getenv ("JKBMSD_BUS_ADDRESS");
  const JkbCtlVerb *verb;
  gboolean version = FALSE;
  int n_words, status;

  set_locale ();
  g_set_prgname ("jkbmsctl");
  jkb_error_quark ();
  if (address != NULL && *address != '\0')
    {
      ctl->bus_type = G_BUS_TYPE_NONE;
      ctl->address = g_strdup (address);
    }
  context = main_context (ctl, &version);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    return jkb_ctl_fail_usage (error->message);
  if (version)
    {
      g_print ("jkbmsctl %s\n", VERSION);
      return JKB_CTL_OK;
    }
  if (argc < 2)
    return jkb_ctl_fail_usage (
        _("say what to do, for example “jkbmsctl list” (see “jkbmsctl --help”)"));
  verb = find_verb (argc - 1, argv + 1, &n_words);
  if (verb == NULL)
    return unknown_verb (argc - 1, argv + 1);
  status = verb->run (ctl, verb, argc - n_words, argv + n_words);
  g_clear_object (&ctl->connection);
  g_free (ctl->address);
  return status;
}
