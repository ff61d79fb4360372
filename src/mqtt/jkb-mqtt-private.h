/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inside of JkbMqtt, for its own files only: jkb-mqtt.c (object, signals, tick), jkb-mqtt-round.c
 * (everything once more, in order), jkb-mqtt-past.c (what the broker had kept), jkb-mqtt-commands.c.
 * Main thread only.
 */
#pragma once

#include "mqtt/jkb-backlog.h"
#include "mqtt/jkb-mqtt.h"
#include "mqtt/jkb-publisher.h"

G_BEGIN_DECLS

/* The order of things after a connect. */
typedef enum
{
  JKB_ROUND_AVAILABILITY,
  JKB_ROUND_DISCOVERY,
  JKB_ROUND_STATE,
  JKB_ROUND_DONE
} JkbRoundStep;

struct _JkbMqtt
{
  GObject parent_instance;

  JkbDaemon *daemon;           /* owns us */
  JkbPublisherContext context; /* its link: NULL while stopped */
  GThread *thread;
  JkbMqttLink *leaving; /* (nullable): of the thread that is saying goodbye */
  GThread *leaving_thread;
  guint leaving_source; /* it has ended */
  guint leaving_timeout;
  gboolean connected;
  gboolean has_run;    /* been started, or found to be switched off */
  gboolean was_away;   /* the broker, since the last connection */
  gboolean met_broker; /* since the start: what it had kept has been looked at */
  char *last_error;
  JkbMqttCounters counters; /* of former runs */

  GHashTable *publishers; /* (element-type JkbBms JkbPublisher) */
  GPtrArray *dirty;       /* (element-type JkbPublisher) with something pending */
  JkbRoundStep step;
  GPtrArray *step_ids; /* BMS of this round */
  guint step_index;    /* the next of them */
  JkbBacklog *backlog;
  GQueue held;         /* of JkbHeldAlarm */
  GQueue commands;     /* that run or wait, see jkb-mqtt-commands.c */
  gint64 refusal_logged_us;
  guint refusals_unlogged;
  char *bridge_document; /* (nullable): what was published last */
  guint again_source;
  guint birth_source;
  guint bridge_source;
};

/* What the broker was told so far was told by this one: the daemon's, but for the moment between a
 * change and jkb_mqtt_reconfigure(). */
static inline const JkbConfig *
jkb_mqtt_config (JkbMqtt *self)
{
  return self->context.config;
}

/* Whether changes are published one by one: connected, and not in the middle of telling all. */
static inline gboolean
jkb_mqtt_is_settled (JkbMqtt *self)
{
  return self->connected && self->step == JKB_ROUND_DONE;
}

/* Ends the MQTT thread without waiting for it; until jkb_mqtt_finish_leaving(), it may still say
 * goodbye. */
void jkb_mqtt_leave (JkbMqtt *self);
void jkb_mqtt_finish_leaving (JkbMqtt *self, int timeout_ms);

/* ---- jkb-mqtt-round.c ---- */

void jkb_mqtt_send_bridge (JkbMqtt *self, JkbMessageKind kind, const char *leaf,
                           const char *text);
void jkb_mqtt_publish_bridge_state (JkbMqtt *self);

/* Nothing when it is what was published last; what is no more is removed. */
void jkb_mqtt_publish_bridge_discovery (JkbMqtt *self);

/* Availability, discovery, state, in this order for all; goes on until the MQTT thread has enough,
 * and again with jkb_mqtt_continue_round(). */
void jkb_mqtt_begin_round (JkbMqtt *self);
void jkb_mqtt_continue_round (JkbMqtt *self);

/* Takes back all that is retained, or discovery alone. */
void jkb_mqtt_clear_all (JkbMqtt *self);
void jkb_mqtt_clear_discovery (JkbMqtt *self);

/* ---- jkb-mqtt-past.c ---- */

/* Asks the broker for the discovery that it kept from before; once per start, before anything is
 * published there. */
void jkb_mqtt_ask_past (JkbMqtt *self);

/* A message that the broker had kept. */
void jkb_mqtt_take_past (JkbMqtt *self, const char *topic, const char *document);

/* ---- jkb-mqtt-commands.c ---- */

/* Subscribes to the command topics, or gives them up. */
void jkb_mqtt_listen_to_commands (JkbMqtt *self, gboolean listen);

/* Returns: whether it was for us to take: it came on a command topic. */
gboolean jkb_mqtt_take_command (JkbMqtt *self, const JkbMqttEvent *event);

G_END_DECLS
