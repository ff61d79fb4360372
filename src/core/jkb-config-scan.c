/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The line scan. A line's text never goes into a message, for it may hold a password; groups and
 * keys do. Any thread.
 */
#include "core/jkb-config-scan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-forms.h"

typedef struct
{
  const char *file;
  guint line;
  char *group;       /* NULL: none yet, or the header was bad */
  gboolean lost;     /* the header was bad: its keys are passed over in silence */
  GHashTable *seen;  /* "group" or "group\nkey" to line */
  GPtrArray *entries;
  GPtrArray *problems;
} Scan;

/* ---- problems ------------------------------------------------------------------------------- */

void
jkb_problem_free (JkbProblem *problem)
{
  g_free (problem->file);
  g_free (problem->message);
  g_free (problem);
}

char *
jkb_problem_to_string (const JkbProblem *problem)
{
  if (problem->line == 0)
    return g_strdup_printf ("%s: %s", problem->file, problem->message);
  return g_strdup_printf ("%s:%u: %s", problem->file, problem->line, problem->message);
}

void
jkb_problems_add (GPtrArray *problems, JkbProblemLevel level, const char *file, guint line,
                  const char *format, ...)
{
  JkbProblem *problem;
  va_list args;

  if (problems->len >= JKB_CONFIG_MAX_PROBLEMS)
    return;
  problem = g_new0 (JkbProblem, 1);
  problem->level = level;
  problem->file = g_strdup (file);
  problem->line = line;
  va_start (args, format);
  problem->message = g_strdup_vprintf (format, args);
  va_end (args);
  g_ptr_array_add (problems, problem);
}

#define COMPLAIN(scan, ...) \
  jkb_problems_add ((scan)->problems, JKB_PROBLEM_ERROR, (scan)->file, (scan)->line, __VA_ARGS__)

/* ---- lines ---------------------------------------------------------------------------------- */

static void
entry_free (JkbScanEntry *entry)
{
  g_free (entry->group);
  g_free (entry->key);
  g_free (entry->value);
  g_free (entry);
}

static void
add_entry (Scan *scan, const char *key, char *value)
{
  JkbScanEntry *entry = g_new0 (JkbScanEntry, 1);

  entry->line = scan->line;
  entry->group = g_strdup (scan->group);
  entry->key = g_strdup (key);
  entry->value = value;
  g_ptr_array_add (scan->entries, entry);
}

/* Returns: the line that had @name before, or 0. */
static guint
note_seen (Scan *scan, char *name)
{
  guint before = GPOINTER_TO_UINT (g_hash_table_lookup (scan->seen, name));

  if (before == 0)
    g_hash_table_insert (scan->seen, name, GUINT_TO_POINTER (scan->line));
  else
    g_free (name);
  return before;
}

static void
scan_group (Scan *scan, char *line)
{
  char *end = strchr (line, ']');
  g_autofree char *shown = NULL;
  guint before;

  g_clear_pointer (&scan->group, g_free);
  scan->lost = TRUE;
  if (end == NULL || end[1 + strspn (end + 1, " \t")] != '\0')
    {
      COMPLAIN (scan, end == NULL ? "a group has no closing bracket; write [GROUP]"
                                  : "something stands behind a group; give it a line of its own");
      return;
    }
  *end = '\0';
  if (line[1] == '\0')
    {
      COMPLAIN (scan, "a group has no name; write, for example, [mqtt]");
      return;
    }
  scan->group = g_strdup (line + 1);
  scan->lost = FALSE;
  before = note_seen (scan, g_strdup (scan->group));
  if (before != 0)
    {
      shown = jkb_form_show (scan->group);
      COMPLAIN (scan, "group [%s] is in line %u already; put its keys together there", shown,
                before);
    }
  add_entry (scan, NULL, NULL);
}

/* Returns: (nullable): the value of "key=value" with its escapes resolved. */
static char *
read_value (const char *text)
{
  g_autoptr(GKeyFile) file = g_key_file_new ();
  g_autofree char *lines = g_strdup_printf ("[g]\nk=%s\n", text);
  g_autofree char *value = NULL;
  g_autoptr(GError) error = NULL;

  if (!g_key_file_load_from_data (file, lines, -1, G_KEY_FILE_NONE, NULL))
    return NULL;
  value = g_key_file_get_string (file, "g", "k", &error);
  return error == NULL ? g_steal_pointer (&value) : NULL; /* it may give both */
}

static void
scan_key (Scan *scan, char *line)
{
  char *equals = strchr (line, '=');
  g_autofree char *shown = NULL;
  g_autofree char *shown_group = NULL;
  guint before;
  char *value;

  if (equals == NULL || equals == line)
    {
      COMPLAIN (scan, equals == NULL ? "this is no KEY=VALUE; a line without = must be [GROUP] or "
                                       "begin with #"
                                     : "there is no key before the =; write KEY=VALUE");
      return;
    }
  *equals = '\0';
  g_strchomp (line);
  shown = jkb_form_show (line);
  if (scan->group == NULL)
    {
      if (!scan->lost)
        COMPLAIN (scan, "%s is outside a group; put it below a line such as [daemon]", shown);
      return;
    }
  shown_group = jkb_form_show (scan->group);
  before = note_seen (scan, g_strconcat (scan->group, "\n", line, NULL));
  if (before != 0)
    COMPLAIN (scan, "%s is in line %u of [%s] already; keep one of the two", shown, before,
              shown_group);
  value = read_value (g_strchomp (equals + 1));
  if (value == NULL)
    COMPLAIN (scan, "the value of %s holds a bad escape; write \\\\ for a backslash", shown);
  else
    add_entry (scan, line, value);
}

static void
scan_line (Scan *scan, char *line, gsize length)
{
  while (length > 0 && (line[length - 1] == '\r'))
    line[--length] = '\0';
  if (strlen (line) != length || !g_utf8_validate (line, length, NULL))
    {
      COMPLAIN (scan, strlen (line) != length
                          ? "this line holds a zero byte; write the line again"
                          : "this line is not UTF-8; save the file in that encoding");
      return;
    }
  line += strspn (line, " \t\v\f\r");
  if (*line == '\0' || *line == '#')
    return;
  if (*line == '[')
    scan_group (scan, line);
  else
    scan_key (scan, line);
}

GPtrArray *
jkb_config_scan (const char *text, gsize length, const char *file, GPtrArray *problems)
{
  Scan scan = { .file = file, .problems = problems };
  const char *end = text + length;

  scan.seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  scan.entries = g_ptr_array_new_with_free_func ((GDestroyNotify) entry_free);
  if (length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    text += 3; /* some editors mark UTF-8 so */
  while (text < end)
    {
      const char *newline = memchr (text, '\n', end - text);
      gsize n = newline != NULL ? newline - text : end - text;
      g_autofree char *line = g_malloc (n + 1);

      memcpy (line, text, n);
      line[n] = '\0';
      scan.line++;
      scan_line (&scan, line, n);
      text += n + 1;
    }
  g_hash_table_unref (scan.seen);
  g_free (scan.group);
  return scan.entries;
}

/* ---- the file ------------------------------------------------------------------------------- */

static gboolean
check_kind (int fd, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) == 0 && (S_ISREG (st.st_mode) || S_ISCHR (st.st_mode)))
    return TRUE;
  g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                       "this is not a file; name a configuration file");
  return FALSE;
}

static char *
read_all (int fd, gsize *length, GError **error)
{
  g_autofree char *text = g_malloc (JKB_CONFIG_MAX_SIZE + 1);
  gssize n = 1;

  while (n > 0 && *length <= JKB_CONFIG_MAX_SIZE)
    {
      n = read (fd, text + *length, JKB_CONFIG_MAX_SIZE + 1 - *length);
      *length += MAX (n, 0);
    }
  if (n < 0)
    {
      int errsv = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errsv), "cannot be read: %s",
                   g_strerror (errsv));
      return NULL;
    }
  if (*length <= JKB_CONFIG_MAX_SIZE)
    return g_steal_pointer (&text);
  g_set_error (error, JKB_ERROR, JKB_ERROR_OUT_OF_RANGE,
               "the file is larger than %d KiB; split it or name the right one",
               JKB_CONFIG_MAX_SIZE / 1024);
  return NULL;
}

char *
jkb_config_read (const char *file, gsize *length, GError **error)
{
  int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  int errsv = errno;
  char *text;

  *length = 0;
  if (fd < 0)
    {
      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (errsv), "cannot be read: %s",
                   g_strerror (errsv));
      return NULL;
    }
  text = check_kind (fd, error) ? read_all (fd, length, error) : NULL;
  close (fd);
  return text;
}
