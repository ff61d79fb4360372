/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Keys as people type them: rows of the field table, single cells, and what a mistyped one was meant
 * to be. No I/O but the complaint; one thread.
 */
#pragma once

#include "wire/jkb-field.h"

G_BEGIN_DECLS

/* "current", "settings.cell_count". Returns: (nullable): the row; live values come first */
const JkbField *jkb_ctl_key_find (const char *key);

/* "cell_voltage_3": the row of "cell_voltages", and 2 as @item. Returns: (nullable) */
const JkbField *jkb_ctl_key_find_item (const char *key, guint *item);

/* The key of the first @n_groups groups that was meant: mistyped, or only a part of it given.
 * Returns: (nullable) */
const char *jkb_ctl_key_guess (const char *key, guint n_groups);

/* Says that there is no such key, and which one of the first @n_groups groups was probably meant.
 * Returns: the exit code */
int jkb_ctl_key_fail (const char *key, guint n_groups);

G_END_DECLS
