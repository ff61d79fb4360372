/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The main thread's side of one RS485 bus: starts and stops its reader thread, knows its state, its
 * counters and its health. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "core/jkb-config.h"
#include "poll/jkb-write.h"
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
 *
 * Returns: (nullable): %NULL with %JKB_ERROR_IO when no file descriptor is left. A URI that cannot
 * be is no such error: that bus exists, stays down and says why.
 */
JkbBus *jkb_bus_new (const JkbBusConfig *config, JkbBusFrameFunc frame, JkbBusDrainedFunc drained,
                     gpointer user_data, GError **error);

/* Starts the reader thread; it connects by itself and for ever. Nothing when not enabled. */
void jkb_bus_start (JkbBus *self);

/* Stops and joins the reader thread; frames it had handed over are delivered first. */
void jkb_bus_stop (JkbBus *self);

/* Lets many buses end at the same time: begins what stop() then waits for. */
void jkb_bus_begin_stop (JkbBus *self);

/**
 * jkb_bus_configure:
 * @config: copied; of the same name
 *
 * Follows another configuration. The port stays open unless URI, speed or enabled are others; the
 * counters go on.
 */
void jkb_bus_configure (JkbBus *self, const JkbBusConfig *config);

/**
 * jkb_bus_start_capture:
 * @fd: taken when it succeeds
 *
 * Writes what is read to @fd, on a thread of its own, until told to stop or until @fd takes no more;
 * the secrets of info frames blanked. One at a time. What @fd takes too slowly is dropped and
 * counted.
 */
gboolean jkb_bus_start_capture (JkbBus *self, int fd, GError **error);

/* Returns when all is written and @fd closed. */
void jkb_bus_stop_capture_async (JkbBus *self, GAsyncReadyCallback callback, gpointer user_data);
gboolean jkb_bus_stop_capture_finish (JkbBus *self, GAsyncResult *result, GError **error);

/* At the end of the process: what was captured goes to the file, and the other buses go on
 * meanwhile; then @timeout_ms are for what is not there yet. Nothing happens without a capture. */
void jkb_bus_end_capture (JkbBus *self);
void jkb_bus_wait_capture (JkbBus *self, int timeout_ms);

/* Close the port and open it again now, without waiting for the back-off. */
void jkb_bus_reconnect (JkbBus *self);

/* Delivers what the reader has handed over, as if it had woken the main loop. */
void jkb_bus_drain (JkbBus *self);

/* See jkb_inbox_set_due(). */
void jkb_bus_set_due (JkbBus *self, gint64 monotonic_us);

/* ---- talking; see poll/jkb-poller.h ---- */

/* The settings that must be kept safely before a write goes on: answer with
 * jkb_bus_snapshot_saved(). */
typedef void (*JkbBusSnapshotFunc) (JkbBus *bus, guint address, const guint8 *settings,
                                    gpointer user_data);
typedef void (*JkbBusProgressFunc) (JkbBus *bus, guint address, guint done, guint total,
                                    gpointer user_data);
/* @write: (transfer full) */
typedef void (*JkbBusWrittenFunc) (JkbBus *bus, JkbWrite *write, gpointer user_data);

void jkb_bus_set_write_funcs (JkbBus *self, JkbBusSnapshotFunc snapshot,
                              JkbBusProgressFunc progress, JkbBusWrittenFunc written,
                              gpointer user_data);

/* @write: (transfer full). Comes back through the written function, also when the bus stops. */
void jkb_bus_submit (JkbBus *self, JkbWrite *write);
void jkb_bus_snapshot_saved (JkbBus *self, guint address, gboolean saved);

/* Whether settings can be written over this bus now; the error says what to do. */
gboolean jkb_bus_check_writable (JkbBus *self, GError **error);

/* Look for BMS on all addresses now; read all of one BMS now. Only where the bus is polled:
 * JKB_ERROR_READ_ONLY says why not. */
gboolean jkb_bus_scan (JkbBus *self, GError **error);
gboolean jkb_bus_refresh (JkbBus *self, guint address, GError **error);

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
