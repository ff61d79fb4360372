/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * JSON written front to back. Pure functions.
 */
#include "mqtt/jkb-ha-writer.h"

#include "wire/jkb-text.h"

static void
separate (GString *out)
{
  char last = out->str[out->len - 1];

  if (last != '{' && last != '[')
    g_string_append_c (out, ',');
}

void
jkb_ha_key (GString *out, const char *key)
{
  separate (out);
  jkb_text_append_json_string (out, key);
  g_string_append_c (out, ':');
}

void
jkb_ha_string (GString *out, const char *key, const char *value)
{
  jkb_ha_key (out, key);
  jkb_text_append_json_string (out, value);
}

void
jkb_ha_optional (GString *out, const char *key, const char *value)
{
  if (value != NULL && value[0] != '\0')
    jkb_ha_string (out, key, value);
}

void
jkb_ha_integer (GString *out, const char *key, gint64 value)
{
  jkb_ha_key (out, key);
  g_string_append_printf (out, "%" G_GINT64_FORMAT, value);
}

void
jkb_ha_boolean (GString *out, const char *key, gboolean value)
{
  jkb_ha_key (out, key);
  g_string_append (out, value ? "true" : "false");
}

void
jkb_ha_open (GString *out, const char *key, char bracket)
{
  jkb_ha_key (out, key);
  g_string_append_c (out, bracket);
}

void
jkb_ha_item (GString *out, const char *value)
{
  separate (out);
  jkb_text_append_json_string (out, value);
}

char *
jkb_ha_slug (const char *text)
{
  g_autofree char *ascii = g_str_to_ascii (text, "C");
  GString *slug = g_string_new (NULL);

  for (const char *c = ascii; *c != '\0'; c++)
    if (g_ascii_isalnum (*c))
      g_string_append_c (slug, g_ascii_tolower (*c));
    else if (slug->len > 0 && slug->str[slug->len - 1] != '_')
      g_string_append_c (slug, '_');
  if (slug->len > 0 && slug->str[slug->len - 1] == '_')
    g_string_truncate (slug, slug->len - 1);
  return g_string_free (slug, FALSE);
}
