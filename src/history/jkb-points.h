/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Down-sampling that keeps the extremes: while there are few values, all of them; once there are
 * more than wanted, the smallest and the largest of each of equal stretches of the time for which
 * there are values. Takes one value after the other, in any order, and needs some 640 kB, or for
 * more than 16,384 points 40 bytes for each. Pure: any thread.
 */
#pragma once

#include "history/jkb-history.h"

G_BEGIN_DECLS

typedef struct _JkbPoints JkbPoints;

/**
 * jkb_points_new:
 * @from_us: no value is older
 * @to_us: no value is younger
 * @max: how many points the answer may have, at least 1
 */
JkbPoints *jkb_points_new (gint64 from_us, gint64 to_us, guint max);
void jkb_points_add (JkbPoints *self, gint64 stamp_us, double value);

/* Frees @self. Returns: (element-type JkbHistoryPoint) (transfer full): in the order of time */
GArray *jkb_points_finish (JkbPoints *self);

G_END_DECLS
