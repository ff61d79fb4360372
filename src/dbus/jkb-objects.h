/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The kinds of D-Bus objects: which interfaces each has and where their values come from. Main
 * thread only. @daemon outlives every object.
 */
#pragma once

#include "dbus/jkb-auth.h"
#include "dbus/jkb-clock.h"
#include "dbus/jkb-object.h"
#include "daemon/jkb-daemon.h"
#include "mqtt/jkb-mqtt.h"

G_BEGIN_DECLS

JkbObject *jkb_manager_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbClock *clock);
JkbObject *jkb_mqtt_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbMqtt *mqtt);
JkbObject *jkb_bus_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbBus *bus);
JkbObject *jkb_bms_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbBms *bms);

/* Adds the interfaces whose first frame has come. */
void jkb_bms_object_update (JkbObject *self, JkbBms *bms);

/* Emits AlarmRaised or AlarmCleared, after the changes that readers are to see before it. */
void jkb_bms_object_alarm (JkbObject *self, guint bit, gboolean raised, gint64 monotonic_us);

G_END_DECLS
