/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What is done with values that cannot be.
 */
#include "decoded.h"
#include "wire-fixture.h"

static guint
judge (Decoded *d)
{
  decode (d);
  return jkb_plausible_values (d->frame, &d->values);
}

static void
test_all_possible (void)
{
  Decoded d, again;

  wire_fill_live (d.frame);
  g_assert_cmpuint (judge (&d), ==, 0);
  again = d;
  decode (&again);
  for (JkbFieldId id = 0; id < JKB_FIRST_SETTING; id++)
    g_assert_true (jkb_values_field_equal (&d.values, &again.values, id));
}

/* At both ends of its range each register is possible, and one step beyond it is not. */
static void
test_ranges (void)
{
  static const guint8 types[] = { JKB_FRAME_LIVE, JKB_FRAME_SETTINGS, JKB_FRAME_INFO };

  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    {
      const JkbField *field = &jkb_fields[id];
      gint64 steps[] = { field->min - 1, field->min, field->max, field->max + 1 };
      guint width = jkb_field_width (field);

      if (width == 0 || (field->min == 0 && field->max == 0) || field->kind != JKB_KIND_NUMBER)
        continue;
      for (guint i = 0; i < G_N_ELEMENTS (steps); i++)
        {
          gboolean fits = steps[i] >= 0 || field->wire == JKB_WIRE_I8
                          || field->wire == JKB_WIRE_I16 || field->wire == JKB_WIRE_I32;
          gboolean possible = i == 1 || i == 2;
          Decoded d;
          guint n;

          if (!fits || steps[i] > G_MAXINT32)
            continue;
          if (field->group == JKB_GROUP_LIVE)
            wire_fill_live (d.frame);
          else
            wire_fill_frame (d.frame, types[field->group]);
          if (id == JKB_FIELD_CAPACITY_REMAINING)
            wire_put32 (d.frame + 178, 20000000);
          if (id == JKB_FIELD_FULL_CHARGE_CAPACITY)
            wire_put32 (d.frame + 174, 0);
          for (guint byte = 0; byte < width; byte++)
            d.frame[field->offset + byte] = (guint8) (steps[i] >> 8 * byte);
          g_test_message ("%s %" G_GINT64_FORMAT, field->key, steps[i]);
          n = judge (&d);
          g_assert_cmpuint (n, ==, possible ? 0 : 1);
          g_assert_cmpint (get (&d, id), ==, possible ? steps[i] : JKB_UNKNOWN);
        }
    }
}

static void
test_impossible_cell (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  wire_put16 (d.frame + 6 + 2 * 3, 65535);
  wire_put16 (d.frame + 6 + 2 * 4, 0);
  g_assert_cmpuint (judge (&d), ==, 2);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 3), ==, JKB_UNKNOWN_ITEM);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_VOLTAGES, 4), ==, JKB_UNKNOWN_ITEM);
  g_assert_cmpint (get (&d, JKB_FIELD_MAX_CELL_VOLTAGE), ==, 3315);
  g_assert_cmpint (get (&d, JKB_FIELD_MIN_CELL_VOLTAGE), ==, 3300);
  g_assert_cmpint (get (&d, JKB_FIELD_CELL_COUNT), ==, 16);
}

static void
test_computed_follow (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  wire_put32 (d.frame + 158, 5000000);
  d.frame[172] = 7;
  g_assert_cmpuint (judge (&d), ==, 2);
  g_assert_cmpint (get (&d, JKB_FIELD_CURRENT), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_POWER), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_CHARGING_POWER), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_DISCHARGING_POWER), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_BALANCING_DIRECTION), ==, JKB_UNKNOWN);
  g_assert_cmpint (get (&d, JKB_FIELD_BALANCING), ==, JKB_UNKNOWN);
}

static void
test_unmeasured_resistance (void)
{
  Decoded d;

  wire_fill_live (d.frame);
  wire_put16 (d.frame + 80, 0);
  g_assert_cmpuint (judge (&d), ==, 0);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_RESISTANCES, 0), ==, JKB_UNKNOWN_ITEM);
  g_assert_cmpint (item (&d, JKB_FIELD_CELL_RESISTANCES, 1), ==, 61);
}

static void
test_capacity (void)
{
  static const struct
  {
    guint32 left, full;
    guint n_impossible;
  } rows[] = {
    { 102000, 100000, 0 },
    { 102001, 100000, 1 },
    { 100000, 100000, 0 },
    { 0, 2000, 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Decoded d;

      wire_fill_live (d.frame);
      wire_put32 (d.frame + 174, rows[i].left);
      wire_put32 (d.frame + 178, rows[i].full);
      g_assert_cmpuint (judge (&d), ==, rows[i].n_impossible);
      g_assert_cmpint (get (&d, JKB_FIELD_CAPACITY_REMAINING), ==,
                       rows[i].n_impossible > 0 ? JKB_UNKNOWN : rows[i].left);
    }
}

/* MOSFET, T1, T2, T4, T5 in 0.1 °C, the sensor mask, and what is left of them. */
static void
test_temperatures (void)
{
  enum
  {
    U = -32000
  }; /* unknown */
  static const struct
  {
    const char *name;
    gint16 told[5];
    guint8 mask;
    gint16 left[5];
    guint n_impossible;
  } rows[] = {
    { "all fitted", { 214, 189, 193, 175, 168 }, 0xff, { 214, 189, 193, 175, 168 }, 0 },
    { "below zero", { -31, -29, -200, -1, -399 }, 0xff, { -31, -29, -200, -1, -399 }, 0 },
    { "t4 and t5 not fitted", { 214, 189, 193, -2000, -2000 }, 0xff, { 214, 189, 193, U, U }, 0 },
    { "none fitted", { -2000, -2000, -2000, -2000, -2000 }, 0xf0, { U, U, U, U, U }, 0 },
    { "mask without t1", { 214, 189, 193, 175, 168 }, 0xfd, { 214, U, 193, 175, 168 }, 0 },
    { "mask without t2", { 214, 189, 193, 175, 168 }, 0xfb, { 214, 189, U, 175, 168 }, 0 },
    { "mask without mosfet", { 214, 189, 193, 175, 168 }, 0xfe, { U, 189, 193, 175, 168 }, 0 },
    { "mask bits 3, 4, 5 do not count", { 214, 189, 193, 175, 168 }, 0x07,
      { 214, 189, 193, 175, 168 }, 0 },
    { "firmware 11 without t4, t5", { 214, 189, 193, 0, 0 }, 0xff, { 214, 189, 193, U, U }, 0 },
    { "really freezing", { 214, 40, 193, 0, 0 }, 0xff, { 214, 40, 193, 0, 0 }, 0 },
    { "at 5 degrees", { 214, 50, 193, 0, 0 }, 0xff, { 214, 50, 193, 0, 0 }, 0 },
    { "only t4 at zero", { 214, 189, 193, 0, 1 }, 0xff, { 214, 189, 193, 0, 1 }, 0 },
    { "t1 missing, t2 warm", { 214, -2000, 193, 0, 0 }, 0xff, { 214, U, 193, U, U }, 0 },
    { "t1 and t2 missing", { 214, -2000, -2000, 0, 0 }, 0xff, { 214, U, U, 0, 0 }, 0 },
    { "impossible", { 1300, 1100, -450, 1001, -401 }, 0xff, { U, U, U, U, U }, 5 },
    { "at the limits", { 1250, 1000, -400, 1000, -400 }, 0xff,
      { 1250, 1000, -400, 1000, -400 }, 0 },
    { "absent high", { 1501, 1501, 189, 189, 189 }, 0xff, { U, U, 189, 189, 189 }, 0 },
    { "absent low", { -1000, -1000, 189, 189, 189 }, 0xff, { U, U, 189, 189, 189 }, 0 },
  };
  static const JkbFieldId ids[] = { JKB_FIELD_MOSFET_TEMPERATURE, JKB_FIELD_TEMPERATURE_SENSOR_1,
                                    JKB_FIELD_TEMPERATURE_SENSOR_2, JKB_FIELD_TEMPERATURE_SENSOR_4,
                                    JKB_FIELD_TEMPERATURE_SENSOR_5 };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Decoded d;

      g_test_message ("%s", rows[i].name);
      wire_fill_live (d.frame);
      d.frame[214] = rows[i].mask;
      for (guint k = 0; k < 5; k++)
        wire_put16 (d.frame + jkb_fields[ids[k]].offset, (guint16) rows[i].told[k]);
      g_assert_cmpuint (judge (&d), ==, rows[i].n_impossible);
      for (guint k = 0; k < 5; k++)
        g_assert_cmpint (get (&d, ids[k]), ==,
                         rows[i].left[k] == U ? JKB_UNKNOWN : rows[i].left[k]);
    }
}

static void
test_cell_sum (void)
{
  static const struct
  {
    guint32 total;
    gboolean plausible;
  } rows[] = { { 52920, TRUE },  { 52000, TRUE },  { 53999, TRUE }, { 54001, FALSE },
               { 51883, TRUE },  { 51881, FALSE }, { 0, FALSE },    { 40000, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      Decoded d;

      wire_fill_live (d.frame);
      wire_put32 (d.frame + 150, rows[i].total);
      decode (&d);
      g_test_message ("%u", rows[i].total);
      g_assert_cmpint (jkb_plausible_frame (d.frame, &d.values), ==, rows[i].plausible);
    }
}

static void
test_address_of_settings (void)
{
  static const guint32 addresses[] = { 0, 15, 247, 248, 65535, G_MAXUINT32 };

  for (guint i = 0; i < G_N_ELEMENTS (addresses); i++)
    {
      Decoded d;

      wire_fill_settings (d.frame, addresses[i]);
      decode (&d);
      g_assert_cmpint (jkb_plausible_frame (d.frame, &d.values), ==, addresses[i] <= 247);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plausible/all-possible", test_all_possible);
  g_test_add_func ("/plausible/ranges", test_ranges);
  g_test_add_func ("/plausible/impossible-cell", test_impossible_cell);
  g_test_add_func ("/plausible/computed-follow", test_computed_follow);
  g_test_add_func ("/plausible/unmeasured-resistance", test_unmeasured_resistance);
  g_test_add_func ("/plausible/capacity", test_capacity);
  g_test_add_func ("/plausible/temperatures", test_temperatures);
  g_test_add_func ("/plausible/cell-sum", test_cell_sum);
  g_test_add_func ("/plausible/address-of-settings", test_address_of_settings);
  return g_test_run ();
}
