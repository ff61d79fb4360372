/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the files of the poller share: jkb-poller.c decides what is done next, jkb-poller-hear.c
 * takes what the bus says, jkb-poller-write.c leads one write after the other. Reader thread.
 */
#pragma once

#include "poll/jkb-poller.h"

G_BEGIN_DECLS

#define JKB_QUIET_US (100 * 1000) /* silence before a command that follows trouble, and writes */
#define JKB_N_RECENT 8

typedef enum
{
  JKB_WAITING_NOTHING,
  JKB_WAITING_TRIGGER, /* a scheduled question */
  JKB_WAITING_READ,    /* settings, for the write */
  JKB_WAITING_ACK      /* of the write */
} JkbPollerWaiting;

typedef struct
{
  JkbCommand command;
  gint64 sent_us;
} JkbSentCommand;

typedef struct
{
  JkbWrite *write;
  gint64 since_us;
} JkbQueuedWrite;

struct _JkbPoller
{
  JkbPollerConfig config;
  JkbRoleMachine role;
  JkbSchedule schedule;

  JkbPollerWaiting waiting;
  JkbCommand command; /* outstanding */
  JkbGroup group;     /* of the trigger */
  gint64 deadline_us; /* of its answer */
  gboolean echo_open; /* one exact copy of it may still come back */
  gboolean echoes;    /* this adapter does that: under load, its copy may come late */
  JkbSentCommand recent[JKB_N_RECENT];
  guint next_recent;

  gint64 slowest_us; /* how long answers lately took at most, 0: none yet */
  gint64 ready_us;   /* no command before that: gap, drain */
  gboolean draining; /* after trouble: bytes push ready_us on */
  guint failures;    /* in a row, of BMS that were there */
  gboolean answered; /* somebody did since the port was opened */
  gboolean reopen;

  GQueue queue;                        /* (element-type JkbQueuedWrite) waiting */
  JkbWrite *write;                     /* running */
  guint progress;                      /* of it, as told last */
  GQueue finished;                     /* (element-type JkbWrite) */
  GArray *written_us[JKB_N_ADDRESSES]; /* times of the writes of the last hour; NULL: none */
};

static inline gint64
jkb_poller_to_us (double seconds)
{
  return (gint64)(seconds * G_USEC_PER_SEC);
}

/* ---- jkb-poller.c ---- */

/* Sends self->command and begins to wait. */
JkbPollerAction
jkb_poller_send (JkbPoller *self, JkbPollerWaiting waiting, gint64 now_us);
JkbPollerAction
jkb_poller_ask (JkbPoller *self, guint address, JkbGroup group, JkbPollerWaiting waiting,
                gint64 now_us);

/* ---- jkb-poller-write.c ---- */

void
jkb_poller_init_writes (JkbPoller *self);
void
jkb_poller_clear_writes (JkbPoller *self);

/* Ends the write that runs and those that wait. */
void
jkb_poller_end_writes (JkbPoller *self, JkbError code, const char *message);

/* A write that cannot begin in time says so, whatever holds it up. Returns: when to look again. */
gint64
jkb_poller_expire_queue (JkbPoller *self, gint64 now_us);

/* Returns: whether the bus belongs to a write now; otherwise others may be asked until *until_us.
 */
gboolean
jkb_poller_run_write (JkbPoller *self, gint64 now_us, JkbPollerAction *action, gint64 *until_us);

G_END_DECLS
