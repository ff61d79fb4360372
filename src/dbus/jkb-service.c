/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which D-Bus objects there are, and when they announce what changed. The objects live as long as
 * the service; connections come and go under them. Main thread only.
 */
#include "dbus/jkb-service.h"

#include "core/jkb-earlier.h"
#include "dbus/jkb-dbus-link.h"
#include "dbus/jkb-objects.h"
#include "dbus/jkb-set-guard.h"
#include "dbus/jkb-table-info.h"
#include "dbus/jkb-xml-skeleton.h"
#include "history/jkb-history.h"

/* Health and clock change without telling: looked at with the next tick after the first, and at the
 * latest after the second. */
#define REFRESH_SOON_US (5 * G_USEC_PER_SEC)
#define REFRESH_LATE_US (60 * G_USEC_PER_SEC)

struct _JkbService
{
  GObject parent_instance;
  JkbDaemon *daemon; /* owns us */
  JkbMqtt *mqtt;     /* (nullable) */
  JkbAuthPolicy policy;
  JkbClock *clock;
  JkbDbusLink *link;           /* NULL: not started */
  GDBusConnection *connection; /* NULL: none */
  GDBusObjectManagerServer *manager;
  JkbObject *manager_object; /* on the object manager's own path, hence not one of its objects */
  JkbObject *mqtt_object;    /* (nullable) */
  GHashTable *objects;       /* JkbBus or JkbBms -> JkbObject */
  gint64 refreshed_us;
  gint64 round_us; /* when all objects announced what had changed, last */
  gboolean flushed;
  guint timer_id; /* for changes that come without a tick; 0: none */
};

G_DEFINE_TYPE (JkbService, jkb_service, G_TYPE_OBJECT)

/* ---- announcing ---- */

static gint64
get_interval (JkbService *self)
{
  return (gint64) (jkb_daemon_peek_config (self->daemon)->daemon.dbus_interval * G_USEC_PER_SEC);
}

static gint64
tick_object (JkbService *self, JkbObject *object, gint64 monotonic_us)
{
  return object != NULL ? jkb_object_tick (object, monotonic_us, get_interval (self)) : G_MAXINT64;
}

static void
touch (JkbObject *object)
{
  if (object != NULL)
    jkb_object_touch (object);
}

static void
refresh (JkbService *self, gint64 monotonic_us)
{
  GPtrArray *buses = jkb_daemon_list_buses (self->daemon);

  if (self->policy == JKB_AUTH_POLKIT) /* the system bus */
    jkb_clock_ask (self->clock, self->connection, monotonic_us);
  touch (self->manager_object);
  touch (self->mqtt_object);
  for (guint i = 0; i < buses->len; i++)
    touch (g_hash_table_lookup (self->objects, g_ptr_array_index (buses, i)));
}

/* All objects announce in one round, so that the bus connection is woken once for all of them; a
 * little early counts as over, since rounds follow the frames. */
static gint64
announce_round (JkbService *self, gint64 monotonic_us)
{
  gint64 interval_us = get_interval (self), early_us = monotonic_us + interval_us / 10;
  gint64 due_us = G_MAXINT64;
  GHashTableIter iter;
  gpointer object;

  if (early_us < self->round_us + interval_us)
    return self->round_us + interval_us;
  self->round_us = monotonic_us;
  due_us = jkb_earlier (due_us, tick_object (self, self->manager_object, early_us));
  due_us = jkb_earlier (due_us, tick_object (self, self->mqtt_object, early_us));
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    due_us = jkb_earlier (due_us, tick_object (self, object, early_us));
  return due_us == G_MAXINT64 ? G_MAXINT64 : MAX (due_us, monotonic_us + interval_us);
}

gint64
jkb_service_tick (JkbService *self, gint64 monotonic_us)
{
  if (self->connection == NULL)
    return G_MAXINT64;
  if (monotonic_us - self->refreshed_us >= REFRESH_SOON_US)
    {
      self->refreshed_us = monotonic_us;
      refresh (self, monotonic_us);
    }
  return jkb_earlier (self->refreshed_us + REFRESH_LATE_US, announce_round (self, monotonic_us));
}

static gboolean
on_timer (gpointer user_data)
{
  JkbService *self = user_data;

  self->timer_id = 0;
  jkb_service_tick (self, g_get_monotonic_time ());
  return G_SOURCE_REMOVE;
}

/* Changes that no frame brings: nobody else calls the tick for them. */
static void
announce_soon (JkbService *self, JkbObject *object)
{
  gint64 now_us = g_get_monotonic_time ();
  gint64 due_us;

  if (object == NULL || self->connection == NULL)
    return;
  jkb_object_touch (object);
  due_us = tick_object (self, object, now_us);
  if (due_us != G_MAXINT64 && self->timer_id == 0)
    self->timer_id
        = g_timeout_add ((guint) ((due_us - now_us) / 1000 + 1), on_timer, self);
}

/* ---- objects ---- */

/* Takes @object. */
static void
add_object (JkbService *self, gpointer source, JkbObject *object)
{
  g_hash_table_insert (self->objects, source, object);
  g_dbus_object_manager_server_export (self->manager, G_DBUS_OBJECT_SKELETON (object));
}

static void
remove_object (JkbService *self, gpointer source)
{
  JkbObject *object = g_hash_table_lookup (self->objects, source);

  if (object == NULL)
    return;
  g_dbus_object_manager_server_unexport (self->manager, jkb_object_get_path (object));
  g_hash_table_remove (self->objects, source);
}

static void
on_bus_changed (JkbBus *bus, JkbService *self)
{
  announce_soon (self, g_hash_table_lookup (self->objects, bus));
}

static void
on_bus_added (JkbDaemon *daemon, JkbBus *bus, JkbService *self)
{
  add_object (self, bus, jkb_bus_object_new (self->policy, daemon, bus));
  g_signal_connect_object (bus, "changed", G_CALLBACK (on_bus_changed), self, 0);
}

static void
on_bus_removed (JkbDaemon *daemon, JkbBus *bus, JkbService *self)
{
  g_signal_handlers_disconnect_by_data (bus, self);
  remove_object (self, bus);
}

static void
on_bms_added (JkbRegistry *registry, JkbBms *bms, JkbService *self)
{
  add_object (self, bms, jkb_bms_object_new (self->policy, self->daemon, bms));
}

static void
on_bms_removed (JkbRegistry *registry, JkbBms *bms, JkbService *self)
{
  remove_object (self, bms);
}

/* The tick announces it; what is urgent does not wait for the interval. */
static void
on_bms_changed (JkbRegistry *registry, JkbBms *bms, guint changes, JkbService *self)
{
  JkbObject *object = g_hash_table_lookup (self->objects, bms);

  if (object == NULL)
    return;
  jkb_bms_object_update (object, bms);
  if ((changes & JKB_CHANGED_URGENT) != 0)
    jkb_object_flush (object, g_get_monotonic_time ());
  else
    jkb_object_touch (object);
}

static void
on_alarm (JkbRegistry *registry, JkbBms *bms, guint bit, gboolean raised, gint64 realtime_us,
          JkbService *self)
{
  JkbObject *object = g_hash_table_lookup (self->objects, bms);

  if (object == NULL)
    return;
  jkb_bms_object_update (object, bms);
  jkb_bms_object_alarm (object, bit, raised, g_get_monotonic_time ());
}

static void
on_mqtt_changed (JkbMqtt *mqtt, JkbService *self)
{
  announce_soon (self, self->mqtt_object);
}

static void
on_history_changed (JkbHistory *history, JkbService *self)
{
  announce_soon (self, self->manager_object);
}

static void
on_configured (JkbDaemon *daemon, JkbService *self)
{
  GHashTableIter iter;
  gpointer object;

  announce_soon (self, self->manager_object);
  announce_soon (self, self->mqtt_object);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    announce_soon (self, object);
}

/* ---- connection ---- */

static const char *const described[]
    = { JKB_DBUS_NAME ".Manager", JKB_DBUS_NAME ".Mqtt", JKB_DBUS_NAME ".Bus",
        JKB_DBUS_NAME ".Bms" };
static GDBusInterfaceInfo *guarded[JKB_N_GROUPS + G_N_ELEMENTS (described) + 1];

/* Before there is a connection and with it GDBus's thread, which reads this. */
static void
fill_guarded (void)
{
  if (guarded[0] != NULL)
    return;
  for (JkbGroup group = JKB_GROUP_LIVE; group < JKB_N_GROUPS; group++)
    guarded[group] = jkb_table_info (group);
  for (guint i = 0; i < G_N_ELEMENTS (described); i++)
    guarded[JKB_N_GROUPS + i] = jkb_xml_interface_info (described[i]);
}

static void
settle_all (JkbService *self)
{
  GHashTableIter iter;
  gpointer object;

  jkb_object_settle (self->manager_object);
  if (self->mqtt_object != NULL)
    jkb_object_settle (self->mqtt_object);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, NULL, &object))
    jkb_object_settle (object);
}

static void
on_connection (GDBusConnection *connection, gpointer user_data)
{
  JkbService *self = user_data;
  JkbSkeleton *interface = jkb_object_find (self->manager_object, JKB_DBUS_NAME ".Manager");
  g_autoptr (GError) error = NULL;

  g_set_object (&self->connection, connection);
  if (connection == NULL)
    {
      g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (interface));
      g_dbus_object_manager_server_set_connection (self->manager, NULL);
      return;
    }
  jkb_set_guard_add (connection, guarded);
  settle_all (self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (interface), connection,
                                         JKB_DBUS_PATH, &error))
    g_warning ("%s", error->message);
  g_dbus_object_manager_server_set_connection (self->manager, connection);
}

static void
connect_signals (JkbService *self)
{
  JkbRegistry *registry = jkb_daemon_get_registry (self->daemon);

  g_signal_connect_object (self->daemon, "bus-added", G_CALLBACK (on_bus_added), self, 0);
  g_signal_connect_object (self->daemon, "bus-removed", G_CALLBACK (on_bus_removed), self, 0);
  g_signal_connect_object (self->daemon, "configured", G_CALLBACK (on_configured), self, 0);
  g_signal_connect_object (registry, "bms-added", G_CALLBACK (on_bms_added), self, 0);
  g_signal_connect_object (registry, "bms-removed", G_CALLBACK (on_bms_removed), self, 0);
  g_signal_connect_object (registry, "bms-changed", G_CALLBACK (on_bms_changed), self, 0);
  g_signal_connect_object (registry, "alarm", G_CALLBACK (on_alarm), self, 0);
  g_signal_connect_object (jkb_daemon_get_history (self->daemon), "changed",
                           G_CALLBACK (on_history_changed), self, 0);
  if (self->mqtt != NULL)
    g_signal_connect_object (self->mqtt, "changed", G_CALLBACK (on_mqtt_changed), self, 0);
}

static void
disconnect_signals (JkbService *self)
{
  GPtrArray *buses = jkb_daemon_list_buses (self->daemon);

  g_signal_handlers_disconnect_by_data (self->daemon, self);
  g_signal_handlers_disconnect_by_data (jkb_daemon_get_registry (self->daemon), self);
  g_signal_handlers_disconnect_by_data (jkb_daemon_get_history (self->daemon), self);
  if (self->mqtt != NULL)
    g_signal_handlers_disconnect_by_data (self->mqtt, self);
  for (guint i = 0; i < buses->len; i++)
    g_signal_handlers_disconnect_by_data (g_ptr_array_index (buses, i), self);
}

static void
create_objects (JkbService *self)
{
  GPtrArray *buses = jkb_daemon_list_buses (self->daemon);
  JkbRegistry *registry = jkb_daemon_get_registry (self->daemon);
  GPtrArray *bms = jkb_registry_list (registry);

  self->manager = g_dbus_object_manager_server_new (JKB_DBUS_PATH);
  self->manager_object = jkb_manager_object_new (self->policy, self->daemon, self->clock);
  if (self->mqtt != NULL)
    {
      self->mqtt_object = jkb_mqtt_object_new (self->policy, self->daemon, self->mqtt);
      g_dbus_object_manager_server_export (self->manager,
                                           G_DBUS_OBJECT_SKELETON (self->mqtt_object));
    }
  for (guint i = 0; i < buses->len; i++)
    on_bus_added (self->daemon, g_ptr_array_index (buses, i), self);
  for (guint i = 0; i < bms->len; i++)
    on_bms_added (registry, g_ptr_array_index (bms, i), self);
}

void
jkb_service_start (JkbService *self, GBusType type, const char *address, GSourceFunc on_ready,
                   gpointer user_data)
{
  g_return_if_fail (self->link == NULL);

  self->policy = type == G_BUS_TYPE_SYSTEM ? JKB_AUTH_POLKIT : JKB_AUTH_SAME_USER;
  fill_guarded ();
  create_objects (self);
  connect_signals (self);
  self->link = jkb_dbus_link_new (type, address, JKB_DBUS_NAME, on_connection, on_ready, user_data,
                                  self);
}

static void
on_flushed (GObject *connection, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (JkbService) self = user_data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (connection), result, NULL);
  self->flushed = TRUE;
}

void
jkb_service_flush (JkbService *self, gint64 until_us)
{
  if (self->connection == NULL)
    return;
  self->flushed = FALSE;
  g_dbus_connection_flush (self->connection, NULL, on_flushed, g_object_ref (self));
  while (!self->flushed && g_get_monotonic_time () < until_us)
    if (!g_main_context_iteration (NULL, FALSE))
      g_usleep (1000);
}

void
jkb_service_stop (JkbService *self)
{
  if (self->link == NULL)
    return;
  disconnect_signals (self);
  if (self->connection != NULL)
    on_connection (NULL, self);
  g_clear_pointer (&self->link, jkb_dbus_link_free);
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_hash_table_remove_all (self->objects);
  g_clear_object (&self->mqtt_object);
  g_clear_object (&self->manager_object);
  g_clear_object (&self->manager);
}

static void
jkb_service_finalize (GObject *object)
{
  JkbService *self = JKB_SERVICE (object);

  g_return_if_fail (self->link == NULL); /* stop() comes first */
  g_clear_object (&self->mqtt);
  g_object_unref (self->clock);
  g_hash_table_unref (self->objects);
  G_OBJECT_CLASS (jkb_service_parent_class)->finalize (object);
}

static void
jkb_service_class_init (JkbServiceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jkb_service_finalize;
}

static void
jkb_service_init (JkbService *self)
{
  self->clock = jkb_clock_new (NULL);
  self->objects = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
}

JkbService *
jkb_service_new (JkbDaemon *daemon, JkbMqtt *mqtt)
{
  JkbService *self = g_object_new (JKB_TYPE_SERVICE, NULL);

  self->daemon = daemon;
  if (mqtt != NULL)
    self->mqtt = g_object_ref (mqtt);
  return self;
}
