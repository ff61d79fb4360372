/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header.
 */
#include "strict-json.h"

#include <string.h>

#define MAX_DEPTH 32

typedef struct
{
  const char *at;
  const char *end;
  guint depth;
} Reader;

static gboolean read_value (Reader *reader);

static gboolean
take (Reader *reader, char wanted)
{
  if (reader->at == reader->end || *reader->at != wanted)
    return FALSE;
  reader->at++;
  return TRUE;
}

static void
skip_blanks (Reader *reader)
{
  while (reader->at < reader->end && strchr (" \t\r\n", *reader->at) != NULL)
    reader->at++;
}

static gboolean
read_digits (Reader *reader)
{
  const char *begin = reader->at;

  while (reader->at < reader->end && g_ascii_isdigit (*reader->at))
    reader->at++;
  return reader->at > begin;
}

static gboolean
read_number (Reader *reader)
{
  take (reader, '-');
  if (!take (reader, '0') && !read_digits (reader))
    return FALSE;
  if (take (reader, '.') && !read_digits (reader))
    return FALSE;
  if (take (reader, 'e') || take (reader, 'E'))
    {
      if (!take (reader, '-'))
        take (reader, '+');
      return read_digits (reader);
    }
  return TRUE;
}

static gboolean
read_escape (Reader *reader)
{
  if (reader->at == reader->end)
    return FALSE;
  if (!take (reader, 'u'))
    return strchr ("\"\\/bfnrt", *reader->at++) != NULL;
  for (guint i = 0; i < 4; i++)
    if (reader->at == reader->end || !g_ascii_isxdigit (*reader->at++))
      return FALSE;
  return TRUE;
}

static gboolean
read_string (Reader *reader)
{
  if (!take (reader, '"'))
    return FALSE;
  while (reader->at < reader->end && *reader->at != '"')
    {
      if ((guchar) *reader->at < ' ')
        return FALSE;
      if (*reader->at++ == '\\' && !read_escape (reader))
        return FALSE;
    }
  return take (reader, '"');
}

static gboolean
read_member (Reader *reader, GHashTable *keys)
{
  const char *begin;

  skip_blanks (reader);
  begin = reader->at;
  if (!read_string (reader)
      || !g_hash_table_add (keys, g_strndup (begin, (gsize) (reader->at - begin))))
    return FALSE;
  skip_blanks (reader);
  return take (reader, ':') && read_value (reader);
}

static gboolean
read_object (Reader *reader)
{
  g_autoptr (GHashTable) keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  skip_blanks (reader);
  if (take (reader, '}'))
    return TRUE;
  do
    if (!read_member (reader, keys))
      return FALSE;
  while (take (reader, ','));
  return take (reader, '}');
}

static gboolean
read_array (Reader *reader)
{
  skip_blanks (reader);
  if (take (reader, ']'))
    return TRUE;
  do
    if (!read_value (reader))
      return FALSE;
  while (take (reader, ','));
  return take (reader, ']');
}

static gboolean
read_word (Reader *reader)
{
  static const char *const words[] = { "null", "true", "false" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      gsize length = strlen (words[i]);

      if ((gsize) (reader->end - reader->at) >= length
          && memcmp (reader->at, words[i], length) == 0)
        {
          reader->at += length;
          return TRUE;
        }
    }
  return FALSE;
}

static gboolean
read_plain (Reader *reader)
{
  if (take (reader, '{'))
    return read_object (reader);
  if (take (reader, '['))
    return read_array (reader);
  if (reader->at < reader->end && *reader->at == '"')
    return read_string (reader);
  if (reader->at < reader->end && (*reader->at == '-' || g_ascii_isdigit (*reader->at)))
    return read_number (reader);
  return read_word (reader);
}

static gboolean
read_value (Reader *reader)
{
  gboolean good;

  if (++reader->depth > MAX_DEPTH)
    return FALSE;
  skip_blanks (reader);
  good = read_plain (reader);
  skip_blanks (reader);
  reader->depth--;
  return good;
}

gboolean
strict_json_is_good (const char *text, gsize length)
{
  Reader reader = { text, text + length, 0 };

  return g_utf8_validate (text, (gssize) length, NULL) && read_value (&reader)
         && reader.at == reader.end;
}
