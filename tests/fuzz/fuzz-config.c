/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The configuration: the admin's file, and behind a zero byte the overlay of the state directory.
 * Whatever they hold, there is a configuration, every mistake has a sentence, and what is served
 * over D-Bus can be made.
 */
#include <glib/gstdio.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/jkb-config-store.h"
#include "core/jkb-config.h"
#include "core/jkb-forms.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

static char *directory, *main_file, *state_dir, *overlay_file;

static void
remove_directory (void)
{
  g_autoptr (GDir) dir = g_dir_open (state_dir, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (state_dir, name, NULL);

      g_unlink (path);
    }
  g_rmdir (state_dir);
  g_unlink (main_file);
  g_rmdir (directory);
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  directory = g_dir_make_tmp ("jkb-fuzz-config-XXXXXX", NULL);
  g_assert_nonnull (directory);
  main_file = g_build_filename (directory, "jkbmsd.conf", NULL);
  state_dir = g_build_filename (directory, "state", NULL);
  overlay_file = g_build_filename (state_dir, JKB_OVERLAY_NAME, NULL);
  g_assert_cmpint (g_mkdir (state_dir, 0700), ==, 0);
  atexit (remove_directory);
  return 0;
}

static void
write_file (const char *path, const void *data, gsize size)
{
  FILE *file = fopen (path, "w");

  g_assert_nonnull (file);
  g_assert_cmpuint (fwrite (data, 1, size, file), ==, size);
  fclose (file);
}

static void
check_problem (const JkbProblem *problem)
{
  g_autofree char *line = jkb_problem_to_string (problem);

  g_assert_cmpuint (strlen (problem->message), >, 3);
  g_assert_true (g_utf8_validate (line, -1, NULL));
  g_assert_null (strchr (line, '\n'));
}

static void
check_config (const JkbConfig *config)
{
  g_autoptr (GVariant) values = g_variant_ref_sink (jkb_config_get_values (config));
  g_autoptr (GVariant) origins = g_variant_ref_sink (jkb_config_get_origins (config));

  g_assert_true (g_variant_is_normal_form (values));
  g_assert_true (g_variant_is_normal_form (origins));
  g_assert_cmpint (config->mqtt.commands, <=, config->writes.access);
  for (guint i = 0; i < config->buses->len; i++)
    g_assert_true (jkb_form_bus_name (((JkbBusConfig *) config->buses->pdata[i])->name, NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr (JkbConfig) config = NULL;
  const uint8_t *zero = size > 0 ? memchr (data, 0, size) : NULL;
  gsize n_main = zero != NULL ? (gsize) (zero - data) : size;

  write_file (main_file, data, n_main);
  if (zero != NULL)
    write_file (overlay_file, zero + 1, size - n_main - 1);
  else
    g_unlink (overlay_file);
  config = jkb_config_load (main_file, TRUE, state_dir, problems);
  g_assert_nonnull (config);
  for (guint i = 0; i < problems->len; i++)
    check_problem (g_ptr_array_index (problems, i));
  check_config (config);
  return 0;
}
