/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The MQTT thread. It owns the paho handle and makes every call to it; paho's callbacks copy, push
 * and return. It connects for ever, keeps at most 32 messages unanswered, and sleeps when there is
 * nothing to do. jkb-paho.c is the only file that knows paho.
 */
#pragma once

#include "core/jkb-config.h"
#include "mqtt/jkb-mqtt-link.h"

G_BEGIN_DECLS

typedef struct
{
  const JkbMqttConfig *config;
  const char *client_id;
  const char *will_topic;       /* "online" by the main thread, "offline" here */
  const char *const *accepted;  /* beginnings of topics that are listened to, NULL-terminated */
} JkbMqttThreadOptions;

/* Starts the thread; everything is copied. Free with g_thread_join() or g_thread_unref() after
 * jkb_mqtt_link_request_stop(). */
GThread *jkb_mqtt_thread_start (JkbMqttLink *link, const JkbMqttThreadOptions *options);

G_END_DECLS
