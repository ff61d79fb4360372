/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A D-Bus object and the pace of its announcements: however often it is touched, its readers hear
 * of it at most once per interval; the first change after a quiet interval goes out at once. Main
 * thread only; time comes in as an argument.
 */
#pragma once

#include "dbus/jkb-skeleton.h"

G_BEGIN_DECLS

#define JKB_TYPE_OBJECT (jkb_object_get_type ())
G_DECLARE_FINAL_TYPE (JkbObject, jkb_object, JKB, OBJECT, GDBusObjectSkeleton)

#define JKB_OBJECT_MAX_INTERFACES 4

JkbObject *jkb_object_new (const char *path);
const char *jkb_object_get_path (JkbObject *self);

/* Takes @interface (transfer full); an exported object announces it with all its values. */
void jkb_object_add (JkbObject *self, JkbSkeleton *interface);

/* Returns: (nullable) (transfer none) */
JkbSkeleton *jkb_object_find (JkbObject *self, const char *interface_name);

/* Something may be other than announced. */
void jkb_object_touch (JkbObject *self);

/* Announces it now; nothing when nothing differs, and then the interval does not begin anew. */
void jkb_object_flush (JkbObject *self, gint64 monotonic_us);

/**
 * jkb_object_tick:
 * Announces what was touched if the interval since the last announcement is over.
 *
 * Returns: when it is over, monotonic µs; G_MAXINT64: nothing waits
 */
gint64 jkb_object_tick (JkbObject *self, gint64 monotonic_us, gint64 interval_us);

/* Takes the values of now as known: the object is about to be exported. */
void jkb_object_settle (JkbObject *self);

G_END_DECLS
