/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "ctl/jkb-ctl-json.h"

static void
test_variants (void)
{
  static const struct
  {
    const char *variant, *json;
  } cases[] = {
    { "true", "true" },
    { "uint32 7", "7" },
    { "uint64 18446744073709551615", "18446744073709551615" },
    { "0.12", "0.12" },
    { "0.1", "0.1" },
    { "5.0", "5" },
    { "'a\"b\\n'", "\"a\\\"b\\u000a\"" },
    { "@as []", "[]" },
    { "['a', 'b']", "[\"a\",\"b\"]" },
    { "[1.5, 2.0]", "[1.5,2]" },
    { "objectpath '/a'", "\"/a\"" },
    { "byte 0x01", "null" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GString) out = g_string_new (NULL);
      g_autoptr(GVariant) value = g_variant_parse (NULL, cases[i].variant, NULL, NULL, NULL);

      jkb_ctl_json_variant (out, value);
      g_assert_cmpstr (out->str, ==, cases[i].json);
    }
}

static void
test_nan (void)
{
  g_autoptr(GString) out = g_string_new (NULL);
  g_autoptr(GVariant) value = g_variant_ref_sink (g_variant_new_double (__builtin_nan ("")));

  jkb_ctl_json_variant (out, value);
  g_assert_cmpstr (out->str, ==, "null");
}

static void
test_snake_case (void)
{
  static const char *const cases[][2]
    = { { "HealthScore", "health_score" }, { "Uri", "uri" }, { "CaFile", "ca_file" }, { "", "" } };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text = jkb_ctl_snake_case (cases[i][0]);

      g_assert_cmpstr (text, ==, cases[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl/json/variants", test_variants);
  g_test_add_func ("/ctl/json/nan", test_nan);
  g_test_add_func ("/ctl/json/snake-case", test_snake_case);
  return g_test_run ();
}
