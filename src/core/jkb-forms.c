/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The forms of names, lists, topics and plain texts; URIs have a file of their own. Any thread.
 */
#include "core/jkb-forms.h"

#include <string.h>

#include "core/jkb-error.h"

#define MAX_SHOWN 60
#define MAX_NAME 64
#define MAX_CLIENT_ID 128
#define MAX_TOPIC 200

static gboolean
fail (GError **error, const char *message)
{
  g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, message);
  return FALSE;
}

/* The end of what may be a user and password: the last @ behind "scheme:". */
static const char *
find_userinfo_end (const char *text)
{
  const char *colon = strchr (text, ':');

  return colon != NULL ? strrchr (colon, '@') : NULL;
}

char *
jkb_form_show (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  const char *secret_end = find_userinfo_end (valid);
  g_autoptr(GString) shown = g_string_new (NULL);

  if (secret_end != NULL)
    {
      g_string_append_len (shown, valid, strchr (valid, ':') + 1 - valid);
      g_string_append (shown, "…");
    }
  for (const char *p = secret_end != NULL ? secret_end : valid; *p != '\0';
       p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_utf8_strlen (shown->str, shown->len) >= MAX_SHOWN)
        {
          g_string_append (shown, "…");
          break;
        }
      g_string_append_unichar (shown, g_unichar_isprint (c) ? c : '?');
    }
  return g_string_free (g_steal_pointer (&shown), FALSE);
}

char *
jkb_form_number (double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup (g_ascii_formatd (buffer, sizeof buffer, "%.9g", value));
}

gboolean
jkb_form_is_decimal (const char *text)
{
  gsize digits = strspn (text, "0123456789");
  const char *rest = text + digits;

  if (*rest == '.')
    {
      gsize decimals = strspn (rest + 1, "0123456789");

      digits += decimals;
      rest += 1 + decimals;
    }
  return digits > 0 && digits <= 30 && *rest == '\0';
}

gboolean
jkb_form_printable (const char *text, GError **error)
{
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    if (!g_unichar_isprint (g_utf8_get_char (p)))
      return fail (error, "holds a control character; remove it");
  return TRUE;
}

static gboolean
check_length (const char *text, gsize max, GError **error)
{
  if (g_utf8_strlen (text, -1) <= (glong) max)
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_OUT_OF_RANGE,
               "has %ld characters; write at most %" G_GSIZE_FORMAT, g_utf8_strlen (text, -1), max);
  return FALSE;
}

gboolean
jkb_form_name (const char *text, GError **error)
{
  return jkb_form_printable (text, error) && check_length (text, MAX_NAME, error);
}

gboolean
jkb_form_client_id (const char *text, GError **error)
{
  return jkb_form_printable (text, error) && check_length (text, MAX_CLIENT_ID, error);
}

gboolean
jkb_form_path (const char *text, GError **error)
{
  if (text[0] != '/')
    return fail (error, "is not an absolute path; begin it with /");
  return jkb_form_printable (text, error);
}

gboolean
jkb_form_credential (const char *text, GError **error)
{
  gboolean good = strlen (text) <= 255 && text[0] != '.';

  for (const char *p = text; *p != '\0'; p++)
    good = good && (g_ascii_isalnum (*p) || strchr ("._-", *p) != NULL);
  return good || fail (error, "is not the name of a credential; write the name of LoadCredential=, "
                              "made of letters, digits and . _ -");
}

static gboolean
is_small_alnum (const char *text, gsize max)
{
  gsize n = 0;

  for (; text[n] != '\0'; n++)
    if (n >= max || !(g_ascii_islower (text[n]) || g_ascii_isdigit (text[n])))
      return FALSE;
  return n > 0;
}

gboolean
jkb_form_instance (const char *text, GError **error)
{
  return is_small_alnum (text, 16)
         || fail (error, "is not 1 to 16 small letters and digits; shorten or respell it");
}

gboolean
jkb_form_bus_name (const char *text, GError **error)
{
  return (is_small_alnum (text, 16) && g_ascii_islower (text[0]))
         || fail (error, "must begin with a small letter, then only a-z and 0-9, 16 at most");
}

gboolean
jkb_form_topic (const char *text, GError **error)
{
  if (strpbrk (text, "+#") != NULL)
    return fail (error, "holds a wildcard; + and # cannot be part of a topic");
  if (text[0] == '/' || g_str_has_suffix (text, "/"))
    return fail (error, "begins or ends with a slash; leave it out");
  if (strstr (text, "//") != NULL)
    return fail (error, "holds an empty level; write one slash between two levels");
  if (text[0] == '$')
    return fail (error, "begins with $, which brokers keep for themselves; leave it out");
  return jkb_form_printable (text, error) && check_length (text, MAX_TOPIC, error);
}

/* ---- addresses and ids --------------------------------------------------------------------- */

/* Takes a number 0..15 off the front of @text. */
static gboolean
take_address (const char **text, guint *address)
{
  gsize digits = strspn (*text, "0123456789");

  if (digits < 1 || digits > 2)
    return FALSE;
  *address = (guint) g_ascii_strtoull (*text, NULL, 10);
  *text += digits;
  return *address <= JKB_MAX_ADDRESS;
}

static gboolean
parse_range (const char *text, guint16 *mask)
{
  guint first, last;

  if (!take_address (&text, &first))
    return FALSE;
  last = first;
  if (*text == '-')
    {
      text++;
      if (!take_address (&text, &last))
        return FALSE;
    }
  if (*text != '\0' || last < first)
    return FALSE;
  for (guint i = first; i <= last; i++)
    *mask |= 1u << i;
  return TRUE;
}

gboolean
jkb_addresses_parse (const char *text, guint16 *mask, GError **error)
{
  g_auto(GStrv) parts = g_strsplit (text, ",", -1);
  guint16 found = 0;

  if (g_str_equal (text, "auto"))
    found = 0xFFFF;
  else
    for (char **part = parts; *part != NULL; part++)
      if (!parse_range (g_strstrip (*part), &found))
        return fail (error, "is not auto and not a list of addresses 0..15 such as 0,1,4-7");
  if (found == 0)
    return fail (error, "names no address; write auto or a list of addresses 0..15 such as 0,1,4-7");
  if (mask != NULL)
    *mask = found;
  return TRUE;
}

gboolean
jkb_form_addresses (const char *text, GError **error)
{
  return jkb_addresses_parse (text, NULL, error);
}

gboolean
jkb_bms_id_parse (const char *id, char **bus, guint *address, GError **error)
{
  const char *bar = strrchr (id, '_');
  const char *rest = bar != NULL ? bar + 1 : "";
  g_autofree char *name = bar != NULL ? g_strndup (id, bar - id) : NULL;
  guint found;

  if (name == NULL || !jkb_form_bus_name (name, NULL) || !take_address (&rest, &found)
      || *rest != '\0' || (bar[1] == '0' && bar[2] != '\0'))
    return fail (error, "is not BUS_ADDRESS, the name of a bus and an address 0..15, "
                        "such as garage_1");
  if (address != NULL)
    *address = found;
  if (bus != NULL)
    *bus = g_steal_pointer (&name);
  return TRUE;
}

gboolean
jkb_form_members (const char *text, GError **error)
{
  g_auto(GStrv) ids = g_strsplit (text, ";", -1);
  g_autoptr(GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (g_str_equal (text, "auto"))
    return TRUE;
  for (char **id = ids; *id != NULL; id++)
    {
      g_strstrip (*id);
      if (**id == '\0' && id[1] == NULL && id != ids)
        break; /* key files end lists with a separator */
      if (!jkb_bms_id_parse (*id, NULL, NULL, NULL))
        return fail (error, "is not auto and not a list of ids such as garage_1;garage_2");
      if (!g_hash_table_add (seen, *id))
        return fail (error, "names a BMS twice; remove one");
    }
  return TRUE;
}
