/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The service as a client sees it: the tree, the pace of announcements, alarms, methods.
 */
#include <math.h>
#include <string.h>

#include "core/jkb-error.h"
#include "service-fixture.h"

/* ---- tests: the tree ---- */

static void
test_tree (ServiceFixture *f, gconstpointer interval)
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
test_values (ServiceFixture *f, gconstpointer interval)
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

/* ---- tests: the pace ---- */

static void
test_pace (ServiceFixture *f, gconstpointer interval)
{
  gint64 start_us;

  make_known (f, 1);
  start_us = f->now_us;
  feed_current (f, 1, -11000);
  flush (f);
  assert_changed (f, "Telemetry", 0, "Current DischargingPower Power"); /* at once */

  for (guint i = 0; i < 8; i++) /* a tenth of the interval too early counts as in time */
    {
      f->now_us += SECOND / 10;
      feed_current (f, 1, -12000 - 100 * (gint64) i);
      g_assert_cmpint (flush (f), ==, start_us + SECOND);
    }
  assert_changed (f, "Telemetry", 1, NULL);
  f->now_us += SECOND / 5;
  flush (f);
  assert_changed (f, "Telemetry", 1, "Current DischargingPower Power");

  f->now_us += 5 * SECOND;
  feed_current (f, 1, -12700); /* the same again */
  flush (f);
  assert_changed (f, "Telemetry", 2, NULL);
}

static void
test_pace_zero (ServiceFixture *f, gconstpointer interval)
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
test_urgent (ServiceFixture *f, gconstpointer interval)
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
test_alarm (ServiceFixture *f, gconstpointer interval)
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
test_unknown (ServiceFixture *f, gconstpointer interval)
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
test_offline (ServiceFixture *f, gconstpointer interval)
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
test_forget (ServiceFixture *f, gconstpointer interval)
{
  g_autoptr (GVariant) again = NULL;
  g_autoptr (GError) error = NULL;

  make_known (f, 1);
  call_well (f->client, NAME, BMS, NAME ".Bms", "Forget", NULL);
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
test_forget_twice (ServiceFixture *f, gconstpointer interval)
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
test_reconnect (ServiceFixture *f, gconstpointer interval)
{
  static const char *const calls[][3] = { { ROOT "/bus/garage", NAME ".Bus", "Reconnect" },
                                          { ROOT "/mqtt", NAME ".Mqtt", "Reconnect" },
                                          { ROOT "/mqtt", NAME ".Mqtt", "Republish" } };

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    call_well (f->client, NAME, calls[i][0], calls[i][1], calls[i][2], NULL);
}

static void
test_bus_removed (ServiceFixture *f, gconstpointer interval)
{
  JkbBus *bus = jkb_daemon_find_bus (f->daemon, "garage");

  g_signal_emit_by_name (f->daemon, "bus-removed", bus);
  g_assert_false (has_interface (f, ROOT "/bus/garage", "Bus"));
  g_signal_emit_by_name (f->daemon, "bus-added", bus);
  g_assert_true (has_interface (f, ROOT "/bus/garage", "Bus"));
}

#define add(path, interval, func)                                                                  \
  g_test_add ("/dbus/service/" path, ServiceFixture, interval, service_set_up, func,             \
              service_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_error_quark ();
  add ("tree", "1", test_tree);
  add ("values", "1", test_values);
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
  return g_test_run ();
}
