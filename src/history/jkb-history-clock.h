/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which time it is for whoever deletes what is old. A clock that jumps ahead (a battery of a clock
 * that is empty, a typing error) would have all of the history deleted before anybody notices, so
 * it is believed only when it agrees with the last commit, comes from a source that can be trusted,
 * or stays as it is for a day. Store thread; time comes in as an argument.
 */
#pragma once

#include "history/jkb-history-read.h"

G_BEGIN_DECLS

/* What a clock may gain between two commits of one boot; of two. */
#define JKB_CLOCK_LEAP_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)
#define JKB_CLOCK_BOOT_LEAP_US (G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC)

/* Until it is believed all the same. */
#define JKB_CLOCK_DOUBT_US (G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC)

/**
 * jkb_history_clock_step:
 * @now_us: (out): µs since 1970, never later than the wall clock; while that is not believed, the
 *   last time that was, and what went by since; 0: the clock is not set
 *
 * Once in each commit: remembers in the database what it found.
 */
gboolean jkb_history_clock_step (const JkbHistorySource *source, gint64 *now_us, GError **error);

G_END_DECLS
