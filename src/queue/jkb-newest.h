/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A slot that holds the newest record only: one thread writes, one reads, neither waits and nothing
 * is ever torn (three buffers change places). For state, and for what a full ring cannot take.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

G_BEGIN_DECLS

typedef struct
{
  _Atomic uint32_t middle; /* index of the buffer between the threads, plus JKB_NEWEST_FRESH */
  uint32_t front;          /* reader's buffer */
  uint32_t back;           /* writer's buffer */
  uint32_t record_size;
  unsigned char *buffers;
} JkbNewest;

#define JKB_NEWEST_FRESH 4u

void jkb_newest_init (JkbNewest *slot, uint32_t record_size);
void jkb_newest_clear (JkbNewest *slot);

/* Writer: the buffer to fill, then publish it. */
static inline void *
jkb_newest_back (JkbNewest *slot)
{
  return slot->buffers + (size_t) slot->back * slot->record_size;
}

/* Returns: whether an unread record was overwritten. */
static inline bool
jkb_newest_publish (JkbNewest *slot)
{
  uint32_t old = atomic_exchange_explicit (&slot->middle, slot->back | JKB_NEWEST_FRESH,
                                           memory_order_acq_rel);

  slot->back = old & 3u;
  return (old & JKB_NEWEST_FRESH) != 0;
}

/* Reader: the newest record, NULL when there is none since the last call; valid until the next. */
static inline const void *
jkb_newest_take (JkbNewest *slot)
{
  if ((atomic_load_explicit (&slot->middle, memory_order_relaxed) & JKB_NEWEST_FRESH) == 0)
    return NULL;
  slot->front = atomic_exchange_explicit (&slot->middle, slot->front, memory_order_acq_rel) & 3u;
  return slot->buffers + (size_t) slot->front * slot->record_size;
}

G_END_DECLS
