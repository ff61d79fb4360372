/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The configuration that counts: config show, config reset.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "core/jkb-options.h"
#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl-question.h"
#include "wire/jkb-text.h"

/* Writing the overlay may have to wait for a slow card. */
#define RESET_MS 20000

typedef struct
{
  char *group;
  guint section;   /* JKB_N_SECTIONS: unknown here */
  GVariant *values; /* a{ss} */
  GVariant *origins; /* a{ss}; NULL: not asked for */
} Group;

static void
group_free (gpointer data)
{
  Group *group = data;

  g_free (group->group);
  g_variant_unref (group->values);
  g_clear_pointer (&group->origins, g_variant_unref);
  g_free (group);
}

/* In the order of the documentation, then by name. */
static int
compare_groups (gconstpointer a, gconstpointer b)
{
  const Group *left = *(Group *const *) a, *right = *(Group *const *) b;

  if (left->section != right->section)
    return left->section < right->section ? -1 : 1;
  return strcmp (left->group, right->group);
}

static GVariant *
fetch (JkbCtl *ctl, const char *method, GError **error)
{
  g_autoptr(GVariant) reply
    = jkb_ctl_ask (ctl, JKB_CTL_ROOT_PATH, "Manager", method, NULL, "(a{sa{ss}})", 0, error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

static GPtrArray *
fetch_groups (JkbCtl *ctl, gboolean with_origins, GError **error)
{
  g_autoptr(GVariant) values = fetch (ctl, "GetConfig", error);
  g_autoptr(GVariant) origins = NULL;
  GPtrArray *groups;
  GVariantIter iter;
  const char *name;
  GVariant *keys;

  if (values != NULL && with_origins)
    origins = fetch (ctl, "GetConfigOrigins", error);
  if (values == NULL || (with_origins && origins == NULL))
    return NULL;
  groups = g_ptr_array_new_with_free_func (group_free);
  g_variant_iter_init (&iter, values);
  while (g_variant_iter_next (&iter, "{&s@a{ss}}", &name, &keys))
    {
      Group *group = g_new0 (Group, 1);
      JkbSection section;
      const char *rest;

      group->group = g_strdup (name);
      group->values = keys;
      group->section
        = jkb_section_parse (name, &section, &rest, NULL) ? section : JKB_N_SECTIONS;
      if (origins != NULL)
        group->origins = g_variant_lookup_value (origins, name, G_VARIANT_TYPE ("a{ss}"));
      g_ptr_array_add (groups, group);
    }
  g_ptr_array_sort (groups, compare_groups);
  return groups;
}

/* ---- show --------------------------------------------------------------------------------- */

/* The keys in the order of the table; those that it does not know follow. */
static GPtrArray *
keys_of (const Group *group)
{
  GPtrArray *keys = g_ptr_array_new ();
  guint n_options;
  const JkbOption *options = jkb_options (&n_options);
  GVariantIter iter;
  const char *key, *value;

  for (guint i = 0; i < n_options; i++)
    if (options[i].section == group->section
        && g_variant_lookup (group->values, options[i].key, "&s", &value))
      g_ptr_array_add (keys, (gpointer) options[i].key);
  g_variant_iter_init (&iter, group->values);
  while (g_variant_iter_next (&iter, "{&s&s}", &key, &value))
    if (!g_ptr_array_find_with_equal_func (keys, key, g_str_equal, NULL))
      g_ptr_array_add (keys, (gpointer) key);
  return keys;
}

static const char *
lookup (GVariant *table, const char *key)
{
  const char *text = NULL;

  if (table != NULL)
    g_variant_lookup (table, key, "&s", &text);
  return text;
}

static void
print_origins (JkbCtl *ctl, const Group *group, GPtrArray *keys)
{
  static const JkbCtlColumn columns[] = { { N_("KEY"), FALSE, FALSE },
                                          { N_("VALUE"), FALSE, TRUE },
                                          { N_("ORIGIN"), FALSE, FALSE } };
  JkbCtlTable *table = jkb_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < keys->len; i++)
    {
      const char *value = lookup (group->values, keys->pdata[i]);
      const char *origin = lookup (group->origins, keys->pdata[i]);
      gboolean usual = g_strcmp0 (origin, "default") == 0;

      jkb_ctl_table_add (table, keys->pdata[i], JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, value != NULL && *value != '\0' ? value : NULL,
                         usual ? JKB_CTL_DIM : JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, origin, usual ? JKB_CTL_DIM : JKB_CTL_PLAIN);
    }
  jkb_ctl_table_print (table, ctl);
}

static void
print_group (JkbCtl *ctl, const Group *group, gboolean first)
{
  g_autoptr(GPtrArray) keys = keys_of (group);
  g_autofree char *name = jkb_ctl_text_safe (group->group);

  g_print ("%s%s[%s]%s\n", first ? "" : "\n", jkb_ctl_style_on (ctl, JKB_CTL_BOLD), name,
           jkb_ctl_style_off (ctl, JKB_CTL_BOLD));
  if (group->origins != NULL)
    {
      print_origins (ctl, group, keys);
      return;
    }
  for (guint i = 0; i < keys->len; i++)
    {
      g_autofree char *value = jkb_ctl_text_safe (lookup (group->values, keys->pdata[i]));

      g_print ("%s=%s\n", (const char *) keys->pdata[i], value);
    }
}

static void
append_json_group (GString *out, const Group *group)
{
  g_autoptr(GPtrArray) keys = keys_of (group);

  jkb_ctl_json_key (out, group->group);
  g_string_append_c (out, '{');
  for (guint i = 0; i < keys->len; i++)
    {
      const char *value = lookup (group->values, keys->pdata[i]);

      if (group->origins == NULL)
        {
          jkb_ctl_json_text (out, keys->pdata[i], value);
          continue;
        }
      jkb_ctl_json_key (out, keys->pdata[i]);
      g_string_append_c (out, '{');
      jkb_ctl_json_text (out, "value", value);
      jkb_ctl_json_text (out, "origin", lookup (group->origins, keys->pdata[i]));
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, '}');
}

int
jkb_ctl_verb_config_show (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean origin = FALSE, json = FALSE;
  const GOptionEntry options[]
    = { { "origin", 0, 0, G_OPTION_ARG_NONE, &origin, N_("Say where each value comes from"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL } };
  g_autoptr(GPtrArray) groups = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GString) out = g_string_new ("{");
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  groups = fetch_groups (ctl, origin, &error);
  if (groups == NULL)
    return jkb_ctl_fail (ctl, error);
  for (guint i = 0; i < groups->len; i++)
    if (json)
      append_json_group (out, groups->pdata[i]);
    else
      print_group (ctl, groups->pdata[i], i == 0);
  if (json)
    printf ("%s}\n", out->str);
  return JKB_CTL_OK;
}

/* ---- reset -------------------------------------------------------------------------------- */

/* "bus" "garage" is the group "bus garage" for those who did not quote it. */
static char *
join_group (int *argc, char ***argv)
{
  JkbSection section;
  const char *rest;
  char *joined;

  if (*argc == 0)
    return g_strdup ("");
  if (*argc > 1)
    {
      joined = g_strconcat ((*argv)[0], " ", (*argv)[1], NULL);
      if (jkb_section_parse (joined, &section, &rest, NULL) && jkb_section_has_name (section))
        {
          *argc -= 2;
          *argv += 2;
          return joined;
        }
      g_free (joined);
    }
  *argc -= 1;
  *argv += 1;
  return g_strdup ((*argv)[-1]);
}

/* "mqtt interval, bus garage baud": what @only (all: empty) and @key (all: NULL) have from run time.
 * Returns: (nullable): %NULL when that cannot be read; the daemon decides */
static char *
changed_at_run_time (JkbCtl *ctl, const char *only, const char *key)
{
  g_autoptr(GPtrArray) groups = fetch_groups (ctl, TRUE, NULL);
  g_autoptr(GString) out = g_string_new (NULL);

  if (groups == NULL)
    return NULL;
  for (guint i = 0; i < groups->len; i++)
    {
      const Group *group = groups->pdata[i];
      g_autoptr(GPtrArray) keys = keys_of (group);

      for (guint j = 0; j < keys->len; j++)
        if ((*only == '\0' || strcmp (only, group->group) == 0)
            && (key == NULL || strcmp (key, keys->pdata[j]) == 0)
            && g_strcmp0 (lookup (group->origins, keys->pdata[j]), "runtime") == 0)
          g_string_append_printf (out, "%s%s %s", out->len > 0 ? ", " : "", group->group,
                                  (const char *) keys->pdata[j]);
    }
  return jkb_ctl_text_safe (out->str);
}

static gboolean
ask_to_reset_all (const char *changed, int *status)
{
  /* Translators: groups and keys of the configuration */
  g_autofree char *question
    = g_strdup_printf (_("Drop everything that was changed at run time (%s)?"), changed);

  return jkb_ctl_question (question, status);
}

int
jkb_ctl_verb_config_reset (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean yes = FALSE;
  const GOptionEntry options[]
    = { { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask"), NULL }, { NULL } };
  g_autoptr(GError) error = NULL;
  g_autofree char *group = NULL;
  g_autofree char *changed = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  group = join_group (&argc, &argv);
  if (argc > 1)
    return jkb_ctl_fail_usage (_("a group and a key are enough; see “jkbmsctl config show”"));
  if (!jkb_ctl_connect (ctl, &error))
    return jkb_ctl_fail (ctl, error);
  changed = changed_at_run_time (ctl, group, argc > 0 ? argv[0] : NULL);
  if (*group == '\0' && changed != NULL && *changed != '\0' && !yes && !ask_to_reset_all (changed, &status))
    return status;
  if (!jkb_ctl_call (ctl, JKB_CTL_ROOT_PATH, "Manager", "ResetConfig",
                     g_variant_new ("(ss)", group, argc > 0 ? argv[0] : ""), RESET_MS, &error))
    return jkb_ctl_fail (ctl, error);
  if (changed != NULL && *changed != '\0')
    g_print (_("Dropped: %s\n"), changed);
  else if (changed != NULL)
    g_print (_("Nothing of that was changed at run time\n"));
  return JKB_CTL_OK;
}
