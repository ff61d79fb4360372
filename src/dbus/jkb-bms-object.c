/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The object of a BMS: io.github.jkbmsd1.Bms, and Telemetry, Settings and Info from their first
 * frame on. Main thread only.
 */
#include "dbus/jkb-caller.h"
#include "dbus/jkb-objects.h"

#include "core/jkb-error.h"
#include "dbus/jkb-settings-interface.h"
#include "dbus/jkb-table-info.h"
#include "dbus/jkb-table-skeleton.h"
#include "dbus/jkb-xml-skeleton.h"
#include "history/jkb-history.h"
#include "wire/jkb-alarm.h"

#define BMS_INTERFACE JKB_DBUS_NAME ".Bms"

static GVariant *
read_bus (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  g_autofree char *path
      = g_strconcat (JKB_DBUS_PATH "/bus/", jkb_bms_get_bus_name (object), NULL);

  return g_variant_new_object_path (path);
}

static GVariant *
read_address (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_uint32 (jkb_bms_get_address (object));
}

static GVariant *
read_id (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_bms_get_id (object));
}

static GVariant *
read_name (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_bms_get_name (object));
}

static GVariant *
read_online (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (jkb_bms_get_online (object));
}

static GVariant *
read_last_seen (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_uint64 ((guint64) jkb_bms_get_last_seen (object));
}

static GVariant *
read_model (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_bms_get_model (object));
}

static GVariant *
read_serial_number (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_bms_get_serial_number (object));
}

static const JkbXmlProperty properties[] = {
  { "Bus", read_bus, 0 },
  { "Address", read_address, 0 },
  { "Id", read_id, 0 },
  { "Name", read_name, 0, "name", JKB_SECTION_BMS },
  { "Online", read_online, 0 },
  { "LastSeen", read_last_seen, 0 },
  { "Model", read_model, 0 },
  { "SerialNumber", read_serial_number, 0 },
  { NULL, NULL, 0 },
};

/* The registry's "bms-removed" takes the object away before the caller is answered. */
static gboolean
call_forget (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
             GError **error)
{
  g_autofree char *id = g_strdup (jkb_bms_get_id (object));

  if (!jkb_registry_forget (jkb_daemon_get_registry (daemon), id, error))
    return FALSE;
  jkb_history_forget (jkb_daemon_get_history (daemon), id);
  return TRUE;
}

static gboolean
call_refresh (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
              GError **error)
{
  JkbBus *bus = jkb_daemon_find_bus (daemon, jkb_bms_get_bus_name (object));

  if (bus != NULL)
    return jkb_bus_refresh (bus, jkb_bms_get_address (object), error);
  g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "Bus %s is not configured any more",
               jkb_bms_get_bus_name (object));
  return FALSE;
}

/* A point is what a (td) is on the wire: two aligned numbers of 8 bytes. */
G_STATIC_ASSERT (sizeof (JkbHistoryPoint) == 16);

static void
on_history (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbXmlCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = jkb_history_query_finish (JKB_HISTORY (source), result, &error);
  GVariant *history;

  if (points == NULL)
    {
      jkb_xml_call_answer (call, NULL, error);
      return;
    }
  history = g_variant_new_fixed_array (G_VARIANT_TYPE ("(td)"), points->data, points->len,
                                       sizeof (JkbHistoryPoint));
  jkb_xml_call_answer (call, g_variant_new_tuple (&history, 1), NULL);
}

static void
on_asker_known (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbXmlCall *call = user_data;
  JkbHistory *history = jkb_daemon_get_history (jkb_xml_call_get_daemon (call));
  GDBusMethodInvocation *invocation = jkb_xml_call_get_invocation (call);
  g_autoptr (GError) error = NULL;
  guint64 from_us, to_us;
  const char *key;
  guint points;
  guint32 uid;

  if (!jkb_caller_find_uid_finish (result, &uid, &error))
    {
      jkb_xml_call_answer (call, NULL, error);
      return;
    }
  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&sttu)", &key, &from_us,
                 &to_us, &points);
  jkb_history_query_async (history, uid,
                           jkb_bms_get_id (jkb_xml_call_get_object (call)), key,
                           (gint64) MIN (from_us, G_MAXINT64), (gint64) MIN (to_us, G_MAXINT64),
                           points, on_history, call);
}

/* Everybody may ask, so nobody may ask for all. */
static void
begin_get_history (JkbXmlCall *call, GVariant *parameters)
{
  jkb_caller_find_uid_async (jkb_xml_call_get_invocation (call), NULL, on_asker_known, call);
}

static const JkbXmlMethod methods[] = {
  { "Forget", JKB_ACTION_CONFIGURE, call_forget },
  { "Refresh", JKB_ACTION_CONFIGURE, call_refresh },
  { "GetHistory", NULL, .begin = begin_get_history },
  { NULL, NULL, NULL },
};

static const char *
get_name (gpointer object)
{
  return jkb_bms_get_id (object);
}

static const JkbXmlInterface bms_interface = { BMS_INTERFACE, properties, methods, get_name };

JkbObject *
jkb_bms_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbBms *bms)
{
  g_autofree char *path = g_strconcat (JKB_DBUS_PATH "/bms/", jkb_bms_get_id (bms), NULL);
  JkbObject *self = jkb_object_new (path);

  jkb_object_add (self, jkb_xml_skeleton_new (&bms_interface, policy, daemon, G_OBJECT (bms)));
  jkb_bms_object_update (self, bms);
  return self;
}

static const JkbValues *
peek_values (gpointer bms, JkbGroup group)
{
  return jkb_bms_peek_values (bms, group);
}

static void
add_group (JkbObject *self, JkbGroup group, JkbBms *bms)
{
  JkbSkeleton *skeleton = jkb_table_skeleton_new (group, peek_values, G_OBJECT (bms));

  if (group == JKB_GROUP_SETTINGS)
    {
      JkbXmlSkeleton *identity = JKB_XML_SKELETON (jkb_object_find (self, BMS_INTERFACE));

      jkb_settings_interface_serve (skeleton, jkb_xml_skeleton_get_policy (identity),
                                    jkb_xml_skeleton_get_daemon (identity), bms);
    }
  jkb_object_add (self, skeleton);
}

void
jkb_bms_object_update (JkbObject *self, JkbBms *bms)
{
  for (JkbGroup group = JKB_GROUP_LIVE; group < JKB_N_GROUPS; group++)
    if (jkb_bms_peek_values (bms, group) != NULL
        && jkb_object_find (self, jkb_table_interface_name (group)) == NULL)
      add_group (self, group, bms);
}

void
jkb_bms_object_alarm (JkbObject *self, guint bit, gboolean raised, gint64 monotonic_us)
{
  const char *key = jkb_alarm_key (bit);
  const char *severity = jkb_severity_name (jkb_alarm_severity (bit));
  JkbSkeleton *interface = jkb_object_find (self, BMS_INTERFACE);

  jkb_object_flush (self, monotonic_us);
  if (raised)
    jkb_skeleton_emit (interface, "AlarmRaised", g_variant_new ("(ss)", key, severity));
  else
    jkb_skeleton_emit (interface, "AlarmCleared", g_variant_new ("(s)", key));
}
