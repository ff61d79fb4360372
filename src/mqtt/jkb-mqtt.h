/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The MQTT mirror, main-thread half: decides what is published when, makes the texts, and hands them
 * to the MQTT thread (jkb-mqtt-thread.h), which alone touches paho. Main thread only.
 */
#pragma once

#include <glib-object.h>

#include "daemon/jkb-daemon.h"

G_BEGIN_DECLS

#define JKB_TYPE_MQTT (jkb_mqtt_get_type ())
G_DECLARE_FINAL_TYPE (JkbMqtt, jkb_mqtt, JKB, MQTT, GObject)

/* Signal "changed": connected or last error are other than before. */

typedef struct
{
  guint64 published; /* messages that the broker or the socket took */
  guint64 dropped;   /* events dropped because queue-max was reached */
  guint queued;      /* messages that wait in the MQTT thread */
  guint64 history_waiting; /* samples that were missed and wait in the history, about */
} JkbMqttCounters;

/* Follows the daemon's and the registry's signals by itself; reads [mqtt] and [homeassistant] of the
 * daemon's configuration at start. */
JkbMqtt *jkb_mqtt_new (JkbDaemon *daemon);

/* Starts the MQTT thread, which connects by itself and for ever. Nothing when not enabled. */
void jkb_mqtt_start (JkbMqtt *self);

/* Publishes "offline", waits at most 2 s for it to be delivered, joins the thread. */
void jkb_mqtt_stop (JkbMqtt *self);

/**
 * jkb_mqtt_tick:
 * Publishes the states that are due.
 *
 * Returns: when the next is due, monotonic µs; G_MAXINT64: none waits
 */
gint64 jkb_mqtt_tick (JkbMqtt *self, gint64 monotonic_us);

/**
 * jkb_mqtt_reconfigure:
 *
 * Follows the daemon's new configuration; the one before must live until it returns. What can be
 * changed in place is; for the rest the broker is left (which is told so: "offline", or with another
 * prefix all that was retained is cleared) and connected to anew.
 */
void jkb_mqtt_reconfigure (JkbMqtt *self);

/* Closes the connection and opens it anew, or tries at once when there is none. */
void jkb_mqtt_reconnect (JkbMqtt *self);

/* Everything once more, as after a connect. */
void jkb_mqtt_republish (JkbMqtt *self);

gboolean jkb_mqtt_get_connected (JkbMqtt *self);
const char *jkb_mqtt_get_last_error (JkbMqtt *self); /* "" when all is well */
void jkb_mqtt_get_counters (JkbMqtt *self, JkbMqttCounters *counters);

/* Last moment the MQTT thread was known to be alive, for the watchdog; monotonic µs. A thread with
 * nothing to do sleeps: the call asks it for a sign of life, and returns since when it owes one. */
gint64 jkb_mqtt_get_beat (JkbMqtt *self);

G_END_DECLS
