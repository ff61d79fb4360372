/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the reconfiguration may do to the daemon's parts. Main thread only.
 */
#pragma once

#include "daemon/jkb-daemon.h"
#include "daemon/jkb-reconfigure.h"
#include "mqtt/jkb-mqtt.h"

G_BEGIN_DECLS

/* @config: (transfer full). Returns: (transfer full): the one before */
JkbConfig *jkb_daemon_swap_config (JkbDaemon *self, JkbConfig *config);

/* A bus that is not the daemon's yet, as @n_made others are not. Returns: (nullable): %NULL with
 * %JKB_ERROR_IO when there are not enough file descriptors for one more */
JkbBus *jkb_daemon_make_bus (JkbDaemon *self, const JkbBusConfig *config, guint n_made,
                             GError **error);

/* @bus: of jkb_daemon_make_bus() */
void jkb_daemon_add_bus (JkbDaemon *self, JkbBus *bus);

/* Its BMS go, too. */
void jkb_daemon_remove_bus (JkbDaemon *self, JkbBus *bus);

/* The parts follow the new configuration now: emits "configured", ticks. */
void jkb_daemon_tell_configured (JkbDaemon *self);

const JkbDaemonOptions *jkb_daemon_peek_options (JkbDaemon *self);
JkbMqtt *jkb_daemon_get_mqtt (JkbDaemon *self);

G_END_DECLS
