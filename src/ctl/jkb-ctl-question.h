/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Questions to the person at the terminal. Without a terminal there is nobody to ask: these refuse
 * and name --yes.
 */
#pragma once

#include "ctl/jkb-ctl.h"

G_BEGIN_DECLS

/* Yes or no, in the user's language. Returns: %FALSE with the exit code in @status */
gboolean jkb_ctl_question (const char *question, int *status);

/* Shows @warning; the answer is @word, typed in full. */
gboolean jkb_ctl_question_dangerous (const char *warning, const char *word, int *status);

/**
 * jkb_ctl_read_password:
 *
 * One line from the terminal without showing it, or from whatever stdin is.
 *
 * Returns: (transfer full) (nullable): %NULL: nothing came. Wipe it with explicit_bzero().
 */
char *jkb_ctl_read_password (const char *prompt);

G_END_DECLS
