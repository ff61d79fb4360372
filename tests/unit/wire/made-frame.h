/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Frames made from known values by the field table, and the comparison with what was decoded: for the
 * tests and the fuzzers.
 */
#pragma once

#include "wire/jkb-values.h"

/* Where the values come from: any number. */
typedef guint32 (*MadeFrameNext) (void);

/* @wanted: (out): what was put in, as it must come out */
void made_frame_fill (JkbGroup group, guint8 *frame, JkbValues *wanted, MadeFrameNext next);

/* Fails where @values are not what was put in. */
void made_frame_check (const JkbValues *values, const JkbValues *wanted);
