/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The object of the MQTT mirror, io.github.jkbmsd1.Mqtt. Main thread only.
 */
#include "dbus/jkb-objects.h"

#include "daemon/jkb-reconfigure.h"
#include "dbus/jkb-xml-skeleton.h"

static const JkbMqttConfig *
peek_config (JkbDaemon *daemon)
{
  return &jkb_daemon_peek_config (daemon)->mqtt;
}

static GVariant *
read_enabled (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (peek_config (daemon)->enabled);
}

static GVariant *
read_text (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  const char *text = G_STRUCT_MEMBER (const char *, peek_config (daemon), row->offset);

  return g_variant_new_string (text != NULL ? text : "");
}

static GVariant *
read_seconds (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_double (G_STRUCT_MEMBER (double, peek_config (daemon), row->offset));
}

static GVariant *
read_discovery_prefix (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_daemon_peek_config (daemon)->homeassistant.prefix);
}

static GVariant *
read_connected (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (jkb_mqtt_get_connected (object));
}

static GVariant *
read_last_error (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_mqtt_get_last_error (object));
}

static GVariant *
read_counter (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  JkbMqttCounters counters;

  jkb_mqtt_get_counters (object, &counters);
  return g_variant_new_uint64 (G_STRUCT_MEMBER (guint64, &counters, row->offset));
}

static GVariant *
read_queued (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  JkbMqttCounters counters;

  jkb_mqtt_get_counters (object, &counters);
  return g_variant_new_uint32 (counters.queued);
}

#define CONFIG(member) offsetof (JkbMqttConfig, member)
#define COUNTER(member) offsetof (JkbMqttCounters, member)

static const JkbXmlProperty properties[] = {
  { "Enabled", read_enabled, 0, "enabled", JKB_SECTION_MQTT },
  { "Uri", read_text, CONFIG (uri), "uri", JKB_SECTION_MQTT },
  { "Username", read_text, CONFIG (username), "username", JKB_SECTION_MQTT },
  { "TopicPrefix", read_text, CONFIG (topic_prefix), "topic-prefix", JKB_SECTION_MQTT },
  { "DiscoveryPrefix", read_discovery_prefix, 0, "prefix", JKB_SECTION_HOMEASSISTANT },
  { "ClientId", read_text, CONFIG (client_id), "client-id", JKB_SECTION_MQTT },
  { "CaFile", read_text, CONFIG (ca_file), "ca-file", JKB_SECTION_MQTT },
  { "CertFile", read_text, CONFIG (cert_file), "cert-file", JKB_SECTION_MQTT },
  { "KeyFile", read_text, CONFIG (key_file), "key-file", JKB_SECTION_MQTT },
  { "Interval", read_seconds, CONFIG (interval), "interval", JKB_SECTION_MQTT },
  { "CellsInterval", read_seconds, CONFIG (cells_interval), "cells-interval", JKB_SECTION_MQTT },
  { "Connected", read_connected, 0 },
  { "LastError", read_last_error, 0 },
  { "Published", read_counter, COUNTER (published) },
  { "Dropped", read_counter, COUNTER (dropped) },
  { "Queued", read_queued, 0 },
  { "HistoryWaiting", read_counter, COUNTER (history_waiting) },
  { NULL, NULL, 0 },
};

static gboolean
call_reconnect (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
                GError **error)
{
  jkb_mqtt_reconnect (object);
  return TRUE;
}

static gboolean
call_republish (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
                GError **error)
{
  jkb_mqtt_republish (object);
  return TRUE;
}

static void
begin_set_password (JkbXmlCall *call, GVariant *parameters)
{
  const char *password;

  g_variant_get (parameters, "(&s)", &password);
  jkb_reconfigure_set_password_async (jkb_daemon_get_reconfigure (jkb_xml_call_get_daemon (call)),
                                      password, jkb_xml_call_on_reconfigured, call);
}

static const JkbXmlMethod methods[] = {
  { "Reconnect", JKB_ACTION_CONFIGURE, call_reconnect },
  { "Republish", JKB_ACTION_CONFIGURE, call_republish },
  { "SetPassword", JKB_ACTION_CONFIGURE, .begin = begin_set_password },
  { NULL, NULL, NULL },
};

static const JkbXmlInterface mqtt_interface = { JKB_DBUS_NAME ".Mqtt", properties, methods };

JkbObject *
jkb_mqtt_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbMqtt *mqtt)
{
  JkbObject *self = jkb_object_new (JKB_DBUS_PATH "/mqtt");

  jkb_object_add (self, jkb_xml_skeleton_new (&mqtt_interface, policy, daemon, G_OBJECT (mqtt)));
  return self;
}
