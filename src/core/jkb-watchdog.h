/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What systemd is told: started, stopping, reloading, status, and a sign of life at half the watchdog
 * interval as long as the main loop turns and the caller says that every thread is alive. Nothing of
 * it does anything when systemd has not started the daemon. Main thread only.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef gboolean (*JkbAliveFunc) (gint64 monotonic_us, gpointer user_data);

typedef struct _JkbWatchdog JkbWatchdog;

/* Starts the timer of the default main context when systemd wants signs of life. */
JkbWatchdog *jkb_watchdog_new (JkbAliveFunc alive, gpointer user_data);
void jkb_watchdog_free (JkbWatchdog *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbWatchdog, jkb_watchdog_free)

/* Half the interval of systemd in µs; 0: it wants no signs of life. */
guint64 jkb_watchdog_get_period (JkbWatchdog *self);

/**
 * jkb_watchdog_tick:
 *
 * What the timer does: asks whether all is alive, and tells systemd if so.
 *
 * Returns: whether it was told
 */
gboolean jkb_watchdog_tick (JkbWatchdog *self, gint64 monotonic_us);

/* Once, when the daemon serves. @status: (nullable): as for jkb_notify_status() */
void jkb_notify_ready (const char *status);
void jkb_notify_reloading (gint64 monotonic_us);
void jkb_notify_stopping (void);

/* One line for "systemctl status". */
void jkb_notify_status (const char *status);

G_END_DECLS
