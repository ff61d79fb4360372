/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Watching the daemon: signals into the model, one event for each. When the daemon or the D-Bus
 * daemon goes, everything begins anew as soon as it is back. Main loop only.
 */
#include "config.h"

#include <string.h>

#include "ctl/jkb-ctl-client.h"

#define RETRY_MS 1000

struct _JkbCtlWatch
{
  JkbCtl *ctl;
  JkbCtlModel *model;
  JkbCtlWatchFunc func;
  gpointer user_data;
  GCancellable *cancellable;
  guint signals, name_watch, retry;
  gulong closed;
  gboolean up, told; /* told: UP or DOWN has been said */
};

static void watch_begin (JkbCtlWatch *watch);

static void
tell (JkbCtlWatch *watch, const JkbCtlEvent *event)
{
  watch->func (watch->model, event, watch->user_data);
}

static void
tell_state (JkbCtlWatch *watch, gboolean up)
{
  if (watch->told && watch->up == up)
    return;
  watch->told = TRUE;
  watch->up = up;
  tell (watch, &(JkbCtlEvent) { .kind = up ? JKB_CTL_EVENT_UP : JKB_CTL_EVENT_DOWN });
}

static gboolean on_retry (gpointer user_data);

static void
retry_later (JkbCtlWatch *watch)
{
  if (watch->retry == 0)
    watch->retry = g_timeout_add (RETRY_MS, on_retry, watch);
}

static void
watch_load (JkbCtlWatch *watch)
{
  g_autoptr(JkbCtlModel) model = jkb_ctl_fetch (watch->ctl, NULL);

  if (model == NULL)
    {
      retry_later (watch);
      return;
    }
  g_clear_pointer (&watch->model, jkb_ctl_model_free);
  watch->model = g_steal_pointer (&model);
  tell_state (watch, TRUE);
}

static gboolean
on_retry (gpointer user_data)
{
  JkbCtlWatch *watch = user_data;

  watch->retry = 0;
  if (watch->ctl->connection == NULL)
    watch_begin (watch);
  else if (!watch->up)
    watch_load (watch);
  return G_SOURCE_REMOVE;
}

static void
watch_lost (JkbCtlWatch *watch)
{
  g_clear_pointer (&watch->model, jkb_ctl_model_free);
  watch->model = jkb_ctl_model_new ();
  tell_state (watch, FALSE);
}

static void
on_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer user_data)
{
  watch_load (user_data);
}

static void
on_vanished (GDBusConnection *connection, const char *name, gpointer user_data)
{
  JkbCtlWatch *watch = user_data;

  g_clear_handle_id (&watch->retry, g_source_remove);
  watch_lost (watch);
}

static void
on_properties_changed (JkbCtlWatch *watch, const char *path, GVariant *arguments)
{
  const JkbCtlBms *bms = jkb_ctl_model_bms_at (watch->model, path);
  g_autoptr(GVariant) changed = NULL;
  const char *interface;
  JkbCtlBms before;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(sa{sv}as)")))
    return;
  if (bms != NULL)
    before = *bms;
  g_variant_get (arguments, "(&s@a{sv}as)", &interface, &changed, NULL);
  if (!g_str_has_prefix (interface, JKB_CTL_BUS_NAME "."))
    return;
  jkb_ctl_model_change (watch->model, path, interface, changed);
  tell (watch, &(JkbCtlEvent) { .kind = JKB_CTL_EVENT_CHANGED,
                                .path = path,
                                .interface = interface + strlen (JKB_CTL_BUS_NAME "."),
                                .changed = changed,
                                .before = bms != NULL ? &before : NULL });
}

/* A BMS gets Settings and Info with their first frames: said one by one. */
static void
tell_interfaces (JkbCtlWatch *watch, const char *path, GVariant *interfaces)
{
  GVariantIter iter;
  const char *interface;

  g_variant_iter_init (&iter, interfaces);
  while (g_variant_iter_next (&iter, "{&s@a{sv}}", &interface, NULL))
    if (g_str_has_prefix (interface, JKB_CTL_BUS_NAME "."))
      tell (watch, &(JkbCtlEvent) { .kind = JKB_CTL_EVENT_ADDED,
                                    .path = path,
                                    .interface = interface + strlen (JKB_CTL_BUS_NAME ".") });
}

static void
on_interfaces_added (JkbCtlWatch *watch, GVariant *arguments)
{
  g_autoptr(GVariant) interfaces = NULL;
  const char *path;
  gboolean known;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    return;
  g_variant_get (arguments, "(&o@a{sa{sv}})", &path, &interfaces);
  known = jkb_ctl_model_object (watch->model, path) != NULL;
  jkb_ctl_model_add (watch->model, path, interfaces);
  if (known)
    tell_interfaces (watch, path, interfaces);
  else
    tell (watch, &(JkbCtlEvent) { .kind = JKB_CTL_EVENT_ADDED, .path = path });
}

static void
on_interfaces_removed (JkbCtlWatch *watch, GVariant *arguments)
{
  g_autoptr(GVariant) interfaces = NULL;
  const char *path;

  if (!g_variant_is_of_type (arguments, G_VARIANT_TYPE ("(oas)")))
    return;
  g_variant_get (arguments, "(&o@as)", &path, &interfaces);
  jkb_ctl_model_remove (watch->model, path, interfaces);
  if (jkb_ctl_model_object (watch->model, path) == NULL)
    tell (watch, &(JkbCtlEvent) { .kind = JKB_CTL_EVENT_REMOVED, .path = path });
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path,
           const char *interface, const char *signal, GVariant *arguments, gpointer user_data)
{
  JkbCtlWatch *watch = user_data;

  if (!watch->up)
    return;
  if (strcmp (signal, "PropertiesChanged") == 0)
    on_properties_changed (watch, path, arguments);
  else if (strcmp (signal, "InterfacesAdded") == 0)
    on_interfaces_added (watch, arguments);
  else if (strcmp (signal, "InterfacesRemoved") == 0)
    on_interfaces_removed (watch, arguments);
  else if (g_str_has_prefix (interface, JKB_CTL_BUS_NAME "."))
    tell (watch, &(JkbCtlEvent) { .kind = JKB_CTL_EVENT_SIGNAL,
                                  .path = path,
                                  .interface = interface + strlen (JKB_CTL_BUS_NAME "."),
                                  .signal = signal,
                                  .arguments = arguments });
}

static void
watch_end (JkbCtlWatch *watch)
{
  GDBusConnection *connection = watch->ctl->connection;

  g_cancellable_cancel (watch->cancellable);
  g_clear_object (&watch->cancellable);
  if (connection == NULL)
    return;
  g_clear_signal_handler (&watch->closed, connection);
  g_dbus_connection_signal_unsubscribe (connection, watch->signals);
  g_bus_unwatch_name (watch->name_watch);
  g_clear_object (&watch->ctl->connection);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer user_data)
{
  JkbCtlWatch *watch = user_data;

  watch_end (watch);
  watch_lost (watch);
  retry_later (watch);
}

static void
watch_begin (JkbCtlWatch *watch)
{
  GDBusConnection *connection;

  if (!jkb_ctl_connect (watch->ctl, NULL))
    {
      retry_later (watch);
      return;
    }
  connection = watch->ctl->connection;
  watch->cancellable = g_cancellable_new ();
  watch->closed = g_signal_connect (connection, "closed", G_CALLBACK (on_closed), watch);
  watch->signals = g_dbus_connection_signal_subscribe (connection, JKB_CTL_BUS_NAME, NULL, NULL,
                                                       NULL, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                       on_signal, watch, NULL);
  watch->name_watch
    = g_bus_watch_name_on_connection (connection, JKB_CTL_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                      on_appeared, on_vanished, watch, NULL);
}

JkbCtlWatch *
jkb_ctl_watch_new (JkbCtl *ctl, JkbCtlWatchFunc func, gpointer user_data, GError **error)
{
  JkbCtlWatch *watch;

  if (!jkb_ctl_connect (ctl, error))
    return NULL;
  watch = g_new0 (JkbCtlWatch, 1);
  watch->ctl = ctl;
  watch->func = func;
  watch->user_data = user_data;
  watch->model = jkb_ctl_model_new ();
  watch_begin (watch);
  return watch;
}

void
jkb_ctl_watch_free (JkbCtlWatch *watch)
{
  watch_end (watch);
  g_clear_handle_id (&watch->retry, g_source_remove);
  jkb_ctl_model_free (watch->model);
  g_free (watch);
}

JkbCtlModel *
jkb_ctl_watch_model (JkbCtlWatch *watch)
{
  return watch->model;
}

typedef struct
{
  JkbCtlWatch *watch;
  char *path;
  const char *interface;
} Refresh;

static void
on_refreshed (GObject *connection, GAsyncResult *result, gpointer user_data)
{
  Refresh *refresh = user_data;
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) reply
    = g_dbus_connection_call_finish (G_DBUS_CONNECTION (connection), result, &error);
  g_autoptr(GVariant) properties = NULL;

  if (reply != NULL)
    {
      properties = g_variant_get_child_value (reply, 0);
      jkb_ctl_model_change (refresh->watch->model, refresh->path, refresh->interface, properties);
    }
  g_free (refresh->path);
  g_free (refresh);
}

static void
refresh_object (JkbCtlWatch *watch, const char *path, const char *interface)
{
  Refresh *refresh = g_new0 (Refresh, 1);

  refresh->watch = watch;
  refresh->path = g_strdup (path);
  refresh->interface = interface;
  g_dbus_connection_call (watch->ctl->connection, JKB_CTL_BUS_NAME, path,
                          "org.freedesktop.DBus.Properties", "GetAll",
                          g_variant_new ("(s)", interface), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, RETRY_MS, watch->cancellable,
                          on_refreshed, refresh);
}

void
jkb_ctl_watch_refresh (JkbCtlWatch *watch)
{
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (watch->model);
  GPtrArray *all = jkb_ctl_model_bms (watch->model);

  if (!watch->up || watch->ctl->connection == NULL)
    return;
  for (guint i = 0; i < buses->len; i++)
    refresh_object (watch, ((JkbCtlObject *) buses->pdata[i])->path, JKB_CTL_BUS_NAME ".Bus");
  for (guint i = 0; i < all->len; i++)
    {
      g_autofree char *path
        = g_strconcat (JKB_CTL_ROOT_PATH "/bms/", ((JkbCtlBms *) all->pdata[i])->id, NULL);

      refresh_object (watch, path, JKB_CTL_BUS_NAME ".Bms");
    }
}
