/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The service as a client sees it: a daemon without ports, frames made by hand, a private D-Bus
 * daemon that comes and goes.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "core/jkb-error.h"
#include "dbus-fixture.h"
#include "dbus/jkb-service.h"
#include "wire/jkb-frame.h"

#define NAME "io.github.jkbmsd1"
#define ROOT "/io/github/jkbmsd1"
#define BMS ROOT "/bms/garage_1"
#define SECOND G_GINT64_CONSTANT (1000000)

typedef struct
{
  PrivateBus bus;
  char *config_file;
  JkbDaemon *daemon;
  JkbRegistry *registry;
  JkbMqtt *mqtt;
  JkbService *service;
  GDBusConnection *client;
  Signals signals;
  guint ready;
  gint64 now_us; /* the tick's clock */
} Fixture;

/* ---- frames by hand ---- */

static void
put (JkbFrame *frame, JkbFieldId id, gint64 raw)
{
  const JkbField *field = &jkb_fields[id];

  for (guint i = 0; i < jkb_field_width (field); i++)
    frame->data[field->offset + i] = (guint8) (raw >> (8 * i));
}

static JkbFrame
frame_of (JkbFrameType type, guint8 address)
{
  JkbFrame frame = { .monotonic_us = g_get_monotonic_time (),
                     .realtime_us = g_get_real_time (),
                     .address = address,
                     .evidence = JKB_EVIDENCE_ACK,
                     .type = type };

  memcpy (frame.data, "\x55\xAA\xEB\x90", 4);
  frame.data[JKB_FRAME_TYPE] = (guint8) type;
  return frame;
}

static JkbFrame
live_frame (guint8 address)
{
  JkbFrame frame = frame_of (JKB_FRAME_LIVE, address);

  for (guint cell = 0; cell < 4; cell++)
    frame.data[6 + 2 * cell] = 3300 & 0xff, frame.data[7 + 2 * cell] = 3300 >> 8;
  frame.data[70] = 0x0f; /* the cells that are enabled */
  put (&frame, JKB_FIELD_TOTAL_VOLTAGE, 13200);
  put (&frame, JKB_FIELD_CURRENT, -10000);
  put (&frame, JKB_FIELD_MOSFET_TEMPERATURE, 250);
  put (&frame, JKB_FIELD_TEMPERATURE_SENSOR_1, 200);
  put (&frame, JKB_FIELD_STATE_OF_CHARGE, 50);
  put (&frame, JKB_FIELD_CAPACITY_REMAINING, 50000);
  put (&frame, JKB_FIELD_FULL_CHARGE_CAPACITY, 100000);
  put (&frame, JKB_FIELD_CHARGING, 1);
  put (&frame, JKB_FIELD_DISCHARGING, 1);
  frame.data[214] = 0xff; /* sensors that are present */
  return frame;
}

static void
feed (Fixture *f, const JkbFrame *frame)
{
  jkb_registry_feed (f->registry, "garage", frame);
}

/* What the daemon does with a batch of frames. Returns: when the service wants the next tick. */
static gint64
flush (Fixture *f)
{
  jkb_registry_flush (f->registry);
  return jkb_service_tick (f->service, f->now_us);
}

static void
feed_current (Fixture *f, guint8 address, gint64 milliamperes)
{
  JkbFrame frame = live_frame (address);

  put (&frame, JKB_FIELD_CURRENT, milliamperes);
  feed (f, &frame);
}

static void
make_known (Fixture *f, guint8 address)
{
  for (guint i = 0; i < 3; i++)
    feed_current (f, address, -10000);
  flush (f);
  f->now_us += 10 * SECOND; /* quiet again */
  if (f->client == NULL)
    return;
  settle (f->client);
  signals_clear (&f->signals);
}

/* ---- fixture ---- */

static const char config_text[] = "[daemon]\n"
                                  "dbus-interval=%s\n"
                                  "[bus garage]\n"
                                  "uri=tcp:127.0.0.1:9\n"
                                  "enabled=false\n"
                                  "poll-interval=2.5\n"
                                  "addresses=0-4\n"
                                  "[bms garage_2]\n"
                                  "name=Left rack\n"
                                  "[mqtt]\n"
                                  "enabled=false\n"
                                  "uri=mqtt://broker.example\n";

static gboolean
on_ready (gpointer user_data)
{
  Fixture *f = user_data;

  f->ready++;
  return G_SOURCE_REMOVE;
}

static void
make_daemon (Fixture *f, const char *interval)
{
  JkbDaemonOptions options = { .bus_type = G_BUS_TYPE_NONE };
  g_autofree char *text = g_strdup_printf (config_text, interval);
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  JkbConfig *config;

  f->config_file = g_build_filename (f->bus.directory, "jkbmsd.conf", NULL);
  g_assert_true (g_file_set_contents (f->config_file, text, -1, NULL));
  options.config_file = f->config_file;
  config = jkb_config_load (f->config_file, TRUE, NULL, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  f->daemon = jkb_daemon_new (&options, config);
  f->registry = jkb_daemon_get_registry (f->daemon);
  jkb_daemon_start (f->daemon, NULL, NULL);
  f->mqtt = jkb_mqtt_new (f->daemon);
  f->now_us = g_get_monotonic_time () + 100 * SECOND;
}

static void
start_service (Fixture *f)
{
  f->service = jkb_service_new (f->daemon, f->mqtt);
  jkb_service_start (f->service, G_BUS_TYPE_NONE, f->bus.address, on_ready, f);
}

static gboolean
name_is_owned (Fixture *f)
{
  g_autoptr (GVariant) reply = call (f->client, "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                                     "NameHasOwner", g_variant_new ("(s)", NAME), NULL);
  gboolean owned;

  g_variant_get (reply, "(b)", &owned);
  return owned;
}

static void
connect_client (Fixture *f)
{
  f->client = private_bus_connect (&f->bus);
  signals_watch (&f->signals, f->client);
}

static void
drop_client (Fixture *f)
{
  signals_unwatch (&f->signals);
  g_dbus_connection_close_sync (f->client, NULL, NULL);
  g_clear_object (&f->client);
}

static void
set_up (Fixture *f, gconstpointer interval)
{
  private_bus_start (&f->bus);
  make_daemon (f, interval);
  connect_client (f);
  start_service (f);
  wait_until (f->ready > 0);
  settle (f->client);
  flush (f);
  f->now_us += SECOND;
}

static void
tear_down (Fixture *f, gconstpointer interval)
{
  g_assert_cmpuint (f->ready, ==, 1);
  jkb_service_stop (f->service);
  g_object_unref (f->service);
  g_object_unref (f->mqtt);
  jkb_daemon_stop (f->daemon);
  g_object_unref (f->daemon);
  if (f->client != NULL)
    drop_client (f);
  for (guint i = 0; i < 5; i++)
    turn_loop (); /* what was closed is let go */
  g_unlink (f->config_file);
  g_free (f->config_file);
  private_bus_clear (&f->bus);
}

/* ---- reading ---- */

static char *
get_text (Fixture *f, const char *path, const char *interface, const char *property)
{
  g_autoptr (GVariant) value = get_property (f->client, path, interface, property);

  return g_variant_print (value, FALSE);
}

static void
assert_property (Fixture *f, const char *path, const char *interface, const char *property,
                 const char *expected)
{
  g_autofree char *text = get_text (f, path, interface, property);

  g_assert_cmpstr (text, ==, expected);
}

static gboolean
has_interface (Fixture *f, const char *path, const char *interface)
{
  g_autofree char *full = g_strconcat (NAME ".", interface, NULL);
  g_autoptr (GVariant) reply
      = call (f->client, NAME, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL,
              NULL);
  g_autoptr (GVariant) objects = g_variant_get_child_value (reply, 0);
  g_autoptr (GVariant) object = NULL;
  g_autoptr (GVariant) values = NULL;

  /* Keys are object paths: look-up by text does not find them. */
  for (gsize i = 0; i < g_variant_n_children (objects) && object == NULL; i++)
    {
      const char *key;

      g_variant_get_child (objects, i, "{&o@a{sa{sv}}}", &key, &object);
      if (strcmp (key, path) != 0)
        g_clear_pointer (&object, g_variant_unref);
    }
  if (object != NULL)
    values = g_variant_lookup_value (object, full, NULL);
  return values != NULL;
}

/* ---- tests: the tree ---- */

static void
test_tree (Fixture *f, gconstpointer interval)
{
  JkbFrame settings = frame_of (JKB_FRAME_SETTINGS, 1);
  JkbFrame info = frame_of (JKB_FRAME_INFO, 1);

  g_assert_true (has_interface (f, ROOT "/mqtt", "Mqtt"));
  g_assert_true (has_interface (f, ROOT "/bus/garage", "Bus"));
  g_assert_false (has_interface (f, BMS, "Bms"));

  feed_current (f, 1, 0);
  feed_current (f, 1, 0);
  flush (f);
  g_assert_false (has_interface (f, BMS, "Bms")); /* not sure yet */
  feed_current (f, 1, 0);
  flush (f);
  g_assert_true (has_interface (f, BMS, "Bms"));
  g_assert_true (has_interface (f, BMS, "Telemetry"));
  g_assert_false (has_interface (f, BMS, "Settings"));
  g_assert_false (has_interface (f, BMS, "Info"));
  g_assert_cmpuint (signals_count (&f->signals, ROOT, "InterfacesAdded"), ==, 1);

  put (&settings, JKB_FIELD_DEVICE_ADDRESS, 1);
  feed (f, &settings);
  memcpy (info.data + 6, "JK_PB2A16S20P", 13);
  feed (f, &info);
  flush (f);
  g_assert_true (has_interface (f, BMS, "Settings"));
  g_assert_true (has_interface (f, BMS, "Info"));
  g_assert_cmpuint (signals_count (&f->signals, ROOT, "InterfacesAdded"), ==, 3);
  assert_property (f, BMS, "Info", "Model", "'JK_PB2A16S20P'");
  assert_property (f, BMS, "Bms", "Model", "'JK_PB2A16S20P'");
}

static void
test_values (Fixture *f, gconstpointer interval)
{
  g_autofree char *seen = NULL;

  make_known (f, 1);
  make_known (f, 2);
  assert_property (f, ROOT, "Manager", "LogLevel", "'info'");
  assert_property (f, ROOT, "Manager", "Language", "'en'");
  assert_property (f, ROOT "/bus/garage", "Bus", "Name", "'garage'");
  assert_property (f, ROOT "/bus/garage", "Bus", "Uri", "'tcp:127.0.0.1:9'");
  assert_property (f, ROOT "/bus/garage", "Bus", "PollInterval", "2.5");
  assert_property (f, ROOT "/bus/garage", "Bus", "ReplyTimeout", "-1.0");
  assert_property (f, ROOT "/bus/garage", "Bus", "Addresses", "'0-4'");
  assert_property (f, ROOT "/bus/garage", "Bus", "Mode", "'auto'");
  assert_property (f, ROOT "/bus/garage", "Bus", "Role", "'idle'");
  assert_property (f, ROOT "/bus/garage", "Bus", "Enabled", "false");
  assert_property (f, ROOT "/bus/garage", "Bus", "Baud", "115200");
  assert_property (f, ROOT "/mqtt", "Mqtt", "Uri", "'mqtt://broker.example'");
  assert_property (f, ROOT "/mqtt", "Mqtt", "TopicPrefix", "'jkbms'");
  assert_property (f, ROOT "/mqtt", "Mqtt", "DiscoveryPrefix", "'homeassistant'");
  assert_property (f, ROOT "/mqtt", "Mqtt", "Connected", "false");
  assert_property (f, BMS, "Bms", "Bus", "'/io/github/jkbmsd1/bus/garage'");
  assert_property (f, BMS, "Bms", "Address", "1");
  assert_property (f, BMS, "Bms", "Id", "'garage_1'");
  assert_property (f, BMS, "Bms", "Name", "'garage_1'");
  assert_property (f, ROOT "/bms/garage_2", "Bms", "Name", "'Left rack'");
  assert_property (f, BMS, "Bms", "Online", "true");
  assert_property (f, BMS, "Telemetry", "TotalVoltage", "13.199999999999999");
  assert_property (f, BMS, "Telemetry", "Power", "-132.0");
  assert_property (f, BMS, "Telemetry", "StateOfCharge", "50.0");
  seen = get_text (f, BMS, "Bms", "LastSeen");
  g_assert_cmpint (ABS (g_ascii_strtoll (seen, NULL, 10) - g_get_real_time ()), <, 60 * SECOND);
}

/* ---- tests: the public interface, to the letter ---- */

static const struct
{
  const char *path;
  const char *interface;
  const char *properties; /* name:type:how changes are announced (default: with the value) */
  const char *methods;
} interfaces[] = {
  { ROOT, "Manager", "ClockSynchronized:b Language:s LogLevel:s Version:s:const", "" },
  { ROOT "/bus/garage", "Bus",
    "AckErrors:t:false Addresses:s Baud:u BytesReceived:t:false ChecksumErrors:t:false CommandGap:d "
    "Enabled:b FramesReceived:t:false HealthReason:s HealthScore:u InfoInterval:d LastError:s "
    "ListenBeforeTalk:d Mode:s Name:s:const NoDataTimeout:d OfflineAfter:d Overruns:t:false "
    "PollInterval:d ReconnectMax:d ReconnectMin:d Reconnects:t:false ReplyTimeout:d "
    "RequestsSeen:t:false Resyncs:t:false Role:s SettingsInterval:d State:s "
    "UnattributedFrames:t:false Uri:s Writable:b",
    "Reconnect" },
  { ROOT "/mqtt", "Mqtt",
    "CaFile:s CellsInterval:d CertFile:s ClientId:s Connected:b DiscoveryPrefix:s Dropped:t:false "
    "Enabled:b Interval:d KeyFile:s LastError:s Published:t:false Queued:u:false TopicPrefix:s Uri:s "
    "Username:s",
    "Reconnect Republish" },
  { BMS, "Bms",
    "Address:u:const Bus:o:const Id:s:const LastSeen:t:false Model:s Name:s Online:b SerialNumber:s",
    "Forget" },
};

static GDBusNodeInfo *
introspect (Fixture *f, const char *path)
{
  g_autoptr (GVariant) reply = call (f->client, NAME, path, "org.freedesktop.DBus.Introspectable",
                                     "Introspect", NULL, NULL);
  g_autoptr (GError) error = NULL;
  GDBusNodeInfo *node;
  const char *xml;

  g_assert_nonnull (reply);
  g_variant_get (reply, "(&s)", &xml);
  node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return node;
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Takes the strings in @list. */
static char *
sort_and_join (GPtrArray *list)
{
  g_auto (GStrv) texts = NULL;

  g_ptr_array_sort (list, compare_texts);
  g_ptr_array_add (list, NULL);
  texts = (char **) g_ptr_array_free (list, FALSE);
  return g_strjoinv (" ", texts);
}

static char *
describe_properties (GDBusInterfaceInfo *info)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; info->properties[i] != NULL; i++)
    {
      const char *how = g_dbus_annotation_info_lookup (
          info->properties[i]->annotations,
          "org.freedesktop.DBus.Property.EmitsChangedSignal");

      g_ptr_array_add (list, g_strconcat (info->properties[i]->name, ":",
                                          info->properties[i]->signature, how != NULL ? ":" : NULL,
                                          how, NULL));
    }
  return sort_and_join (list);
}

static char *
describe_methods (GDBusInterfaceInfo *info)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    g_ptr_array_add (list, g_strdup (info->methods[i]->name));
  return sort_and_join (list);
}

static void
assert_documented (GDBusAnnotationInfo **annotations)
{
  const char *doc = g_dbus_annotation_info_lookup (annotations, "org.gtk.GDBus.DocString");

  g_assert_nonnull (doc);
  g_assert_true (g_str_has_suffix (doc, "."));
}

static void
assert_interface_documented (GDBusInterfaceInfo *info)
{
  assert_documented (info->annotations);
  for (guint i = 0; info->properties[i] != NULL; i++)
    assert_documented (info->properties[i]->annotations);
  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    assert_documented (info->methods[i]->annotations);
  for (guint i = 0; info->signals != NULL && info->signals[i] != NULL; i++)
    {
      assert_documented (info->signals[i]->annotations);
      for (guint n = 0; info->signals[i]->args[n] != NULL; n++)
        assert_documented (info->signals[i]->args[n]->annotations);
    }
}

/* Every property can be read and has the type that it claims. */
static void
assert_types (Fixture *f, const char *path, GDBusInterfaceInfo *info)
{
  g_autoptr (GVariant) reply = call (f->client, NAME, path, "org.freedesktop.DBus.Properties",
                                     "GetAll", g_variant_new ("(s)", info->name), NULL);
  g_autoptr (GVariant) all = g_variant_get_child_value (reply, 0);

  for (guint i = 0; info->properties[i] != NULL; i++)
    {
      g_autoptr (GVariant) value
          = g_variant_lookup_value (all, info->properties[i]->name,
                                    G_VARIANT_TYPE (info->properties[i]->signature));

      g_assert_nonnull (value);
    }
}

static void
test_interface (Fixture *f, gconstpointer interval)
{
  make_known (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (interfaces); i++)
    {
      g_autofree char *full = g_strconcat (NAME ".", interfaces[i].interface, NULL);
      g_autoptr (GDBusNodeInfo) node = introspect (f, interfaces[i].path);
      GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface (node, full);
      g_autofree char *properties = NULL, *methods = NULL;

      g_assert_nonnull (info);
      properties = describe_properties (info);
      g_assert_cmpstr (properties, ==, interfaces[i].properties);
      methods = describe_methods (info);
      g_assert_cmpstr (methods, ==, interfaces[i].methods);
      assert_interface_documented (info);
      assert_types (f, interfaces[i].path, info);
    }
}

/* ---- tests: the pace ---- */

static void
assert_changed (Fixture *f, const char *interface, guint nth, const char *expected)
{
  g_autofree char *keys = NULL;

  settle (f->client);
  keys = signals_changed_keys (&f->signals, BMS, interface, nth);
  g_assert_cmpstr (keys, ==, expected);
}

static void
test_pace (Fixture *f, gconstpointer interval)
{
  gint64 start_us;

  make_known (f, 1);
  start_us = f->now_us;
  feed_current (f, 1, -11000);
  flush (f);
  assert_changed (f, "Telemetry", 0, "Current DischargingPower Power"); /* at once */

  for (guint i = 0; i < 9; i++)
    {
      f->now_us += SECOND / 10;
      feed_current (f, 1, -12000 - 100 * (gint64) i);
      g_assert_cmpint (flush (f), ==, start_us + SECOND);
    }
  assert_changed (f, "Telemetry", 1, NULL);
  f->now_us += SECOND / 10;
  flush (f);
  assert_changed (f, "Telemetry", 1, "Current DischargingPower Power");

  f->now_us += 5 * SECOND;
  feed_current (f, 1, -12800); /* the same again */
  flush (f);
  assert_changed (f, "Telemetry", 2, NULL);
}

static void
test_pace_zero (Fixture *f, gconstpointer interval)
{
  make_known (f, 1);
  for (guint i = 0; i < 5; i++)
    {
      feed_current (f, 1, 100 * (gint64) i);
      flush (f);
    }
  settle (f->client);
  g_assert_cmpuint (signals_count (&f->signals, BMS, "PropertiesChanged"), ==, 5);
}

static void
test_urgent (Fixture *f, gconstpointer interval)
{
  JkbFrame frame = live_frame (1);

  make_known (f, 1);
  feed_current (f, 1, -11000);
  flush (f);
  settle (f->client);
  signals_clear (&f->signals);

  put (&frame, JKB_FIELD_CURRENT, -11000);
  put (&frame, JKB_FIELD_DISCHARGING, 0);
  feed (f, &frame);
  jkb_registry_flush (f->registry); /* within the interval, and without a tick */
  assert_changed (f, "Telemetry", 0, "Discharging");
}

static void
test_alarm (Fixture *f, gconstpointer interval)
{
  JkbFrame frame = live_frame (1);
  const Signal *changed, *raised;
  const char *key, *severity;
  guint at_changed, at_raised;

  make_known (f, 1);
  put (&frame, JKB_FIELD_ERRORS_BITMASK, 1 << 4);
  feed (f, &frame);
  flush (f);
  settle (f->client);
  changed = signals_find (&f->signals, BMS, "PropertiesChanged", 0);
  raised = signals_find (&f->signals, BMS, "AlarmRaised", 0);
  g_assert_nonnull (changed);
  g_assert_nonnull (raised);
  g_assert_true (g_ptr_array_find (f->signals.list, changed, &at_changed));
  g_assert_true (g_ptr_array_find (f->signals.list, raised, &at_raised));
  g_assert_cmpuint (at_changed, <, at_raised);
  assert_changed (f, "Telemetry", 0, "Errors ErrorsBitmask");
  g_assert_cmpstr (raised->interface, ==, NAME ".Bms");
  g_variant_get (raised->parameters, "(&s&s)", &key, &severity);
  g_assert_cmpstr (key, ==, "cell_overvoltage");
  g_assert_cmpstr (severity, ==, "protect");
  assert_property (f, BMS, "Telemetry", "Errors", "['cell_overvoltage']");

  feed_current (f, 1, -10000);
  flush (f);
  settle (f->client);
  raised = signals_find (&f->signals, BMS, "AlarmCleared", 0);
  g_assert_nonnull (raised);
  g_variant_get (raised->parameters, "(&s)", &key);
  g_assert_cmpstr (key, ==, "cell_overvoltage");
  assert_property (f, BMS, "Telemetry", "Errors", "[]");
}

static void
test_unknown (Fixture *f, gconstpointer interval)
{
  JkbFrame frame = live_frame (1);
  g_autoptr (GVariant) value = NULL;

  make_known (f, 1);
  put (&frame, JKB_FIELD_STATE_OF_CHARGE, 200); /* cannot be */
  feed (f, &frame);
  flush (f);
  assert_changed (f, "Telemetry", 0, "StateOfCharge Unavailable");
  value = get_property (f->client, BMS, "Telemetry", "StateOfCharge");
  g_assert_true (isnan (g_variant_get_double (value)));
  f->now_us += 10 * SECOND;
  feed (f, &frame);
  flush (f);
  assert_changed (f, "Telemetry", 1, NULL); /* NaN after NaN */
}

static void
test_offline (Fixture *f, gconstpointer interval)
{
  make_known (f, 1);
  jkb_registry_tick (f->registry, f->now_us + 3600 * SECOND);
  f->now_us += SECOND;
  jkb_service_tick (f->service, f->now_us);
  assert_changed (f, "Bms", 0, "Online");
  assert_property (f, BMS, "Bms", "Online", "false");
  assert_property (f, BMS, "Telemetry", "StateOfCharge", "50.0"); /* the last that it told */
}

/* ---- tests: methods and removal ---- */

static void
test_forget (Fixture *f, gconstpointer interval)
{
  g_autoptr (GVariant) reply = NULL, again = NULL;
  g_autoptr (GError) error = NULL;

  make_known (f, 1);
  reply = call (f->client, NAME, BMS, NAME ".Bms", "Forget", NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (signals_count (&f->signals, ROOT, "InterfacesRemoved"), ==, 1);
  g_assert_false (has_interface (f, BMS, "Bms"));
  again = call (f->client, NAME, BMS, NAME ".Bms", "Forget", NULL, &error);
  g_assert_null (again);
  g_assert_true (g_dbus_error_is_remote_error (error));

  make_known (f, 1);
  g_assert_true (has_interface (f, BMS, "Telemetry"));
}

/* Two callers at once: the second finds it gone and is told so. */
static void
test_forget_twice (Fixture *f, gconstpointer interval)
{
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;

  make_known (f, 1);
  g_dbus_connection_call (f->client, NAME, BMS, NAME ".Bms", "Forget", NULL, NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
  reply = call (f->client, NAME, BMS, NAME ".Bms", "Forget", NULL, &error);
  g_assert_null (reply);
  name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, jkb_error_dbus_name (JKB_ERROR_NOT_FOUND));
}

static void
test_reconnect (Fixture *f, gconstpointer interval)
{
  static const char *const calls[][3] = { { ROOT "/bus/garage", NAME ".Bus", "Reconnect" },
                                          { ROOT "/mqtt", NAME ".Mqtt", "Reconnect" },
                                          { ROOT "/mqtt", NAME ".Mqtt", "Republish" } };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) reply
          = call (f->client, NAME, calls[i][0], calls[i][1], calls[i][2], NULL, &error);

      g_assert_no_error (error);
    }
}

static void
test_bus_removed (Fixture *f, gconstpointer interval)
{
  JkbBus *bus = jkb_daemon_find_bus (f->daemon, "garage");

  g_signal_emit_by_name (f->daemon, "bus-removed", bus);
  g_assert_false (has_interface (f, ROOT "/bus/garage", "Bus"));
  g_signal_emit_by_name (f->daemon, "bus-added", bus);
  g_assert_true (has_interface (f, ROOT "/bus/garage", "Bus"));
}

/* ---- tests: the D-Bus daemon comes and goes ---- */

static void
test_restart (Fixture *f, gconstpointer interval)
{
  make_known (f, 1);
  for (guint round = 0; round < 2; round++)
    {
      drop_client (f);
      private_bus_stop (&f->bus);
      for (guint i = 0; i < 20; i++)
        turn_loop ();
      feed_current (f, 1, 5000 + round);
      g_assert_cmpint (flush (f), ==, G_MAXINT64); /* nobody to tell */
      make_known (f, 3 + (guint8) round);

      private_bus_start (&f->bus);
      connect_client (f);
      wait_until (name_is_owned (f));
      g_assert_true (has_interface (f, BMS, "Telemetry"));
      g_assert_true (has_interface (f, ROOT "/bms/garage_3", "Telemetry"));
      assert_property (f, ROOT, "Manager", "LogLevel", "'info'");
      assert_property (f, BMS, "Telemetry", "Current", round == 0 ? "5.0" : "5.0010000000000003");

      f->now_us += 10 * SECOND;
      feed_current (f, 1, -9000 - (gint64) round);
      flush (f);
      assert_changed (f, "Telemetry", 0,
                      "ChargingPower Current DischargingPower Power");
    }
}

static void
test_late_daemon (void)
{
  Fixture f = { 0 };

  private_bus_start (&f.bus);
  private_bus_stop (&f.bus);
  make_daemon (&f, "1");
  start_service (&f);
  wait_until (f.ready > 0); /* goes on without */
  private_bus_start (&f.bus);
  connect_client (&f);
  wait_until (name_is_owned (&f));
  g_assert_true (has_interface (&f, ROOT "/bus/garage", "Bus"));
  tear_down (&f, NULL);
}

static void
test_name_taken (void)
{
  Fixture f = { 0 };
  GDBusConnection *other;

  private_bus_start (&f.bus);
  make_daemon (&f, "1");
  connect_client (&f);
  other = private_bus_connect (&f.bus);
  g_variant_unref (call (other, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
                         g_variant_new ("(su)", NAME, 0), NULL));
  start_service (&f);
  wait_until (f.ready > 0);
  g_dbus_connection_close_sync (other, NULL, NULL);
  g_object_unref (other);
  wait_until (name_is_owned (&f));
  assert_property (&f, ROOT, "Manager", "LogLevel", "'info'");
  tear_down (&f, NULL);
}

/* Stopping before the connection stands must not leave anything behind. */
static void
test_stop_early (void)
{
  Fixture f = { .ready = 1 };

  private_bus_start (&f.bus);
  make_daemon (&f, "1");
  start_service (&f);
  tear_down (&f, NULL);
}

#define add(path, interval, func)                                                                  \
  g_test_add ("/dbus/service/" path, Fixture, interval, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_error_quark ();
  /* Losing the D-Bus daemon is a warning in the log, and here it is wanted. */
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  add ("tree", "1", test_tree);
  add ("values", "1", test_values);
  add ("interface", "1", test_interface);
  add ("pace/one-second", "1", test_pace);
  add ("pace/zero", "0", test_pace_zero);
  add ("urgent", "1", test_urgent);
  add ("alarm", "1", test_alarm);
  add ("unknown", "1", test_unknown);
  add ("offline", "1", test_offline);
  add ("forget/once", "1", test_forget);
  add ("forget/twice", "1", test_forget_twice);
  add ("reconnect", "1", test_reconnect);
  add ("bus-removed", "1", test_bus_removed);
  add ("restart", "1", test_restart);
  g_test_add_func ("/dbus/service/late-daemon", test_late_daemon);
  g_test_add_func ("/dbus/service/name-taken", test_name_taken);
  g_test_add_func ("/dbus/service/stop-early", test_stop_early);
  return g_test_run ();
}
