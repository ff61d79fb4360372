/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl list: the buses, and a line for each BMS.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"
#include "wire/jkb-alarm.h"

static const JkbCtlColumn bus_columns[] = {
  /* Translators: heads of narrow columns, here and in other tables: keep them short */
  { N_("BUS"), FALSE, FALSE },  { N_("STATE"), FALSE, FALSE }, { N_("ROLE"), FALSE, FALSE },
  { N_("HEALTH"), TRUE, FALSE }, { N_("URI"), FALSE, TRUE },
};

static const JkbCtlColumn bms_columns[] = {
  /* Translators: SOC is the state of charge, AGE the time since the last frame */
  { N_("ID"), FALSE, FALSE },     { N_("NAME"), FALSE, TRUE },  { N_("ONLINE"), FALSE, FALSE },
  { N_("SOC"), TRUE, FALSE },     { N_("V"), TRUE, FALSE },     { N_("A"), TRUE, FALSE },
  { N_("W"), TRUE, FALSE },       { N_("°C"), TRUE, FALSE },    { N_("AGE"), TRUE, FALSE },
  { N_("ALARMS"), FALSE, TRUE },
};

static JkbCtlStyle
state_style (const char *state)
{
  return g_strcmp0 (state, "up") == 0 ? JKB_CTL_GOOD
         : state == NULL              ? JKB_CTL_PLAIN
                                      : JKB_CTL_BAD;
}

static void
print_buses (JkbCtl *ctl, JkbCtlModel *model)
{
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (model);
  JkbCtlTable *table;

  if (buses->len == 0)
    {
      g_print (_("No bus is configured; see “man jkbmsd.conf” or add a [bus NAME] group to the "
                 "configuration.\n"));
      return;
    }
  table = jkb_ctl_table_new (bus_columns, G_N_ELEMENTS (bus_columns));
  for (guint i = 0; i < buses->len; i++)
    {
      const JkbCtlObject *bus = buses->pdata[i];
      const char *state = jkb_ctl_object_text (bus, "Bus", "State");
      g_autofree char *health = g_strdup_printf (
        "%d", (int) jkb_ctl_object_number (bus, "Bus", "HealthScore", 0));
      const char *name;

      jkb_ctl_path_is_bus (bus->path, &name);
      jkb_ctl_table_add (table, name, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, jkb_ctl_word (state), state_style (state));
      jkb_ctl_table_add (table, jkb_ctl_word (jkb_ctl_object_text (bus, "Bus", "Role")),
                         JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, health, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, jkb_ctl_object_text (bus, "Bus", "Uri"), JKB_CTL_PLAIN);
    }
  jkb_ctl_table_print (table, ctl);
}

/* The hottest of the battery's own sensors. */
static char *
temperature_text (const JkbValues *live)
{
  static const JkbFieldId sensors[]
    = { JKB_FIELD_TEMPERATURE_SENSOR_1, JKB_FIELD_TEMPERATURE_SENSOR_2,
        JKB_FIELD_TEMPERATURE_SENSOR_4, JKB_FIELD_TEMPERATURE_SENSOR_5 };
  JkbFieldId hottest = sensors[0];

  for (gsize i = 1; i < G_N_ELEMENTS (sensors); i++)
    if (jkb_values_get (live, sensors[i]) > jkb_values_get (live, hottest))
      hottest = sensors[i];
  return jkb_ctl_number_text (live, hottest, 1);
}

/* What is only information, like a password never changed, is for "show". */
static char *
alarms_text (const JkbValues *live)
{
  gint64 mask = jkb_values_get (live, JKB_FIELD_ERRORS);
  guint32 problems = mask != JKB_UNKNOWN ? jkb_alarm_problems ((guint32) mask) : 0;
  g_autoptr(GString) out = g_string_new (NULL);

  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if (problems >> bit & 1)
      g_string_append_printf (out, "%s%s", out->len > 0 ? ", " : "", jkb_alarm_key (bit));
  return out->len > 0 ? g_strdup (out->str) : NULL;
}

static void
add_number (JkbCtlTable *table, const JkbValues *live, JkbFieldId id, guint decimals)
{
  g_autofree char *text = jkb_ctl_number_text (live, id, decimals);

  jkb_ctl_table_add (table, text, JKB_CTL_PLAIN);
}

static void
add_bms (JkbCtlTable *table, const JkbCtlBms *bms, gint64 now_us)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];
  g_autofree char *temperature = temperature_text (live);
  g_autofree char *alarms = alarms_text (live);
  g_autofree char *age = jkb_ctl_age_text (bms->last_seen_us, now_us);
  g_autofree char *charge = jkb_ctl_number_text (live, JKB_FIELD_STATE_OF_CHARGE, 0);
  g_autofree char *percent = charge != NULL ? g_strconcat (charge, " %", NULL) : NULL;

  jkb_ctl_table_add (table, bms->id, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, bms->name, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, bms->online ? _("yes") : _("no"),
                     bms->online ? JKB_CTL_GOOD : JKB_CTL_BAD);
  jkb_ctl_table_add (table, percent, JKB_CTL_PLAIN);
  add_number (table, live, JKB_FIELD_TOTAL_VOLTAGE, 2);
  add_number (table, live, JKB_FIELD_CURRENT, 2);
  add_number (table, live, JKB_FIELD_POWER, 0);
  jkb_ctl_table_add (table, temperature, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, age, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, alarms, alarms != NULL ? JKB_CTL_BAD : JKB_CTL_PLAIN);
}

static void
print_bms (JkbCtl *ctl, JkbCtlModel *model)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  gint64 now_us = g_get_real_time ();
  JkbCtlTable *table;

  if (all->len == 0)
    {
      g_print (_("No BMS has been heard yet.\n"));
      return;
    }
  table = jkb_ctl_table_new (bms_columns, G_N_ELEMENTS (bms_columns));
  for (guint i = 0; i < all->len; i++)
    add_bms (table, all->pdata[i], now_us);
  jkb_ctl_table_print (table, ctl);
}

static void
print_json (JkbCtlModel *model)
{
  g_autoptr(GString) out = g_string_new ("{\"buses\":[");
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (model);
  GPtrArray *all = jkb_ctl_model_bms (model);

  for (guint i = 0; i < buses->len; i++)
    {
      g_string_append (out, i > 0 ? ",{" : "{");
      jkb_ctl_json_properties (out, buses->pdata[i], "Bus");
      g_string_append_c (out, '}');
    }
  g_string_append (out, "],\"bms\":[");
  for (guint i = 0; i < all->len; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      jkb_ctl_json_bms (out, all->pdata[i]);
    }
  g_string_append (out, "]}\n");
  fputs (out->str, stdout);
}

int
jkb_ctl_verb_list (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL }, { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  model = jkb_ctl_fetch (ctl, &error);
  if (model == NULL)
    return jkb_ctl_fail (ctl, error);
  if (json)
    {
      print_json (model);
      return JKB_CTL_OK;
    }
  print_buses (ctl, model);
  g_print ("\n");
  print_bms (ctl, model);
  return JKB_CTL_OK;
}
