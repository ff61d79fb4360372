/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Access and conversion of single settings, from the field table. Any thread.
 */
#include "poll/jkb-setting.h"

#include <math.h>
#include <string.h>

#include "wire/jkb-text.h"

const JkbField *
jkb_setting_find (const char *key, GError **error)
{
  const JkbField *field = jkb_field_lookup (JKB_GROUP_SETTINGS, key);

  if (field == NULL)
    g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "There is no setting called '%s'",
                 key);
  return field;
}

static gboolean
is_switch (const JkbField *field)
{
  JkbFieldId id = jkb_field_id (field);

  return id == JKB_FIELD_CHARGING_SWITCH || id == JKB_FIELD_BALANCER
         || id == JKB_FIELD_HEATING_SWITCH;
}

JkbTier
jkb_setting_tier (const JkbField *field)
{
  if (is_switch (field))
    return JKB_TIER_SWITCHES;
  switch (field->write_class)
    {
    case JKB_CLASS_A:
    case JKB_CLASS_B:
      return JKB_TIER_BASIC;
    case JKB_CLASS_C:
      return JKB_TIER_PROTECTION;
    default:
      return JKB_TIER_NONE;
    }
}

gboolean
jkb_setting_check_tier (const JkbField *field, JkbTier tier, GError **error)
{
  JkbTier needed = jkb_setting_tier (field);

  if (needed == JKB_TIER_NONE)
    g_set_error (error, JKB_ERROR, JKB_ERROR_READ_ONLY,
                 "%s is never written: a wrong value could cut the link or spoil the calibration",
                 field->key);
  else if (tier < needed)
    g_set_error (error, JKB_ERROR, JKB_ERROR_READ_ONLY,
                 "%s needs access=%s in [writes] of the configuration, it is %s", field->key,
                 jkb_tier_name (needed), jkb_tier_name (tier));
  else
    return TRUE;
  return FALSE;
}

gboolean
jkb_setting_is_dangerous (const JkbField *field)
{
  return field->write_class == JKB_CLASS_C;
}

/* ---- values ---- */

static char *
with_unit (const JkbField *field, gint64 raw)
{
  g_autofree char *text = jkb_setting_to_text (field, raw);

  return field->unit != NULL ? g_strdup_printf ("%s %s", text, field->unit)
                             : g_steal_pointer (&text);
}

static gboolean
check_range (const JkbField *field, double scaled, gint64 *raw, GError **error)
{
  g_autofree char *low = NULL, *high = NULL;

  if (isfinite (scaled))
    {
      /* The range is judged before the conversion: a huge number must not wrap into it. */
      if (scaled > field->write_min - 0.5 && scaled < field->write_max + 0.5)
        {
          *raw = (gint64) floor (scaled + 0.5);
          return TRUE;
        }
      low = with_unit (field, field->write_min);
      high = with_unit (field, field->write_max);
      g_set_error (error, JKB_ERROR, JKB_ERROR_OUT_OF_RANGE, "%s must be from %s to %s", field->key,
                   low, high);
      return FALSE;
    }
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "%s needs a number", field->key);
  return FALSE;
}

static gboolean
from_name (const JkbField *field, const char *name, gint64 *raw, GError **error)
{
  g_autofree char *names = NULL;

  for (guint i = 0; field->names[i] != NULL; i++)
    if (strcmp (field->names[i], name) == 0)
      {
        *raw = i;
        return TRUE;
      }
  names = g_strjoinv (", ", (char **) field->names);
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "%s is one of: %s", field->key, names);
  return FALSE;
}

gboolean
jkb_setting_from_variant (const JkbField *field, GVariant *value, gint64 *raw, GError **error)
{
  const GVariantType *type = G_VARIANT_TYPE (field->dbus);

  if (field->kind == JKB_KIND_LIST || !g_variant_is_of_type (value, type))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                   "%s has D-Bus type '%s', not '%s'", field->key, field->dbus,
                   g_variant_get_type_string (value));
      return FALSE;
    }
  switch (field->kind)
    {
    case JKB_KIND_BOOL:
      *raw = g_variant_get_boolean (value) ? 1 : 0;
      return TRUE;
    case JKB_KIND_ENUM:
      return from_name (field, g_variant_get_string (value, NULL), raw, error);
    default:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
        return check_range (field, (double) g_variant_get_uint32 (value) * field->scale, raw,
                            error);
      return check_range (field, g_variant_get_double (value) * field->scale, raw, error);
    }
}

static gboolean
bool_from_text (const JkbField *field, const char *text, gint64 *raw, GError **error)
{
  static const char *const yes[] = { "true", "on", "1", "yes" };
  static const char *const no[] = { "false", "off", "0", "no" };

  for (guint i = 0; i < G_N_ELEMENTS (yes); i++)
    if (g_ascii_strcasecmp (text, yes[i]) == 0 || g_ascii_strcasecmp (text, no[i]) == 0)
      {
        *raw = g_ascii_strcasecmp (text, yes[i]) == 0;
        return TRUE;
      }
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "%s is on or off", field->key);
  return FALSE;
}

gboolean
jkb_setting_from_text (const JkbField *field, const char *text, gint64 *raw, GError **error)
{
  char *end;
  double number;

  if (field->kind == JKB_KIND_BOOL)
    return bool_from_text (field, text, raw, error);
  if (field->kind == JKB_KIND_ENUM)
    return from_name (field, text, raw, error);
  number = g_ascii_strtod (text, &end);
  if (field->kind != JKB_KIND_NUMBER || end == text || *end != '\0')
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "%s needs a number", field->key);
      return FALSE;
    }
  return check_range (field, number * field->scale, raw, error);
}

GVariant *
jkb_setting_to_variant (const JkbField *field, gint64 raw)
{
  switch (field->kind)
    {
    case JKB_KIND_BOOL:
      return g_variant_new_boolean (raw == 1);
    case JKB_KIND_ENUM:
      return g_variant_new_string (raw == JKB_UNKNOWN ? "" : field->names[raw]);
    default:
      if (g_str_equal (field->dbus, "u"))
        return g_variant_new_uint32 (raw == JKB_UNKNOWN ? 0 : (guint32) raw);
      return g_variant_new_double (raw == JKB_UNKNOWN ? NAN : (double) raw / field->scale);
    }
}

char *
jkb_setting_to_text (const JkbField *field, gint64 raw)
{
  JkbValues values;
  GString *text = g_string_new (NULL);

  jkb_values_init (&values, JKB_GROUP_SETTINGS);
  jkb_values_set (&values, jkb_field_id (field), raw);
  jkb_text_append_plain (text, &values, jkb_field_id (field));
  return g_string_free (text, FALSE);
}
