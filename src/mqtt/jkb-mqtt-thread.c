/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The MQTT thread: a state machine that sleeps in poll() until a message, a report of paho or a
 * deadline comes. Everything here belongs to it alone.
 *
 * Reconnecting is done here, not by paho, whose back-off is slower than what we promise; so the
 * password is read anew for every attempt, and a changed file is noticed.
 */
#include "mqtt/jkb-mqtt-thread.h"

#include <poll.h>
#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-forms.h"
#include "mqtt/jkb-mqtt-trouble.h"
#include "mqtt/jkb-paho.h"

#define WINDOW 32                              /* messages without an answer */
#define CONNECT_GUARD_US (20 * G_USEC_PER_SEC) /* paho said nothing at all about a connect */
#define STALL_US (60 * G_USEC_PER_SEC)         /* no answer at all to what was sent */
#define RETRY_SEND_US (20 * 1000)
#define RETRY_OFFLINE_US (1000 * 1000)
#define STOP_US (1200 * 1000)
#define DISCONNECT_US (600 * 1000)
#define DIAGNOSE_MS 1000
#define SHORT_LIFE_US (3 * G_USEC_PER_SEC)

typedef enum
{
  STATE_WAITING, /* until wait_us, then connects */
  STATE_CONNECTING,
  STATE_CONNECTED,
  STATE_DISCONNECTING
} State;

typedef struct
{
  JkbMqttLink *link;
  JkbMqttConfig *config;
  char *client_id;
  char *will_topic;
  char **accepted;
  char *host;
  guint port;
  gboolean tls;

  JkbPaho *paho;
  State state;
  gint64 wait_us;      /* WAITING: when to connect; else when to give up waiting for paho */
  gint64 connected_us; /* since when */
  guint failures;      /* in a row */
  guint short_lives;   /* connections in a row that ended at once */
  gboolean released;   /* events may go */
  gboolean reconnect;  /* asked for: connect again without waiting */
  gint64 retry_us;     /* paho took nothing: send again then; 0: it does */
  gint64 answered_us;  /* last answer, or the sending of the first message that waits for one */
  GQueue deliveries;   /* of JkbDelivery.link: their answers count */
  GQueue abandoned;    /* of JkbDelivery.link: their connection is gone, paho still has them */
  JkbOutbox outbox;
  gint64 stop_us; /* end at the latest; 0: not asked to */
} Thread;

/* ---- what waits ---- */

static void
discard (Thread *self, JkbMessage *message)
{
  jkb_mqtt_link_account (self->link, jkb_message_cost (message), FALSE);
  g_free (message);
}

/* @message: (transfer full) */
static void
keep (Thread *self, JkbMessage *message)
{
  JkbMessage *victim = jkb_outbox_add (&self->outbox, message);

  if (victim == NULL)
    return;
  if (victim->kind == JKB_MESSAGE_EVENT)
    jkb_mqtt_link_count_dropped (self->link);
  discard (self, victim);
}

/* Drops what waits and would be made anew after the next connection; keeps that of @topic. */
static void
prune (Thread *self, const char *topic)
{
  g_autoptr (GPtrArray) survivors = g_ptr_array_new ();
  JkbMessage *message;

  while ((message = jkb_outbox_pop (&self->outbox, FALSE)) != NULL)
    if (jkb_message_survives (message) || g_strcmp0 (message->topic, topic) == 0)
      g_ptr_array_add (survivors, message);
    else
      discard (self, message);
  for (guint i = 0; i < survivors->len; i++)
    keep (self, g_ptr_array_index (survivors, i));
}

/* Nothing of that connection will be answered any more: what must arrive is sent again. */
static void
forget_connection (Thread *self)
{
  GList *link;

  prune (self, NULL);
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
  self->released = FALSE;
  self->retry_us = 0;
}

/* ---- the connection ---- */

static void
wait_before_connect (Thread *self, gint64 minimum_us, gint64 maximum_us)
{
  self->state = STATE_WAITING;
  self->wait_us = g_get_monotonic_time ()
                  + g_random_int_range ((gint32) minimum_us, (gint32) maximum_us);
}

/* The broker must have us again within 5 s of its return; one that answers and refuses is asked
 * ever less often. */
static void
wait_after_failure (Thread *self, gboolean answered)
{
  gint64 wait_us = 2 * G_USEC_PER_SEC;

  self->failures++;
  if (answered)
    wait_us = MIN (wait_us * self->failures, 30 * G_USEC_PER_SEC);
  wait_before_connect (self, wait_us * 3 / 4, wait_us * 5 / 4);
}

/* @sentence: (transfer full) */
static void
fail (Thread *self, char *sentence, gboolean answered)
{
  jkb_mqtt_link_report (self->link, JKB_MQTT_REFUSED, sentence, NULL, 0, FALSE);
  wait_after_failure (self, answered);
}

static char *
check_files (Thread *self)
{
  char *sentence = jkb_mqtt_trouble_file ("ca-file", self->config->ca_file);

  if (sentence == NULL)
    sentence = jkb_mqtt_trouble_file ("cert-file", self->config->cert_file);
  if (sentence == NULL)
    sentence = jkb_mqtt_trouble_file ("key-file", self->config->key_file);
  return sentence;
}

static gboolean
connect_with_password (Thread *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  char *password = jkb_mqtt_config_load_password (self->config, &local_error);
  gboolean started;

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  started = jkb_paho_connect (self->paho, password);
  if (password != NULL)
    explicit_bzero (password, strlen (password));
  g_free (password);
  if (!started)
    g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                 "The connection cannot be started; check cert-file, key-file and ca-file");
  return started;
}

static void
start_connect (Thread *self)
{
  g_autoptr (GError) error = NULL;
  char *sentence = check_files (self);

  if (sentence != NULL)
    {
      fail (self, sentence, TRUE);
      return;
    }
  self->state = STATE_CONNECTING;
  self->wait_us = g_get_monotonic_time () + CONNECT_GUARD_US;
  if (!connect_with_password (self, &error))
    fail (self, g_strdup (error->message), TRUE);
}

static char *
describe_refusal (Thread *self, int code)
{
  JkbTlsFault fault = jkb_paho_get_tls_fault (self->paho);
  char *sentence = jkb_mqtt_trouble_connack (code, self->client_id);

  if (sentence == NULL && self->tls && fault != JKB_TLS_FINE)
    sentence = jkb_mqtt_trouble_tls (fault, self->host);
  if (sentence == NULL)
    sentence = jkb_mqtt_trouble_diagnose (self->host, self->port, DIAGNOSE_MS);
  if (sentence == NULL && self->tls)
    sentence = jkb_mqtt_trouble_tls (JKB_TLS_OTHER, self->host);
  if (sentence == NULL)
    sentence = g_strdup_printf ("%s takes connections on port %u but does not answer as an MQTT "
                                "broker; check uri, and the broker's log",
                                self->host, self->port);
  return sentence;
}

static void
on_connected (Thread *self)
{
  self->state = STATE_CONNECTED;
  self->connected_us = g_get_monotonic_time ();
  self->failures = 0;
  forget_connection (self);
  jkb_mqtt_link_report (self->link, JKB_MQTT_CONNECTED, NULL, NULL, 0, FALSE);
}

static void
on_lost (Thread *self)
{
  gboolean was_short = g_get_monotonic_time () - self->connected_us < SHORT_LIFE_US;
  char *sentence;

  self->short_lives = was_short ? self->short_lives + 1 : 0;
  if (self->short_lives >= 3)
    sentence = g_strdup_printf ("The broker closes the connection at once, again and again; is "
                                "another client using the client id '%s'?",
                                self->client_id);
  else
    sentence = g_strdup ("The connection to the broker was lost");
  forget_connection (self);
  jkb_mqtt_link_report (self->link, JKB_MQTT_DISCONNECTED, sentence, NULL, 0, FALSE);
  if (self->short_lives >= 3)
    wait_after_failure (self, FALSE);
  else
    wait_before_connect (self, G_USEC_PER_SEC / 5, G_USEC_PER_SEC);
}

static void
on_disconnected (Thread *self)
{
  forget_connection (self);
  jkb_mqtt_link_report (self->link, JKB_MQTT_DISCONNECTED, g_strdup (""), NULL, 0, FALSE);
  /* paho still tidies up when it reports: a connect right now would be swept away. */
  wait_before_connect (self, G_USEC_PER_SEC / 5, G_USEC_PER_SEC / 4);
}

static void
start_disconnect (Thread *self)
{
  self->state = STATE_DISCONNECTING;
  self->wait_us = g_get_monotonic_time () + DISCONNECT_US;
  if (!jkb_paho_disconnect (self->paho))
    on_disconnected (self);
}

/* ---- reports ---- */

static void
on_delivery (Thread *self, JkbDelivery *delivery, gboolean delivered)
{
  g_queue_unlink (delivery->counts ? &self->deliveries : &self->abandoned, &delivery->link);
  if (!delivery->counts)
    return;
  self->answered_us = g_get_monotonic_time ();
  if (delivered || delivery->message == NULL)
    jkb_mqtt_link_account (self->link, delivery->cost, delivered);
  else /* paho could not after all: once more, in its order */
    keep (self, g_steal_pointer (&delivery->message));
}

static void
on_report (Thread *self, JkbPahoReport *report)
{
  switch (report->kind)
    {
    case JKB_PAHO_DELIVERED:
    case JKB_PAHO_FAILED:
      on_delivery (self, (JkbDelivery *) report, report->kind == JKB_PAHO_DELIVERED);
      break;
    case JKB_PAHO_ARRIVED:
      jkb_mqtt_link_report (self->link, JKB_MQTT_ARRIVED, g_steal_pointer (&report->topic),
                            g_steal_pointer (&report->payload), report->size, report->retained);
      break;
    case JKB_PAHO_CONNECTED:
      if (self->state != STATE_CONNECTED)
        on_connected (self);
      break;
    case JKB_PAHO_REFUSED:
      if (self->state == STATE_CONNECTING)
        fail (self, describe_refusal (self, report->code), report->code > 0);
      break;
    case JKB_PAHO_LOST:
      if (self->state == STATE_CONNECTED)
        on_lost (self);
      else if (self->state == STATE_DISCONNECTING)
        on_disconnected (self);
      break;
    case JKB_PAHO_DISCONNECTED:
      if (self->state == STATE_DISCONNECTING)
        on_disconnected (self);
      break;
    }
}

static void
drain_reports (Thread *self)
{
  JkbPahoReport *report = jkb_paho_take_reports (self->paho);

  while (report != NULL)
    {
      JkbPahoReport *next = (JkbPahoReport *) report->node.next;

      on_report (self, report);
      jkb_paho_report_free (report);
      report = next;
    }
}

/* ---- sending ---- */

static JkbPahoResult
send_unanswered (Thread *self, JkbMessage *message)
{
  JkbPahoResult result = jkb_paho_send (self->paho, message, NULL);

  if (result == JKB_PAHO_SENT)
    {
      jkb_mqtt_link_account (self->link, jkb_message_cost (message), TRUE);
      g_free (message);
    }
  return result;
}

static JkbPahoResult
send_answered (Thread *self, JkbMessage *message)
{
  JkbDelivery *delivery = g_new0 (JkbDelivery, 1);
  JkbPahoResult result;

  delivery->link.data = delivery;
  delivery->counts = TRUE;
  delivery->cost = jkb_message_cost (message);
  if (jkb_message_survives (message))
    delivery->message = message;
  if (self->deliveries.length == 0)
    self->answered_us = g_get_monotonic_time ();
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

/* @message: (transfer full) when it returns %TRUE: it is done with. */
static gboolean
try_send (Thread *self, JkbMessage *message)
{
  JkbPahoResult result;

  if (self->state != STATE_CONNECTED || self->retry_us != 0
      || (message->qos > 0 && self->deliveries.length >= WINDOW))
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
obey (Thread *self, const JkbMessage *order)
{
  if (order->kind == JKB_MESSAGE_SUBSCRIBE)
    jkb_paho_subscribe (self->paho, order->topic, order->qos);
  else if (order->kind == JKB_MESSAGE_UNSUBSCRIBE)
    jkb_paho_unsubscribe (self->paho, order->topic);
  else if (order->kind == JKB_MESSAGE_RELEASE)
    self->released = TRUE;
}

static void
pump (Thread *self)
{
  JkbMessage *message;

  while (self->state == STATE_CONNECTED
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
}

static void
take (Thread *self, JkbMessage *message)
{
  gboolean direct = !is_order (message) && (message->kind != JKB_MESSAGE_EVENT || self->released)
                    && jkb_outbox_get_length (&self->outbox) == 0;

  if (message->kind == JKB_MESSAGE_RECONNECT)
    {
      self->reconnect = TRUE;
      discard (self, message);
    }
  else if (self->state != STATE_CONNECTED && !jkb_message_survives (message))
    discard (self, message);
  else if (!direct || !try_send (self, message))
    keep (self, message);
}

static void
drain_ring (Thread *self)
{
  JkbMessage *message;

  while ((message = jkb_mqtt_link_receive (self->link)) != NULL)
    take (self, message);
}

/* ---- the loop ---- */

static void
begin_stop (Thread *self)
{
  self->stop_us = g_get_monotonic_time () + STOP_US;
  prune (self, self->will_topic);
  self->released = TRUE;
}

/* Returns: whether the thread may end. */
static gboolean
may_end (Thread *self, gint64 now_us)
{
  if (self->stop_us == 0)
    return FALSE;
  if (self->state == STATE_CONNECTED && self->deliveries.length == 0
      && jkb_outbox_get_length (&self->outbox) == 0)
    start_disconnect (self);
  return now_us >= self->stop_us
         || (self->state != STATE_CONNECTED && self->state != STATE_DISCONNECTING);
}

static void
obey_clock (Thread *self, gint64 now_us)
{
  gboolean due = now_us >= self->wait_us;

  if (self->retry_us != 0 && now_us >= self->retry_us)
    self->retry_us = 0;
  if (self->state == STATE_CONNECTED
      && (self->reconnect
          || (self->deliveries.length > 0 && now_us - self->answered_us >= STALL_US)))
    start_disconnect (self);
  else if (self->state == STATE_WAITING && self->stop_us == 0 && (due || self->reconnect))
    start_connect (self);
  else if (self->state == STATE_CONNECTING && due)
    fail (self, g_strdup ("The broker does not answer"), FALSE);
  else if (self->state == STATE_DISCONNECTING && due)
    on_disconnected (self);
  self->reconnect = FALSE;
}

static gint64
next_deadline (Thread *self)
{
  gint64 deadline_us = self->state == STATE_CONNECTED ? G_MAXINT64 : self->wait_us;

  if (self->retry_us != 0)
    deadline_us = MIN (deadline_us, self->retry_us);
  if (self->state == STATE_CONNECTED && self->deliveries.length > 0)
    deadline_us = MIN (deadline_us, self->answered_us + STALL_US);
  if (self->stop_us != 0)
    deadline_us = MIN (deadline_us, self->stop_us);
  return deadline_us;
}

static void
sleep_until (Thread *self, gint64 deadline_us)
{
  struct pollfd fds = { jkb_mqtt_link_get_fd (self->link), POLLIN, 0 };
  gint64 left_us = MAX (0, deadline_us - g_get_monotonic_time ());
  struct timespec timeout = { left_us / G_USEC_PER_SEC, left_us % G_USEC_PER_SEC * 1000 };

  ppoll (&fds, 1, deadline_us == G_MAXINT64 ? NULL : &timeout, NULL);
}

static void
run (Thread *self)
{
  gint64 now_us;

  while (TRUE)
    {
      jkb_mqtt_link_clear (self->link);
      drain_reports (self);
      if (self->stop_us == 0 && jkb_mqtt_link_must_stop (self->link))
        {
          drain_ring (self);
          begin_stop (self);
        }
      drain_ring (self);
      now_us = g_get_monotonic_time ();
      obey_clock (self, now_us);
      pump (self);
      if (may_end (self, now_us))
        return;
      sleep_until (self, next_deadline (self));
    }
}

/* After the handle is closed no report comes any more, also none that was owed. */
static void
end_connection (Thread *self)
{
  GList *link;

  jkb_paho_close (self->paho);
  drain_reports (self);
  forget_connection (self);
  while ((link = g_queue_pop_head_link (&self->abandoned)) != NULL)
    jkb_paho_report_free (link->data);
  jkb_paho_free (self->paho);
}

static void
thread_free (Thread *self)
{
  jkb_outbox_clear (&self->outbox);
  jkb_mqtt_config_free (self->config);
  g_free (self->client_id);
  g_free (self->will_topic);
  g_strfreev (self->accepted);
  g_free (self->host);
  jkb_mqtt_link_unref (self->link);
  g_free (self);
}

static gpointer
thread_main (gpointer data)
{
  Thread *self = data;
  JkbPahoOptions options = { self->config, self->client_id, self->will_topic,
                             (const char *const *) self->accepted, self->host, self->port,
                             self->tls };

  self->paho = jkb_paho_new (self->link, &options);
  if (self->paho != NULL)
    {
      run (self);
      end_connection (self);
    }
  else
    jkb_mqtt_link_report (self->link, JKB_MQTT_REFUSED,
                          g_strdup_printf ("uri=%s cannot be used", self->config->uri), NULL, 0,
                          FALSE);
  jkb_mqtt_link_set_done (self->link);
  thread_free (self);
  return NULL;
}

GThread *
jkb_mqtt_thread_start (JkbMqttLink *link, const JkbMqttThreadOptions *options)
{
  Thread *self = g_new0 (Thread, 1);

  self->link = jkb_mqtt_link_ref (link);
  self->config = jkb_mqtt_config_copy (options->config);
  self->client_id = g_strdup (options->client_id);
  self->will_topic = g_strdup (options->will_topic);
  self->accepted = g_strdupv ((char **) options->accepted);
  jkb_outbox_init (&self->outbox, options->config->queue_max);
  if (!jkb_mqtt_uri_parse (options->config->uri, &self->tls, &self->host, &self->port, NULL))
    self->host = g_strdup (""); /* the configuration refuses such a URI */
  wait_before_connect (self, 1, 2);
  return g_thread_new ("jkb-mqtt", thread_main, self);
}
