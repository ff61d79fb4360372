/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The D-Bus face of the daemon: owns the name, exports an object per bus and BMS under an object
 * manager, coalesces PropertiesChanged. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "daemon/jkb-daemon.h"
#include "mqtt/jkb-mqtt.h"

G_BEGIN_DECLS

#define JKB_TYPE_SERVICE (jkb_service_get_type ())
G_DECLARE_FINAL_TYPE (JkbService, jkb_service, JKB, SERVICE, GObject)

/**
 * jkb_service_new:
 * @mqtt: (transfer none): for the Mqtt object's properties
 *
 * Follows the daemon's and the registry's signals by itself.
 */
JkbService *jkb_service_new (JkbDaemon *daemon, JkbMqtt *mqtt);

/**
 * jkb_service_start:
 * @type: session or system bus, or %G_BUS_TYPE_NONE with @address
 * @on_ready: called once, when the name is owned or the bus cannot be reached (the service keeps
 *   trying: the daemon works without)
 *
 * Connects without exit-on-close, exports, then owns the name; does all of it again when the bus
 * daemon comes back.
 */
void jkb_service_start (JkbService *self, GBusType type, const char *address, GSourceFunc on_ready,
                        gpointer user_data);
void jkb_service_stop (JkbService *self);

/* At the stop: what was answered leaves, or does not until @until_us (monotonic). Runs the main loop. */
void jkb_service_flush (JkbService *self, gint64 until_us);

/**
 * jkb_service_tick:
 * Emits the PropertiesChanged that are due (per object at most one per dbus-interval).
 *
 * Returns: when the next one is due, monotonic µs; G_MAXINT64: none waits
 */
gint64 jkb_service_tick (JkbService *self, gint64 monotonic_us);

G_END_DECLS
