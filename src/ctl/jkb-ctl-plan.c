/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What is to be written to one BMS. The daemon judges and writes; what is judged here already are
 * keys, types and ranges, so that every line of a file gets its message.
 */
#include "config.h"

#include "ctl/jkb-ctl-plan.h"

#include <glib/gi18n.h>
#include <string.h>

#include "core/jkb-suggest.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl-question.h"
#include "poll/jkb-encode.h"
#include "poll/jkb-setting.h"

/* Contract: a Set is over in 10 s, an Apply in 5 s and 3 s for each key. */
#define SET_MS 12000
#define APPLY_MS 7000
#define APPLY_KEY_MS 3000

typedef struct
{
  const JkbField *field;
  gint64 raw;
} Change;

struct _JkbCtlPlan
{
  const JkbCtlBms *bms;
  char *path;
  GArray *changes;     /* Change */
  GHashTable *keys;    /* those that were named */
  GPtrArray *problems; /* GError */
};

JkbCtlPlan *
jkb_ctl_plan_new (const JkbCtlBms *bms)
{
  JkbCtlPlan *plan = g_new0 (JkbCtlPlan, 1);

  plan->bms = bms;
  plan->path = g_strconcat (JKB_CTL_ROOT_PATH "/bms/", bms->id, NULL);
  plan->changes = g_array_new (FALSE, FALSE, sizeof (Change));
  plan->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  plan->problems = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);
  return plan;
}

void
jkb_ctl_plan_free (JkbCtlPlan *plan)
{
  g_free (plan->path);
  g_array_unref (plan->changes);
  g_hash_table_unref (plan->keys);
  g_ptr_array_unref (plan->problems);
  g_free (plan);
}

guint
jkb_ctl_plan_get_size (const JkbCtlPlan *plan)
{
  return plan->changes->len;
}

/* ---- KEY=VALUE ---------------------------------------------------------------------------- */

static const JkbField *
find_setting (const char *key, GError **error)
{
  const char *words[JKB_N_FIELDS + 1] = { NULL };
  const char *guess;
  const JkbField *field = jkb_field_lookup (JKB_GROUP_SETTINGS, key);
  gsize n = 0;

  if (field != NULL)
    return field;
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    words[n++] = jkb_fields[id].key;
  guess = jkb_suggest (key, words);
  if (guess != NULL)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("there is no setting “%s”; did you mean “%s”?"), key, guess);
  else
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("there is no setting “%s”; “jkbmsctl settings ID” shows them"), key);
  return NULL;
}

static const char *
without_group (const char *key)
{
  return g_str_has_prefix (key, "settings.") ? key + strlen ("settings.") : key;
}

static gboolean
parse (JkbCtlPlan *plan, const char *pair, gboolean only_changes, GError **error)
{
  const char *equals = strchr (pair, '=');
  const JkbValues *now = &plan->bms->values[JKB_GROUP_SETTINGS];
  g_autofree char *key = NULL, *value = NULL, *current = NULL;
  Change change;

  if (equals == NULL)
    {
      g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE, _("“%s” is not KEY=VALUE"), pair);
      return FALSE;
    }
  key = g_strstrip (g_strndup (pair, equals - pair));
  value = g_strstrip (g_strdup (equals + 1));
  change.field = find_setting (without_group (key), error);
  if (change.field == NULL)
    return FALSE;
  if (!g_hash_table_add (plan->keys, g_strdup (change.field->key)))
    {
      g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE, _("%s is given twice"), key);
      return FALSE;
    }
  /* A value that the BMS came with may lie outside of what may be written. */
  current = jkb_setting_to_text (change.field, jkb_values_get (now, jkb_field_id (change.field)));
  if (only_changes && strcmp (value, current) == 0)
    return TRUE;
  if (!jkb_setting_check_tier (change.field, JKB_TIER_PROTECTION, error)
      || !jkb_setting_from_text (change.field, value, &change.raw, error))
    return FALSE;
  if (!only_changes || change.raw != jkb_values_get (now, jkb_field_id (change.field)))
    g_array_append_val (plan->changes, change);
  return TRUE;
}

void
jkb_ctl_plan_add (JkbCtlPlan *plan, const char *pair, const char *where, gboolean only_changes)
{
  GError *error = NULL;

  if (parse (plan, pair, only_changes, &error))
    return;
  if (where != NULL)
    g_prefix_error (&error, "%s: ", where);
  g_ptr_array_add (plan->problems, error);
}

static GVariant *
to_variant (const JkbCtlPlan *plan)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{sv}"));

  for (guint i = 0; i < plan->changes->len; i++)
    {
      const Change *change = &g_array_index (plan->changes, Change, i);

      g_variant_builder_add (&builder, "{sv}", change->field->key,
                             jkb_setting_to_variant (change->field, change->raw));
    }
  return g_variant_builder_end (&builder);
}

/* ---- judging ------------------------------------------------------------------------------ */

/* Problems that the daemon finds; %FALSE: it could not be asked. */
static gboolean
validate (JkbCtlPlan *plan, JkbCtl *ctl, GError **error)
{
  g_autoptr(GVariant) reply
    = jkb_ctl_ask (ctl, plan->path, "Settings", "Validate",
                   g_variant_new ("(@a{sv})", to_variant (plan)), "(a(sss))", 0, error);
  g_autoptr(GVariantIter) iter = NULL;
  const char *key, *name, *sentence;

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(a(sss))", &iter);
  while (g_variant_iter_next (iter, "(&s&s&s)", &key, &name, &sentence))
    {
      GError *problem = g_dbus_error_new_for_dbus_error (name, sentence);

      g_dbus_error_strip_remote_error (problem);
      if (strstr (sentence, key) == NULL)
        g_prefix_error (&problem, "%s: ", key);
      g_ptr_array_add (plan->problems, problem);
    }
  return TRUE;
}

gboolean
jkb_ctl_plan_check (JkbCtlPlan *plan, JkbCtl *ctl, int *status)
{
  g_autoptr(GError) error = NULL;

  if (plan->changes->len > 0 && !validate (plan, ctl, &error))
    {
      *status = jkb_ctl_fail (ctl, error);
      return FALSE;
    }
  for (guint i = 0; i < plan->problems->len; i++)
    {
      int code = jkb_ctl_fail (ctl, plan->problems->pdata[i]);

      if (i == 0 || code == JKB_CTL_REFUSED)
        *status = code;
    }
  return plan->problems->len == 0;
}

/* ---- showing ------------------------------------------------------------------------------ */

/* The value as text with its unit; NULL: unknown. */
static char *
text_of (const JkbField *field, gint64 raw)
{
  JkbValues values;

  jkb_values_init (&values, JKB_GROUP_SETTINGS);
  jkb_values_set (&values, jkb_field_id (field), raw);
  return jkb_ctl_value_text (&values, jkb_field_id (field));
}

static gint64
raw_now (const JkbCtlPlan *plan, const Change *change)
{
  return jkb_values_get (&plan->bms->values[JKB_GROUP_SETTINGS], jkb_field_id (change->field));
}

static void
add_change (JkbCtlTable *table, const JkbCtlPlan *plan, const Change *change)
{
  g_autofree char *before = text_of (change->field, raw_now (plan, change));
  g_autofree char *after = text_of (change->field, change->raw);

  jkb_ctl_table_add (table, change->field->key, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, before, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, after,
                     jkb_setting_is_dangerous (change->field) ? JKB_CTL_WARN : JKB_CTL_BOLD);
}

void
jkb_ctl_plan_print (const JkbCtlPlan *plan, const JkbCtl *ctl)
{
  static const JkbCtlColumn columns[]
    = { { N_("SETTING"), FALSE, FALSE }, { N_("NOW"), TRUE, FALSE }, { N_("NEW"), TRUE, FALSE } };
  JkbCtlTable *table = jkb_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < plan->changes->len; i++)
    add_change (table, plan, &g_array_index (plan->changes, Change, i));
  jkb_ctl_table_print (table, ctl);
}

/* Where a register is shared, the daemon takes the rest of it from the newest frame: what can be
 * said beforehand is the part that changes. */
static void
add_request (JkbCtlTable *table, const JkbCtlPlan *plan, const Change *change)
{
  const JkbField *field = change->field;
  static const guint8 no_settings[JKB_FRAME_SIZE];
  g_autoptr(GString) bytes = g_string_new (NULL);
  g_autofree char *raw = NULL, *reg = NULL;
  gboolean shared = field->bit != 0 || jkb_field_width (field) == 1;
  JkbCommand command;

  if (!jkb_encode_setting (&command, plan->bms->address, jkb_field_id (field), change->raw,
                           no_settings))
    command.n_bytes = command.reg = 0;
  reg = g_strdup_printf ("0x%04X", command.reg);
  if (field->bit != 0)
    raw = g_strdup_printf (_("%d in bit %d"), (int) change->raw, field->bit - 1);
  else if (shared)
    raw = g_strdup_printf (jkb_field_register (field) % 2 == 0 ? _("%d in the high byte")
                                                               : _("%d in the low byte"),
                           (int) change->raw);
  else
    raw = g_strdup_printf ("%" G_GINT64_FORMAT, change->raw);
  for (guint i = 0; i < command.n_bytes && !shared; i++)
    g_string_append_printf (bytes, "%s%02x", i > 0 ? " " : "", command.bytes[i]);
  jkb_ctl_table_add (table, reg, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, raw, JKB_CTL_PLAIN);
  jkb_ctl_table_add (table, shared ? _("the rest of the register stays") : bytes->str,
                     JKB_CTL_PLAIN);
}

void
jkb_ctl_plan_print_requests (const JkbCtlPlan *plan, const JkbCtl *ctl)
{
  static const JkbCtlColumn columns[]
    = { { N_("SETTING"), FALSE, FALSE },  { N_("NOW"), TRUE, FALSE }, { N_("NEW"), TRUE, FALSE },
        { N_("REGISTER"), FALSE, FALSE }, { N_("RAW"), TRUE, FALSE },
        { N_("REQUEST"), FALSE, FALSE } };
  JkbCtlTable *table = jkb_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < plan->changes->len; i++)
    {
      const Change *change = &g_array_index (plan->changes, Change, i);

      add_change (table, plan, change);
      add_request (table, plan, change);
    }
  jkb_ctl_table_print (table, ctl);
}

void
jkb_ctl_print_change (const JkbCtlBms *bms, const JkbField *field, const char *before,
                      const char *after)
{
  g_print ("%s  %s  %s → %s\n", bms->id, field->key, before != NULL ? before : "–",
           after != NULL ? after : "–");
}

/* ---- asking ------------------------------------------------------------------------------- */

static gboolean
is_dangerous (const JkbCtlPlan *plan)
{
  for (guint i = 0; i < plan->changes->len; i++)
    if (jkb_setting_is_dangerous (g_array_index (plan->changes, Change, i).field))
      return TRUE;
  return FALSE;
}

gboolean
jkb_ctl_plan_confirm (const JkbCtlPlan *plan, const JkbCtl *ctl, gboolean always, gboolean yes,
                      int *status)
{
  gboolean dangerous = is_dangerous (plan);

  if (always || dangerous)
    jkb_ctl_plan_print (plan, ctl);
  if (yes || (!always && !dangerous))
    return TRUE;
  if (dangerous)
    return jkb_ctl_question_dangerous (
      _("A wrong value can stop the system or harm cells."), plan->bms->id, status);
  return jkb_ctl_question (_("Write this?"), status);
}

/* ---- writing ------------------------------------------------------------------------------ */

guint
jkb_ctl_write_ms (guint n_settings)
{
  return APPLY_MS + APPLY_KEY_MS * n_settings;
}

int
jkb_ctl_fail_write (JkbCtl *ctl, const JkbCtlBms *bms, const GError *error)
{
  g_autoptr(GError) own = NULL;

  if (!g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY)
      && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
    return jkb_ctl_fail (ctl, error);
  g_set_error (&own, JKB_CTL_ERROR, JKB_CTL_FAILED,
               _("jkbmsd did not say whether the write is done; see “jkbmsctl settings %s”"),
               bms->id);
  return jkb_ctl_fail (ctl, own);
}

static void
print_written (const JkbCtlPlan *plan, const Change *change, GVariant *read_back)
{
  g_autoptr(GVariant) value
    = read_back != NULL ? g_variant_lookup_value (read_back, change->field->key, NULL) : NULL;
  g_autofree char *before = text_of (change->field, raw_now (plan, change));
  g_autofree char *after = NULL;
  gint64 raw = change->raw;

  if (value != NULL && !jkb_setting_from_variant (change->field, value, &raw, NULL))
    raw = JKB_UNKNOWN;
  after = text_of (change->field, raw);
  jkb_ctl_print_change (plan->bms, change->field, before, after);
}

static gboolean
write_one (const JkbCtlPlan *plan, JkbCtl *ctl, GError **error)
{
  const Change *change = &g_array_index (plan->changes, Change, 0);
  char name[JKB_DBUS_NAME_MAX];

  jkb_field_dbus_name (change->field, name);
  if (!jkb_ctl_set_property (ctl, plan->path, "Settings", name,
                             jkb_setting_to_variant (change->field, change->raw), SET_MS, error))
    return FALSE;
  print_written (plan, change, NULL);
  return TRUE;
}

static gboolean
write_several (const JkbCtlPlan *plan, JkbCtl *ctl, GError **error)
{
  g_autoptr(GVariant) reply = jkb_ctl_call_with_progress (
    ctl, plan->path, "Apply", g_variant_new ("(@a{sv})", to_variant (plan)), "(a{sv})",
    jkb_ctl_write_ms (plan->changes->len), error);
  g_autoptr(GVariant) read_back = NULL;

  if (reply == NULL)
    return FALSE;
  read_back = g_variant_get_child_value (reply, 0);
  for (guint i = 0; i < plan->changes->len; i++)
    print_written (plan, &g_array_index (plan->changes, Change, i), read_back);
  return TRUE;
}

int
jkb_ctl_plan_write (const JkbCtlPlan *plan, JkbCtl *ctl)
{
  g_autoptr(GError) error = NULL;
  gboolean written = plan->changes->len == 1 ? write_one (plan, ctl, &error)
                                             : write_several (plan, ctl, &error);

  return written ? JKB_CTL_OK : jkb_ctl_fail_write (ctl, plan->bms, error);
}
