/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Changes of the configuration while the daemon runs: one at a time, in the order of the calls. Each
 * is checked as a whole, written to the state directory on a worker thread, then applied, and only
 * to what it changes; the callback comes after that. A change that fails changes nothing. Who may ask
 * was decided by the caller. Main thread only.
 */
#pragma once

#include <gio/gio.h>

#include "core/jkb-config.h"

G_BEGIN_DECLS

struct _JkbDaemon;

typedef struct _JkbReconfigure JkbReconfigure;

/* @daemon: owns it. @state_dir: (nullable): changes are not kept */
JkbReconfigure *jkb_reconfigure_new (struct _JkbDaemon *daemon, const char *state_dir);
void jkb_reconfigure_free (JkbReconfigure *self);

/* At the start: removes from the overlay what counts no more, and what a kill left behind. */
void jkb_reconfigure_tidy (JkbReconfigure *self);

/* What is being written is finished if it can be until @until_us (monotonic), what waits is refused.
 * Runs the main loop. */
void jkb_reconfigure_stop (JkbReconfigure *self, gint64 until_us);

/* In the end: what is still being written has until @until_us. */
void jkb_reconfigure_close (JkbReconfigure *self, gint64 until_us);

/* @group: "mqtt", "bus garage". @text: as in the files */
void jkb_reconfigure_set_async (JkbReconfigure *self, const char *group, const char *key,
                                const char *text, GAsyncReadyCallback callback,
                                gpointer user_data);

/* @key "": the whole group; both "": everything. */
void jkb_reconfigure_reset_async (JkbReconfigure *self, const char *group, const char *key,
                                  GAsyncReadyCallback callback, gpointer user_data);

/* @options: key, text, key, text … NULL */
void jkb_reconfigure_add_bus_async (JkbReconfigure *self, const char *name, const char *uri,
                                    const char *const *options, GAsyncReadyCallback callback,
                                    gpointer user_data);
void jkb_reconfigure_remove_bus_async (JkbReconfigure *self, const char *name,
                                       GAsyncReadyCallback callback, gpointer user_data);

/* Stores the broker's password; "": what the files say counts again. */
void jkb_reconfigure_set_password_async (JkbReconfigure *self, const char *password,
                                         GAsyncReadyCallback callback, gpointer user_data);

/* Reads all files again. With any mistake nothing changes, and the error tells all of them, a line
 * each; they are logged as well. */
void jkb_reconfigure_reload_async (JkbReconfigure *self, GAsyncReadyCallback callback,
                                   gpointer user_data);

/* For all of them. */
gboolean jkb_reconfigure_finish (GAsyncResult *result, GError **error);

G_END_DECLS
