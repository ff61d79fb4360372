/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Edit distance after Damerau and Levenshtein (neighbours swapped count once). Any thread.
 */
#include "core/jkb-suggest.h"

#include <string.h>

#define MAX_WORD 63

guint
jkb_edit_distance (const char *a, const char *b)
{
  guint rows[3][MAX_WORD + 1];
  gsize n_a = strlen (a), n_b = strlen (b);

  if (n_a > MAX_WORD || n_b > MAX_WORD)
    return G_MAXUINT;
  for (gsize j = 0; j <= n_b; j++)
    rows[0][j] = j;
  for (gsize i = 1; i <= n_a; i++)
    {
      const guint *above = rows[(i - 1) % 3], *above2 = rows[(i + 1) % 3];
      guint *row = rows[i % 3];

      row[0] = i;
      for (gsize j = 1; j <= n_b; j++)
        {
          char x = g_ascii_tolower (a[i - 1]), y = g_ascii_tolower (b[j - 1]);

          row[j] = MIN (MIN (above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
          if (i > 1 && j > 1 && x == g_ascii_tolower (b[j - 2]) && y == g_ascii_tolower (a[i - 2]))
            row[j] = MIN (row[j], above2[j - 2] + 1);
        }
    }
  return rows[n_a % 3][n_b];
}

const char *
jkb_suggest (const char *word, const char *const *words)
{
  /* A third of the letters may be wrong; of a short word, one. */
  guint best = MAX (strlen (word) / 3, 1) + 1;
  const char *found = NULL;

  for (; *words != NULL; words++)
    {
      guint distance = jkb_edit_distance (word, *words);

      if (strlen (*words) >= 3 && g_str_has_prefix (word, *words))
        distance = 1; /* "automatic" */
      if (distance < best)
        {
          best = distance;
          found = *words;
        }
    }
  return found;
}

char *
jkb_suggest_text (const char *word, const char *const *words)
{
  const char *found = jkb_suggest (word, words);

  return found != NULL ? g_strdup_printf ("; did you mean %s?", found) : g_strdup ("");
}
