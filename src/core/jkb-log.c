/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The one log writer of the process. Any thread; the only lock guards the comparison with the last
 * line, never the writing of one.
 */
#include "core/jkb-log.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/jkb-log-line.h"

#define MAX_FIELDS 16

static int max_level = G_LOG_LEVEL_INFO; /* atomic; a greater number is less important */
static gboolean to_journal, to_terminal;
static pthread_mutex_t repeat_mutex = PTHREAD_MUTEX_INITIALIZER; /* ThreadSanitizer sees it */
static JkbLogRepeat last_line;

/* ---- lines ---------------------------------------------------------------------------------- */

char *
jkb_log_clean (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  char *clean = g_malloc (JKB_LOG_MAX_LINE);
  gsize n = 0;

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (n > JKB_LOG_MAX_LINE - 100)
        {
          n += g_unichar_to_utf8 (0x2026, clean + n); /* … */
          break;
        }
      if (g_unichar_isprint (c))
        n += g_unichar_to_utf8 (c, clean + n);
      else
        clean[n++] = c == '\n' || c == '\t' ? ' ' : '?';
    }
  clean[n] = '\0';
  return clean;
}

static const char *
level_name (GLogLevelFlags level)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return "error";
  if (level & G_LOG_LEVEL_WARNING)
    return "warning";
  if (level & G_LOG_LEVEL_MESSAGE)
    return "message";
  return level & G_LOG_LEVEL_INFO ? "info" : "debug";
}

char *
jkb_log_format (GLogLevelFlags level, const char *subject, const char *text, gboolean colours)
{
  gboolean bad = level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);

  return g_strconcat (colours && bad ? "\033[1;31m" : "", level_name (level), ":",
                      colours && bad ? "\033[0m " : " ", subject != NULL ? subject : "",
                      subject != NULL ? ": " : "", text, NULL);
}

gboolean
jkb_log_repeat (JkbLogRepeat *repeat, const char *line, gint64 monotonic_us, guint *n_suppressed)
{
  *n_suppressed = 0;
  if (strncmp (repeat->line, line, sizeof repeat->line - 1) == 0
      && monotonic_us - repeat->shown_us < JKB_LOG_REPEAT_US)
    {
      repeat->n_suppressed++;
      return FALSE;
    }
  *n_suppressed = repeat->n_suppressed;
  repeat->n_suppressed = 0;
  repeat->shown_us = monotonic_us;
  g_strlcpy (repeat->line, line, sizeof repeat->line);
  return TRUE;
}

/* ---- the writer ----------------------------------------------------------------------------- */

static const char *
find_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, key) && fields[i].length < 0)
      return fields[i].value;
  return NULL;
}

static gboolean
is_wanted (GLogLevelFlags level, const GLogField *fields, gsize n_fields)
{
  const char *domain = find_field (fields, n_fields, "GLIB_DOMAIN");
  int wanted = g_atomic_int_get (&max_level);

  /* The chatter of libraries is nobody's concern. */
  if (g_strcmp0 (domain, G_LOG_DOMAIN) != 0)
    wanted = MIN (wanted, G_LOG_LEVEL_MESSAGE);
  return (int) (level & G_LOG_LEVEL_MASK) <= wanted;
}

static void
write_line (GLogLevelFlags level, const GLogField *fields, gsize n_fields, const char *subject,
            const char *text)
{
  GLogField copy[MAX_FIELDS];
  g_autofree char *line = NULL;
  g_autofree char *message = NULL; /* the journal shows this field and nothing else */
  gsize n = MIN (n_fields, MAX_FIELDS);

  if (to_journal)
    {
      message = g_strconcat (subject != NULL ? subject : "", subject != NULL ? ": " : "", text, NULL);
      for (gsize i = 0; i < n; i++)
        {
          copy[i] = fields[i];
          if (g_str_equal (copy[i].key, "MESSAGE"))
            copy[i].value = message;
        }
      if (g_log_writer_journald (level, copy, n, NULL) == G_LOG_WRITER_HANDLED)
        return;
    }
  line = jkb_log_format (level, subject, text, to_terminal);
  fprintf (stderr, "%s\n", line);
}

static GLogWriterOutput
writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  const char *message = find_field (fields, n_fields, "MESSAGE");
  const char *bms = find_field (fields, n_fields, "JKB_BMS");
  const char *subject = bms != NULL ? bms : find_field (fields, n_fields, "JKB_BUS");
  g_autofree char *text = NULL;
  g_autofree char *line = NULL;
  g_autofree char *repeated = NULL;
  guint n_suppressed;
  gboolean show;

  if (message == NULL || !is_wanted (level, fields, n_fields))
    return G_LOG_WRITER_HANDLED;
  text = jkb_log_clean (message);
  line = jkb_log_format (level, subject, text, FALSE);
  pthread_mutex_lock (&repeat_mutex);
  show = jkb_log_repeat (&last_line, line, g_get_monotonic_time (), &n_suppressed);
  pthread_mutex_unlock (&repeat_mutex);
  if (n_suppressed > 0)
    {
      const GLogField note[] = { { "MESSAGE", "", -1 }, { "PRIORITY", "6", -1 } };

      repeated = g_strdup_printf ("the line before was repeated %u times", n_suppressed);
      write_line (G_LOG_LEVEL_INFO, note, G_N_ELEMENTS (note), NULL, repeated);
    }
  if (show)
    write_line (level, fields, n_fields, subject, text);
  return G_LOG_WRITER_HANDLED;
}

void
jkb_log_init (void)
{
  to_journal = g_log_writer_is_journald (STDERR_FILENO);
  to_terminal = !to_journal && isatty (STDERR_FILENO);
  g_log_set_writer_func (writer, NULL, NULL);
}

gboolean
jkb_log_set_level (const char *level)
{
  static const struct
  {
    const char *name;
    GLogLevelFlags level;
  } levels[] = {
    { "error", G_LOG_LEVEL_CRITICAL }, { "warning", G_LOG_LEVEL_WARNING },
    { "message", G_LOG_LEVEL_MESSAGE }, { "info", G_LOG_LEVEL_INFO },
    { "debug", G_LOG_LEVEL_DEBUG },
  };

  for (guint i = 0; i < G_N_ELEMENTS (levels); i++)
    if (g_str_equal (level, levels[i].name))
      {
        g_atomic_int_set (&max_level, levels[i].level);
        return TRUE;
      }
  return FALSE;
}

static const char *
priority (GLogLevelFlags level)
{
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    return "3";
  if (level & G_LOG_LEVEL_WARNING)
    return "4";
  if (level & G_LOG_LEVEL_MESSAGE)
    return "5";
  return level & G_LOG_LEVEL_INFO ? "6" : "7";
}

void
jkb_log (GLogLevelFlags level, const char *bus, const char *bms, const char *format, ...)
{
  GLogField fields[6] = { { "PRIORITY", priority (level), -1 }, { "GLIB_DOMAIN", G_LOG_DOMAIN, -1 } };
  gsize n = 2;
  g_autofree char *text = NULL;
  va_list args;

  if ((int) (level & G_LOG_LEVEL_MASK) > g_atomic_int_get (&max_level))
    return;
  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  fields[n++] = (GLogField) { "MESSAGE", text, -1 };
  if (bus != NULL)
    fields[n++] = (GLogField) { "JKB_BUS", bus, -1 };
  if (bms != NULL)
    fields[n++] = (GLogField) { "JKB_BMS", bms, -1 };
  g_log_structured_array (level, fields, n);
}
