/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Connecting to the D-Bus daemon for ever. The name is asked for with plain calls, since
 * g_bus_unown_name() blocks until the D-Bus daemon has answered. Main thread only.
 */
#include "dbus/jkb-dbus-link.h"

#include "core/jkb-log.h"

#define RETRY_MIN_S 1
#define RETRY_MAX_S 5

#define DBUS_NAME "org.freedesktop.DBus"
#define DBUS_PATH "/org/freedesktop/DBus"
#define NAME_IS_OURS 1u /* answers of RequestName */
#define NAME_IS_QUEUED 2u
#define NAME_WAS_OURS 4u

struct _JkbDbusLink
{
  GBusType type;
  char *address;
  char *name;
  JkbDbusLinkFunc connected;
  gpointer user_data;
  GSourceFunc on_ready;
  gpointer ready_data;

  GCancellable *cancellable;   /* of the calls under way */
  GDBusConnection *connection; /* NULL: none */
  guint acquired_id;           /* subscription of NameAcquired */
  guint retry_id;
  guint retry_s;
  gboolean owned;
  gboolean complained; /* one line per outage */
};

static void try_connect (JkbDbusLink *self);
static void request_name (JkbDbusLink *self);

static void
ready (JkbDbusLink *self)
{
  GSourceFunc on_ready = self->on_ready;

  self->on_ready = NULL;
  if (on_ready != NULL)
    on_ready (self->ready_data);
}

static gboolean
on_retry (gpointer user_data)
{
  JkbDbusLink *self = user_data;

  self->retry_id = 0;
  if (self->connection == NULL)
    try_connect (self);
  else
    request_name (self);
  return G_SOURCE_REMOVE;
}

static void
retry_later (JkbDbusLink *self)
{
  g_clear_handle_id (&self->retry_id, g_source_remove);
  self->retry_id = g_timeout_add_seconds (self->retry_s, on_retry, self);
  self->retry_s = MIN (self->retry_s * 2, RETRY_MAX_S);
}

static void
fail (JkbDbusLink *self, const char *what, const GError *error)
{
  if (!self->complained)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "D-Bus: %s: %s; trying again for ever", what,
             error->message);
  self->complained = TRUE;
  retry_later (self);
  ready (self);
}

static void
on_closed (GDBusConnection *connection, gboolean peer_vanished, GError *error, gpointer user_data)
{
  JkbDbusLink *self = user_data;

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_dbus_connection_signal_unsubscribe (connection, self->acquired_id);
  g_signal_handlers_disconnect_by_data (connection, self);
  self->connected (NULL, self->user_data);
  self->owned = FALSE;
  g_clear_object (&self->connection);
  jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "D-Bus: connection lost; trying again for ever");
  self->complained = TRUE;
  self->retry_s = RETRY_MIN_S;
  retry_later (self);
}

/* ---- the name ---- */

static void
own (JkbDbusLink *self)
{
  if (self->owned)
    return;
  self->owned = TRUE;
  self->complained = FALSE;
  self->retry_s = RETRY_MIN_S;
  jkb_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "D-Bus: name %s acquired", self->name);
  ready (self);
}

/* Also later, when another owner has gone. */
static void
on_name_acquired (GDBusConnection *connection, const char *sender, const char *path,
                  const char *interface, const char *signal, GVariant *parameters,
                  gpointer user_data)
{
  own (user_data);
}

static void
on_name_requested (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbDbusLink *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 answer;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* self may be gone */
  if (reply == NULL)
    {
      g_dbus_error_strip_remote_error (error);
      if (!g_dbus_connection_is_closed (self->connection)) /* else on_closed() does the rest */
        fail (self, "no name, is the policy file of jkbmsd installed?", error);
      return;
    }
  g_variant_get (reply, "(u)", &answer);
  if (answer == NAME_IS_OURS || answer == NAME_WAS_OURS)
    {
      own (self);
      return;
    }
  if (answer == NAME_IS_QUEUED)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
             "D-Bus: another process owns %s; stop it, the name is taken as soon as it is free",
             self->name);
  ready (self);
}

static void
request_name (JkbDbusLink *self)
{
  g_dbus_connection_call (self->connection, DBUS_NAME, DBUS_PATH, DBUS_NAME, "RequestName",
                          g_variant_new ("(su)", self->name, 0u), G_VARIANT_TYPE ("(u)"),
                          G_DBUS_CALL_FLAGS_NONE, -1, self->cancellable, on_name_requested, self);
}

/* ---- the connection ---- */

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbDbusLink *self = user_data;
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return; /* self is gone */
  if (connection == NULL)
    {
      fail (self, "cannot connect", error);
      return;
    }
  self->connection = connection;
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), self);
  self->connected (connection, self->user_data);
  self->acquired_id = g_dbus_connection_signal_subscribe (
      connection, DBUS_NAME, DBUS_NAME, "NameAcquired", DBUS_PATH, self->name,
      G_DBUS_SIGNAL_FLAGS_NONE, on_name_acquired, self, NULL);
  request_name (self);
}

static void
try_connect (JkbDbusLink *self)
{
  g_autofree char *address = g_strdup (self->address);
  g_autoptr (GError) error = NULL;

  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  if (address == NULL)
    address = g_dbus_address_get_for_bus_sync (self->type, NULL, &error);
  if (address == NULL)
    fail (self, "no address", error);
  else
    g_dbus_connection_new_for_address (address,
                                       G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
                                           | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                       NULL, self->cancellable, on_connected, self);
}

JkbDbusLink *
jkb_dbus_link_new (GBusType type, const char *address, const char *name, JkbDbusLinkFunc connected,
                   GSourceFunc on_ready, gpointer ready_data, gpointer user_data)
{
  JkbDbusLink *self = g_new0 (JkbDbusLink, 1);

  self->type = type;
  self->address = g_strdup (address);
  self->name = g_strdup (name);
  self->connected = connected;
  self->on_ready = on_ready;
  self->ready_data = ready_data;
  self->user_data = user_data;
  self->retry_s = RETRY_MIN_S;
  try_connect (self);
  return self;
}

void
jkb_dbus_link_free (JkbDbusLink *self)
{
  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_handle_id (&self->retry_id, g_source_remove);
  if (self->connection != NULL)
    {
      g_dbus_connection_signal_unsubscribe (self->connection, self->acquired_id);
      g_signal_handlers_disconnect_by_data (self->connection, self);
      g_dbus_connection_close (self->connection, NULL, NULL, NULL);
      g_object_unref (self->connection);
    }
  g_free (self->address);
  g_free (self->name);
  g_free (self);
}
