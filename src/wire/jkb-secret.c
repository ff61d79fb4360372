/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The places of the secrets, once for frames and registers. Pure functions: any thread.
 */
#include "wire/jkb-secret.h"

#include <string.h>

#include "wire/jkb-frame.h"

#define INFO_AREA 0x1400

/* Offsets in the frame, end exclusive. */
static const struct
{
  guint16 begin, end;
} secrets[] = {
  { 46, 78 },   /* Bluetooth name (on many boards the serial number) and, behind it, the PIN */
  { 118, 134 }, /* settings password */
};

void
jkb_secret_blank_frame (guint8 *frame, gsize n_bytes)
{
  guint8 removed = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (secrets); i++)
    for (gsize offset = secrets[i].begin; offset < MIN (secrets[i].end, n_bytes); offset++)
      {
        removed += frame[offset];
        frame[offset] = 0;
      }
  if (n_bytes >= JKB_FRAME_SIZE)
    frame[JKB_FRAME_SIZE - 1] -= removed;
}

gboolean
jkb_secret_blank_registers (guint8 *data, gsize n_bytes, guint16 reg)
{
  gboolean found = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (secrets); i++)
    {
      gsize begin = INFO_AREA + secrets[i].begin - JKB_FRAME_PAYLOAD;
      gsize end = INFO_AREA + secrets[i].end - JKB_FRAME_PAYLOAD;

      begin = MAX (begin, reg);
      end = MIN (end, reg + n_bytes);
      if (begin >= end)
        continue;
      memset (data + (begin - reg), 0, end - begin);
      found = TRUE;
    }
  return found;
}
