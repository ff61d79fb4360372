/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Discovery documents: what must never change is kept in tests/golden and reviewed when it does
 * (JKB_UPDATE_GOLDEN=1 writes it anew).
 */
#include "mqtt/jkb-homeassistant.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "bus/jkb-bus.h"
#include "config.h"
#include "mqtt-fixture.h"
#include "mqtt/jkb-ha-writer.h"

static char *
document_of (MqttFixture *f, JkbBms *bms)
{
  GString *out = g_string_new ("what was before");

  jkb_ha_bms_document (out, &f->config, f->registry, bms, NULL);
  return g_string_free (out, FALSE);
}

static JsonObject *
components_of (JsonParser *parser, const char *document)
{
  g_autoptr (GError) error = NULL;

  json_parser_load_from_data (parser, document, -1, &error);
  g_assert_no_error (error);
  return json_object_get_object_member (json_node_get_object (json_parser_get_root (parser)),
                                        "components");
}

static gboolean
has (const char *document, const char *key)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  return json_object_has_member (components_of (parser, document), key);
}

static guint
count (const char *document)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  return json_object_get_size (components_of (parser, document));
}

static char *
pretty (const char *document)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text = NULL;
  g_autoptr (GString) out = NULL;

  components_of (parser, document);
  text = json_to_string (json_parser_get_root (parser), TRUE);
  out = g_string_new (text);
  g_string_replace (out, "\"" VERSION "\"", "\"VERSION\"", 0);
  g_string_append_c (out, '\n');
  return g_strdup (out->str);
}

static void
assert_golden (const char *name, const char *document)
{
  g_autofree char *text = pretty (document);
  g_autofree char *file = g_build_filename (g_getenv ("JKB_GOLDEN"), name, NULL);
  g_autofree char *golden = NULL;
  g_autoptr (GError) error = NULL;

  if (g_getenv ("JKB_UPDATE_GOLDEN") != NULL)
    g_file_set_contents (file, text, -1, &error);
  g_assert_no_error (error);
  g_file_get_contents (file, &golden, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, golden);
}

static void
test_golden (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);
  g_autoptr (GPtrArray) buses = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GString) bridge = g_string_new (NULL);
  g_autofree char *document = NULL;

  g_ptr_array_add (buses, jkb_bus_new (&f->bus, NULL, NULL, NULL, NULL));
  f->config.homeassistant.entities = JKB_ENTITIES_FULL;
  mqtt_fixture_tell_settings (f, 1);
  mqtt_fixture_tell_info (f, 1);
  document = document_of (f, bms);
  assert_golden ("discovery-16s.json", document);
  jkb_ha_bridge_document (bridge, &f->config, buses, NULL);
  assert_golden ("discovery-bridge.json", bridge->str);
}

static void
test_profiles (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);
  g_autofree char *minimal = NULL;
  g_autofree char *standard = NULL;
  g_autofree char *full = NULL;

  f->config.homeassistant.entities = JKB_ENTITIES_MINIMAL;
  minimal = document_of (f, bms);
  f->config.homeassistant.entities = JKB_ENTITIES_STANDARD;
  standard = document_of (f, bms);
  f->config.homeassistant.entities = JKB_ENTITIES_FULL;
  full = document_of (f, bms);
  g_assert_true (has (minimal, "state_of_charge") && has (minimal, "alarm"));
  g_assert_false (has (minimal, "cell_voltage_1") || has (minimal, "alarm_event"));
  g_assert_true (has (standard, "cell_voltage_16") && has (standard, "alarm_event"));
  g_assert_false (has (standard, "cell_voltage_17") || has (standard, "cell_resistance_1"));
  g_assert_true (has (full, "cell_resistance_16") && has (full, "alarm_gps_remote_lock"));
  g_assert_cmpuint (count (minimal), <, count (standard));
  g_assert_cmpuint (count (standard), <, count (full));
}

/* What was not told is not there: no third sensor, no settings, no model. */
static void
test_only_what_is_there (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 8);
  g_autofree char *document = NULL;

  f->config.homeassistant.entities = JKB_ENTITIES_FULL;
  document = document_of (f, bms);
  g_assert_true (has (document, "temperature_sensor_2"));
  g_assert_false (has (document, "temperature_sensor_4"));
  g_assert_true (has (document, "cell_voltage_8"));
  g_assert_false (has (document, "cell_voltage_9"));
  g_assert_false (has (document, "charging_switch"));
  g_assert_null (strstr (document, "\"model\""));
  g_assert_null (strstr (document, "serial_number"));
}

static void
test_settings_cell_count (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 8);
  g_autofree char *document = NULL;

  f->config.homeassistant.entities = JKB_ENTITIES_FULL;
  mqtt_fixture_tell_settings (f, 1);
  document = document_of (f, bms);
  g_assert_true (has (document, "cell_count") && has (document, "configured_cell_count"));
}

static void
test_instance (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 8);
  g_autofree char *document = NULL;
  g_autofree char *topic = NULL;

  f->config.daemon.instance = (char *) "attic";
  topic = jkb_ha_topic (&f->config, "garage_1");
  g_assert_cmpstr (topic, ==, "homeassistant/device/jkbmsd_attic_garage_1/config");
  document = document_of (f, bms);
  g_assert_nonnull (strstr (document, "\"identifiers\":[\"jkbmsd_attic_garage_1\"]"));
  g_assert_nonnull (strstr (document, "\"unique_id\":\"jkbmsd_attic_garage_1_current\""));
  g_assert_nonnull (strstr (document, "\"via_device\":\"jkbmsd_attic_bridge\""));
}

static void
test_same_name_twice (MqttFixture *f, gconstpointer unused)
{
  JkbBmsConfig one = { .id = (char *) "garage_1", .name = (char *) "Rack" };
  JkbBmsConfig two = { .id = (char *) "garage_2", .name = (char *) "Rack" };
  JkbBms *bms;
  g_autofree char *document = NULL;

  g_ptr_array_add (f->config.bms, &one);
  g_ptr_array_add (f->config.bms, &two);
  jkb_registry_configure (f->registry, &f->config);
  mqtt_fixture_add_bms (f, 1, 8);
  bms = mqtt_fixture_add_bms (f, 2, 8);
  document = document_of (f, bms);
  g_assert_nonnull (strstr (document, "\"sensor.rack_garage_2_current\""));
  g_assert_nonnull (strstr (document, "\"name\":\"Rack\""));
}

static void
test_gone (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 8);
  g_autofree char *standard = document_of (f, bms);
  g_autofree char *minimal = NULL;
  g_autoptr (GPtrArray) gone = NULL;
  g_autoptr (GPtrArray) none = NULL;
  g_autoptr (GPtrArray) broken = NULL;
  g_autoptr (GString) step = g_string_new (NULL);
  g_autoptr (GPtrArray) again = NULL;

  f->config.homeassistant.entities = JKB_ENTITIES_MINIMAL;
  minimal = document_of (f, bms);
  gone = jkb_ha_find_gone (standard, minimal);
  g_assert_cmpuint (gone->len, ==, count (standard) - count (minimal));
  jkb_ha_bms_document (step, &f->config, f->registry, bms, gone);
  g_assert_nonnull (strstr (step->str, "\"cell_voltage_1\":{\"platform\":\"sensor\"}"));
  g_assert_nonnull (strstr (step->str, "\"alarm_event\":{\"platform\":\"event\"}"));
  again = jkb_ha_find_gone (step->str, minimal);
  g_assert_cmpuint (again->len, ==, 0);
  none = jkb_ha_find_gone (minimal, standard);
  g_assert_cmpuint (none->len, ==, 0);
  broken = jkb_ha_find_gone ("{\"components\":[1,2", minimal);
  g_assert_cmpuint (broken->len, ==, 0);
}

static char *
component (const char *document, const char *key)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *components = components_of (parser, document);

  return json_to_string (json_object_get_member (components, key), FALSE);
}

#define HEAD(platform, key, name)                                                                  \
  "{\"platform\":\"" platform "\",\"unique_id\":\"jkbmsd_garage_1_" key                          \
  "\",\"default_entity_id\":\"" platform ".garage_1_" key "\",\"name\":\"" name                  \
  "\",\"state_topic\":\"jkbms/garage_1/settings\",\"value_template\":"
#define COMMAND(key) "\"command_topic\":\"jkbms/garage_1/set/" key "\",\"qos\":1,"
#define CONFIG "\"entity_category\":\"config\""

/* What the tier allows is a control, what it does not stays something to read. */
static void
test_controls (MqttFixture *f, gconstpointer unused)
{
  static const struct
  {
    JkbTier tier;
    const char *key, *text;
  } rows[] = {
    { JKB_TIER_SWITCHES, "balancer",
      HEAD ("switch", "balancer", "Balancer") "\"{{ value_json.balancer | iif('ON', 'OFF', None) }}"
      "\"," COMMAND ("balancer") CONFIG "}" },
    { JKB_TIER_SWITCHES, "smart_sleep_voltage", NULL },
    { JKB_TIER_BASIC, "max_balance_current",
      HEAD ("number", "max_balance_current", "Balancing current limit")
      "\"{{ value_json.max_balance_current }}\"," COMMAND ("max_balance_current")
      "\"min\":0.001,\"max\":10.000,\"step\":0.100,\"mode\":\"box\",\"device_class\":\"current\","
      "\"unit_of_measurement\":\"A\"," CONFIG "}" },
    { JKB_TIER_BASIC, "cell_voltage_overvoltage_protection", NULL },
    { JKB_TIER_PROTECTION, "cell_voltage_overvoltage_protection",
      HEAD ("number", "cell_voltage_overvoltage_protection", "Cell overvoltage protection")
      "\"{{ value_json.cell_voltage_overvoltage_protection }}\","
      COMMAND ("cell_voltage_overvoltage_protection")
      "\"min\":1.200,\"max\":4.350,\"step\":0.001,\"mode\":\"box\",\"device_class\":\"voltage\","
      "\"unit_of_measurement\":\"V\"," CONFIG ",\"enabled_by_default\":false}" },
    { JKB_TIER_PROTECTION, "configured_cell_count",
      HEAD ("number", "configured_cell_count", "Configured cell count")
      "\"{{ value_json.cell_count }}\"," COMMAND ("cell_count")
      "\"min\":2,\"max\":32,\"step\":1,\"mode\":\"box\"," CONFIG
      ",\"enabled_by_default\":false}" },
    { JKB_TIER_PROTECTION, "device_address", NULL },
  };
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);

  mqtt_fixture_tell_settings (f, 1);
  f->bus.uri = (char *) "serial:/dev/ttyUSB0";
  f->config.writes.access = JKB_TIER_PROTECTION;
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *document = NULL;
      g_autofree char *member = g_strdup_printf ("\"%s\":%s", rows[i].key, rows[i].text);

      f->config.mqtt.commands = rows[i].tier;
      document = document_of (f, bms);
      if (rows[i].text == NULL)
        g_assert_false (has (document, rows[i].key));
      else if (strstr (document, member) == NULL)
        g_error ("%s is not in %s", member, document);
    }
}

static void
test_no_controls (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);
  g_autofree char *none = NULL;
  g_autofree char *above_access = NULL;
  g_autofree char *listening = NULL;
  g_autofree char *replayed = NULL;

  mqtt_fixture_tell_settings (f, 1);
  f->bus.uri = (char *) "serial:/dev/ttyUSB0";
  none = document_of (f, bms);
  f->config.mqtt.commands = JKB_TIER_PROTECTION;
  above_access = document_of (f, bms);
  f->config.writes.access = JKB_TIER_PROTECTION;
  f->bus.mode = JKB_MODE_LISTEN;
  listening = document_of (f, bms);
  f->bus.mode = JKB_MODE_AUTO;
  f->bus.uri = (char *) "replay:bus.bin";
  replayed = document_of (f, bms);
  g_assert_null (strstr (none, "command_topic"));
  g_assert_cmpstr (above_access, ==, none);
  g_assert_cmpstr (listening, ==, none);
  g_assert_cmpstr (replayed, ==, none);
}

/* Nested deeper than a stack goes; keys that are not ours and no text; and as many brackets as our
 * fullest document has, which is read. */
static void
test_gone_hostile (MqttFixture *f, gconstpointer unused)
{
  enum { DEPTH = 500000 };
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 32);
  g_autofree char *minimal = document_of (f, bms);
  g_autofree char *full = NULL;
  g_autoptr (GString) deep = g_string_new ("{\"components\":{\"x\":");
  g_autoptr (GPtrArray) none = NULL;
  g_autoptr (GPtrArray) blank = NULL;
  g_autoptr (GPtrArray) strange = NULL;
  g_autoptr (GPtrArray) gone = NULL;

  for (guint i = 0; i < DEPTH; i++)
    g_string_append_c (deep, '[');
  none = jkb_ha_find_gone (deep->str, minimal);
  g_assert_cmpuint (none->len, ==, 0);
  blank = jkb_ha_find_gone (" \n", minimal);
  g_assert_cmpuint (blank->len, ==, 0);
  strange = jkb_ha_find_gone ("{\"components\":{\"\\ud800x\":{\"platform\":\"sensor\",\"a\":1},"
                              "\"b\":{\"platform\":\"\\u0007\",\"a\":1},"
                              "\"old\":{\"platform\":\"sensor\",\"a\":1}}}",
                              minimal);
  g_assert_cmpuint (strange->len, ==, 1);
  g_assert_cmpstr (((JkbHaGone *) strange->pdata[0])->key, ==, "old");

  mqtt_fixture_tell_settings (f, 1);
  mqtt_fixture_tell_info (f, 1);
  f->config.homeassistant.entities = JKB_ENTITIES_FULL;
  f->config.mqtt.commands = f->config.writes.access = JKB_TIER_PROTECTION;
  full = document_of (f, bms);
  gone = jkb_ha_find_gone (full, minimal);
  g_assert_cmpuint (gone->len, >, 100);
}

/* What was read and can be written now keeps its key and changes its platform: gone once. */
static void
test_becomes_control (MqttFixture *f, gconstpointer unused)
{
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);
  g_autofree char *reading = NULL;
  g_autofree char *writing = NULL;
  g_autofree char *step_balancer = NULL;
  g_autofree char *balancer = NULL;
  g_autoptr (GPtrArray) gone = NULL;
  g_autoptr (GPtrArray) none = NULL;
  g_autoptr (GString) step = g_string_new (NULL);

  mqtt_fixture_tell_settings (f, 1);
  f->bus.uri = (char *) "serial:/dev/ttyUSB0";
  reading = document_of (f, bms);
  f->config.mqtt.commands = f->config.writes.access = JKB_TIER_SWITCHES;
  writing = document_of (f, bms);
  gone = jkb_ha_find_gone (reading, writing);
  g_assert_cmpuint (gone->len, ==, 3);
  jkb_ha_bms_document (step, &f->config, f->registry, bms, gone);
  step_balancer = component (step->str, "balancer");
  g_assert_cmpstr (step_balancer, ==, "{\"platform\":\"binary_sensor\"}");
  g_assert_cmpuint (count (step->str), ==, count (writing));
  balancer = component (writing, "balancer");
  g_assert_true (g_str_has_prefix (balancer, "{\"platform\":\"switch\""));
  none = jkb_ha_find_gone (writing, writing);
  g_assert_cmpuint (none->len, ==, 0);
}

static void
test_slug (void)
{
  const char *const cases[][2] = { { "garage_1", "garage_1" },
                                   { "Left rack", "left_rack" },
                                   { "  Küche -- №2 ", "kuche_no2" },
                                   { "!?", "" } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *slug = jkb_ha_slug (cases[i][0]);

      if (i == 2) /* the C library decides what becomes of a numero sign */
        g_assert_true (g_str_has_prefix (slug, "kuche_"));
      else
        g_assert_cmpstr (slug, ==, cases[i][1]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func)                                                                            \
  g_test_add (path, MqttFixture, NULL, mqtt_fixture_set_up, func, mqtt_fixture_tear_down)
  ADD ("/mqtt/homeassistant/golden", test_golden);
  ADD ("/mqtt/homeassistant/profiles", test_profiles);
  ADD ("/mqtt/homeassistant/only-what-is-there", test_only_what_is_there);
  ADD ("/mqtt/homeassistant/settings-cell-count", test_settings_cell_count);
  ADD ("/mqtt/homeassistant/instance", test_instance);
  ADD ("/mqtt/homeassistant/same-name-twice", test_same_name_twice);
  ADD ("/mqtt/homeassistant/gone", test_gone);
  ADD ("/mqtt/homeassistant/gone-hostile", test_gone_hostile);
  ADD ("/mqtt/homeassistant/controls", test_controls);
  ADD ("/mqtt/homeassistant/no-controls", test_no_controls);
  ADD ("/mqtt/homeassistant/becomes-control", test_becomes_control);
  g_test_add_func ("/mqtt/homeassistant/slug", test_slug);
  return g_test_run ();
}
