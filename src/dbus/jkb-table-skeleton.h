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

/* Returns: (transfer none) */
gpointer jkb_table_skeleton_get_source (JkbSkeleton *self);

/* A method call, or the Set of a property; consumes @invocation. */
typedef void (*JkbTableCallFunc) (JkbSkeleton *self, GDBusMethodInvocation *invocation,
                                  gpointer user_data);
void jkb_table_skeleton_set_call (JkbTableSkeleton *self, JkbTableCallFunc call, gpointer user_data,
                                  GDestroyNotify destroy);

G_END_DECLS
