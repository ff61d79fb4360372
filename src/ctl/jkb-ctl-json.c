/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * JSON for scripts.
 */
#include "config.h"

#include "ctl/jkb-ctl-json.h"

#include <math.h>
#include <string.h>

#include "ctl/jkb-ctl-print.h"
#include "wire/jkb-text.h"

void
jkb_ctl_json_key (GString *out, const char *key)
{
  if (out->len > 0 && out->str[out->len - 1] != '{')
    g_string_append_c (out, ',');
  g_string_append_printf (out, "\"%s\":", key);
}

void
jkb_ctl_json_text (GString *out, const char *key, const char *text)
{
  jkb_ctl_json_key (out, key);
  if (text != NULL)
    jkb_text_append_json_string (out, text);
  else
    g_string_append (out, "null");
}

void
jkb_ctl_json_bool (GString *out, const char *key, gboolean value)
{
  jkb_ctl_json_key (out, key);
  g_string_append (out, value ? "true" : "false");
}

static void
append_double (GString *out, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];

  if (isfinite (value))
    g_string_append (out, g_ascii_formatd (text, sizeof text, "%.10g", value));
  else
    g_string_append (out, "null");
}

static void
append_array (GString *out, GVariant *value)
{
  gsize n = g_variant_n_children (value);

  g_string_append_c (out, '[');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr(GVariant) item = g_variant_get_child_value (value, i);

      if (i > 0)
        g_string_append_c (out, ',');
      jkb_ctl_json_variant (out, item);
    }
  g_string_append_c (out, ']');
}

void
jkb_ctl_json_variant (GString *out, GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      g_string_append (out, g_variant_get_boolean (value) ? "true" : "false");
      break;
    case G_VARIANT_CLASS_UINT32:
      g_string_append_printf (out, "%u", g_variant_get_uint32 (value));
      break;
    case G_VARIANT_CLASS_UINT64:
      g_string_append_printf (out, "%" G_GUINT64_FORMAT, g_variant_get_uint64 (value));
      break;
    case G_VARIANT_CLASS_DOUBLE:
      append_double (out, g_variant_get_double (value));
      break;
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
      jkb_text_append_json_string (out, g_variant_get_string (value, NULL));
      break;
    case G_VARIANT_CLASS_ARRAY:
      append_array (out, value);
      break;
    default:
      g_string_append (out, "null");
    }
}

char *
jkb_ctl_snake_case (const char *camel)
{
  GString *out = g_string_new (NULL);

  for (const char *c = camel; *c != '\0'; c++)
    {
      if (g_ascii_isupper (*c) && c > camel)
        g_string_append_c (out, '_');
      g_string_append_c (out, g_ascii_tolower (*c));
    }
  return g_string_free (out, FALSE);
}

void
jkb_ctl_json_properties (GString *out, const JkbCtlObject *object, const char *interface)
{
  GHashTable *properties
    = object != NULL ? g_hash_table_lookup (object->interfaces, interface) : NULL;
  g_autoptr(GList) keys = properties != NULL ? g_hash_table_get_keys (properties) : NULL;

  keys = g_list_sort (keys, (GCompareFunc) strcmp);
  for (GList *l = keys; l != NULL; l = l->next)
    {
      g_autofree char *key = jkb_ctl_snake_case (l->data);

      jkb_ctl_json_key (out, key);
      jkb_ctl_json_variant (out, g_hash_table_lookup (properties, l->data));
    }
}

void
jkb_ctl_json_value (GString *out, const char *key, const JkbValues *values, JkbFieldId id)
{
  jkb_ctl_json_key (out, key);
  if (jkb_values_is_known (values, id))
    jkb_text_append_json (out, values, id);
  else
    g_string_append (out, "null");
}

static void
append_group (GString *out, const JkbCtlBms *bms, JkbGroup group)
{
  jkb_ctl_json_key (out, jkb_group_name (group));
  if (!bms->heard[group])
    {
      g_string_append (out, "null");
      return;
    }
  g_string_append_c (out, '{');
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    jkb_ctl_json_value (out, jkb_fields[id].key, &bms->values[group], id);
  g_string_append_c (out, '}');
}

void
jkb_ctl_json_bms (GString *out, const JkbCtlBms *bms)
{
  g_autofree char *last_seen
    = bms->last_seen_us > 0 ? jkb_ctl_time_text (bms->last_seen_us) : NULL;

  g_string_append_c (out, '{');
  jkb_ctl_json_text (out, "id", bms->id);
  jkb_ctl_json_text (out, "name", bms->name);
  jkb_ctl_json_bool (out, "online", bms->online);
  jkb_ctl_json_text (out, "last_seen", last_seen);
  jkb_ctl_json_text (out, "bus", bms->bus);
  jkb_ctl_json_key (out, "address");
  g_string_append_printf (out, "%u", bms->address);
  jkb_ctl_json_text (out, "model", bms->model);
  jkb_ctl_json_text (out, "serial_number", bms->serial_number);
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    append_group (out, bms, group);
  g_string_append_c (out, '}');
}
