/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How long to wait before a port is opened again: doubling from the least to the most, with 20 % of
 * jitter so that many daemons do not knock at one gateway together; from the beginning again after
 * a good minute. No clock of its own.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_BACKOFF_GOOD_US (60 * G_USEC_PER_SEC)

typedef struct
{
  guint failures;       /* since the last good minute */
  gint64 good_since_us; /* first frame of this connection, 0: none yet */
} JkbBackoff;

/* A good frame arrived at @now_us. */
void jkb_backoff_note_frame (JkbBackoff *backoff, gint64 now_us);

/**
 * jkb_backoff_fail:
 * @min_s, @max_s: range of the delay, before the jitter
 * @random: 0..1
 *
 * The connection ended or could not be made.
 *
 * Returns: µs to wait
 */
gint64 jkb_backoff_fail (JkbBackoff *backoff, double min_s, double max_s, double random);

G_END_DECLS
