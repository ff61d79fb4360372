/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Log lines: to the journal with the fields JKB_BUS and JKB_BMS when the daemon runs under systemd,
 * else to stderr. English, one line per event, none per frame above debug. Any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Installs the writer; call once, early in main(). */
void jkb_log_init (void);

/* "error", "warning", "message", "info" or "debug": lines below it are dropped. %FALSE: no such
 * level. */
gboolean jkb_log_set_level (const char *level);

/**
 * jkb_log:
 * @bus: (nullable): name of the bus the line is about
 * @bms: (nullable): id of the BMS the line is about
 *
 * The text must not hold secrets; control characters in it are replaced.
 */
void jkb_log (GLogLevelFlags level, const char *bus, const char *bms, const char *format, ...)
    G_GNUC_PRINTF (4, 5);

G_END_DECLS
