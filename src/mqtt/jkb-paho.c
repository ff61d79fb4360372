/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The paho handle. The callbacks at the top run on paho's threads, the rest on the MQTT thread; the
 * list of reports is what they share.
 */
#include "mqtt/jkb-paho.h"

#include <MQTTAsync.h>
#include <string.h>

#define PAHO_BUFFER 256 /* messages inside paho */
#define PAHO_WINDOW 128 /* paho's own limit of messages without an answer: ours is lower */
#define KEEP_ALIVE_S 30
#define CONNECT_TIMEOUT_S 5
#define MAX_ARRIVED_SIZE (512 * 1024)

struct _JkbPaho
{
  JkbMqttLink *link;
  JkbMpsc reports; /* from paho's threads */
  MQTTAsync client;
  const JkbMqttConfig *config;
  char *will_topic;
  char **accepted;
  gboolean tls;
};

/* The trace callback has no context; one client connects at a time. */
static atomic_int tls_fault;

/* ---- callbacks: paho's threads ---- */

static void
push_report (JkbPaho *paho, JkbPahoReport *report)
{
  jkb_mpsc_push (&paho->reports, &report->node);
  jkb_mqtt_link_wake (paho->link);
}

static void
push_kind (JkbPaho *paho, JkbPahoReportKind kind, int code)
{
  JkbPahoReport *report = g_new0 (JkbPahoReport, 1);

  report->kind = kind;
  report->code = code;
  push_report (paho, report);
}

static void
on_connected (void *context, MQTTAsync_successData *response)
{
  push_kind (context, JKB_PAHO_CONNECTED, 0);
}

static void
on_refused (void *context, MQTTAsync_failureData *response)
{
  push_kind (context, JKB_PAHO_REFUSED, response != NULL ? response->code : MQTTASYNC_FAILURE);
}

static void
on_lost (void *context, char *cause)
{
  push_kind (context, JKB_PAHO_LOST, 0);
}

static void
on_disconnected (void *context, MQTTAsync_successData *response)
{
  push_kind (context, JKB_PAHO_DISCONNECTED, 0);
}

static void
on_not_disconnected (void *context, MQTTAsync_failureData *response)
{
  push_kind (context, JKB_PAHO_DISCONNECTED, 0);
}

static void
on_delivered (void *context, MQTTAsync_successData *response)
{
  JkbDelivery *delivery = context;

  delivery->report.kind = JKB_PAHO_DELIVERED;
  push_report (delivery->paho, &delivery->report);
}

static void
on_not_delivered (void *context, MQTTAsync_failureData *response)
{
  JkbDelivery *delivery = context;

  delivery->report.kind = JKB_PAHO_FAILED;
  push_report (delivery->paho, &delivery->report);
}

static gboolean
is_accepted (JkbPaho *paho, const char *topic)
{
  for (guint i = 0; paho->accepted[i] != NULL; i++)
    if (g_str_has_prefix (topic, paho->accepted[i]))
      return TRUE;
  return FALSE;
}

static void
push_arrived (JkbPaho *paho, const char *topic, const MQTTAsync_message *message)
{
  JkbPahoReport *report = g_new0 (JkbPahoReport, 1);

  report->kind = JKB_PAHO_ARRIVED;
  report->topic = g_strdup (topic);
  report->size = (gsize) message->payloadlen;
  report->payload = g_malloc (report->size + 1);
  memcpy (report->payload, message->payload, report->size);
  report->payload[report->size] = '\0';
  report->retained = message->retained != 0;
  push_report (paho, report);
}

/* A topic that holds a NUL is longer than it looks; none of ours does. */
static gboolean
is_wanted (JkbPaho *paho, const char *topic, int topic_length, const MQTTAsync_message *message)
{
  return (topic_length == 0 || strlen (topic) == (gsize) topic_length)
         && message->payloadlen <= MAX_ARRIVED_SIZE && is_accepted (paho, topic)
         && jkb_mqtt_link_reserve (paho->link, topic, (gsize) message->payloadlen);
}

static int
on_arrived (void *context, char *topic, int topic_length, MQTTAsync_message *message)
{
  JkbPaho *paho = context;

  if (is_wanted (paho, topic, topic_length, message))
    push_arrived (paho, topic, message);
  MQTTAsync_freeMessage (&message);
  MQTTAsync_free (topic);
  return 1;
}

/* What a failed handshake was about is told in paho's trace only. */
static void
on_trace (enum MQTTASYNC_TRACE_LEVELS level, char *message)
{
  const char *alert = strstr (message, "SSL alert ");
  JkbTlsFault fault = JKB_TLS_FINE;

  if (alert != NULL && strstr (alert, "close notify") == NULL)
    fault = jkb_tls_fault_from_alert (alert, strstr (alert, "alert write") != NULL);
  else if (strstr (message, "X509_check_ip_asc is 0") != NULL
           || strstr (message, "X509_check_ip_asc is -") != NULL)
    fault = JKB_TLS_WRONG_NAME;
  if (fault != JKB_TLS_FINE)
    atomic_store (&tls_fault, (int) fault);
}

/* ---- the MQTT thread ---- */

static gboolean
create (JkbPaho *paho, const JkbPahoOptions *options)
{
  MQTTAsync_createOptions create_options = MQTTAsync_createOptions_initializer;
  gboolean is_v6 = strchr (options->host, ':') != NULL;
  g_autofree char *uri
      = g_strdup_printf (is_v6 ? "%s://[%s]:%u" : "%s://%s:%u", options->tls ? "ssl" : "tcp",
                         options->host, options->port);
  int rc;

  create_options.MQTTVersion = MQTTVERSION_3_1_1;
  create_options.sendWhileDisconnected = 0;
  create_options.maxBufferedMessages = PAHO_BUFFER;
  rc = MQTTAsync_createWithOptions (&paho->client, uri, options->client_id,
                                    MQTTCLIENT_PERSISTENCE_NONE, NULL, &create_options);
  if (rc == MQTTASYNC_SUCCESS)
    rc = MQTTAsync_setCallbacks (paho->client, paho, on_lost, on_arrived, NULL);
  return rc == MQTTASYNC_SUCCESS;
}

JkbPaho *
jkb_paho_new (JkbMqttLink *link, const JkbPahoOptions *options)
{
  JkbPaho *paho = g_new0 (JkbPaho, 1);

  paho->link = link;
  paho->config = options->config;
  paho->will_topic = g_strdup (options->will_topic);
  paho->accepted = g_strdupv ((char **) options->accepted);
  paho->tls = options->tls;
  if (!create (paho, options))
    g_clear_pointer (&paho, jkb_paho_free);
  return paho;
}

static void
stop_trace (JkbPaho *paho)
{
  if (!paho->tls)
    return;
  MQTTAsync_setTraceCallback (NULL);
  MQTTAsync_setTraceLevel (MQTTASYNC_TRACE_FATAL);
}

void
jkb_paho_close (JkbPaho *paho)
{
  stop_trace (paho);
  if (paho->client != NULL)
    MQTTAsync_destroy (&paho->client);
}

void
jkb_paho_free (JkbPaho *paho)
{
  jkb_paho_close (paho);
  g_free (paho->will_topic);
  g_strfreev (paho->accepted);
  g_free (paho);
}

JkbPahoReport *
jkb_paho_take_reports (JkbPaho *paho)
{
  JkbMpscNode *first = jkb_mpsc_drain (&paho->reports);

  for (JkbMpscNode *node = first; node != NULL; node = node->next)
    if (((JkbPahoReport *) node)->kind == JKB_PAHO_CONNECTED)
      stop_trace (paho);
  return (JkbPahoReport *) first;
}

void
jkb_paho_report_free (JkbPahoReport *report)
{
  if (report->kind == JKB_PAHO_DELIVERED || report->kind == JKB_PAHO_FAILED)
    g_free (((JkbDelivery *) report)->message);
  g_free (report->topic);
  g_free (report->payload);
  g_free (report);
}

static const char *
nonempty (const char *text)
{
  return text != NULL && text[0] != '\0' ? text : NULL;
}

gboolean
jkb_paho_connect (JkbPaho *paho, const char *password)
{
  MQTTAsync_connectOptions options = MQTTAsync_connectOptions_initializer;
  MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
  MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;

  will.topicName = paho->will_topic;
  will.message = "offline";
  will.retained = 1;
  will.qos = 1;

  options.MQTTVersion = MQTTVERSION_3_1_1;
  options.keepAliveInterval = KEEP_ALIVE_S;
  options.connectTimeout = CONNECT_TIMEOUT_S;
  options.cleansession = 1;
  options.automaticReconnect = 0;
  options.maxInflight = PAHO_WINDOW;
  options.will = &will;
  options.username = nonempty (paho->config->username);
  options.password = options.username != NULL ? password : NULL;
  options.onSuccess = on_connected;
  options.onFailure = on_refused;
  options.context = paho;
  if (paho->tls)
    {
      ssl.trustStore = nonempty (paho->config->ca_file);
      ssl.keyStore = nonempty (paho->config->cert_file);
      ssl.privateKey = nonempty (paho->config->key_file);
      ssl.enableServerCertAuth = 1;
      ssl.verify = 1;
      options.ssl = &ssl;
      atomic_store (&tls_fault, JKB_TLS_FINE);
      MQTTAsync_setTraceCallback (on_trace);
      MQTTAsync_setTraceLevel (MQTTASYNC_TRACE_MINIMUM);
    }
  return MQTTAsync_connect (paho->client, &options) == MQTTASYNC_SUCCESS;
}

gboolean
jkb_paho_disconnect (JkbPaho *paho)
{
  MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer;

  /* With a time to wait for answers paho looks again only every three seconds. */
  options.timeout = 0;
  options.onSuccess = on_disconnected;
  options.onFailure = on_not_disconnected;
  options.context = paho;
  return MQTTAsync_disconnect (paho->client, &options) == MQTTASYNC_SUCCESS;
}

JkbTlsFault
jkb_paho_get_tls_fault (JkbPaho *paho)
{
  return (JkbTlsFault) atomic_load (&tls_fault);
}

JkbPahoResult
jkb_paho_send (JkbPaho *paho, const JkbMessage *message, JkbDelivery *delivery)
{
  MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
  int rc;

  if (delivery != NULL)
    {
      delivery->paho = paho;
      response.onSuccess = on_delivered;
      response.onFailure = on_not_delivered;
      response.context = delivery;
    }
  /* A result of every QoS 0 message would wake the MQTT thread each time. */
  rc = MQTTAsync_send (paho->client, message->topic, (int) message->size, message->payload,
                       message->qos, message->retain, delivery != NULL ? &response : NULL);
  switch (rc)
    {
    case MQTTASYNC_SUCCESS:
      return JKB_PAHO_SENT;
    case MQTTASYNC_MAX_BUFFERED_MESSAGES:
    case MQTTASYNC_NO_MORE_MSGIDS:
      return JKB_PAHO_FULL;
    case MQTTASYNC_DISCONNECTED:
      return JKB_PAHO_OFFLINE;
    default:
      g_warning ("MQTT: a message for %s cannot be sent: %s", message->topic,
                 MQTTAsync_strerror (rc));
      return JKB_PAHO_ERROR;
    }
}

void
jkb_paho_subscribe (JkbPaho *paho, const char *filter, int qos)
{
  MQTTAsync_subscribe (paho->client, filter, qos, NULL);
}

void
jkb_paho_unsubscribe (JkbPaho *paho, const char *filter)
{
  MQTTAsync_unsubscribe (paho->client, filter, NULL);
}
