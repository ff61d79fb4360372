/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What goes wrong between us and a broker, as one English sentence that says what to do. Any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  JKB_TLS_FINE,
  JKB_TLS_EXPIRED,
  JKB_TLS_UNTRUSTED,
  JKB_TLS_WRONG_NAME,
  JKB_TLS_BAD_CERTIFICATE,
  JKB_TLS_WANTS_CERTIFICATE, /* the broker wants one of ours, or does not like it */
  JKB_TLS_OTHER
} JkbTlsFault;

/* From OpenSSL's name of an alert. @by_us: we sent it. */
JkbTlsFault jkb_tls_fault_from_alert (const char *alert, gboolean by_us);

/* CONNACK return codes 1..5 of MQTT 3.1.1, NULL for others. */
char *jkb_mqtt_trouble_connack (int code, const char *client_id);

char *jkb_mqtt_trouble_tls (JkbTlsFault fault, const char *host);

/**
 * jkb_mqtt_trouble_diagnose:
 * Tries a plain TCP connection for at most @timeout_ms (plus the resolver's own time) to learn why a
 * broker cannot be reached. Blocks: not for the main thread.
 *
 * Returns: (nullable): NULL when the broker takes connections
 */
char *jkb_mqtt_trouble_diagnose (const char *host, guint port, int timeout_ms);

/* Returns: (nullable): why a file of the configuration cannot be used; NULL or "" is fine. */
char *jkb_mqtt_trouble_file (const char *key, const char *file);

G_END_DECLS
