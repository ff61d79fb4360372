/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Frame to values, by walking the field table; then the rules that tell possible values from
 * impossible ones (protocol §5.2, §5.5). Pure functions: any thread.
 */
#pragma once

#include "wire/jkb-frame.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

/**
 * jkb_decode:
 * @frame: 300 bytes with a good sum
 * @values: (out caller-allocates): what the registers say, computed fields included; nothing is
 *   judged here, so 0 Ω comes out as it is; only sensors that say that they are not fitted are
 *   unknown
 *
 * Returns: %FALSE when frames of that type have no fields
 */
gboolean jkb_decode (const guint8 *frame, JkbValues *values);

/**
 * jkb_plausible_frame:
 * Whether a live frame can be true as a whole: cells are present and their sum is within 2 % of the
 * pack voltage, or no cell is present. Frames of other types: %TRUE unless device_address is above
 * 247.
 */
gboolean jkb_plausible_frame (const guint8 *frame, const JkbValues *values);

/**
 * jkb_plausible_values:
 * Turns what cannot be into unknown: values outside the range of their row, absent temperature
 * sensors (protocol §5.2), resistances of 0; computed fields follow what is left.
 *
 * Returns: how many values were impossible (absent sensors and resistances of 0 do not count)
 */
guint jkb_plausible_values (const guint8 *frame, JkbValues *values);

G_END_DECLS
