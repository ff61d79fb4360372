/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Look-ups in the table that entity-names.py made: the English texts in order of their bytes, and for
 * each language where the same texts begin. Constant: any thread.
 */
#include "mqtt/jkb-ha-translate.h"

#include <string.h>

typedef struct
{
  const char *name;
  const char *text;  /* all texts, one behind the other, and an empty one at the end */
  const guint16 *at; /* where the translation of each English text begins */
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

const char *
jkb_ha_translate (const char *language, const char *text)
{
  gsize number;

  for (gsize i = 0; i < G_N_ELEMENTS (languages); i++)
    if (g_strcmp0 (languages[i].name, language) == 0 && (number = find (text)) < G_N_ELEMENTS (english))
      {
        const char *translation = languages[i].text + languages[i].at[number];

        return *translation != '\0' ? translation : text;
      }
  return text;
}

char *
jkb_ha_fill_in (const char *pattern, const char *text)
{
  const char *mark = strchr (pattern, '%');

  return g_strdup_printf ("%.*s%s%s", (int) (mark - pattern), pattern, text, mark + 2);
}
