/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The parts of the log writer that have no side effects. Any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_LOG_MAX_LINE 1024
#define JKB_LOG_REPEAT_US (60 * G_USEC_PER_SEC)

/* The last line and how often it has come since. */
typedef struct
{
  char line[JKB_LOG_MAX_LINE];
  gint64 shown_us;
  guint n_suppressed;
} JkbLogRepeat;

/* Returns: @text with control characters and broken UTF-8 replaced, shortened to a sane length. */
char *jkb_log_clean (const char *text);

/* "warning: garage_1: text", without a line feed. @subject: (nullable) */
char *jkb_log_format (GLogLevelFlags level, const char *subject, const char *text,
                      gboolean colours);

/**
 * jkb_log_repeat:
 * @line: a cleaned line with all that tells it from others
 * @n_suppressed: (out): how many were left out before this one
 *
 * A line that says the same as the one before is shown again only after a minute. The caller
 * serialises.
 *
 * Returns: whether to show it
 */
gboolean jkb_log_repeat (JkbLogRepeat *repeat, const char *line, gint64 monotonic_us,
                         guint *n_suppressed);

G_END_DECLS
