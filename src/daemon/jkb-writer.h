/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The one path by which settings are written, whoever asks (D-Bus, MQTT): access, ranges, interlocks
 * against what is known, then the bus, which checks again against fresh settings, writes and reads
 * back; snapshots of what was there before. Who may ask at all was decided by the caller. Main
 * thread only.
 */
#pragma once

#include "bms/jkb-registry.h"
#include "bus/jkb-bus.h"
#include "daemon/jkb-daemon.h"
#include "poll/jkb-write.h"

G_BEGIN_DECLS

#define JKB_TYPE_WRITER (jkb_writer_get_type ())
G_DECLARE_FINAL_TYPE (JkbWriter, jkb_writer, JKB, WRITER, GObject)

/* One thing that is wrong with a wanted set of settings. */
typedef struct
{
  char *key;
  GError *error;
} JkbWriteProblem;
void jkb_write_problem_free (JkbWriteProblem *problem);

/* Signal "progress" (char *id, guint done, guint total): of a running write. */

/* @daemon outlives it. */
JkbWriter *jkb_writer_new (JkbDaemon *daemon, const char *state_dir);

/* Its writes go through here from now on. */
void jkb_writer_watch_bus (JkbWriter *self, JkbBus *bus);

/* At the start: tells of writes that a power loss or a kill cut short. */
void jkb_writer_report_interrupted (JkbWriter *self);

/**
 * jkb_writer_validate:
 * @values: a{sv}, key to value
 * @tier: what the caller's way allows, on top of [writes] access
 * @items: (out caller-allocates) (optional): JKB_WRITE_MAX_ITEMS of them
 *
 * Everything that can be found without sending: every problem, not only the first.
 *
 * Returns: (transfer full) (element-type JkbWriteProblem): empty when it may be tried
 */
GPtrArray *jkb_writer_validate (JkbWriter *self, JkbBms *bms, GVariant *values, JkbTier tier,
                                JkbWriteItem *items, guint *n_items);

/**
 * jkb_writer_apply_async:
 *
 * All or nothing. The result is the values read back, a{sv}; on errors nothing is changed as far as
 * that could be confirmed, and the message says what could not. Goes on when the caller leaves.
 */
void jkb_writer_apply_async (JkbWriter *self, JkbBms *bms, GVariant *values, JkbTier tier,
                             GAsyncReadyCallback callback, gpointer user_data);
GVariant *jkb_writer_apply_finish (JkbWriter *self, GAsyncResult *result, GError **error);

/* Whether settings are being written over that bus now. @bus_name: (nullable): over any */
gboolean jkb_writer_is_writing (JkbWriter *self, const char *bus_name);

/* Whether any of these needs the stricter authorisation (class C). */
gboolean jkb_writer_is_dangerous (GVariant *values);

/* Returns: a(st), name and realtime seconds, newest last. */
GVariant *jkb_writer_list_snapshots (JkbWriter *self, JkbBms *bms);

/* The a{sv} that brings back a snapshot: what differs from now and may be written. */
GVariant *jkb_writer_load_snapshot (JkbWriter *self, JkbBms *bms, const char *name, GError **error);

G_END_DECLS
