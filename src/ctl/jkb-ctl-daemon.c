/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The verbs about the daemon itself: health, bus list, mqtt show, forget.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"

/* Below this a bus is degraded. */
#define GOOD_HEALTH 80

typedef enum
{
  HEALTH_GOOD,
  HEALTH_DEGRADED,
  HEALTH_DOWN
} Health;

static const char *const health_words[] = { "good", "degraded", "down" };

G_GNUC_PRINTF (2, 3)
static void
add_reason (GPtrArray *reasons, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (reasons, g_strdup_vprintf (format, args));
  va_end (args);
}

static gboolean
bus_is_up (const JkbCtlObject *bus, GPtrArray *reasons)
{
  const char *state = jkb_ctl_object_text (bus, "Bus", "State");
  const char *why = jkb_ctl_object_text (bus, "Bus", "LastError");
  const char *advice = jkb_ctl_object_text (bus, "Bus", "HealthReason");
  gint64 score = jkb_ctl_object_number (bus, "Bus", "HealthScore", 100);
  const char *name;

  jkb_ctl_path_is_bus (bus->path, &name);
  if (g_strcmp0 (state, "up") != 0)
    {
      add_reason (reasons, _("bus %s is %s: %s"), name,
                  state != NULL ? jkb_ctl_word (state) : _("unknown"),
                  why != NULL && *why != '\0' ? why : _("no reason given"));
      return FALSE;
    }
  if (score < GOOD_HEALTH)
    add_reason (reasons, _("bus %s has health %d of 100: %s"), name, (int) score,
                advice != NULL && *advice != '\0' ? advice : _("no reason given"));
  return TRUE;
}

/* Down: nothing is heard at all. Degraded: something is missing. */
static Health
judge (JkbCtlModel *model, GPtrArray *reasons)
{
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (model);
  GPtrArray *all = jkb_ctl_model_bms (model);
  const JkbCtlObject *mqtt = jkb_ctl_model_object (model, JKB_CTL_MQTT_PATH);
  guint enabled = 0, up = 0, online = 0;

  for (guint i = 0; i < buses->len; i++)
    if (jkb_ctl_object_number (buses->pdata[i], "Bus", "Enabled", TRUE) != 0)
      {
        enabled++;
        up += bus_is_up (buses->pdata[i], reasons);
      }
  for (guint i = 0; i < all->len; i++)
    {
      const JkbCtlBms *bms = all->pdata[i];

      online += bms->online;
      if (!bms->online)
        add_reason (reasons, _("BMS %s is offline"), bms->id);
    }
  if (enabled == 0)
    add_reason (reasons, _("no bus is configured"));
  else if (all->len == 0)
    add_reason (reasons, _("no BMS has been heard yet"));
  if (jkb_ctl_object_number (mqtt, "Mqtt", "Enabled", FALSE) != 0
      && jkb_ctl_object_number (mqtt, "Mqtt", "Connected", FALSE) == 0)
    add_reason (reasons, _("the MQTT broker is not connected"));
  if ((enabled > 0 && up == 0) || (all->len > 0 && online == 0))
    return HEALTH_DOWN;
  return reasons->len > 0 ? HEALTH_DEGRADED : HEALTH_GOOD;
}

int
jkb_ctl_verb_health (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean strict = FALSE, json = FALSE;
  const GOptionEntry options[]
    = { { "strict", 0, 0, G_OPTION_ARG_NONE, &strict, N_("Exit with 1 when degraded, too"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL } };
  g_autoptr(GPtrArray) reasons = g_ptr_array_new_with_free_func (g_free);
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) out = g_string_new ("{");
  Health health = HEALTH_DOWN;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (json) /* the same for every reader */
    setlocale (LC_MESSAGES, "C");
  model = jkb_ctl_fetch (ctl, &error);
  if (model != NULL)
    health = judge (model, reasons);
  else
    jkb_ctl_fail (ctl, error);
  if (json)
    {
      g_autoptr(GVariant) texts = g_variant_ref_sink (
        g_variant_new_strv ((const char *const *) reasons->pdata, reasons->len));

      jkb_ctl_json_text (out, "health", health_words[health]);
      jkb_ctl_json_key (out, "reasons");
      jkb_ctl_json_variant (out, texts);
      printf ("%s}\n", out->str);
    }
  else
    {
      puts (health_words[health]);
      for (guint i = 0; i < reasons->len; i++)
        {
          g_autofree char *safe = jkb_ctl_text_safe (reasons->pdata[i]);

          g_printerr ("jkbmsctl: %s\n", safe);
        }
    }
  return health == HEALTH_DOWN || (strict && health != HEALTH_GOOD) ? JKB_CTL_FAILED : JKB_CTL_OK;
}

/* ---- bus list, mqtt show ------------------------------------------------------------------ */

static const JkbCtlColumn bus_columns[] = {
  { N_("BUS"), FALSE, FALSE },   { N_("STATE"), FALSE, FALSE }, { N_("ROLE"), FALSE, FALSE },
  { N_("MODE"), FALSE, FALSE },  { N_("HEALTH"), TRUE, FALSE }, { N_("FRAMES"), TRUE, FALSE },
  { N_("ERRORS"), TRUE, FALSE }, { N_("RECONNECTS"), TRUE, FALSE }, { N_("URI"), FALSE, TRUE },
};

static void
add_count (JkbCtlTable *table, gint64 count)
{
  g_autofree char *text = g_strdup_printf ("%" G_GINT64_FORMAT, count);

  jkb_ctl_table_add (table, text, JKB_CTL_PLAIN);
}

static void
add_bus (JkbCtlTable *table, const JkbCtlObject *bus)
{
  const char *state = jkb_ctl_object_text (bus, "Bus", "State");
  const char *name;

  jkb_ctl_path_is_bus (bus->path, &name);
  jkb_ctl_table_add (table, name, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, jkb_ctl_word (state),
                     g_strcmp0 (state, "up") == 0 ? JKB_CTL_GOOD : JKB_CTL_BAD);
  jkb_ctl_table_add (table, jkb_ctl_word (jkb_ctl_object_text (bus, "Bus", "Role")),
                     JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, jkb_ctl_object_text (bus, "Bus", "Mode"), JKB_CTL_PLAIN);
  add_count (table, jkb_ctl_object_number (bus, "Bus", "HealthScore", 0));
  add_count (table, jkb_ctl_object_number (bus, "Bus", "FramesReceived", 0));
  add_count (table, jkb_ctl_object_number (bus, "Bus", "ChecksumErrors", 0)
                      + jkb_ctl_object_number (bus, "Bus", "AckErrors", 0));
  add_count (table, jkb_ctl_object_number (bus, "Bus", "Reconnects", 0));
  jkb_ctl_table_add (table, jkb_ctl_object_text (bus, "Bus", "Uri"), JKB_CTL_PLAIN);
}

static void
print_bus_remarks (const JkbCtlObject *bus)
{
  static const char *const keys[] = { "LastError", "HealthReason" };
  gboolean healthy = jkb_ctl_object_number (bus, "Bus", "HealthScore", 0) >= GOOD_HEALTH;
  const char *name;

  jkb_ctl_path_is_bus (bus->path, &name);
  for (gsize i = 0; i < G_N_ELEMENTS (keys) && !healthy; i++)
    {
      const char *text = jkb_ctl_object_text (bus, "Bus", keys[i]);
      g_autofree char *safe = text != NULL && *text != '\0' ? jkb_ctl_text_safe (text) : NULL;

      if (safe != NULL)
        g_print ("%s: %s\n", name, safe);
    }
}

static void
print_buses_json (GPtrArray *buses)
{
  g_autoptr(GString) out = g_string_new ("[");

  for (guint i = 0; i < buses->len; i++)
    {
      g_string_append (out, i > 0 ? ",{" : "{");
      jkb_ctl_json_properties (out, buses->pdata[i], "Bus");
      g_string_append_c (out, '}');
    }
  printf ("%s]\n", out->str);
}

int
jkb_ctl_verb_bus_list (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL }, { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GPtrArray) buses = NULL;
  g_autoptr(GError) error = NULL;
  JkbCtlTable *table;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  model = jkb_ctl_fetch (ctl, &error);
  if (model == NULL)
    return jkb_ctl_fail (ctl, error);
  buses = jkb_ctl_model_buses (model);
  if (json)
    {
      print_buses_json (buses);
      return JKB_CTL_OK;
    }
  table = jkb_ctl_table_new (bus_columns, G_N_ELEMENTS (bus_columns));
  for (guint i = 0; i < buses->len; i++)
    add_bus (table, buses->pdata[i]);
  jkb_ctl_table_print (table, ctl);
  for (guint i = 0; i < buses->len; i++)
    print_bus_remarks (buses->pdata[i]);
  return JKB_CTL_OK;
}

static void
print_mqtt (JkbCtl *ctl, const JkbCtlObject *mqtt)
{
  GHashTable *properties = g_hash_table_lookup (mqtt->interfaces, "Mqtt");
  g_autoptr(GList) keys = g_list_sort (g_hash_table_get_keys (properties), (GCompareFunc) strcmp);
  JkbCtlPairs *pairs = jkb_ctl_pairs_new ();

  for (GList *l = keys; l != NULL; l = l->next)
    {
      g_autofree char *key = jkb_ctl_snake_case (l->data);
      const char *text = jkb_ctl_object_text (mqtt, "Mqtt", l->data);
      g_autoptr(GString) value = g_string_new (text);

      if (text == NULL)
        jkb_ctl_json_variant (value, g_hash_table_lookup (properties, l->data));
      else if (*text == '\0')
        g_string_append (value, "–");
      jkb_ctl_pairs_add (pairs, key, value->str, JKB_CTL_PLAIN);
    }
  jkb_ctl_pairs_print (pairs, ctl);
}

int
jkb_ctl_verb_mqtt_show (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL }, { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GString) out = g_string_new ("{");
  g_autoptr(GError) error = NULL;
  const JkbCtlObject *mqtt;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  model = jkb_ctl_fetch (ctl, &error);
  if (model == NULL)
    return jkb_ctl_fail (ctl, error);
  mqtt = jkb_ctl_model_object (model, JKB_CTL_MQTT_PATH);
  if (mqtt == NULL || !g_hash_table_contains (mqtt->interfaces, "Mqtt"))
    {
      g_set_error (&error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND, _("this daemon has no MQTT object"));
      return jkb_ctl_fail (ctl, error);
    }
  if (json)
    {
      jkb_ctl_json_properties (out, mqtt, "Mqtt");
      printf ("%s}\n", out->str);
    }
  else
    print_mqtt (ctl, mqtt);
  return JKB_CTL_OK;
}

/* ---- forget ------------------------------------------------------------------------------- */

int
jkb_ctl_verb_forget (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *path = NULL;
  const JkbCtlBms *bms;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  bms = jkb_ctl_fetch_bms (ctl, argv[0], &model, &error);
  if (bms == NULL)
    return jkb_ctl_fail (ctl, error);
  path = g_strconcat (JKB_CTL_ROOT_PATH "/bms/", bms->id, NULL);
  if (!jkb_ctl_call (ctl, path, "Bms", "Forget", NULL, 0, &error))
    return jkb_ctl_fail (ctl, error);
  g_print (_("Forgot %s; it comes back when it is heard again\n"), bms->id);
  return JKB_CTL_OK;
}
