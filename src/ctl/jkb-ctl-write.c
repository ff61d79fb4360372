/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The verbs that write settings: set, apply, snapshots, restore.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-plan.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl-question.h"
#include "ctl/jkb-ctl-settings-file.h"

/* What all of them can be told. */
typedef struct
{
  gboolean dry_run;
  gboolean yes;
} Wishes;

static gboolean
parse_wishes (JkbCtl *ctl, const JkbCtlVerb *verb, Wishes *wishes, int *argc, char ***argv,
              int *status)
{
  const GOptionEntry options[]
    = { { "dry-run", 'n', 0, G_OPTION_ARG_NONE, &wishes->dry_run,
          N_("Only show what would be sent, or all that is wrong"), NULL },
        { "yes", 'y', 0, G_OPTION_ARG_NONE, &wishes->yes, N_("Do not ask"), NULL },
        { NULL } };

  return jkb_ctl_parse (ctl, verb, options, argc, argv, status);
}

/* Judges, then shows or writes. */
static int
carry_out (JkbCtl *ctl, JkbCtlPlan *plan, const Wishes *wishes, gboolean always_ask)
{
  int status;

  if (!jkb_ctl_plan_check (plan, ctl, &status))
    return status;
  if (jkb_ctl_plan_get_size (plan) == 0)
    {
      g_print (_("Nothing differs; nothing is to be written.\n"));
      return JKB_CTL_OK;
    }
  if (wishes->dry_run)
    {
      jkb_ctl_plan_print_requests (plan, ctl);
      return JKB_CTL_OK;
    }
  if (!jkb_ctl_plan_confirm (plan, ctl, always_ask, wishes->yes, &status))
    return status;
  return jkb_ctl_plan_write (plan, ctl);
}

int
jkb_ctl_verb_set (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  Wishes wishes = { FALSE };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(JkbCtlPlan) plan = NULL;
  g_autoptr(GError) error = NULL;
  const JkbCtlBms *bms;
  int status;

  if (!parse_wishes (ctl, verb, &wishes, &argc, &argv, &status))
    return status;
  bms = jkb_ctl_fetch_settings (ctl, argv[0], &model, &error);
  if (bms == NULL)
    return jkb_ctl_fail (ctl, error);
  plan = jkb_ctl_plan_new (bms);
  for (int i = 1; i < argc; i++)
    jkb_ctl_plan_add (plan, argv[i], NULL, FALSE);
  return carry_out (ctl, plan, &wishes, FALSE);
}

/* ---- apply -------------------------------------------------------------------------------- */

int
jkb_ctl_verb_apply (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  Wishes wishes = { FALSE };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(JkbCtlPlan) plan = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL;
  const JkbCtlBms *bms;
  int status;

  if (!parse_wishes (ctl, verb, &wishes, &argc, &argv, &status))
    return status;
  text = jkb_ctl_settings_file_read (argv[1], &error);
  if (text == NULL)
    return jkb_ctl_fail (ctl, error);
  bms = jkb_ctl_fetch_settings (ctl, argv[0], &model, &error);
  if (bms == NULL)
    return jkb_ctl_fail (ctl, error);
  plan = jkb_ctl_plan_new (bms);
  jkb_ctl_settings_file_add (plan, argv[1], text);
  return carry_out (ctl, plan, &wishes, TRUE);
}

/* ---- snapshots, restore ------------------------------------------------------------------- */

static const JkbCtlColumn snapshot_columns[]
  = { { N_("SNAPSHOT"), FALSE, FALSE }, { N_("TIME"), FALSE, FALSE }, { N_("AGE"), TRUE, FALSE } };

static char *
local_time (gint64 seconds)
{
  g_autoptr(GDateTime) when = g_date_time_new_from_unix_local (seconds);

  return when != NULL ? g_date_time_format (when, "%F %T") : NULL;
}

static void
print_snapshots (JkbCtl *ctl, GVariant *snapshots)
{
  JkbCtlTable *table = jkb_ctl_table_new (snapshot_columns, G_N_ELEMENTS (snapshot_columns));
  GVariantIter iter;
  const char *name;
  guint64 seconds;

  g_variant_iter_init (&iter, snapshots);
  while (g_variant_iter_next (&iter, "(&st)", &name, &seconds))
    {
      g_autofree char *when = local_time ((gint64) seconds);
      g_autofree char *age
        = jkb_ctl_age_text ((gint64) seconds * G_USEC_PER_SEC, g_get_real_time ());

      jkb_ctl_table_add (table, name, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, when, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, age, JKB_CTL_PLAIN);
    }
  jkb_ctl_table_print (table, ctl);
}

static void
print_snapshots_json (GVariant *snapshots)
{
  g_autoptr(GString) out = g_string_new ("[");
  GVariantIter iter;
  const char *name;
  guint64 seconds;

  g_variant_iter_init (&iter, snapshots);
  while (g_variant_iter_next (&iter, "(&st)", &name, &seconds))
    {
      g_autofree char *when = jkb_ctl_time_text ((gint64) seconds * G_USEC_PER_SEC);

      g_string_append (out, out->len > 1 ? ",{" : "{");
      jkb_ctl_json_text (out, "name", name);
      jkb_ctl_json_text (out, "time", when);
      g_string_append_c (out, '}');
    }
  printf ("%s]\n", out->str);
}

int
jkb_ctl_verb_snapshots (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL }, { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GVariant) snapshots = NULL;
  g_autoptr(GError) error = NULL;
  const JkbCtlBms *bms;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  bms = jkb_ctl_fetch_settings (ctl, argv[0], &model, &error);
  if (bms != NULL)
    snapshots = jkb_ctl_fetch_snapshots (ctl, bms, &error);
  if (snapshots == NULL)
    return jkb_ctl_fail (ctl, error);
  if (json)
    print_snapshots_json (snapshots);
  else if (g_variant_n_children (snapshots) == 0)
    g_print (_("Nothing has been written to %s yet: there is a snapshot of each time.\n"),
             bms->id);
  else
    print_snapshots (ctl, snapshots);
  return JKB_CTL_OK;
}

static gboolean
check_snapshot (JkbCtl *ctl, const JkbCtlBms *bms, const char *wanted, GError **error)
{
  g_autoptr(GVariant) snapshots = jkb_ctl_fetch_snapshots (ctl, bms, error);
  GVariantIter iter;
  const char *name;
  guint64 seconds;

  if (snapshots == NULL)
    return FALSE;
  g_variant_iter_init (&iter, snapshots);
  while (g_variant_iter_next (&iter, "(&st)", &name, &seconds))
    if (strcmp (name, wanted) == 0)
      return TRUE;
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND,
               _("%s has no snapshot “%s”; “jkbmsctl snapshots %s” shows them"), bms->id, wanted,
               bms->id);
  return FALSE;
}

/* What the BMS holds now and did not before. */
static void
print_restored (JkbCtl *ctl, const JkbCtlBms *before)
{
  g_autoptr(JkbCtlModel) model = NULL;
  const JkbCtlBms *after = jkb_ctl_fetch_bms (ctl, before->id, &model, NULL);
  gboolean any = FALSE;

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       after != NULL && id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      const JkbValues *old = &before->values[JKB_GROUP_SETTINGS];
      const JkbValues *now = &after->values[JKB_GROUP_SETTINGS];
      g_autofree char *old_text = jkb_ctl_value_text (old, id);
      g_autofree char *now_text = jkb_ctl_value_text (now, id);

      if (jkb_values_field_equal (old, now, id))
        continue;
      jkb_ctl_print_change (before, &jkb_fields[id], old_text, now_text);
      any = TRUE;
    }
  if (!any)
    g_print (_("Nothing differs from the snapshot.\n"));
}

int
jkb_ctl_verb_restore (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean yes = FALSE;
  const GOptionEntry options[]
    = { { "yes", 'y', 0, G_OPTION_ARG_NONE, &yes, N_("Do not ask"), NULL }, { NULL } };
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GVariant) reply = NULL;
  g_autoptr(GError) error = NULL;
  g_autofree char *path = NULL;
  const JkbCtlBms *bms;
  guint n_settings = jkb_group_end (JKB_GROUP_SETTINGS) - jkb_group_first (JKB_GROUP_SETTINGS);
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  bms = jkb_ctl_fetch_settings (ctl, argv[0], &model, &error);
  if (bms == NULL || !check_snapshot (ctl, bms, argv[1], &error))
    return jkb_ctl_fail (ctl, error);
  if (!yes
      && !jkb_ctl_question_dangerous (_("All settings go back to what they were then; wrong ones "
                                        "can stop the system or harm cells."),
                                      bms->id, &status))
    return status;
  path = g_strconcat (JKB_CTL_ROOT_PATH "/bms/", bms->id, NULL);
  reply = jkb_ctl_call_with_progress (ctl, path, "Restore", g_variant_new ("(s)", argv[1]), NULL,
                                      jkb_ctl_write_ms (n_settings), &error);
  if (reply == NULL)
    return jkb_ctl_fail_write (ctl, bms, error);
  print_restored (ctl, bms);
  return JKB_CTL_OK;
}
