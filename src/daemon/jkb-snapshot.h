/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Settings of a BMS as they were before a write: small key files in the state directory, the newest
 * 20 of each BMS, and a note of the write that is under way, so that one that a power loss cut short
 * is known at the next start. Main thread; files are written on a worker.
 */
#pragma once

#include "wire/jkb-frame.h"

G_BEGIN_DECLS

typedef void (*JkbSnapshotSavedFunc) (gboolean saved, gpointer user_data);

/**
 * jkb_snapshot_save:
 * @keys: what the write is about, for the note
 * @func: called on the main loop when both are on the disk, or could not be
 */
void jkb_snapshot_save (const char *state_dir, const char *id, const guint8 *settings,
                        const char *keys, gint64 realtime_us, JkbSnapshotSavedFunc func,
                        gpointer user_data);

/* The write is over: forget the note. */
void jkb_snapshot_write_ended (const char *state_dir, const char *id);

/* Returns: (transfer full) (element-type utf8): one English sentence per write that was cut short;
 * their notes are gone then. */
GPtrArray *jkb_snapshot_take_interrupted (const char *state_dir);

/* Returns: a(st), name and realtime seconds, newest last. */
GVariant *jkb_snapshot_list (const char *state_dir, const char *id);

gboolean jkb_snapshot_load (const char *state_dir, const char *id, const char *name,
                            guint8 settings[JKB_FRAME_SIZE], GError **error);

G_END_DECLS
