/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The object of an RS485 bus, io.github.jkbmsd1.Bus. Main thread only.
 */
#include "dbus/jkb-objects.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

#include "core/jkb-error.h"
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
  { "Enabled", read_enabled, 0, "enabled", JKB_SECTION_BUS },
  { "Uri", read_text, CONFIG (uri), "uri", JKB_SECTION_BUS },
  { "Baud", read_baud, 0, "baud", JKB_SECTION_BUS },
  { "Mode", read_mode, 0, "mode", JKB_SECTION_BUS },
  { "Addresses", read_text, CONFIG (addresses), "addresses", JKB_SECTION_BUS },
  { "ListenBeforeTalk", read_seconds, CONFIG (listen_before_talk), "listen-before-talk", JKB_SECTION_BUS },
  { "PollInterval", read_seconds, CONFIG (poll_interval), "poll-interval", JKB_SECTION_BUS },
  { "SettingsInterval", read_seconds, CONFIG (settings_interval), "settings-interval", JKB_SECTION_BUS },
  { "InfoInterval", read_seconds, CONFIG (info_interval), "info-interval", JKB_SECTION_BUS },
  { "CommandGap", read_seconds, CONFIG (command_gap), "command-gap", JKB_SECTION_BUS },
  { "ReplyTimeout", read_seconds, CONFIG (reply_timeout), "reply-timeout", JKB_SECTION_BUS },
  { "OfflineAfter", read_seconds, CONFIG (offline_after), "offline-after", JKB_SECTION_BUS },
  { "ReconnectMin", read_seconds, CONFIG (reconnect_min), "reconnect-min", JKB_SECTION_BUS },
  { "ReconnectMax", read_seconds, CONFIG (reconnect_max), "reconnect-max", JKB_SECTION_BUS },
  { "NoDataTimeout", read_seconds, CONFIG (no_data_timeout), "no-data-timeout", JKB_SECTION_BUS },
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

/* The message keeps the descriptor that it brought; the capture gets its own. */
static gboolean
start_capture (JkbXmlCall *call, GVariant *parameters, GError **error)
{
  GDBusMessage *message
      = g_dbus_method_invocation_get_message (jkb_xml_call_get_invocation (call));
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (message);
  gint32 handle = 0;
  int fd = -1;

  g_variant_get (parameters, "(h)", &handle);
  if (fds != NULL && handle >= 0 && handle < g_unix_fd_list_get_length (fds))
    fd = g_unix_fd_list_get (fds, handle, NULL);
  if (fd < 0)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                         "the call brings no file; pass an open one");
  else if (jkb_bus_start_capture (jkb_xml_call_get_object (call), fd, error))
    return TRUE;
  else
    close (fd);
  return FALSE;
}

static void
begin_start_capture (JkbXmlCall *call, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;

  start_capture (call, parameters, &error);
  jkb_xml_call_answer (call, NULL, error);
}

static void
on_capture_stopped (GObject *bus, GAsyncResult *result, gpointer call)
{
  g_autoptr (GError) error = NULL;

  jkb_bus_stop_capture_finish (JKB_BUS (bus), result, &error);
  jkb_xml_call_answer (call, NULL, error);
}

static void
begin_stop_capture (JkbXmlCall *call, GVariant *parameters)
{
  jkb_bus_stop_capture_async (jkb_xml_call_get_object (call), on_capture_stopped, call);
}

static const JkbXmlMethod methods[] = {
  { "Reconnect", JKB_ACTION_CONFIGURE, call_reconnect },
  { "StartCapture", JKB_ACTION_CONFIGURE, .begin = begin_start_capture },
  { "StopCapture", JKB_ACTION_CONFIGURE, .begin = begin_stop_capture },
  { "Scan", JKB_ACTION_CONFIGURE, call_scan },
  { NULL, NULL, NULL },
};

static const char *
get_name (gpointer object)
{
  return jkb_bus_get_name (object);
}

static const JkbXmlInterface bus_interface
    = { JKB_DBUS_NAME ".Bus", properties, methods, get_name };

JkbObject *
jkb_bus_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbBus *bus)
{
  g_autofree char *path = g_strconcat (JKB_DBUS_PATH "/bus/", jkb_bus_get_name (bus), NULL);
  JkbObject *self = jkb_object_new (path);

  jkb_object_add (self, jkb_xml_skeleton_new (&bus_interface, policy, daemon, G_OBJECT (bus)));
  return self;
}
