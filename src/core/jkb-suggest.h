/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * "Did you mean": the known word closest to a mistyped one. Any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Edit distance without regard to case; words longer than 63 bytes are infinitely far. */
guint jkb_edit_distance (const char *a, const char *b);

/* Returns: (nullable): the closest of the NULL-terminated @words, if it is close at all. */
const char *jkb_suggest (const char *word, const char *const *words);

/* Returns: "; did you mean auto?" or "". */
char *jkb_suggest_text (const char *word, const char *const *words);

G_END_DECLS
