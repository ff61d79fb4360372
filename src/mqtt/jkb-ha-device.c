/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The parts that all discovery documents share. Pure functions.
 */
#include "mqtt/jkb-ha-device.h"

#include "config.h"
#include "mqtt/jkb-ha-translate.h"
#include "mqtt/jkb-homeassistant.h"
#include "mqtt/jkb-topic.h"

#define SUPPORT_URL "https://github.com/jkbmsd/jkbmsd"

void
jkb_ha_device_init (JkbHaDevice *device, GString *out, const JkbConfig *config, const char *id,
                    const char *name)
{
  device->out = out;
  device->config = config;
  device->device_id = jkb_ha_device_id (config, id);
  device->slug = jkb_ha_slug (name);
  if (device->slug[0] == '\0')
    {
      g_free (device->slug);
      device->slug = jkb_ha_slug (id);
    }
  device->bridge_availability = jkb_topic_bridge (config->mqtt.topic_prefix, "availability");
  g_string_assign (out, "{");
}

void
jkb_ha_device_clear (JkbHaDevice *device)
{
  g_free (device->device_id);
  g_free (device->slug);
  g_free (device->bridge_availability);
}

void
jkb_ha_origin (GString *out)
{
  jkb_ha_open (out, "origin", '{');
  jkb_ha_string (out, "name", "jkbmsd");
  jkb_ha_string (out, "sw_version", VERSION);
  jkb_ha_string (out, "support_url", SUPPORT_URL);
  g_string_append_c (out, '}');
}

/* Available while every one of these topics says "online". */
void
jkb_ha_availability (GString *out, const char *first, const char *second)
{
  const char *topics[] = { first, second, NULL };

  jkb_ha_open (out, "availability", '[');
  for (guint i = 0; topics[i] != NULL; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      g_string_append_c (out, '{');
      jkb_ha_string (out, "topic", topics[i]);
      g_string_append_c (out, '}');
    }
  g_string_append_c (out, ']');
  if (second != NULL)
    jkb_ha_string (out, "availability_mode", "all");
}

void
jkb_ha_begin (const JkbHaDevice *device, const char *key, const char *platform)
{
  g_autofree char *unique_id = g_strdup_printf ("%s_%s", device->device_id, key);
  g_autofree char *entity_id = g_strdup_printf ("%s.%s_%s", platform, device->slug, key);

  jkb_ha_open (device->out, key, '{');
  jkb_ha_string (device->out, "platform", platform);
  jkb_ha_string (device->out, "unique_id", unique_id);
  jkb_ha_string (device->out, "default_entity_id", entity_id);
}

void
jkb_ha_end (const JkbHaDevice *device, JkbHaFlags flags)
{
  if ((flags & JKB_HA_DIAGNOSTIC) != 0)
    jkb_ha_string (device->out, "entity_category", "diagnostic");
  if ((flags & JKB_HA_DISABLED) != 0)
    jkb_ha_boolean (device->out, "enabled_by_default", FALSE);
  g_string_append_c (device->out, '}');
}

const char *
jkb_ha_label (const JkbHaDevice *device, const char *label)
{
  return jkb_ha_translate (device->config->daemon.language, label);
}

void
jkb_ha_name (const JkbHaDevice *device, const char *label)
{
  jkb_ha_string (device->out, "name", jkb_ha_label (device, label));
}

void
jkb_ha_template (GString *out, const JkbField *field, int item)
{
  g_autofree char *template = NULL;

  if (field->kind == JKB_KIND_BOOL)
    template = g_strdup_printf ("{{ value_json.%s | iif('ON', 'OFF', None) }}", field->key);
  else if (field->kind == JKB_KIND_LIST)
    template = g_strdup_printf ("{{ value_json.%s[%d] | default(None) }}", field->key, item);
  else if (field->kind == JKB_KIND_FLAGS) /* a state holds 255 characters */
    template = g_strdup_printf ("{{ None if value_json.%s is none else "
                                "(value_json.%s | join(', '))[:255] or 'none' }}",
                                field->key, field->key);
  else
    template = g_strdup_printf ("{{ value_json.%s }}", field->key);
  jkb_ha_string (out, "value_template", template);
}

void
jkb_ha_options (GString *out, const JkbField *field)
{
  jkb_ha_open (out, "options", '[');
  for (guint i = 0; field->names[i] != NULL; i++)
    jkb_ha_item (out, field->names[i]);
  g_string_append_c (out, ']');
}
