/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Interface skeletons that announce changes when told to. Main thread only.
 */
#include "dbus/jkb-skeleton.h"

#include <string.h>

#include "core/jkb-error.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

/* Everybody may call, a call is kept while polkit asks, and D-Bus lets 128 MiB pass. All settings of
 * a BMS together are 4 KiB. */
#define MAX_ARGUMENTS (64 * 1024)

typedef struct
{
  GDBusInterfaceInfo *info;
  guint8 *flags;        /* by index */
  guint n_properties;
} JkbSkeletonPrivate;

enum
{
  ANNOUNCED = 1 << 0, /* changes are announced */
  READ_AHEAD = 1 << 1 /* somebody has read a value that was not announced yet */
};

G_DEFINE_ABSTRACT_TYPE_WITH_PRIVATE (JkbSkeleton, jkb_skeleton, G_TYPE_DBUS_INTERFACE_SKELETON)

gboolean
jkb_property_is_announced (const GDBusPropertyInfo *info)
{
  const char *mode = g_dbus_annotation_info_lookup (
      info->annotations, "org.freedesktop.DBus.Property.EmitsChangedSignal");

  return mode == NULL || strcmp (mode, "true") == 0;
}

void
jkb_skeleton_set_info (JkbSkeleton *self, GDBusInterfaceInfo *info)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);

  g_assert (priv->info == NULL);
  priv->info = info;
  while (info->properties != NULL && info->properties[priv->n_properties] != NULL)
    priv->n_properties++;
  priv->flags = g_new0 (guint8, priv->n_properties);
  for (guint i = 0; i < priv->n_properties; i++)
    if (jkb_property_is_announced (info->properties[i]))
      priv->flags[i] = ANNOUNCED;
}

GDBusInterfaceInfo *
jkb_skeleton_get_info (JkbSkeleton *self)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);

  return priv->info;
}

/* What a reader gets, be it by Get, GetAll or GetManagedObjects. */
static GVariant *
hand_out (JkbSkeleton *self, guint index)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);
  JkbSkeletonClass *klass = JKB_SKELETON_GET_CLASS (self);

  if ((priv->flags[index] & ANNOUNCED) != 0 && klass->differs (self, index))
    priv->flags[index] |= READ_AHEAD;
  return klass->read (self, index);
}

static GVariant *
on_get_property (GDBusConnection *connection, const char *sender, const char *path,
                 const char *interface, const char *name, GError **error, gpointer user_data)
{
  JkbSkeleton *self = JKB_SKELETON (user_data);
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);

  for (guint i = 0; i < priv->n_properties; i++)
    if (strcmp (priv->info->properties[i]->name, name) == 0)
      return g_variant_ref_sink (hand_out (self, i));
  g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY, "There is no property '%s'",
               name);
  return NULL;
}

/* GDBus has checked that it is writable, and the type. */
static void
set_property (JkbSkeleton *self, GVariant *parameters, GDBusMethodInvocation *invocation)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);
  g_autoptr (GVariant) value = NULL;
  const char *name;

  g_variant_get (parameters, "(&s&sv)", NULL, &name, &value);
  for (guint i = 0; i < priv->n_properties; i++)
    if (strcmp (priv->info->properties[i]->name, name) == 0)
      {
        JKB_SKELETON_GET_CLASS (self)->set (self, i, value, invocation);
        return;
      }
  g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_UNKNOWN_PROPERTY,
                                         "There is no property '%s'", name);
}

/* GDBus has checked name and arguments against the interface description. */
static void
on_method_call (GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *method, GVariant *parameters,
                GDBusMethodInvocation *invocation, gpointer user_data)
{
  JkbSkeleton *self = JKB_SKELETON (user_data);

  if (g_variant_get_size (parameters) > MAX_ARGUMENTS)
    g_dbus_method_invocation_return_error (invocation, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                                           "The arguments are longer than %d KiB; give fewer",
                                           MAX_ARGUMENTS / 1024);
  else if (strcmp (interface, PROPERTIES) == 0 && JKB_SKELETON_GET_CLASS (self)->set != NULL)
    set_property (self, parameters, invocation);
  else
    JKB_SKELETON_GET_CLASS (self)->call (self, invocation);
}

/* No set_property: a Set must be answered later, after the caller was found to be authorised, and
 * GDBus then hands it to method_call. */
static GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { NULL } };

static GDBusInterfaceInfo *
jkb_skeleton_real_get_info (GDBusInterfaceSkeleton *skeleton)
{
  return jkb_skeleton_get_info (JKB_SKELETON (skeleton));
}

static GDBusInterfaceVTable *
jkb_skeleton_real_get_vtable (GDBusInterfaceSkeleton *skeleton)
{
  return &vtable;
}

static GVariant *
jkb_skeleton_real_get_properties (GDBusInterfaceSkeleton *skeleton)
{
  JkbSkeleton *self = JKB_SKELETON (skeleton);
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);
  g_auto (GVariantBuilder) all = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < priv->n_properties; i++)
    g_variant_builder_add (&all, "{sv}", priv->info->properties[i]->name, hand_out (self, i));
  return g_variant_ref_sink (g_variant_builder_end (&all));
}

static void
jkb_skeleton_real_flush (GDBusInterfaceSkeleton *skeleton)
{
  jkb_skeleton_announce (JKB_SKELETON (skeleton));
}

static void
emit_on_path (JkbSkeleton *self, const char *interface, const char *signal, GVariant *parameters)
{
  GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON (self);
  GDBusConnection *connection = g_dbus_interface_skeleton_get_connection (skeleton);

  if (connection != NULL)
    g_dbus_connection_emit_signal (connection, NULL,
                                   g_dbus_interface_skeleton_get_object_path (skeleton), interface,
                                   signal, parameters, NULL);
  else
    g_variant_unref (g_variant_ref_sink (parameters));
}

gboolean
jkb_skeleton_announce (JkbSkeleton *self)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);
  JkbSkeletonClass *klass = JKB_SKELETON_GET_CLASS (self);
  GVariantBuilder changed;
  gboolean any = FALSE;

  for (guint i = 0; i < priv->n_properties; i++)
    {
      if ((priv->flags[i] & ANNOUNCED) == 0
          || ((priv->flags[i] & READ_AHEAD) == 0 && !klass->differs (self, i)))
        continue;
      if (!any)
        g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
      any = TRUE;
      g_variant_builder_add (&changed, "{sv}", priv->info->properties[i]->name,
                             klass->read (self, i));
    }
  if (!any)
    return FALSE;
  emit_on_path (self, PROPERTIES, "PropertiesChanged",
                g_variant_new ("(sa{sv}as)", priv->info->name, &changed, NULL));
  jkb_skeleton_settle (self);
  return TRUE;
}

void
jkb_skeleton_settle (JkbSkeleton *self)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (self);

  for (guint i = 0; i < priv->n_properties; i++)
    priv->flags[i] &= (guint8) ~READ_AHEAD;
  JKB_SKELETON_GET_CLASS (self)->settle (self);
}

void
jkb_skeleton_emit (JkbSkeleton *self, const char *signal, GVariant *parameters)
{
  emit_on_path (self, jkb_skeleton_get_info (self)->name, signal, parameters);
}

static void
jkb_skeleton_finalize (GObject *object)
{
  JkbSkeletonPrivate *priv = jkb_skeleton_get_instance_private (JKB_SKELETON (object));

  g_free (priv->flags);
  G_OBJECT_CLASS (jkb_skeleton_parent_class)->finalize (object);
}

static void
jkb_skeleton_class_init (JkbSkeletonClass *klass)
{
  GDBusInterfaceSkeletonClass *skeleton_class = G_DBUS_INTERFACE_SKELETON_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = jkb_skeleton_finalize;
  skeleton_class->get_info = jkb_skeleton_real_get_info;
  skeleton_class->get_vtable = jkb_skeleton_real_get_vtable;
  skeleton_class->get_properties = jkb_skeleton_real_get_properties;
  skeleton_class->flush = jkb_skeleton_real_flush;
}

static void
jkb_skeleton_init (JkbSkeleton *self)
{
}
