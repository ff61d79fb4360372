/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A message filter. It runs on GDBus's own thread, for each message: it looks at the descriptions of
 * the interfaces only, which are constant.
 */
#include "dbus/jkb-set-guard.h"

#include <string.h>

#include "core/jkb-error.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

static gboolean
is_set (GDBusMessage *message)
{
  return g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL
         && g_strcmp0 (g_dbus_message_get_member (message), "Set") == 0
         && g_strcmp0 (g_dbus_message_get_interface (message), PROPERTIES) == 0
         && g_strcmp0 (g_dbus_message_get_signature (message), "ssv") == 0;
}

static GDBusInterfaceInfo *
find_info (GDBusInterfaceInfo *const *infos, const char *name)
{
  for (; *infos != NULL; infos++)
    if (strcmp ((*infos)->name, name) == 0)
      return *infos;
  return NULL;
}

static GDBusPropertyInfo *
find_property (GDBusInterfaceInfo *info, const char *name)
{
  for (guint i = 0; info->properties != NULL && info->properties[i] != NULL; i++)
    if (strcmp (info->properties[i]->name, name) == 0)
      return info->properties[i];
  return NULL;
}

/* Returns: (nullable) (transfer full): the answer to what cannot be meant */
static GDBusMessage *
refuse (GDBusMessage *call, const char *interface, GDBusPropertyInfo *property, const char *name,
        GVariant *value)
{
  const char *type = g_variant_get_type_string (value);

  if (property == NULL)
    return g_dbus_message_new_method_error (call, jkb_error_dbus_name (JKB_ERROR_NOT_FOUND),
                                            "%s has no property '%s'", interface, name);
  if ((property->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE) == 0)
    return g_dbus_message_new_method_error (call, jkb_error_dbus_name (JKB_ERROR_READ_ONLY),
                                            "%s can only be read, nobody ever writes it", name);
  if (strcmp (property->signature, type) != 0)
    return g_dbus_message_new_method_error (call, jkb_error_dbus_name (JKB_ERROR_INVALID_ARGUMENT),
                                            "%s has D-Bus type '%s', not '%s'", name,
                                            property->signature, type);
  return NULL;
}

static GDBusMessage *
on_message (GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
            gpointer user_data)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GDBusMessage) answer = NULL;
  const char *interface, *name;
  GDBusInterfaceInfo *info;

  if (!incoming || !is_set (message))
    return message;
  g_variant_get (g_dbus_message_get_body (message), "(&s&sv)", &interface, &name, &value);
  info = find_info (user_data, interface);
  if (info == NULL)
    return message;
  answer = refuse (message, interface, find_property (info, name), name, value);
  if (answer == NULL)
    return message;
  if ((g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) == 0)
    g_dbus_connection_send_message (connection, answer, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

void
jkb_set_guard_add (GDBusConnection *connection, GDBusInterfaceInfo *const *infos)
{
  g_dbus_connection_add_filter (connection, on_message, (gpointer) infos, NULL);
}
