/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The field table as D-Bus interface descriptions: one property per row, documented from the row.
 * Used by the daemon at run time and by jkb-gen for the files that are installed, so the two cannot
 * differ.
 */
#pragma once

#include <gio/gio.h>

#include "wire/jkb-field.h"

G_BEGIN_DECLS

/* The property behind the fields: the keys that are unknown now. */
#define JKB_UNAVAILABLE "Unavailable"

/* "io.github.jkbmsd1.Telemetry" for the group live, and so on. */
const char *jkb_table_interface_name (JkbGroup group);

/**
 * jkb_table_info:
 * The properties are the fields of @group in the order of the table, then %JKB_UNAVAILABLE. Main
 * thread only.
 *
 * Returns: (transfer none): built with the first call, lives for ever
 */
GDBusInterfaceInfo *jkb_table_info (JkbGroup group);

/* Sentences that say what the field is: label, unit, where it lies, possible values. */
char *jkb_table_describe (const JkbField *field);

/* "1.200 to 4.350 V", "" when there are no limits. */
char *jkb_table_describe_range (const JkbField *field, gint64 min, gint64 max);

G_END_DECLS
