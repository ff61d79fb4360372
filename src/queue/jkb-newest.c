/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Memory of the slot. Made and cleared while only one thread knows of it.
 */
#include "queue/jkb-newest.h"

void
jkb_newest_init (JkbNewest *slot, uint32_t record_size)
{
  slot->front = 0;
  slot->back = 1;
  atomic_init (&slot->middle, 2);
  slot->record_size = record_size;
  slot->buffers = g_malloc0_n (3, record_size);
}

void
jkb_newest_clear (JkbNewest *slot)
{
  g_clear_pointer (&slot->buffers, g_free);
}
