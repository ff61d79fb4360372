/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The verbs that change what the daemon does: bus add, set, remove, scan; mqtt set. Keys are those
 * of the configuration file; types and ranges are judged here by the same table as in the daemon.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "core/jkb-config.h"
#include "core/jkb-options.h"
#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl-question.h"

/* A port may have to be closed first, a broker to be left. */
#define CONFIGURE_MS 20000

typedef union
{
  JkbBusConfig bus;
  JkbMqttConfig mqtt;
  JkbHomeAssistantConfig homeassistant;
} Scratch;

typedef struct
{
  const JkbOption *option;
  char *property; /* on D-Bus */
  char *text;     /* "poll-interval=5" */
  GVariant *value;
} Setting;

static void
clear_setting (gpointer data)
{
  Setting *setting = data;

  g_free (setting->property);
  g_free (setting->text);
  g_variant_unref (setting->value);
}

static GArray *
settings_new (void)
{
  GArray *settings = g_array_new (FALSE, FALSE, sizeof (Setting));

  g_array_set_clear_func (settings, clear_setting);
  return settings;
}

/* Home Assistant's prefix is a property of Mqtt, too. */
static const JkbOption *
find_option (JkbSection section, const char *key)
{
  if (section == JKB_SECTION_MQTT && strcmp (key, "discovery-prefix") == 0)
    return jkb_section_find_option (JKB_SECTION_HOMEASSISTANT, "prefix");
  return jkb_section_find_option (section, key);
}

static const JkbOption *
find_runtime_option (JkbSection section, const char *key, GError **error)
{
  const JkbOption *option = find_option (section, key);
  const char *guess = jkb_section_suggest (section, key);

  if (option != NULL && (option->flags & JKB_OPTION_RUNTIME) != 0)
    return option;
  if (option != NULL)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED,
                 _("%s is set in the configuration file only (see “man jkbmsd.conf”)"), key);
  else if (guess != NULL)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("there is no key “%s”; did you mean “%s”?"), key, guess);
  else
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("there is no key “%s”; see [%s] in “man jkbmsd.conf”"), key,
                 jkb_section_name (section));
  return NULL;
}

/* What @text means, and how the table writes it. */
static gboolean
take_value (Setting *setting, const char *key, const char *text, GError **error)
{
  const JkbOption *option = setting->option;
  g_autofree char *value = NULL;
  Scratch scratch;
  gboolean good;

  memset (&scratch, 0, sizeof scratch);
  jkb_section_init (option->section, &scratch);
  good = jkb_option_set (option, &scratch, text, error);
  if (good)
    {
      setting->value = g_variant_ref_sink (jkb_option_to_variant (option, &scratch));
      value = jkb_option_get (option, &scratch);
      setting->text = g_strdup_printf ("%s=%s", key, value);
    }
  jkb_section_clear (option->section, &scratch);
  return good;
}

/* "poll-interval=2"; "poll_interval", as JSON says it, is the same key. */
static gboolean
add_pair (GArray *settings, JkbSection section, const char *pair, GError **error)
{
  const char *equals = strchr (pair, '=');
  g_autofree char *key = NULL;
  Setting setting;

  if (equals == NULL)
    {
      g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE, _("“%s” is not KEY=VALUE"), pair);
      return FALSE;
    }
  key = g_strdelimit (g_strndup (pair, equals - pair), "_", '-');
  setting.option = find_runtime_option (section, key, error);
  if (setting.option == NULL)
    return FALSE;
  if (!take_value (&setting, key, equals + 1, error))
    return FALSE;
  setting.property = setting.option->section == section
                       ? jkb_option_property_name (setting.option)
                       : g_strdup ("DiscoveryPrefix");
  g_array_append_val (settings, setting);
  return TRUE;
}

/* What was changed before an error has been changed. @changed has it, "a=1, b=2". */
static gboolean
set_all (JkbCtl *ctl, const char *path, const char *interface, GArray *settings, GString *changed,
         GError **error)
{
  for (guint i = 0; i < settings->len; i++)
    {
      const Setting *setting = &g_array_index (settings, Setting, i);

      if (!jkb_ctl_set_property (ctl, path, interface, setting->property, setting->value,
                                 CONFIGURE_MS, error))
        return FALSE;
      g_string_append_printf (changed, "%s%s", changed->len > 0 ? ", " : "", setting->text);
    }
  return TRUE;
}

/* The daemon makes no change that it cannot keep. */
static void
tell_changed (const char *group, const GString *changed)
{
  g_autofree char *safe = jkb_ctl_text_safe (changed->str);

  /* Translators: a group of the configuration, and its keys with their new values */
  if (changed->len > 0)
    g_print (_("Changed in [%s]: %s (kept over restarts)\n"), group, safe);
}

/* ---- bus ---------------------------------------------------------------------------------- */

static GVariant *
to_options (GArray *settings)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  for (guint i = 0; i < settings->len; i++)
    {
      const Setting *setting = &g_array_index (settings, Setting, i);

      g_variant_builder_add (&builder, "{sv}", setting->option->key, setting->value);
    }
  return g_variant_builder_end (&builder);
}

int
jkb_ctl_verb_bus_add (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(GArray) settings = settings_new ();
  g_autoptr(GError) error = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  for (int i = 2; i < argc; i++)
    if (!add_pair (settings, JKB_SECTION_BUS, argv[i], &error))
      return jkb_ctl_fail (ctl, error);
  if (!jkb_ctl_call (ctl, JKB_CTL_ROOT_PATH, "Manager", "AddBus",
                     g_variant_new ("(ss@a{sv})", argv[0], argv[1], to_options (settings)),
                     CONFIGURE_MS, &error))
    return jkb_ctl_fail (ctl, error);
  g_print (_("Added the bus %s (kept over restarts)\n"), argv[0]);
  return JKB_CTL_OK;
}

int
jkb_ctl_verb_bus_set (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(GArray) settings = settings_new ();
  g_autoptr(GString) changed = g_string_new (NULL);
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *group = NULL;
  const JkbCtlObject *bus;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  for (int i = 1; i < argc; i++)
    if (!add_pair (settings, JKB_SECTION_BUS, argv[i], &error))
      return jkb_ctl_fail (ctl, error);
  bus = jkb_ctl_fetch_bus (ctl, argv[0], &model, &error);
  if (bus != NULL)
    set_all (ctl, bus->path, "Bus", settings, changed, &error);
  group = g_strconcat ("bus ", argv[0], NULL);
  tell_changed (group, changed);
  return error != NULL ? jkb_ctl_fail (ctl, error) : JKB_CTL_OK;
}

int
jkb_ctl_verb_bus_remove (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(GError) error = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  if (!jkb_ctl_call (ctl, JKB_CTL_ROOT_PATH, "Manager", "RemoveBus", g_variant_new ("(s)", argv[0]),
                     CONFIGURE_MS, &error))
    return jkb_ctl_fail (ctl, error);
  g_print (_("Removed the bus %s and its BMS (kept over restarts)\n"), argv[0]);
  return JKB_CTL_OK;
}

int
jkb_ctl_verb_bus_scan (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  const JkbCtlObject *bus;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  bus = jkb_ctl_fetch_bus (ctl, argv[0], &model, &error);
  if (bus == NULL
      || !jkb_ctl_call (ctl, bus->path, "Bus", "Scan", NULL, CONFIGURE_MS, &error))
    return jkb_ctl_fail (ctl, error);
  g_print (_("Asking all addresses of %s now; “jkbmsctl list” shows who answers\n"), argv[0]);
  return JKB_CTL_OK;
}

/* ---- mqtt --------------------------------------------------------------------------------- */

/* "password=-"; not on the command line, which every process can read. */
static gboolean
check_password (const char *value, GError **error)
{
  if (strcmp (value, "-") == 0)
    return TRUE;
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
               _("a password on the command line can be seen by everybody; say password=- and type "
                 "it"));
  return FALSE;
}

static gboolean
set_password (JkbCtl *ctl, GError **error)
{
  char *password = jkb_ctl_read_password (_("Password of the broker: "));
  gboolean set;

  if (password == NULL)
    {
      g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED, _("no password was given"));
      return FALSE;
    }
  set = jkb_ctl_call (ctl, JKB_CTL_MQTT_PATH, "Mqtt", "SetPassword",
                      g_variant_new ("(s)", password), CONFIGURE_MS, error);
  explicit_bzero (password, strlen (password));
  g_free (password);
  return set;
}

int
jkb_ctl_verb_mqtt_set (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(GArray) settings = settings_new ();
  g_autoptr(GString) changed = g_string_new (NULL);
  g_autoptr(GError) error = NULL;
  gboolean password = FALSE;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  for (int i = 0; i < argc && error == NULL; i++)
    if (g_str_has_prefix (argv[i], "password="))
      password |= check_password (argv[i] + strlen ("password="), &error);
    else
      add_pair (settings, JKB_SECTION_MQTT, argv[i], &error);
  if (error == NULL && password && set_password (ctl, &error))
    g_string_append (changed, "password");
  if (error == NULL)
    set_all (ctl, JKB_CTL_MQTT_PATH, "Mqtt", settings, changed, &error);
  tell_changed ("mqtt", changed);
  return error != NULL ? jkb_ctl_fail (ctl, error) : JKB_CTL_OK;
}
