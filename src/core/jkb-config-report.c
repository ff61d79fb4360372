/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The configuration told to people and clients: --check-config, GetConfig, GetConfigOrigins. Main
 * thread only.
 */
#include "core/jkb-config.h"
#include "core/jkb-config-store.h"

int
jkb_config_check (const char *file, gboolean required, const char *state_dir, FILE *out)
{
  g_autoptr(GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr(JkbConfig) config = jkb_config_load (file, required, state_dir, problems);

  for (guint i = 0; i < problems->len; i++)
    {
      g_autofree char *line = jkb_problem_to_string (g_ptr_array_index (problems, i));

      fprintf (out, "%s\n", line);
    }
  if (problems->len > 0)
    return 1;
  if (!g_file_test (file, G_FILE_TEST_EXISTS))
    fprintf (out, "%s: not there, which is no mistake\n", file);
  fprintf (out, "%s: all is well; %u %s, MQTT %s\n", file, config->buses->len,
           config->buses->len == 1 ? "bus" : "buses",
           config->mqtt.enabled ? config->mqtt.uri : "off");
  return 0;
}

/* ---- D-Bus ---------------------------------------------------------------------------------- */

typedef char *(*DescribeFunc) (const JkbConfig *config, const char *group, const JkbOption *option,
                               gconstpointer values);

static void
add_group (GVariantBuilder *all, const JkbConfig *config, JkbSection section, const char *name,
           gconstpointer values, DescribeFunc describe)
{
  g_autofree char *group = name != NULL
                               ? g_strconcat (jkb_section_name (section), " ", name, NULL)
                               : g_strdup (jkb_section_name (section));
  GVariantBuilder keys;
  guint n;
  const JkbOption *options = jkb_options (&n);

  g_variant_builder_init (&keys, G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; i < n; i++)
    if (options[i].section == section)
      {
        g_autofree char *text = describe (config, group, &options[i], values);

        g_variant_builder_add (&keys, "{ss}", options[i].key, text);
      }
  g_variant_builder_add (all, "{sa{ss}}", group, &keys);
}

static GVariant *
describe_all (const JkbConfig *config, DescribeFunc describe)
{
  GVariantBuilder all;

  g_variant_builder_init (&all, G_VARIANT_TYPE ("a{sa{ss}}"));
  add_group (&all, config, JKB_SECTION_DAEMON, NULL, &config->daemon, describe);
  for (guint i = 0; i < config->buses->len; i++)
    {
      const JkbBusConfig *bus = g_ptr_array_index (config->buses, i);

      add_group (&all, config, JKB_SECTION_BUS, bus->name, bus, describe);
    }
  for (guint i = 0; i < config->bms->len; i++)
    {
      const JkbBmsConfig *bms = g_ptr_array_index (config->bms, i);

      add_group (&all, config, JKB_SECTION_BMS, bms->id, bms, describe);
    }
  add_group (&all, config, JKB_SECTION_MQTT, NULL, &config->mqtt, describe);
  add_group (&all, config, JKB_SECTION_HOMEASSISTANT, NULL, &config->homeassistant, describe);
  for (guint i = 0; i < config->banks->len; i++)
    {
      const JkbBankConfig *bank = g_ptr_array_index (config->banks, i);

      add_group (&all, config, JKB_SECTION_BANK, bank->name, bank, describe);
    }
  add_group (&all, config, JKB_SECTION_WRITES, NULL, &config->writes, describe);
  add_group (&all, config, JKB_SECTION_HISTORY, NULL, &config->history, describe);
  return g_variant_builder_end (&all);
}

static char *
describe_value (const JkbConfig *config, const char *group, const JkbOption *option,
                gconstpointer values)
{
  return jkb_option_get (option, values);
}

static char *
describe_origin (const JkbConfig *config, const char *group, const JkbOption *option,
                 gconstpointer values)
{
  const JkbConfigGroup *found = jkb_config_store_find_group (config->store, group);
  const JkbConfigEntry *entry
      = found != NULL ? jkb_config_group_find (found, option->key) : NULL;

  return jkb_config_entry_describe_origin (entry);
}

GVariant *
jkb_config_get_values (const JkbConfig *config)
{
  return describe_all (config, describe_value);
}

GVariant *
jkb_config_get_origins (const JkbConfig *config)
{
  return describe_all (config, describe_origin);
}
