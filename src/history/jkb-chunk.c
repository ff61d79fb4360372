/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Packing and unpacking of chunks: one byte for the form, then a zlib stream of items, each the
 * distance to the stamp before (8 bytes, little-endian) and the frame XORed with the one before.
 */
#include "history/jkb-chunk.h"

#include <string.h>
#include <zlib.h>

#include "core/jkb-error.h"

#define FORM 1
#define ITEM_SIZE (8 + JKB_FRAME_SIZE)

/* What repeats is some hundred bytes back: a window of 4 KiB finds all of it, and the 32 KiB that
 * zlib then needs are an eighth of the usual. */
#define WINDOW_BITS 12
#define MEMORY_LEVEL 5
#define LEVEL 6

/* ---- packing ---- */

/* Deflates all of .next_in, and at the end what is left, behind @out. */
static void
deflate_all (z_stream *stream, int flush, GByteArray *out)
{
  guint8 buffer[1024];
  int result;

  do
    {
      stream->next_out = buffer;
      stream->avail_out = sizeof buffer;
      result = deflate (stream, flush);
      g_byte_array_append (out, buffer, (guint) (sizeof buffer - stream->avail_out));
    }
  while (stream->avail_in > 0 || stream->avail_out == 0
         || (flush == Z_FINISH && result == Z_OK));
}

/* Returns: @item of sample @i */
static void
make_item (const JkbChunkItem *items, guint i, guint8 item[ITEM_SIZE])
{
  guint64 before_us = i > 0 ? (guint64) items[i - 1].stamp_us : 0;
  guint64 distance_us = GUINT64_TO_LE ((guint64) items[i].stamp_us - before_us); /* may wrap */

  memcpy (item, &distance_us, 8);
  for (guint j = 0; j < JKB_FRAME_SIZE; j++)
    item[8 + j] = items[i].frame[j] ^ (i > 0 ? items[i - 1].frame[j] : 0);
}

GBytes *
jkb_chunk_pack (const JkbChunkItem *items, guint n_items)
{
  static const guint8 form = FORM;
  GByteArray *out = g_byte_array_new ();
  guint8 item[ITEM_SIZE];
  z_stream stream = { 0 };

  g_assert (n_items > 0 && n_items <= JKB_CHUNK_MAX);
  if (deflateInit2 (&stream, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL, Z_DEFAULT_STRATEGY)
      != Z_OK)
    g_error ("out of memory: no room to pack samples");
  g_byte_array_append (out, &form, 1);
  for (guint i = 0; i < n_items; i++)
    {
      make_item (items, i, item);
      stream.next_in = item;
      stream.avail_in = sizeof item;
      deflate_all (&stream, Z_NO_FLUSH, out);
    }
  deflate_all (&stream, Z_FINISH, out);
  deflateEnd (&stream);
  return g_byte_array_free_to_bytes (out);
}

/* ---- unpacking ---- */

typedef enum
{
  ITEM_WHOLE,
  ITEM_NONE, /* the stream has ended where it should */
  ITEM_DAMAGED
} Inflated;

static Inflated
inflate_item (z_stream *stream, guint8 item[ITEM_SIZE])
{
  int result = Z_OK;

  stream->next_out = item;
  stream->avail_out = ITEM_SIZE;
  while (stream->avail_out > 0 && result == Z_OK)
    result = inflate (stream, Z_NO_FLUSH);
  if (stream->avail_out == 0 && (result == Z_OK || result == Z_STREAM_END))
    return ITEM_WHOLE;
  return stream->avail_out == ITEM_SIZE && result == Z_STREAM_END ? ITEM_NONE : ITEM_DAMAGED;
}

/* Returns: whether the chunk is good as far as it was read */
static gboolean
unpack_items (z_stream *stream, gint64 stamp_us, JkbChunkFunc func, gpointer user_data,
              gboolean *stopped)
{
  guint8 frame[JKB_FRAME_SIZE] = { 0 }, item[ITEM_SIZE];
  Inflated inflated = ITEM_DAMAGED;

  for (guint n = 0; n <= JKB_CHUNK_MAX; n++)
    {
      gint64 distance_us;

      inflated = inflate_item (stream, item);
      if (inflated != ITEM_WHOLE)
        return inflated == ITEM_NONE && n > 0;
      memcpy (&distance_us, item, 8);
      stamp_us = (gint64) ((guint64) stamp_us + (guint64) GINT64_FROM_LE (distance_us));
      for (guint j = 0; j < JKB_FRAME_SIZE; j++)
        frame[j] ^= item[8 + j];
      if (!func (stamp_us, frame, user_data))
        {
          *stopped = TRUE;
          return TRUE;
        }
    }
  return FALSE;
}

gboolean
jkb_chunk_unpack (gconstpointer bytes, gsize n_bytes, gint64 shift_us, JkbChunkFunc func,
                  gpointer user_data, gboolean *stopped, GError **error)
{
  gboolean unused = FALSE, good = FALSE;
  z_stream stream = { 0 };

  stopped = stopped != NULL ? stopped : &unused;
  *stopped = FALSE;
  if (n_bytes >= 2 && *(const guint8 *) bytes == FORM && inflateInit (&stream) == Z_OK)
    {
      stream.next_in = (z_const Bytef *) bytes + 1;
      stream.avail_in = (uInt) (n_bytes - 1);
      good = unpack_items (&stream, shift_us, func, user_data, stopped);
      inflateEnd (&stream);
    }
  if (!good)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_IO, "a part of the history is damaged");
  return good;
}
