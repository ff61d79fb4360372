/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Discovery documents. Availability and the state topic stand at the root, where all components
 * share them; a component names only what is its own. Templates are made so that null becomes
 * "unknown". Main thread only.
 */
#include "mqtt/jkb-homeassistant.h"

#include <json-glib/json-glib.h>
#include <string.h>

#include "bus/jkb-bus.h"
#include "config.h"
#include "mqtt/jkb-ha-control.h"
#include "mqtt/jkb-ha-device.h"
#include "mqtt/jkb-ha-translate.h"
#include "mqtt/jkb-topic.h"
#include "wire/jkb-alarm.h"

#define N_(text) text
#define MAX_BRACKETS 10000 /* that open, in a document that is read; the fullest of ours has 703 */

void
jkb_ha_gone_free (JkbHaGone *gone)
{
  g_free (gone->key);
  g_free (gone->platform);
  g_free (gone);
}

char *
jkb_ha_device_id (const JkbConfig *config, const char *id)
{
  const char *instance = config->daemon.instance;

  if (instance == NULL || instance[0] == '\0')
    return g_strdup_printf ("jkbmsd_%s", id);
  return g_strdup_printf ("jkbmsd_%s_%s", instance, id);
}

char *
jkb_ha_topic (const JkbConfig *config, const char *id)
{
  g_autofree char *device_id = jkb_ha_device_id (config, id);

  return g_strdup_printf ("%s/device/%s/config", config->homeassistant.prefix, device_id);
}

static void
append_gone (GString *out, GPtrArray *gone)
{
  for (guint i = 0; gone != NULL && i < gone->len; i++)
    {
      JkbHaGone *component = g_ptr_array_index (gone, i);

      jkb_ha_open (out, component->key, '{');
      jkb_ha_string (out, "platform", component->platform);
      g_string_append_c (out, '}');
    }
}

/* ---- components of the field table ---- */

static gboolean
is_number (const JkbField *field)
{
  return field->kind == JKB_KIND_NUMBER || field->kind == JKB_KIND_LIST;
}

/* What the table says; the component is still open. */
static void
append_columns (GString *out, const JkbField *field)
{
  jkb_ha_optional (out, "device_class", field->ha.device_class);
  if (field->ha.platform == JKB_HA_SENSOR)
    {
      jkb_ha_optional (out, "unit_of_measurement", field->unit);
      jkb_ha_optional (out, "state_class", field->ha.state_class);
      if (is_number (field))
        jkb_ha_integer (out, "suggested_display_precision",
                        field->ha.precision >= 0 ? field->ha.precision
                                                 : (int) jkb_field_decimals (field));
    }
  if (field->kind == JKB_KIND_ENUM)
    jkb_ha_options (out, field);
}

static const char *
platform_name (JkbHaPlatform platform)
{
  return platform == JKB_HA_BINARY_SENSOR ? "binary_sensor" : "sensor";
}

static const char *
group_topic (JkbGroup group, const JkbField *field, const JkbBmsTopics *topics)
{
  if (group == JKB_GROUP_SETTINGS)
    return topics->settings;
  if (group == JKB_GROUP_INFO)
    return topics->info;
  return field->kind == JKB_KIND_LIST ? topics->cells : NULL; /* NULL: the root's */
}

/* The key that a field has among all entities of a BMS. */
static const char *
component_key (const JkbField *field)
{
  return jkb_field_id (field) == JKB_FIELD_CONFIGURED_CELL_COUNT ? "configured_cell_count"
                                                                 : field->key;
}

static void
append_field (const JkbHaDevice *device, const JkbField *field, const JkbBmsTopics *topics)
{
  jkb_ha_begin (device, component_key (field), platform_name (field->ha.platform));
  if ((field->ha.flags & JKB_HA_UNNAMED) == 0)
    jkb_ha_name (device, field->label);
  append_columns (device->out, field);
  jkb_ha_optional (device->out, "state_topic", group_topic (field->group, field, topics));
  jkb_ha_template (device->out, field, 0);
  jkb_ha_end (device, field->ha.flags);
}

static const char *
numbered_label (const JkbField *field)
{
  switch (jkb_field_id (field))
    {
    case JKB_FIELD_CELL_VOLTAGES:
      /* Translators: name of an entity in Home Assistant, as all texts of this file; short */
      return N_("Cell %u voltage");
    case JKB_FIELD_CELL_RESISTANCES:
      return N_("Cell %u resistance");
    default:
      return N_("Cell %u wire resistance");
    }
}

static void
append_item (const JkbHaDevice *device, const JkbField *field, guint item,
             const JkbBmsTopics *topics)
{
  g_autofree char *number = g_strdup_printf ("%u", item + 1);
  g_autofree char *name = jkb_ha_fill_in (jkb_ha_label (device, numbered_label (field)), number);
  char key[64];

  jkb_field_item_key (field, item, key, sizeof key);
  jkb_ha_begin (device, key, platform_name (field->ha.platform));
  jkb_ha_string (device->out, "name", name);
  append_columns (device->out, field);
  jkb_ha_string (device->out, "state_topic", group_topic (field->group, field, topics));
  jkb_ha_template (device->out, field, (int) item);
  jkb_ha_end (device, field->ha.flags);
}

/* A component that changes its platform is sent once as gone under its old one: no key may be twice
 * in a document. */
static gboolean
is_going (GPtrArray *gone, const char *key)
{
  for (guint i = 0; gone != NULL && i < gone->len; i++)
    if (g_str_equal (((JkbHaGone *) g_ptr_array_index (gone, i))->key, key))
      return TRUE;
  return FALSE;
}

static void
append_fields (const JkbHaDevice *device, JkbBms *bms, const JkbBmsTopics *topics, GPtrArray *gone)
{
  JkbHaProfile profile = (JkbHaProfile) device->config->homeassistant.entities;

  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    {
      const JkbField *field = &jkb_fields[id];

      if (!jkb_bms_has_field (bms, id) || is_going (gone, component_key (field)))
        continue;
      if (jkb_ha_is_control (device->config, bms, field))
        {
          jkb_ha_control (device, bms, field, component_key (field), topics->settings);
          continue;
        }
      if (field->ha.platform == JKB_HA_NONE || field->ha.profile > profile)
        continue;
      if (field->kind != JKB_KIND_LIST)
        append_field (device, field, topics);
      else
        for (guint cell = 0; cell < jkb_bms_get_n_cells (bms); cell++)
          append_item (device, field, cell, topics);
    }
}

/* ---- alarms and the connection ---- */

static void
append_mask_template (GString *out, guint32 mask)
{
  g_autofree char *template
      = g_strdup_printf ("{{ None if value_json.errors_bitmask is none else "
                         "iif(value_json.errors_bitmask | bitwise_and(%u) > 0, 'ON', 'OFF') }}",
                         mask);

  jkb_ha_string (out, "value_template", template);
}

static void
append_problem (const JkbHaDevice *device, const char *key, const char *label, guint32 mask,
                JkbHaFlags flags)
{
  jkb_ha_begin (device, key, "binary_sensor");
  jkb_ha_name (device, label);
  jkb_ha_string (device->out, "device_class", "problem");
  append_mask_template (device->out, mask);
  jkb_ha_end (device, flags);
}

static void
append_alarm_event (const JkbHaDevice *device, const JkbBmsTopics *topics)
{
  jkb_ha_begin (device, "alarm_event", "event");
  jkb_ha_name (device, N_("Alarm event"));
  jkb_ha_string (device->out, "state_topic", topics->alarm);
  jkb_ha_integer (device->out, "qos", 1);
  jkb_ha_open (device->out, "event_types", '[');
  jkb_ha_item (device->out, "raised");
  jkb_ha_item (device->out, "cleared");
  g_string_append_c (device->out, ']');
  jkb_ha_end (device, 0);
}

static void
append_alarms (const JkbHaDevice *device, const JkbBmsTopics *topics)
{
  append_problem (device, "alarm", N_("Alarm"), jkb_alarm_problems (G_MAXUINT32), 0);
  if (device->config->homeassistant.entities == JKB_ENTITIES_MINIMAL)
    return;
  append_alarm_event (device, topics);
  for (guint bit = 0; device->config->homeassistant.entities == JKB_ENTITIES_FULL
                      && bit < JKB_N_ALARM_BITS; bit++)
    {
      g_autofree char *key = g_strdup_printf ("alarm_%s", jkb_alarm_key (bit));

      if (jkb_alarm_label (bit) != NULL)
        append_problem (device, key, jkb_alarm_label (bit), 1u << bit,
                        JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED);
    }
}

/* Says whether the BMS, or the bridge, is there: so it must not vanish with it. */
static void
append_connection (const JkbHaDevice *device, const char *topic, const char *availability)
{
  jkb_ha_begin (device, "connection", "binary_sensor");
  jkb_ha_name (device, N_("Connection"));
  jkb_ha_string (device->out, "device_class", "connectivity");
  jkb_ha_string (device->out, "state_topic", topic);
  jkb_ha_string (device->out, "payload_on", "online");
  jkb_ha_string (device->out, "payload_off", "offline");
  if (availability != NULL)
    jkb_ha_availability (device->out, availability, NULL);
  jkb_ha_end (device, JKB_HA_DIAGNOSTIC);
}

/* ---- a BMS ---- */

static const char *
info_text (JkbBms *bms, JkbFieldId id)
{
  const JkbValues *info = jkb_bms_peek_values (bms, JKB_GROUP_INFO);

  return info != NULL ? jkb_values_get_text (info, id) : NULL;
}

static void
append_bms_device (const JkbHaDevice *device, JkbBms *bms)
{
  g_autofree char *bridge_id = jkb_ha_device_id (device->config, "bridge");
  GString *out = device->out;

  jkb_ha_open (out, "device", '{');
  jkb_ha_open (out, "identifiers", '[');
  jkb_ha_item (out, device->device_id);
  g_string_append_c (out, ']');
  jkb_ha_string (out, "name", jkb_bms_get_name (bms));
  jkb_ha_string (out, "manufacturer", "JiKong");
  jkb_ha_optional (out, "model", jkb_bms_get_model (bms));
  jkb_ha_optional (out, "hw_version", info_text (bms, JKB_FIELD_HARDWARE_VERSION));
  jkb_ha_optional (out, "sw_version", info_text (bms, JKB_FIELD_SOFTWARE_VERSION));
  jkb_ha_optional (out, "serial_number", jkb_bms_get_serial_number (bms));
  jkb_ha_string (out, "via_device", bridge_id);
  g_string_append_c (out, '}');
}

/* Two of one name would want the same entity ids: then the id tells them apart. */
static char *
name_for_ids (JkbRegistry *registry, JkbBms *bms)
{
  GPtrArray *all = jkb_registry_list (registry);

  for (guint i = 0; i < all->len; i++)
    {
      JkbBms *other = g_ptr_array_index (all, i);

      if (other != bms && g_str_equal (jkb_bms_get_name (other), jkb_bms_get_name (bms)))
        return g_strdup_printf ("%s %s", jkb_bms_get_name (bms), jkb_bms_get_id (bms));
    }
  return g_strdup (jkb_bms_get_name (bms));
}

void
jkb_ha_bms_document (GString *out, const JkbConfig *config, JkbRegistry *registry, JkbBms *bms,
                     GPtrArray *gone)
{
  g_autofree char *name = name_for_ids (registry, bms);
  JkbBmsTopics topics;
  JkbHaDevice device;

  jkb_bms_topics_init (&topics, config->mqtt.topic_prefix, jkb_bms_get_id (bms));
  jkb_ha_device_init (&device, out, config, jkb_bms_get_id (bms), name);
  append_bms_device (&device, bms);
  jkb_ha_origin (out);
  jkb_ha_availability (out, device.bridge_availability, topics.availability);
  jkb_ha_string (out, "state_topic", topics.state);
  jkb_ha_open (out, "components", '{');
  append_fields (&device, bms, &topics, gone);
  append_alarms (&device, &topics);
  append_connection (&device, topics.availability, device.bridge_availability);
  append_gone (out, gone);
  g_string_append (out, "}}");
  jkb_ha_device_clear (&device);
  jkb_bms_topics_clear (&topics);
}

/* ---- the bridge ---- */

static void
append_bridge_device (const JkbHaDevice *device)
{
  const char *instance = device->config->daemon.instance;
  g_autofree char *name = g_strdup_printf ("%s%s%s", jkb_ha_label (device, N_("JK BMS bridge")),
                                           instance[0] != '\0' ? " " : "", instance);
  GString *out = device->out;

  jkb_ha_open (out, "device", '{');
  jkb_ha_open (out, "identifiers", '[');
  jkb_ha_item (out, device->device_id);
  g_string_append_c (out, ']');
  jkb_ha_string (out, "name", name);
  jkb_ha_string (out, "manufacturer", "jkbmsd");
  jkb_ha_string (out, "model", "RS485 bridge");
  jkb_ha_string (out, "sw_version", VERSION);
  g_string_append_c (out, '}');
}

#define PLAIN "{{ VALUE }}"

/* The start of an entity about a bus; the caller adds its own keys and ends it. VALUE stands for
 * the member @suffix of the bus, "%s" in @label for its name. */
static void
begin_bus_component (const JkbHaDevice *device, const char *bus, const char *suffix,
                     const char *platform, const char *label, const char *template)
{
  g_autofree char *key = g_strdup_printf ("bus_%s_%s", bus, suffix);
  g_autofree char *full_name = jkb_ha_fill_in (jkb_ha_label (device, label), bus);
  g_autofree char *value = g_strdup_printf ("value_json.buses['%s'].%s", bus, suffix);
  g_autoptr (GString) full_template = g_string_new (template);

  g_string_replace (full_template, "VALUE", value, 0);
  jkb_ha_begin (device, key, platform);
  jkb_ha_string (device->out, "name", full_name);
  jkb_ha_string (device->out, "value_template", full_template->str);
  jkb_ha_availability (device->out, device->bridge_availability, NULL);
}

static void
append_bus_counter (const JkbHaDevice *device, const char *bus, const char *key, const char *label)
{
  begin_bus_component (device, bus, key, "sensor", label, PLAIN);
  jkb_ha_string (device->out, "state_class", "total_increasing");
  jkb_ha_integer (device->out, "suggested_display_precision", 0);
  jkb_ha_end (device, JKB_HA_DIAGNOSTIC | JKB_HA_DISABLED);
}

static void
append_bus (const JkbHaDevice *device, const char *bus)
{
  GString *out = device->out;

  begin_bus_component (device, bus, "state", "binary_sensor", N_("Bus %s"),
                       "{{ 'ON' if VALUE == 'up' else 'OFF' }}");
  jkb_ha_string (out, "device_class", "connectivity");
  jkb_ha_end (device, JKB_HA_DIAGNOSTIC);
  if (device->config->homeassistant.entities == JKB_ENTITIES_MINIMAL)
    return;

  begin_bus_component (device, bus, "health", "sensor", N_("Bus %s health"), PLAIN);
  jkb_ha_string (out, "unit_of_measurement", "%");
  jkb_ha_string (out, "state_class", "measurement");
  jkb_ha_integer (out, "suggested_display_precision", 0);
  jkb_ha_end (device, JKB_HA_DIAGNOSTIC);

  begin_bus_component (device, bus, "role", "sensor", N_("Bus %s role"), PLAIN);
  jkb_ha_string (out, "device_class", "enum");
  jkb_ha_open (out, "options", '[');
  for (JkbRole role = JKB_ROLE_IDLE; role <= JKB_ROLE_YIELDING; role++)
    jkb_ha_item (out, jkb_role_name (role));
  g_string_append_c (out, ']');
  jkb_ha_end (device, JKB_HA_DIAGNOSTIC);

  append_bus_counter (device, bus, "frames_received", N_("Bus %s frames received"));
  append_bus_counter (device, bus, "checksum_errors", N_("Bus %s checksum errors"));
  append_bus_counter (device, bus, "unattributed_frames", N_("Bus %s unattributed frames"));
  append_bus_counter (device, bus, "reconnects", N_("Bus %s reconnects"));
}

void
jkb_ha_bridge_document (GString *out, const JkbConfig *config, GPtrArray *buses, GPtrArray *gone)
{
  g_autofree char *state = jkb_topic_bridge (config->mqtt.topic_prefix, "state");
  g_autofree char *name = jkb_ha_device_id (config, "bridge");
  JkbHaDevice device;

  jkb_ha_device_init (&device, out, config, "bridge", name);
  append_bridge_device (&device);
  jkb_ha_origin (out);
  jkb_ha_string (out, "state_topic", state);
  jkb_ha_open (out, "components", '{');
  append_connection (&device, device.bridge_availability, NULL);
  for (guint i = 0; i < buses->len; i++)
    append_bus (&device, jkb_bus_get_name (g_ptr_array_index (buses, i)));
  append_gone (out, gone);
  g_string_append (out, "}}");
  jkb_ha_device_clear (&device);
}

/* ---- what an older document had ---- */

/* The parser goes deeper with each bracket, and a hostile document could exhaust the stack. Whatever
 * it takes for a string, it nests no deeper than there are brackets. */
static gboolean
has_few_brackets (const char *document)
{
  guint n = 0;

  for (const char *c = document; *c != '\0' && n <= MAX_BRACKETS; c++)
    n += *c == '[' || *c == '{';
  return n <= MAX_BRACKETS;
}

/* Returns: (nullable): the components, owned by @parser. */
static JsonObject *
parse_components (JsonParser *parser, const char *document)
{
  JsonNode *root, *components;

  if (!has_few_brackets (document) || !json_parser_load_from_data (parser, document, -1, NULL))
    return NULL;
  root = json_parser_get_root (parser); /* NULL: blanks are no error to it */
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return NULL;
  components = json_object_get_member (json_node_get_object (root), "components");
  return components != NULL && JSON_NODE_HOLDS_OBJECT (components)
             ? json_node_get_object (components)
             : NULL;
}

/* As all our keys and platforms are; whoever put the document there may have had other ideas. */
static gboolean
is_plain (const char *text)
{
  return text[0] != '\0' && text[strspn (text, "abcdefghijklmnopqrstuvwxyz0123456789_")] == '\0';
}

static const char *
platform_of (JsonNode *component)
{
  JsonNode *platform;

  /* A component with nothing but its platform was gone already. */
  if (!JSON_NODE_HOLDS_OBJECT (component)
      || json_object_get_size (json_node_get_object (component)) < 2)
    return NULL;
  platform = json_object_get_member (json_node_get_object (component), "platform");
  return platform != NULL && json_node_get_value_type (platform) == G_TYPE_STRING
             ? json_node_get_string (platform)
             : NULL;
}

static const char *
platform_of_member (JsonObject *components, const char *key)
{
  JsonNode *component = json_object_get_member (components, key);

  return component != NULL ? platform_of (component) : NULL;
}

GPtrArray *
jkb_ha_find_gone (const char *old, const char *document)
{
  g_autoptr (JsonParser) old_parser = json_parser_new ();
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonObject *before = parse_components (old_parser, old);
  JsonObject *now = parse_components (parser, document);
  GPtrArray *gone = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_ha_gone_free);
  JsonObjectIter iter;
  const char *key;
  JsonNode *component;

  if (before == NULL || now == NULL)
    return gone;
  json_object_iter_init (&iter, before);
  while (json_object_iter_next (&iter, &key, &component))
    {
      const char *platform = platform_of (component);
      JkbHaGone *entry;

      if (platform == NULL || !is_plain (platform) || !is_plain (key)
          || g_strcmp0 (platform, platform_of_member (now, key)) == 0)
        continue;
      entry = g_new0 (JkbHaGone, 1);
      entry->key = g_strdup (key);
      entry->platform = g_strdup (platform);
      g_ptr_array_add (gone, entry);
    }
  return gone;
}
