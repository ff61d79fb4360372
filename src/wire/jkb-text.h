/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Values as text, in fixed point from the table's integers: no floating point, no locale, the same
 * digits everywhere. Used for MQTT payloads and the command line. Any thread.
 */
#pragma once

#include "wire/jkb-values.h"

G_BEGIN_DECLS

/* raw / scale with as many decimals as the scale has: (52630, 1000) -> "52.630". */
void jkb_text_append_fixed (GString *out, gint64 raw, guint32 scale);

/* @text as a JSON string with its quotes; control characters escaped. */
void jkb_text_append_json_string (GString *out, const char *text);

/* The value as JSON: number, true/false, string, array; null when unknown. */
void jkb_text_append_json (GString *out, const JkbValues *values, JkbFieldId id);

/* The value for people and scripts: no quotes, "unknown" when unknown, lists joined with ", ". */
void jkb_text_append_plain (GString *out, const JkbValues *values, JkbFieldId id);

/* `"key":value` with a comma in front unless @out ends with '{'. */
void jkb_text_append_member (GString *out, const JkbValues *values, JkbFieldId id);

G_END_DECLS
