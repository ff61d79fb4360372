/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A message on its way to the broker, and the place where messages wait: newest-wins per topic for
 * what describes a state, in order and bounded for events. A message and an outbox belong to one
 * thread at a time.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  JKB_MESSAGE_STATE,    /* not retained; only the newest of a topic counts, none while offline */
  JKB_MESSAGE_RETAINED, /* as STATE, but an empty one (it clears the topic) is kept while offline */
  JKB_MESSAGE_STEP,     /* retained for a moment: the next of its topic must not replace it */
  JKB_MESSAGE_EVENT,    /* every one counts: in order, kept while offline */
  JKB_MESSAGE_HISTORY,  /* a past state: in order, behind everything else, none while offline */

  /* Orders to the MQTT thread, in order with the messages. */
  JKB_MESSAGE_SUBSCRIBE,   /* topic filter */
  JKB_MESSAGE_UNSUBSCRIBE, /* topic filter */
  JKB_MESSAGE_RELEASE,     /* what the broker must know first has been sent: events may go */
  JKB_MESSAGE_RECONNECT
} JkbMessageKind;

typedef struct
{
  JkbMessageKind kind;
  guint8 qos;
  gboolean retain;
  guint64 sequence; /* events: their order; history: its number, see jkb_mqtt_link_get_told() */
  guint32 size;     /* of the payload */
  char *payload;    /* inside the same block, with a NUL behind it */
  char topic[];
} JkbMessage;

/* Free with g_free(). @payload: (nullable) when @size is 0. */
JkbMessage *jkb_message_new (JkbMessageKind kind, const char *topic, const char *payload,
                             gsize size);

/* Bytes that a message holds, for the limits. */
gsize jkb_message_cost (const JkbMessage *message);

typedef struct
{
  GQueue waiting;     /* (element-type JkbMessage) in the order of sending */
  GHashTable *newest; /* topic → link of its message in @waiting, STATE and RETAINED only */
  GQueue events;      /* (element-type JkbMessage) by sequence */
  guint events_max;
} JkbOutbox;

void jkb_outbox_init (JkbOutbox *outbox, guint events_max);
void jkb_outbox_clear (JkbOutbox *outbox);

/**
 * jkb_outbox_add:
 * @message: (transfer full)
 *
 * A message replaces the waiting one of its topic, in its place. An event goes where its sequence
 * says; when there are too many, the oldest leaves.
 *
 * Returns: (nullable) (transfer full): the message that had to go
 */
JkbMessage *jkb_outbox_add (JkbOutbox *outbox, JkbMessage *message);

/* The next to send, and the same taken out. @events: events may go, and go first. */
JkbMessage *jkb_outbox_peek (JkbOutbox *outbox, gboolean events);
JkbMessage *jkb_outbox_pop (JkbOutbox *outbox, gboolean events);

/* The last one popped becomes the next again. */
void jkb_outbox_put_back (JkbOutbox *outbox, JkbMessage *message);

/* Whether a message must be kept while there is no connection. */
gboolean jkb_message_survives (const JkbMessage *message);

guint jkb_outbox_get_length (JkbOutbox *outbox);

G_END_DECLS
