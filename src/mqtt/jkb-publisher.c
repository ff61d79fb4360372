/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Publishing one BMS: texts are made here, at the moment they are sent, and only then. Main thread
 * only.
 */
#include "mqtt/jkb-publisher.h"

#include "mqtt/jkb-command.h"
#include "mqtt/jkb-homeassistant.h"

JkbPublisher *
jkb_publisher_new (const JkbPublisherContext *context, JkbBms *bms)
{
  JkbPublisher *self = g_new0 (JkbPublisher, 1);

  self->bms = g_object_ref (bms);
  jkb_bms_topics_init (&self->topics, context->config->mqtt.topic_prefix, jkb_bms_get_id (bms));
  return self;
}

void
jkb_publisher_free (JkbPublisher *self)
{
  g_object_unref (self->bms);
  jkb_bms_topics_clear (&self->topics);
  g_free (self);
}

static void
send_text (const JkbPublisherContext *context, JkbMessageKind kind, const char *topic,
           const GString *text)
{
  jkb_mqtt_link_send (context->link, jkb_message_new (kind, topic, text->str, text->len));
}

void
jkb_publisher_availability (JkbPublisher *self, const JkbPublisherContext *context)
{
  g_string_assign (context->text, jkb_bms_get_online (self->bms) ? "online" : "offline");
  send_text (context, JKB_MESSAGE_RETAINED, self->topics.availability, context->text);
}

void
jkb_publisher_discovery (JkbPublisher *self, const JkbPublisherContext *context, gboolean always)
{
  g_autofree char *topic = NULL;
  guint hash;

  if (!context->config->homeassistant.discovery)
    return;
  jkb_ha_bms_document (context->document, context->config, context->registry, self->bms, NULL);
  hash = g_str_hash (context->document->str);
  if (!always && hash == self->discovery_hash)
    return;
  self->discovery_hash = hash;
  topic = jkb_ha_topic (context->config, jkb_bms_get_id (self->bms));
  send_text (context, JKB_MESSAGE_RETAINED, topic, context->document);
}

/* What is gone is first sent once as gone: leaving it out would remove nothing. */
void
jkb_publisher_retire (JkbPublisher *self, const JkbPublisherContext *context, const char *old)
{
  g_autoptr (GPtrArray) gone = NULL;
  g_autofree char *topic = jkb_ha_topic (context->config, jkb_bms_get_id (self->bms));

  jkb_ha_bms_document (context->document, context->config, context->registry, self->bms, NULL);
  gone = jkb_ha_find_gone (old, context->document->str);
  if (gone->len == 0)
    return;
  jkb_ha_bms_document (context->text, context->config, context->registry, self->bms, gone);
  send_text (context, JKB_MESSAGE_STEP, topic, context->text);
  send_text (context, JKB_MESSAGE_RETAINED, topic, context->document);
}

static void
publish_group (JkbPublisher *self, const JkbPublisherContext *context, JkbGroup group,
               const char *topic, guint *last_hash, gboolean always)
{
  const JkbValues *values = jkb_bms_peek_values (self->bms, group);
  guint hash;

  if (values == NULL)
    return;
  jkb_payload_group (context->text, values);
  hash = g_str_hash (context->text->str);
  if (!always && hash == *last_hash)
    return;
  *last_hash = hash;
  send_text (context, JKB_MESSAGE_RETAINED, topic, context->text);
}

void
jkb_publisher_settings (JkbPublisher *self, const JkbPublisherContext *context)
{
  publish_group (self, context, JKB_GROUP_SETTINGS, self->topics.settings, &self->settings_hash,
                 TRUE);
}

void
jkb_publisher_groups (JkbPublisher *self, const JkbPublisherContext *context, gboolean always)
{
  publish_group (self, context, JKB_GROUP_SETTINGS, self->topics.settings, &self->settings_hash,
                 always);
  publish_group (self, context, JKB_GROUP_INFO, self->topics.info, &self->info_hash, always);
}

static gint64
stamp_of_live (JkbPublisher *self)
{
  return jkb_stamp_correct (jkb_bms_get_realtime (self->bms, JKB_GROUP_LIVE),
                            jkb_bms_get_monotonic (self->bms, JKB_GROUP_LIVE), g_get_real_time (),
                            g_get_monotonic_time ());
}

void
jkb_publisher_state (JkbPublisher *self, const JkbPublisherContext *context)
{
  const JkbValues *live = jkb_bms_peek_values (self->bms, JKB_GROUP_LIVE);

  if (live == NULL)
    return;
  jkb_payload_state (context->text, live, stamp_of_live (self),
                     g_get_monotonic_time () - jkb_bms_get_monotonic (self->bms, JKB_GROUP_LIVE));
  send_text (context, JKB_MESSAGE_STATE, self->topics.state, context->text);
}

void
jkb_publisher_cells (JkbPublisher *self, const JkbPublisherContext *context)
{
  const JkbValues *live = jkb_bms_peek_values (self->bms, JKB_GROUP_LIVE);

  if (live == NULL)
    return;
  jkb_payload_cells (context->text, live, stamp_of_live (self));
  send_text (context, JKB_MESSAGE_STATE, self->topics.cells, context->text);
}

void
jkb_publisher_clear (const JkbPublisherContext *context, const char *id)
{
  g_autofree char *discovery = jkb_ha_topic (context->config, id);
  JkbBmsTopics topics;

  jkb_bms_topics_init (&topics, context->config->mqtt.topic_prefix, id);
  const char *retained[] = { discovery, topics.availability, topics.settings, topics.info,
                             topics.energy };

  for (guint i = 0; i < G_N_ELEMENTS (retained); i++)
    jkb_mqtt_link_send (context->link,
                        jkb_message_new (JKB_MESSAGE_RETAINED, retained[i], NULL, 0));
  jkb_bms_topics_clear (&topics);
}

void
jkb_publisher_mark (JkbPublisher *self, guint changes)
{
  self->pending |= changes;
  if ((changes & (JKB_CHANGED_LIVE | JKB_CHANGED_URGENT)) != 0)
    self->state.pending = TRUE;
  if ((changes & JKB_CHANGED_LIVE) != 0)
    self->cells.pending = TRUE;
}

/* What the discovery document depends on: the range of a control on the value it has. */
static guint
described_by (const JkbPublisherContext *context)
{
  return JKB_CHANGED_LAYOUT | JKB_CHANGED_IDENTITY
         | (jkb_command_tier (context->config) != JKB_TIER_NONE ? JKB_CHANGED_SETTINGS : 0);
}

gint64
jkb_publisher_act (JkbPublisher *self, const JkbPublisherContext *context, gint64 monotonic_us)
{
  const JkbMqttConfig *mqtt = &context->config->mqtt;
  gint64 interval_us = (gint64) (mqtt->interval * G_USEC_PER_SEC);
  gint64 cells_us = (gint64) (mqtt->cells_interval * G_USEC_PER_SEC);
  gboolean urgent = (self->pending & JKB_CHANGED_URGENT) != 0;
  guint changes = self->pending;

  self->pending = 0;
  if ((changes & JKB_CHANGED_ONLINE) != 0)
    jkb_publisher_availability (self, context);
  if ((changes & described_by (context)) != 0)
    jkb_publisher_discovery (self, context, FALSE);
  if (jkb_throttle_take (&self->state, monotonic_us, interval_us, urgent))
    jkb_publisher_state (self, context);
  if (jkb_throttle_take (&self->cells, monotonic_us, cells_us, FALSE))
    jkb_publisher_cells (self, context);
  if ((changes & (JKB_CHANGED_SETTINGS | JKB_CHANGED_INFO)) != 0)
    jkb_publisher_groups (self, context, FALSE);
  return MIN (jkb_throttle_deadline (&self->state, interval_us),
              jkb_throttle_deadline (&self->cells, cells_us));
}
