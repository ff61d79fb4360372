/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * All BMS: found from the frames of the buses, confirmed, kept over restarts, forgotten on demand.
 * Main thread only; time comes in as an argument.
 *
 * Signals:
 *   "bms-added" (JkbBms *)              confirmed: from now on it exists for the outside
 *   "bms-removed" (JkbBms *)            forgotten or ignored, or its bus was removed; never for offline
 *   "bms-changed" (JkbBms *, guint)     JkbBmsChange flags; at most once per flush
 *   "alarm" (JkbBms *, guint, gboolean, gint64)  bit, raised, realtime µs; before "bms-changed"
 */
#pragma once

#include "bms/jkb-bms.h"
#include "core/jkb-config.h"
#include "core/jkb-error.h"

G_BEGIN_DECLS

#define JKB_TYPE_REGISTRY (jkb_registry_get_type ())
G_DECLARE_FINAL_TYPE (JkbRegistry, jkb_registry, JKB, REGISTRY, GObject)

/**
 * jkb_registry_new:
 * @state_dir: (nullable): where confirmed BMS are remembered; NULL: nowhere
 */
JkbRegistry *jkb_registry_new (const char *state_dir);

/* Names, ignored BMS, addresses and offline-after of the buses. Must be called before load(); again
 * when the configuration changes: BMS that are ignored or not among the addresses any more go. */
void jkb_registry_configure (JkbRegistry *self, const JkbConfig *config);

/* Called with each live frame that was believed, of a confirmed BMS, before anything is announced. */
typedef void (*JkbRegistryLiveFunc) (JkbBms *bms, const JkbFrame *frame, gpointer user_data);
void jkb_registry_set_live_func (JkbRegistry *self, JkbRegistryLiveFunc func, gpointer user_data);

/* Brings back the BMS remembered for the configured buses, offline. */
void jkb_registry_load (JkbRegistry *self);

/* Takes one frame. Nothing is announced before jkb_registry_flush(). */
void jkb_registry_feed (JkbRegistry *self, const char *bus_name, const JkbFrame *frame);

/* Emits what the frames since the last flush changed. */
void jkb_registry_flush (JkbRegistry *self);

/**
 * jkb_registry_tick:
 * Retires what was silent for too long.
 *
 * Returns: when it wants to be called next, monotonic µs; G_MAXINT64: never
 */
gint64 jkb_registry_tick (JkbRegistry *self, gint64 monotonic_us);

/* Returns: (transfer none) (element-type JkbBms): confirmed BMS, sorted by id. */
GPtrArray *jkb_registry_list (JkbRegistry *self);

/* Returns: (nullable) (transfer none) */
JkbBms *jkb_registry_find (JkbRegistry *self, const char *id);

/* Removes it; it comes back when it is heard again. That its samples are to go is remembered with
 * the BMS, over restarts, until jkb_registry_end_forgetting(). */
gboolean jkb_registry_forget (JkbRegistry *self, const char *id, GError **error);

/* Ids of those whose samples are to go. Returns: (transfer full) */
GStrv jkb_registry_list_forgotten (JkbRegistry *self);

/* The history has it in its own files now. */
void jkb_registry_end_forgetting (JkbRegistry *self, const char *id);
void jkb_registry_remove_bus (JkbRegistry *self, const char *bus_name);

/* Writes what is to be remembered, on a worker thread; tick() calls it when something changed. */
void jkb_registry_save (JkbRegistry *self);

/* On stop, after a save: waits until it is on the disk, so long at most. A disk that hangs longer
 * is warned of; the file keeps what it had. */
void jkb_registry_close (JkbRegistry *self, int timeout_ms);

G_END_DECLS
