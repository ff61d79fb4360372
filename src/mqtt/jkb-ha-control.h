/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Settings as switches, numbers and selects of Home Assistant, where the configuration lets them be
 * written over MQTT. Main thread only.
 */
#pragma once

#include "bms/jkb-bms.h"
#include "mqtt/jkb-ha-device.h"

G_BEGIN_DECLS

/* Whether @field of @bms is a control instead of something to read. Not where nothing is ever sent:
 * on a bus with mode=listen, or replayed from a file. */
gboolean jkb_ha_is_control (const JkbConfig *config, JkbBms *bms, const JkbField *field);

/* @key: of the component. @settings_topic: where its state is, as read back from the BMS */
void jkb_ha_control (const JkbHaDevice *device, JkbBms *bms, const JkbField *field,
                     const char *key, const char *settings_topic);

G_END_DECLS
