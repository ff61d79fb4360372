/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl complete: a word per line for the shells' completions. Not in --help; never fails aloud.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "core/jkb-options.h"
#include "ctl/jkb-ctl-client.h"
#include "poll/jkb-setting.h"

static void
put_keys (void)
{
  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    if (jkb_fields[id].group == JKB_GROUP_LIVE
        || jkb_field_lookup (JKB_GROUP_LIVE, jkb_fields[id].key) == NULL)
      puts (jkb_fields[id].key);
    else
      printf ("%s.%s\n", jkb_group_name (jkb_fields[id].group), jkb_fields[id].key);
}

static void
put_objects (JkbCtl *ctl, gboolean buses)
{
  g_autoptr(JkbCtlModel) model = jkb_ctl_fetch (ctl, NULL);
  g_autoptr(GPtrArray) objects = NULL;
  const char *name;

  if (model == NULL)
    return;
  objects = buses ? jkb_ctl_model_buses (model) : g_ptr_array_ref (jkb_ctl_model_bms (model));
  for (guint i = 0; i < objects->len; i++)
    if (!buses)
      puts (((JkbCtlBms *) objects->pdata[i])->id);
    else if (jkb_ctl_path_is_bus (((JkbCtlObject *) objects->pdata[i])->path, &name))
      puts (name);
}

/* What the history can tell: of cells as many as the BMS has. */
static void
put_history_keys (JkbCtl *ctl, const char *id)
{
  g_autoptr(JkbCtlModel) model = NULL;
  const JkbCtlBms *bms = jkb_ctl_fetch_bms (ctl, id, &model, NULL);
  guint n_cells = bms != NULL ? bms->values[JKB_GROUP_LIVE].n_cells : 0;

  for (JkbFieldId field = jkb_group_first (JKB_GROUP_LIVE); field < jkb_group_end (JKB_GROUP_LIVE);
       field++)
    if (jkb_fields[field].kind == JKB_KIND_NUMBER || jkb_fields[field].kind == JKB_KIND_BOOL)
      puts (jkb_fields[field].key);
    else if (jkb_fields[field].kind == JKB_KIND_LIST)
      for (guint item = 0; item < n_cells; item++)
        {
          char key[64];

          jkb_field_item_key (&jkb_fields[field], item, key, sizeof key);
          puts (key);
        }
}

/* "KEY=", for set. */
static void
put_settings (void)
{
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    if (jkb_setting_tier (&jkb_fields[id]) != JKB_TIER_NONE)
      printf ("%s=\n", jkb_fields[id].key);
}

static void
put_options (JkbSection section)
{
  guint n_options;
  const JkbOption *options = jkb_options (&n_options);

  for (guint i = 0; i < n_options; i++)
    if (options[i].section == section && (options[i].flags & JKB_OPTION_RUNTIME) != 0)
      printf ("%s=\n", options[i].key);
}

/* What a setting or option can be, where that is a handful of words. */
static void
put_values (const char *key)
{
  const JkbField *field = jkb_field_lookup (JKB_GROUP_SETTINGS, key);
  const JkbOption *option = jkb_section_find_option (JKB_SECTION_BUS, key);

  if (option == NULL)
    option = jkb_section_find_option (JKB_SECTION_MQTT, key);
  if (field != NULL && field->kind == JKB_KIND_BOOL)
    puts ("on\noff");
  else if (option != NULL && option->type == JKB_OPTION_BOOL)
    puts ("true\nfalse");
  for (guint i = 0; field != NULL && field->names != NULL && field->names[i] != NULL; i++)
    puts (field->names[i]);
  for (guint i = 0; option != NULL && option->names != NULL && option->names[i] != NULL; i++)
    puts (option->names[i]);
}

static void
put_snapshots (JkbCtl *ctl, const char *id)
{
  g_autoptr(JkbCtlModel) model = NULL;
  const JkbCtlBms *bms = jkb_ctl_fetch_settings (ctl, id, &model, NULL);
  g_autoptr(GVariant) snapshots = bms != NULL ? jkb_ctl_fetch_snapshots (ctl, bms, NULL) : NULL;
  gsize n = snapshots != NULL ? g_variant_n_children (snapshots) : 0;

  for (gsize i = 0; i < n; i++)
    {
      const char *name;

      g_variant_get_child (snapshots, i, "(&st)", &name, NULL);
      puts (name);
    }
}

static void
put_verbs (void)
{
  gsize n_verbs;
  const JkbCtlVerb *verbs = jkb_ctl_verbs (&n_verbs);

  for (gsize i = 0; i < n_verbs; i++)
    if (verbs[i].summary != NULL)
      puts (verbs[i].name);
}

int
jkb_ctl_verb_complete (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  const char *what, *of;
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  what = argv[0];
  of = argc > 1 ? argv[1] : "";
  if (strcmp (what, "verbs") == 0)
    put_verbs ();
  else if (strcmp (what, "keys") == 0)
    put_keys ();
  else if (strcmp (what, "history-keys") == 0)
    put_history_keys (ctl, of);
  else if (strcmp (what, "settings") == 0)
    put_settings ();
  else if (strcmp (what, "values") == 0)
    put_values (of);
  else if (strcmp (what, "bus-options") == 0)
    put_options (JKB_SECTION_BUS);
  else if (strcmp (what, "mqtt-options") == 0)
    put_options (JKB_SECTION_MQTT);
  else if (strcmp (what, "snapshots") == 0)
    put_snapshots (ctl, of);
  else if (strcmp (what, "ids") == 0 || strcmp (what, "buses") == 0)
    put_objects (ctl, strcmp (what, "buses") == 0);
  return JKB_CTL_OK;
}
