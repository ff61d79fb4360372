/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Runs while building: copies a manual page from the file that is named, with each line
 * "@OPTIONS SECTION@" replaced by the keys of that section from the option table.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/jkb-options.h"

/* mdoc takes a backslash for an escape and a dot at the beginning of a line for a request. */
static void
print_text (const char *text)
{
  for (const char *p = text; *p != '\0'; p++)
    if (*p == '\\')
      fputs ("\\e", stdout);
    else
      putchar (*p);
}

static void
print_option (const JkbOption *option)
{
  g_autofree char *range = jkb_option_describe_range (option);
  const char *fallback = jkb_option_describe_default (option);

  printf (".It Cm %s Ns = Ns Ar ", option->key);
  if (option->names != NULL)
    for (guint i = 0; option->names[i] != NULL; i++)
      printf ("%s%s", i > 0 ? "|" : "", option->names[i]);
  else
    fputs (option->type == JKB_OPTION_BOOL ? "true|false" : "value", stdout);
  putchar ('\n');
  print_text (option->help);
  fputs (".\n", stdout);
  if (option->type == JKB_OPTION_UINT || option->type == JKB_OPTION_SECONDS)
    printf ("Range: %s.\n", range);
  printf ("Default: %s.\n", *fallback != '\0' ? fallback : "empty");
}

static gboolean
print_section (const char *name)
{
  guint n;
  const JkbOption *options = jkb_options (&n);
  gboolean found = FALSE;

  printf (".Bl -tag -width Ds\n");
  for (guint i = 0; i < n; i++)
    if (g_str_equal (jkb_section_name (options[i].section), name))
      {
        print_option (&options[i]);
        found = TRUE;
      }
  printf (".El\n");
  return found;
}

int
main (int argc, char **argv)
{
  FILE *file = argc == 2 ? fopen (argv[1], "r") : NULL;
  char line[1000], name[32];

  if (file == NULL)
    {
      fprintf (stderr, "usage: %s FILE\n", argv[0]);
      return EXIT_FAILURE;
    }
  while (fgets (line, sizeof line, file) != NULL)
    if (sscanf (line, "@OPTIONS %31[a-z]@", name) != 1)
      fputs (line, stdout);
    else if (!print_section (name))
      return EXIT_FAILURE;
  fclose (file);
  return EXIT_SUCCESS;
}
