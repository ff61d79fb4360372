/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Look-ups in the table that entity-names.py made: the English texts in order of their bytes, and for
 * each language where the same texts begin. These are packed: ten languages take 20 kB instead of 45,
 * and the one that is in use is unpacked once. Main thread only.
 */
#include "mqtt/jkb-ha-translate.h"

#include <gio/gio.h>
#include <string.h>

typedef struct
{
  const char *name;
  const guint8 *packed; /* all texts, one behind the other, and an empty one at the end */
  gsize n_packed, size; /* bytes, packed and unpacked */
  const guint16 *at;    /* where the translation of each English text begins */
} Language;

#include "mqtt/jkb-ha-names.h"

/* Returns: the number of @text, G_N_ELEMENTS (english) when there is none */
static gsize
find (const char *text)
{
  gsize low = 0, high = G_N_ELEMENTS (english);

  while (low < high)
    {
      gsize middle = (low + high) / 2;
      int order = strcmp (text, english[middle]);

      if (order == 0)
        return middle;
      if (order < 0)
        high = middle;
      else
        low = middle + 1;
    }
  return G_N_ELEMENTS (english);
}

/* Returns: (transfer none): the texts of @language, until another one is asked for */
static const char *
unpack (const Language *language)
{
  static const Language *current;
  static char *texts;
  g_autoptr (GZlibDecompressor) zlib = NULL;
  gsize n_read, n_written = 0;

  if (language == current)
    return texts;
  g_free (texts);
  texts = g_malloc0 (language->size);
  current = language;
  zlib = g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB);
  if (g_converter_convert (G_CONVERTER (zlib), language->packed, language->n_packed, texts,
                           language->size, G_CONVERTER_INPUT_AT_END, &n_read, &n_written, NULL)
          != G_CONVERTER_FINISHED
      || n_written != language->size)
    g_error ("the names of entities are damaged");
  return texts;
}

static const Language *
find_language (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (languages); i++)
    if (g_strcmp0 (languages[i].name, name) == 0)
      return &languages[i];
  return NULL;
}

const char *
jkb_ha_translate (const char *language, const char *text)
{
  const Language *found = find_language (language);
  gsize number = found != NULL ? find (text) : G_N_ELEMENTS (english);
  const char *translation;

  if (number == G_N_ELEMENTS (english))
    return text;
  translation = unpack (found) + found->at[number];
  return *translation != '\0' ? translation : text;
}

char *
jkb_ha_fill_in (const char *pattern, const char *text)
{
  const char *mark = strchr (pattern, '%');

  return g_strdup_printf ("%.*s%s%s", (int) (mark - pattern), pattern, text, mark + 2);
}
