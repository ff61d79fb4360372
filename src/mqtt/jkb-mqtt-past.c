/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the broker kept from an earlier run: entities that are offered no more (a smaller profile, a
 * cell that is gone) are removed, and so is a whole BMS that was ignored, or whose bus was removed,
 * while nobody could tell the broker. A BMS that is merely not heard yet keeps its entities and is
 * offline. Main thread only.
 */
#include <string.h>

#include "mqtt/jkb-homeassistant.h"
#include "mqtt/jkb-mqtt-private.h"

static void
subscribe (JkbMqtt *self, JkbMessageKind kind, const char *filter)
{
  jkb_mqtt_link_send (self->context.link, jkb_message_new (kind, filter, NULL, 0));
}

/* A broker answers in order: what it had kept comes before it takes what we publish next, and our
 * own messages do not come back. */
void
jkb_mqtt_ask_past (JkbMqtt *self)
{
  g_autofree char *filter
      = g_strdup_printf ("%s/device/+/config", jkb_mqtt_config (self)->homeassistant.prefix);

  subscribe (self, JKB_MESSAGE_SUBSCRIBE, filter);
  subscribe (self, JKB_MESSAGE_UNSUBSCRIBE, filter);
}

/* "homeassistant/device/jkbmsd_garage_1/config" -> "garage_1", in a copy; NULL: not one of ours. */
static char *
id_of_topic (JkbMqtt *self, const char *topic)
{
  g_autofree char *pattern = jkb_ha_topic (jkb_mqtt_config (self), "*");
  const char *star = strchr (pattern, '*');
  gsize n_before = (gsize) (star - pattern);
  gsize n_after = strlen (star + 1);
  gsize n_topic = strlen (topic);

  if (n_topic <= n_before + n_after || strncmp (topic, pattern, n_before) != 0
      || strcmp (topic + n_topic - n_after, star + 1) != 0)
    return NULL;
  return g_strndup (topic + n_before, n_topic - n_before - n_after);
}

/* The same id under the same prefix: another daemon's BMS of that name is none of our business. */
static gboolean
is_our_document (JkbMqtt *self, const char *id, const char *document)
{
  g_autofree char *mark
      = g_strdup_printf ("\"%s/%s/availability\"", jkb_mqtt_config (self)->mqtt.topic_prefix, id);

  return strstr (document, mark) != NULL;
}

/* Whether the configuration says that there is no such BMS. */
static gboolean
is_unwanted (JkbMqtt *self, const char *id)
{
  const JkbConfig *config = jkb_mqtt_config (self);
  const JkbBmsConfig *bms = jkb_config_find_bms (config, id);
  const char *underscore = strrchr (id, '_');
  g_autofree char *bus = underscore != NULL ? g_strndup (id, (gsize) (underscore - id)) : NULL;

  if (bus == NULL || strchr (bus, '_') != NULL || !g_ascii_isdigit (underscore[1]))
    return FALSE; /* of a daemon with an instance name */
  return jkb_config_find_bus (config, bus) == NULL || (bms != NULL && bms->ignore);
}

/* A BMS that we do not know: gone for good, or not heard yet. */
static void
take_orphan (JkbMqtt *self, const char *id)
{
  JkbBmsTopics topics;

  if (is_unwanted (self, id))
    {
      g_message ("MQTT: %s is not configured any more; its retained topics are cleared", id);
      jkb_publisher_clear (&self->context, id);
      return;
    }
  jkb_bms_topics_init (&topics, jkb_mqtt_config (self)->mqtt.topic_prefix, id);
  jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_RETAINED,
                                                           topics.availability, "offline", 7));
  jkb_bms_topics_clear (&topics);
}

void
jkb_mqtt_take_past (JkbMqtt *self, const char *topic, const char *document)
{
  g_autofree char *id = id_of_topic (self, topic);
  JkbBms *bms;
  JkbPublisher *publisher;

  if (id == NULL)
    return;
  if (g_str_equal (id, "bridge"))
    {
      g_free (self->bridge_document);
      self->bridge_document = g_strdup (document);
      jkb_mqtt_publish_bridge_discovery (self);
      return;
    }
  bms = jkb_registry_find (self->context.registry, id);
  publisher = bms != NULL ? g_hash_table_lookup (self->publishers, bms) : NULL;
  if (publisher != NULL)
    jkb_publisher_retire (publisher, &self->context, document);
  else if (is_our_document (self, id, document))
    take_orphan (self, id);
}
