/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The way to the daemon: one-shot questions. Watching is jkb-ctl-watch.c.
 */
#include "config.h"

#include "ctl/jkb-ctl-client.h"

#include <glib/gi18n.h>
#include <string.h>
#include <unistd.h>

#define TIMEOUT_MS 5000
#define PASSWORD_MS 120000

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
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED,
               ctl->bus_type == G_BUS_TYPE_NONE
                 ? _("cannot reach the D-Bus daemon: %s")
                 : _("cannot reach the D-Bus daemon: %s; name another one with --bus-address or "
                     "JKBMSD_BUS_ADDRESS"),
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

const JkbCtlBms *
jkb_ctl_fetch_bms (JkbCtl *ctl, const char *name, JkbCtlModel **model, GError **error)
{
  const JkbCtlBms *bms;

  *model = jkb_ctl_fetch (ctl, error);
  if (*model == NULL)
    return NULL;
  bms = jkb_ctl_model_find (*model, name, error);
  if (bms == NULL)
    g_clear_pointer (model, jkb_ctl_model_free);
  return bms;
}

const JkbCtlBms *
jkb_ctl_fetch_settings (JkbCtl *ctl, const char *name, JkbCtlModel **model, GError **error)
{
  const JkbCtlBms *bms = jkb_ctl_fetch_bms (ctl, name, model, error);

  if (bms == NULL || bms->heard[JKB_GROUP_SETTINGS])
    return bms;
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED,
               _("the settings of %s have not been heard yet; wait for them, or see “jkbmsctl "
                 "doctor %s”"),
               bms->id, bms->bus);
  g_clear_pointer (model, jkb_ctl_model_free);
  return NULL;
}

GVariant *
jkb_ctl_fetch_snapshots (JkbCtl *ctl, const JkbCtlBms *bms, GError **error)
{
  g_autofree char *path = g_strconcat (JKB_CTL_ROOT_PATH "/bms/", bms->id, NULL);
  g_autoptr(GVariant) reply
    = jkb_ctl_ask (ctl, path, "Settings", "Snapshots", NULL, "(a(st))", 0, error);

  return reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;
}

const JkbCtlObject *
jkb_ctl_fetch_bus (JkbCtl *ctl, const char *name, JkbCtlModel **model, GError **error)
{
  g_autofree char *path = g_strconcat (JKB_CTL_ROOT_PATH "/bus/", name, NULL);
  const JkbCtlObject *bus;

  *model = jkb_ctl_fetch (ctl, error);
  if (*model == NULL)
    return NULL;
  bus = jkb_ctl_model_object (*model, path);
  if (bus != NULL)
    return bus;
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND,
               _("no bus “%s”; “jkbmsctl bus list” shows those that are there"), name);
  g_clear_pointer (model, jkb_ctl_model_free);
  return NULL;
}

int
jkb_ctl_timeout (guint needed_ms)
{
  return (needed_ms > 0 ? needed_ms : TIMEOUT_MS) + (geteuid () != 0 ? PASSWORD_MS : 0);
}

GVariant *
jkb_ctl_ask (JkbCtl *ctl, const char *path, const char *interface, const char *method,
             GVariant *arguments, const char *reply_type, guint needed_ms, GError **error)
{
  g_autofree char *name = strchr (interface, '.') == NULL
                            ? g_strconcat (JKB_CTL_BUS_NAME ".", interface, NULL)
                            : g_strdup (interface);
  g_autoptr(GVariant) sunk = arguments != NULL ? g_variant_ref_sink (arguments) : NULL;

  if (!jkb_ctl_connect (ctl, error))
    return NULL;
  return g_dbus_connection_call_sync (
    ctl->connection, JKB_CTL_BUS_NAME, path, name, method, sunk,
    reply_type != NULL ? G_VARIANT_TYPE (reply_type) : NULL, JKB_CTL_CALL_FLAGS,
    jkb_ctl_timeout (needed_ms), NULL, error);
}

gboolean
jkb_ctl_call (JkbCtl *ctl, const char *path, const char *interface, const char *method,
              GVariant *arguments, guint needed_ms, GError **error)
{
  g_autoptr(GVariant) reply
    = jkb_ctl_ask (ctl, path, interface, method, arguments, NULL, needed_ms, error);

  return reply != NULL;
}

gboolean
jkb_ctl_set_property (JkbCtl *ctl, const char *path, const char *interface, const char *property,
                      GVariant *value, guint needed_ms, GError **error)
{
  g_autofree char *name = g_strconcat (JKB_CTL_BUS_NAME ".", interface, NULL);

  return jkb_ctl_call (ctl, path, "org.freedesktop.DBus.Properties", "Set",
                       g_variant_new ("(ssv)", name, property, value), needed_ms, error);
}

/* ---- with progress ------------------------------------------------------------------------ */

typedef struct
{
  GVariant *reply;
  GError *error;
  gboolean shown;
  gboolean done;
} Progress;

static void
on_progress (GDBusConnection *connection, const char *sender, const char *path,
             const char *interface, const char *signal, GVariant *arguments, gpointer user_data)
{
  Progress *progress = user_data;
  guint32 done, total;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(uu)")))
    return;
  g_variant_get (arguments, "(uu)", &done, &total);
  g_printerr ("\r");
  g_printerr (_("Writing: %u of %u"), done, total);
  progress->shown = TRUE;
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Progress *progress = user_data;

  progress->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result,
                                                   &progress->error);
  progress->done = TRUE;
}

GVariant *
jkb_ctl_call_with_progress (JkbCtl *ctl, const char *path, const char *method, GVariant *arguments,
                            const char *reply_type, guint needed_ms, GError **error)
{
  Progress progress = { NULL };
  g_autoptr(GVariant) sunk = g_variant_ref_sink (arguments);
  guint subscription = 0;

  if (!jkb_ctl_connect (ctl, error))
    return NULL;
  if (isatty (STDERR_FILENO))
    subscription = g_dbus_connection_signal_subscribe (
      ctl->connection, JKB_CTL_BUS_NAME, JKB_CTL_BUS_NAME ".Settings", "WriteProgress", path, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_progress, &progress, NULL);
  g_dbus_connection_call (ctl->connection, JKB_CTL_BUS_NAME, path, JKB_CTL_BUS_NAME ".Settings",
                          method, sunk, reply_type != NULL ? G_VARIANT_TYPE (reply_type) : NULL,
                          JKB_CTL_CALL_FLAGS, jkb_ctl_timeout (needed_ms), NULL, on_reply,
                          &progress);
  while (!progress.done)
    g_main_context_iteration (NULL, TRUE);
  if (subscription != 0)
    g_dbus_connection_signal_unsubscribe (ctl->connection, subscription);
  /* The line was for the time of waiting. */
  if (progress.shown)
    g_printerr ("\r\033[K");
  if (progress.error != NULL)
    g_propagate_error (error, progress.error);
  return progress.reply;
}
