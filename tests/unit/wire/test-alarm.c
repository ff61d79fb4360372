/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The table of alarms: names, severities, and which of them are problems.
 */
#include <glib.h>

#include "wire/jkb-alarm.h"

static void
test_alarms (void)
{
  /* The order of the contract. */
  static const char *const keys[]
      = { "wire_resistance", "mosfet_overtemperature", "cell_count_mismatch",
          "current_sensor_fault", "cell_overvoltage", "battery_overvoltage", "charge_overcurrent",
          "charge_short_circuit", "charge_overtemperature", "charge_undertemperature",
          "internal_communication_fault", "cell_undervoltage", "battery_undervoltage",
          "discharge_overcurrent", "discharge_short_circuit", "discharge_overtemperature",
          "charge_mosfet_fault", "discharge_mosfet_fault", "gps_disconnected",
          "password_change_due", "discharge_on_failed", "battery_overtemperature",
          "temperature_sensor_fault", "parallel_module_fault", "short_circuit_release_failed",
          "discharge_overcurrent_2", "discharge_overcurrent_3", "discharge_undertemperature",
          "gps_remote_lock", "bit_29", "bit_30", "bit_31" };
  static const char severities[] = "wpffpppfppfpppfpffiifwfwfpppfwww";

  g_assert_cmpuint (G_N_ELEMENTS (keys), ==, JKB_N_ALARM_BITS);
  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    {
      g_assert_cmpstr (jkb_alarm_key (bit), ==, keys[bit]);
      g_assert_cmpint (jkb_severity_name (jkb_alarm_severity (bit))[0], ==, severities[bit]);
      g_assert_cmpint (jkb_alarm_label (bit) != NULL, ==, bit < 29);
      g_assert_cmphex (jkb_alarm_problems (1u << bit), ==, severities[bit] == 'i' ? 0 : 1u << bit);
    }
  g_assert_cmphex (jkb_alarm_problems (G_MAXUINT32), ==, ~(1u << 18 | 1u << 19));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/alarm/table", test_alarms);
  return g_test_run ();
}
