/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "ctl/jkb-ctl-print.h"

#include <locale.h>

static void
test_width (void)
{
  g_assert_cmpint (jkb_ctl_text_width (""), ==, 0);
  g_assert_cmpint (jkb_ctl_text_width ("24.5 °C"), ==, 7);
  g_assert_cmpint (jkb_ctl_text_width ("右架電池"), ==, 8);
  g_assert_cmpint (jkb_ctl_text_width ("e\xcc\x81"), ==, 1); /* a combining accent */
}

static void
test_safe (void)
{
  g_autofree char *control = jkb_ctl_text_safe ("a\033[31mb\n\x7f\xc2\x9b");
  g_autofree char *direction = jkb_ctl_text_safe ("x\xe2\x80\xaey");
  g_autofree char *broken = jkb_ctl_text_safe ("a\xff");

  g_assert_cmpstr (control, ==, "a?[31mb???");
  g_assert_cmpstr (direction, ==, "x?y");
  g_assert_true (g_utf8_validate (broken, -1, NULL));
}

static void
test_pad (void)
{
  static const struct
  {
    const char *text;
    guint width;
    gboolean right, cut;
    const char *result;
  } cases[] = {
    { "ab", 4, FALSE, TRUE, "ab  " },   { "ab", 4, TRUE, TRUE, "  ab" },
    { "abcdef", 4, FALSE, TRUE, "abc…" }, { "abcdef", 4, FALSE, FALSE, "abcdef" },
    { "電池電池", 6, FALSE, TRUE, "電池… " }, { "電池", 4, FALSE, TRUE, "電池" },
    { "", 2, TRUE, TRUE, "  " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GString) out = g_string_new (NULL);

      jkb_ctl_text_pad (out, cases[i].text, cases[i].width, cases[i].right, cases[i].cut);
      if (i == 4)
        g_assert_cmpint (jkb_ctl_text_width (out->str), ==, 6);
      g_assert_cmpstr (out->str, ==, cases[i].result);
    }
}

static void
test_age (void)
{
  static const struct
  {
    gint64 seconds10;
    const char *text;
  } cases[] = { { -50, "0.0 s" }, { 8, "0.8 s" },      { 99, "9.9 s" },      { 100, "10 s" },
                { 1199, "119 s" }, { 1200, "2 min" }, { 71999, "119 min" }, { 72000, "2 h" },
                { 1728000, "2 d" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      gint64 then_us = 1000 * (gint64) G_USEC_PER_SEC;
      g_autofree char *text = jkb_ctl_age_text (then_us, then_us + cases[i].seconds10 * 100000);

      g_assert_cmpstr (text, ==, cases[i].text);
    }
  g_assert_null (jkb_ctl_age_text (0, 5));
}

static void
test_time (void)
{
  g_autofree char *text = jkb_ctl_time_text (G_GINT64_CONSTANT (1767225599999999));

  g_assert_cmpstr (text, ==, "2025-12-31T23:59:59.999Z");
}

static void
assert_value (JkbValues *values, JkbFieldId id, gint64 raw, const char *expected)
{
  g_autofree char *text = NULL;

  jkb_values_set (values, id, raw);
  text = jkb_ctl_value_text (values, id);
  g_assert_cmpstr (text, ==, expected);
}

static void
test_values (void)
{
  JkbValues live;
  g_autofree char *rounded = NULL;
  g_autofree char *zero = NULL;

  jkb_values_init (&live, JKB_GROUP_LIVE);
  assert_value (&live, JKB_FIELD_TOTAL_VOLTAGE, 52630, "52.630 V");
  assert_value (&live, JKB_FIELD_TEMPERATURE_SENSOR_1, -4, "-0.4 °C");
  assert_value (&live, JKB_FIELD_CHARGING, 1, "on");
  assert_value (&live, JKB_FIELD_CHARGING, JKB_UNKNOWN, NULL);
  assert_value (&live, JKB_FIELD_CHARGE_STATUS, 1, "absorption");
  assert_value (&live, JKB_FIELD_TOTAL_RUNTIME, 119, "119 s");
  assert_value (&live, JKB_FIELD_TOTAL_RUNTIME, 3599, "59 min 59 s");
  assert_value (&live, JKB_FIELD_TOTAL_RUNTIME, 90000, "25 h 0 min");
  assert_value (&live, JKB_FIELD_TOTAL_RUNTIME, 12345678, "142 d 21 h");
  jkb_values_set (&live, JKB_FIELD_POWER, -647349);
  rounded = jkb_ctl_number_text (&live, JKB_FIELD_POWER, 0);
  g_assert_cmpstr (rounded, ==, "-647");
  jkb_values_set (&live, JKB_FIELD_CURRENT, -4);
  zero = jkb_ctl_number_text (&live, JKB_FIELD_CURRENT, 2);
  g_assert_cmpstr (zero, ==, "0.00");
  g_assert_null (jkb_ctl_number_text (&live, JKB_FIELD_STATE_OF_CHARGE, 0));
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl/print/width", test_width);
  g_test_add_func ("/ctl/print/safe", test_safe);
  g_test_add_func ("/ctl/print/pad", test_pad);
  g_test_add_func ("/ctl/print/age", test_age);
  g_test_add_func ("/ctl/print/time", test_time);
  g_test_add_func ("/ctl/print/values", test_values);
  return g_test_run ();
}
