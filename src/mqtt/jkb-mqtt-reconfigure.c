/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Following another configuration. One connection at a time: the same client id twice at one broker
 * would make it throw the first one out and publish its will. Main thread only.
 */
#include <glib-unix.h>
#include <string.h>

#include "mqtt/jkb-command.h"
#include "mqtt/jkb-homeassistant.h"
#include "mqtt/jkb-mqtt-private.h"

#define LEAVE_MS 2000

static gboolean
differ (const char *a, const char *b)
{
  return g_strcmp0 (a, b) != 0;
}

/* Whether what was retained stands under other topics from now on. */
static gboolean
needs_clearing (const JkbConfig *old, const JkbConfig *config)
{
  return differ (old->mqtt.topic_prefix, config->mqtt.topic_prefix)
         || differ (old->homeassistant.prefix, config->homeassistant.prefix)
         || differ (old->daemon.instance, config->daemon.instance);
}

/* Whether the MQTT thread must begin anew: it has copies of these. */
static gboolean
needs_connection (const JkbConfig *old, const JkbConfig *config)
{
  const JkbMqttConfig *a = &old->mqtt, *b = &config->mqtt;

  return needs_clearing (old, config) || a->enabled != b->enabled || differ (a->uri, b->uri)
         || differ (a->username, b->username) || differ (a->password_file, b->password_file)
         || differ (a->password_credential, b->password_credential)
         || differ (a->client_id, b->client_id) || differ (a->ca_file, b->ca_file)
         || differ (a->cert_file, b->cert_file) || differ (a->key_file, b->key_file)
         || a->queue_max != b->queue_max
         || old->homeassistant.discovery != config->homeassistant.discovery
         || differ (old->homeassistant.status_topic, config->homeassistant.status_topic);
}

/* ---- leaving and coming back ---- */

static gboolean
on_left (int fd, GIOCondition condition, gpointer user_data)
{
  JkbMqtt *self = user_data;

  self->leaving_source = 0;
  jkb_mqtt_finish_leaving (self, 0);
  jkb_mqtt_start (self);
  return G_SOURCE_REMOVE;
}

static gboolean
on_leave_timeout (gpointer user_data)
{
  JkbMqtt *self = user_data;

  self->leaving_timeout = 0;
  jkb_mqtt_finish_leaving (self, 0);
  jkb_mqtt_start (self);
  return G_SOURCE_REMOVE;
}

/* By the old configuration. */
static void
say_goodbye (JkbMqtt *self, const JkbConfig *config)
{
  if (needs_clearing (jkb_mqtt_config (self), config))
    {
      jkb_mqtt_clear_all (self);
      return;
    }
  if (jkb_mqtt_config (self)->homeassistant.discovery && !config->homeassistant.discovery)
    jkb_mqtt_clear_discovery (self);
  jkb_mqtt_send_bridge (self, JKB_MESSAGE_RETAINED, "availability", "offline");
}

static void
leave (JkbMqtt *self, const JkbConfig *config)
{
  say_goodbye (self, config);
  jkb_mqtt_leave (self);
  self->leaving_source
      = g_unix_fd_add (jkb_mqtt_link_get_done_fd (self->leaving), G_IO_IN, on_left, self);
  self->leaving_timeout = g_timeout_add (LEAVE_MS, on_leave_timeout, self);
}

/* ---- in place ---- */

/* Controls are offered where the tier allows, on buses that may be polled. */
static gboolean
is_controlled_otherwise (const JkbConfig *old, const JkbConfig *config)
{
  gboolean other = jkb_command_tier (old) != jkb_command_tier (config);

  for (guint i = 0; !other && i < config->buses->len; i++)
    {
      const JkbBusConfig *bus = g_ptr_array_index (config->buses, i);
      const JkbBusConfig *before = jkb_config_find_bus (old, bus->name);

      other = before != NULL && (before->mode != bus->mode || differ (before->uri, bus->uri));
    }
  return other;
}

static gboolean
is_described_otherwise (const JkbConfig *old, const JkbConfig *config)
{
  return old->homeassistant.entities != config->homeassistant.entities
         || differ (old->daemon.language, config->daemon.language)
         || is_controlled_otherwise (old, config);
}

/* Entities that are offered no more are removed; the tick publishes what is other than before. */
static void
describe_anew (JkbMqtt *self, JkbPublisher *publisher, const JkbConfig *old)
{
  g_autoptr (GString) before = g_string_new (NULL);

  jkb_ha_bms_document (before, old, self->context.registry, publisher->bms, NULL);
  jkb_publisher_retire (publisher, &self->context, before->str);
  jkb_publisher_discovery (publisher, &self->context, FALSE);
}

static void
listen_as_allowed (JkbMqtt *self, const JkbConfig *old)
{
  gboolean before = jkb_command_tier (old) != JKB_TIER_NONE;
  gboolean now = jkb_command_tier (jkb_mqtt_config (self)) != JKB_TIER_NONE;

  if (before == now)
    return;
  jkb_mqtt_listen_to_commands (self, now);
  jkb_mqtt_link_flush (self->context.link);
}

static void
follow_in_place (JkbMqtt *self, const JkbConfig *old)
{
  GHashTableIter iter;
  gpointer publisher;

  if (!self->connected)
    return;
  listen_as_allowed (self, old);
  if (!jkb_mqtt_config (self)->homeassistant.discovery
      || !is_described_otherwise (old, jkb_mqtt_config (self)))
    return;
  g_hash_table_iter_init (&iter, self->publishers);
  while (g_hash_table_iter_next (&iter, NULL, &publisher))
    describe_anew (self, publisher, old);
  jkb_mqtt_publish_bridge_discovery (self);
  jkb_mqtt_link_flush (self->context.link);
}

void
jkb_mqtt_reconfigure (JkbMqtt *self)
{
  const JkbConfig *old = jkb_mqtt_config (self);
  const JkbConfig *config = jkb_daemon_peek_config (self->daemon);
  gboolean anew = needs_connection (old, config);

  if (anew && self->thread != NULL)
    leave (self, config);
  self->context.config = config;
  if (anew)
    jkb_mqtt_start (self);
  else
    follow_in_place (self, old);
}
