/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The alarm bits as a table in the order of their numbers. Constant: any thread.
 */
#include "wire/jkb-alarm.h"

#define N_(text) text

typedef struct
{
  const char *key;
  const char *label;
  JkbSeverity severity;
} Alarm;

static const Alarm alarms[JKB_N_ALARM_BITS] = {
  { "wire_resistance", N_ ("Wire resistance"), JKB_SEVERITY_WARN },
  { "mosfet_overtemperature", N_ ("MOSFET overtemperature"), JKB_SEVERITY_PROTECT },
  { "cell_count_mismatch", N_ ("Cell count mismatch"), JKB_SEVERITY_FAULT },
  { "current_sensor_fault", N_ ("Current sensor fault"), JKB_SEVERITY_FAULT },
  { "cell_overvoltage", N_ ("Cell overvoltage"), JKB_SEVERITY_PROTECT },
  { "battery_overvoltage", N_ ("Battery overvoltage"), JKB_SEVERITY_PROTECT },
  { "charge_overcurrent", N_ ("Charge overcurrent"), JKB_SEVERITY_PROTECT },
  { "charge_short_circuit", N_ ("Charge short circuit"), JKB_SEVERITY_FAULT },
  { "charge_overtemperature", N_ ("Charge overtemperature"), JKB_SEVERITY_PROTECT },
  { "charge_undertemperature", N_ ("Charge undertemperature"), JKB_SEVERITY_PROTECT },
  { "internal_communication_fault", N_ ("Internal communication fault"), JKB_SEVERITY_FAULT },
  { "cell_undervoltage", N_ ("Cell undervoltage"), JKB_SEVERITY_PROTECT },
  { "battery_undervoltage", N_ ("Battery undervoltage"), JKB_SEVERITY_PROTECT },
  { "discharge_overcurrent", N_ ("Discharge overcurrent"), JKB_SEVERITY_PROTECT },
  { "discharge_short_circuit", N_ ("Discharge short circuit"), JKB_SEVERITY_FAULT },
  { "discharge_overtemperature", N_ ("Discharge overtemperature"), JKB_SEVERITY_PROTECT },
  { "charge_mosfet_fault", N_ ("Charge MOSFET fault"), JKB_SEVERITY_FAULT },
  { "discharge_mosfet_fault", N_ ("Discharge MOSFET fault"), JKB_SEVERITY_FAULT },
  { "gps_disconnected", N_ ("GPS disconnected"), JKB_SEVERITY_INFO },
  { "password_change_due", N_ ("Password change due"), JKB_SEVERITY_INFO },
  { "discharge_on_failed", N_ ("Switching on discharge failed"), JKB_SEVERITY_FAULT },
  { "battery_overtemperature", N_ ("Battery overtemperature"), JKB_SEVERITY_WARN },
  { "temperature_sensor_fault", N_ ("Temperature sensor fault"), JKB_SEVERITY_FAULT },
  { "parallel_module_fault", N_ ("Parallel module fault"), JKB_SEVERITY_WARN },
  { "short_circuit_release_failed", N_ ("Short circuit release failed"), JKB_SEVERITY_FAULT },
  { "discharge_overcurrent_2", N_ ("Discharge overcurrent 2"), JKB_SEVERITY_PROTECT },
  { "discharge_overcurrent_3", N_ ("Discharge overcurrent 3"), JKB_SEVERITY_PROTECT },
  { "discharge_undertemperature", N_ ("Discharge undertemperature"), JKB_SEVERITY_PROTECT },
  { "gps_remote_lock", N_ ("GPS remote lock"), JKB_SEVERITY_FAULT },
  { "bit_29", NULL, JKB_SEVERITY_WARN },
  { "bit_30", NULL, JKB_SEVERITY_WARN },
  { "bit_31", NULL, JKB_SEVERITY_WARN },
};

const char *
jkb_alarm_key (guint bit)
{
  return alarms[bit].key;
}

const char *
jkb_alarm_label (guint bit)
{
  return alarms[bit].label;
}

JkbSeverity
jkb_alarm_severity (guint bit)
{
  return alarms[bit].severity;
}

const char *
jkb_severity_name (JkbSeverity severity)
{
  static const char *const names[] = { "info", "warn", "protect", "fault" };

  return names[severity];
}

guint32
jkb_alarm_problems (guint32 mask)
{
  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if (alarms[bit].severity == JKB_SEVERITY_INFO)
      mask &= ~(1u << bit);
  return mask;
}
