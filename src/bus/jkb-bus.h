/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The main thread's side of one RS485 bus: starts and stops its reader thread, knows its state, its
 * counters and its health. Main thread only.
 */
#pragma once

#include <glib-object.h>

#include "core/jkb-config.h"
#include "queue/jkb-inbox.h"
#include "wire/jkb-stream.h"

G_BEGIN_DECLS

#define JKB_TYPE_BUS (jkb_bus_get_type ())
G_DECLARE_FINAL_TYPE (JkbBus, jkb_bus, JKB, BUS, GObject)

/* Signal "changed": state, role, writable or last error are other than before. */

typedef struct
{
  guint64 bytes_received;
  guint64 frames_received;
  guint64 requests_seen;
  guint64 checksum_errors;
  guint64 ack_errors;
  guint64 unattributed_frames;
  guint64 resyncs;
  guint64 overruns;
  guint64 reconnects;
} JkbBusCounters;

typedef void (*JkbBusFrameFunc) (JkbBus *bus, const JkbFrame *frame, gpointer user_data);
typedef void (*JkbBusDrainedFunc) (JkbBus *bus, gpointer user_data);

/**
 * jkb_bus_new:
 * @config: copied
 * @frame: called for each frame with a known sender
 * @drained: called once after each batch of them
 */
JkbBus *jkb_bus_new (const JkbBusConfig *config, JkbBusFrameFunc frame, JkbBusDrainedFunc drained,
                     gpointer user_data);

/* Starts the reader thread; it connects by itself and for ever. Nothing when not enabled. */
void jkb_bus_start (JkbBus *self);

/* Stops and joins the reader thread; frames it had handed over are delivered first. */
void jkb_bus_stop (JkbBus *self);

/* Close the port and open it again now, without waiting for the back-off. */
void jkb_bus_reconnect (JkbBus *self);

/* See jkb_inbox_set_due(). */
void jkb_bus_set_due (JkbBus *self, gint64 monotonic_us);

const JkbBusConfig *jkb_bus_peek_config (JkbBus *self);
const char *jkb_bus_get_name (JkbBus *self);
JkbLinkState jkb_bus_get_state (JkbBus *self);
JkbRole jkb_bus_get_role (JkbBus *self);
gboolean jkb_bus_get_writable (JkbBus *self);
const char *jkb_bus_get_last_error (JkbBus *self); /* "" when all is well */
void jkb_bus_get_counters (JkbBus *self, JkbBusCounters *counters);

/**
 * jkb_bus_get_health:
 * @reason: (out) (transfer full): one plain English sentence
 *
 * Returns: 0..100
 */
guint jkb_bus_get_health (JkbBus *self, gint64 monotonic_us, char **reason);

/* Last moment the reader thread was seen alive, for the watchdog; monotonic µs. */
gint64 jkb_bus_get_reader_beat (JkbBus *self);

/* "connecting", "up", "down"; "idle", "listening", "polling", "yielding" */
const char *jkb_link_state_name (JkbLinkState state);
const char *jkb_role_name (JkbRole role);

G_END_DECLS
