/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The MQTT mirror, main-thread half. Signals of the registry mark what changed; the tick that follows
 * publishes what is due. After a connect everything is told in a fixed order, paced by what the MQTT
 * thread still holds; until that is done the tick waits. Nothing is put into text while there is no
 * connection, but alarm events, which are kept.
 */
#include "mqtt/jkb-mqtt-private.h"

#include "core/jkb-earlier.h"
#include "mqtt/jkb-command.h"
#include "mqtt/jkb-held-alarms.h"
#include "mqtt/jkb-mqtt-thread.h"

#define BRIDGE_STATE_S 60
#define BIRTH_MS 5000 /* at most, at random: not all daemons at once */
#define HELD_CHECK_US (10 * G_USEC_PER_SEC)
#define FULL_CHECK_US G_USEC_PER_SEC
#define STOP_MS 1700

G_DEFINE_TYPE (JkbMqtt, jkb_mqtt, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* ---- the registry's signals ---- */

static void
mark (JkbMqtt *self, JkbPublisher *publisher, guint changes)
{
  jkb_publisher_mark (publisher, changes);
  if (!publisher->dirty)
    g_ptr_array_add (self->dirty, publisher);
  publisher->dirty = TRUE;
}

static void
on_bms_added (JkbRegistry *registry, JkbBms *bms, JkbMqtt *self)
{
  JkbPublisher *publisher;

  if (self->context.link == NULL)
    return;
  publisher = jkb_publisher_new (&self->context, bms);
  g_hash_table_insert (self->publishers, bms, publisher);
  if (self->connected)
    mark (self, publisher, JKB_CHANGED_ALL);
}

static void
on_bms_removed (JkbRegistry *registry, JkbBms *bms, JkbMqtt *self)
{
  JkbPublisher *publisher = g_hash_table_lookup (self->publishers, bms);

  if (publisher == NULL)
    return;
  jkb_publisher_clear (&self->context, jkb_bms_get_id (bms));
  jkb_mqtt_link_flush (self->context.link);
  g_ptr_array_remove_fast (self->dirty, publisher);
  g_hash_table_remove (self->publishers, bms);
}

static void
on_bms_changed (JkbRegistry *registry, JkbBms *bms, guint changes, JkbMqtt *self)
{
  JkbPublisher *publisher = g_hash_table_lookup (self->publishers, bms);

  if (publisher == NULL || !self->connected)
    return;
  mark (self, publisher, changes);
  /* Whoever makes it so is not always followed by a tick. */
  if ((changes & JKB_CHANGED_ONLINE) != 0)
    jkb_mqtt_tick (self, g_get_monotonic_time ());
}

static void
release_held (JkbMqtt *self)
{
  JkbHeldAlarm *alarm;
  gint64 stamp_us;

  while ((alarm = jkb_held_alarms_take (&self->held, g_get_real_time (), g_get_monotonic_time (),
                                        &stamp_us))
         != NULL)
    {
      GString *text = self->context.text;

      jkb_payload_alarm (text, alarm->bit, alarm->raised, stamp_us);
      jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_EVENT, alarm->topic,
                                                               text->str, text->len));
      jkb_held_alarm_free (alarm);
    }
}

static void
on_alarm (JkbRegistry *registry, JkbBms *bms, guint bit, gboolean raised, gint64 realtime_us,
          JkbMqtt *self)
{
  JkbPublisher *publisher = g_hash_table_lookup (self->publishers, bms);
  JkbHeldAlarm *alarm;

  if (publisher == NULL)
    return;
  alarm = g_new0 (JkbHeldAlarm, 1);
  alarm->topic = g_strdup (publisher->topics.alarm);
  alarm->bit = bit;
  alarm->raised = raised;
  alarm->realtime_us = realtime_us;
  alarm->monotonic_us = jkb_bms_get_monotonic (bms, JKB_GROUP_LIVE);
  if (!jkb_held_alarms_add (&self->held, alarm, jkb_mqtt_config (self)->mqtt.queue_max))
    jkb_mqtt_link_count_dropped (self->context.link);
  release_held (self);
}

/* ---- buses ---- */

static void
publish_buses (JkbMqtt *self)
{
  if (!jkb_mqtt_is_settled (self))
    return;
  jkb_mqtt_publish_bridge_discovery (self);
  jkb_mqtt_publish_bridge_state (self);
  jkb_mqtt_link_flush (self->context.link);
}

static void
on_bus_changed (JkbBus *bus, JkbMqtt *self)
{
  publish_buses (self);
}

static void
on_bus_added (JkbDaemon *daemon, JkbBus *bus, JkbMqtt *self)
{
  g_signal_connect_object (bus, "changed", G_CALLBACK (on_bus_changed), self, 0);
  publish_buses (self);
}

static void
on_bus_removed (JkbDaemon *daemon, JkbBus *bus, JkbMqtt *self)
{
  publish_buses (self);
}

static gboolean
on_bridge_timer (gpointer user_data)
{
  publish_buses (user_data);
  return G_SOURCE_CONTINUE;
}

/* ---- the MQTT thread's events ---- */

static void
set_state (JkbMqtt *self, gboolean connected, const char *error)
{
  if (self->connected == connected && g_str_equal (self->last_error, error))
    return;
  if (error[0] != '\0' && !g_str_equal (self->last_error, error))
    g_warning ("MQTT: %s", error);
  else if (connected && !self->connected)
    g_message ("MQTT: connected to %s", jkb_mqtt_config (self)->mqtt.uri);
  self->connected = connected;
  g_free (self->last_error);
  self->last_error = g_strdup (error);
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

static void
on_connected (JkbMqtt *self)
{
  const JkbHomeAssistantConfig *homeassistant = &jkb_mqtt_config (self)->homeassistant;

  set_state (self, TRUE, "");
  if (homeassistant->discovery)
    {
      jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_SUBSCRIBE,
                                                               homeassistant->status_topic, NULL,
                                                               0));
      if (!self->met_broker)
        jkb_mqtt_ask_past (self);
    }
  self->met_broker = TRUE;
  if (jkb_command_tier (jkb_mqtt_config (self)) != JKB_TIER_NONE)
    jkb_mqtt_listen_to_commands (self, TRUE);
  jkb_mqtt_begin_round (self);
  jkb_backlog_settle (self->backlog, self->was_away, JKB_BACKLOG_SETTLE_MS);
  self->was_away = FALSE;
  if (self->bridge_source == 0)
    self->bridge_source = g_timeout_add_seconds (BRIDGE_STATE_S, on_bridge_timer, self);
}

static void
forget_pending (JkbMqtt *self)
{
  for (guint i = 0; i < self->dirty->len; i++)
    {
      JkbPublisher *publisher = g_ptr_array_index (self->dirty, i);

      publisher->pending = 0;
      publisher->dirty = FALSE;
    }
  g_ptr_array_set_size (self->dirty, 0);
}

/* @heard_us: when it was last known to live, 0: never; monotonic */
static void
begin_outage (JkbMqtt *self, gint64 heard_us)
{
  gint64 margin_us = g_get_monotonic_time () - JKB_BACKLOG_BROKER_MARGIN_US;

  jkb_backlog_begin_outage (self->backlog, MAX (heard_us, margin_us));
}

static void
on_disconnected (JkbMqtt *self, const char *reason)
{
  jkb_backlog_pause (self->backlog);
  set_state (self, FALSE, reason);
  self->step = JKB_ROUND_DONE;
  forget_pending (self);
  g_clear_handle_id (&self->again_source, g_source_remove);
  g_clear_handle_id (&self->birth_source, g_source_remove);
  g_clear_handle_id (&self->bridge_source, g_source_remove);
}

static gboolean
on_birth (gpointer user_data)
{
  JkbMqtt *self = user_data;

  self->birth_source = 0;
  jkb_mqtt_begin_round (self);
  jkb_backlog_settle (self->backlog, TRUE, JKB_BACKLOG_SETTLE_MS);
  jkb_mqtt_link_flush (self->context.link);
  return G_SOURCE_REMOVE;
}

static void
on_arrived (JkbMqtt *self, const JkbMqttEvent *event)
{
  const JkbConfig *config = jkb_mqtt_config (self);

  if (!self->connected)
    return;
  if (jkb_command_is_birth (config, event->text, event->payload, event->size, event->retained))
    {
      if (self->birth_source == 0)
        self->birth_source
            = g_timeout_add ((guint) g_random_int_range (0, BIRTH_MS), on_birth, self);
    }
  else if (jkb_command_is_farewell (config, event->text, event->payload, event->size,
                                    event->retained))
    jkb_backlog_begin_outage (self->backlog,
                              g_get_monotonic_time () - JKB_BACKLOG_RECEIVER_MARGIN_US);
  else if (!jkb_mqtt_take_command (self, event) && event->retained && event->size > 0)
    jkb_mqtt_take_past (self, event->text, event->payload);
}

static void
on_event (const JkbMqttEvent *event, gpointer user_data)
{
  JkbMqtt *self = user_data;

  switch (event->kind)
    {
    case JKB_MQTT_CONNECTED:
      on_connected (self);
      break;
    case JKB_MQTT_DISCONNECTED:
      on_disconnected (self, event->text);
      begin_outage (self, event->heard_us);
      self->was_away = TRUE;
      break;
    case JKB_MQTT_REFUSED:
      set_state (self, FALSE, event->text);
      self->was_away = TRUE;
      break;
    case JKB_MQTT_ARRIVED:
      on_arrived (self, event);
      break;
    case JKB_MQTT_LOW:
      jkb_mqtt_continue_round (self);
      jkb_mqtt_tick (self, g_get_monotonic_time ());
      break;
    }
}

/* ---- start and stop ---- */

static char *
make_client_id (const JkbConfig *config)
{
  const char *instance = config->daemon.instance;

  if (config->mqtt.client_id != NULL && config->mqtt.client_id[0] != '\0')
    return g_strdup (config->mqtt.client_id);
  return g_strjoin ("-", "jkbmsd", g_get_host_name (),
                    instance != NULL && instance[0] != '\0' ? instance : NULL, NULL);
}

void
jkb_mqtt_start (JkbMqtt *self)
{
  const JkbConfig *config = jkb_mqtt_config (self);
  g_autofree char *client_id = NULL;
  g_autofree char *will_topic = NULL;
  g_autofree char *own_discovery = NULL;
  g_autofree char *own_topics = NULL;
  GPtrArray *bms;

  if (self->thread != NULL || self->leaving != NULL)
    return;
  if (!config->mqtt.enabled || config->mqtt.uri[0] == '\0')
    {
      self->has_run = TRUE;
      jkb_backlog_drop (self->backlog);
      return;
    }
  client_id = make_client_id (config);
  will_topic = jkb_topic_bridge (config->mqtt.topic_prefix, "availability");
  own_discovery = g_strdup_printf ("%s/device/jkbmsd_", config->homeassistant.prefix);
  own_topics = g_strdup_printf ("%s/", config->mqtt.topic_prefix);
  const char *accepted[] = { config->homeassistant.status_topic, own_discovery, own_topics, NULL };
  JkbMqttThreadOptions options = { &config->mqtt, client_id, will_topic, accepted };

  self->context.config = config;
  self->context.registry = jkb_daemon_get_registry (self->daemon);
  self->context.link = jkb_mqtt_link_new (config->mqtt.queue_max);
  self->step = JKB_ROUND_DONE;
  self->met_broker = FALSE;
  bms = jkb_registry_list (self->context.registry);
  for (guint i = 0; i < bms->len; i++)
    on_bms_added (self->context.registry, g_ptr_array_index (bms, i), self);
  jkb_mqtt_link_attach (self->context.link, on_event, self);
  self->thread = jkb_mqtt_thread_start (self->context.link, &options);
  /* An earlier process may have ended before it noticed that nobody heard it. */
  begin_outage (self, self->has_run ? g_get_monotonic_time () : 0);
  self->has_run = TRUE;
}

void
jkb_mqtt_leave (JkbMqtt *self)
{
  jkb_mqtt_link_detach (self->context.link);
  jkb_mqtt_link_request_stop (self->context.link);
  on_disconnected (self, "");
  jkb_mqtt_get_counters (self, &self->counters);
  self->leaving = g_steal_pointer (&self->context.link);
  self->leaving_thread = g_steal_pointer (&self->thread);
  g_hash_table_remove_all (self->publishers);
}

void
jkb_mqtt_finish_leaving (JkbMqtt *self, int timeout_ms)
{
  if (self->leaving == NULL)
    return;
  g_clear_handle_id (&self->leaving_source, g_source_remove);
  g_clear_handle_id (&self->leaving_timeout, g_source_remove);
  if (jkb_mqtt_link_wait_done (self->leaving, timeout_ms))
    g_thread_join (self->leaving_thread);
  else /* a name that does not resolve holds it up; it ends by itself */
    g_thread_unref (self->leaving_thread);
  self->leaving_thread = NULL;
  begin_outage (self, jkb_mqtt_link_get_heard (self->leaving));
  g_clear_pointer (&self->leaving, jkb_mqtt_link_unref);
}

void
jkb_mqtt_stop (JkbMqtt *self)
{
  if (self->thread != NULL)
    {
      jkb_mqtt_send_bridge (self, JKB_MESSAGE_RETAINED, "availability", "offline");
      jkb_mqtt_leave (self);
    }
  jkb_mqtt_finish_leaving (self, STOP_MS);
  g_queue_clear_full (&self->held, (GDestroyNotify) jkb_held_alarm_free);
}

/* Texts are made as fast as they leave: hundreds of BMS that appear at once, or are due at once,
 * need no more memory than a few. Who has to wait for JKB_MQTT_LOW is the first then; the clock is
 * looked at nevertheless, since what that call finds out is not known here. */
static gint64
publish_dirty (JkbMqtt *self, gint64 monotonic_us)
{
  gint64 next_us = G_MAXINT64;
  guint n_served = 0, n = self->dirty->len;

  while (n_served < n && !jkb_mqtt_link_is_full (self->context.link))
    {
      JkbPublisher *publisher = g_ptr_array_index (self->dirty, n_served++);
      gint64 due_us = jkb_publisher_act (publisher, &self->context, monotonic_us);

      next_us = MIN (next_us, due_us);
      publisher->dirty = due_us != G_MAXINT64;
      if (publisher->dirty)
        g_ptr_array_add (self->dirty, publisher);
    }
  if (n_served < n)
    next_us = MIN (next_us, monotonic_us + FULL_CHECK_US);
  if (n_served > 0)
    g_ptr_array_remove_range (self->dirty, 0, n_served);
  return next_us;
}

gint64
jkb_mqtt_tick (JkbMqtt *self, gint64 monotonic_us)
{
  gint64 next_us = G_MAXINT64;

  if (self->context.link == NULL)
    return G_MAXINT64;
  release_held (self);
  if (self->held.length > 0)
    next_us = monotonic_us + HELD_CHECK_US;
  if (jkb_mqtt_is_settled (self))
    next_us = jkb_earlier (next_us, publish_dirty (self, monotonic_us));
  jkb_mqtt_link_flush (self->context.link);
  return next_us;
}

void
jkb_mqtt_reconnect (JkbMqtt *self)
{
  if (self->context.link == NULL)
    return;
  jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_RECONNECT, "", NULL, 0));
  jkb_mqtt_link_flush (self->context.link);
}

void
jkb_mqtt_republish (JkbMqtt *self)
{
  if (!self->connected)
    return;
  jkb_mqtt_begin_round (self);
  jkb_mqtt_link_flush (self->context.link);
}

/* ---- what others may ask ---- */

gboolean
jkb_mqtt_get_connected (JkbMqtt *self)
{
  return self->connected;
}

const char *
jkb_mqtt_get_last_error (JkbMqtt *self)
{
  return self->last_error;
}

void
jkb_mqtt_get_counters (JkbMqtt *self, JkbMqttCounters *counters)
{
  JkbMqttLink *link = self->context.link;

  *counters = self->counters;
  counters->queued = 0;
  counters->history_waiting = jkb_backlog_get_waiting (self->backlog);
  if (link == NULL)
    return;
  counters->published += jkb_mqtt_link_get_published (link);
  counters->dropped += jkb_mqtt_link_get_dropped (link);
  counters->queued = jkb_mqtt_link_get_queued (link) + self->held.length;
}

gint64
jkb_mqtt_get_beat (JkbMqtt *self)
{
  return self->context.link != NULL ? jkb_mqtt_link_get_beat (self->context.link)
                                    : g_get_monotonic_time ();
}

/* ---- object ---- */

JkbMqtt *
jkb_mqtt_new (JkbDaemon *daemon)
{
  JkbMqtt *self = g_object_new (JKB_TYPE_MQTT, NULL);
  JkbRegistry *registry = jkb_daemon_get_registry (daemon);

  self->daemon = daemon;
  self->context.config = jkb_daemon_peek_config (daemon);
  self->backlog = jkb_backlog_new (jkb_daemon_get_history (daemon), &self->context);
  g_signal_connect_object (registry, "bms-added", G_CALLBACK (on_bms_added), self, 0);
  g_signal_connect_object (registry, "bms-removed", G_CALLBACK (on_bms_removed), self, 0);
  g_signal_connect_object (registry, "bms-changed", G_CALLBACK (on_bms_changed), self, 0);
  g_signal_connect_object (registry, "alarm", G_CALLBACK (on_alarm), self, 0);
  g_signal_connect_object (daemon, "bus-added", G_CALLBACK (on_bus_added), self, 0);
  g_signal_connect_object (daemon, "bus-removed", G_CALLBACK (on_bus_removed), self, 0);
  return self;
}

static void
jkb_mqtt_finalize (GObject *object)
{
  JkbMqtt *self = JKB_MQTT (object);

  jkb_mqtt_stop (self);
  jkb_backlog_free (self->backlog);
  g_hash_table_unref (self->publishers);
  g_ptr_array_unref (self->dirty);
  g_ptr_array_unref (self->step_ids);
  g_string_free (self->context.text, TRUE);
  g_string_free (self->context.document, TRUE);
  g_free (self->bridge_document);
  g_free (self->last_error);
  G_OBJECT_CLASS (jkb_mqtt_parent_class)->finalize (object);
}

static void
jkb_mqtt_class_init (JkbMqttClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jkb_mqtt_finalize;
  signals[SIGNAL_CHANGED] = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST,
                                          0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
jkb_mqtt_init (JkbMqtt *self)
{
  self->publishers = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) jkb_publisher_free);
  self->dirty = g_ptr_array_new ();
  self->step_ids = g_ptr_array_new_with_free_func (g_free);
  self->context.text = g_string_new (NULL);
  self->context.document = g_string_new (NULL);
  self->last_error = g_strdup ("");
  self->step = JKB_ROUND_DONE;
}
