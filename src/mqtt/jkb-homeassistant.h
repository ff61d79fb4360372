/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Home Assistant discovery documents: one device message per BMS and one for the bridge, built from
 * the field table for what the BMS really has. Main thread only.
 */
#pragma once

#include "bms/jkb-registry.h"
#include "core/jkb-config.h"

G_BEGIN_DECLS

/* A component that was published once and is no more. */
typedef struct
{
  char *key;
  char *platform;
} JkbHaGone;

void jkb_ha_gone_free (JkbHaGone *gone);

/* "jkbmsd_garage_1", with an instance "jkbmsd_INSTANCE_garage_1"; @id "bridge" for the bridge. */
char *jkb_ha_device_id (const JkbConfig *config, const char *id);

/* "homeassistant/device/jkbmsd_garage_1/config" */
char *jkb_ha_topic (const JkbConfig *config, const char *id);

/**
 * jkb_ha_bms_document:
 * @gone: (nullable) (element-type JkbHaGone): components to remove; left out otherwise
 *
 * Replaces what is in @out.
 */
void jkb_ha_bms_document (GString *out, const JkbConfig *config, JkbRegistry *registry, JkbBms *bms,
                          GPtrArray *gone);

/* @buses: (element-type JkbBus) */
void jkb_ha_bridge_document (GString *out, const JkbConfig *config, GPtrArray *buses,
                             GPtrArray *gone);

/**
 * jkb_ha_find_gone:
 * @old: a document that the broker had kept
 * @document: the one that replaces it
 *
 * Returns: (transfer full) (element-type JkbHaGone): components of @old that @document lacks, or has
 *   with another platform
 */
GPtrArray *jkb_ha_find_gone (const char *old, const char *document);

G_END_DECLS
