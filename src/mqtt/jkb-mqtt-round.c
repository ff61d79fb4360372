/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Telling everything: after a connect, and when Home Assistant was born. First who is there, then
 * what it is, then how it is; and that last one once more two seconds later, for those who needed
 * the time to make entities of it. Also the bridge's own topics. Main thread only.
 */
#include <string.h>

#include "mqtt/jkb-homeassistant.h"
#include "mqtt/jkb-mqtt-private.h"

#define AGAIN_MS 2000

/* ---- the bridge ---- */

void
jkb_mqtt_send_bridge (JkbMqtt *self, JkbMessageKind kind, const char *leaf, const char *text)
{
  g_autofree char *topic = jkb_topic_bridge (jkb_mqtt_config (self)->mqtt.topic_prefix, leaf);

  jkb_mqtt_link_send (self->context.link, jkb_message_new (kind, topic, text, strlen (text)));
}

void
jkb_mqtt_publish_bridge_state (JkbMqtt *self)
{
  jkb_payload_bridge (self->context.text, jkb_daemon_list_buses (self->daemon),
                      jkb_backlog_get_waiting (self->backlog), g_get_monotonic_time ());
  jkb_mqtt_send_bridge (self, JKB_MESSAGE_STATE, "state", self->context.text->str);
}

static void
send_document (JkbMqtt *self, JkbMessageKind kind, const GString *document)
{
  g_autofree char *topic = jkb_ha_topic (jkb_mqtt_config (self), "bridge");

  jkb_mqtt_link_send (self->context.link,
                      jkb_message_new (kind, topic, document->str, document->len));
}

void
jkb_mqtt_publish_bridge_discovery (JkbMqtt *self)
{
  const JkbConfig *config = jkb_mqtt_config (self);
  GPtrArray *buses = jkb_daemon_list_buses (self->daemon);
  g_autoptr (GPtrArray) gone = NULL;

  if (!config->homeassistant.discovery)
    return;
  jkb_ha_bridge_document (self->context.document, config, buses, NULL);
  if (g_strcmp0 (self->bridge_document, self->context.document->str) == 0)
    return;
  if (self->bridge_document != NULL)
    gone = jkb_ha_find_gone (self->bridge_document, self->context.document->str);
  if (gone != NULL && gone->len > 0)
    {
      jkb_ha_bridge_document (self->context.text, config, buses, gone);
      send_document (self, JKB_MESSAGE_STEP, self->context.text);
    }
  g_free (self->bridge_document);
  self->bridge_document = g_strdup (self->context.document->str);
  send_document (self, JKB_MESSAGE_RETAINED, self->context.document);
}

/* ---- taking back ---- */

static void
take_back (JkbMqtt *self, const char *topic)
{
  jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_RETAINED, topic, NULL, 0));
}

static void
take_back_discovery (JkbMqtt *self, const char *id)
{
  g_autofree char *topic = jkb_ha_topic (jkb_mqtt_config (self), id);

  take_back (self, topic);
}

void
jkb_mqtt_clear_discovery (JkbMqtt *self)
{
  GPtrArray *bms = jkb_registry_list (self->context.registry);

  for (guint i = 0; i < bms->len; i++)
    take_back_discovery (self, jkb_bms_get_id (g_ptr_array_index (bms, i)));
  take_back_discovery (self, "bridge");
}

void
jkb_mqtt_clear_all (JkbMqtt *self)
{
  GPtrArray *bms = jkb_registry_list (self->context.registry);
  g_autofree char *availability
      = jkb_topic_bridge (jkb_mqtt_config (self)->mqtt.topic_prefix, "availability");

  for (guint i = 0; i < bms->len; i++)
    jkb_publisher_clear (&self->context, jkb_bms_get_id (g_ptr_array_index (bms, i)));
  take_back_discovery (self, "bridge");
  take_back (self, availability);
}

/* ---- all ---- */

static void
begin_step (JkbMqtt *self)
{
  self->step_index = 0;
  switch (self->step)
    {
    case JKB_ROUND_AVAILABILITY:
      jkb_mqtt_send_bridge (self, JKB_MESSAGE_RETAINED, "availability", "online");
      break;
    case JKB_ROUND_DISCOVERY:
      g_clear_pointer (&self->bridge_document, g_free);
      jkb_mqtt_publish_bridge_discovery (self);
      break;
    case JKB_ROUND_STATE:
      jkb_mqtt_publish_bridge_state (self);
      break;
    case JKB_ROUND_DONE:
      break;
    }
}

static void
tell_state (JkbMqtt *self, JkbPublisher *publisher)
{
  gint64 now_us = g_get_monotonic_time ();

  jkb_publisher_state (publisher, &self->context);
  jkb_publisher_cells (publisher, &self->context);
  publisher->state = (JkbThrottle){ now_us, FALSE };
  publisher->cells = (JkbThrottle){ now_us, FALSE };
}

static void
tell (JkbMqtt *self, JkbPublisher *publisher)
{
  switch (self->step)
    {
    case JKB_ROUND_AVAILABILITY:
      publisher->pending &= ~(guint) JKB_CHANGED_ONLINE;
      jkb_publisher_availability (publisher, &self->context);
      break;
    case JKB_ROUND_DISCOVERY:
      publisher->pending &= ~(guint) (JKB_CHANGED_LAYOUT | JKB_CHANGED_IDENTITY);
      jkb_publisher_discovery (publisher, &self->context, TRUE);
      break;
    case JKB_ROUND_STATE:
      publisher->pending &= JKB_CHANGED_ONLINE | JKB_CHANGED_LAYOUT | JKB_CHANGED_IDENTITY;
      tell_state (self, publisher);
      jkb_publisher_groups (publisher, &self->context, TRUE);
      break;
    case JKB_ROUND_DONE:
      break;
    }
}

static gboolean
on_again (gpointer user_data)
{
  JkbMqtt *self = user_data;
  GHashTableIter iter;
  gpointer publisher;

  self->again_source = 0;
  g_hash_table_iter_init (&iter, self->publishers);
  while (jkb_mqtt_is_settled (self) && g_hash_table_iter_next (&iter, NULL, &publisher))
    tell_state (self, publisher);
  jkb_mqtt_link_flush (self->context.link);
  return G_SOURCE_REMOVE;
}

static void
end_round (JkbMqtt *self)
{
  jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_RELEASE, "", NULL, 0));
  jkb_backlog_hold (self->backlog, FALSE);
  g_clear_handle_id (&self->again_source, g_source_remove);
  self->again_source = g_timeout_add (AGAIN_MS, on_again, self);
}

static void
tell_next (JkbMqtt *self)
{
  const char *id = g_ptr_array_index (self->step_ids, self->step_index++);
  JkbBms *bms = jkb_registry_find (self->context.registry, id);
  JkbPublisher *publisher = bms != NULL ? g_hash_table_lookup (self->publishers, bms) : NULL;

  if (publisher != NULL)
    tell (self, publisher);
}

void
jkb_mqtt_continue_round (JkbMqtt *self)
{
  if (!self->connected || self->step == JKB_ROUND_DONE)
    return;
  while (self->step != JKB_ROUND_DONE)
    if (self->step_index >= self->step_ids->len)
      {
        self->step++;
        begin_step (self);
      }
    else if (!jkb_mqtt_link_is_full (self->context.link))
      tell_next (self);
    else
      return; /* JKB_MQTT_LOW brings us back */
  end_round (self);
}

void
jkb_mqtt_begin_round (JkbMqtt *self)
{
  GPtrArray *bms = jkb_registry_list (self->context.registry);

  g_ptr_array_set_size (self->step_ids, 0);
  for (guint i = 0; i < bms->len; i++)
    g_ptr_array_add (self->step_ids, g_strdup (jkb_bms_get_id (g_ptr_array_index (bms, i))));
  self->step = JKB_ROUND_AVAILABILITY;
  jkb_backlog_hold (self->backlog, TRUE);
  begin_step (self);
  jkb_mqtt_continue_round (self);
}
