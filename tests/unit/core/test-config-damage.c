/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Damage: each line of a good configuration deleted, doubled, cut and garbled, and bytes at random.
 * Nothing crashes; what is wrong is told with its line.
 */
#include <string.h>

#include "core-fixture.h"
#include "core/jkb-config-scan.h"

/* The example with all that is commented out in force. */
static char **
load_lines (void)
{
  g_autofree char *path
      = g_build_filename (g_getenv ("JKB_SOURCE_ROOT"), "data", "jkbmsd.conf", NULL);
  g_autoptr(GRegex) comment = g_regex_new ("^#(?=[a-z\\[])", G_REGEX_MULTILINE, 0, NULL);
  g_autofree char *text = NULL;
  g_autofree char *open = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  open = g_regex_replace_literal (comment, text, -1, 0, "", 0, NULL);
  return g_strsplit (open, "\n", -1);
}

/* Loads @lines with line @at written as @as; NULL deletes it. */
static GPtrArray *
load_with (const char *directory, char **lines, guint at, const char *as)
{
  GString *text = g_string_new (NULL);
  GPtrArray *problems;
  JkbConfig *config;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      if (i != at)
        g_string_append_printf (text, "%s\n", lines[i]);
      else if (as != NULL)
        g_string_append_printf (text, "%s\n", as);
    }
  fixture_write_bytes (directory, "jkbmsd.conf", text->str, text->len);
  config = fixture_load (directory, &problems);
  g_assert_nonnull (config);
  jkb_config_free (config);
  g_string_free (text, TRUE);
  return problems;
}

static gboolean
names_line (GPtrArray *problems, guint line)
{
  for (guint i = 0; i < problems->len; i++)
    if (((const JkbProblem *) g_ptr_array_index (problems, i))->line == line)
      return TRUE;
  return FALSE;
}

static gboolean
is_comment (const char *line)
{
  return line[0] == '\0' || line[0] == '#';
}

typedef char *(*DamageFunc) (const char *line);

static char *
double_line (const char *line)
{
  return g_strconcat (line, "\n", line, NULL);
}

static char *
cut_equals (const char *line)
{
  return g_strdelimit (g_strdup (line), "=]", ' ');
}

static char *
break_encoding (const char *line)
{
  return g_strconcat (line, "\xff", NULL);
}

static char *
mistype_name (const char *line)
{
  return line[0] == '[' ? g_strconcat ("[qq", line + 1, NULL) : g_strconcat ("qq", line, NULL);
}

static char *
append_junk (const char *line)
{
  return g_strconcat (line, " \\q", NULL);
}

static const struct
{
  const char *name;
  DamageFunc damage;
  guint line_offset; /* where it is told, from the damaged line */
} kinds[] = {
  { "doubled", double_line, 1 },      { "no-separator", cut_equals, 0 },
  { "encoding", break_encoding, 0 },  { "name", mistype_name, 0 },
  { "bad-escape", append_junk, 0 },
};

static void
test_kind (gconstpointer data)
{
  guint kind = GPOINTER_TO_UINT (data);
  char *directory = fixture_new ();
  g_auto(GStrv) lines = load_lines ();
  guint n_lines = 0;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *damaged = kinds[kind].damage (lines[i]);
      g_autoptr(GPtrArray) problems = NULL;

      if (is_comment (lines[i]))
        continue;
      problems = load_with (directory, lines, i, damaged);
      if (!names_line (problems, i + 1 + kinds[kind].line_offset))
        g_error ("line %u damaged to \"%s\" is not named", i + 1, damaged);
      n_lines++;
    }
  g_assert_cmpuint (n_lines, >=, 50);
  g_test_message ("%u lines", n_lines);
  fixture_free (directory);
}

/* A line less is a default more, or a mistake with a line; never a crash. */
static void
test_deleted (void)
{
  char *directory = fixture_new ();
  g_auto(GStrv) lines = load_lines ();

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autoptr(GPtrArray) problems = load_with (directory, lines, i, NULL);

      for (guint j = 0; j < problems->len; j++)
        g_assert_cmpuint (((const JkbProblem *) g_ptr_array_index (problems, j))->line, >, 0);
    }
  fixture_free (directory);
}

/* One byte of the file changed at random: either nothing to tell, or told with a line. */
static void
test_flipped (void)
{
  char *directory = fixture_new ();
  g_auto(GStrv) lines = load_lines ();
  g_autofree char *text = g_strjoinv ("\n", lines);
  gsize length = strlen (text);
  g_autoptr(GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < 800; i++)
    {
      g_autofree char *damaged = g_strdup (text);
      g_autoptr(GPtrArray) problems = NULL;

      damaged[g_rand_int_range (rand, 0, length)] = (char) g_rand_int_range (rand, 0, 256);
      fixture_write_bytes (directory, "jkbmsd.conf", damaged, length);
      jkb_config_free (fixture_load (directory, &problems));
      for (guint j = 0; j < problems->len; j++)
        g_assert_cmpuint (((const JkbProblem *) g_ptr_array_index (problems, j))->line, >, 0);
    }
  fixture_free (directory);
}

/* Bytes and scraps of configuration at random, straight into the scan and through the loader. */
static void
test_random (void)
{
  static const char *const scraps[] = { "[", "]", "=", "\n", "#", "\\", "bus a", "uri=tcp:", "bms ",
                                        "[mqtt]\n", "[bus b]\n", "members=", ";", "@", "\r\n", "\0" };
  char *directory = fixture_new ();
  g_autoptr(GRand) rand = g_rand_new_with_seed (2);

  for (guint i = 0; i < 800; i++)
    {
      GString *text = g_string_new (NULL);
      g_autoptr(GPtrArray) problems = NULL;
      guint n = g_rand_int_range (rand, 0, 200);

      for (guint j = 0; j < n; j++)
        if (g_rand_boolean (rand))
          g_string_append (text, scraps[g_rand_int_range (rand, 0, G_N_ELEMENTS (scraps))]);
        else
          g_string_append_c (text, (char) g_rand_int_range (rand, 0, 256));
      fixture_write_bytes (directory, "jkbmsd.conf", text->str, text->len);
      jkb_config_free (fixture_load (directory, &problems));
      g_assert_cmpuint (problems->len, <=, 3 * JKB_CONFIG_MAX_PROBLEMS);
      g_string_free (text, TRUE);
    }
  fixture_free (directory);
}

/* A large file of nothing but mistakes costs little. */
static void
test_bounded (void)
{
  char *directory = fixture_new ();
  GString *text = g_string_new (NULL);
  g_autoptr(GPtrArray) problems = NULL;
  gint64 start = g_get_monotonic_time ();

  for (guint i = 0; text->len < JKB_CONFIG_MAX_SIZE - 20; i++)
    g_string_append_printf (text, "[bus b%u]\n", i);
  fixture_write_bytes (directory, "jkbmsd.conf", text->str, text->len);
  jkb_config_free (fixture_load (directory, &problems));
  g_assert_cmpuint (problems->len, <=, 3 * JKB_CONFIG_MAX_PROBLEMS);
  g_test_message ("%.2f s", (g_get_monotonic_time () - start) / 1e6);
  g_assert_cmpint (g_get_monotonic_time () - start, <, 20 * G_USEC_PER_SEC);
  g_string_free (text, TRUE);
  fixture_free (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autofree char *path = g_strconcat ("/config/damage/", kinds[i].name, NULL);

      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_kind);
    }
  g_test_add_func ("/config/damage/deleted", test_deleted);
  g_test_add_func ("/config/damage/flipped", test_flipped);
  g_test_add_func ("/config/damage/random", test_random);
  g_test_add_func ("/config/damage/bounded", test_bounded);
  return g_test_run ();
}
