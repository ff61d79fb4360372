/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Memory of the ring. Made and cleared while only one thread knows of it.
 */
#include "queue/jkb-spsc.h"

#include <stdlib.h>

#define CACHE_LINE 64

void
jkb_spsc_init (JkbSpsc *q, uint32_t n_slots, uint32_t record_size)
{
  size_t size = ((size_t) n_slots * record_size + CACHE_LINE - 1) & ~(size_t) (CACHE_LINE - 1);

  g_assert (n_slots > 0 && (n_slots & (n_slots - 1)) == 0);
  g_assert ((uintptr_t) q % CACHE_LINE == 0);
  memset (q, 0, sizeof *q);
  q->mask = n_slots - 1;
  q->record_size = record_size;
  q->slots = aligned_alloc (CACHE_LINE, size);
  if (q->slots == NULL)
    g_error ("out of memory: %zu bytes for a queue", size);
}

void
jkb_spsc_clear (JkbSpsc *q)
{
  free (q->slots);
  q->slots = NULL;
}
