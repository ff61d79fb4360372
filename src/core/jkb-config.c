/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * From the layered store to the structs of jkb-config.h. Main thread only.
 */
#include "core/jkb-config.h"

#include <string.h>

#include "core/jkb-config-scan.h"
#include "core/jkb-config-store.h"
#include "core/jkb-config-validate.h"

const char *
jkb_mode_name (JkbMode mode)
{
  static const char *const names[] = { "auto", "listen", "poll" };

  return names[mode];
}

const char *
jkb_tier_name (JkbTier tier)
{
  static const char *const names[] = { "none", "switches", "basic", "protection" };

  return names[tier];
}

/* ---- structs -------------------------------------------------------------------------------- */

void
jkb_bus_config_free (JkbBusConfig *config)
{
  if (config == NULL)
    return;
  jkb_section_clear (JKB_SECTION_BUS, config);
  g_free (config->name);
  g_free (config);
}

JkbBusConfig *
jkb_bus_config_copy (const JkbBusConfig *config)
{
  JkbBusConfig *copy = g_new0 (JkbBusConfig, 1);

  copy->name = g_strdup (config->name);
  jkb_section_copy (JKB_SECTION_BUS, copy, config);
  return copy;
}

void
jkb_mqtt_config_free (JkbMqttConfig *config)
{
  if (config == NULL)
    return;
  jkb_section_clear (JKB_SECTION_MQTT, config);
  g_free (config);
}

JkbMqttConfig *
jkb_mqtt_config_copy (const JkbMqttConfig *config)
{
  JkbMqttConfig *copy = g_new0 (JkbMqttConfig, 1);

  jkb_section_copy (JKB_SECTION_MQTT, copy, config);
  return copy;
}

static void
bms_config_free (JkbBmsConfig *config)
{
  jkb_section_clear (JKB_SECTION_BMS, config);
  g_free (config->id);
  g_free (config);
}

static void
bank_config_free (JkbBankConfig *config)
{
  jkb_section_clear (JKB_SECTION_BANK, config);
  g_free (config->name);
  g_free (config);
}

/* @store: (transfer full) */
static JkbConfig *
config_new (JkbConfigStore *store)
{
  JkbConfig *config = g_new0 (JkbConfig, 1);

  config->store = store;
  jkb_section_init (JKB_SECTION_DAEMON, &config->daemon);
  jkb_section_init (JKB_SECTION_MQTT, &config->mqtt);
  jkb_section_init (JKB_SECTION_HOMEASSISTANT, &config->homeassistant);
  jkb_section_init (JKB_SECTION_WRITES, &config->writes);
  jkb_section_init (JKB_SECTION_HISTORY, &config->history);
  config->buses = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_bus_config_free);
  config->bms = g_ptr_array_new_with_free_func ((GDestroyNotify) bms_config_free);
  config->banks = g_ptr_array_new_with_free_func ((GDestroyNotify) bank_config_free);
  return config;
}

void
jkb_config_free (JkbConfig *config)
{
  if (config == NULL)
    return;
  jkb_section_clear (JKB_SECTION_DAEMON, &config->daemon);
  jkb_section_clear (JKB_SECTION_MQTT, &config->mqtt);
  jkb_section_clear (JKB_SECTION_HOMEASSISTANT, &config->homeassistant);
  jkb_section_clear (JKB_SECTION_WRITES, &config->writes);
  jkb_section_clear (JKB_SECTION_HISTORY, &config->history);
  g_ptr_array_unref (config->buses);
  g_ptr_array_unref (config->bms);
  g_ptr_array_unref (config->banks);
  jkb_config_store_free (config->store);
  g_free (config);
}

/* ---- from the store ------------------------------------------------------------------------- */

static gpointer
new_bus (JkbConfig *config, const char *name)
{
  JkbBusConfig *bus = g_new0 (JkbBusConfig, 1);

  bus->name = g_strdup (name);
  g_ptr_array_add (config->buses, bus);
  return bus;
}

static gpointer
new_bms (JkbConfig *config, const char *id)
{
  JkbBmsConfig *bms = g_new0 (JkbBmsConfig, 1);

  bms->id = g_strdup (id);
  g_ptr_array_add (config->bms, bms);
  return bms;
}

static gpointer
new_bank (JkbConfig *config, const char *name)
{
  JkbBankConfig *bank = g_new0 (JkbBankConfig, 1);

  bank->name = g_strdup (name);
  g_ptr_array_add (config->banks, bank);
  return bank;
}

/* Returns: (nullable): the struct that @group fills; a bus without a uri has none. */
static gpointer
open_section (JkbConfig *config, const JkbConfigGroup *group)
{
  const JkbConfigEntry *uri;
  gpointer values;

  switch (group->section)
    {
    case JKB_SECTION_DAEMON:
      return &config->daemon;
    case JKB_SECTION_MQTT:
      return &config->mqtt;
    case JKB_SECTION_HOMEASSISTANT:
      return &config->homeassistant;
    case JKB_SECTION_WRITES:
      return &config->writes;
    case JKB_SECTION_HISTORY:
      return &config->history;
    case JKB_SECTION_BUS:
      uri = jkb_config_group_find (group, "uri");
      if (uri == NULL || uri->value[0] == '\0')
        return NULL;
      values = new_bus (config, group->name);
      break;
    case JKB_SECTION_BMS:
      values = new_bms (config, group->name);
      break;
    case JKB_SECTION_BANK:
      values = new_bank (config, group->name);
      break;
    default:
      g_return_val_if_reached (NULL);
    }
  jkb_section_init (group->section, values);
  return values;
}

static void
build_group (JkbConfig *config, const JkbConfigGroup *group)
{
  gpointer values = open_section (config, group);

  for (guint layer = 0; layer < JKB_N_LAYERS && values != NULL; layer++)
    for (guint i = 0; i < group->entries[layer]->len; i++)
      {
        const JkbConfigEntry *entry = g_ptr_array_index (group->entries[layer], i);

        jkb_option_set (entry->option, values, entry->value, NULL);
      }
}

static void
build (JkbConfig *config)
{
  GPtrArray *groups = jkb_config_store_get_groups (config->store);
  const JkbConfigGroup *mqtt = jkb_config_store_find_group (config->store, "mqtt");

  for (guint i = 0; i < groups->len; i++)
    build_group (config, g_ptr_array_index (groups, i));
  if (mqtt == NULL || jkb_config_group_find (mqtt, "enabled") == NULL)
    config->mqtt.enabled = config->mqtt.uri[0] != '\0';
}

/* What was asked for is told first, by jkb_config_validate(). */
static void
limit_commands (JkbConfig *config)
{
  config->mqtt.commands = MIN (config->mqtt.commands, config->writes.access);
}

JkbConfig *
jkb_config_new_from_store (JkbConfigStore *store)
{
  JkbConfig *config = config_new (store);

  build (config);
  limit_commands (config);
  return config;
}

/* ---- files ---------------------------------------------------------------------------------- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
load_directory (JkbConfig *config, const char *file, GPtrArray *problems)
{
  g_autofree char *base = g_path_get_dirname (file);
  g_autofree char *path = g_build_filename (base, "conf.d", NULL);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = g_dir_open (path, 0, &error);
  const char *name;

  if (dir == NULL && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT)
      && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOTDIR))
    jkb_problems_add (problems, JKB_PROBLEM_ERROR, path, 0,
                      "this directory cannot be read; correct its owner or mode");
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (name[0] != '.' && g_str_has_suffix (name, ".conf"))
      g_ptr_array_add (names, g_build_filename (path, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    jkb_config_store_load (config->store, g_ptr_array_index (names, i), TRUE, JKB_LAYER_ADMIN,
                           problems);
}

static int
compare_problems (gconstpointer a, gconstpointer b, gpointer store)
{
  const JkbProblem *x = *(const JkbProblem *const *) a, *y = *(const JkbProblem *const *) b;
  guint rank_x = jkb_config_store_rank_file (store, x->file);
  guint rank_y = jkb_config_store_rank_file (store, y->file);

  if (rank_x != rank_y)
    return rank_x < rank_y ? -1 : 1;
  return x->line < y->line ? -1 : x->line > y->line;
}

JkbConfig *
jkb_config_load (const char *file, gboolean required, const char *state_dir, GPtrArray *problems)
{
  JkbConfig *config = config_new (jkb_config_store_new ());
  g_autoptr(GPtrArray) found
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autofree char *overlay
      = state_dir != NULL ? g_build_filename (state_dir, JKB_OVERLAY_NAME, NULL) : NULL;
  gboolean admin_is_whole;

  jkb_config_store_load (config->store, file, required, JKB_LAYER_ADMIN, found);
  load_directory (config, file, found);
  admin_is_whole = !jkb_problems_have_error (found);
  if (overlay != NULL)
    jkb_config_store_load (config->store, overlay, FALSE, JKB_LAYER_OVERLAY, found);
  if (!admin_is_whole && jkb_config_store_get_fate (config->store) == JKB_OVERLAY_STALE)
    jkb_config_store_set_fate (config->store, JKB_OVERLAY_GOOD); /* perhaps only for now */
  build (config);
  jkb_config_validate (config, TRUE, found);
  limit_commands (config);
  g_ptr_array_sort_with_data (found, compare_problems, config->store);
  while (found->len > 0)
    g_ptr_array_add (problems, g_ptr_array_steal_index (found, 0));
  return config;
}

gboolean
jkb_problems_have_error (const GPtrArray *problems)
{
  for (guint i = 0; i < problems->len; i++)
    if (((const JkbProblem *) g_ptr_array_index (problems, i))->level == JKB_PROBLEM_ERROR)
      return TRUE;
  return FALSE;
}

/* ---- look-up -------------------------------------------------------------------------------- */

const JkbBusConfig *
jkb_config_find_bus (const JkbConfig *config, const char *name)
{
  for (guint i = 0; i < config->buses->len; i++)
    {
      const JkbBusConfig *bus = g_ptr_array_index (config->buses, i);

      if (g_str_equal (bus->name, name))
        return bus;
    }
  return NULL;
}

const JkbBmsConfig *
jkb_config_find_bms (const JkbConfig *config, const char *id)
{
  for (guint i = 0; i < config->bms->len; i++)
    {
      const JkbBmsConfig *bms = g_ptr_array_index (config->bms, i);

      if (g_str_equal (bms->id, id))
        return bms;
    }
  return NULL;
}
