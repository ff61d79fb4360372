/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header.
 */
#include "made-frame.h"

#include "wire-fixture.h"

static gint64
random_raw (const JkbField *field, MadeFrameNext next)
{
  static const guint8 widths[] = { 0, 1, 1, 2, 2, 4, 4 };
  guint32 raw = next ();
  guint width = widths[field->wire];

  if (field->kind == JKB_KIND_BOOL || field->bit > 0)
    return raw & 1;
  if (field->kind == JKB_KIND_ENUM)
    return raw % g_strv_length ((char **) field->names);
  if (g_strcmp0 (field->unit, "°C") == 0 && width == 2)
    return (gint64) (raw % 1600) - 400;
  raw = width == 4 ? raw : raw & ((1u << 8 * width) - 1);
  switch (field->wire)
    {
    case JKB_WIRE_I8:
      return (gint8) raw;
    case JKB_WIRE_I16:
      return (gint16) raw;
    case JKB_WIRE_I32:
      return (gint32) raw;
    default:
      return raw;
    }
}

static void
encode (guint8 *frame, const JkbField *field, guint item, gint64 raw)
{
  guint width = jkb_field_width (field);
  guint8 *place = frame + field->offset + item * width;

  if (field->bit > 0)
    {
      guint bit = (guint) field->bit - 1;

      place[bit / 8] = (guint8) ((place[bit / 8] & ~(1u << bit % 8)) | (guint) raw << bit % 8);
      return;
    }
  for (guint i = 0; i < width; i++)
    place[i] = (guint8) (raw >> 8 * i);
}

static gboolean
is_shared (JkbFieldId id)
{
  return id == JKB_FIELD_ERRORS || id == JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM
         || id == JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM_RECOVERY
         || id == JKB_FIELD_HEATING_START_TEMPERATURE || id == JKB_FIELD_HEATING_STOP_TEMPERATURE;
}

static gboolean
is_made (JkbFieldId id)
{
  return jkb_fields[id].wire != JKB_WIRE_NONE && jkb_fields[id].wire != JKB_WIRE_TEXT
         && jkb_fields[id].kind != JKB_KIND_LIST && !is_shared (id);
}

void
made_frame_fill (JkbGroup group, guint8 *frame, JkbValues *wanted, MadeFrameNext next)
{
  static const guint8 types[] = { JKB_FRAME_LIVE, JKB_FRAME_SETTINGS, JKB_FRAME_INFO };
  guint32 mask = next ();

  wire_fill_frame (frame, types[group]);
  for (guint i = 6; i < 299; i++)
    frame[i] = (guint8) next ();
  jkb_values_init (wanted, group);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (is_made (id))
      {
        gint64 raw = random_raw (&jkb_fields[id], next);

        encode (frame, &jkb_fields[id], 0, raw);
        jkb_values_set (wanted, id, raw);
      }
  if (group == JKB_GROUP_LIVE)
    {
      wire_put32 (frame + 70, mask);
      wanted->n_cells = (guint8) (mask == 0 ? 0 : g_bit_storage (mask));
    }
  for (guint cell = 0; cell < wanted->n_cells; cell++)
    if ((mask & 1u << cell) != 0)
      {
        gint64 raw = random_raw (&jkb_fields[JKB_FIELD_CELL_VOLTAGES], next);

        encode (frame, &jkb_fields[JKB_FIELD_CELL_VOLTAGES], cell, raw);
        wanted->list[0][cell] = (gint32) raw;
      }
  wire_seal_frame (frame);
}

void
made_frame_check (const JkbValues *values, const JkbValues *wanted)
{
  JkbGroup group = (JkbGroup) wanted->group;

  g_assert_cmpuint (values->group, ==, group);
  if (group != JKB_GROUP_SETTINGS)
    g_assert_cmpuint (values->n_cells, ==, wanted->n_cells);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (is_made (id) && jkb_values_get (values, id) != jkb_values_get (wanted, id))
      g_error ("%s is %" G_GINT64_FORMAT ", not %" G_GINT64_FORMAT, jkb_fields[id].key,
               jkb_values_get (values, id), jkb_values_get (wanted, id));
  for (guint cell = 0; cell < wanted->n_cells; cell++)
    g_assert_cmpint (values->list[0][cell], ==, wanted->list[0][cell]);
}
