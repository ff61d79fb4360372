/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Packing and unpacking of chunks: one byte for the form, then a zlib stream of items, each the
 * distance to the stamp before (8 bytes, little-endian) and the frame XORed with the one before.
 */
#include "history/jkb-chunk.h"

#include <string.h>

#include "core/jkb-error.h"

#define FORM 1
#define ITEM_SIZE (8 + JKB_FRAME_SIZE)
#define LEVEL 6

typedef struct
{
  GConverter *converter;
  GByteArray *out;
} Packer;

/* Feeds all of @bytes; with @flags at the end until the converter is done. */
static void
feed (Packer *packer, const guint8 *bytes, gsize n_bytes, GConverterFlags flags)
{
  guint8 buffer[1024];
  GConverterResult result = G_CONVERTER_CONVERTED;

  while (n_bytes > 0 || (flags != 0 && result != G_CONVERTER_FINISHED))
    {
      gsize n_read = 0, n_written = 0;

      result = g_converter_convert (packer->converter, bytes, n_bytes, buffer, sizeof buffer, flags,
                                    &n_read, &n_written, NULL);
      if (result == G_CONVERTER_ERROR)
        g_error ("deflate failed"); /* only when out of memory: its output always has room */
      bytes += n_read;
      n_bytes -= n_read;
      g_byte_array_append (packer->out, buffer, (guint) n_written);
    }
}

GBytes *
jkb_chunk_pack (const JkbChunkItem *items, guint n_items)
{
  static const guint8 form = FORM;
  g_autoptr (GConverter) converter =
      G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, LEVEL));
  Packer packer = { converter, g_byte_array_new () };
  gint64 before_us = 0;
  guint8 item[ITEM_SIZE];

  g_assert (n_items > 0 && n_items <= JKB_CHUNK_MAX);
  g_byte_array_append (packer.out, &form, 1);
  for (guint i = 0; i < n_items; i++)
    {
      gint64 distance_us = GINT64_TO_LE (items[i].stamp_us - before_us);

      before_us = items[i].stamp_us;
      memcpy (item, &distance_us, 8);
      for (guint j = 0; j < JKB_FRAME_SIZE; j++)
        item[8 + j] = items[i].frame[j] ^ (i > 0 ? items[i - 1].frame[j] : 0);
      feed (&packer, item, sizeof item, 0);
    }
  feed (&packer, NULL, 0, G_CONVERTER_INPUT_AT_END);
  return g_byte_array_free_to_bytes (packer.out);
}

/* ---- unpacking ---- */

typedef struct
{
  GConverter *converter;
  const guint8 *bytes; /* not read yet */
  gsize n_bytes;
  gboolean finished;
} Unpacker;

/* Fills @item. Returns: how much of it there was; @error when the stream is damaged */
static gsize
inflate_item (Unpacker *unpacker, guint8 item[ITEM_SIZE], GError **error)
{
  gsize n = 0;

  while (n < ITEM_SIZE && !unpacker->finished)
    {
      gsize n_read = 0, n_written = 0;
      GConverterResult result =
          g_converter_convert (unpacker->converter, unpacker->bytes, unpacker->n_bytes, item + n,
                               ITEM_SIZE - n, G_CONVERTER_INPUT_AT_END, &n_read, &n_written, error);

      if (result == G_CONVERTER_ERROR)
        return 0;
      unpacker->bytes += n_read;
      unpacker->n_bytes -= n_read;
      n += n_written;
      unpacker->finished = result == G_CONVERTER_FINISHED;
    }
  return n;
}

static gboolean
damaged (GError **error)
{
  if (error != NULL)
    g_clear_error (error);
  g_set_error_literal (error, JKB_ERROR, JKB_ERROR_IO, "a part of the history is damaged");
  return FALSE;
}

static gboolean
unpack_items (Unpacker *unpacker, gint64 stamp_us, JkbChunkFunc func, gpointer user_data,
              gboolean *stopped, GError **error)
{
  guint8 frame[JKB_FRAME_SIZE] = { 0 }, item[ITEM_SIZE];
  guint count = 0;
  gsize n;

  while ((n = inflate_item (unpacker, item, error)) == ITEM_SIZE && count++ < JKB_CHUNK_MAX)
    {
      gint64 distance_us;

      memcpy (&distance_us, item, 8);
      stamp_us += GINT64_FROM_LE (distance_us);
      for (guint j = 0; j < JKB_FRAME_SIZE; j++)
        frame[j] ^= item[8 + j];
      if (!func (stamp_us, frame, user_data))
        {
          *stopped = TRUE;
          return TRUE;
        }
    }
  return n == 0 && unpacker->finished && count > 0;
}

gboolean
jkb_chunk_unpack (gconstpointer bytes, gsize n_bytes, gint64 shift_us, JkbChunkFunc func,
                  gpointer user_data, gboolean *stopped, GError **error)
{
  g_autoptr (GConverter) converter =
      G_CONVERTER (g_zlib_decompressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB));
  Unpacker unpacker = { converter, (const guint8 *) bytes + 1, n_bytes - 1, FALSE };
  gboolean unused;

  stopped = stopped != NULL ? stopped : &unused;
  *stopped = FALSE;
  if (n_bytes < 2 || *(const guint8 *) bytes != FORM)
    return damaged (error);
  return unpack_items (&unpacker, shift_us, func, user_data, stopped, error) || damaged (error);
}
