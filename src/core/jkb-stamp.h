/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Moments told by a wall clock that was not set yet. Pure functions: any thread.
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

G_END_DECLS
