/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The object of an RS485 bus, io.github.jkbmsd1.Bus. Main thread only.
 */
#include "dbus/jkb-objects.h"

#include "dbus/jkb-xml-skeleton.h"

/* ---- what is configured: the members of JkbBusConfig ---- */

static GVariant *
read_text (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  const char *text = G_STRUCT_MEMBER (const char *, jkb_bus_peek_config (object), row->offset);

  return g_variant_new_string (text != NULL ? text : "");
}

static GVariant *
read_seconds (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_double (
      G_STRUCT_MEMBER (double, jkb_bus_peek_config (object), row->offset));
}

static GVariant *
read_baud (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_uint32 (jkb_bus_peek_config (object)->baud);
}

static GVariant *
read_enabled (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (jkb_bus_peek_config (object)->enabled);
}

static GVariant *
read_mode (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_mode_name (jkb_bus_peek_config (object)->mode));
}

/* ---- how it is ---- */

static GVariant *
read_role (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_role_name (jkb_bus_get_role (object)));
}

static GVariant *
read_state (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_link_state_name (jkb_bus_get_state (object)));
}

static GVariant *
read_last_error (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_bus_get_last_error (object));
}

static GVariant *
read_writable (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (jkb_bus_get_writable (object));
}

static GVariant *
read_health_score (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  g_autofree char *reason = NULL;

  return g_variant_new_uint32 (jkb_bus_get_health (object, g_get_monotonic_time (), &reason));
}

static GVariant *
read_health_reason (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  char *reason = NULL;

  jkb_bus_get_health (object, g_get_monotonic_time (), &reason);
  return g_variant_new_take_string (reason);
}

static GVariant *
read_counter (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  JkbBusCounters counters;

  jkb_bus_get_counters (object, &counters);
  return g_variant_new_uint64 (G_STRUCT_MEMBER (guint64, &counters, row->offset));
}

#define CONFIG(member) offsetof (JkbBusConfig, member)
#define COUNTER(member) offsetof (JkbBusCounters, member)

static const JkbXmlProperty properties[] = {
  { "Name", read_text, CONFIG (name) },
  { "Enabled", read_enabled, 0 },
  { "Uri", read_text, CONFIG (uri) },
  { "Baud", read_baud, 0 },
  { "Mode", read_mode, 0 },
  { "Addresses", read_text, CONFIG (addresses) },
  { "ListenBeforeTalk", read_seconds, CONFIG (listen_before_talk) },
  { "PollInterval", read_seconds, CONFIG (poll_interval) },
  { "SettingsInterval", read_seconds, CONFIG (settings_interval) },
  { "InfoInterval", read_seconds, CONFIG (info_interval) },
  { "CommandGap", read_seconds, CONFIG (command_gap) },
  { "ReplyTimeout", read_seconds, CONFIG (reply_timeout) },
  { "OfflineAfter", read_seconds, CONFIG (offline_after) },
  { "ReconnectMin", read_seconds, CONFIG (reconnect_min) },
  { "ReconnectMax", read_seconds, CONFIG (reconnect_max) },
  { "NoDataTimeout", read_seconds, CONFIG (no_data_timeout) },
  { "Role", read_role, 0 },
  { "State", read_state, 0 },
  { "LastError", read_last_error, 0 },
  { "Writable", read_writable, 0 },
  { "HealthScore", read_health_score, 0 },
  { "HealthReason", read_health_reason, 0 },
  { "BytesReceived", read_counter, COUNTER (bytes_received) },
  { "FramesReceived", read_counter, COUNTER (frames_received) },
  { "RequestsSeen", read_counter, COUNTER (requests_seen) },
  { "ChecksumErrors", read_counter, COUNTER (checksum_errors) },
  { "AckErrors", read_counter, COUNTER (ack_errors) },
  { "UnattributedFrames", read_counter, COUNTER (unattributed_frames) },
  { "Resyncs", read_counter, COUNTER (resyncs) },
  { "Overruns", read_counter, COUNTER (overruns) },
  { "Reconnects", read_counter, COUNTER (reconnects) },
  { NULL, NULL, 0 },
};

static gboolean
call_reconnect (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
                GError **error)
{
  jkb_bus_reconnect (object);
  return TRUE;
}

static gboolean
call_scan (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
           GError **error)
{
  return jkb_bus_scan (object, error);
}

static const JkbXmlMethod methods[] = {
  { "Reconnect", JKB_ACTION_CONFIGURE, call_reconnect },
  { "Scan", JKB_ACTION_CONFIGURE, call_scan },
  { NULL, NULL, NULL },
};

static const JkbXmlInterface bus_interface = { JKB_DBUS_NAME ".Bus", properties, methods };

JkbObject *
jkb_bus_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbBus *bus)
{
  g_autofree char *path = g_strconcat (JKB_DBUS_PATH "/bus/", jkb_bus_get_name (bus), NULL);
  JkbObject *self = jkb_object_new (path);

  jkb_object_add (self, jkb_xml_skeleton_new (&bus_interface, policy, daemon, G_OBJECT (bus)));
  return self;
}
