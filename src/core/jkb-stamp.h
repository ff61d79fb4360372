/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Moments told by a wall clock that was not set yet, and whether it is set now. Any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether a wall clock that says @realtime_us was ever set. */
gboolean jkb_stamp_is_set (gint64 realtime_us);

/**
 * jkb_stamp_correct:
 * @realtime_us: wall clock when it happened
 * @monotonic_us: monotonic clock then
 *
 * A moment told by a clock that was set since is told again by the clock of now. A clock that is
 * merely disciplined does not move the moment: the same frame keeps the same stamp.
 *
 * Returns: µs since 1970; 0 while the clock is not set
 */
gint64 jkb_stamp_correct (gint64 realtime_us, gint64 monotonic_us, gint64 now_realtime_us,
                          gint64 now_monotonic_us);

/**
 * jkb_stamp_is_synchronized:
 * @max_age_us: how long ago, by the wall clock of now, systemd-timesyncd may have been sure
 *
 * What can be found out without asking anybody: the kernel knows, but a sandbox may keep its answer
 * back (ProtectClock= filters even the question); systemd-timesyncd leaves a mark with each answer
 * that it gets.
 *
 * Returns: whether the wall clock was set from a source that can be trusted
 */
gboolean jkb_stamp_is_synchronized (gint64 max_age_us);

G_END_DECLS
