/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One D-Bus interface of one object: a GDBusInterfaceSkeleton that knows which of its properties
 * are other than what the readers were told last, and tells them in one PropertiesChanged. Where
 * the values come from is up to the subclass: the field table (jkb-table-skeleton.h) or getters
 * named in a row each (jkb-xml-skeleton.h). Main thread only.
 *
 * Reading a property gives the value of now, which may be newer than the last announcement; such a
 * property is announced next time even when it is back to its old value by then, so that a reader
 * that caches never keeps a value that is gone.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define JKB_DBUS_NAME "io.github.jkbmsd1"
#define JKB_DBUS_PATH "/io/github/jkbmsd1"

#define JKB_TYPE_SKELETON (jkb_skeleton_get_type ())
G_DECLARE_DERIVABLE_TYPE (JkbSkeleton, jkb_skeleton, JKB, SKELETON, GDBusInterfaceSkeleton)

struct _JkbSkeletonClass
{
  GDBusInterfaceSkeletonClass parent_class;

  /* The value of now of the property @index of the interface. (transfer floating) */
  GVariant *(*read) (JkbSkeleton *self, guint index);

  /* Whether it is other than at the last settle(). */
  gboolean (*differs) (JkbSkeleton *self, guint index);

  /* The values of now are the ones that readers know. */
  void (*settle) (JkbSkeleton *self);

  /* A method call; consumes @invocation. (nullable): the interface has no methods */
  void (*call) (JkbSkeleton *self, GDBusMethodInvocation *invocation);

  /* The property @index, which is writable, is to become @value, which is of its type; consumes
   * @invocation. (nullable): then the Set is a call like the others */
  void (*set) (JkbSkeleton *self, guint index, GVariant *value, GDBusMethodInvocation *invocation);
};

/* To be called by the subclass before the interface is exported; @info lives for ever. */
void jkb_skeleton_set_info (JkbSkeleton *self, GDBusInterfaceInfo *info);
GDBusInterfaceInfo *jkb_skeleton_get_info (JkbSkeleton *self);

/**
 * jkb_skeleton_announce:
 * Emits one PropertiesChanged with what is other than last time, nothing when nothing is.
 *
 * Returns: whether there was something
 */
gboolean jkb_skeleton_announce (JkbSkeleton *self);

/* Takes the values of now as known, without a signal: readers are about to be given all of them. */
void jkb_skeleton_settle (JkbSkeleton *self);

/* Emits a signal of the interface; @parameters is a floating tuple. */
void jkb_skeleton_emit (JkbSkeleton *self, const char *signal, GVariant *parameters);

/* Whether changes of that property are announced: not for the counters, and not for what never
 * changes (annotation EmitsChangedSignal). */
gboolean jkb_property_is_announced (const GDBusPropertyInfo *info);

G_END_DECLS
