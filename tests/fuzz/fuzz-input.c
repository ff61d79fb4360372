/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header.
 */
#include "fuzz-input.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/jkb-log-line.h"

static char *directory;

static int
remove_one (const char *path, const struct stat *st, int type, struct FTW *place)
{
  return remove (path);
}

static void
remove_directory (void)
{
  nftw (directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  g_free (directory);
}

const char *
fuzz_directory (void)
{
  if (directory != NULL)
    return directory;
  directory = g_strdup ("/dev/shm/jkb-fuzz-XXXXXX");
  if (g_mkdtemp (directory) == NULL)
    {
      g_free (directory);
      directory = g_dir_make_tmp ("jkb-fuzz-XXXXXX", NULL);
    }
  g_assert_nonnull (directory);
  atexit (remove_directory);
  return directory;
}

void
fuzz_write_file (const char *path, const void *data, gsize size)
{
  FILE *file = fopen (path, "w");

  if (file == NULL)
    g_error ("%s: %s", path, g_strerror (errno));
  g_assert_cmpuint (fwrite (data, 1, size, file), ==, size);
  g_assert_cmpint (fclose (file), ==, 0);
}

char *
fuzz_take_part (const guint8 **data, size_t *size, gsize *length)
{
  const guint8 *separator = *size > 0 ? memchr (*data, FUZZ_SEPARATOR, *size) : NULL;
  char *part;

  *length = separator != NULL ? (gsize) (separator - *data) : *size;
  part = g_malloc (*length + 1);
  memcpy (part, *data, *length);
  part[*length] = '\0';
  *data += *length + (separator != NULL);
  *size -= *length + (separator != NULL);
  return part;
}

static GLogWriterOutput
check_line (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer unused)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      {
        g_autofree char *line = jkb_log_clean (fields[i].value);

        if ((level & G_LOG_LEVEL_MASK) <= G_LOG_LEVEL_CRITICAL)
          {
            fprintf (stderr, "%s\n", line);
            abort ();
          }
        g_assert_cmpuint (strlen (line), <, JKB_LOG_MAX_LINE);
        g_assert_true (g_utf8_validate (line, -1, NULL));
        g_assert_null (strpbrk (line, "\n\r\033"));
      }
  return G_LOG_WRITER_HANDLED;
}

/* Log lines are made as ever, and checked, but not printed. What GLib would end the program for ends
 * it so that libFuzzer notices and keeps the input. */
__attribute__ ((constructor)) static void
watch_log (void)
{
  g_log_set_writer_func (check_line, NULL, NULL);
}
