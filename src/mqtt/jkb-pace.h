/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How fast what was missed may be sent, so that what happens now never waits behind it: few
 * messages without an answer, and fewer when the answers begin to take longer than they need, which
 * is the sign of a queue on the way. Belongs to the MQTT thread; times are arguments.
 */
#pragma once

#include "mqtt/jkb-message.h"

G_BEGIN_DECLS

#define JKB_PACE_MAX 16               /* messages without an answer */
#define JKB_PACE_QUEUE_US (30 * 1000) /* more than the shortest: the way is full */

typedef struct
{
  GQueue waiting;  /* (element-type JkbMessage) in the order of sending */
  guint in_flight; /* sent, not answered */
  guint window;    /* as many may be */
  guint quick;     /* quick answers since the window was changed */
  gint64 best_us;  /* shortest time to an answer since one was sent alone */
  gboolean alone;  /* the only one in flight was sent when there was none */
} JkbPace;

/* At the start, and for every new connection. Takes nothing out of what waits. */
void
jkb_pace_reset (JkbPace *pace);

/* Returns: (nullable): the next message, when there is one and it may go: it waits no more */
JkbMessage *
jkb_pace_take (JkbPace *pace);

/* The last one taken could not be sent. */
void
jkb_pace_put_back (JkbPace *pace, JkbMessage *message);

/* The last one taken was sent; one was answered after that time. */
void
jkb_pace_sent (JkbPace *pace);
void
jkb_pace_answered (JkbPace *pace, gint64 took_us);

G_END_DECLS
