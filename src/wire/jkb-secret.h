/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Blanks what must never be seen (protocol §5.8): Bluetooth name, Bluetooth PIN and the settings
 * password, in info frames and in Modbus records that touch their registers. Pure functions.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_secret_blank_frame:
 * @frame: a frame, whole or cut off
 *
 * Blanks the secrets of every info frame that begins in it, at its start or further inside. The sum
 * byte of a whole frame is moved along: a good sum stays good and a bad one bad.
 */
void jkb_secret_blank_frame (guint8 *frame, gsize n_bytes);

/**
 * jkb_secret_blank_registers:
 * @data: big-endian contents of the registers from @reg on
 *
 * Returns: whether any byte was secret
 */
gboolean jkb_secret_blank_registers (guint8 *data, gsize n_bytes, guint16 reg);

/* More beginnings of info frames than fit into the length of one. */
#define JKB_SECRET_MAX_OPEN 64

/* Blanks raw bytes on their way into a recording. All zero: nothing seen yet. */
typedef struct
{
  guint n_matched; /* bytes of the beginning of an info frame that were just seen */
  guint n_open;    /* info frames that have begun, oldest first */
  struct
  {
    guint16 n_seen; /* bytes so far */
    guint8 removed; /* sum of what was blanked */
  } open[JKB_SECRET_MAX_OPEN];
} JkbSecretFilter;

/**
 * jkb_secret_filter:
 * @bytes: (inout): the next bytes of the stream
 *
 * Blanks the secrets of whatever begins like an info frame, good or bad, wherever the reads cut it.
 * The sum byte moves along, as in jkb_secret_blank_frame().
 */
void jkb_secret_filter (JkbSecretFilter *filter, guint8 *bytes, gsize n_bytes);

G_END_DECLS
