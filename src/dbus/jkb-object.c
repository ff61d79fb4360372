/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Objects with a pace. Main thread only.
 */
#include "dbus/jkb-object.h"

#include <string.h>

struct _JkbObject
{
  GDBusObjectSkeleton parent_instance;
  JkbSkeleton *interfaces[JKB_OBJECT_MAX_INTERFACES];
  guint n_interfaces;
  gboolean touched;
  gint64 announced_us; /* 0: never */
};

G_DEFINE_TYPE (JkbObject, jkb_object, G_TYPE_DBUS_OBJECT_SKELETON)

JkbObject *
jkb_object_new (const char *path)
{
  return g_object_new (JKB_TYPE_OBJECT, "g-object-path", path, NULL);
}

const char *
jkb_object_get_path (JkbObject *self)
{
  return g_dbus_object_get_object_path (G_DBUS_OBJECT (self));
}

void
jkb_object_add (JkbObject *self, JkbSkeleton *interface)
{
  g_assert (self->n_interfaces < JKB_OBJECT_MAX_INTERFACES);
  self->interfaces[self->n_interfaces++] = interface;
  jkb_skeleton_settle (interface);
  g_dbus_object_skeleton_add_interface (G_DBUS_OBJECT_SKELETON (self),
                                        G_DBUS_INTERFACE_SKELETON (interface));
}

JkbSkeleton *
jkb_object_find (JkbObject *self, const char *interface_name)
{
  for (guint i = 0; i < self->n_interfaces; i++)
    if (strcmp (jkb_skeleton_get_info (self->interfaces[i])->name, interface_name) == 0)
      return self->interfaces[i];
  return NULL;
}

void
jkb_object_touch (JkbObject *self)
{
  self->touched = TRUE;
}

void
jkb_object_flush (JkbObject *self, gint64 monotonic_us)
{
  self->touched = FALSE;
  for (guint i = 0; i < self->n_interfaces; i++)
    if (jkb_skeleton_announce (self->interfaces[i]))
      self->announced_us = monotonic_us;
}

gint64
jkb_object_tick (JkbObject *self, gint64 monotonic_us, gint64 interval_us)
{
  gint64 due_us = self->announced_us == 0 ? 0 : self->announced_us + interval_us;

  if (!self->touched)
    return G_MAXINT64;
  if (monotonic_us < due_us)
    return due_us;
  jkb_object_flush (self, monotonic_us);
  return G_MAXINT64;
}

void
jkb_object_settle (JkbObject *self)
{
  self->touched = FALSE;
  for (guint i = 0; i < self->n_interfaces; i++)
    jkb_skeleton_settle (self->interfaces[i]);
}

static void
jkb_object_dispose (GObject *object)
{
  JkbObject *self = JKB_OBJECT (object);

  while (self->n_interfaces > 0)
    g_clear_object (&self->interfaces[--self->n_interfaces]);
  G_OBJECT_CLASS (jkb_object_parent_class)->dispose (object);
}

static void
jkb_object_class_init (JkbObjectClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = jkb_object_dispose;
}

static void
jkb_object_init (JkbObject *self)
{
}
