/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The live values that no register holds: power, the extremes of the cells, balancing.
 */
#pragma once

#include "wire/jkb-values.h"

G_BEGIN_DECLS

/* Registers that are no fields of their own. */
#define JKB_OFFSET_CELL_MASK 70
#define JKB_OFFSET_SENSOR_MASK 214

/* Works out the computed fields of live values, but cell_count, from those that are known. */
void jkb_compute_values (JkbValues *values);

G_END_DECLS
