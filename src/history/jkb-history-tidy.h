/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The rule of what is kept: every sample for an hour, then one per 10 s, after a day one per
 * minute, all of it until it is too old or too much. Done in small steps inside of a transaction.
 * Store thread; time comes in as an argument.
 */
#pragma once

#include "history/jkb-history-db.h"

G_BEGIN_DECLS

#define JKB_KEEP_FULL_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)
#define JKB_KEEP_10_S_US (G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC)

typedef struct
{
  gint64 keep_us;
  guint64 max_bytes;
} JkbHistoryLimits;

typedef struct
{
  gboolean more;     /* more is due than one call does */
  guint64 n_undated; /* samples that went without ever having had a time */
} JkbHistoryTidied;

/**
 * jkb_history_tidy:
 * @now_us: µs since 1970; 0: nobody knows, so that only the size counts
 *
 * Thins by hours: an hour of a BMS is thinned as a whole once all of it is old enough, and of each
 * 10 s (minute) of it the first sample stays.
 */
gboolean jkb_history_tidy (JkbHistoryDb *db, gint64 now_us, const JkbHistoryLimits *limits,
                           JkbHistoryTidied *tidied, GError **error);

G_END_DECLS
