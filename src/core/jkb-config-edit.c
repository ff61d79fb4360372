/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Edits of the layered store. Main thread only.
 */
#include "core/jkb-config-edit.h"

#include <string.h>

#include "core/jkb-config-store.h"
#include "core/jkb-config-validate.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"

/* Where the overlay's entries stand; nobody is ever shown this. */
#define ORIGIN JKB_OVERLAY_NAME

struct _JkbConfigEdit
{
  const JkbConfig *config;
  JkbConfigStore *store; /* NULL: finished */
};

JkbConfigEdit *
jkb_config_edit_new (const JkbConfig *config)
{
  JkbConfigEdit *edit = g_new0 (JkbConfigEdit, 1);

  edit->config = config;
  edit->store = jkb_config_store_copy (config->store);
  return edit;
}

void
jkb_config_edit_free (JkbConfigEdit *edit)
{
  jkb_config_store_free (edit->store);
  g_free (edit);
}

/* ---- keys ---- */

static gboolean
has_no_entries (const JkbConfigGroup *group, JkbLayer layer)
{
  return group->entries[layer]->len == 0;
}

static const JkbOption *
find_option (const char *group, const char *key, JkbSection *section, GError **error)
{
  const JkbOption *option;
  const char *name, *near;

  if (!jkb_section_parse (group, section, &name, error))
    return NULL;
  option = jkb_section_find_option (*section, key);
  near = option == NULL ? jkb_section_suggest (*section, key) : NULL;
  if (option == NULL)
    {
      g_autofree char *shown = jkb_form_show (key);

      g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "unknown key %s in [%s]%s%s%s", shown,
                   group, near != NULL ? "; did you mean " : "; see jkbmsd.conf(5) for the keys",
                   near != NULL ? near : "", near != NULL ? "?" : "");
    }
  return option;
}

/* Groups of buses are made by jkb_config_edit_add_bus() only. */
static JkbConfigGroup *
open_group (JkbConfigEdit *edit, const char *name, JkbSection section, GError **error)
{
  JkbConfigGroup *group = jkb_config_store_find_group (edit->store, name);

  if (group == NULL && section == JKB_SECTION_BUS)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND,
                   "there is no [%s]; add the bus first, or correct the name", name);
      return NULL;
    }
  return jkb_config_store_add_group (edit->store, name, section, JKB_LAYER_OVERLAY, ORIGIN, 0);
}

static gboolean
is_what_was (const JkbConfigGroup *group, const JkbOption *option, const char *text)
{
  const JkbConfigEntry *admin = jkb_config_group_find_in (group, option->key, JKB_LAYER_ADMIN);

  return g_strcmp0 (text, admin != NULL ? admin->value : option->fallback) == 0;
}

static void
drop_if_empty (JkbConfigEdit *edit, JkbConfigGroup *group)
{
  if (group->layer == JKB_LAYER_OVERLAY && has_no_entries (group, JKB_LAYER_OVERLAY))
    jkb_config_store_remove_group (edit->store, group);
}

gboolean
jkb_config_edit_set (JkbConfigEdit *edit, const char *name, const char *key, const char *text,
                     GError **error)
{
  JkbSection section;
  const JkbOption *option = find_option (name, key, &section, error);
  JkbConfigGroup *group;

  if (option == NULL)
    return FALSE;
  if (!(option->flags & JKB_OPTION_RUNTIME))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_READ_ONLY,
                   "%s in [%s] is set in configuration files only; write it there and reload", key,
                   name);
      return FALSE;
    }
  if (!jkb_option_set (option, NULL, text, error))
    return FALSE;
  group = open_group (edit, name, section, error);
  if (group == NULL)
    return FALSE;
  if (is_what_was (group, option, text))
    jkb_config_group_reset (group, key);
  else
    jkb_config_group_set (edit->store, group, option, JKB_LAYER_OVERLAY, text, ORIGIN, 0);
  if (section != JKB_SECTION_BUS)
    drop_if_empty (edit, group);
  return TRUE;
}

void
jkb_config_edit_set_password_file (JkbConfigEdit *edit, const char *file)
{
  JkbConfigGroup *group = open_group (edit, "mqtt", JKB_SECTION_MQTT, NULL);

  jkb_config_group_set (edit->store, group, jkb_option_find ("mqtt", "password-file"),
                        JKB_LAYER_OVERLAY, file, ORIGIN, 0);
}

/* ---- resetting ---- */

static gboolean
reset_group (JkbConfigEdit *edit, const char *name, GError **error)
{
  JkbConfigGroup *group = jkb_config_store_find_group (edit->store, name);
  JkbSection section;
  const char *rest;

  if (jkb_config_store_restore_group (edit->store, name) != NULL)
    return TRUE;
  if (!jkb_section_parse (name, &section, &rest, error))
    return FALSE;
  if (group == NULL && section != JKB_SECTION_BUS)
    return TRUE;
  if (group == NULL)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "there is no [%s]; correct the name",
                   name);
      return FALSE;
    }
  g_ptr_array_set_size (group->entries[JKB_LAYER_OVERLAY], 0);
  drop_if_empty (edit, group);
  return TRUE;
}

static void
reset_all (JkbConfigEdit *edit)
{
  GPtrArray *groups = jkb_config_store_get_groups (edit->store);
  GPtrArray *removed = jkb_config_store_get_removed (edit->store);

  while (removed->len > 0)
    jkb_config_store_restore_group (edit->store,
                                    ((JkbConfigGroup *) g_ptr_array_index (removed, 0))->group);
  for (guint i = groups->len; i > 0; i--)
    {
      JkbConfigGroup *group = g_ptr_array_index (groups, i - 1);

      g_ptr_array_set_size (group->entries[JKB_LAYER_OVERLAY], 0);
      drop_if_empty (edit, group);
    }
}

gboolean
jkb_config_edit_reset (JkbConfigEdit *edit, const char *name, const char *key, GError **error)
{
  JkbConfigGroup *group;
  JkbSection section;

  if (key[0] == '\0' && name[0] == '\0')
    {
      reset_all (edit);
      return TRUE;
    }
  if (key[0] == '\0')
    return reset_group (edit, name, error);
  if (find_option (name, key, &section, error) == NULL)
    return FALSE;
  group = jkb_config_store_find_group (edit->store, name);
  if (group != NULL)
    {
      jkb_config_group_reset (group, key);
      drop_if_empty (edit, group);
    }
  return TRUE;
}

/* ---- buses ---- */

/* What a removed bus had in the admin's files does not shine through a new one of its name. */
static void
override_with_defaults (JkbConfigEdit *edit, JkbConfigGroup *group)
{
  GPtrArray *entries = group->entries[JKB_LAYER_ADMIN];

  for (guint i = 0; i < entries->len; i++)
    {
      const JkbConfigEntry *entry = g_ptr_array_index (entries, i);

      if (!g_str_equal (entry->value, entry->option->fallback))
        jkb_config_group_set (edit->store, group, entry->option, JKB_LAYER_OVERLAY,
                              entry->option->fallback, ORIGIN, 0);
    }
}

gboolean
jkb_config_edit_add_bus (JkbConfigEdit *edit, const char *name, GError **error)
{
  g_autofree char *group_name = g_strconcat ("bus ", name, NULL);
  g_autoptr (GError) reason = NULL;
  JkbConfigGroup *group;

  if (!jkb_form_bus_name (name, &reason))
    {
      g_autofree char *shown = jkb_form_show (name);

      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "the name %s %s", shown,
                   reason->message);
      return FALSE;
    }
  if (jkb_config_store_find_group (edit->store, group_name) != NULL)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_EXISTS,
                   "there is a bus %s already; change it, or choose another name", name);
      return FALSE;
    }
  group = jkb_config_store_restore_group (edit->store, group_name);
  if (group != NULL)
    override_with_defaults (edit, group);
  else
    jkb_config_store_add_group (edit->store, group_name, JKB_SECTION_BUS, JKB_LAYER_OVERLAY,
                                ORIGIN, 0);
  return TRUE;
}

/* The names that were given at run time to the BMS of a bus go with it. */
static void
reset_bms_of (JkbConfigEdit *edit, const char *bus)
{
  GPtrArray *groups = jkb_config_store_get_groups (edit->store);

  for (guint i = groups->len; i > 0; i--)
    {
      JkbConfigGroup *group = g_ptr_array_index (groups, i - 1);
      const char *underscore = strrchr (group->name, '_');

      if (group->section != JKB_SECTION_BMS || underscore == NULL
          || strncmp (group->name, bus, (gsize) (underscore - group->name)) != 0
          || strlen (bus) != (gsize) (underscore - group->name))
        continue;
      g_ptr_array_set_size (group->entries[JKB_LAYER_OVERLAY], 0);
      drop_if_empty (edit, group);
    }
}

gboolean
jkb_config_edit_remove_bus (JkbConfigEdit *edit, const char *name, GError **error)
{
  g_autofree char *group_name = g_strconcat ("bus ", name, NULL);
  JkbConfigGroup *group = jkb_config_store_find_group (edit->store, group_name);

  if (group == NULL)
    {
      g_autofree char *shown = jkb_form_show (name);

      g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "there is no bus %s; correct the name",
                   shown);
      return FALSE;
    }
  jkb_config_store_remove_group (edit->store, group);
  reset_bms_of (edit, name);
  return TRUE;
}

/* ---- the whole ---- */

static guint
count_message (const GPtrArray *problems, const char *message)
{
  guint n = 0;

  for (guint i = 0; i < problems->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (problems, i);

      n += problem->level == JKB_PROBLEM_ERROR && g_str_equal (problem->message, message);
    }
  return n;
}

static GPtrArray *
find_problems (const JkbConfig *config)
{
  GPtrArray *problems = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);

  jkb_config_validate (config, FALSE, problems);
  return problems;
}

JkbConfig *
jkb_config_edit_finish (JkbConfigEdit *edit, GError **error)
{
  g_autoptr (GPtrArray) before = find_problems (edit->config);
  g_autoptr (GPtrArray) after = NULL;
  g_autoptr (JkbConfig) config = NULL;
  JkbConfigStore *store = g_steal_pointer (&edit->store);

  config = jkb_config_new_from_store (store);
  after = find_problems (config);
  for (guint i = 0; i < after->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (after, i);

      if (problem->level == JKB_PROBLEM_ERROR
          && count_message (after, problem->message) > count_message (before, problem->message))
        {
          g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, problem->message);
          return NULL;
        }
    }
  return g_steal_pointer (&config);
}
