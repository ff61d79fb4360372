/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * An interface whose properties are the rows of one group of the field table: Telemetry, Settings,
 * Info. Main thread only.
 */
#pragma once

#include "dbus/jkb-skeleton.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

#define JKB_TYPE_TABLE_SKELETON (jkb_table_skeleton_get_type ())
G_DECLARE_FINAL_TYPE (JkbTableSkeleton, jkb_table_skeleton, JKB, TABLE_SKELETON, JkbSkeleton)

/* Returns: (nullable): the values of now; NULL: all unknown. */
typedef const JkbValues *(*JkbPeekValuesFunc) (gpointer source, JkbGroup group);

/**
 * jkb_table_skeleton_new:
 * @source: (transfer none): a reference is kept
 */
JkbSkeleton *jkb_table_skeleton_new (JkbGroup group, JkbPeekValuesFunc peek, GObject *source);

G_END_DECLS
