/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the MQTT thread sends: each message goes at once, or waits for its turn, for room, or for
 * the connection. MQTT thread only.
 */
#include "mqtt/jkb-mqtt-thread-private.h"

#define WINDOW 32 /* messages without an answer */
#define RETRY_SEND_US (20 * 1000)
#define RETRY_OFFLINE_US (1000 * 1000)

/* ---- what waits ---- */

static void
discard (JkbMqttThread *self, JkbMessage *message)
{
  jkb_mqtt_link_account (self->link, jkb_message_cost (message), FALSE);
  g_free (message);
}

/* @message: (transfer full) */
static void
keep (JkbMqttThread *self, JkbMessage *message)
{
  JkbMessage *victim = jkb_outbox_add (&self->outbox, message);

  if (victim == NULL)
    return;
  if (victim->kind == JKB_MESSAGE_EVENT)
    jkb_mqtt_link_count_dropped (self->link);
  discard (self, victim);
}

void
jkb_mqtt_thread_prune (JkbMqttThread *self, const char *topic)
{
  g_autoptr (GPtrArray) survivors = g_ptr_array_new ();
  JkbMessage *message;

  while ((message = g_queue_pop_head (&self->past.waiting)) != NULL)
    discard (self, message);
  while ((message = jkb_outbox_pop (&self->outbox, FALSE)) != NULL)
    if (jkb_message_survives (message) || g_strcmp0 (message->topic, topic) == 0)
      g_ptr_array_add (survivors, message);
    else
      discard (self, message);
  for (guint i = 0; i < survivors->len; i++)
    keep (self, g_ptr_array_index (survivors, i));
}

void
jkb_mqtt_thread_forget_connection (JkbMqttThread *self)
{
  GList *link;

  jkb_mqtt_thread_prune (self, NULL);
  while ((link = g_queue_pop_head_link (&self->deliveries)) != NULL)
    {
      JkbDelivery *delivery = link->data;

      delivery->counts = FALSE;
      g_queue_push_tail_link (&self->abandoned, link);
      if (delivery->message == NULL)
        jkb_mqtt_link_account (self->link, delivery->cost, FALSE);
      else
        keep (self, g_steal_pointer (&delivery->message));
    }
  jkb_pace_reset (&self->past);
  self->released = FALSE;
  self->retry_us = 0;
}

/* ---- answers ---- */

void
jkb_mqtt_thread_take_delivery (JkbMqttThread *self, JkbDelivery *delivery, gboolean delivered)
{
  g_queue_unlink (delivery->counts ? &self->deliveries : &self->abandoned, &delivery->link);
  if (!delivery->counts)
    return;
  self->answered_us = g_get_monotonic_time ();
  if (delivered)
    jkb_mqtt_link_hear (self->link);
  if (delivery->history != 0)
    {
      jkb_pace_answered (&self->past, self->answered_us - delivery->sent_us);
      jkb_mqtt_link_tell (self->link, delivery->history, delivered);
    }
  if (delivered || delivery->message == NULL)
    jkb_mqtt_link_account (self->link, delivery->cost, delivered);
  else /* paho could not after all: once more, in its order */
    keep (self, g_steal_pointer (&delivery->message));
}

/* ---- sending ---- */

static JkbPahoResult
send_unanswered (JkbMqttThread *self, JkbMessage *message)
{
  JkbPahoResult result = jkb_paho_send (self->paho, message, NULL);

  if (result == JKB_PAHO_SENT)
    {
      jkb_rate_count (&self->rate, g_get_monotonic_time ());
      jkb_mqtt_link_account (self->link, jkb_message_cost (message), TRUE);
      g_free (message);
    }
  return result;
}

static JkbPahoResult
send_answered (JkbMqttThread *self, JkbMessage *message)
{
  JkbDelivery *delivery = g_new0 (JkbDelivery, 1);
  JkbPahoResult result;

  delivery->link.data = delivery;
  delivery->counts = TRUE;
  delivery->cost = jkb_message_cost (message);
  delivery->sent_us = g_get_monotonic_time ();
  if (message->kind == JKB_MESSAGE_HISTORY)
    delivery->history = message->sequence;
  if (jkb_message_survives (message))
    delivery->message = message;
  if (self->deliveries.length == 0)
    self->answered_us = delivery->sent_us;
  /* Its report cannot be seen before this thread drains, but the link must be there by then. */
  g_queue_push_tail_link (&self->deliveries, &delivery->link);
  result = jkb_paho_send (self->paho, message, delivery);
  if (result != JKB_PAHO_SENT)
    {
      g_queue_unlink (&self->deliveries, &delivery->link);
      g_free (delivery);
    }
  else if (!jkb_message_survives (message))
    g_free (message);
  return result;
}

/* No answer says when the broker is behind, and what paho has cannot be replaced by what is newer. */
static gboolean
is_too_much (JkbMqttThread *self, const JkbMessage *message)
{
  gint64 now_us;

  if (message->qos > 0)
    return self->deliveries.length >= WINDOW;
  now_us = g_get_monotonic_time ();
  if (jkb_rate_allows (&self->rate, now_us))
    return FALSE;
  self->retry_us = now_us + JKB_RATE_RETRY_US;
  return TRUE;
}

/* @message: (transfer full) when it returns %TRUE: it is done with. */
static gboolean
try_send (JkbMqttThread *self, JkbMessage *message)
{
  JkbPahoResult result;

  if (self->state != JKB_MQTT_THREAD_CONNECTED || self->retry_us != 0
      || is_too_much (self, message))
    return FALSE;
  result = message->qos == 0 ? send_unanswered (self, message) : send_answered (self, message);
  if (result == JKB_PAHO_FULL)
    self->retry_us = g_get_monotonic_time () + RETRY_SEND_US;
  else if (result == JKB_PAHO_OFFLINE) /* the report of it comes, or we find out ourselves */
    self->retry_us = g_get_monotonic_time () + RETRY_OFFLINE_US;
  else if (result == JKB_PAHO_ERROR)
    discard (self, message);
  return result == JKB_PAHO_SENT || result == JKB_PAHO_ERROR;
}

static gboolean
is_order (const JkbMessage *message)
{
  return message->kind >= JKB_MESSAGE_SUBSCRIBE;
}

static void
obey (JkbMqttThread *self, const JkbMessage *order)
{
  if (order->kind == JKB_MESSAGE_SUBSCRIBE)
    jkb_paho_subscribe (self->paho, order->topic, order->qos);
  else if (order->kind == JKB_MESSAGE_UNSUBSCRIBE)
    jkb_paho_unsubscribe (self->paho, order->topic);
  else if (order->kind == JKB_MESSAGE_RELEASE)
    self->released = TRUE;
}

/* What was missed goes when nothing else waits, and after what the broker must know first. */
static void
pump_past (JkbMqttThread *self)
{
  JkbMessage *message;

  while (self->released && (message = jkb_pace_take (&self->past)) != NULL)
    {
      guint64 number = message->sequence;
      guint n_deliveries = self->deliveries.length;

      if (!try_send (self, message))
        {
          jkb_pace_put_back (&self->past, message);
          return;
        }
      if (self->deliveries.length > n_deliveries)
        jkb_pace_sent (&self->past);
      else /* paho will not have it */
        jkb_mqtt_link_tell (self->link, number, FALSE);
    }
}

void
jkb_mqtt_thread_pump (JkbMqttThread *self)
{
  JkbMessage *message;

  while (self->state == JKB_MQTT_THREAD_CONNECTED
         && (message = jkb_outbox_pop (&self->outbox, self->released)) != NULL)
    {
      if (is_order (message))
        {
          obey (self, message);
          discard (self, message);
        }
      else if (!try_send (self, message))
        {
          jkb_outbox_put_back (&self->outbox, message);
          return;
        }
    }
  pump_past (self);
}

static void
take (JkbMqttThread *self, JkbMessage *message)
{
  gboolean direct = !is_order (message) && (message->kind != JKB_MESSAGE_EVENT || self->released)
                    && jkb_outbox_get_length (&self->outbox) == 0;

  if (message->kind == JKB_MESSAGE_RECONNECT)
    {
      self->reconnect = TRUE;
      discard (self, message);
    }
  else if (self->state != JKB_MQTT_THREAD_CONNECTED && !jkb_message_survives (message))
    discard (self, message);
  else if (message->kind == JKB_MESSAGE_HISTORY)
    g_queue_push_tail (&self->past.waiting, message);
  else if (!direct || !try_send (self, message))
    keep (self, message);
}

void
jkb_mqtt_thread_drain_ring (JkbMqttThread *self)
{
  JkbMessage *message;

  while ((message = jkb_mqtt_link_receive (self->link)) != NULL)
    take (self, message);
}
