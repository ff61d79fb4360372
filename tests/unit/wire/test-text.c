/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Values as text: the same digits everywhere, valid JSON always.
 */
#include <locale.h>
#include <math.h>
#include <string.h>

#include "wire-fixture.h"
#include "wire/jkb-decode.h"
#include "wire/jkb-text.h"

static void
test_fixed (void)
{
  static const struct
  {
    gint64 raw;
    guint32 scale;
    const char *text;
  } rows[] = {
    { 52630, 1000, "52.630" },
    { -7980, 1000, "-7.980" },
    { 0, 1000, "0.000" },
    { 1, 1000, "0.001" },
    { -1, 1000, "-0.001" },
    { 999, 1000, "0.999" },
    { -999, 1000, "-0.999" },
    { 1000, 1000, "1.000" },
    { -5, 10, "-0.5" },
    { 0, 1, "0" },
    { 65, 1, "65" },
    { -40, 1, "-40" },
    { 65, 0, "65" },
    { G_MAXUINT32, 1, "4294967295" },
    { G_MAXINT64, 1, "9223372036854775807" },
    { G_MAXINT64, 1000, "9223372036854775.807" },
    { G_MININT64 + 1, 1000, "-9223372036854775.807" },
    { 330750, 100000, "3.30750" },
    { 7, 1000000000, "0.000000007" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr(GString) out = g_string_new ("x");

      jkb_text_append_fixed (out, rows[i].raw, rows[i].scale);
      g_assert_cmpstr (out->str + 1, ==, rows[i].text);
      g_assert_cmpuint (out->len, ==, strlen (out->str));
    }
}

/* Against the library's own formatting. */
static void
test_fixed_random (void)
{
  for (guint i = 0; i < 100000; i++)
    {
      gint64 raw = g_test_rand_int ();
      g_autoptr(GString) out = g_string_new (NULL);
      char expected[64];

      jkb_text_append_fixed (out, raw, 1000);
      g_snprintf (expected, sizeof expected, "%s%" G_GINT64_FORMAT ".%03" G_GINT64_FORMAT,
                  raw < 0 ? "-" : "", ABS (raw) / 1000, ABS (raw) % 1000);
      g_assert_cmpstr (out->str, ==, expected);
    }
}

static void
test_json_string (void)
{
  static const struct
  {
    const char *text, *json;
  } rows[] = {
    { "", "\"\"" },
    { "JK_PB2A16S20P", "\"JK_PB2A16S20P\"" },
    { "a\"b\\c", "\"a\\\"b\\\\c\"" },
    { "a\nb\tc\x01\x7f", "\"a\\u000ab\\u0009c\\u0001\\u007f\"" },
    { "°C", "\"°C\"" },
    { "</script>", "\"</script>\"" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr(GString) out = g_string_new (NULL);

      jkb_text_append_json_string (out, rows[i].text);
      g_assert_cmpstr (out->str, ==, rows[i].json);
    }
}

static void
fill (JkbValues *values)
{
  guint8 frame[JKB_FRAME_SIZE];

  wire_fill_live (frame);
  wire_put32 (frame + 70, 0x0d); /* cells 1, 3 and 4 */
  wire_put32 (frame + 166, 1u << 0 | 1u << 19 | 1u << 31);
  frame[172] = 1;
  frame[275] = 9; /* no such battery */
  wire_put16 (frame + 256, (guint16) -2000);
  g_assert_true (jkb_decode (frame, values));
}

static const struct
{
  JkbFieldId id;
  const char *json, *plain;
} rows_of_live[] = {
  { JKB_FIELD_CELL_VOLTAGES, "[3.300,null,3.302,3.303]", "3.300, unknown, 3.302, 3.303" },
  { JKB_FIELD_CELL_RESISTANCES, "[60,null,62,63]", "60, unknown, 62, 63" },
  { JKB_FIELD_CELL_COUNT, "3", "3" },
  { JKB_FIELD_CURRENT, "-7.980", "-7.980" },
  { JKB_FIELD_STATE_OF_CHARGE, "65", "65" },
  { JKB_FIELD_TEMPERATURE_SENSOR_4, "null", "unknown" },
  { JKB_FIELD_TEMPERATURE_SENSOR_1, "18.9", "18.9" },
  { JKB_FIELD_CHARGING, "true", "true" },
  { JKB_FIELD_HEATING, "false", "false" },
  { JKB_FIELD_BALANCING_DIRECTION, "\"charging\"", "charging" },
  { JKB_FIELD_BATTERY_TYPE, "null", "unknown" },
  { JKB_FIELD_ERRORS, "[\"wire_resistance\",\"password_change_due\",\"bit_31\"]",
    "wire_resistance, password_change_due, bit_31" },
  { JKB_FIELD_ERRORS_BITMASK, "2148007937", "2148007937" },
};

static void
test_fields (void)
{
  JkbValues values;

  fill (&values);
  for (guint i = 0; i < G_N_ELEMENTS (rows_of_live); i++)
    {
      g_autoptr(GString) json = g_string_new (NULL);
      g_autoptr(GString) plain = g_string_new (NULL);

      jkb_text_append_json (json, &values, rows_of_live[i].id);
      jkb_text_append_plain (plain, &values, rows_of_live[i].id);
      g_assert_cmpstr (json->str, ==, rows_of_live[i].json);
      g_assert_cmpstr (plain->str, ==, rows_of_live[i].plain);
    }
}

static void
test_nothing_known (void)
{
  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    {
      g_autoptr(GString) json = g_string_new (NULL);
      g_autoptr(GString) plain = g_string_new (NULL);
      JkbValues values;

      jkb_values_init (&values, jkb_fields[id].group);
      jkb_text_append_json (json, &values, id);
      jkb_text_append_plain (plain, &values, id);
      g_assert_cmpstr (json->str, ==, jkb_fields[id].kind == JKB_KIND_LIST ? "[]" : "null");
      g_assert_cmpstr (plain->str, ==, "unknown");
    }
}

static void
test_no_errors (void)
{
  g_autoptr(GString) json = g_string_new (NULL);
  g_autoptr(GString) plain = g_string_new (NULL);
  JkbValues values;

  jkb_values_init (&values, JKB_GROUP_LIVE);
  jkb_values_set (&values, JKB_FIELD_ERRORS, 0);
  jkb_text_append_json (json, &values, JKB_FIELD_ERRORS);
  jkb_text_append_plain (plain, &values, JKB_FIELD_ERRORS);
  g_assert_cmpstr (json->str, ==, "[]");
  g_assert_cmpstr (plain->str, ==, "none");
}

static void
test_member (void)
{
  g_autoptr(GString) out = g_string_new ("{");
  JkbValues values;

  fill (&values);
  jkb_text_append_member (out, &values, JKB_FIELD_STATE_OF_CHARGE);
  jkb_text_append_member (out, &values, JKB_FIELD_BALANCING_DIRECTION);
  jkb_text_append_member (out, &values, JKB_FIELD_CURRENT);
  g_string_append_c (out, '}');
  g_assert_cmpstr (out->str, ==,
                   "{\"state_of_charge\":65,\"balancing_direction\":\"charging\","
                   "\"current\":-7.980}");
}

/* The text of a BMS may hold anything printable. */
static void
test_hostile_text (void)
{
  g_autoptr(GString) out = g_string_new ("{");
  guint8 frame[JKB_FRAME_SIZE];
  JkbValues values;

  wire_fill_frame (frame, JKB_FRAME_INFO);
  memcpy (frame + 102, "\",\"x\":1,\"\\\n#+/", 15);
  g_assert_true (jkb_decode (frame, &values));
  jkb_text_append_member (out, &values, JKB_FIELD_USER_DATA);
  g_assert_cmpstr (out->str, ==, "{\"user_data\":\"\\\",\\\"x\\\":1,\\\"\\\\#+/\"");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, ""); /* must not matter */
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/fixed", test_fixed);
  g_test_add_func ("/text/fixed-random", test_fixed_random);
  g_test_add_func ("/text/json-string", test_json_string);
  g_test_add_func ("/text/fields", test_fields);
  g_test_add_func ("/text/nothing-known", test_nothing_known);
  g_test_add_func ("/text/no-errors", test_no_errors);
  g_test_add_func ("/text/member", test_member);
  g_test_add_func ("/text/hostile-text", test_hostile_text);
  return g_test_run ();
}
