/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The one paho handle and the callbacks that paho's own threads call: they run with paho's mutex
 * held, so they copy, push a report, wake the MQTT thread and return. The functions here are for the
 * MQTT thread only; each may block (names are resolved under paho's mutex).
 */
#pragma once

#include "core/jkb-config.h"
#include "mqtt/jkb-message.h"
#include "mqtt/jkb-mqtt-link.h"
#include "mqtt/jkb-mqtt-trouble.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_PAHO_CONNECTED,
  JKB_PAHO_REFUSED, /* code: of CONNACK when positive */
  JKB_PAHO_LOST,
  JKB_PAHO_DISCONNECTED,
  JKB_PAHO_DELIVERED, /* the report is a JkbDelivery */
  JKB_PAHO_FAILED,    /* the report is a JkbDelivery */
  JKB_PAHO_ARRIVED    /* topic, payload */
} JkbPahoReportKind;

typedef struct
{
  JkbMpscNode node;
  JkbPahoReportKind kind;
  int code;
  char *topic;
  char *payload; /* NUL-terminated */
  gsize size;
  gboolean retained;
} JkbPahoReport;

typedef struct _JkbPaho JkbPaho;

/* A message that paho has and will report on, once. */
typedef struct
{
  JkbPahoReport report;
  JkbPaho *paho;
  GList link;          /* for its sender's list of what is on its way */
  gboolean counts;     /* FALSE: its connection is gone, nobody waits for it */
  JkbMessage *message; /* (nullable): kept only where it would be sent again */
  gsize cost;
  guint64 history; /* number of a history message; 0: another kind */
  gint64 sent_us;  /* monotonic */
} JkbDelivery;

typedef enum
{
  JKB_PAHO_SENT,
  JKB_PAHO_FULL,    /* try again soon */
  JKB_PAHO_OFFLINE, /* JKB_PAHO_LOST is on its way */
  JKB_PAHO_ERROR
} JkbPahoResult;

typedef struct
{
  const JkbMqttConfig *config;
  const char *client_id;
  const char *will_topic;
  const char *const *accepted; /* beginnings of topics that are listened to */
  const char *host;
  guint port;
  gboolean tls;
} JkbPahoOptions;

/* @options: copied where needed; its config must live as long. @link: woken for every report. */
JkbPaho *jkb_paho_new (JkbMqttLink *link, const JkbPahoOptions *options);
void jkb_paho_free (JkbPaho *paho);

/* Destroys the handle: no report comes after it. */
void jkb_paho_close (JkbPaho *paho);

/* Returns: (nullable): all reports since the last call, oldest first. */
JkbPahoReport *jkb_paho_take_reports (JkbPaho *paho);
void jkb_paho_report_free (JkbPahoReport *report);

/* Both report JKB_PAHO_REFUSED or JKB_PAHO_DISCONNECTED at some time; %FALSE: they will not. */
gboolean jkb_paho_connect (JkbPaho *paho, const char *password);
gboolean jkb_paho_disconnect (JkbPaho *paho);

/* What TLS complained of in the last attempt. */
JkbTlsFault jkb_paho_get_tls_fault (JkbPaho *paho);

/**
 * jkb_paho_send:
 * @delivery: (nullable) (transfer full): for QoS 1; taken only with %JKB_PAHO_SENT
 */
JkbPahoResult jkb_paho_send (JkbPaho *paho, const JkbMessage *message, JkbDelivery *delivery);
void jkb_paho_subscribe (JkbPaho *paho, const char *filter, int qos);
void jkb_paho_unsubscribe (JkbPaho *paho, const char *filter);

G_END_DECLS
