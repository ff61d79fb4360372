/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Messages and the place where they wait. Plain memory: whichever thread owns it.
 */
#include "mqtt/jkb-message.h"

#include <string.h>

JkbMessage *
jkb_message_new (JkbMessageKind kind, const char *topic, const char *payload, gsize size)
{
  gsize topic_size = strlen (topic) + 1;
  JkbMessage *message = g_malloc (sizeof *message + topic_size + size + 1);

  message->kind = kind;
  message->qos = kind == JKB_MESSAGE_STATE ? 0 : 1;
  message->retain = kind == JKB_MESSAGE_RETAINED || kind == JKB_MESSAGE_STEP;
  message->sequence = 0;
  message->size = (guint32) size;
  message->payload = message->topic + topic_size;
  memcpy (message->topic, topic, topic_size);
  if (size > 0)
    memcpy (message->payload, payload, size);
  message->payload[size] = '\0';
  return message;
}

gsize
jkb_message_cost (const JkbMessage *message)
{
  return sizeof *message + strlen (message->topic) + message->size + 2;
}

gboolean
jkb_message_survives (const JkbMessage *message)
{
  return message->kind == JKB_MESSAGE_EVENT
         || (message->kind == JKB_MESSAGE_RETAINED && message->size == 0);
}

void
jkb_outbox_init (JkbOutbox *outbox, guint events_max)
{
  g_queue_init (&outbox->waiting);
  g_queue_init (&outbox->events);
  outbox->newest = g_hash_table_new (g_str_hash, g_str_equal);
  outbox->events_max = events_max;
}

void
jkb_outbox_clear (JkbOutbox *outbox)
{
  g_hash_table_unref (outbox->newest);
  g_queue_clear_full (&outbox->waiting, g_free);
  g_queue_clear_full (&outbox->events, g_free);
}

static JkbMessage *
add_event (JkbOutbox *outbox, JkbMessage *message)
{
  GList *after = outbox->events.tail;

  while (after != NULL && ((JkbMessage *) after->data)->sequence > message->sequence)
    after = after->prev;
  if (after != NULL)
    g_queue_insert_after (&outbox->events, after, message);
  else
    g_queue_push_head (&outbox->events, message);
  return outbox->events.length > outbox->events_max ? g_queue_pop_head (&outbox->events) : NULL;
}

static gboolean
is_newest_wins (const JkbMessage *message)
{
  return message->kind == JKB_MESSAGE_STATE || message->kind == JKB_MESSAGE_RETAINED;
}

JkbMessage *
jkb_outbox_add (JkbOutbox *outbox, JkbMessage *message)
{
  GList *link;
  JkbMessage *old;

  if (message->kind == JKB_MESSAGE_EVENT)
    return add_event (outbox, message);
  if (!is_newest_wins (message))
    {
      g_queue_push_tail (&outbox->waiting, message);
      return NULL;
    }
  link = g_hash_table_lookup (outbox->newest, message->topic);
  if (link == NULL)
    {
      g_queue_push_tail (&outbox->waiting, message);
      g_hash_table_insert (outbox->newest, message->topic, outbox->waiting.tail);
      return NULL;
    }
  old = link->data;
  link->data = message;
  g_hash_table_replace (outbox->newest, message->topic, link);
  return old;
}

JkbMessage *
jkb_outbox_peek (JkbOutbox *outbox, gboolean events)
{
  JkbMessage *message = events ? g_queue_peek_head (&outbox->events) : NULL;

  return message != NULL ? message : g_queue_peek_head (&outbox->waiting);
}

JkbMessage *
jkb_outbox_pop (JkbOutbox *outbox, gboolean events)
{
  JkbMessage *message = events ? g_queue_pop_head (&outbox->events) : NULL;

  if (message != NULL)
    return message;
  message = g_queue_pop_head (&outbox->waiting);
  if (message != NULL && is_newest_wins (message))
    g_hash_table_remove (outbox->newest, message->topic);
  return message;
}

void
jkb_outbox_put_back (JkbOutbox *outbox, JkbMessage *message)
{
  if (message->kind == JKB_MESSAGE_EVENT)
    {
      g_queue_push_head (&outbox->events, message);
      return;
    }
  g_queue_push_head (&outbox->waiting, message);
  if (is_newest_wins (message))
    g_hash_table_insert (outbox->newest, message->topic, outbox->waiting.head);
}

guint
jkb_outbox_get_length (JkbOutbox *outbox)
{
  return outbox->waiting.length + outbox->events.length;
}
