/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl show and get: one BMS for people, as JSON, as key=value lines, or one value of it.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-key.h"
#include "ctl/jkb-ctl-print.h"
#include "wire/jkb-alarm.h"
#include "wire/jkb-text.h"

typedef struct
{
  const char *title;
  const JkbFieldId *ids;
  guint n_ids;
} Section;

#define IDS(...) (const JkbFieldId[]) { __VA_ARGS__ }, \
  sizeof ((const JkbFieldId[]) { __VA_ARGS__ }) / sizeof (JkbFieldId)

/* Where the live values stand. What is in no section, a new row of the table for one, comes under
 * the last. */
static const Section sections[] = {
  { N_("Battery"),
    IDS (JKB_FIELD_STATE_OF_CHARGE, JKB_FIELD_TOTAL_VOLTAGE, JKB_FIELD_CURRENT, JKB_FIELD_POWER,
         JKB_FIELD_CAPACITY_REMAINING, JKB_FIELD_FULL_CHARGE_CAPACITY, JKB_FIELD_STATE_OF_HEALTH,
         JKB_FIELD_CHARGING_CYCLES, JKB_FIELD_TOTAL_CHARGING_CYCLE_CAPACITY,
         JKB_FIELD_TOTAL_RUNTIME) },
  { N_("Temperatures"),
    IDS (JKB_FIELD_TEMPERATURE_SENSOR_1, JKB_FIELD_TEMPERATURE_SENSOR_2,
         JKB_FIELD_TEMPERATURE_SENSOR_4, JKB_FIELD_TEMPERATURE_SENSOR_5,
         JKB_FIELD_MOSFET_TEMPERATURE) },
  { N_("State"),
    IDS (JKB_FIELD_CHARGING, JKB_FIELD_DISCHARGING, JKB_FIELD_PRECHARGING, JKB_FIELD_BALANCING,
         JKB_FIELD_BALANCING_DIRECTION, JKB_FIELD_BALANCING_CURRENT, JKB_FIELD_CHARGE_STATUS,
         JKB_FIELD_CHARGE_STATUS_TIME_ELAPSED, JKB_FIELD_HEATING, JKB_FIELD_HEATING_CURRENT,
         JKB_FIELD_CHARGER_PLUGGED, JKB_FIELD_DRY_CONTACT_1, JKB_FIELD_DRY_CONTACT_2) },
  { N_("More"), NULL, 0 },
};

/* Shown with the cells or as alarms, or said by others. */
static const JkbFieldId elsewhere[]
  = { JKB_FIELD_CELL_VOLTAGES,    JKB_FIELD_CELL_RESISTANCES,    JKB_FIELD_CELL_COUNT,
      JKB_FIELD_MIN_CELL_VOLTAGE, JKB_FIELD_MAX_CELL_VOLTAGE,    JKB_FIELD_AVERAGE_CELL_VOLTAGE,
      JKB_FIELD_DELTA_CELL_VOLTAGE, JKB_FIELD_MIN_VOLTAGE_CELL,  JKB_FIELD_MAX_VOLTAGE_CELL,
      JKB_FIELD_ERRORS,           JKB_FIELD_ERRORS_BITMASK,      JKB_FIELD_CHARGING_POWER,
      JKB_FIELD_DISCHARGING_POWER };

static gboolean
contains (const JkbFieldId *ids, guint n_ids, JkbFieldId id)
{
  for (guint i = 0; i < n_ids; i++)
    if (ids[i] == id)
      return TRUE;
  return FALSE;
}

static gboolean
has_a_place (JkbFieldId id)
{
  for (gsize i = 0; i < G_N_ELEMENTS (sections); i++)
    if (contains (sections[i].ids, sections[i].n_ids, id))
      return TRUE;
  return contains (elsewhere, G_N_ELEMENTS (elsewhere), id);
}

static void
add_pair (JkbCtlPairs *pairs, const JkbValues *values, JkbFieldId id)
{
  g_autofree char *text = jkb_ctl_value_text (values, id);

  jkb_ctl_pairs_add (pairs, _(jkb_fields[id].label), text, JKB_CTL_PLAIN);
}

static void
print_section (const JkbCtl *ctl, const JkbValues *live, const Section *section)
{
  JkbCtlPairs *pairs = jkb_ctl_pairs_new ();

  for (guint i = 0; i < section->n_ids; i++)
    add_pair (pairs, live, section->ids[i]);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE);
       section->ids == NULL && id < jkb_group_end (JKB_GROUP_LIVE); id++)
    if (!has_a_place (id))
      add_pair (pairs, live, id);
  jkb_ctl_print_heading (ctl, _(section->title));
  jkb_ctl_pairs_print (pairs, ctl);
}

/* ---- cells -------------------------------------------------------------------------------- */

static void
append_item (GString *out, const JkbValues *values, JkbFieldId id, guint cell)
{
  gint32 raw = jkb_values_get_item (values, id, cell);

  if (raw == JKB_UNKNOWN_ITEM)
    g_string_append (out, "–");
  else
    jkb_text_append_fixed (out, raw, jkb_fields[id].scale);
}

static void
append_cell (GString *out, const JkbCtl *ctl, const JkbValues *live, guint cell, guint width)
{
  g_autoptr(GString) text = g_string_new (NULL);
  gboolean lowest = jkb_values_get (live, JKB_FIELD_MIN_VOLTAGE_CELL) == cell + 1;
  gboolean highest = jkb_values_get (live, JKB_FIELD_MAX_VOLTAGE_CELL) == cell + 1;
  JkbCtlStyle style = lowest ? JKB_CTL_WARN : highest ? JKB_CTL_GOOD : JKB_CTL_PLAIN;

  g_string_append_printf (text, "%2u%s", cell + 1, lowest ? "▼" : highest ? "▲" : " ");
  append_item (text, live, JKB_FIELD_CELL_VOLTAGES, cell);
  if (jkb_values_is_known (live, JKB_FIELD_CELL_RESISTANCES))
    {
      g_string_append (text, " V ");
      append_item (text, live, JKB_FIELD_CELL_RESISTANCES, cell);
      g_string_append (text, " mΩ");
    }
  else
    g_string_append (text, " V");
  g_string_append (out, jkb_ctl_style_on (ctl, style));
  jkb_ctl_text_pad (out, text->str, width, FALSE, FALSE);
  g_string_append (out, jkb_ctl_style_off (ctl, style));
}

static char *
cells_heading (const JkbValues *live)
{
  g_autofree char *lowest = jkb_ctl_value_text (live, JKB_FIELD_MIN_CELL_VOLTAGE);
  g_autofree char *highest = jkb_ctl_value_text (live, JKB_FIELD_MAX_CELL_VOLTAGE);
  /* Computed, it has more digits than the cells can be measured with. */
  g_autofree char *average
    = jkb_ctl_with_unit (jkb_ctl_number_text (live, JKB_FIELD_AVERAGE_CELL_VOLTAGE, 3), "V");
  g_autofree char *spread = jkb_ctl_value_text (live, JKB_FIELD_DELTA_CELL_VOLTAGE);

  return g_strdup_printf (_("  lowest %s, highest %s, average %s, spread %s"),
                          lowest != NULL ? lowest : "–", highest != NULL ? highest : "–",
                          average != NULL ? average : "–", spread != NULL ? spread : "–");
}

static void
print_cells (const JkbCtl *ctl, const JkbValues *live)
{
  g_autofree char *heading = cells_heading (live);
  g_autoptr(GString) out = g_string_new (NULL);
  gboolean wide = jkb_values_is_known (live, JKB_FIELD_CELL_RESISTANCES);
  guint width = wide ? 19 : 13;
  guint per_row = CLAMP (((ctl->width > 0 ? ctl->width : 80) - 2) / width, 1, 8);

  jkb_ctl_print_heading (ctl, _("Cells"));
  if (live->n_cells == 0)
    {
      g_print ("  %s\n", _("none"));
      return;
    }
  if (per_row > 4 && wide)
    per_row = 4;
  for (guint cell = 0; cell < live->n_cells; cell++)
    {
      gboolean last = cell % per_row == per_row - 1 || cell + 1 == live->n_cells;

      if (cell % per_row == 0)
        g_string_append (out, "  ");
      append_cell (out, ctl, live, cell, last ? 0 : width);
      if (last)
        g_string_append_c (out, '\n');
    }
  g_print ("%s\n%s", heading, out->str);
}

/* ---- the rest ----------------------------------------------------------------------------- */

static JkbCtlStyle
severity_style (JkbSeverity severity)
{
  return severity == JKB_SEVERITY_INFO ? JKB_CTL_DIM
         : severity == JKB_SEVERITY_WARN ? JKB_CTL_WARN
                                         : JKB_CTL_BAD;
}

static void
print_alarms (const JkbCtl *ctl, const JkbValues *live)
{
  gint64 mask = jkb_values_get (live, JKB_FIELD_ERRORS);

  jkb_ctl_print_heading (ctl, _("Alarms"));
  if (mask == JKB_UNKNOWN || mask == 0)
    g_print ("  %s\n", mask == 0 ? _("none") : _("unknown"));
  for (guint bit = 0; mask > 0 && bit < JKB_N_ALARM_BITS; bit++)
    {
      JkbCtlStyle style = severity_style (jkb_alarm_severity (bit));
      const char *label = jkb_alarm_label (bit);

      if ((mask >> bit & 1) != 0)
        g_print ("  %s%s (%s)%s\n", jkb_ctl_style_on (ctl, style),
                 label != NULL ? _(label) : jkb_alarm_key (bit),
                 jkb_ctl_word (jkb_severity_name (jkb_alarm_severity (bit))), jkb_ctl_style_off (ctl, style));
    }
}

/* A list that is not the cells' own: eight to a line. */
static void
print_items (const JkbValues *values, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];
  g_autoptr(GString) out = g_string_new (NULL);

  if (!jkb_values_is_known (values, id))
    {
      g_print ("  %s: %s\n", _(field->label), _("unknown"));
      return;
    }
  for (guint item = 0; item < values->n_cells; item++)
    {
      g_autoptr(GString) text = g_string_new (NULL);

      append_item (text, values, id, item);
      g_string_append (out, item % 8 == 0 ? "\n  " : " ");
      jkb_ctl_text_pad (out, text->str, 8, TRUE, FALSE);
    }
  g_print ("  %s (%s):%s\n", _(field->label), field->unit, out->str);
}

static void
print_group (const JkbCtl *ctl, const JkbCtlBms *bms, JkbGroup group, const char *title,
             const char *absence)
{
  JkbCtlPairs *pairs;

  jkb_ctl_print_heading (ctl, title);
  if (!bms->heard[group])
    {
      g_print ("  %s\n", absence);
      return;
    }
  pairs = jkb_ctl_pairs_new ();
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (jkb_fields[id].kind != JKB_KIND_LIST)
      add_pair (pairs, &bms->values[group], id);
  jkb_ctl_pairs_print (pairs, ctl);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (jkb_fields[id].kind == JKB_KIND_LIST)
      print_items (&bms->values[group], id);
}

static void
print_head (const JkbCtl *ctl, const JkbCtlBms *bms)
{
  g_autofree char *name = jkb_ctl_text_safe (bms->name);
  g_autofree char *model = jkb_ctl_text_safe (bms->model != NULL ? bms->model : _("unknown"));
  g_autofree char *age = jkb_ctl_age_text (bms->last_seen_us, g_get_real_time ());
  JkbCtlStyle style = bms->online ? JKB_CTL_GOOD : JKB_CTL_BAD;

  g_print ("%s%s%s", jkb_ctl_style_on (ctl, JKB_CTL_BOLD), bms->id,
           jkb_ctl_style_off (ctl, JKB_CTL_BOLD));
  if (strcmp (bms->name, bms->id) != 0)
    g_print (" (%s)", name);
  g_print (": %s%s%s", jkb_ctl_style_on (ctl, style), bms->online ? _("online") : _("offline"),
           jkb_ctl_style_off (ctl, style));
  if (age != NULL)
    g_print (_(", last seen %s ago"), age);
  else
    g_print (_(", never seen since the daemon started"));
  g_print (_("\nBus %s, address %u, model %s\n"), bms->bus, bms->address, model);
}

static void
print_people (const JkbCtl *ctl, const JkbCtlBms *bms)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];

  print_head (ctl, bms);
  if (bms->heard[JKB_GROUP_LIVE])
    {
      print_alarms (ctl, live);
      print_section (ctl, live, &sections[0]);
      print_cells (ctl, live);
      for (gsize i = 1; i < G_N_ELEMENTS (sections); i++)
        print_section (ctl, live, &sections[i]);
    }
  else
    g_print (_("\nLive data: not heard yet\n"));
  print_group (ctl, bms, JKB_GROUP_SETTINGS, _("Settings"), _("not heard yet"));
  print_group (ctl, bms, JKB_GROUP_INFO, _("Device"),
               _("not heard yet (nothing on a bus that is only listened to asks for it)"));
}

/* ---- key=value and single values ---------------------------------------------------------- */

static const char *const head_keys[]
  = { "id", "name", "online", "last_seen", "bus", "address", "model", "serial_number" };

static char *
head_value (const JkbCtlBms *bms, const char *key)
{
  if (strcmp (key, "id") == 0)
    return g_strdup (bms->id);
  if (strcmp (key, "name") == 0)
    return jkb_ctl_text_safe (bms->name);
  if (strcmp (key, "online") == 0)
    return g_strdup (bms->online ? "true" : "false");
  if (strcmp (key, "last_seen") == 0 && bms->last_seen_us > 0)
    return jkb_ctl_time_text (bms->last_seen_us);
  if (strcmp (key, "bus") == 0)
    return g_strdup (bms->bus);
  if (strcmp (key, "address") == 0)
    return g_strdup_printf ("%u", bms->address);
  if (strcmp (key, "model") == 0 && bms->model != NULL)
    return jkb_ctl_text_safe (bms->model);
  if (strcmp (key, "serial_number") == 0 && bms->serial_number != NULL)
    return jkb_ctl_text_safe (bms->serial_number);
  return g_strdup ("unknown");
}

static gboolean
is_head_key (const char *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (head_keys); i++)
    if (strcmp (head_keys[i], key) == 0)
      return TRUE;
  return FALSE;
}

/* A key has its group in front only where an earlier group has the same key. */
static gboolean
is_taken (JkbGroup group, const char *key)
{
  for (JkbGroup earlier = 0; earlier < group; earlier++)
    if (jkb_field_lookup (earlier, key) != NULL)
      return TRUE;
  return is_head_key (key);
}

static void
append_plain (GString *out, const JkbCtlBms *bms, JkbFieldId id)
{
  const JkbValues *values = &bms->values[jkb_fields[id].group];

  if (jkb_values_is_known (values, id))
    jkb_text_append_plain (out, values, id);
  else
    g_string_append (out, "unknown");
}

static void
print_keyvalue (const JkbCtlBms *bms)
{
  g_autoptr(GString) out = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (head_keys); i++)
    {
      g_autofree char *value = head_value (bms, head_keys[i]);

      g_string_append_printf (out, "%s=%s\n", head_keys[i], value);
    }
  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    {
      const JkbField *field = &jkb_fields[id];

      if (is_taken (field->group, field->key))
        g_string_append_printf (out, "%s.", jkb_group_name (field->group));
      g_string_append_printf (out, "%s=", field->key);
      append_plain (out, bms, id);
      g_string_append_c (out, '\n');
    }
  fputs (out->str, stdout);
}

static gboolean
append_value (GString *out, const JkbCtlBms *bms, const char *key)
{
  const JkbField *field = jkb_ctl_key_find (key);
  guint item;

  if (field != NULL)
    append_plain (out, bms, jkb_field_id (field));
  else if (is_head_key (key))
    {
      g_autofree char *value = head_value (bms, key);

      g_string_append (out, value);
    }
  else if ((field = jkb_ctl_key_find_item (key, &item)) != NULL)
    {
      gint32 raw = jkb_values_get_item (&bms->values[field->group], jkb_field_id (field), item);

      if (raw == JKB_UNKNOWN_ITEM)
        g_string_append (out, "unknown");
      else
        jkb_text_append_fixed (out, raw, field->scale);
    }
  else
    return FALSE;
  return TRUE;
}

/* ---- verbs -------------------------------------------------------------------------------- */

int
jkb_ctl_verb_show (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE, keyvalue = FALSE;
  const GOptionEntry options[]
    = { { "json", 'J', 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { "keyvalue", 'K', 0, G_OPTION_ARG_NONE, &keyvalue, N_("Print key=value lines"), NULL },
        { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) out = g_string_new (NULL);
  const JkbCtlBms *bms = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (json && keyvalue)
    return jkb_ctl_fail_usage (_("--json does not go with --keyvalue"));
  model = jkb_ctl_fetch (ctl, &error);
  if (model != NULL)
    bms = jkb_ctl_model_find (model, argv[0], &error);
  if (bms == NULL)
    return jkb_ctl_fail (ctl, error);
  if (json)
    {
      jkb_ctl_json_bms (out, bms);
      puts (out->str);
    }
  else if (keyvalue)
    print_keyvalue (bms);
  else
    print_people (ctl, bms);
  return JKB_CTL_OK;
}

int
jkb_ctl_verb_get (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) out = g_string_new (NULL);
  const JkbCtlBms *bms = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  model = jkb_ctl_fetch (ctl, &error);
  if (model != NULL)
    bms = jkb_ctl_model_find (model, argv[0], &error);
  if (bms == NULL)
    return jkb_ctl_fail (ctl, error);
  if (!append_value (out, bms, argv[1]))
    return jkb_ctl_key_fail (argv[1], JKB_N_GROUPS);
  puts (out->str);
  return JKB_CTL_OK;
}
