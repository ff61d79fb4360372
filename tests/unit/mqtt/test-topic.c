/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Topics and payloads, to the letter; alarm events that wait for the clock.
 */
#include "mqtt/jkb-topic.h"

#include <string.h>

#include "config.h"
#include "mqtt-fixture.h"
#include "mqtt/jkb-held-alarms.h"

#define SECOND G_USEC_PER_SEC
#define STAMP (G_GINT64_CONSTANT (1753351629) * SECOND + 45678) /* 2025-07-24 10:07:09.045 */

static void
test_topics (void)
{
  JkbBmsTopics topics;
  g_autofree char *bridge = jkb_topic_bridge ("site/jk", "availability");

  jkb_bms_topics_init (&topics, "site/jk", "garage_1");
  g_assert_cmpstr (topics.availability, ==, "site/jk/garage_1/availability");
  g_assert_cmpstr (topics.state, ==, "site/jk/garage_1/state");
  g_assert_cmpstr (topics.cells, ==, "site/jk/garage_1/cells");
  g_assert_cmpstr (topics.settings, ==, "site/jk/garage_1/settings");
  g_assert_cmpstr (topics.info, ==, "site/jk/garage_1/info");
  g_assert_cmpstr (topics.energy, ==, "site/jk/garage_1/energy");
  g_assert_cmpstr (topics.alarm, ==, "site/jk/garage_1/alarm");
  g_assert_cmpstr (bridge, ==, "site/jk/bridge/availability");
  jkb_bms_topics_clear (&topics);
}

static void
test_stamp (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  jkb_payload_append_stamp (out, STAMP);
  g_string_append_c (out, ' ');
  jkb_payload_append_stamp (out, 0);
  g_string_append_c (out, ' ');
  jkb_payload_append_stamp (out, G_GINT64_CONSTANT (1709164800) * SECOND + 999999);
  g_assert_cmpstr (out->str, ==,
                   "\"2025-07-24T10:07:09.045Z\" null \"2024-02-29T00:00:00.999Z\"");
}

static void
test_stamp_correct (void)
{
  gint64 now_us = STAMP, mono_us = 500 * SECOND;

  /* The clock ran on: the stamp of the frame. A disciplined clock does not move it either. */
  g_assert_cmpint (jkb_stamp_correct (STAMP - SECOND, mono_us - SECOND, now_us, mono_us), ==,
                   STAMP - SECOND);
  g_assert_cmpint (jkb_stamp_correct (STAMP - SECOND + 1000, mono_us - SECOND, now_us, mono_us),
                   ==, STAMP - SECOND + 1000);
  /* Not set yet: unknown. Set since: told by the clock of now. */
  g_assert_cmpint (jkb_stamp_correct (100 * SECOND, mono_us - 3 * SECOND, 103 * SECOND, mono_us),
                   ==, 0);
  g_assert_cmpint (jkb_stamp_correct (100 * SECOND, mono_us - 3 * SECOND, now_us, mono_us), ==,
                   STAMP - 3 * SECOND);
}

static void
test_state (void)
{
  g_autoptr (GString) out = g_string_new ("what was before");
  JkbValues live;

  jkb_values_init (&live, JKB_GROUP_LIVE);
  jkb_values_set (&live, JKB_FIELD_TOTAL_VOLTAGE, 52630);
  jkb_values_set (&live, JKB_FIELD_CURRENT, -1005);
  jkb_values_set (&live, JKB_FIELD_POWER, -52893);
  jkb_values_set (&live, JKB_FIELD_STATE_OF_CHARGE, 0);
  jkb_values_set (&live, JKB_FIELD_CHARGING, 1);
  jkb_values_set (&live, JKB_FIELD_DISCHARGING, 0);
  jkb_values_set (&live, JKB_FIELD_BATTERY_TYPE, 0);
  jkb_values_set (&live, JKB_FIELD_ERRORS, 1 << 4 | 1 << 19);
  jkb_values_set (&live, JKB_FIELD_ERRORS_BITMASK, 1 << 4 | 1 << 19);
  live.n_cells = 2;
  live.list[0][0] = 3300;
  jkb_payload_state (out, &live, STAMP, 412345);
  g_assert_cmpstr (
      out->str, ==,
      "{\"cell_count\":null,\"total_voltage\":52.630,\"current\":-1.005,\"power\":-52.893,"
      "\"charging_power\":null,\"discharging_power\":null,\"state_of_charge\":0,"
      "\"state_of_health\":null,\"capacity_remaining\":null,\"full_charge_capacity\":null,"
      "\"charging_cycles\":null,\"total_charging_cycle_capacity\":null,\"total_runtime\":null,"
      "\"min_cell_voltage\":null,\"max_cell_voltage\":null,\"average_cell_voltage\":null,"
      "\"delta_cell_voltage\":null,\"min_voltage_cell\":null,\"max_voltage_cell\":null,"
      "\"mosfet_temperature\":null,\"temperature_sensor_1\":null,\"temperature_sensor_2\":null,"
      "\"temperature_sensor_4\":null,\"temperature_sensor_5\":null,\"balancing\":null,"
      "\"balancing_direction\":null,\"balancing_current\":null,\"charging\":true,"
      "\"discharging\":false,\"precharging\":null,\"heating\":null,\"heating_current\":null,"
      "\"charger_plugged\":null,\"charge_status\":null,\"charge_status_time_elapsed\":null,"
      "\"battery_type\":\"lifepo4\",\"dry_contact_1\":null,\"dry_contact_2\":null,"
      "\"errors\":[\"cell_overvoltage\",\"password_change_due\"],\"errors_bitmask\":524304,"
      "\"emergency_time\":null,\"smart_sleep_countdown\":null,\"detail_log_entry_count\":null,"
      "\"discharge_overcurrent_release_time\":null,\"discharge_short_circuit_release_time\":null,"
      "\"charge_overcurrent_release_time\":null,\"charge_short_circuit_release_time\":null,"
      "\"cell_undervoltage_release_time\":null,\"cell_overvoltage_release_time\":null,"
      "\"timestamp\":\"2025-07-24T10:07:09.045Z\",\"age\":0.412}");
}

/* The same members as state and cells together, in the order of the table, without an age. */
static void
test_history (void)
{
  g_autoptr (GString) state = g_string_new (NULL);
  g_autoptr (GString) cells = g_string_new (NULL);
  g_autoptr (GString) history = g_string_new ("what was before");
  g_autofree char *expected = NULL;
  g_autofree char *topic = jkb_topic_history ("home/jk", "garage_1");
  const char *stamp, *age;
  JkbValues live;

  g_assert_cmpstr (topic, ==, "home/jk/garage_1/history");
  jkb_values_init (&live, JKB_GROUP_LIVE);
  jkb_values_set (&live, JKB_FIELD_TOTAL_VOLTAGE, 52630);
  live.n_cells = 2;
  live.list[0][1] = 3300;
  jkb_payload_state (state, &live, STAMP, 0);
  jkb_payload_cells (cells, &live, STAMP);
  jkb_payload_history (history, &live, STAMP);

  stamp = strstr (cells->str, "\"timestamp\"");
  age = strstr (state->str, ",\"age\"");
  expected = g_strdup_printf ("%.*s%.*s}", (int) (stamp - cells->str), cells->str,
                              (int) (age - state->str - 1), state->str + 1);
  g_assert_cmpstr (history->str, ==, expected);
}

static void
test_cells (void)
{
  g_autoptr (GString) out = g_string_new (NULL);
  JkbValues live;

  jkb_values_init (&live, JKB_GROUP_LIVE);
  live.n_cells = 3;
  live.list[0][0] = 3300;
  live.list[0][2] = 3305;
  live.list[1][0] = 71;
  jkb_payload_cells (out, &live, STAMP);
  g_assert_cmpstr (out->str, ==,
                   "{\"cell_voltages\":[3.300,null,3.305],\"cell_resistances\":[71,null,null],"
                   "\"timestamp\":\"2025-07-24T10:07:09.045Z\"}");
}

/* The serial number is for D-Bus and the device block, not for topics. */
static void
test_info (MqttFixture *f, gconstpointer unused)
{
  g_autoptr (GString) out = g_string_new (NULL);
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);

  mqtt_fixture_tell_info (f, 1);
  g_assert_cmpstr (jkb_bms_get_serial_number (bms), ==, "4041234567");
  jkb_payload_group (out, jkb_bms_peek_values (bms, JKB_GROUP_INFO));
  g_assert_true (g_str_has_prefix (out->str, "{\"model\":\"JK_PB2A16S20P\",\"hardware_version\":"
                                             "\"15A\",\"software_version\":\"15.41\","));
  g_assert_null (strstr (out->str, "serial"));
  g_assert_null (strstr (out->str, "4041234567"));
}

static void
test_settings (MqttFixture *f, gconstpointer unused)
{
  g_autoptr (GString) out = g_string_new (NULL);
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);

  mqtt_fixture_tell_settings (f, 1);
  jkb_payload_group (out, jkb_bms_peek_values (bms, JKB_GROUP_SETTINGS));
  g_assert_nonnull (strstr (out->str, "\"cell_voltage_overvoltage_protection\":3.650,"));
  g_assert_nonnull (strstr (out->str, "\"cell_count\":16,\"charging_switch\":true,"));
}

static void
test_alarm (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  jkb_payload_alarm (out, 4, TRUE, STAMP);
  g_assert_cmpstr (out->str, ==,
                   "{\"event_type\":\"raised\",\"alarm\":\"cell_overvoltage\",\"severity\":"
                   "\"protect\",\"timestamp\":\"2025-07-24T10:07:09.045Z\"}");
  jkb_payload_alarm (out, 30, FALSE, STAMP);
  g_assert_cmpstr (out->str, ==,
                   "{\"event_type\":\"cleared\",\"alarm\":\"bit_30\",\"severity\":\"warn\","
                   "\"timestamp\":\"2025-07-24T10:07:09.045Z\"}");
}

static void
test_bridge (void)
{
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (GPtrArray) buses = g_ptr_array_new ();

  jkb_payload_bridge (out, buses, 42, 0);
  g_assert_cmpstr (out->str, ==, "{\"version\":\"" VERSION "\",\"history_waiting\":42,\"buses\":{}}");
}

static JkbHeldAlarm *
held (guint bit, gint64 realtime_us, gint64 monotonic_us)
{
  JkbHeldAlarm *alarm = g_new0 (JkbHeldAlarm, 1);

  alarm->topic = g_strdup ("t");
  alarm->bit = bit;
  alarm->realtime_us = realtime_us;
  alarm->monotonic_us = monotonic_us;
  return alarm;
}

static void
test_held_alarms (void)
{
  GQueue queue = G_QUEUE_INIT;
  gint64 stamp_us;
  JkbHeldAlarm *alarm;

  g_assert_true (jkb_held_alarms_add (&queue, held (1, 10 * SECOND, 20 * SECOND), 2));
  g_assert_true (jkb_held_alarms_add (&queue, held (2, 15 * SECOND, 25 * SECOND), 2));
  g_assert_false (jkb_held_alarms_add (&queue, held (3, 17 * SECOND, 27 * SECOND), 2));
  g_assert_null (jkb_held_alarms_take (&queue, 20 * SECOND, 30 * SECOND, &stamp_us));

  alarm = jkb_held_alarms_take (&queue, STAMP, 30 * SECOND, &stamp_us); /* now it was set */
  g_assert_cmpuint (alarm->bit, ==, 2);
  g_assert_cmpint (stamp_us, ==, STAMP - 5 * SECOND);
  jkb_held_alarm_free (alarm);
  alarm = jkb_held_alarms_take (&queue, STAMP, 30 * SECOND, &stamp_us);
  g_assert_cmpint (stamp_us, ==, STAMP - 3 * SECOND);
  jkb_held_alarm_free (alarm);
  g_assert_null (jkb_held_alarms_take (&queue, STAMP, 30 * SECOND, &stamp_us));
}

static void
test_speed (void)
{
  g_autoptr (GString) out = g_string_sized_new (2048);
  JkbValues live;
  gint64 begin_us;
  double each_us;

  if (!g_test_perf ())
    {
      g_test_skip ("only with -m perf");
      return;
    }
  jkb_values_init (&live, JKB_GROUP_LIVE);
  for (JkbFieldId id = 0; id < jkb_group_end (JKB_GROUP_LIVE); id++)
    if (jkb_fields[id].kind == JKB_KIND_NUMBER)
      jkb_values_set (&live, id, 52630 + id);
  begin_us = g_get_monotonic_time ();
  for (guint i = 0; i < 200000; i++)
    jkb_payload_state (out, &live, STAMP + i, i);
  each_us = (double) (g_get_monotonic_time () - begin_us) / 200000;
  g_test_minimized_result (each_us, "%.2f µs per state", each_us);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func)                                                                            \
  g_test_add (path, MqttFixture, NULL, mqtt_fixture_set_up, func, mqtt_fixture_tear_down)
  g_test_add_func ("/mqtt/topic/names", test_topics);
  g_test_add_func ("/mqtt/topic/stamp", test_stamp);
  g_test_add_func ("/mqtt/topic/stamp-correct", test_stamp_correct);
  g_test_add_func ("/mqtt/topic/state", test_state);
  g_test_add_func ("/mqtt/topic/history", test_history);
  g_test_add_func ("/mqtt/topic/cells", test_cells);
  ADD ("/mqtt/topic/info", test_info);
  ADD ("/mqtt/topic/settings", test_settings);
  g_test_add_func ("/mqtt/topic/alarm", test_alarm);
  g_test_add_func ("/mqtt/topic/bridge", test_bridge);
  g_test_add_func ("/mqtt/topic/held-alarms", test_held_alarms);
  g_test_add_func ("/mqtt/topic/speed", test_speed);
  return g_test_run ();
}
