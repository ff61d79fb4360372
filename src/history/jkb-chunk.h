/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A chunk: the samples of one BMS over some time, packed. Each frame is told by what differs from
 * the one before (neighbours differ in few bytes), then all of it is deflated; the checksum of zlib
 * tells damage. Pure functions: any thread.
 */
#pragma once

#include <gio/gio.h>

#include "wire/jkb-frame.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 stamp_us;
  const guint8 *frame; /* JKB_FRAME_SIZE bytes, somebody else's */
} JkbChunkItem;

/* Most samples of one chunk. */
#define JKB_CHUNK_MAX 20000

/**
 * jkb_chunk_pack:
 * @items: in the order of time, 1..JKB_CHUNK_MAX of them
 *
 * Returns: (transfer full)
 */
GBytes *jkb_chunk_pack (const JkbChunkItem *items, guint n_items);

/* Returns: whether to go on. @frame: valid during the call */
typedef gboolean (*JkbChunkFunc) (gint64 stamp_us, const guint8 *frame, gpointer user_data);

/**
 * jkb_chunk_unpack:
 * @shift_us: is added to the stamps: they were packed before anybody knew the time
 * @stopped: (out) (optional): whether @func wanted no more
 *
 * Calls @func with each sample, in order, as far as the chunk is good.
 *
 * Returns: %FALSE with @error when it is damaged
 */
gboolean jkb_chunk_unpack (gconstpointer bytes, gsize n_bytes, gint64 shift_us, JkbChunkFunc func,
                           gpointer user_data, gboolean *stopped, GError **error);

G_END_DECLS
