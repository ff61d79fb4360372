/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Builds every part, starts them in order, stops them in reverse; the tick that serves D-Bus and
 * MQTT together. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "bms/jkb-registry.h"
#include "bus/jkb-bus.h"
#include "core/jkb-config.h"

G_BEGIN_DECLS

#define JKB_TYPE_DAEMON (jkb_daemon_get_type ())
G_DECLARE_FINAL_TYPE (JkbDaemon, jkb_daemon, JKB, DAEMON, GObject)

typedef struct
{
  char *config_file;
  gboolean config_required;
  char *state_dir;
  GBusType bus_type;  /* G_BUS_TYPE_NONE: no D-Bus, or bus_address */
  char *bus_address;  /* (nullable) */
} JkbDaemonOptions;

/* Signals: "bus-added" (JkbBus *), "bus-removed" (JkbBus *), "configured". */

JkbDaemon *jkb_daemon_new (const JkbDaemonOptions *options, JkbConfig *config);
void jkb_daemon_start (JkbDaemon *self);
void jkb_daemon_stop (JkbDaemon *self);

const JkbConfig *jkb_daemon_peek_config (JkbDaemon *self);
JkbRegistry *jkb_daemon_get_registry (JkbDaemon *self);
GPtrArray *jkb_daemon_list_buses (JkbDaemon *self); /* (element-type JkbBus) (transfer none) */
JkbBus *jkb_daemon_find_bus (JkbDaemon *self, const char *name); /* (nullable) (transfer none) */

/* One line for systemd's STATUS= and for logs: "2 buses up, 6 BMS online". */
char *jkb_daemon_describe (JkbDaemon *self);

G_END_DECLS
