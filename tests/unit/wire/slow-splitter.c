/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header. All bytes at hand, one position after the other; nothing of src/wire decides here.
 */
#include "slow-splitter.h"

#include <string.h>

#include "wire-fixture.h"

typedef struct
{
  const guint8 *bytes;
  gsize n_bytes;
} All;

static gboolean
slow_header (const All *all, gsize at)
{
  return at + 4 <= all->n_bytes && all->bytes[at] == 0x55 && all->bytes[at + 1] == 0xaa
         && all->bytes[at + 2] == 0xeb && all->bytes[at + 3] == 0x90;
}

static gboolean
slow_sum (const All *all, gsize at)
{
  guint sum = 0;

  if (at + 300 > all->n_bytes)
    return FALSE;
  for (gsize i = 0; i < 299; i++)
    sum += all->bytes[at + i];
  return sum % 256 == all->bytes[at + 299];
}

/* A good sum, and no good frame that begins inside. */
static gboolean
slow_frame (const All *all, gsize at)
{
  if (!slow_sum (all, at))
    return FALSE;
  for (gsize inner = at + 1; inner + 4 <= at + 300; inner++)
    if (slow_header (all, inner) && slow_sum (all, inner))
      return FALSE;
  return TRUE;
}

static gboolean
slow_crc (const All *all, gsize at, gsize n)
{
  guint crc = 0xffff;

  if (at + n > all->n_bytes)
    return FALSE;
  for (gsize i = 0; i < n - 2; i++)
    {
      crc ^= all->bytes[at + i];
      for (guint bit = 0; bit < 8; bit++)
        crc = crc % 2 != 0 ? crc / 2 ^ 0xa001 : crc / 2;
    }
  for (gsize i = at + 1; i + 4 <= at + n; i++)
    if (slow_header (all, i))
      return FALSE;
  return all->bytes[at + n - 2] == crc % 256 && all->bytes[at + n - 1] == crc / 256;
}

static guint
slow_word (const All *all, gsize at)
{
  return all->bytes[at] * 256u + all->bytes[at + 1];
}

/* Returns: the length of the Modbus record at @at, 0: none; appends its line. */
static gsize
slow_modbus (const All *all, gsize at, GString *out)
{
  const guint8 *b = all->bytes + at;
  gsize left = all->n_bytes - at;
  guint count = left >= 8 ? slow_word (all, at + 4) : 0;

  if (left < 3 || b[0] > 247)
    return 0;
  if (b[1] == 0x10 && left >= 8 && count >= 1 && count <= 123)
    {
      if (b[6] == 2 * count && slow_crc (all, at, 9 + b[6]))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " request %u %04x\n", at, b[0],
                                  slow_word (all, at + 2));
          return 9 + b[6];
        }
      if (slow_crc (all, at, 8))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " ack %u %04x\n", at, b[0],
                                  slow_word (all, at + 2));
          return 8;
        }
    }
  if (b[1] == 0x03)
    {
      gboolean answer = b[2] >= 2 && b[2] <= 250 && b[2] % 2 == 0 && slow_crc (all, at, 5 + b[2]);
      gboolean request = left >= 8 && count >= 1 && count <= 125 && slow_crc (all, at, 8);

      if (answer && (b[2] == 2 || !request))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " read_response %u\n", at, b[0]);
          return 5 + b[2];
        }
      if (request)
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " read_request %u\n", at, b[0]);
          return 8;
        }
    }
  if ((b[1] == 0x83 || b[1] == 0x90) && b[2] >= 1 && b[2] <= 11 && slow_crc (all, at, 5))
    {
      g_string_append_printf (out, "%" G_GSIZE_FORMAT " exception %u\n", at, b[0]);
      return 5;
    }
  return 0;
}

/* Frames without their senders: those are not the splitter's business. */
char *
slow_splitter_events (const guint8 *bytes, gsize n_bytes)
{
  All all = { bytes, n_bytes };
  GString *out = g_string_new (NULL);
  gsize at = 0;

  while (at < n_bytes)
    {
      gsize n = 0;

      if (slow_header (&all, at) && slow_frame (&all, at))
        {
          g_string_append_printf (out, "%" G_GSIZE_FORMAT " frame %02x\n", at, bytes[at + 4]);
          n = 300;
        }
      else
        {
          if (slow_header (&all, at) && at + 300 <= n_bytes)
            g_string_append_printf (out, "%" G_GSIZE_FORMAT " bad %02x\n", at, bytes[at + 4]);
          n = slow_modbus (&all, at, out);
        }
      at += MAX (n, 1);
    }
  return g_string_free (out, FALSE);
}

/* ---- the stream, its lines made alike ------------------------------------------------------- */

static gint
by_offset (gconstpointer a, gconstpointer b)
{
  guint64 first = g_ascii_strtoull (*(char **) a, NULL, 10);
  guint64 second = g_ascii_strtoull (*(char **) b, NULL, 10);

  return first < second ? -1 : first > second;
}

char *
slow_splitter_of_stream (const guint8 *bytes, gsize n_bytes, SlowSplitterPiece piece)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  GString *out = g_string_new (NULL);
  gboolean finished = FALSE;
  gsize at = 0;
  JkbEvent event;

  while (!finished)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize n = piece ();

      n = MIN (n, MIN (room, n_bytes - at));
      memcpy (place, bytes + at, n);
      jkb_stream_commit (stream, n, 0);
      at += n;
      if (at == n_bytes)
        {
          jkb_stream_finish (stream);
          finished = TRUE;
        }
      while (jkb_stream_next (stream, 0, &event))
        {
          GString *line = g_string_new (NULL);

          if (event.kind == JKB_EVENT_FRAME)
            g_string_append_printf (line, "%" G_GUINT64_FORMAT " frame %02x\n", event.offset,
                                    event.type);
          else
            wire_append_event (line, &event);
          g_ptr_array_add (lines, g_string_free (line, FALSE));
        }
    }
  g_ptr_array_sort (lines, by_offset);
  for (guint i = 0; i < lines->len; i++)
    g_string_append (out, lines->pdata[i]);
  return g_string_free (out, FALSE);
}
