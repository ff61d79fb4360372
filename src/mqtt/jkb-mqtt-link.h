/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The crossing between the main thread and the MQTT thread: a ring of messages one way, a list of
 * events the other way, an eventfd each. Nothing else is shared. A full ring never blocks: what does
 * not fit waits on the main thread's side, newest-wins or bounded, and what is lost is counted.
 */
#pragma once

#include "mqtt/jkb-message.h"
#include "queue/jkb-mpsc.h"

G_BEGIN_DECLS

/* Main makes no new bulk (discovery) while the MQTT thread holds more than this. */
#define JKB_MQTT_HIGH_WATER (256 * 1024)
#define JKB_MQTT_LOW_WATER (64 * 1024)

typedef enum
{
  JKB_MQTT_CONNECTED,
  JKB_MQTT_DISCONNECTED, /* text: why */
  JKB_MQTT_REFUSED,      /* a connection could not be made; text: why */
  JKB_MQTT_ARRIVED,      /* text: topic; payload */
  JKB_MQTT_LOW           /* room for more, after jkb_mqtt_link_is_full() said no */
} JkbMqttEventKind;

typedef struct
{
  JkbMpscNode node;
  JkbMqttEventKind kind;
  gboolean retained; /* an old message that the broker had kept */
  char *text;
  char *payload; /* NUL-terminated */
  gsize size;
  gint64 heard_us; /* when the broker last answered by then, monotonic; 0: never */
} JkbMqttEvent;

typedef void (*JkbMqttEventFunc) (const JkbMqttEvent *event, gpointer user_data);

typedef struct _JkbMqttLink JkbMqttLink;

/* One reference each for the main thread and the MQTT thread. */
JkbMqttLink *jkb_mqtt_link_new (guint events_max);
JkbMqttLink *jkb_mqtt_link_ref (JkbMqttLink *link);
void jkb_mqtt_link_unref (JkbMqttLink *link);

/* ---- main thread ---- */

/* Calls @func on the default main context for every event, until detached. */
void jkb_mqtt_link_attach (JkbMqttLink *link, JkbMqttEventFunc func, gpointer user_data);
void jkb_mqtt_link_detach (JkbMqttLink *link);

/* @message: (transfer full). Takes effect with the next flush. */
void jkb_mqtt_link_send (JkbMqttLink *link, JkbMessage *message);

/* As above, a %JKB_MESSAGE_HISTORY: @number is 1 for the first, and one more for each. */
void jkb_mqtt_link_send_history (JkbMqttLink *link, JkbMessage *message, guint64 number);

/* The number up to which the broker has acknowledged history, but for what failed on the way: ask
 * for that second. What was sent over a connection that is gone may be in neither. */
guint64 jkb_mqtt_link_get_told (JkbMqttLink *link);
guint64 jkb_mqtt_link_get_untold (JkbMqttLink *link);

/* When the broker last answered; monotonic µs, 0: never. */
gint64 jkb_mqtt_link_get_heard (JkbMqttLink *link);

/* Wakes the MQTT thread when something was sent since the last flush. */
void jkb_mqtt_link_flush (JkbMqttLink *link);

/* Whether bulk has to wait; then a JKB_MQTT_LOW event comes. */
gboolean jkb_mqtt_link_is_full (JkbMqttLink *link);

/* Asks the MQTT thread to end, and waits for jkb_mqtt_link_set_done(). */
void jkb_mqtt_link_request_stop (JkbMqttLink *link);
gboolean jkb_mqtt_link_wait_done (JkbMqttLink *link, int timeout_ms);

/* Readable when the MQTT thread has ended. */
int jkb_mqtt_link_get_done_fd (JkbMqttLink *link);

/* Asks the thread for a sign of life, as one with nothing to do gives none by itself. Returns: when
 * it was last known to live, or since when it owes an answer. */
gint64 jkb_mqtt_link_get_beat (JkbMqttLink *link);

guint64 jkb_mqtt_link_get_published (JkbMqttLink *link);
guint64 jkb_mqtt_link_get_dropped (JkbMqttLink *link);
guint jkb_mqtt_link_get_queued (JkbMqttLink *link);

/* ---- MQTT thread ---- */

int jkb_mqtt_link_get_fd (JkbMqttLink *link);

/* Any thread: makes that fd readable. */
void jkb_mqtt_link_wake (JkbMqttLink *link);

/* A sign of life, and until then no other is owed, as a call may take that long; 0: it is over. */
void jkb_mqtt_link_excuse (JkbMqttLink *link, gint64 until_us);

/* Reads the fd and gives the sign of life. Drain after this, not before. */
void jkb_mqtt_link_clear (JkbMqttLink *link);

/* Returns: (nullable) (transfer full) */
JkbMessage *jkb_mqtt_link_receive (JkbMqttLink *link);

/* A message is gone: delivered, given to the socket (@published), or not wanted any more. */
void jkb_mqtt_link_account (JkbMqttLink *link, gsize cost, gboolean published);
void jkb_mqtt_link_count_dropped (JkbMqttLink *link);

/* The broker answered just now. */
void jkb_mqtt_link_hear (JkbMqttLink *link);

/* What became of a history message. */
void jkb_mqtt_link_tell (JkbMqttLink *link, guint64 number, gboolean delivered);

/* @text, @payload: (transfer full) (nullable) */
void jkb_mqtt_link_report (JkbMqttLink *link, JkbMqttEventKind kind, char *text, char *payload,
                           gsize size, gboolean retained);

/**
 * jkb_mqtt_link_reserve:
 * Any thread: makes room for a message that arrived, until the main thread is done with the
 * %JKB_MQTT_ARRIVED that tells of it.
 *
 * Returns: %FALSE: there are too many already, and it is to be dropped
 */
gboolean jkb_mqtt_link_reserve (JkbMqttLink *link, const char *topic, gsize size);

gboolean jkb_mqtt_link_must_stop (JkbMqttLink *link);
void jkb_mqtt_link_set_done (JkbMqttLink *link);

G_END_DECLS
