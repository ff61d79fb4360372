/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A bounded ring of fixed-size records, by value: one thread pushes, one thread pops, neither
 * waits.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

G_BEGIN_DECLS

typedef struct
{
  _Alignas (64) _Atomic uint32_t head; /* producer writes */
  uint32_t tail_seen;                  /* producer's last look at tail */
  _Alignas (64) _Atomic uint32_t tail; /* consumer writes */
  uint32_t head_seen;                  /* consumer's last look at head */
  _Alignas (64) uint32_t mask;         /* slots - 1 */
  uint32_t record_size;
  unsigned char *slots;
} JkbSpsc;

/* @n_slots must be a power of two. The struct must be aligned to 64 bytes (aligned_alloc, static,
 * or a member of such a struct). */
void jkb_spsc_init (JkbSpsc *q, uint32_t n_slots, uint32_t record_size);
void jkb_spsc_clear (JkbSpsc *q);

/* Producer: the slot to fill for the next record, NULL when the ring is full; then publish it. */
static inline void *
jkb_spsc_reserve (JkbSpsc *q)
{
  uint32_t head = atomic_load_explicit (&q->head, memory_order_relaxed);

  if (head - q->tail_seen > q->mask)
    {
      q->tail_seen = atomic_load_explicit (&q->tail, memory_order_acquire);
      if (head - q->tail_seen > q->mask)
        return NULL;
    }
  return q->slots + (size_t) (head & q->mask) * q->record_size;
}

static inline void
jkb_spsc_publish (JkbSpsc *q)
{
  uint32_t head = atomic_load_explicit (&q->head, memory_order_relaxed);

  atomic_store_explicit (&q->head, head + 1, memory_order_release);
}

static inline bool
jkb_spsc_push (JkbSpsc *q, const void *record)
{
  void *slot = jkb_spsc_reserve (q);

  if (slot == NULL)
    return false;
  memcpy (slot, record, q->record_size);
  jkb_spsc_publish (q);
  return true;
}

/* Producer: records in the ring, never too few. */
static inline uint32_t
jkb_spsc_fill (JkbSpsc *q)
{
  return atomic_load_explicit (&q->head, memory_order_relaxed)
         - atomic_load_explicit (&q->tail, memory_order_acquire);
}

/* Consumer: the oldest record in place, NULL when the ring is empty; then release it. */
static inline const void *
jkb_spsc_peek (JkbSpsc *q)
{
  uint32_t tail = atomic_load_explicit (&q->tail, memory_order_relaxed);

  if (tail == q->head_seen)
    {
      q->head_seen = atomic_load_explicit (&q->head, memory_order_acquire);
      if (tail == q->head_seen)
        return NULL;
    }
  return q->slots + (size_t) (tail & q->mask) * q->record_size;
}

static inline void
jkb_spsc_release (JkbSpsc *q)
{
  uint32_t tail = atomic_load_explicit (&q->tail, memory_order_relaxed);

  atomic_store_explicit (&q->tail, tail + 1, memory_order_release);
}

static inline bool
jkb_spsc_pop (JkbSpsc *q, void *record)
{
  const void *slot = jkb_spsc_peek (q);

  if (slot == NULL)
    return false;
  memcpy (record, slot, q->record_size);
  jkb_spsc_release (q);
  return true;
}

G_END_DECLS
