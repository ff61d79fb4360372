/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The value of a setting as text, the way it comes from MQTT and the command line: the first byte
 * chooses the setting. A text that is taken is written out and read again to the same value.
 */
#include <stdint.h>
#include <string.h>

#include "fuzz-input.h"
#include "poll/jkb-setting.h"

static void
check_taken (const JkbField *field, gint64 raw)
{
  g_autofree char *text = jkb_setting_to_text (field, raw);
  g_autoptr (GVariant) value = g_variant_ref_sink (jkb_setting_to_variant (field, raw));
  g_autoptr (GError) error = NULL;
  gint64 again = 0;

  if (!jkb_setting_from_text (field, text, &again, &error))
    g_error ("%s: '%s' came out and does not go in: %s", field->key, text, error->message);
  g_assert_cmpint (again, ==, raw);
  if (!jkb_setting_from_variant (field, value, &again, &error))
    g_error ("%s: its own variant is refused: %s", field->key, error->message);
  g_assert_cmpint (again, ==, raw);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  guint first = jkb_group_first (JKB_GROUP_SETTINGS);
  guint n_settings = jkb_group_end (JKB_GROUP_SETTINGS) - first;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  const JkbField *field;
  gint64 raw = 0;

  if (size < 1)
    return 0;
  field = &jkb_fields[first + data[0] % n_settings];
  text = g_strndup ((const char *) data + 1, size - 1);
  jkb_setting_find (text, NULL);
  if (jkb_setting_from_text (field, text, &raw, &error))
    check_taken (field, raw);
  else
    {
      g_assert_nonnull (error);
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
    }
  return 0;
}
