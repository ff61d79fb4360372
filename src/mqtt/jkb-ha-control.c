/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Controls: the state is only ever what was read back, so none is optimistic; what can stop the
 * system is disabled until its owner enables it. Main thread only.
 */
#include "mqtt/jkb-ha-control.h"

#include "mqtt/jkb-command.h"
#include "poll/jkb-setting.h"
#include "wire/jkb-text.h"

static gboolean
is_written_to (const JkbConfig *config, const char *bus_name)
{
  const JkbBusConfig *bus = jkb_config_find_bus (config, bus_name);

  return bus != NULL && bus->mode != JKB_MODE_LISTEN
         && (bus->uri == NULL || !g_str_has_prefix (bus->uri, "replay:"));
}

gboolean
jkb_ha_is_control (const JkbConfig *config, JkbBms *bms, const JkbField *field)
{
  JkbTier needed;

  if (field->group != JKB_GROUP_SETTINGS || field->kind == JKB_KIND_LIST)
    return FALSE;
  needed = jkb_setting_tier (field);
  return needed != JKB_TIER_NONE && needed <= jkb_command_tier (config)
         && is_written_to (config, jkb_bms_get_bus_name (bms));
}

static void
append_number (GString *out, const char *key, const JkbField *field, gint64 raw)
{
  jkb_ha_key (out, key);
  jkb_text_append_fixed (out, raw, field->scale);
}

/* Home Assistant refuses a state outside the range, so a BMS that holds such a value widens it;
 * writing goes by the range of the table all the same. */
static void
append_range (GString *out, JkbBms *bms, const JkbField *field)
{
  const JkbValues *settings = jkb_bms_peek_values (bms, JKB_GROUP_SETTINGS);
  gint64 low = field->write_min, high = field->write_max, now = JKB_UNKNOWN;

  if (settings != NULL)
    now = jkb_values_get (settings, jkb_field_id (field));
  if (now != JKB_UNKNOWN)
    {
      low = MIN (low, now);
      high = MAX (high, now);
    }
  append_number (out, "min", field, low);
  append_number (out, "max", field, high);
  append_number (out, "step", field, field->write_step);
  jkb_ha_string (out, "mode", "box");
  jkb_ha_optional (out, "device_class", field->ha.device_class);
  jkb_ha_optional (out, "unit_of_measurement", field->unit);
}

static const char *
platform_of (const JkbField *field)
{
  if (field->kind == JKB_KIND_BOOL)
    return "switch";
  return field->kind == JKB_KIND_ENUM ? "select" : "number";
}

void
jkb_ha_control (const JkbHaDevice *device, JkbBms *bms, const JkbField *field, const char *key,
                const char *settings_topic)
{
  GString *out = device->out;
  g_autofree char *command_topic = jkb_command_topic (device->config->mqtt.topic_prefix,
                                                      jkb_bms_get_id (bms), field->key);

  jkb_ha_begin (device, key, platform_of (field));
  jkb_ha_name (device, field->label);
  jkb_ha_string (out, "state_topic", settings_topic);
  jkb_ha_template (out, field, 0);
  jkb_ha_string (out, "command_topic", command_topic);
  jkb_ha_integer (out, "qos", 1);
  if (field->kind == JKB_KIND_NUMBER)
    append_range (out, bms, field);
  else if (field->kind == JKB_KIND_ENUM)
    jkb_ha_options (out, field);
  jkb_ha_string (out, "entity_category", "config");
  jkb_ha_end (device, jkb_setting_is_dangerous (field) ? JKB_HA_DISABLED : 0);
}
