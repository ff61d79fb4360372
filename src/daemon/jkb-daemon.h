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
  char *runtime_dir; /* (nullable): the journal of the history lies in state_dir */
  gboolean runtime_dir_is_ours; /* and it goes with the journal */
  GBusType bus_type;  /* G_BUS_TYPE_NONE: no D-Bus, or bus_address */
  char *bus_address;  /* (nullable) */
} JkbDaemonOptions;

/* Signals: "bus-added" (JkbBus *), "bus-removed" (JkbBus *), "configured". */

/* @config: (transfer full) */
JkbDaemon *jkb_daemon_new (const JkbDaemonOptions *options, JkbConfig *config);

typedef void (*JkbDaemonFunc) (JkbDaemon *self, gpointer user_data);

/* Starts all parts; calls @on_running when the D-Bus name is owned, or cannot be for now. */
void jkb_daemon_start (JkbDaemon *self, JkbDaemonFunc on_running, gpointer user_data);

/* Readers, MQTT ("offline", at most 2 s), name; returns when all threads are joined. */
void jkb_daemon_stop (JkbDaemon *self);

const JkbConfig *jkb_daemon_peek_config (JkbDaemon *self);
JkbRegistry *jkb_daemon_get_registry (JkbDaemon *self);
GPtrArray *jkb_daemon_list_buses (JkbDaemon *self); /* (element-type JkbBus) (transfer none) */
struct _JkbWriter *jkb_daemon_get_writer (JkbDaemon *self);
struct _JkbHistory *jkb_daemon_get_history (JkbDaemon *self);
struct _JkbReconfigure *jkb_daemon_get_reconfigure (JkbDaemon *self);
JkbBus *jkb_daemon_find_bus (JkbDaemon *self, const char *name); /* (nullable) (transfer none) */

/* One line for systemd's STATUS= and for logs: "2 buses up, 6 BMS online". */
char *jkb_daemon_describe (JkbDaemon *self);

/* Whether every reader and the MQTT thread moved lately, for the watchdog. An absent battery or
 * broker is no reason for %FALSE: idle threads move too. */
#define JKB_BEAT_LIMIT_US (30 * G_USEC_PER_SEC)
gboolean jkb_daemon_is_alive (JkbDaemon *self, gint64 monotonic_us);

G_END_DECLS
