/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The forms that texts of the configuration must have: names, URIs, topics, lists of addresses. No
 * I/O; any thread. An error continues the sentence "KEY=VALUE …".
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_MAX_ADDRESS 15

typedef enum
{
  JKB_SCHEME_SERIAL,
  JKB_SCHEME_TCP,
  JKB_SCHEME_REPLAY
} JkbScheme;

/* A bus URI in its parts. */
typedef struct
{
  JkbScheme scheme;
  char *path; /* serial, replay */
  char *host; /* tcp; without the brackets of an IPv6 address */
  guint port;
} JkbBusUri;

JkbBusUri *jkb_bus_uri_parse (const char *uri, GError **error);
void jkb_bus_uri_free (JkbBusUri *uri);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbBusUri, jkb_bus_uri_free)

/* @host: (out) (transfer full): without brackets. @port is the scheme's usual one when not given. */
gboolean jkb_mqtt_uri_parse (const char *uri, gboolean *tls, char **host, guint *port,
                             GError **error);

/* "garage_1" is address 1 of bus "garage". @bus: (out) (transfer full) (optional) */
gboolean jkb_bms_id_parse (const char *id, char **bus, guint *address, GError **error);

/* "auto" or "0,1,4-7": bit n of @mask (out) (optional) is address n. */
gboolean jkb_addresses_parse (const char *text, guint16 *mask, GError **error);

/* [a-z][a-z0-9]{0,15}, for buses and banks. */
gboolean jkb_form_bus_name (const char *text, GError **error);

gboolean jkb_form_bus_uri (const char *text, GError **error);
gboolean jkb_form_mqtt_uri (const char *text, GError **error);
gboolean jkb_form_addresses (const char *text, GError **error);
gboolean jkb_form_members (const char *text, GError **error);
gboolean jkb_form_topic (const char *text, GError **error);
gboolean jkb_form_instance (const char *text, GError **error);
gboolean jkb_form_name (const char *text, GError **error);
gboolean jkb_form_client_id (const char *text, GError **error);
gboolean jkb_form_printable (const char *text, GError **error);
gboolean jkb_form_path (const char *text, GError **error);
gboolean jkb_form_credential (const char *text, GError **error);

/**
 * jkb_form_show:
 *
 * Returns: @text fit for a message: control characters replaced, shortened, and what stands before
 *   an @ after "scheme:" left out, for it may be a password
 */
char *jkb_form_show (const char *text);

/* A number with as many decimals as it needs, in the C locale. */
char *jkb_form_number (double value);

/* Decimal digits, a point, decimal digits; nothing else. */
gboolean jkb_form_is_decimal (const char *text);

G_END_DECLS
