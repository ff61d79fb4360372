/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The field table as a reviewer reads it: each row against what the protocol says (§5.1, §5.6 to
 * §5.8, §6.4), and what must hold for all rows.
 */
#include <string.h>

#include "wire/jkb-field.h"
#include "wire/jkb-values.h"

/* Written from the protocol, not from the table. */
static const struct
{
  const char *group, *key, *dbus, *wire;
  guint offset, reg, bit, scale; /* bit: number + 1 */
  const char *unit;
  gint64 min, max; /* raw; both 0: anything */
  char write_class;
  gint64 write_min, write_max, write_step;
} rows[] = {
  /* clang-format off */
  { "l", "cell_voltages", "ad", "u16", 6, 0x1200, 0, 1000, "V",
    500, 5000, '-', 0, 0, 0 },
  { "l", "cell_resistances", "ad", "u16", 80, 0x124A, 0, 1, "mΩ",
    1, 20000, '-', 0, 0, 0 },
  { "l", "cell_count", "u", "none", 0, 0x0000, 0, 1, NULL,
    0, 32, '-', 0, 0, 0 },
  { "l", "total_voltage", "d", "u32", 150, 0x1290, 0, 1000, "V",
    2000, 160000, '-', 0, 0, 0 },
  { "l", "current", "d", "i32", 158, 0x1298, 0, 1000, "A",
    -1200000, 1200000, '-', 0, 0, 0 },
  { "l", "power", "d", "none", 0, 0x0000, 0, 1000, "W",
    0, 0, '-', 0, 0, 0 },
  { "l", "charging_power", "d", "none", 0, 0x0000, 0, 1000, "W",
    0, 0, '-', 0, 0, 0 },
  { "l", "discharging_power", "d", "none", 0, 0x0000, 0, 1000, "W",
    0, 0, '-', 0, 0, 0 },
  { "l", "state_of_charge", "d", "u8", 173, 0x12A7, 0, 1, "%",
    0, 100, '-', 0, 0, 0 },
  { "l", "state_of_health", "d", "u8", 190, 0x12B8, 0, 1, "%",
    0, 100, '-', 0, 0, 0 },
  { "l", "capacity_remaining", "d", "i32", 174, 0x12A8, 0, 1000, "Ah",
    0, 20400000, '-', 0, 0, 0 },
  { "l", "full_charge_capacity", "d", "u32", 178, 0x12AC, 0, 1000, "Ah",
    2000, 20000000, '-', 0, 0, 0 },
  { "l", "charging_cycles", "u", "u32", 182, 0x12B0, 0, 1, NULL,
    0, 20000, '-', 0, 0, 0 },
  { "l", "total_charging_cycle_capacity", "d", "u32", 186, 0x12B4, 0, 1000, "Ah",
    0, 0, '-', 0, 0, 0 },
  { "l", "total_runtime", "t", "u32", 194, 0x12BC, 0, 1, "s",
    0, 0, '-', 0, 0, 0 },
  { "l", "min_cell_voltage", "d", "none", 0, 0x0000, 0, 1000, "V",
    0, 0, '-', 0, 0, 0 },
  { "l", "max_cell_voltage", "d", "none", 0, 0x0000, 0, 1000, "V",
    0, 0, '-', 0, 0, 0 },
  { "l", "average_cell_voltage", "d", "none", 0, 0x0000, 0, 100000, "V",
    0, 0, '-', 0, 0, 0 },
  { "l", "delta_cell_voltage", "d", "none", 0, 0x0000, 0, 1000, "V",
    0, 0, '-', 0, 0, 0 },
  { "l", "min_voltage_cell", "u", "none", 0, 0x0000, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "max_voltage_cell", "u", "none", 0, 0x0000, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "mosfet_temperature", "d", "i16", 144, 0x128A, 0, 10, "°C",
    -400, 1250, '-', 0, 0, 0 },
  { "l", "temperature_sensor_1", "d", "i16", 162, 0x129C, 0, 10, "°C",
    -400, 1000, '-', 0, 0, 0 },
  { "l", "temperature_sensor_2", "d", "i16", 164, 0x129E, 0, 10, "°C",
    -400, 1000, '-', 0, 0, 0 },
  { "l", "temperature_sensor_4", "d", "i16", 256, 0x12FA, 0, 10, "°C",
    -400, 1000, '-', 0, 0, 0 },
  { "l", "temperature_sensor_5", "d", "i16", 258, 0x12FC, 0, 10, "°C",
    -400, 1000, '-', 0, 0, 0 },
  { "l", "balancing", "b", "none", 0, 0x0000, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "balancing_direction", "s", "u8", 172, 0x12A6, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "balancing_current", "d", "i16", 170, 0x12A4, 0, 1000, "A",
    -15000, 15000, '-', 0, 0, 0 },
  { "l", "charging", "b", "u8", 198, 0x12C0, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "discharging", "b", "u8", 199, 0x12C1, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "precharging", "b", "u8", 191, 0x12B9, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "heating", "b", "u8", 215, 0x12D1, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "heating_current", "d", "i16", 236, 0x12E6, 0, 1000, "A",
    0, 20000, '-', 0, 0, 0 },
  { "l", "charger_plugged", "b", "u8", 245, 0x12EF, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "charge_status", "s", "u8", 280, 0x1312, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "charge_status_time_elapsed", "d", "u16", 278, 0x1310, 0, 1, "s",
    0, 0, '-', 0, 0, 0 },
  { "l", "battery_type", "s", "u8", 275, 0x130D, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "dry_contact_1", "b", "u8", 281, 0x1313, 2, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "dry_contact_2", "b", "u8", 281, 0x1313, 3, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "errors", "as", "u32", 166, 0x12A0, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "errors_bitmask", "u", "u32", 166, 0x12A0, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "emergency_time", "d", "u16", 218, 0x12D4, 0, 1, "s",
    0, 0, '-', 0, 0, 0 },
  { "l", "smart_sleep_countdown", "d", "u32", 270, 0x1308, 0, 1, "s",
    0, 0, '-', 0, 0, 0 },
  { "l", "detail_log_entry_count", "u", "u32", 266, 0x1304, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "l", "discharge_overcurrent_release_time", "d", "u16", 202, 0x12C4, 0, 1, "s",
    0, 3600, '-', 0, 0, 0 },
  { "l", "discharge_short_circuit_release_time", "d", "u16", 204, 0x12C6, 0, 1, "s",
    0, 3600, '-', 0, 0, 0 },
  { "l", "charge_overcurrent_release_time", "d", "u16", 206, 0x12C8, 0, 1, "s",
    0, 3600, '-', 0, 0, 0 },
  { "l", "charge_short_circuit_release_time", "d", "u16", 208, 0x12CA, 0, 1, "s",
    0, 3600, '-', 0, 0, 0 },
  { "l", "cell_undervoltage_release_time", "d", "u16", 210, 0x12CC, 0, 1, "s",
    0, 3600, '-', 0, 0, 0 },
  { "l", "cell_overvoltage_release_time", "d", "u16", 212, 0x12CE, 0, 1, "s",
    0, 3600, '-', 0, 0, 0 },
  { "s", "smart_sleep_voltage", "d", "u32", 6, 0x1000, 0, 1000, "V",
    0, 5000, 'B', 1200, 4350, 1 },
  { "s", "cell_voltage_undervoltage_protection", "d", "u32", 10, 0x1004, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "cell_voltage_undervoltage_recovery", "d", "u32", 14, 0x1008, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "cell_voltage_overvoltage_protection", "d", "u32", 18, 0x100C, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "cell_voltage_overvoltage_recovery", "d", "u32", 22, 0x1010, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "balance_trigger_voltage", "d", "u32", 26, 0x1014, 0, 1000, "V",
    0, 5000, 'B', 3, 1000, 1 },
  { "s", "cell_soc100_voltage", "d", "u32", 30, 0x1018, 0, 1000, "V",
    0, 5000, 'B', 1200, 4350, 1 },
  { "s", "cell_soc0_voltage", "d", "u32", 34, 0x101C, 0, 1000, "V",
    0, 5000, 'B', 1200, 4350, 1 },
  { "s", "cell_request_charge_voltage", "d", "u32", 38, 0x1020, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "cell_request_float_voltage", "d", "u32", 42, 0x1024, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "power_off_voltage", "d", "u32", 46, 0x1028, 0, 1000, "V",
    0, 5000, 'C', 1200, 4350, 1 },
  { "s", "max_charge_current", "d", "u32", 50, 0x102C, 0, 1000, "A",
    0, 2000000, 'C', 1000, 600000, 100 },
  { "s", "charge_overcurrent_protection_delay", "d", "u32", 54, 0x1030, 0, 1, "s",
    0, 86400, 'C', 2, 600, 1 },
  { "s", "charge_overcurrent_protection_recovery_time", "d", "u32", 58, 0x1034, 0, 1, "s",
    0, 86400, 'B', 2, 600, 1 },
  { "s", "max_discharge_current", "d", "u32", 62, 0x1038, 0, 1000, "A",
    0, 2000000, 'C', 1000, 1200000, 100 },
  { "s", "discharge_overcurrent_protection_delay", "d", "u32", 66, 0x103C, 0, 1, "s",
    0, 86400, 'C', 2, 600, 1 },
  { "s", "discharge_overcurrent_protection_recovery_time", "d", "u32", 70, 0x1040, 0, 1, "s",
    0, 86400, 'B', 2, 600, 1 },
  { "s", "short_circuit_protection_recovery_time", "d", "u32", 74, 0x1044, 0, 1, "s",
    0, 86400, 'C', 2, 600, 1 },
  { "s", "max_balance_current", "d", "u32", 78, 0x1048, 0, 1000, "A",
    0, 50000, 'B', 300, 10000, 100 },
  { "s", "charge_overtemperature_protection", "d", "i32", 82, 0x104C, 0, 10, "°C",
    -1000, 2000, 'C', 300, 800, 1 },
  { "s", "charge_overtemperature_protection_recovery", "d", "i32", 86, 0x1050, 0, 10, "°C",
    -1000, 2000, 'C', 300, 800, 1 },
  { "s", "discharge_overtemperature_protection", "d", "i32", 90, 0x1054, 0, 10, "°C",
    -1000, 2000, 'C', 300, 800, 1 },
  { "s", "discharge_overtemperature_protection_recovery", "d", "i32", 94, 0x1058, 0, 10, "°C",
    -1000, 2000, 'C', 300, 800, 1 },
  { "s", "charge_undertemperature_protection", "d", "i32", 98, 0x105C, 0, 10, "°C",
    -1000, 2000, 'C', -450, 200, 1 },
  { "s", "charge_undertemperature_protection_recovery", "d", "i32", 102, 0x1060, 0, 10, "°C",
    -1000, 2000, 'C', -450, 200, 1 },
  { "s", "mosfet_overtemperature_protection", "d", "i32", 106, 0x1064, 0, 10, "°C",
    -1000, 2000, 'C', 500, 1100, 1 },
  { "s", "mosfet_overtemperature_protection_recovery", "d", "i32", 110, 0x1068, 0, 10, "°C",
    -1000, 2000, 'C', 500, 1100, 1 },
  { "s", "cell_count", "u", "u32", 114, 0x106C, 0, 1, NULL,
    0, 32, 'C', 2, 32, 1 },
  { "s", "charging_switch", "b", "u32", 118, 0x1070, 0, 0, NULL,
    0, 0, 'B', 0, 1, 1 },
  { "s", "discharging_switch", "b", "u32", 122, 0x1074, 0, 0, NULL,
    0, 0, 'C', 0, 1, 1 },
  { "s", "balancer", "b", "u32", 126, 0x1078, 0, 0, NULL,
    0, 0, 'A', 0, 1, 1 },
  { "s", "total_battery_capacity", "d", "u32", 130, 0x107C, 0, 1000, "Ah",
    0, 20000000, 'B', 2000, 2000000, 1000 },
  { "s", "short_circuit_protection_delay", "d", "u32", 134, 0x1080, 0, 1, "µs",
    0, 10000000, 'C', 0, 5000, 1 },
  { "s", "balancing_start_voltage", "d", "u32", 138, 0x1084, 0, 1000, "V",
    0, 5000, 'B', 1200, 4250, 1 },
  { "s", "device_address", "u", "u32", 270, 0x1108, 0, 1, NULL,
    0, 247, 'X', 0, 15, 1 },
  { "s", "discharge_precharge_time", "d", "u32", 274, 0x110C, 0, 1, "s",
    0, 86400, 'B', 0, 255, 1 },
  { "s", "heating_switch", "b", "u16", 282, 0x1114, 1, 0, NULL,
    0, 0, 'B', 0, 1, 1 },
  { "s", "disable_temperature_sensors", "b", "u16", 282, 0x1114, 2, 0, NULL,
    0, 0, 'X', 0, 1, 1 },
  { "s", "gps_heartbeat", "b", "u16", 282, 0x1114, 3, 0, NULL,
    0, 0, 'X', 0, 1, 1 },
  { "s", "multiplexed_port_mode", "s", "u16", 282, 0x1114, 4, 0, NULL,
    0, 0, 'X', 0, 1, 1 },
  { "s", "display_always_on", "b", "u16", 282, 0x1114, 5, 0, NULL,
    0, 0, 'B', 0, 1, 1 },
  { "s", "special_charger", "b", "u16", 282, 0x1114, 6, 0, NULL,
    0, 0, 'X', 0, 1, 1 },
  { "s", "smart_sleep", "b", "u16", 282, 0x1114, 7, 0, NULL,
    0, 0, 'B', 0, 1, 1 },
  { "s", "disable_pcl_module", "b", "u16", 282, 0x1114, 8, 0, NULL,
    0, 0, 'X', 0, 1, 1 },
  { "s", "timed_stored_data", "b", "u16", 282, 0x1114, 9, 0, NULL,
    0, 0, 'X', 0, 1, 1 },
  { "s", "charging_float_mode", "b", "u16", 282, 0x1114, 10, 0, NULL,
    0, 0, 'B', 0, 1, 1 },
  { "s", "heating_start_temperature", "d", "i8", 284, 0x1116, 0, 1, "°C",
    0, 0, 'B', -40, 60, 1 },
  { "s", "heating_stop_temperature", "d", "i8", 285, 0x1117, 0, 1, "°C",
    0, 0, 'B', -40, 60, 1 },
  { "s", "battery_overtemperature_alarm", "d", "i8", 284, 0x1116, 0, 1, "°C",
    0, 0, 'X', -40, 100, 1 },
  { "s", "battery_overtemperature_alarm_recovery", "d", "i8", 285, 0x1117, 0, 1, "°C",
    0, 0, 'X', -40, 100, 1 },
  { "s", "smart_sleep_delay", "d", "u8", 286, 0x1118, 0, 1, "h",
    0, 0, 'B', 1, 100, 1 },
  { "s", "connection_wire_resistances", "ad", "u32", 142, 0x1088, 0, 1000, "mΩ",
    1, 20000000, 'X', 0, 2000000, 1 },
  { "i", "model", "s", "text", 6, 0x1400, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "hardware_version", "s", "text", 22, 0x1410, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "software_version", "s", "text", 30, 0x1418, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "serial_number", "s", "text", 86, 0x1450, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "manufacturing_date", "s", "text", 78, 0x1448, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "user_data", "s", "text", 102, 0x1460, 0, 0, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "power_on_count", "u", "u32", 42, 0x1424, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "uptime", "t", "u32", 38, 0x1420, 0, 1, "s",
    0, 0, '-', 0, 0, 0 },
  { "i", "uart1_protocol", "u", "u8", 184, 0x14B2, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "can_protocol", "u", "u8", 185, 0x14B3, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "uart2_protocol", "u", "u8", 218, 0x14D4, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "lcd_buzzer_trigger", "u", "u8", 234, 0x14E4, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "dry1_trigger", "u", "u8", 235, 0x14E5, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "dry2_trigger", "u", "u8", 236, 0x14E6, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "lcd_buzzer_trigger_value", "d", "i32", 238, 0x14E8, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "lcd_buzzer_release_value", "d", "i32", 242, 0x14EC, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "dry1_trigger_value", "d", "i32", 246, 0x14F0, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "dry1_release_value", "d", "i32", 250, 0x14F4, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "dry2_trigger_value", "d", "i32", 254, 0x14F8, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "dry2_release_value", "d", "i32", 258, 0x14FC, 0, 1, NULL,
    0, 0, '-', 0, 0, 0 },
  { "i", "data_storage_period", "d", "u32", 262, 0x1500, 0, 1, "s",
    0, 0, '-', 0, 0, 0 },
  { "i", "cell_request_charge_voltage_time", "d", "u8", 266, 0x1504, 0, 10, "h",
    0, 0, '-', 0, 0, 0 },
  { "i", "cell_request_float_voltage_time", "d", "u8", 267, 0x1505, 0, 10, "h",
    0, 0, '-', 0, 0, 0 },
  { "i", "emergency_duration", "d", "u8", 269, 0x1507, 0, 1, "min",
    0, 0, '-', 0, 0, 0 },
  { "i", "re_bulk_soc", "d", "u8", 278, 0x1510, 0, 1, "%",
    0, 0, '-', 0, 0, 0 },
  /* clang-format on */
};

static void
test_against_protocol (void)
{
  static const char *const wires[] = { "none", "u8", "i8", "u16", "i16", "u32", "i32", "text" };

  g_assert_cmpuint (G_N_ELEMENTS (rows), ==, JKB_N_FIELDS);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const JkbField *field = &jkb_fields[i];

      g_test_message ("%s %s", rows[i].group, rows[i].key);
      g_assert_cmpstr (field->key, ==, rows[i].key);
      g_assert_cmpint (jkb_group_name (field->group)[0], ==, rows[i].group[0]);
      g_assert_cmpstr (field->dbus, ==, rows[i].dbus);
      g_assert_cmpstr (wires[field->wire], ==, rows[i].wire);
      g_assert_cmpuint (field->offset, ==, rows[i].offset);
      g_assert_cmphex (jkb_field_register (field), ==, rows[i].reg);
      g_assert_cmpint (field->bit, ==, rows[i].bit);
      g_assert_cmpuint (field->scale, ==, rows[i].scale);
      g_assert_cmpstr (field->unit, ==, rows[i].unit);
      g_assert_cmpint (field->min, ==, rows[i].min);
      g_assert_cmpint (field->max, ==, rows[i].max);
      g_assert_cmpint ("-ABCX"[field->write_class], ==, rows[i].write_class);
      g_assert_cmpint (field->write_min, ==, rows[i].write_min);
      g_assert_cmpint (field->write_max, ==, rows[i].write_max);
      g_assert_cmpint (field->write_step, ==, rows[i].write_step);
    }
}

static void
test_groups (void)
{
  for (guint group = 0; group < JKB_N_GROUPS; group++)
    {
      g_assert_cmpuint (jkb_group_end (group) - jkb_group_first (group), <=, JKB_MAX_NUMBERS);
      for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
        {
          g_assert_cmpuint (jkb_fields[id].group, ==, group);
          g_assert_cmpuint (jkb_field_id (&jkb_fields[id]), ==, id);
        }
    }
  g_assert_cmpuint (jkb_group_first (JKB_GROUP_LIVE), ==, 0);
  g_assert_cmpuint (jkb_group_end (JKB_GROUP_INFO), ==, JKB_N_FIELDS);
}

static void
test_names (void)
{
  for (guint group = 0; group < JKB_N_GROUPS; group++)
    {
      g_autoptr(GHashTable) keys = g_hash_table_new (g_str_hash, g_str_equal);
      g_autoptr(GHashTable) names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

      for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
        {
          const JkbField *field = &jkb_fields[id];
          char name[JKB_DBUS_NAME_MAX];

          g_test_message ("%s", field->key);
          g_assert_true (g_regex_match_simple ("^[a-z][a-z0-9]*(_[a-z0-9]+)*$", field->key, 0, 0));
          g_assert_true (g_hash_table_add (keys, (gpointer) field->key));
          jkb_field_dbus_name (field, name);
          g_assert_true (g_regex_match_simple ("^[A-Z][A-Za-z0-9]*$", name, 0, 0));
          g_assert_cmpuint (strlen (name), <, JKB_DBUS_NAME_MAX - 1);
          g_assert_true (g_hash_table_add (names, g_strdup (name)));
          g_assert_true (jkb_field_lookup (group, field->key) == field);

          g_assert_true (g_ascii_isupper (field->label[0]));
          g_assert_false (g_str_has_suffix (field->label, "."));
        }
      g_assert_null (jkb_field_lookup (group, "no_such_key"));
    }
}

/* Rows that share registers on purpose. */
static gboolean
may_overlap (const JkbField *a, const JkbField *b)
{
  if (a->bit > 0 && b->bit > 0)
    return a->offset == b->offset && a->wire == b->wire && a->bit != b->bit;
  if (g_str_has_prefix (a->key, "errors") && g_str_has_prefix (b->key, "errors"))
    return TRUE;
  return g_str_has_prefix (a->key, "heating_st")
         && g_str_has_prefix (b->key, "battery_overtemperature_alarm") && a->offset == b->offset;
}

static guint
end_of (const JkbField *field)
{
  guint width = jkb_field_width (field);

  return field->offset + (field->kind == JKB_KIND_LIST ? width * JKB_MAX_CELLS : width);
}

static void
test_registers (void)
{
  for (guint i = 0; i < JKB_N_FIELDS; i++)
    {
      const JkbField *a = &jkb_fields[i];

      if (a->wire == JKB_WIRE_NONE)
        {
          g_assert_cmpuint (a->offset, ==, 0);
          g_assert_cmpuint (jkb_field_width (a), ==, 0);
          g_assert_cmpuint (a->write_class, ==, JKB_CLASS_NONE);
          continue;
        }
      g_assert_cmpuint (a->offset, >=, 6);
      g_assert_cmpuint (end_of (a), <=, 299);
      g_assert_cmpuint (a->bit, <=, 8 * jkb_field_width (a));
      for (guint k = i + 1; k < JKB_N_FIELDS; k++)
        {
          const JkbField *b = &jkb_fields[k];

          if (b->group != a->group || b->wire == JKB_WIRE_NONE)
            continue;
          g_test_message ("%s %s", a->key, b->key);
          g_assert_true (end_of (a) <= b->offset || end_of (b) <= a->offset || may_overlap (a, b));
        }
    }
}

/* No row comes near a secret (protocol §5.8). */
static void
test_secrets (void)
{
  for (JkbFieldId id = JKB_FIRST_INFO; id < JKB_N_FIELDS; id++)
    {
      const JkbField *field = &jkb_fields[id];

      g_assert_true (end_of (field) <= 46 || field->offset >= 78);
      g_assert_true (end_of (field) <= 118 || field->offset >= 134);
    }
}

static void
test_types (void)
{
  guint slots[JKB_N_GROUPS][2] = { { 0 } };

  for (guint i = 0; i < JKB_N_FIELDS; i++)
    {
      const JkbField *field = &jkb_fields[i];
      guint power = field->scale;

      g_test_message ("%s", field->key);
      g_assert_cmpint (field->min, <=, field->max);
      while (power >= 10 && power % 10 == 0)
        power /= 10;
      switch (field->kind)
        {
        case JKB_KIND_NUMBER:
          g_assert_nonnull (strstr ("d u t", field->dbus));
          g_assert_cmpuint (power, ==, 1);
          if (field->dbus[0] != 'd')
            g_assert_cmpuint (field->scale, ==, 1);
          break;
        case JKB_KIND_BOOL:
          g_assert_cmpstr (field->dbus, ==, "b");
          break;
        case JKB_KIND_ENUM:
          g_assert_cmpstr (field->dbus, ==, "s");
          g_assert_cmpuint (g_strv_length ((char **) field->names), >=, 2);
          break;
        case JKB_KIND_FLAGS:
          g_assert_cmpstr (field->dbus, ==, "as");
          break;
        case JKB_KIND_TEXT:
          g_assert_cmpstr (field->dbus, ==, "s");
          g_assert_cmpuint (field->slot, <, JKB_MAX_TEXTS);
          g_assert_cmpuint (field->count, <, JKB_TEXT_SIZE);
          g_assert_cmpuint (slots[field->group][0] & 1u << field->slot, ==, 0);
          slots[field->group][0] |= 1u << field->slot;
          break;
        case JKB_KIND_LIST:
          g_assert_cmpstr (field->dbus, ==, "ad");
          g_assert_cmpuint (power, ==, 1);
          g_assert_cmpuint (field->slot, <, JKB_MAX_LISTS);
          g_assert_cmpuint (slots[field->group][1] & 1u << field->slot, ==, 0);
          slots[field->group][1] |= 1u << field->slot;
          break;
        }
    }
}

static void
test_writes (void)
{
  for (guint i = 0; i < JKB_N_FIELDS; i++)
    {
      const JkbField *field = &jkb_fields[i];

      g_test_message ("%s", field->key);
      g_assert_cmpint (field->write_class != JKB_CLASS_NONE, ==,
                       field->group == JKB_GROUP_SETTINGS);
      if (field->write_class == JKB_CLASS_NONE)
        continue;
      g_assert_cmpint (field->write_min, <, field->write_max);
      g_assert_cmpint (field->write_step, >=, 1);
      g_assert_cmpint ((field->write_max - field->write_min) % field->write_step, ==, 0);
      if (field->write_class != JKB_CLASS_X && (field->min != 0 || field->max != 0))
        {
          /* What may be written must be plausible when it is read back. */
          g_assert_cmpint (field->write_min, >=, field->min);
          g_assert_cmpint (field->write_max, <=, field->max);
        }
    }
}

/* Device classes of Home Assistant and the units that they take. */
static void
test_entities (void)
{
  static const struct
  {
    const char *device_class, *units;
  } classes[] = {
    { "voltage", "V" },      { "current", "A" },     { "power", "W" },
    { "temperature", "°C" }, { "battery", "%" },     { "duration", "s min h µs" },
    { "enum", NULL },
  };

  for (guint i = 0; i < JKB_N_FIELDS; i++)
    {
      const JkbField *field = &jkb_fields[i];
      gboolean known = field->ha.device_class == NULL;

      g_test_message ("%s", field->key);
      if (field->ha.platform == JKB_HA_NONE)
        continue;
      g_assert_cmpint (field->ha.platform == JKB_HA_BINARY_SENSOR, ==,
                       field->kind == JKB_KIND_BOOL);
      if (field->ha.platform == JKB_HA_BINARY_SENSOR)
        {
          g_assert_null (field->ha.state_class);
          continue;
        }
      for (guint c = 0; c < G_N_ELEMENTS (classes) && !known; c++)
        if (strcmp (classes[c].device_class, field->ha.device_class) == 0)
          {
            known = TRUE;
            g_assert_cmpint (field->unit != NULL, ==, classes[c].units != NULL);
            if (field->unit != NULL)
              g_assert_nonnull (strstr (classes[c].units, field->unit));
          }
      g_assert_true (known);
      g_assert_cmpint (g_strcmp0 (field->ha.device_class, "enum") == 0, ==,
                       field->kind == JKB_KIND_ENUM);
      if (field->ha.state_class != NULL)
        g_assert_true (field->kind == JKB_KIND_NUMBER || field->kind == JKB_KIND_LIST);
      if ((field->ha.flags & JKB_HA_UNNAMED) != 0)
        g_assert_nonnull (field->ha.device_class);
    }
}

static void
test_item_keys (void)
{
  char key[64];

  jkb_field_item_key (&jkb_fields[JKB_FIELD_CELL_VOLTAGES], 0, key, sizeof key);
  g_assert_cmpstr (key, ==, "cell_voltage_1");
  jkb_field_item_key (&jkb_fields[JKB_FIELD_CONNECTION_WIRE_RESISTANCES], 31, key, sizeof key);
  g_assert_cmpstr (key, ==, "connection_wire_resistance_32");
}

static void
test_decimals (void)
{
  g_assert_cmpuint (jkb_field_decimals (&jkb_fields[JKB_FIELD_TOTAL_VOLTAGE]), ==, 3);
  g_assert_cmpuint (jkb_field_decimals (&jkb_fields[JKB_FIELD_MOSFET_TEMPERATURE]), ==, 1);
  g_assert_cmpuint (jkb_field_decimals (&jkb_fields[JKB_FIELD_STATE_OF_CHARGE]), ==, 0);
  g_assert_cmpuint (jkb_field_decimals (&jkb_fields[JKB_FIELD_CHARGING]), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/field-table/against-protocol", test_against_protocol);
  g_test_add_func ("/field-table/groups", test_groups);
  g_test_add_func ("/field-table/names", test_names);
  g_test_add_func ("/field-table/registers", test_registers);
  g_test_add_func ("/field-table/secrets", test_secrets);
  g_test_add_func ("/field-table/types", test_types);
  g_test_add_func ("/field-table/writes", test_writes);
  g_test_add_func ("/field-table/entities", test_entities);
  g_test_add_func ("/field-table/item-keys", test_item_keys);
  g_test_add_func ("/field-table/decimals", test_decimals);
  return g_test_run ();
}
