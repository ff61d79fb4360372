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
 * @frame: what begins with the header of an info frame, whole or cut off
 *
 * The sum byte of a whole frame is moved along with the bytes: a good sum stays good and a bad one
 * bad.
 */
void jkb_secret_blank_frame (guint8 *frame, gsize n_bytes);

/**
 * jkb_secret_blank_registers:
 * @data: big-endian contents of the registers from @reg on
 *
 * Returns: whether any byte was secret
 */
gboolean jkb_secret_blank_registers (guint8 *data, gsize n_bytes, guint16 reg);

G_END_DECLS
