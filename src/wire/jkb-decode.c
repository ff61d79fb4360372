/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Registers to values by walking the table, and the values that are computed from them. Pure
 * functions: any thread.
 */
#include "wire/jkb-decode.h"

#include <string.h>

#include "wire/jkb-computed.h"

#define UNFITTED_BELOW (-1000) /* 0.1 °C */
#define UNFITTED_ABOVE 1500

static inline guint16
le16 (const guint8 *bytes)
{
  guint16 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT16_FROM_LE (value);
}

static inline guint32
le32 (const guint8 *bytes)
{
  guint32 value;

  memcpy (&value, bytes, sizeof value);
  return GUINT32_FROM_LE (value);
}

static inline gint64
read_number (const guint8 *bytes, JkbWireType wire)
{
  switch (wire)
    {
    case JKB_WIRE_U8:
      return bytes[0];
    case JKB_WIRE_I8:
      return (gint8) bytes[0];
    case JKB_WIRE_U16:
      return le16 (bytes);
    case JKB_WIRE_I16:
      return (gint16) le16 (bytes);
    case JKB_WIRE_U32:
      return le32 (bytes);
    case JKB_WIRE_I32:
      return (gint32) le32 (bytes);
    default:
      return JKB_UNKNOWN;
    }
}

/* Up to the first NUL, or the full length without one; printable ASCII only. */
static void
read_text (const JkbField *field, const guint8 *frame, JkbValues *values)
{
  const guint8 *bytes = frame + field->offset;
  char *text = values->text[field->slot];
  guint n = 0;

  G_STATIC_ASSERT (JKB_TEXT_SIZE > 16);
  for (guint i = 0; i < field->count && bytes[i] != '\0'; i++)
    if (g_ascii_isprint (bytes[i]))
      text[n++] = (char) bytes[i];
  while (n > 0 && text[n - 1] == ' ')
    n--;
  text[n] = '\0';
  values->text_known |= 1u << field->slot;
}

static void
read_list (const JkbField *field, const guint8 *frame, guint32 present, JkbValues *values)
{
  guint width = jkb_field_width (field);

  for (guint cell = 0; cell < values->n_cells; cell++)
    if ((present & 1u << cell) != 0)
      {
        gint64 raw = read_number (frame + field->offset + cell * width, field->wire);

        values->list[field->slot][cell] = (gint32) MIN (raw, G_MAXINT32);
      }
}

/* Which cells a frame tells of. Settings have no mask, only how many there ought to be. */
static guint32
cells_present (const guint8 *frame, JkbGroup group)
{
  guint32 count;

  if (group == JKB_GROUP_LIVE)
    return le32 (frame + JKB_OFFSET_CELL_MASK);
  if (group == JKB_GROUP_INFO)
    return 0;
  count = le32 (frame + jkb_fields[JKB_FIELD_CONFIGURED_CELL_COUNT].offset);
  return count >= JKB_MAX_CELLS ? G_MAXUINT32 : (1u << count) - 1;
}

/* The pair at 284/285 is heating or alarm, whichever order makes sense (protocol §5.6). */
static void
tell_heating_from_alarm (JkbValues *values)
{
  gint64 first = jkb_values_get (values, JKB_FIELD_HEATING_START_TEMPERATURE);
  gint64 second = jkb_values_get (values, JKB_FIELD_HEATING_STOP_TEMPERATURE);

  if (first >= second)
    {
      jkb_values_set (values, JKB_FIELD_HEATING_START_TEMPERATURE, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_HEATING_STOP_TEMPERATURE, JKB_UNKNOWN);
    }
  if (first <= second)
    {
      jkb_values_set (values, JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM, JKB_UNKNOWN);
      jkb_values_set (values, JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM_RECOVERY, JKB_UNKNOWN);
    }
}

/* A sensor that is not fitted reads -200.0 (protocol §5.2). */
static void
drop_unfitted_sensors (JkbValues *values)
{
  static const JkbFieldId sensors[]
      = { JKB_FIELD_MOSFET_TEMPERATURE, JKB_FIELD_TEMPERATURE_SENSOR_1,
          JKB_FIELD_TEMPERATURE_SENSOR_2, JKB_FIELD_TEMPERATURE_SENSOR_4,
          JKB_FIELD_TEMPERATURE_SENSOR_5 };

  for (guint i = 0; i < G_N_ELEMENTS (sensors); i++)
    {
      gint64 raw = jkb_values_get (values, sensors[i]);

      if (raw <= UNFITTED_BELOW || raw > UNFITTED_ABOVE)
        jkb_values_set (values, sensors[i], JKB_UNKNOWN);
    }
}

static void
read_field (JkbFieldId id, const guint8 *frame, guint32 present, JkbValues *values)
{
  const JkbField *field = &jkb_fields[id];
  gint64 raw;

  switch (field->kind)
    {
    case JKB_KIND_TEXT:
      read_text (field, frame, values);
      return;
    case JKB_KIND_LIST:
      read_list (field, frame, present, values);
      return;
    default:
      break;
    }
  raw = read_number (frame + field->offset, field->wire);
  if (raw != JKB_UNKNOWN && field->bit > 0)
    raw = raw >> (field->bit - 1) & 1;
  else if (raw != JKB_UNKNOWN && field->kind == JKB_KIND_BOOL)
    raw = raw != 0;
  jkb_values_set (values, id, raw);
}

gboolean
jkb_decode (const guint8 *frame, JkbValues *values)
{
  JkbGroup group = jkb_frame_group (frame[JKB_FRAME_TYPE]);
  guint32 present;

  if (group == JKB_N_GROUPS)
    return FALSE;
  jkb_values_init (values, group);
  present = cells_present (frame, group);
  values->n_cells = g_bit_storage (present) * (present != 0);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    read_field (id, frame, present, values);

  if (group == JKB_GROUP_SETTINGS)
    tell_heating_from_alarm (values);
  if (group == JKB_GROUP_LIVE)
    {
      drop_unfitted_sensors (values);
      jkb_values_set (values, JKB_FIELD_CELL_COUNT, __builtin_popcount (present));
      jkb_compute_values (values);
    }
  return TRUE;
}
