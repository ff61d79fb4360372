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

static const guint8 beginning[] = { 0x55, 0xaa, 0xeb, 0x90, JKB_FRAME_INFO };

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

static gboolean
is_secret (guint offset)
{
  for (gsize i = 0; i < G_N_ELEMENTS (secrets); i++)
    if (offset >= secrets[i].begin && offset < secrets[i].end)
      return TRUE;
  return FALSE;
}

/* The place of one byte in each of the open frames decides what becomes of it. */
static guint8
filter_byte (JkbSecretFilter *filter, guint8 byte)
{
  gboolean blank = FALSE;

  for (guint i = 0; i < filter->n_open; i++)
    blank |= is_secret (filter->open[i].n_seen);
  for (guint i = 0; i < filter->n_open; i++)
    {
      if (filter->open[i].n_seen == JKB_FRAME_SIZE - 1)
        byte -= filter->open[i].removed;
      else if (blank)
        filter->open[i].removed += byte;
      filter->open[i].n_seen++;
    }
  if (filter->n_open > 0 && filter->open[0].n_seen == JKB_FRAME_SIZE)
    memmove (filter->open, filter->open + 1, --filter->n_open * sizeof filter->open[0]);
  return blank ? 0 : byte;
}

void
jkb_secret_filter (JkbSecretFilter *filter, guint8 *bytes, gsize n_bytes)
{
  for (gsize i = 0; i < n_bytes; i++)
    {
      guint8 byte = bytes[i];

      if (filter->n_open > 0)
        bytes[i] = filter_byte (filter, byte);
      if (byte != beginning[filter->n_matched])
        filter->n_matched = byte == beginning[0];
      else if (++filter->n_matched == sizeof beginning)
        {
          filter->n_matched = 0;
          filter->open[filter->n_open].n_seen = sizeof beginning;
          filter->open[filter->n_open++].removed = 0;
        }
    }
}

void
jkb_secret_blank_frame (guint8 *frame, gsize n_bytes)
{
  JkbSecretFilter filter = { 0 };

  jkb_secret_filter (&filter, frame, n_bytes);
}
