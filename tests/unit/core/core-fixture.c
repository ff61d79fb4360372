/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "core-fixture.h"

#include <gio/gio.h>
#include <glib/gstdio.h>

char *
fixture_new (void)
{
  g_autoptr(GError) error = NULL;
  char *directory = g_dir_make_tmp ("jkb-core-XXXXXX", &error);

  g_assert_no_error (error);
  return directory;
}

char *
fixture_new_with (const char *config)
{
  char *directory = fixture_new ();

  fixture_put (directory, "jkbmsd.conf", config);
  return directory;
}

static void
remove_tree (const char *path)
{
  g_autoptr(GDir) dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL
                                                                   : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_remove (path);
}

void
fixture_free (char *directory)
{
  remove_tree (directory);
  g_free (directory);
}

char *
fixture_write (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *parent = g_path_get_dirname (path);
  g_autofree char *expanded = fixture_expand (directory, text);
  g_autoptr(GError) error = NULL;

  g_assert_cmpint (g_mkdir_with_parents (parent, 0700), ==, 0);
  g_file_set_contents (path, expanded, -1, &error);
  g_assert_no_error (error);
  return g_steal_pointer (&path);
}

void
fixture_put (const char *directory, const char *name, const char *text)
{
  g_free (fixture_write (directory, name, text));
}

void
fixture_write_bytes (const char *directory, const char *name, const char *bytes, gsize n)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  FILE *file = fopen (path, "w");

  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (bytes, 1, n, file), ==, n);
  g_assert_cmpint (fclose (file), ==, 0);
}

char *
fixture_expand (const char *directory, const char *text)
{
  g_auto(GStrv) parts = g_strsplit (text, "@DIR@", -1);

  return g_strjoinv (directory, parts);
}

JkbConfig *
fixture_load (const char *directory, GPtrArray **problems)
{
  g_autofree char *file = g_build_filename (directory, "jkbmsd.conf", NULL);
  g_autofree char *state = g_build_filename (directory, "state", NULL);

  *problems = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  return jkb_config_load (file, TRUE, state, *problems);
}

char *
fixture_describe (GPtrArray *problems)
{
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < problems->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (problems, i);

      g_string_append_printf (text, "%s%u: %s", i > 0 ? "\n" : "", problem->line,
                              problem->message);
    }
  return g_string_free (text, FALSE);
}
