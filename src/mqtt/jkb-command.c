/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Judging what the broker sends. Pure: any thread.
 */
#include "mqtt/jkb-command.h"

#include <string.h>

#include "poll/jkb-setting.h"
#include "wire/jkb-text.h"

#define MAX_LEVEL 64 /* characters of an id or a key */

JkbTier
jkb_command_tier (const JkbConfig *config)
{
  return MIN (config->mqtt.commands, config->writes.access);
}

/* ---- topics ---- */

char *
jkb_command_filter (const char *prefix)
{
  return jkb_command_topic (prefix, "+", "+");
}

char *
jkb_command_topic (const char *prefix, const char *id, const char *key)
{
  return g_strdup_printf ("%s/%s/set/%s", prefix, id, key);
}

/* Returns: the length of the level that @text begins with; 0 when it is not one of ours. */
static gsize
level_length (const char *text)
{
  gsize length = 0;

  while (text[length] != '\0' && text[length] != '/')
    if (++length > MAX_LEVEL)
      return 0;
  return length;
}

gboolean
jkb_command_split (const char *prefix, const char *topic, char **id, char **key)
{
  gsize n_prefix = strlen (prefix);
  const char *id_at, *key_at;
  gsize n_id, n_key;

  if (strncmp (topic, prefix, n_prefix) != 0 || topic[n_prefix] != '/')
    return FALSE;
  id_at = topic + n_prefix + 1;
  n_id = level_length (id_at);
  if (n_id == 0 || strncmp (id_at + n_id, "/set/", 5) != 0)
    return FALSE;
  key_at = id_at + n_id + 5;
  n_key = level_length (key_at);
  if (n_key == 0 || key_at[n_key] != '\0')
    return FALSE;
  *id = g_strndup (id_at, n_id);
  *key = g_strndup (key_at, n_key);
  return TRUE;
}

/* ---- what a command wants ---- */

/* The message of the write path speaks of [writes] alone. */
static gboolean
check_tier (const JkbConfig *config, const JkbField *field, GError **error)
{
  JkbTier needed = jkb_setting_tier (field);

  if (!jkb_setting_check_tier (field, config->writes.access, error))
    return FALSE;
  if (config->mqtt.commands >= needed)
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_READ_ONLY,
               "%s needs commands=%s in [mqtt] of the configuration, it is %s", field->key,
               jkb_tier_name (needed), jkb_tier_name (config->mqtt.commands));
  return FALSE;
}

/* One word; of a number only what a number is written with, so neither hexadecimal nor "inf". */
static gboolean
check_plain (const JkbField *field, const char *payload, gsize size, GError **error)
{
  static const char digits[] = "0123456789+-.eE";
  static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";

  if (size > JKB_COMMAND_MAX_PAYLOAD)
    g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                 "The value of %s is longer than %d characters", field->key,
                 JKB_COMMAND_MAX_PAYLOAD);
  else if (strspn (payload, field->kind == JKB_KIND_NUMBER ? digits : letters) != size)
    g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                 field->kind == JKB_KIND_NUMBER
                     ? "%s needs a plain number such as 12.5, nothing else in the message"
                     : "%s needs one plain word, nothing else in the message",
                 field->key);
  else
    return TRUE;
  return FALSE;
}

const JkbField *
jkb_command_parse (const JkbConfig *config, const char *key, const char *payload, gsize size,
                   gint64 *raw, GError **error)
{
  const JkbField *field = jkb_setting_find (key, error);

  if (field == NULL || !check_tier (config, field, error)
      || !check_plain (field, payload, size, error)
      || !jkb_setting_from_text (field, payload, raw, error))
    return NULL;
  return field;
}

/* ---- the answer ---- */

static void
append_error (GString *out, const GError *error)
{
  const char *name = jkb_error_dbus_name (JKB_ERROR_IO);
  g_autofree char *message = g_utf8_make_valid (error->message, -1); /* it may hold a hostile key */
  g_autofree char *text = NULL;

  if (error->domain == JKB_ERROR)
    name = jkb_error_dbus_name ((JkbError) error->code);
  text = g_strdup_printf ("%s: %s", strrchr (name, '.') + 1, message);
  jkb_text_append_json_string (out, text);
}

void
jkb_command_result (GString *out, const JkbField *field, gint64 raw, const GError *error)
{
  JkbValues values;

  g_string_assign (out, error == NULL ? "{\"ok\":true,\"error\":" : "{\"ok\":false,\"error\":");
  if (error != NULL)
    {
      append_error (out, error);
      g_string_append (out, ",\"value\":null}");
      return;
    }
  jkb_values_init (&values, JKB_GROUP_SETTINGS);
  jkb_values_set (&values, jkb_field_id (field), raw);
  g_string_append (out, "null,\"value\":");
  jkb_text_append_json (out, &values, jkb_field_id (field));
  g_string_append_c (out, '}');
}

/* ---- Home Assistant ---- */

static gboolean
is_status (const JkbConfig *config, const char *topic, const char *payload, gsize size,
           const char *status)
{
  return g_str_equal (topic, config->homeassistant.status_topic) && size == strlen (status)
         && memcmp (payload, status, size) == 0;
}

gboolean
jkb_command_is_birth (const JkbConfig *config, const char *topic, const char *payload, gsize size,
                      gboolean retained)
{
  return !retained && is_status (config, topic, payload, size, "online");
}

gboolean
jkb_command_is_farewell (const JkbConfig *config, const char *topic, const char *payload,
                         gsize size, gboolean retained)
{
  return !retained && is_status (config, topic, payload, size, "offline");
}
