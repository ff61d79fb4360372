/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The earlier of two moments. MIN() evaluates the smaller one twice: of a function that acts and
 * says when it wants to be called again, that would be one act too many. Pure; any thread.
 */
#pragma once

#include <glib.h>

static inline gint64
jkb_earlier (gint64 a, gint64 b)
{
  return a < b ? a : b;
}
