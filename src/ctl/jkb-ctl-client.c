/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The way to the daemon: one-shot questions. Watching is jkb-ctl-watch.c.
 */
#include "config.h"

#include "ctl/jkb-ctl-client.h"

#include <glib/gi18n.h>

#define TIMEOUT_MS 5000

static GDBusConnection *
connect_to_address (const char *address, GError **error)
{
  return g_dbus_connection_new_for_address_sync (
    address,
    G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
    NULL, NULL, error);
}

gboolean
jkb_ctl_connect (JkbCtl *ctl, GError **error)
{
  g_autoptr(GError) reason = NULL;
  g_autofree char *address = NULL;

  if (ctl->connection != NULL)
    return TRUE;
  /* A connection of our own in any case: the shared one may end the process with the bus. */
  if (ctl->bus_type == G_BUS_TYPE_NONE)
    address = g_strdup (ctl->address);
  else
    address = g_dbus_address_get_for_bus_sync (ctl->bus_type, NULL, &reason);
  if (address != NULL)
    ctl->connection = connect_to_address (address, &reason);
  if (ctl->connection != NULL)
    return TRUE;
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED, _("cannot reach the D-Bus daemon: %s"),
               reason->message);
  return FALSE;
}

JkbCtlModel *
jkb_ctl_fetch (JkbCtl *ctl, GError **error)
{
  g_autoptr(GVariant) reply = NULL;
  g_autoptr(GVariant) objects = NULL;
  JkbCtlModel *model;

  if (!jkb_ctl_connect (ctl, error))
    return NULL;
  reply = g_dbus_connection_call_sync (
    ctl->connection, JKB_CTL_BUS_NAME, JKB_CTL_ROOT_PATH, "org.freedesktop.DBus.ObjectManager",
    "GetManagedObjects", NULL, G_VARIANT_TYPE ("(a{oa{sa{sv}}})"),
    G_DBUS_CALL_FLAGS_NO_AUTO_START, TIMEOUT_MS, NULL, error);
  if (reply == NULL)
    return NULL;
  objects = g_variant_get_child_value (reply, 0);
  model = jkb_ctl_model_new ();
  jkb_ctl_model_load (model, objects);
  return model;
}

gboolean
jkb_ctl_call (JkbCtl *ctl, const char *path, const char *interface, const char *method,
              GVariant *arguments, guint timeout_ms, GError **error)
{
  g_autofree char *name = g_strconcat (JKB_CTL_BUS_NAME ".", interface, NULL);
  g_autoptr(GVariant) reply = NULL;

  if (!jkb_ctl_connect (ctl, error))
    return FALSE;
  reply = g_dbus_connection_call_sync (
    ctl->connection, JKB_CTL_BUS_NAME, path, name, method, arguments, NULL,
    G_DBUS_CALL_FLAGS_NO_AUTO_START | G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION,
    timeout_ms > 0 ? (int) timeout_ms : TIMEOUT_MS, NULL, error);
  return reply != NULL;
}
