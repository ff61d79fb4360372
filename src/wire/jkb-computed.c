/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Computed live values. Integers all the way; what depends on something unknown is unknown. Pure
 * functions: any thread.
 */
#include "wire/jkb-computed.h"

/* mV x mA = µW, rounded to mW. */
static gint64
power_mw (gint64 millivolts, gint64 milliamperes)
{
  gint64 microwatts = millivolts * milliamperes;

  return (microwatts + (microwatts < 0 ? -500 : 500)) / 1000;
}

static void
compute_power (JkbValues *values)
{
  gint64 voltage = jkb_values_get (values, JKB_FIELD_TOTAL_VOLTAGE);
  gint64 current = jkb_values_get (values, JKB_FIELD_CURRENT);
  gboolean known = voltage != JKB_UNKNOWN && current != JKB_UNKNOWN;
  gint64 power = known ? power_mw (voltage, current) : JKB_UNKNOWN;

  jkb_values_set (values, JKB_FIELD_POWER, power);
  jkb_values_set (values, JKB_FIELD_CHARGING_POWER, known ? MAX (power, 0) : JKB_UNKNOWN);
  jkb_values_set (values, JKB_FIELD_DISCHARGING_POWER, known ? MAX (-power, 0) : JKB_UNKNOWN);
}

/* Of equal cells the first one is named. */
static void
compute_cells (JkbValues *values)
{
  const gint32 *cells = values->list[jkb_fields[JKB_FIELD_CELL_VOLTAGES].slot];
  guint count = 0, lowest = 0, highest = 0;
  gint64 sum = 0;

  for (guint cell = 0; cell < values->n_cells; cell++)
    {
      if (cells[cell] == JKB_UNKNOWN_ITEM)
        continue;
      if (count == 0 || cells[cell] < cells[lowest])
        lowest = cell;
      if (count == 0 || cells[cell] > cells[highest])
        highest = cell;
      sum += cells[cell];
      count++;
    }
  if (count == 0)
    {
      jkb_values_set (values, JKB_FIELD_MIN_CELL_VOLTAGE, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_MAX_CELL_VOLTAGE, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_AVERAGE_CELL_VOLTAGE, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_DELTA_CELL_VOLTAGE, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_MIN_VOLTAGE_CELL, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_MAX_VOLTAGE_CELL, JKB_UNKNOWN);
      return;
    }
  jkb_values_set (values, JKB_FIELD_MIN_CELL_VOLTAGE, cells[lowest]);
  jkb_values_set (values, JKB_FIELD_MAX_CELL_VOLTAGE, cells[highest]);
  jkb_values_set (values, JKB_FIELD_AVERAGE_CELL_VOLTAGE, (100 * sum + count / 2) / count);
  jkb_values_set (values, JKB_FIELD_DELTA_CELL_VOLTAGE, cells[highest] - cells[lowest]);
  jkb_values_set (values, JKB_FIELD_MIN_VOLTAGE_CELL, lowest + 1);
  jkb_values_set (values, JKB_FIELD_MAX_VOLTAGE_CELL, highest + 1);
}

void
jkb_compute_values (JkbValues *values)
{
  gint64 direction = jkb_values_get (values, JKB_FIELD_BALANCING_DIRECTION);

  compute_power (values);
  compute_cells (values);
  jkb_values_set (values, JKB_FIELD_BALANCING,
                  direction == JKB_UNKNOWN ? JKB_UNKNOWN : direction != 0);
}
