/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Whether the wall clock was set from a source that can be trusted. The kernel knows, whoever keeps
 * its clock (timesyncd, chrony, ntpd, a PTP client), but a sandbox may keep its answer back
 * (ProtectClock= filters even the question); systemd-timesyncd leaves a mark; and on the system bus
 * systemd-timedated can be asked. Main thread only.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define JKB_TYPE_CLOCK (jkb_clock_get_type ())
G_DECLARE_FINAL_TYPE (JkbClock, jkb_clock, JKB, CLOCK, GObject)

/**
 * jkb_clock_new:
 * @look: (nullable): what can be found out without asking; NULL: kernel and timesyncd's mark
 */
JkbClock *jkb_clock_new (gboolean (*look) (void));

gboolean jkb_clock_is_synchronized (JkbClock *self);

/* Asks timedated on @connection unless the answer is yes already; seldom, since each question may
 * start it. The answer shows in is_synchronized() later. */
void jkb_clock_ask (JkbClock *self, GDBusConnection *connection, gint64 monotonic_us);

G_END_DECLS
