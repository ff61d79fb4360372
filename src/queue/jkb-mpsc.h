/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * An intrusive list: many threads push, one drains all of it at once. No node is ever popped
 * singly, so there is no ABA. Nodes belong to whoever drained them.
 */
#pragma once

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

G_BEGIN_DECLS

typedef struct _JkbMpscNode JkbMpscNode;
struct _JkbMpscNode
{
  JkbMpscNode *next;
};

typedef struct
{
  _Atomic (JkbMpscNode *) top;
} JkbMpsc;

/* Any thread. Returns: whether the list was empty before. */
static inline bool
jkb_mpsc_push (JkbMpsc *q, JkbMpscNode *node)
{
  JkbMpscNode *top = atomic_load_explicit (&q->top, memory_order_relaxed);

  do
    node->next = top;
  while (!atomic_compare_exchange_weak_explicit (&q->top, &top, node, memory_order_release,
                                                 memory_order_relaxed));
  return top == NULL;
}

/* The one consumer. Returns: (nullable): all nodes, oldest first. */
static inline JkbMpscNode *
jkb_mpsc_drain (JkbMpsc *q)
{
  JkbMpscNode *node = atomic_exchange_explicit (&q->top, NULL, memory_order_acquire);
  JkbMpscNode *oldest_first = NULL;

  while (node != NULL)
    {
      JkbMpscNode *next = node->next;

      node->next = oldest_first;
      oldest_first = node;
      node = next;
    }
  return oldest_first;
}

G_END_DECLS
