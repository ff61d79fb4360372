/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The role of the daemon on one bus. Reader thread; pure.
 */
#include "poll/jkb-role.h"

/* mode=poll: long enough to hear a master that is busy, short enough not to be noticed. */
#define FORCED_LISTEN_US G_USEC_PER_SEC

/* A record this long after the one that made us yield proves that the other master goes on. */
#define CONFIRM_US G_USEC_PER_SEC

/* xorshift32: only has to differ between two daemons, and be repeatable in tests. */
static guint32
draw (JkbRoleMachine *self)
{
  self->random ^= self->random << 13;
  self->random ^= self->random >> 17;
  self->random ^= self->random << 5;
  return self->random;
}

static gint64
draw_guard (JkbRoleMachine *self)
{
  return self->listen_us + self->listen_us * (gint64) (draw (self) % 1001) / 2000;
}

void
jkb_role_init (JkbRoleMachine *self, JkbMode mode, double listen_before_talk, guint32 seed)
{
  *self = (JkbRoleMachine){ .mode = mode,
                            .listen_us = (gint64) (listen_before_talk * G_USEC_PER_SEC),
                            .random = seed != 0 ? seed : 1,
                            .role = JKB_ROLE_IDLE };
}

void
jkb_role_configure (JkbRoleMachine *self, JkbMode mode, double listen_before_talk)
{
  gint64 listen_us = (gint64) (listen_before_talk * G_USEC_PER_SEC);

  if (mode == self->mode && listen_us == self->listen_us)
    return;
  self->mode = mode;
  self->listen_us = listen_us;
  if (mode == JKB_MODE_LISTEN && self->role != JKB_ROLE_IDLE)
    self->role = JKB_ROLE_LISTENING;
  self->guard_us = mode == JKB_MODE_POLL && !self->heard_foreign
                       ? MIN (FORCED_LISTEN_US, listen_us)
                       : draw_guard (self);
}

void
jkb_role_set_link (JkbRoleMachine *self, gboolean up, gint64 now_us)
{
  self->role = up ? JKB_ROLE_LISTENING : JKB_ROLE_IDLE;
  self->heard_foreign = FALSE;
  self->silent_since = now_us;
  self->guard_us = self->mode == JKB_MODE_POLL ? MIN (FORCED_LISTEN_US, self->listen_us)
                                               : draw_guard (self);
}

void
jkb_role_hear_foreign (JkbRoleMachine *self, gint64 now_us)
{
  self->heard_foreign = TRUE;
  self->silent_since = now_us;
  switch (self->role)
    {
    case JKB_ROLE_POLLING:
      self->role = JKB_ROLE_YIELDING;
      self->yielded_us = now_us;
      self->guard_us = draw_guard (self);
      break;
    case JKB_ROLE_YIELDING:
      if (now_us - self->yielded_us >= CONFIRM_US)
        self->role = JKB_ROLE_LISTENING;
      break;
    case JKB_ROLE_LISTENING:
      /* mode=poll found somebody: from here on only a full guard time will do. */
      if (self->guard_us < self->listen_us)
        self->guard_us = draw_guard (self);
      break;
    case JKB_ROLE_IDLE:
      break;
    }
}

gint64
jkb_role_update (JkbRoleMachine *self, gint64 now_us)
{
  gint64 talk_us = self->silent_since + self->guard_us;

  if (self->mode == JKB_MODE_LISTEN
      || (self->role != JKB_ROLE_LISTENING && self->role != JKB_ROLE_YIELDING))
    return G_MAXINT64;
  if (now_us < talk_us)
    return talk_us;
  self->role = JKB_ROLE_POLLING;
  return G_MAXINT64;
}
