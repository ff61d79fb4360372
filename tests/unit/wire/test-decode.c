/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Registers to values, and the values that are computed from others.
 */
#include <math.h>
#include <string.h>

#include "decoded.h"
#include "wire-fixture.h"

/* Every register is put at its place by hand and must come out of its own field. */
static void
test_every_row (void)
{
  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    {
      static const guint8 types[] = { JKB_FRAME_LIVE, JKB_FRAME_SETTINGS, JKB_FRAME_INFO };
      const JkbField *field = &jkb_fields[id];
      guint64 bytes = G_GUINT64_CONSTANT (0xc3d4e5f6);
      gint64 expected = 0;
      Decoded d;

      if (field->wire == JKB_WIRE_NONE || field->kind == JKB_KIND_LIST
          || field->kind == JKB_KIND_TEXT || g_str_has_prefix (field->key, "heating_st")
          || g_str_has_prefix (field->key, "battery_overtemperature_alarm"))
        continue;
      g_test_message ("%s", field->key);
      wire_fill_frame (d.frame, types[field->group]);
      for (guint i = 0; i < jkb_field_width (field); i++)
        d.frame[field->offset + i] = (guint8) (bytes >> 8 * i);
      switch (field->wire)
        {
        case JKB_WIRE_U8:
          expected = 0xf6;
          break;
        case JKB_WIRE_I8:
          expected = -0x0a;
          break;
        case JKB_WIRE_U16:
          expected = 0xe5f6;
          break;
        case JKB_WIRE_I16:
          expected = -0x1a0a;
          break;
        case JKB_WIRE_U32:
          expected = 0xc3d4e5f6;
          break;
        default:
          expected = -G_GINT64_CONSTANT (0x3c2b1a0a);
          break;
        }
      if (field->bit > 0)
        expected = expected >> (field->bit - 1) & 1;
      else if (field->kind == JKB_KIND_BOOL)
        expected = 1;
      else if (g_str_has_suffix (field->key, "temperature")
               || g_str_has_prefix (field->key, "temperature_sensor"))
        expected = JKB_UNKNOWN; /* far below -100 °C: not fitted */
      decode (&d);
      g_assert_cmpint (get (&d, id), ==, expected);
    }
}

static void
test_other_types (void)
{
  static const guint8 types[] = { 0, 4, JKB_FRAME_LOG, JKB_FRAME_DETAIL_LOG, 7, 255 };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      guint8 frame[JKB_FRAME_SIZE];
      JkbValues values;

      wire_fill_frame (frame, types[i]);
      g_assert_false (jkb_decode (frame, &values));
    }
}

static void
test_computed (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  decode (&d);
  g_assert_cmpint (get (&d, JKB_FIELD_CELL_COUNT), ==, 16);
  g_assert_cmpint (d.values.n_cells, ==, 16);
  g_assert_cmpint (get (&d, JKB_FIELD_TOTAL_VOLTAGE), ==, 52920);
  g_assert_cmpint (get (&d, JKB_FIELD_POWER), ==, -422302); /* 52.920 V x -7.980 A = -422.3016 W */
  g_assert_cmpint (get (&d, JKB_FIELD_CHARGING_POWER), ==, 0);
  g_assert_cmpint (get (&d, JKB_FIELD_DISCHARGING_POWER), ==, 422302);
  g_assert_cmpint (get (&d, JKB_FIELD_MIN_CELL_VOLTAGE), ==, 3300);
  g_assert_cmpint (get (&d, JKB_FIELD_MAX_CELL_VOLTAGE), ==, 3315);
  g_assert_cmpint (get (&d, JKB_FIELD_AVERAGE_CELL_VOLTAGE), ==, 330750);
  g_assert_cmpint (get (&d, JKB_FIELD_DELTA_CELL_VOLTAGE), ==, 15);
  g_assert_cmpint (get (&d, JKB_FIELD_MIN_VOLTAGE_CELL), ==, 1);
  g_assert_cmpint (get (&d, JKB_FIELD_MAX_VOLTAGE_CELL), ==, 16);
  g_assert_cmpint (get (&d, JKB_FIELD_BALANCING), ==, 0);
  g_assert_cmpfloat (jkb_values_get_double (&d.values, JKB_FIELD_TOTAL_VOLTAGE), ==, 52.92);

  wire_put32 (d.frame + 158, 17841);
  d.frame[172] = 2;
  decode (&d);
  g_assert_cmpint (get (&d, JKB_FIELD_POWER), ==, 944146);
  g_assert_cmpint (get (&d, JKB_FIELD_CHARGING_POWER), ==, 944146);
  g_assert_cmpint (get (&d, JKB_FIELD_DISCHARGING_POWER), ==, 0);
  g_assert_cmpint (get (&d, JKB_FIELD_BALANCING), ==, 1);
}

/* Half a milliwatt goes away from zero, on both sides. */
static void
test_power_rounding (void)
{
  static const struct
  {
    guint32 mv;
    gint32 ma;
    gint64 mw;
  } rows[] = { { 2500, 1, 3 },  { 2500, -1, -3 }, { 2499, 1, 2 },
               { 2499, -1, -2 }, { 2501, 1, 3 },   { 160000, -1200000, -192000000 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Decoded d;

      wire_fill_live (d.frame);
      wire_put32 (d.frame + 150, rows[i].mv);
      wire_put32 (d.frame + 158, (guint32) rows[i].ma);
      decode (&d);
      g_assert_cmpint (get (&d, JKB_FIELD_POWER), ==, rows[i].mw);
    }
}

/* Of equal cells the first one is named. */
static void
test_first_of_equal_cells (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  for (guint cell = 0; cell < 16; cell++)
    wire_put16 (d.frame + 6 + 2 * cell, cell % 2 == 0 ? 3300 : 3310);
  decode (&d);
  g_assert_cmpint (get (&d, JKB_FIELD_MIN_VOLTAGE_CELL), ==, 1);
  g_assert_cmpint (get (&d, JKB_FIELD_MAX_VOLTAGE_CELL), ==, 2);
}

static void
test_no_cells (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  wire_put32 (d.frame + 70, 0);
  decode (&d);
  g_assert_cmpuint (d.values.n_cells, ==, 0);
  g_assert_cmpint (get (&d, JKB_FIELD_CELL_COUNT), ==, 0);
  g_assert_cmpint (get (&d, JKB_FIELD_MIN_CELL_VOLTAGE), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_AVERAGE_CELL_VOLTAGE), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_MAX_VOLTAGE_CELL), ==, JKB_UNKNOWN);
  g_assert_false (jkb_values_is_known (&d.values, JKB_FIELD_CELL_VOLTAGES));
  g_assert_true (jkb_plausible_frame (d.frame, &d.values));
  g_assert_true (isnan (jkb_values_get_double (&d.values, JKB_FIELD_DELTA_CELL_VOLTAGE)));
}

/* Cells 1, 3 and 32: the lists reach to the last one and the holes are unknown. */
static void
test_holes (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  wire_put32 (d.frame + 70, 0x80000005);
  wire_put16 (d.frame + 6 + 2 * 31, 3444);
  decode (&d);
  g_assert_cmpuint (d.values.n_cells, ==, 32);
  g_assert_cmpint (get (&d, JKB_FIELD_CELL_COUNT), ==, 3);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 0), ==, 3300);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 1), ==, JKB_UNKNOWN_ITEM);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 2), ==, 3302);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 31), ==, 3444);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 32), ==, JKB_UNKNOWN_ITEM);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_RESISTANCES, 2), ==, 62);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_RESISTANCES, 3), ==, JKB_UNKNOWN_ITEM);
  g_assert_cmpint (get (&d, JKB_FIELD_MAX_VOLTAGE_CELL), ==, 32);
}

static void
test_settings_lists (void)
{
  static const struct
  {
    guint32 configured;
    guint n_cells;
  } rows[] = { { 0, 0 },   { 1, 1 },   { 8, 8 },           { 31, 31 },
               { 32, 32 }, { 33, 32 }, { G_MAXUINT32, 32 } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Decoded d;

      wire_fill_settings (d.frame, 1);
      wire_put32 (d.frame + 114, rows[i].configured);
      wire_put32 (d.frame + 142 + 4 * 31, 0xffffffff);
      wire_put32 (d.frame + 142, 1234);
      decode (&d);
      g_assert_cmpuint (d.values.n_cells, ==, rows[i].n_cells);
      if (rows[i].n_cells > 0)
        g_assert_cmpint (item (&d, JKB_FIELD_CONNECTION_WIRE_RESISTANCES, 0), ==, 1234);
      if (rows[i].n_cells == 32)
        g_assert_cmpint (item (&d, JKB_FIELD_CONNECTION_WIRE_RESISTANCES, 31), ==, G_MAXINT32);
      g_assert_cmpuint (jkb_plausible_values (d.frame, &d.values), ==,
                        rows[i].n_cells == 32 ? 1 + (rows[i].configured > 32) : 0);
      if (rows[i].n_cells > 1)
        g_assert_cmpint (item (&d, JKB_FIELD_CONNECTION_WIRE_RESISTANCES, 1), ==, JKB_UNKNOWN_ITEM);
    }
}

static void
test_heating_or_alarm (void)
{
  static const struct
  {
    gint8 first, second;
    gboolean heating, alarm;
  } rows[] = { { 0, 10, TRUE, FALSE },   { -10, 0, TRUE, FALSE }, { 5, 15, TRUE, FALSE },
               { 60, 50, FALSE, TRUE },  { 0, 0, FALSE, FALSE },  { -20, -5, TRUE, FALSE },
               { 50, -10, FALSE, TRUE } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Decoded d;

      wire_fill_settings (d.frame, 1);
      d.frame[284] = (guint8) rows[i].first;
      d.frame[285] = (guint8) rows[i].second;
      decode (&d);
      g_assert_cmpint (get (&d, JKB_FIELD_HEATING_START_TEMPERATURE), ==,
                       rows[i].heating ? rows[i].first : JKB_UNKNOWN);
      g_assert_cmpint (get (&d, JKB_FIELD_HEATING_STOP_TEMPERATURE), ==,
                       rows[i].heating ? rows[i].second : JKB_UNKNOWN);
      g_assert_cmpint (get (&d, JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM), ==,
                       rows[i].alarm ? rows[i].first : JKB_UNKNOWN);
      g_assert_cmpint (get (&d, JKB_FIELD_BATTERY_OVERTEMPERATURE_ALARM_RECOVERY), ==,
                       rows[i].alarm ? rows[i].second : JKB_UNKNOWN);
    }
}

static void
test_control_mask (void)
{
  static const JkbFieldId bits[] = {
    JKB_FIELD_HEATING_SWITCH,    JKB_FIELD_DISABLE_TEMPERATURE_SENSORS,
    JKB_FIELD_GPS_HEARTBEAT,     JKB_FIELD_MULTIPLEXED_PORT_MODE,
    JKB_FIELD_DISPLAY_ALWAYS_ON, JKB_FIELD_SPECIAL_CHARGER,
    JKB_FIELD_SMART_SLEEP,       JKB_FIELD_DISABLE_PCL_MODULE,
    JKB_FIELD_TIMED_STORED_DATA, JKB_FIELD_CHARGING_FLOAT_MODE,
  };

  for (guint set = 0; set < 16; set++)
    {
      Decoded d;

      wire_fill_settings (d.frame, 1);
      wire_put16 (d.frame + 282, (guint16) (1u << set));
      decode (&d);
      for (guint bit = 0; bit < G_N_ELEMENTS (bits); bit++)
        g_assert_cmpint (get (&d, bits[bit]), ==, bit == set);
    }
}

static void
test_texts (void)
{
  Decoded d;

  wire_fill_frame (d.frame, JKB_FRAME_INFO);
  memcpy (d.frame + 6, "JK_PB2A16S20PXYZ", 15); /* full length, no NUL */
  memcpy (d.frame + 22, "1\x1b[\xff" "5A\0Q", 8);
  memcpy (d.frame + 30, "15.41   ", 8);
  memcpy (d.frame + 86, "0123456789ABCDEF", 16);
  memset (d.frame + 78, 0xff, 8);
  decode (&d);
  g_assert_cmpstr (jkb_values_get_text (&d.values, JKB_FIELD_MODEL), ==, "JK_PB2A16S20PXY");
  g_assert_cmpstr (jkb_values_get_text (&d.values, JKB_FIELD_HARDWARE_VERSION), ==, "1[5A");
  g_assert_cmpstr (jkb_values_get_text (&d.values, JKB_FIELD_SOFTWARE_VERSION), ==, "15.41");
  g_assert_cmpstr (jkb_values_get_text (&d.values, JKB_FIELD_SERIAL_NUMBER), ==,
                   "0123456789ABCDEF");
  g_assert_cmpstr (jkb_values_get_text (&d.values, JKB_FIELD_MANUFACTURING_DATE), ==, "");
  g_assert_cmpstr (jkb_values_get_text (&d.values, JKB_FIELD_USER_DATA), ==, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/decode/every-row", test_every_row);
  g_test_add_func ("/decode/other-types", test_other_types);
  g_test_add_func ("/decode/computed", test_computed);
  g_test_add_func ("/decode/power-rounding", test_power_rounding);
  g_test_add_func ("/decode/first-of-equal-cells", test_first_of_equal_cells);
  g_test_add_func ("/decode/no-cells", test_no_cells);
  g_test_add_func ("/decode/holes", test_holes);
  g_test_add_func ("/decode/settings-lists", test_settings_lists);
  g_test_add_func ("/decode/heating-or-alarm", test_heating_or_alarm);
  g_test_add_func ("/decode/control-mask", test_control_mask);
  g_test_add_func ("/decode/texts", test_texts);
  return g_test_run ();
}
