/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Names of entities in the language of the option "language". The catalogues in po/ are read when the
 * daemon is built: it never changes its own locale. Main thread only.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_ha_translate:
 * @language: as in the option: "en", "de", "pt_BR" …
 * @text: marked with N_() in the field table, the alarm table or jkb-homeassistant.c
 *
 * A pattern keeps its "%u" or "%s".
 *
 * Returns: (transfer none): valid until another language is asked for; @text itself where the
 *   language has no translation of it
 */
const char *jkb_ha_translate (const char *language, const char *text);

/* @pattern with @text in the place of its "%u" or "%s". Returns: (transfer full) */
char *jkb_ha_fill_in (const char *pattern, const char *text);

G_END_DECLS
