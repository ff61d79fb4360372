/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The parts that all discovery documents share: origin, availability, the frame of a component. For
 * the files that write documents. Pure functions.
 */
#pragma once

#include "core/jkb-config.h"
#include "mqtt/jkb-ha-writer.h"
#include "wire/jkb-field.h"

G_BEGIN_DECLS

/* What a component needs to know of its device. */
typedef struct
{
  GString *out;
  const JkbConfig *config;
  char *device_id; /* "jkbmsd_garage_1" */
  char *slug;      /* of the device's name, for entity ids */
  char *bridge_availability;
} JkbHaDevice;

/* Begins the document in @out. @name: what entity ids are made of. */
void jkb_ha_device_init (JkbHaDevice *device, GString *out, const JkbConfig *config, const char *id,
                         const char *name);
void jkb_ha_device_clear (JkbHaDevice *device);

void jkb_ha_origin (GString *out);

/* Available while every one of these topics says "online". @second: (nullable) */
void jkb_ha_availability (GString *out, const char *first, const char *second);

/* What every component has; the caller adds its own keys and ends it. */
void jkb_ha_begin (const JkbHaDevice *device, const char *key, const char *platform);
void jkb_ha_end (const JkbHaDevice *device, JkbHaFlags flags);

/* @label, English, in the language of the configuration. */
const char *jkb_ha_label (const JkbHaDevice *device, const char *label);
void jkb_ha_name (const JkbHaDevice *device, const char *label);

/* The template of a field's state, or of one item of a list: unknown is None. */
void jkb_ha_template (GString *out, const JkbField *field, int item);
void jkb_ha_options (GString *out, const JkbField *field);

G_END_DECLS
