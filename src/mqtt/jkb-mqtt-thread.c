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
#include "mqtt/jkb-mqtt-thread-private.h"
#include "mqtt/jkb-mqtt-trouble.h"

#define CONNECT_GUARD_US (20 * G_USEC_PER_SEC) /* paho said nothing at all about a connect */
#define STALL_US (60 * G_USEC_PER_SEC)         /* no answer at all to what was sent */
#define STOP_US (1200 * 1000)
#define DISCONNECT_US (600 * 1000)
#define DIAGNOSE_MS 1000
#define SHORT_LIFE_US (3 * G_USEC_PER_SEC)
#define RESOLVE_US (300 * G_USEC_PER_SEC) /* name servers that do not answer, each of them, twice */

/* ---- the connection ---- */

static void
wait_before_connect (JkbMqttThread *self, gint64 minimum_us, gint64 maximum_us)
{
  self->state = JKB_MQTT_THREAD_WAITING;
  self->wait_us = g_get_monotonic_time ()
                  + g_random_int_range ((gint32) minimum_us, (gint32) maximum_us);
}

/* The broker must have us again within 5 s of its return; one that answers and refuses is asked
 * ever less often. */
static void
wait_after_failure (JkbMqttThread *self, gboolean answered)
{
  gint64 wait_us = 2 * G_USEC_PER_SEC;

  self->failures++;
  if (answered)
    wait_us = MIN (wait_us * self->failures, 30 * G_USEC_PER_SEC);
  wait_before_connect (self, wait_us * 3 / 4, wait_us * 5 / 4);
}

/* @sentence: (transfer full) */
static void
fail (JkbMqttThread *self, char *sentence, gboolean answered)
{
  jkb_mqtt_link_report (self->link, JKB_MQTT_REFUSED, sentence, NULL, 0, FALSE);
  wait_after_failure (self, answered);
}

static char *
check_files (JkbMqttThread *self)
{
  char *sentence = jkb_mqtt_trouble_file ("ca-file", self->config->ca_file);

  if (sentence == NULL)
    sentence = jkb_mqtt_trouble_file ("cert-file", self->config->cert_file);
  if (sentence == NULL)
    sentence = jkb_mqtt_trouble_file ("key-file", self->config->key_file);
  return sentence;
}

/* Around what looks up a name, or waits for paho while it does: without a name server that takes
 * longer than the watchdog would wait, and is no hang. */
static void
begin_patience (JkbMqttThread *self)
{
  jkb_mqtt_link_excuse (self->link, g_get_monotonic_time () + RESOLVE_US);
}

static void
end_patience (JkbMqttThread *self)
{
  jkb_mqtt_link_excuse (self->link, 0);
}

static gboolean
connect_with_password (JkbMqttThread *self, GError **error)
{
  g_autoptr (GError) local_error = NULL;
  char *password = jkb_mqtt_config_load_password (self->config, &local_error);
  gboolean started;

  if (local_error != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  begin_patience (self);
  started = jkb_paho_connect (self->paho, password);
  end_patience (self);
  if (password != NULL)
    explicit_bzero (password, strlen (password));
  g_free (password);
  if (!started)
    g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                 "The connection cannot be started; check cert-file, key-file and ca-file");
  return started;
}

static void
start_connect (JkbMqttThread *self)
{
  g_autoptr (GError) error = NULL;
  char *sentence = check_files (self);

  if (sentence != NULL)
    {
      fail (self, sentence, TRUE);
      return;
    }
  self->state = JKB_MQTT_THREAD_CONNECTING;
  self->wait_us = g_get_monotonic_time () + CONNECT_GUARD_US;
  if (!connect_with_password (self, &error))
    fail (self, g_strdup (error->message), TRUE);
}

static char *
describe_refusal (JkbMqttThread *self, int code)
{
  JkbTlsFault fault = jkb_paho_get_tls_fault (self->paho);
  char *sentence = jkb_mqtt_trouble_connack (code, self->client_id);

  if (sentence == NULL && self->tls && fault != JKB_TLS_FINE)
    sentence = jkb_mqtt_trouble_tls (fault, self->host);
  if (sentence == NULL)
    {
      begin_patience (self);
      sentence = jkb_mqtt_trouble_diagnose (self->host, self->port, DIAGNOSE_MS);
      end_patience (self);
    }
  if (sentence == NULL && self->tls)
    sentence = jkb_mqtt_trouble_tls (JKB_TLS_FINE, self->host);
  if (sentence == NULL)
    sentence = g_strdup_printf ("%s takes connections on port %u but does not answer as an MQTT "
                                "broker; check uri, and the broker's log",
                                self->host, self->port);
  return sentence;
}

static void
on_connected (JkbMqttThread *self)
{
  self->state = JKB_MQTT_THREAD_CONNECTED;
  self->connected_us = g_get_monotonic_time ();
  self->failures = 0;
  jkb_mqtt_link_hear (self->link);
  jkb_mqtt_thread_forget_connection (self);
  jkb_mqtt_link_report (self->link, JKB_MQTT_CONNECTED, NULL, NULL, 0, FALSE);
}

static void
on_lost (JkbMqttThread *self)
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
  jkb_mqtt_thread_forget_connection (self);
  jkb_mqtt_link_report (self->link, JKB_MQTT_DISCONNECTED, sentence, NULL, 0, FALSE);
  if (self->short_lives >= 3)
    wait_after_failure (self, FALSE);
  else
    wait_before_connect (self, G_USEC_PER_SEC / 5, G_USEC_PER_SEC);
}

static void
on_disconnected (JkbMqttThread *self)
{
  jkb_mqtt_thread_forget_connection (self);
  jkb_mqtt_link_report (self->link, JKB_MQTT_DISCONNECTED, g_strdup (""), NULL, 0, FALSE);
  /* paho still tidies up when it reports: a connect right now would be swept away. */
  wait_before_connect (self, G_USEC_PER_SEC / 5, G_USEC_PER_SEC / 4);
}

static void
start_disconnect (JkbMqttThread *self)
{
  self->state = JKB_MQTT_THREAD_DISCONNECTING;
  self->wait_us = g_get_monotonic_time () + DISCONNECT_US;
  if (!jkb_paho_disconnect (self->paho))
    on_disconnected (self);
}

/* ---- reports ---- */

static void
on_report (JkbMqttThread *self, JkbPahoReport *report)
{
  switch (report->kind)
    {
    case JKB_PAHO_DELIVERED:
    case JKB_PAHO_FAILED:
      jkb_mqtt_thread_take_delivery (self, (JkbDelivery *) report,
                                     report->kind == JKB_PAHO_DELIVERED);
      break;
    case JKB_PAHO_ARRIVED:
      jkb_mqtt_link_report (self->link, JKB_MQTT_ARRIVED, g_steal_pointer (&report->topic),
                            g_steal_pointer (&report->payload), report->size, report->retained);
      break;
    case JKB_PAHO_CONNECTED:
      if (self->state != JKB_MQTT_THREAD_CONNECTED)
        on_connected (self);
      break;
    case JKB_PAHO_REFUSED:
      if (self->state == JKB_MQTT_THREAD_CONNECTING)
        fail (self, describe_refusal (self, report->code), report->code > 0);
      break;
    case JKB_PAHO_LOST:
      if (self->state == JKB_MQTT_THREAD_CONNECTED)
        on_lost (self);
      else if (self->state == JKB_MQTT_THREAD_DISCONNECTING)
        on_disconnected (self);
      break;
    case JKB_PAHO_DISCONNECTED:
      if (self->state == JKB_MQTT_THREAD_DISCONNECTING)
        on_disconnected (self);
      break;
    }
}

static void
drain_reports (JkbMqttThread *self)
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

/* ---- the loop ---- */

static void
begin_stop (JkbMqttThread *self)
{
  self->stop_us = g_get_monotonic_time () + STOP_US;
  jkb_mqtt_thread_prune (self, self->will_topic);
  self->released = TRUE;
}

/* Returns: whether the thread may end. */
static gboolean
may_end (JkbMqttThread *self, gint64 now_us)
{
  if (self->stop_us == 0)
    return FALSE;
  if (self->state == JKB_MQTT_THREAD_CONNECTED && self->deliveries.length == 0
      && jkb_outbox_get_length (&self->outbox) == 0)
    start_disconnect (self);
  return now_us >= self->stop_us
         || (self->state != JKB_MQTT_THREAD_CONNECTED
             && self->state != JKB_MQTT_THREAD_DISCONNECTING);
}

static void
obey_clock (JkbMqttThread *self, gint64 now_us)
{
  gboolean due = now_us >= self->wait_us;

  if (self->retry_us != 0 && now_us >= self->retry_us)
    self->retry_us = 0;
  if (self->state == JKB_MQTT_THREAD_CONNECTED
      && (self->reconnect
          || (self->deliveries.length > 0 && now_us - self->answered_us >= STALL_US)))
    start_disconnect (self);
  else if (self->state == JKB_MQTT_THREAD_WAITING && self->stop_us == 0 && (due || self->reconnect))
    start_connect (self);
  else if (self->state == JKB_MQTT_THREAD_CONNECTING && due)
    fail (self, g_strdup ("The broker does not answer"), FALSE);
  else if (self->state == JKB_MQTT_THREAD_DISCONNECTING && due)
    on_disconnected (self);
  self->reconnect = FALSE;
}

static gint64
next_deadline (JkbMqttThread *self)
{
  gint64 deadline_us = self->state == JKB_MQTT_THREAD_CONNECTED ? G_MAXINT64 : self->wait_us;

  if (self->retry_us != 0)
    deadline_us = MIN (deadline_us, self->retry_us);
  if (self->state == JKB_MQTT_THREAD_CONNECTED && self->deliveries.length > 0)
    deadline_us = MIN (deadline_us, self->answered_us + STALL_US);
  if (self->stop_us != 0)
    deadline_us = MIN (deadline_us, self->stop_us);
  return deadline_us;
}

static void
sleep_until (JkbMqttThread *self, gint64 deadline_us)
{
  struct pollfd fds = { jkb_mqtt_link_get_fd (self->link), POLLIN, 0 };
  gint64 left_us = MAX (0, deadline_us - g_get_monotonic_time ());
  struct timespec timeout = { left_us / G_USEC_PER_SEC, left_us % G_USEC_PER_SEC * 1000 };

  ppoll (&fds, 1, deadline_us == G_MAXINT64 ? NULL : &timeout, NULL);
}

static void
run (JkbMqttThread *self)
{
  gint64 now_us;

  while (TRUE)
    {
      jkb_mqtt_link_clear (self->link);
      drain_reports (self);
      if (self->stop_us == 0 && jkb_mqtt_link_must_stop (self->link))
        {
          jkb_mqtt_thread_drain_ring (self);
          begin_stop (self);
        }
      jkb_mqtt_thread_drain_ring (self);
      now_us = g_get_monotonic_time ();
      obey_clock (self, now_us);
      jkb_mqtt_thread_pump (self);
      if (may_end (self, now_us))
        return;
      sleep_until (self, next_deadline (self));
    }
}

/* After the handle is closed no report comes any more, also none that was owed. */
static void
end_connection (JkbMqttThread *self)
{
  GList *link;

  jkb_paho_close (self->paho);
  drain_reports (self);
  jkb_mqtt_thread_forget_connection (self);
  while ((link = g_queue_pop_head_link (&self->abandoned)) != NULL)
    jkb_paho_report_free (link->data);
  jkb_paho_free (self->paho);
}

static void
thread_free (JkbMqttThread *self)
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
  JkbMqttThread *self = data;
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
  JkbMqttThread *self = g_new0 (JkbMqttThread, 1);

  self->link = jkb_mqtt_link_ref (link);
  self->config = jkb_mqtt_config_copy (options->config);
  self->client_id = g_strdup (options->client_id);
  self->will_topic = g_strdup (options->will_topic);
  self->accepted = g_strdupv ((char **) options->accepted);
  jkb_outbox_init (&self->outbox, options->config->queue_max);
  jkb_pace_reset (&self->past);
  if (!jkb_mqtt_uri_parse (options->config->uri, &self->tls, &self->host, &self->port, NULL))
    self->host = g_strdup (""); /* the configuration refuses such a URI */
  wait_before_connect (self, 1, 2);
  return g_thread_new ("jkb-mqtt", thread_main, self);
}
