/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * JSON by hand, for documents that are built front to back: a comma goes wherever the text does not
 * end with an opening bracket. No floating point. Pure functions.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

void jkb_ha_key (GString *out, const char *key);
void jkb_ha_string (GString *out, const char *key, const char *value);

/* Nothing for NULL and "". */
void jkb_ha_optional (GString *out, const char *key, const char *value);
void jkb_ha_integer (GString *out, const char *key, gint64 value);
void jkb_ha_boolean (GString *out, const char *key, gboolean value);
void jkb_ha_open (GString *out, const char *key, char bracket);
void jkb_ha_item (GString *out, const char *value); /* of an array */

/* Lower-case letters, digits and single underscores, as Home Assistant wants ids to be. */
char *jkb_ha_slug (const char *text);

G_END_DECLS
