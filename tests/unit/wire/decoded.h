/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A frame that a test fills, with what the decoder makes of it.
 */
#pragma once

#include "wire/jkb-decode.h"

typedef struct
{
  guint8 frame[JKB_FRAME_SIZE];
  JkbValues values;
} Decoded;

static inline void
decode (Decoded *decoded)
{
  g_assert_true (jkb_decode (decoded->frame, &decoded->values));
}

static inline gint64
get (const Decoded *decoded, JkbFieldId id)
{
  return jkb_values_get (&decoded->values, id);
}

static inline gint32
item (const Decoded *decoded, JkbFieldId id, guint cell)
{
  return jkb_values_get_item (&decoded->values, id, cell);
}
