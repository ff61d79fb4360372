/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Groups and entries of all layers. Main thread only.
 */
#include "core/jkb-config-store.h"

#include <string.h>

struct _JkbConfigStore
{
  GPtrArray *groups;
  GHashTable *by_name; /* group to JkbConfigGroup */
  GPtrArray *removed;  /* groups of the admin's files that were removed at run time */
  GPtrArray *files;    /* in the order of reading */
  JkbOverlayFate fate;
};

static void
entry_free (JkbConfigEntry *entry)
{
  g_free (entry->value);
  g_free (entry);
}

static void
group_free (JkbConfigGroup *group)
{
  for (guint i = 0; i < JKB_N_LAYERS; i++)
    g_ptr_array_unref (group->entries[i]);
  g_free (group->group);
  g_free (group);
}

JkbConfigStore *
jkb_config_store_new (void)
{
  JkbConfigStore *store = g_new0 (JkbConfigStore, 1);

  store->groups = g_ptr_array_new_with_free_func ((GDestroyNotify) group_free);
  store->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  store->removed = g_ptr_array_new_with_free_func ((GDestroyNotify) group_free);
  store->files = g_ptr_array_new_with_free_func (g_free);
  return store;
}

void
jkb_config_store_free (JkbConfigStore *store)
{
  if (store == NULL)
    return;
  g_hash_table_unref (store->by_name);
  g_ptr_array_unref (store->groups);
  g_ptr_array_unref (store->removed);
  g_ptr_array_unref (store->files);
  g_free (store);
}

static void
copy_groups (JkbConfigStore *copy, const GPtrArray *groups)
{
  for (guint i = 0; i < groups->len; i++)
    {
      const JkbConfigGroup *from = g_ptr_array_index (groups, i);
      JkbConfigGroup *to = jkb_config_store_add_group (copy, from->group, from->section,
                                                       from->layer, from->file, from->line);

      for (guint layer = 0; layer < JKB_N_LAYERS; layer++)
        for (guint n = 0; n < from->entries[layer]->len; n++)
          {
            const JkbConfigEntry *entry = g_ptr_array_index (from->entries[layer], n);

            jkb_config_group_set (copy, to, entry->option, entry->layer, entry->value, entry->file,
                                  entry->line);
          }
    }
}

JkbConfigStore *
jkb_config_store_copy (const JkbConfigStore *store)
{
  JkbConfigStore *copy = jkb_config_store_new ();

  for (guint i = 0; i < store->files->len; i++)
    jkb_config_store_rank_file (copy, g_ptr_array_index (store->files, i));
  copy_groups (copy, store->removed);
  while (copy->groups->len > 0)
    jkb_config_store_remove_group (copy, g_ptr_array_index (copy->groups, 0));
  copy_groups (copy, store->groups);
  copy->fate = store->fate;
  return copy;
}

JkbOverlayFate
jkb_config_store_get_fate (const JkbConfigStore *store)
{
  return store->fate;
}

void
jkb_config_store_set_fate (JkbConfigStore *store, JkbOverlayFate fate)
{
  store->fate = fate;
}

GPtrArray *
jkb_config_store_get_groups (JkbConfigStore *store)
{
  return store->groups;
}

JkbConfigGroup *
jkb_config_store_find_group (JkbConfigStore *store, const char *group)
{
  return g_hash_table_lookup (store->by_name, group);
}

guint
jkb_config_store_rank_file (JkbConfigStore *store, const char *file)
{
  guint i = 0;

  while (i < store->files->len && !g_str_equal (g_ptr_array_index (store->files, i), file))
    i++;
  if (i == store->files->len)
    g_ptr_array_add (store->files, g_strdup (file));
  return i;
}

static const char *
keep_file (JkbConfigStore *store, const char *file)
{
  guint rank = jkb_config_store_rank_file (store, file); /* may move what is indexed next */

  return g_ptr_array_index (store->files, rank);
}

JkbConfigGroup *
jkb_config_store_add_group (JkbConfigStore *store, const char *name, JkbSection section,
                            JkbLayer layer, const char *file, guint line)
{
  JkbConfigGroup *group = jkb_config_store_find_group (store, name);
  const char *space;

  if (group != NULL)
    return group;
  group = g_new0 (JkbConfigGroup, 1);
  group->group = g_strdup (name);
  group->section = section;
  space = jkb_section_has_name (section) ? strchr (group->group, ' ') : NULL;
  group->name = space != NULL ? space + 1 : "";
  group->layer = layer;
  group->file = keep_file (store, file);
  group->line = line;
  for (guint i = 0; i < JKB_N_LAYERS; i++)
    group->entries[i] = g_ptr_array_new_with_free_func ((GDestroyNotify) entry_free);
  g_ptr_array_add (store->groups, group);
  g_hash_table_insert (store->by_name, group->group, group);
  return group;
}

const JkbConfigEntry *
jkb_config_group_find_in (const JkbConfigGroup *group, const char *key, JkbLayer layer)
{
  for (guint i = 0; i < group->entries[layer]->len; i++)
    {
      const JkbConfigEntry *entry = g_ptr_array_index (group->entries[layer], i);

      if (g_str_equal (entry->option->key, key))
        return entry;
    }
  return NULL;
}

const JkbConfigEntry *
jkb_config_group_find (const JkbConfigGroup *group, const char *key)
{
  const JkbConfigEntry *entry = jkb_config_group_find_in (group, key, JKB_LAYER_OVERLAY);

  return entry != NULL ? entry : jkb_config_group_find_in (group, key, JKB_LAYER_ADMIN);
}

void
jkb_config_group_set (JkbConfigStore *store, JkbConfigGroup *group, const JkbOption *option,
                      JkbLayer layer, const char *value, const char *file, guint line)
{
  JkbConfigEntry *entry
      = (JkbConfigEntry *) jkb_config_group_find_in (group, option->key, layer);

  if (entry == NULL)
    {
      entry = g_new0 (JkbConfigEntry, 1);
      entry->option = option;
      entry->layer = layer;
      g_ptr_array_add (group->entries[layer], entry);
    }
  g_free (entry->value);
  entry->value = g_strdup (value);
  entry->file = keep_file (store, file);
  entry->line = line;
}

void
jkb_config_group_reset (JkbConfigGroup *group, const char *key)
{
  JkbConfigEntry *entry
      = (JkbConfigEntry *) jkb_config_group_find_in (group, key, JKB_LAYER_OVERLAY);

  if (entry != NULL)
    g_ptr_array_remove (group->entries[JKB_LAYER_OVERLAY], entry);
}

GPtrArray *
jkb_config_store_get_removed (JkbConfigStore *store)
{
  return store->removed;
}

void
jkb_config_store_remove_group (JkbConfigStore *store, JkbConfigGroup *group)
{
  guint index;

  if (!g_ptr_array_find (store->groups, group, &index))
    return;
  g_hash_table_remove (store->by_name, group->group);
  g_ptr_array_steal_index (store->groups, index);
  g_ptr_array_set_size (group->entries[JKB_LAYER_OVERLAY], 0);
  if (group->layer == JKB_LAYER_ADMIN)
    g_ptr_array_add (store->removed, group);
  else
    group_free (group);
}

JkbConfigGroup *
jkb_config_store_restore_group (JkbConfigStore *store, const char *name)
{
  for (guint i = 0; i < store->removed->len; i++)
    {
      JkbConfigGroup *group = g_ptr_array_index (store->removed, i);

      if (!g_str_equal (group->group, name))
        continue;
      g_ptr_array_steal_index (store->removed, i);
      g_ptr_array_add (store->groups, group);
      g_hash_table_insert (store->by_name, group->group, group);
      return group;
    }
  return NULL;
}

char *
jkb_config_entry_describe_origin (const JkbConfigEntry *entry)
{
  if (entry == NULL)
    return g_strdup ("default");
  if (entry->layer == JKB_LAYER_OVERLAY)
    return g_strdup ("runtime");
  return g_strdup_printf ("%s:%u", entry->file, entry->line);
}
