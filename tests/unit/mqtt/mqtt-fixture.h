/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A configuration and BMS made of hand-written frames, for the tests of the MQTT room.
 */
#pragma once

#include "bms/jkb-registry.h"

typedef struct
{
  JkbConfig config;
  JkbBusConfig bus;
  JkbRegistry *registry;
} MqttFixture;

void mqtt_fixture_set_up (MqttFixture *f, gconstpointer unused);
void mqtt_fixture_tear_down (MqttFixture *f, gconstpointer unused);

/* A BMS with @n_cells cells of 3.300 V and up, two temperature sensors, 50 % charge. */
JkbBms *mqtt_fixture_add_bms (MqttFixture *f, guint address, guint n_cells);

/* Its settings and info frames. */
void mqtt_fixture_tell_settings (MqttFixture *f, guint address);
void mqtt_fixture_tell_info (MqttFixture *f, guint address);
