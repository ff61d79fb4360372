/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The configuration: the admin's file, one of conf.d, the overlay of the state directory, and changes
 * as D-Bus asks for them, each behind a separator. Whatever they hold, there is a configuration,
 * every mistake has a sentence, what is served over D-Bus can be made; and what a change writes to
 * the overlay is read back as the same configuration.
 */
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "core/jkb-config-edit.h"
#include "core/jkb-config-store.h"
#include "core/jkb-config.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"
#include "fuzz-input.h"

#define MAX_CHANGES 24

static char *main_file, *extra_file, *state_dir, *overlay_file;
static FILE *nowhere;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_autofree char *extra_dir = g_build_filename (fuzz_directory (), "conf.d", NULL);

  main_file = g_build_filename (fuzz_directory (), "jkbmsd.conf", NULL);
  extra_file = g_build_filename (extra_dir, "10-more.conf", NULL);
  state_dir = g_build_filename (fuzz_directory (), "state", NULL);
  overlay_file = g_build_filename (state_dir, JKB_OVERLAY_NAME, NULL);
  g_assert_cmpint (g_mkdir (extra_dir, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (state_dir, 0700), ==, 0);
  nowhere = fopen ("/dev/null", "w");
  return 0;
}

/* A part that is not there is a file that is not there. */
static void
write_part (const char *path, const guint8 **data, size_t *size)
{
  gsize length;
  gboolean any = *size > 0;
  g_autofree char *text = fuzz_take_part (data, size, &length);

  if (any)
    fuzz_write_file (path, text, length);
  else
    g_unlink (path);
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
    {
      const JkbBusConfig *bus = g_ptr_array_index (config->buses, i);
      g_autoptr (JkbBusConfig) copy = jkb_bus_config_copy (bus);

      g_assert_true (jkb_form_bus_name (bus->name, NULL));
      g_assert_true (jkb_config_find_bus (config, bus->name) != NULL);
      g_assert_true (jkb_section_equal (JKB_SECTION_BUS, bus, copy));
    }
}

/* ---- values of one group, in and out by each way ---- */

static void
check_error (const GError *error)
{
  g_assert_true (error->domain == JKB_ERROR);
  g_assert_cmpuint (strlen (error->message), >, 3);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

/* What an option says of its value is what sets it. */
static void
check_option (const JkbOption *option, gconstpointer section)
{
  g_autofree char *text = jkb_option_get (option, section);
  g_autofree char *range = jkb_option_describe_range (option);
  g_autofree char *name = jkb_option_property_name (option);
  g_autofree char *from_variant = NULL;
  g_autoptr (GVariant) value = g_variant_ref_sink (jkb_option_to_variant (option, section));
  g_autoptr (GError) error = NULL;

  if (!jkb_option_set (option, NULL, text, &error))
    g_error ("%s: its own text is refused: %s", option->key, error->message);
  g_assert_cmpstr (g_variant_get_type_string (value), ==, jkb_option_signature (option));
  from_variant = jkb_option_text_from_variant (option, value, &error);
  if (from_variant == NULL || !jkb_option_set (option, NULL, from_variant, &error))
    g_error ("%s: its own variant is refused: %s", option->key, error->message);
  g_assert_nonnull (jkb_option_describe_default (option));
  g_assert_cmpuint (strlen (range), >, 0);
  g_assert_true (g_ascii_isupper (name[0]));
}

static void
check_options (const JkbConfig *config)
{
  const JkbBusConfig *bus = config->buses->len > 0 ? config->buses->pdata[0] : NULL;
  guint n_options;
  const JkbOption *options = jkb_options (&n_options);

  for (guint i = 0; i < n_options; i++)
    if (options[i].section == JKB_SECTION_MQTT)
      check_option (&options[i], &config->mqtt);
    else if (options[i].section == JKB_SECTION_DAEMON)
      check_option (&options[i], &config->daemon);
    else if (options[i].section == JKB_SECTION_BUS && bus != NULL)
      check_option (&options[i], bus);
}

/* ---- changes ---- */

/* As a property is set over D-Bus: @text is a value in GVariant's text form. */
static gboolean
set_variant (JkbConfigEdit *edit, const char *group, const char *key, const char *text,
             GError **error)
{
  g_autoptr (GVariant) value = g_variant_parse (NULL, text, NULL, NULL, NULL);
  const JkbOption *option = jkb_option_find (group, key);
  g_autofree char *taken = NULL;

  if (value == NULL || option == NULL)
    return TRUE;
  taken = jkb_option_text_from_variant (option, value, error);
  return taken != NULL && jkb_config_edit_set (edit, group, key, taken, error);
}

/* "sGROUP|KEY|TEXT" sets, "vGROUP|KEY|VARIANT" too, "rGROUP|KEY" resets, "aNAME" adds a bus, "dNAME"
 * removes one, anything else stores a password. */
static gboolean
change (JkbConfigEdit *edit, const char *line, GError **error)
{
  g_auto (GStrv) words = g_strsplit (line + 1, "|", 3);
  const char *group = words[0] != NULL ? words[0] : "";
  const char *key = words[0] != NULL && words[1] != NULL ? words[1] : "";
  const char *text = key[0] != '\0' && words[2] != NULL ? words[2] : "";

  switch (line[0])
    {
    case 's':
      return jkb_config_edit_set (edit, group, key, text, error);
    case 'v':
      return set_variant (edit, group, key, text, error);
    case 'r':
      return jkb_config_edit_reset (edit, group, key, error);
    case 'a':
      return jkb_config_edit_add_bus (edit, group, error);
    case 'd':
      return jkb_config_edit_remove_bus (edit, group, error);
    default:
      jkb_config_edit_set_password_file (edit, "/var/lib/jkbmsd/mqtt-password");
      return TRUE;
    }
}

/* Returns: (nullable): the configuration with all changes; every third line is an edit of its own. */
static JkbConfig *
make_changes (const JkbConfig *config, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", MAX_CHANGES);
  g_autoptr (JkbConfigEdit) edit = jkb_config_edit_new (config);
  g_autoptr (GError) finish_error = NULL;
  JkbConfig *changed;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *line = g_utf8_make_valid (lines[i], -1); /* as D-Bus does */
      g_autoptr (GError) error = NULL;

      if (line[0] != '\0' && !change (edit, line, &error))
        check_error (error);
    }
  changed = jkb_config_edit_finish (edit, &finish_error);
  if (changed == NULL)
    check_error (finish_error);
  return changed;
}

static int
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* All values, one "GROUP KEY=VALUE" a line; the order of groups may change. */
static char *
values_of (const JkbConfig *config)
{
  g_autoptr (GVariant) values = g_variant_ref_sink (jkb_config_get_values (config));
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GVariantIter groups;
  const char *group, *key, *value;
  GVariantIter *keys;

  g_variant_iter_init (&groups, values);
  while (g_variant_iter_loop (&groups, "{&sa{ss}}", &group, &keys))
    while (g_variant_iter_next (keys, "{&s&s}", &key, &value))
      g_ptr_array_add (lines, g_strdup_printf ("[%s] %s=%s", group, key, value));
  g_ptr_array_sort (lines, compare_lines);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

/* The daemon's next start finds what was changed. */
static void
check_kept (const JkbConfig *changed)
{
  g_autofree char *text = jkb_overlay_to_text (changed);
  g_autofree char *before = values_of (changed);
  g_autofree char *after = NULL;
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr (JkbConfig) again = NULL;
  g_autoptr (GError) error = NULL;

  if (!jkb_overlay_write (state_dir, text, jkb_overlay_is_set_aside (changed), &error))
    g_error ("%s", error->message);
  again = jkb_config_load (main_file, TRUE, state_dir, problems);
  after = values_of (again);
  if (!g_str_equal (before, after))
    g_error ("the overlay\n%s\ndoes not say\n%s\nbut\n%s", text, before, after);
  g_assert_false (jkb_overlay_is_set_aside (again));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr (JkbConfig) config = NULL;
  g_autoptr (JkbConfig) changed = NULL;
  g_autofree char *changes = NULL;
  gsize n_changes;

  write_part (main_file, &data, &size);
  write_part (extra_file, &data, &size);
  write_part (overlay_file, &data, &size);
  changes = fuzz_take_part (&data, &size, &n_changes);
  config = jkb_config_load (main_file, TRUE, state_dir, problems);
  g_assert_nonnull (config);
  for (guint i = 0; i < problems->len; i++)
    check_problem (g_ptr_array_index (problems, i));
  check_config (config);
  check_options (config);
  g_assert_cmpint (jkb_config_check (main_file, TRUE, state_dir, nowhere), ==,
                   problems->len > 0 ? 1 : 0);
  if (n_changes == 0)
    return 0;
  changed = make_changes (config, changes);
  if (changed == NULL)
    return 0;
  check_config (changed);
  check_options (changed);
  check_kept (changed);
  return 0;
}
