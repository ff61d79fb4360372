/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Who may talk on the bus. A bus has one master: whoever else talks there spoils everybody's data.
 * So the daemon listens first, polls only where nobody else does, and stops at the first foreign
 * record. Pure state machine: time comes in as an argument. Owned by the reader thread.
 *
 *   listening --(silent for the guard time)--> polling --(foreign record)--> yielding
 *   yielding --(silent for a guard time)--> polling;  yielding --(foreign again)--> listening
 *
 * The guard time is listen-before-talk with 0 to 50 % of random added, drawn anew each time, so that
 * two daemons on one bus settle on one poller. mode=poll begins after one silent second instead;
 * from then on it yields just the same. mode=listen never talks.
 */
#pragma once

#include "core/jkb-config.h"
#include "queue/jkb-inbox.h"

G_BEGIN_DECLS

typedef struct
{
  JkbMode mode;
  gint64 listen_us;     /* listen-before-talk */
  guint32 random;       /* state of the generator */
  JkbRole role;
  gboolean heard_foreign; /* since the link came up */
  gint64 silent_since;  /* last foreign record, or link up */
  gint64 guard_us;      /* the silence that is needed now */
  gint64 yielded_us;    /* when the role became yielding */
} JkbRoleMachine;

void jkb_role_init (JkbRoleMachine *self, JkbMode mode, double listen_before_talk, guint32 seed);

/* Another mode or guard time: silence that was heard so far counts. */
void jkb_role_configure (JkbRoleMachine *self, JkbMode mode, double listen_before_talk);

/* The link came up or went down: whoever was there before says nothing about who is there now. */
void jkb_role_set_link (JkbRoleMachine *self, gboolean up, gint64 now_us);

/* Something was heard that only another master, or a BMS answering one, can have sent. */
void jkb_role_hear_foreign (JkbRoleMachine *self, gint64 now_us);

/* Lets silence decide. Returns: when to call again, G_MAXINT64: not before something is heard. */
gint64 jkb_role_update (JkbRoleMachine *self, gint64 now_us);

static inline gboolean
jkb_role_may_talk (const JkbRoleMachine *self)
{
  return self->role == JKB_ROLE_POLLING;
}

G_END_DECLS
