/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What is taken from the broker, and what is answered, to the letter.
 */
#include "mqtt/jkb-command.h"

#include <string.h>

#include "mqtt-fixture.h"

static void
test_topics (void)
{
  static const struct
  {
    const char *topic, *id, *key;
  } rows[] = {
    { "site/jk/garage_1/set/balancer", "garage_1", "balancer" },
    { "site/jk/x/set/y", "x", "y" },
    { "site/jk/garage_1/set/balancer/result", NULL, NULL },
    { "site/jk/garage_1/set/", NULL, NULL },
    { "site/jk/garage_1/set", NULL, NULL },
    { "site/jk//set/balancer", NULL, NULL },
    { "site/jk/set/balancer", NULL, NULL },
    { "site/jk/a/b/set/balancer", NULL, NULL },
    { "site/jk/garage_1/settings", NULL, NULL },
    { "site/jkgarage_1/set/balancer", NULL, NULL },
    { "site/jk", NULL, NULL },
    { "other/garage_1/set/balancer", NULL, NULL },
    { "", NULL, NULL },
  };
  g_autofree char *filter = jkb_command_filter ("site/jk");
  g_autofree char *topic = jkb_command_topic ("site/jk", "garage_1", "balancer");

  g_assert_cmpstr (filter, ==, "site/jk/+/set/+");
  g_assert_cmpstr (topic, ==, rows[0].topic);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *id = NULL;
      g_autofree char *key = NULL;

      g_assert_cmpint (jkb_command_split ("site/jk", rows[i].topic, &id, &key), ==,
                       rows[i].id != NULL);
      g_assert_cmpstr (id, ==, rows[i].id);
      g_assert_cmpstr (key, ==, rows[i].key);
    }
}

static void
test_long_topics (void)
{
  g_autofree char *word = g_strnfill (64, 'a');
  g_autofree char *id = NULL;
  g_autofree char *key = NULL;
  g_autofree char *longest = g_strdup_printf ("jkbms/%s/set/%s", word, word);
  g_autofree char *long_id = g_strdup_printf ("jkbms/%sb/set/%s", word, word);
  g_autofree char *long_key = g_strdup_printf ("jkbms/%s/set/%sb", word, word);

  g_assert_false (jkb_command_split ("jkbms", long_id, &id, &key));
  g_assert_false (jkb_command_split ("jkbms", long_key, &id, &key));
  g_assert_null (id);
  g_assert_true (jkb_command_split ("jkbms", longest, &id, &key));
}

typedef struct
{
  JkbTier commands, access;
  const char *key, *payload;
  gint64 raw;          /* with no result */
  const char *result; /* of the refusal; NULL: accepted */
} Row;

#define NO(name, text) "{\"ok\":false,\"error\":\"" name ": " text "\",\"value\":null}"
#define P JKB_TIER_PROTECTION
#define OVP "cell_voltage_overvoltage_protection"

static const Row rows[] = {
  { P, P, "balancer", "ON", 1, NULL },
  { P, P, "balancer", "off", 0, NULL },
  { P, P, "balancer", "true", 1, NULL },
  { P, P, "balancer", "0", 0, NULL },
  { P, P, OVP, "3.65", 3650, NULL },
  { P, P, OVP, "+3.65", 3650, NULL },
  { P, P, OVP, "365e-2", 3650, NULL },
  { P, P, OVP, "4.350", 4350, NULL },
  { P, P, "charge_undertemperature_protection", "-20", -200, NULL },
  { P, P, "cell_count", "16", 16, NULL },
  { JKB_TIER_SWITCHES, P, "charging_switch", "ON", 1, NULL },
  { JKB_TIER_BASIC, JKB_TIER_BASIC, "smart_sleep", "ON", 1, NULL },

  { P, P, "balancer", "maybe", 0, NO ("InvalidArgument", "balancer is on or off") },
  { P, P, "balancer", "ON ", 0,
    NO ("InvalidArgument", "balancer needs one plain word, nothing else in the message") },
  { P, P, "balancer", "ON\n", 0,
    NO ("InvalidArgument", "balancer needs one plain word, nothing else in the message") },
  { P, P, "balancer", "{\"state\":\"ON\"}", 0,
    NO ("InvalidArgument", "balancer needs one plain word, nothing else in the message") },
  { P, P, OVP, "4.351", 0,
    NO ("OutOfRange", OVP " must be from 1.200 V to 4.350 V") },
  { P, P, OVP, "1e300", 0,
    NO ("OutOfRange", OVP " must be from 1.200 V to 4.350 V") },
  { P, P, OVP, "-3.65", 0,
    NO ("OutOfRange", OVP " must be from 1.200 V to 4.350 V") },
  { P, P, OVP, "1e999", 0, NO ("InvalidArgument", OVP " needs a number") },
  { P, P, OVP, "3.65.1", 0, NO ("InvalidArgument", OVP " needs a number") },
  { P, P, OVP, "e", 0, NO ("InvalidArgument", OVP " needs a number") },
  { P, P, OVP, "3,65", 0,
    NO ("InvalidArgument",
        OVP " needs a plain number such as 12.5, nothing else in the message") },
  { P, P, OVP, "nan", 0,
    NO ("InvalidArgument",
        OVP " needs a plain number such as 12.5, nothing else in the message") },
  { P, P, OVP, "0x3", 0,
    NO ("InvalidArgument",
        OVP " needs a plain number such as 12.5, nothing else in the message") },
  { P, P, OVP, " 3.65", 0,
    NO ("InvalidArgument",
        OVP " needs a plain number such as 12.5, nothing else in the message") },
  { P, P, OVP, "3.65 V", 0,
    NO ("InvalidArgument",
        OVP " needs a plain number such as 12.5, nothing else in the message") },
  { P, P, "nothing", "1", 0,
    NO ("InvalidArgument", "There is no setting called 'nothing'") },
  { P, P, "no\"thing", "1", 0,
    NO ("InvalidArgument", "There is no setting called 'no\\\"thing'") },
  { P, P, "no\xff" "thing", "1", 0,
    NO ("InvalidArgument", "There is no setting called 'no\xef\xbf\xbdthing'") },
  { P, P, "device_address", "3", 0,
    NO ("ReadOnly", "device_address is never written: a wrong value could cut the link or spoil "
                    "the calibration") },
  { P, P, "multiplexed_port_mode", "can", 0,
    NO ("ReadOnly", "multiplexed_port_mode is never written: a wrong value could cut the link or "
                    "spoil the calibration") },
  { P, P, "connection_wire_resistances", "1", 0,
    NO ("ReadOnly", "connection_wire_resistances is never written: a wrong value could cut the "
                    "link or spoil the calibration") },
  { JKB_TIER_BASIC, P, OVP, "3.65", 0,
    NO ("ReadOnly", OVP " needs commands=protection in [mqtt] of the configuration, it is basic") },
  { JKB_TIER_SWITCHES, P, "discharging_switch", "OFF", 0,
    NO ("ReadOnly", "discharging_switch needs commands=protection in [mqtt] of the "
                    "configuration, it is switches") },
  { P, JKB_TIER_SWITCHES, "smart_sleep", "ON", 0,
    NO ("ReadOnly", "smart_sleep needs access=basic in [writes] of the configuration, it is "
                    "switches") },
};

static void
test_parse (MqttFixture *f, gconstpointer unused)
{
  g_autoptr (GString) out = g_string_new ("what was before");

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const Row *row = &rows[i];
      g_autoptr (GError) error = NULL;
      const JkbField *field;
      gint64 raw = 0;

      f->config.mqtt.commands = row->commands;
      f->config.writes.access = row->access;
      field = jkb_command_parse (&f->config, row->key, row->payload, strlen (row->payload), &raw,
                                 &error);
      if (row->result == NULL)
        {
          g_assert_no_error (error);
          g_assert_cmpstr (field->key, ==, row->key);
          g_assert_cmpint (raw, ==, row->raw);
          continue;
        }
      g_assert_null (field);
      jkb_command_result (out, NULL, 0, error);
      g_assert_cmpstr (out->str, ==, row->result);
    }
}

static void
test_hostile_sizes (MqttFixture *f, gconstpointer unused)
{
  g_autofree char *zeros = g_strnfill (65, '0');
  gint64 raw = 0;

  f->config.mqtt.commands = f->config.writes.access = JKB_TIER_PROTECTION;
  memcpy (zeros + 61, "3.65", 4);
  g_assert_null (jkb_command_parse (&f->config, OVP, zeros, 65, &raw, NULL));
  g_assert_nonnull (jkb_command_parse (&f->config, OVP, zeros + 1, 64, &raw, NULL));
  g_assert_cmpint (raw, ==, 3650);
  g_assert_null (jkb_command_parse (&f->config, "balancer", "ON\0OFF", 6, &raw, NULL));
  g_assert_null (jkb_command_parse (&f->config, "balancer", "", 0, &raw, NULL));
}

static void
test_results (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  jkb_command_result (out, &jkb_fields[JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION], 3650, NULL);
  g_assert_cmpstr (out->str, ==, "{\"ok\":true,\"error\":null,\"value\":3.650}");
  jkb_command_result (out, &jkb_fields[JKB_FIELD_BALANCER], 0, NULL);
  g_assert_cmpstr (out->str, ==, "{\"ok\":true,\"error\":null,\"value\":false}");
  jkb_command_result (out, &jkb_fields[JKB_FIELD_CONFIGURED_CELL_COUNT], 16, NULL);
  g_assert_cmpstr (out->str, ==, "{\"ok\":true,\"error\":null,\"value\":16}");
}

static void
test_tier (MqttFixture *f, gconstpointer unused)
{
  g_assert_cmpint (jkb_command_tier (&f->config), ==, JKB_TIER_NONE);
  f->config.mqtt.commands = JKB_TIER_PROTECTION;
  g_assert_cmpint (jkb_command_tier (&f->config), ==, JKB_TIER_NONE);
  f->config.writes.access = JKB_TIER_BASIC;
  g_assert_cmpint (jkb_command_tier (&f->config), ==, JKB_TIER_BASIC);
  f->config.mqtt.commands = JKB_TIER_SWITCHES;
  g_assert_cmpint (jkb_command_tier (&f->config), ==, JKB_TIER_SWITCHES);
}

static void
test_birth (MqttFixture *f, gconstpointer unused)
{
  f->config.homeassistant.status_topic = (char *) "ha/status";
  g_assert_true (jkb_command_is_birth (&f->config, "ha/status", "online", 6, FALSE));
  g_assert_false (jkb_command_is_birth (&f->config, "ha/status", "online", 6, TRUE));
  g_assert_false (jkb_command_is_birth (&f->config, "ha/status", "offline", 7, FALSE));
  g_assert_false (jkb_command_is_birth (&f->config, "ha/status", "online\0", 7, FALSE));
  g_assert_false (jkb_command_is_birth (&f->config, "ha/status", "", 0, FALSE));
  g_assert_false (jkb_command_is_birth (&f->config, "ha/status/x", "online", 6, FALSE));
}

static void
test_farewell (MqttFixture *f, gconstpointer unused)
{
  f->config.homeassistant.status_topic = (char *) "ha/status";
  g_assert_true (jkb_command_is_farewell (&f->config, "ha/status", "offline", 7, FALSE));
  g_assert_false (jkb_command_is_farewell (&f->config, "ha/status", "offline", 7, TRUE));
  g_assert_false (jkb_command_is_farewell (&f->config, "ha/status", "online", 6, FALSE));
  g_assert_false (jkb_command_is_farewell (&f->config, "ha/status", "offline ", 8, FALSE));
  g_assert_false (jkb_command_is_farewell (&f->config, "ha", "offline", 7, FALSE));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func)                                                                            \
  g_test_add (path, MqttFixture, NULL, mqtt_fixture_set_up, func, mqtt_fixture_tear_down)
  g_test_add_func ("/mqtt/command/topics", test_topics);
  g_test_add_func ("/mqtt/command/long-topics", test_long_topics);
  ADD ("/mqtt/command/parse", test_parse);
  ADD ("/mqtt/command/hostile-sizes", test_hostile_sizes);
  g_test_add_func ("/mqtt/command/results", test_results);
  ADD ("/mqtt/command/tier", test_tier);
  ADD ("/mqtt/command/birth", test_birth);
  ADD ("/mqtt/command/farewell", test_farewell);
  return g_test_run ();
}
