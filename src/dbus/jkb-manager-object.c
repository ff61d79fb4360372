/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The object of the daemon itself, io.github.jkbmsd1.Manager. Main thread only.
 */
#include "dbus/jkb-objects.h"

#include "config.h"
#include "daemon/jkb-reconfigure.h"
#include "dbus/jkb-xml-skeleton.h"
#include "history/jkb-history.h"

static GVariant *
read_version (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (VERSION);
}

static GVariant *
read_text (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  const JkbDaemonConfig *config = &jkb_daemon_peek_config (daemon)->daemon;

  return g_variant_new_string (G_STRUCT_MEMBER (const char *, config, row->offset));
}

static GVariant *
read_clock_synchronized (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (jkb_clock_is_synchronized (object));
}

static GVariant *
read_history_error (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (jkb_history_get_error (jkb_daemon_get_history (daemon)));
}

static GVariant *
read_history_counter (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  JkbHistoryCounters counters;

  jkb_history_get_counters (jkb_daemon_get_history (daemon), &counters);
  return g_variant_new_uint64 (G_STRUCT_MEMBER (guint64, &counters, row->offset));
}

static const JkbXmlProperty properties[] = {
  { "Version", read_version, 0 },
  { "LogLevel", read_text, offsetof (JkbDaemonConfig, log_level), "log-level",
    JKB_SECTION_DAEMON },
  { "Language", read_text, offsetof (JkbDaemonConfig, language), "language", JKB_SECTION_DAEMON },
  { "ClockSynchronized", read_clock_synchronized, 0 },
  { "HistoryError", read_history_error, 0 },
  { "HistoryRecorded", read_history_counter, offsetof (JkbHistoryCounters, recorded) },
  { "HistoryDropped", read_history_counter, offsetof (JkbHistoryCounters, dropped) },
  { "HistorySize", read_history_counter, offsetof (JkbHistoryCounters, bytes) },
  { NULL, NULL, 0 },
};

/* ---- configuration ---- */

static JkbReconfigure *
reconfigure_of (JkbXmlCall *call)
{
  return jkb_daemon_get_reconfigure (jkb_xml_call_get_daemon (call));
}

/* a{sv} to key, text, key, text … NULL. */
static char **
read_options (GVariant *options, GError **error)
{
  g_autoptr (GPtrArray) pairs = g_ptr_array_new_with_free_func (g_free);
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;
      const JkbOption *option = jkb_section_find_option (JKB_SECTION_BUS, key);
      char *text = option != NULL ? jkb_option_text_from_variant (option, owned, error)
                                  : g_strdup (""); /* the edit says what is wrong with it */

      if (text == NULL)
        return NULL;
      g_ptr_array_add (pairs, g_strdup (key));
      g_ptr_array_add (pairs, text);
    }
  g_ptr_array_add (pairs, NULL);
  return (char **) g_ptr_array_steal (pairs, NULL);
}

static void
on_bus_added (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbXmlCall *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL;
  const char *name;

  g_variant_get_child (
      g_dbus_method_invocation_get_parameters (jkb_xml_call_get_invocation (call)), 0, "&s", &name);
  path = g_strconcat (JKB_DBUS_PATH "/bus/", name, NULL);
  if (jkb_reconfigure_finish (result, &error))
    jkb_xml_call_answer (call, g_variant_new ("(o)", path), NULL);
  else
    jkb_xml_call_answer (call, NULL, error);
}

static void
begin_add_bus (JkbXmlCall *call, GVariant *parameters)
{
  g_autoptr (GVariant) options = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) pairs = NULL;
  const char *name, *uri;

  g_variant_get (parameters, "(&s&s@a{sv})", &name, &uri, &options);
  pairs = read_options (options, &error);
  if (pairs == NULL)
    jkb_xml_call_answer (call, NULL, error);
  else
    jkb_reconfigure_add_bus_async (reconfigure_of (call), name, uri,
                                   (const char *const *) pairs, on_bus_added, call);
}

static void
begin_remove_bus (JkbXmlCall *call, GVariant *parameters)
{
  const char *name;

  g_variant_get (parameters, "(&s)", &name);
  jkb_reconfigure_remove_bus_async (reconfigure_of (call), name, jkb_xml_call_on_reconfigured,
                                    call);
}

static void
begin_reload (JkbXmlCall *call, GVariant *parameters)
{
  jkb_reconfigure_reload_async (reconfigure_of (call), jkb_xml_call_on_reconfigured, call);
}

static void
begin_set_config (JkbXmlCall *call, GVariant *parameters)
{
  const char *group, *key, *text;

  g_variant_get (parameters, "(&s&s&s)", &group, &key, &text);
  jkb_reconfigure_set_async (reconfigure_of (call), group, key, text,
                             jkb_xml_call_on_reconfigured, call);
}

static void
begin_reset_config (JkbXmlCall *call, GVariant *parameters)
{
  const char *group, *key;

  g_variant_get (parameters, "(&s&s)", &group, &key);
  jkb_reconfigure_reset_async (reconfigure_of (call), group, key, jkb_xml_call_on_reconfigured,
                               call);
}

static gboolean
call_get_config (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
                 GError **error)
{
  GVariant *values = jkb_config_get_values (jkb_daemon_peek_config (daemon));

  *reply = g_variant_new_tuple (&values, 1);
  return TRUE;
}

static gboolean
call_get_config_origins (JkbDaemon *daemon, gpointer object, GVariant *parameters,
                         GVariant **reply, GError **error)
{
  GVariant *origins = jkb_config_get_origins (jkb_daemon_peek_config (daemon));

  *reply = g_variant_new_tuple (&origins, 1);
  return TRUE;
}

static const JkbXmlMethod methods[] = {
  { "AddBus", JKB_ACTION_CONFIGURE, .begin = begin_add_bus },
  { "RemoveBus", JKB_ACTION_CONFIGURE, .begin = begin_remove_bus },
  { "Reload", JKB_ACTION_CONFIGURE, .begin = begin_reload },
  { "GetConfig", NULL, call_get_config },
  { "GetConfigOrigins", NULL, call_get_config_origins },
  { "SetConfig", JKB_ACTION_CONFIGURE, .begin = begin_set_config },
  { "ResetConfig", JKB_ACTION_CONFIGURE, .begin = begin_reset_config },
  { NULL, NULL, NULL },
};

static const JkbXmlInterface manager_interface
    = { JKB_DBUS_NAME ".Manager", properties, methods };

JkbObject *
jkb_manager_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbClock *clock)
{
  JkbObject *self = jkb_object_new (JKB_DBUS_PATH);

  jkb_object_add (self,
                  jkb_xml_skeleton_new (&manager_interface, policy, daemon, G_OBJECT (clock)));
  return self;
}
