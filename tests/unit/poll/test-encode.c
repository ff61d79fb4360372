/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Commands byte for byte; words and bytes shared by several settings keep their neighbours.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "poll/jkb-encode.h"

static char *
to_hex (const guint8 *bytes, gsize n)
{
  GString *hex = g_string_new (NULL);

  for (gsize i = 0; i < n; i++)
    g_string_append_printf (hex, "%02x", bytes[i]);
  return g_string_free (hex, FALSE);
}

static void
assert_command (const JkbCommand *command, const char *hex)
{
  g_autofree char *got = to_hex (command->bytes, command->n_bytes);

  g_assert_cmpstr (got, ==, hex);
}

static void
test_triggers (void)
{
  JkbCommand command;

  jkb_encode_trigger (&command, 1, JKB_GROUP_LIVE);
  assert_command (&command, "011016200001020000d6f1");
  jkb_encode_trigger (&command, 1, JKB_GROUP_SETTINGS);
  assert_command (&command, "0110161e0001020000d22f");
  jkb_encode_trigger (&command, 1, JKB_GROUP_INFO);
  assert_command (&command, "0110161c0001020000d3cd");
}

static void
test_captured_writes (void)
{
  JkbCommand command;
  guint8 settings[JKB_FRAME_SIZE] = { 0 };

  g_assert_true (jkb_encode_setting (&command, 1, JKB_FIELD_CHARGING_SWITCH, 1, settings));
  assert_command (&command, "0110107000020400000001f88b");
  g_assert_true (jkb_encode_setting (&command, 1, JKB_FIELD_BALANCER, 0, settings));
  assert_command (&command, "011010780002040000000038ed");
  g_assert_true (jkb_encode_setting (&command, 1, JKB_FIELD_CHARGE_UNDERTEMPERATURE_PROTECTION, -250,
                                     settings));
  assert_command (&command, "0110105c000204ffffff06fad0");
}

/* All examples of the vendor's document, where they are at hand. */
static void
test_vendor_examples (void)
{
  const char *shared = g_getenv ("JKB_SHARED");
  g_autofree char *path = g_build_filename (shared != NULL ? shared : "", "write_examples.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *vectors;

  if (shared == NULL || !g_file_test (path, G_FILE_TEST_EXISTS))
    {
      g_test_skip ("write_examples.json is not at hand (set JKB_SHARED)");
      return;
    }
  g_assert_true (json_parser_load_from_file (parser, path, NULL));
  vectors = json_object_get_array_member (json_node_get_object (json_parser_get_root (parser)),
                                          "vectors");
  g_assert_cmpuint (json_array_get_length (vectors), ==, 53);
  for (guint i = 0; i < json_array_get_length (vectors); i++)
    {
      JsonObject *v = json_array_get_object_element (vectors, i);
      const char *reg = json_object_get_string_member (v, "register");
      JkbCommand command;

      jkb_encode_write (&command, 1, (guint16) g_ascii_strtoull (reg, NULL, 16), 2,
                        (guint32) json_object_get_int_member (v, "raw_value"));
      assert_command (&command, json_object_get_string_member (v, "request"));
    }
}

static void
test_class_x_is_never_encoded (void)
{
  guint8 settings[JKB_FRAME_SIZE] = { 0 };
  guint n_refused = 0;

  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    {
      JkbCommand command;
      gboolean writable = jkb_fields[id].write_class == JKB_CLASS_A
                          || jkb_fields[id].write_class == JKB_CLASS_B
                          || jkb_fields[id].write_class == JKB_CLASS_C;

      g_assert_true (jkb_encode_setting (&command, 1, id, 1, settings) == writable);
      n_refused += writable ? 0 : 1;
    }
  g_assert_cmpuint (n_refused, >, 70);
}

static void
test_one_bit_of_the_mask (void)
{
  for (guint mask = 0; mask < 0x10000; mask += 0x0111)
    {
      guint8 settings[JKB_FRAME_SIZE] = { 0 }, after[JKB_FRAME_SIZE];
      JkbCommand command;

      settings[282] = mask & 0xff;
      settings[283] = mask >> 8;
      memcpy (after, settings, sizeof after);
      g_assert_true (jkb_encode_setting (&command, 3, JKB_FIELD_SMART_SLEEP, 1, settings));
      g_assert_cmphex (command.reg, ==, 0x1114);
      g_assert_cmpuint (command.count, ==, 1);
      jkb_encode_apply (&command, after);
      g_assert_cmphex (after[282] | after[283] << 8, ==, mask | 1 << 6);
      jkb_encode_setting (&command, 3, JKB_FIELD_CHARGING_FLOAT_MODE, 0, settings);
      jkb_encode_apply (&command, settings);
      g_assert_cmphex (settings[282] | settings[283] << 8, ==, mask & ~(1 << 9));
    }
}

static void
test_byte_pairs_keep_the_neighbour (void)
{
  guint8 settings[JKB_FRAME_SIZE] = { 0 };
  JkbCommand command;

  settings[284] = 3;
  settings[285] = 15;
  settings[286] = 24;
  settings[287] = 0xfe;
  g_assert_true (jkb_encode_setting (&command, 1, JKB_FIELD_HEATING_START_TEMPERATURE, -5, settings));
  g_assert_cmphex (command.reg, ==, 0x1116);
  g_assert_cmphex (command.bytes[7], ==, 0xfb);
  g_assert_cmphex (command.bytes[8], ==, 15);
  g_assert_true (jkb_encode_setting (&command, 1, JKB_FIELD_HEATING_STOP_TEMPERATURE, 20, settings));
  g_assert_cmphex (command.reg, ==, 0x1116);
  g_assert_cmphex (command.bytes[7], ==, 3);
  g_assert_cmphex (command.bytes[8], ==, 20);
  g_assert_true (jkb_encode_setting (&command, 1, JKB_FIELD_SMART_SLEEP_DELAY, 48, settings));
  g_assert_cmphex (command.reg, ==, 0x1118);
  g_assert_cmphex (command.bytes[7], ==, 48);
  g_assert_cmphex (command.bytes[8], ==, 0xfe);
}

/* What a command writes, put into a frame, decodes to the value that was asked for. */
static void
test_apply_lands_on_the_field_only (void)
{
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS); id < JKB_FIRST_INFO; id++)
    {
      guint8 before[JKB_FRAME_SIZE], after[JKB_FRAME_SIZE];
      JkbCommand command;
      guint changed = 0;

      memset (before, 0x5a, sizeof before);
      if (!jkb_encode_setting (&command, 1, id, jkb_fields[id].write_max, before))
        continue;
      memcpy (after, before, sizeof after);
      jkb_encode_apply (&command, after);
      for (guint offset = 0; offset < JKB_FRAME_SIZE; offset++)
        if (before[offset] != after[offset])
          {
            g_assert_cmpuint (offset, >=, jkb_fields[id].offset);
            g_assert_cmpuint (offset, <, jkb_fields[id].offset + jkb_field_width (&jkb_fields[id]));
            changed++;
          }
      g_assert_true (changed > 0 || jkb_fields[id].bit != 0);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/encode/triggers", test_triggers);
  g_test_add_func ("/encode/captured-writes", test_captured_writes);
  g_test_add_func ("/encode/vendor-examples", test_vendor_examples);
  g_test_add_func ("/encode/class-x-is-never-encoded", test_class_x_is_never_encoded);
  g_test_add_func ("/encode/one-bit-of-the-mask", test_one_bit_of_the_mask);
  g_test_add_func ("/encode/byte-pairs-keep-the-neighbour", test_byte_pairs_keep_the_neighbour);
  g_test_add_func ("/encode/apply-lands-on-the-field-only", test_apply_lands_on_the_field_only);
  return g_test_run ();
}
