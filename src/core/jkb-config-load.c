/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Files into the store: each line is checked against the option table where it stands. The overlay
 * begins with "[overrides] format=1"; beside a group G with changed keys stands "[replaced G]" with
 * the admin's texts at that time, no key there meaning that the admin had none. "[removed G]" stands
 * for a group of the admin's that was removed at run time, with all its texts at that time: when one
 * of them changes, the group is back. jkb-overlay.c writes it. Main thread only.
 */
#include <string.h>

#include "core/jkb-config-scan.h"
#include "core/jkb-config-store.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"

#define REPLACED JKB_OVERLAY_REPLACED
#define REMOVED JKB_OVERLAY_REMOVED

typedef struct
{
  JkbConfigStore *store;
  JkbLayer layer;
  const char *file;
  GPtrArray *problems;
  GPtrArray *entries;     /* (element-type JkbScanEntry) */
  JkbConfigGroup *group;  /* NULL: unknown, its keys are passed over */
  gboolean group_is_known;
} Load;

#define COMPLAIN(load, level, line, ...) \
  jkb_problems_add ((load)->problems, \
                    (load)->layer == JKB_LAYER_OVERLAY ? JKB_PROBLEM_WARNING : (level), \
                    (load)->file, (line), __VA_ARGS__)

static void
open_group (Load *load, const JkbScanEntry *entry)
{
  g_autoptr(GError) error = NULL;
  JkbSection section;
  const char *name;

  load->group = NULL;
  if (!jkb_section_parse (entry->group, &section, &name, &error))
    COMPLAIN (load,
              g_error_matches (error, JKB_ERROR, JKB_ERROR_NOT_FOUND) ? JKB_PROBLEM_WARNING
                                                                      : JKB_PROBLEM_ERROR,
              entry->line, "%s", error->message);
  else
    load->group = jkb_config_store_add_group (load->store, entry->group, section, load->layer,
                                              load->file, entry->line);
}

static gboolean
is_secret_key (const char *key)
{
  static const char *const words[] = { "password", "passwd", "pass", "passphrase", "secret", NULL };

  return g_strv_contains (words, key);
}

static void
complain_unknown_key (Load *load, const JkbScanEntry *entry)
{
  const char *found = jkb_section_suggest (load->group->section, entry->key);
  g_autofree char *shown = jkb_form_show (entry->key);

  if (is_secret_key (entry->key))
    COMPLAIN (load, JKB_PROBLEM_ERROR, entry->line,
              "%s does not belong here, where others may read it; put the password into a file of "
              "mode 0600 and name that with password-file= in [mqtt]",
              shown);
  else if (found != NULL)
    COMPLAIN (load, JKB_PROBLEM_WARNING, entry->line, "unknown key %s in [%s]; did you mean %s?",
              shown, load->group->group, found);
  else
    COMPLAIN (load, JKB_PROBLEM_WARNING, entry->line,
              "unknown key %s in [%s]; remove it, or see jkbmsd.conf(5) for the keys", shown,
              load->group->group);
}

/* What the admin had for @key of the group when it was overridden; NULL: nothing. */
static const char *
find_replaced (Load *load, const char *key)
{
  g_autofree char *replaced = g_strconcat (REPLACED, load->group->group, NULL);
  const char *before = NULL;

  for (guint i = 0; i < load->entries->len; i++)
    {
      const JkbScanEntry *other = g_ptr_array_index (load->entries, i);

      if (other->key != NULL && g_str_equal (other->key, key)
          && g_str_equal (other->group, replaced))
        before = other->value;
    }
  return before;
}

static gboolean
is_admin_unchanged (Load *load, const char *key)
{
  const JkbConfigEntry *admin = jkb_config_group_find_in (load->group, key, JKB_LAYER_ADMIN);

  return g_strcmp0 (find_replaced (load, key), admin != NULL ? admin->value : NULL) == 0;
}

/* Whether an override still replaces the admin's text that it was made for. A stored password stands
 * for the credential too. */
static gboolean
is_override_current (Load *load, const JkbScanEntry *entry, const JkbOption *option)
{
  if (is_admin_unchanged (load, entry->key)
      && (!(option->flags & JKB_OPTION_STORED)
          || is_admin_unchanged (load, JKB_OVERLAY_STORED_ALSO)))
    return TRUE;
  jkb_config_store_set_fate (load->store, JKB_OVERLAY_STALE);
  COMPLAIN (load, JKB_PROBLEM_WARNING, entry->line,
            "%s in [%s] was changed at runtime, but the configuration files have changed since; "
            "the files count",
            entry->key, entry->group);
  return FALSE;
}

/* Where a mistake could let the daemon speak or be written to, what is safe counts. */
static void
set_safe (Load *load, const JkbScanEntry *entry, const JkbOption *option)
{
  if (option->safe != NULL)
    jkb_config_group_set (load->store, load->group, option, load->layer, option->safe, load->file,
                          entry->line);
}

static void
set_key (Load *load, const JkbScanEntry *entry)
{
  const JkbOption *option = jkb_section_find_option (load->group->section, entry->key);
  g_autoptr(GError) error = NULL;

  if (option == NULL)
    complain_unknown_key (load, entry);
  else if (load->layer == JKB_LAYER_OVERLAY
           && !(option->flags & (JKB_OPTION_RUNTIME | JKB_OPTION_STORED)))
    COMPLAIN (load, JKB_PROBLEM_WARNING, entry->line,
              "%s is set in configuration files only; the override is left out", entry->key);
  else if (!jkb_option_set (option, NULL, entry->value, &error))
    {
      COMPLAIN (load, JKB_PROBLEM_ERROR, entry->line, "%s", error->message);
      set_safe (load, entry, option);
    }
  else if (load->layer == JKB_LAYER_ADMIN || is_override_current (load, entry, option))
    jkb_config_group_set (load->store, load->group, option, load->layer, entry->value, load->file,
                          entry->line);
}

static gboolean
is_bookkeeping (Load *load, const JkbScanEntry *entry)
{
  return load->layer == JKB_LAYER_OVERLAY
         && (g_str_equal (entry->group, "overrides") || g_str_has_prefix (entry->group, REPLACED)
             || g_str_has_prefix (entry->group, REMOVED));
}

/* ---- groups that were removed at run time ---- */

/* Whether the admin's @group says what is written below @removed, no more and no less. */
static gboolean
is_removal_current (Load *load, const char *removed, const JkbConfigGroup *group)
{
  const GPtrArray *entries = group->entries[JKB_LAYER_ADMIN];
  guint n_same = 0;

  for (guint i = 0; i < load->entries->len; i++)
    {
      const JkbScanEntry *entry = g_ptr_array_index (load->entries, i);
      const JkbConfigEntry *admin;

      if (entry->key == NULL || !g_str_equal (entry->group, removed))
        continue;
      admin = jkb_config_group_find_in (group, entry->key, JKB_LAYER_ADMIN);
      if (admin == NULL || !g_str_equal (admin->value, entry->value))
        return FALSE;
      n_same++;
    }
  return n_same == entries->len;
}

static void
load_removals (Load *load)
{
  for (guint i = 0; i < load->entries->len; i++)
    {
      const JkbScanEntry *entry = g_ptr_array_index (load->entries, i);
      JkbConfigGroup *group;

      if (entry->key != NULL || !g_str_has_prefix (entry->group, REMOVED))
        continue;
      group = jkb_config_store_find_group (load->store, entry->group + strlen (REMOVED));
      if (group != NULL && is_removal_current (load, entry->group, group))
        {
          jkb_config_store_remove_group (load->store, group);
          continue;
        }
      jkb_config_store_set_fate (load->store, JKB_OVERLAY_STALE);
      if (group != NULL)
        COMPLAIN (load, JKB_PROBLEM_WARNING, entry->line,
                  "[%s] was removed at runtime, but the configuration files have changed since; the "
                  "files count",
                  group->group);
    }
}

/* A newer daemon's overlay is left alone: what it means can only be guessed. */
static gboolean
is_format_known (Load *load)
{
  for (guint i = 0; i < load->entries->len; i++)
    {
      const JkbScanEntry *entry = g_ptr_array_index (load->entries, i);

      if (entry->key != NULL && g_str_equal (entry->group, "overrides")
          && g_str_equal (entry->key, "format"))
        {
          if (g_str_equal (entry->value, G_STRINGIFY (JKB_OVERLAY_FORMAT)))
            return TRUE;
          COMPLAIN (load, JKB_PROBLEM_WARNING, entry->line,
                    "the runtime changes have a format other than %d, of a newer jkbmsd perhaps; "
                    "they are set aside",
                    JKB_OVERLAY_FORMAT);
          return FALSE;
        }
    }
  COMPLAIN (load, JKB_PROBLEM_WARNING, 0,
            "the runtime changes do not tell their format; they are set aside");
  return FALSE;
}

static void
load_entries (Load *load)
{
  if (load->layer == JKB_LAYER_OVERLAY && !is_format_known (load))
    {
      jkb_config_store_set_fate (load->store, JKB_OVERLAY_SET_ASIDE);
      return;
    }
  if (load->layer == JKB_LAYER_OVERLAY)
    load_removals (load);
  for (guint i = 0; i < load->entries->len; i++)
    {
      const JkbScanEntry *entry = g_ptr_array_index (load->entries, i);

      if (is_bookkeeping (load, entry))
        continue;
      if (entry->key == NULL)
        open_group (load, entry);
      else if (load->group != NULL)
        set_key (load, entry);
    }
}

static void
complain_unreadable (Load *load, const GError *error, gboolean required)
{
  JkbProblemLevel level = required || error->domain != G_FILE_ERROR ? JKB_PROBLEM_ERROR
                                                                    : JKB_PROBLEM_WARNING;

  if (required || !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    COMPLAIN (load, level, 0, "%s", error->message);
  if (load->layer == JKB_LAYER_OVERLAY
      && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    jkb_config_store_set_fate (load->store, JKB_OVERLAY_SET_ASIDE);
}

/* Returns: whether the entries may be used: the overlay is whole or not at all. */
static gboolean
take_scan_problems (Load *load, const GPtrArray *found)
{
  const JkbProblem *first = found->len > 0 ? g_ptr_array_index (found, 0) : NULL;

  if (first != NULL && load->layer == JKB_LAYER_OVERLAY)
    {
      COMPLAIN (load, JKB_PROBLEM_WARNING, first->line,
                "the runtime changes are damaged and are set aside: %s", first->message);
      jkb_config_store_set_fate (load->store, JKB_OVERLAY_SET_ASIDE);
      return FALSE;
    }
  for (guint i = 0; i < found->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (found, i);

      COMPLAIN (load, problem->level, problem->line, "%s", problem->message);
    }
  return TRUE;
}

void
jkb_config_store_load (JkbConfigStore *store, const char *file, gboolean required, JkbLayer layer,
                       GPtrArray *problems)
{
  Load load = { .store = store, .layer = layer, .file = file, .problems = problems };
  g_autoptr(GPtrArray) found
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr(GError) error = NULL;
  gsize length;
  g_autofree char *text = jkb_config_read (file, &length, &error);

  jkb_config_store_rank_file (store, file);
  if (text == NULL)
    {
      complain_unreadable (&load, error, required);
      return;
    }
  load.entries = jkb_config_scan (text, length, file, found);
  if (take_scan_problems (&load, found))
    load_entries (&load);
  g_ptr_array_unref (load.entries);
}
