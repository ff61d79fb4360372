/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How people say when. Pure; any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_ctl_parse_time:
 * @text: a duration before @now_us ("90s", "15m", "24h", "7d", "2w") or a date ("2026-03-01", with
 *   or without "12:30" or "12:30:15" behind a T or a blank; local time unless it ends like
 *   "Z" or "+01:00")
 *
 * Returns: %FALSE with %JKB_CTL_USAGE when it is neither, or no moment between 1970 and @now_us
 */
gboolean jkb_ctl_parse_time (const char *text, gint64 now_us, gint64 *time_us, GError **error);

G_END_DECLS
