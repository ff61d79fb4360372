/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inside of the MQTT thread, for its own files only: jkb-mqtt-thread.c (the loop, the
 * connection) and jkb-mqtt-send.c (what is sent, and what waits for that). MQTT thread only.
 */
#pragma once

#include "mqtt/jkb-mqtt-link.h"
#include "mqtt/jkb-pace.h"
#include "mqtt/jkb-paho.h"
#include "mqtt/jkb-rate.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_MQTT_THREAD_WAITING, /* until wait_us, then connects */
  JKB_MQTT_THREAD_CONNECTING,
  JKB_MQTT_THREAD_CONNECTED,
  JKB_MQTT_THREAD_DISCONNECTING
} JkbMqttThreadState;

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
  JkbMqttThreadState state;
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
  JkbRate rate;   /* of messages that are not answered */
  JkbPace past;   /* history messages */
  gint64 stop_us; /* end at the latest; 0: not asked to */
} JkbMqttThread;

/* ---- jkb-mqtt-send.c ---- */

/* Drops what waits and would be made anew after the next connection; keeps that of @topic. */
void
jkb_mqtt_thread_prune (JkbMqttThread *self, const char *topic);

/* Nothing of that connection will be answered any more: what must arrive is sent again. */
void
jkb_mqtt_thread_forget_connection (JkbMqttThread *self);

/* Takes all messages of the main thread; sends or keeps them. */
void
jkb_mqtt_thread_drain_ring (JkbMqttThread *self);

/* Sends what waits and may go. */
void
jkb_mqtt_thread_pump (JkbMqttThread *self);

/* paho is done with a message. */
void
jkb_mqtt_thread_take_delivery (JkbMqttThread *self, JkbDelivery *delivery, gboolean delivered);

G_END_DECLS
