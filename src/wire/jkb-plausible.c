/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Possible values told from impossible ones (protocol §5.1, §5.2, §5.5). Pure functions: any
 * thread.
 */
#include "wire/jkb-decode.h"

#include "wire/jkb-computed.h"

#define MAX_ADDRESS 247
#define WARM 50 /* 0.1 °C */

/* The sensors whose bits of the mask can be trusted, bit 0 first (protocol §5.3). */
static const JkbFieldId masked_sensors[] = {
  JKB_FIELD_MOSFET_TEMPERATURE,
  JKB_FIELD_TEMPERATURE_SENSOR_1,
  JKB_FIELD_TEMPERATURE_SENSOR_2,
};

gboolean
jkb_plausible_frame (const guint8 *frame, const JkbValues *values)
{
  const gint32 *cells = values->list[jkb_fields[JKB_FIELD_CELL_VOLTAGES].slot];
  gint64 voltage, sum = 0;

  if (values->group == JKB_GROUP_SETTINGS)
    return jkb_values_get (values, JKB_FIELD_DEVICE_ADDRESS) <= MAX_ADDRESS;
  if (values->group != JKB_GROUP_LIVE || values->n_cells == 0)
    return TRUE;
  for (guint cell = 0; cell < values->n_cells; cell++)
    if (cells[cell] != JKB_UNKNOWN_ITEM)
      sum += cells[cell];
  voltage = jkb_values_get (values, JKB_FIELD_TOTAL_VOLTAGE);
  return 50 * ABS (sum - voltage) <= voltage;
}

/* Fitted sensors only are left; those that are missing are no fault. */
static void
drop_absent_sensors (const guint8 *frame, JkbValues *values)
{
  gint64 t1, t2;

  for (guint i = 0; i < G_N_ELEMENTS (masked_sensors); i++)
    if ((frame[JKB_OFFSET_SENSOR_MASK] & 1u << i) == 0)
      jkb_values_set (values, masked_sensors[i], JKB_UNKNOWN);

  /* Firmware 11 reads 0.0 for both of them when they are missing. */
  t1 = jkb_values_get (values, JKB_FIELD_TEMPERATURE_SENSOR_1);
  t2 = jkb_values_get (values, JKB_FIELD_TEMPERATURE_SENSOR_2);
  if (jkb_values_get (values, JKB_FIELD_TEMPERATURE_SENSOR_4) == 0
      && jkb_values_get (values, JKB_FIELD_TEMPERATURE_SENSOR_5) == 0 && MAX (t1, t2) > WARM
      && (t1 == JKB_UNKNOWN || t1 > WARM) && (t2 == JKB_UNKNOWN || t2 > WARM))
    {
      jkb_values_set (values, JKB_FIELD_TEMPERATURE_SENSOR_4, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_TEMPERATURE_SENSOR_5, JKB_UNKNOWN);
    }
}

/* A resistance of 0 has not been measured (protocol §5.1). */
static void
drop_unmeasured_resistances (JkbValues *values, JkbFieldId id)
{
  gint32 *resistances = values->list[jkb_fields[id].slot];

  for (guint cell = 0; cell < values->n_cells; cell++)
    if (resistances[cell] == 0)
      resistances[cell] = JKB_UNKNOWN_ITEM;
}

static guint
check_list (const JkbField *field, JkbValues *values)
{
  gint32 *items = values->list[field->slot];
  guint n_impossible = 0;

  for (guint i = 0; i < values->n_cells; i++)
    if (items[i] != JKB_UNKNOWN_ITEM && (items[i] < field->min || items[i] > field->max))
      {
        items[i] = JKB_UNKNOWN_ITEM;
        n_impossible++;
      }
  return n_impossible;
}

static gboolean
is_possible (const JkbField *field, gint64 raw)
{
  if (field->kind == JKB_KIND_ENUM)
    return (guint64) raw < g_strv_length ((char **) field->names);
  return (field->min == 0 && field->max == 0) || (raw >= field->min && raw <= field->max);
}

static guint
check_field (JkbFieldId id, JkbValues *values)
{
  const JkbField *field = &jkb_fields[id];
  gint64 raw;

  if (field->kind == JKB_KIND_TEXT)
    return 0;
  if (field->kind == JKB_KIND_LIST)
    return check_list (field, values);
  raw = jkb_values_get (values, id);
  if (raw == JKB_UNKNOWN || is_possible (field, raw))
    return 0;
  jkb_values_set (values, id, JKB_UNKNOWN);
  return 1;
}

/* What is left in the pack cannot be much more than what fits in. */
static guint
check_capacity (JkbValues *values)
{
  gint64 left = jkb_values_get (values, JKB_FIELD_CAPACITY_REMAINING);
  gint64 full = jkb_values_get (values, JKB_FIELD_FULL_CHARGE_CAPACITY);

  if (left == JKB_UNKNOWN || full == JKB_UNKNOWN || 100 * left <= 102 * full)
    return 0;
  jkb_values_set (values, JKB_FIELD_CAPACITY_REMAINING, JKB_UNKNOWN);
  return 1;
}

guint
jkb_plausible_values (const guint8 *frame, JkbValues *values)
{
  JkbGroup group = (JkbGroup) values->group;
  guint n_impossible = 0;

  if (group == JKB_GROUP_LIVE)
    {
      drop_absent_sensors (frame, values);
      drop_unmeasured_resistances (values, JKB_FIELD_CELL_RESISTANCES);
    }
  if (group == JKB_GROUP_SETTINGS)
    drop_unmeasured_resistances (values, JKB_FIELD_CONNECTION_WIRE_RESISTANCES);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    n_impossible += check_field (id, values);
  if (group == JKB_GROUP_LIVE)
    {
      n_impossible += check_capacity (values);
      jkb_compute_values (values);
    }
  return n_impossible;
}
