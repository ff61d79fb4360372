/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl settings: all settings of a BMS, what differs from another, and a file for "apply".
 */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl-settings-file.h"
#include "poll/jkb-setting.h"

static const JkbCtlColumn columns[] = {
  { N_("SETTING"), FALSE, FALSE },
  { N_("VALUE"), TRUE, FALSE },
  /* Translators: from which value of access= in the configuration on it may be written */
  { N_("ACCESS"), FALSE, FALSE },
};

static void
print_settings (JkbCtl *ctl, const JkbValues *values)
{
  JkbCtlTable *table = jkb_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      const JkbField *field = &jkb_fields[id];
      JkbTier tier = jkb_setting_tier (field);
      g_autofree char *text = field->kind != JKB_KIND_LIST ? jkb_ctl_value_text (values, id) : NULL;

      if (field->kind == JKB_KIND_LIST)
        continue;
      jkb_ctl_table_add (table, field->key, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, text, text != NULL ? JKB_CTL_PLAIN : JKB_CTL_DIM);
      jkb_ctl_table_add (table, tier == JKB_TIER_NONE ? NULL : jkb_tier_name (tier),
                         tier == JKB_TIER_PROTECTION ? JKB_CTL_WARN : JKB_CTL_PLAIN);
    }
  jkb_ctl_table_print (table, ctl);
}

static void
print_settings_json (const JkbValues *values)
{
  g_autoptr(GString) out = g_string_new ("{");

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    jkb_ctl_json_value (out, jkb_fields[id].key, values, id);
  printf ("%s}\n", out->str);
}

/* ---- --diff ------------------------------------------------------------------------------- */

/* The address and what was measured of the wires are each BMS's own. */
static gboolean
is_comparable (JkbFieldId id)
{
  return jkb_fields[id].kind != JKB_KIND_LIST && id != JKB_FIELD_DEVICE_ADDRESS;
}

static gboolean
differs (const JkbCtlBms *left, const JkbCtlBms *right, JkbFieldId id)
{
  return is_comparable (id)
         && !jkb_values_field_equal (&left->values[JKB_GROUP_SETTINGS],
                                     &right->values[JKB_GROUP_SETTINGS], id);
}

static void
print_difference (JkbCtl *ctl, const JkbCtlBms *left, const JkbCtlBms *right)
{
  const JkbCtlColumn sides[] = { { N_("SETTING"), FALSE, FALSE },
                                 { left->id, TRUE, FALSE },
                                 { right->id, TRUE, FALSE } };
  JkbCtlTable *table = NULL;

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      g_autofree char *ours = jkb_ctl_value_text (&left->values[JKB_GROUP_SETTINGS], id);
      g_autofree char *theirs = jkb_ctl_value_text (&right->values[JKB_GROUP_SETTINGS], id);

      if (!differs (left, right, id))
        continue;
      if (table == NULL)
        table = jkb_ctl_table_new (sides, G_N_ELEMENTS (sides));
      jkb_ctl_table_add (table, jkb_fields[id].key, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, ours, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, theirs, JKB_CTL_PLAIN);
    }
  if (table != NULL)
    jkb_ctl_table_print (table, ctl);
  else
    g_print (_("The settings of %s and %s are the same.\n"), left->id, right->id);
}

static void
print_difference_json (const JkbCtlBms *left, const JkbCtlBms *right)
{
  const JkbCtlBms *const sides[] = { left, right };
  g_autoptr(GString) out = g_string_new ("{");

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      if (!differs (left, right, id))
        continue;
      jkb_ctl_json_key (out, jkb_fields[id].key);
      g_string_append_c (out, '{');
      for (guint i = 0; i < G_N_ELEMENTS (sides); i++)
        jkb_ctl_json_value (out, sides[i]->id, &sides[i]->values[JKB_GROUP_SETTINGS], id);
      g_string_append_c (out, '}');
    }
  printf ("%s}\n", out->str);
}

/* ---- --export ----------------------------------------------------------------------------- */

static gboolean
export (const JkbCtlBms *bms, const char *path, GError **error)
{
  g_autoptr(GString) text = jkb_ctl_settings_file_text (bms);
  g_autoptr(GError) reason = NULL;

  if (strcmp (path, "-") == 0)
    {
      fputs (text->str, stdout);
      return TRUE;
    }
  if (g_file_set_contents (path, text->str, text->len, &reason))
    {
      /* Translators: the id of a BMS, the name of a file */
      g_print (_("The settings of %s are in %s\n"), bms->id, path);
      return TRUE;
    }
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED, "%s", reason->message);
  return FALSE;
}

int
jkb_ctl_verb_settings (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autofree char *other_name = NULL, *file = NULL;
  gboolean json = FALSE;
  const GOptionEntry options[]
    = { { "diff", 0, 0, G_OPTION_ARG_STRING, &other_name,
          N_("Show only what differs from the BMS ID2"), N_("ID2") },
        { "export", 0, 0, G_OPTION_ARG_FILENAME, &file,
          N_("Write them to FILE for “apply”; - is stdout"), N_("FILE") },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL } };
  g_autoptr(JkbCtlModel) model = NULL, other_model = NULL;
  g_autoptr(GError) error = NULL;
  const JkbCtlBms *bms, *other = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (file != NULL && (other_name != NULL || json))
    return jkb_ctl_fail_usage (_("--export goes with neither --diff nor --json"));
  bms = jkb_ctl_fetch_settings (ctl, argv[0], &model, &error);
  if (bms != NULL && other_name != NULL)
    other = jkb_ctl_fetch_settings (ctl, other_name, &other_model, &error);
  if (error != NULL || (file != NULL && !export (bms, file, &error)))
    return jkb_ctl_fail (ctl, error);
  if (other != NULL && json)
    print_difference_json (bms, other);
  else if (other != NULL)
    print_difference (ctl, bms, other);
  else if (json)
    print_settings_json (&bms->values[JKB_GROUP_SETTINGS]);
  else if (file == NULL)
    print_settings (ctl, &bms->values[JKB_GROUP_SETTINGS]);
  return JKB_CTL_OK;
}
