/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The talking half of a bus. Reader thread; pure.
 *
 * What is heard while we poll is ours when it is the echo of our last command, the answer to it, or
 * the late answer to one of the last commands. Anything else that is well-formed was made by another
 * master: the role yields within that record.
 */
#include "poll/jkb-poller.h"

#include <string.h>

#define WRITE_ACK_US (300 * 1000)  /* protocol §6.2.3 */
#define QUIET_US (100 * 1000)      /* silence before a command that follows trouble, and writes */
#define SERIAL_LATE_US (2 * G_USEC_PER_SEC)
#define TCP_LATE_US (5 * G_USEC_PER_SEC)
#define SERIAL_ECHO_US (50 * 1000)
#define FAILURES_UNTIL_REOPEN 8 /* protocol §7: a port can hang after errors */
#define PROBE_MIN_US (250 * 1000)
#define PROBE_FACTOR 3
#define N_RECENT 8
#define MAX_WRITES_PER_HOUR 60
#define HOUR_US (3600 * (gint64) G_USEC_PER_SEC)
#define QUEUE_LIMIT_US (6 * G_USEC_PER_SEC) /* a write that cannot begin by then says Busy */

typedef enum
{
  WAITING_NOTHING,
  WAITING_TRIGGER, /* a scheduled question */
  WAITING_READ,    /* settings, for the write */
  WAITING_ACK      /* of the write */
} Waiting;

typedef struct
{
  JkbCommand command;
  gint64 sent_us;
} SentCommand;

typedef struct
{
  JkbWrite *write;
  gint64 since_us;
} QueuedWrite;

struct _JkbPoller
{
  JkbPollerConfig config;
  JkbRoleMachine role;
  JkbSchedule schedule;

  Waiting waiting;
  JkbCommand command;  /* outstanding */
  JkbGroup group;      /* of the trigger */
  gint64 deadline_us;  /* of its answer */
  gboolean echo_open;  /* one exact copy of it may still come back */
  gboolean echoes;     /* this adapter does that: under load, its copy may come late */
  SentCommand recent[N_RECENT];
  guint next_recent;

  gint64 slowest_us;   /* how long answers lately took at most, 0: none yet */
  gint64 ready_us;     /* no command before that: gap, drain */
  gboolean draining;   /* after trouble: bytes push ready_us on */
  guint failures;      /* in a row, of BMS that were there */
  gboolean answered;   /* somebody did since the port was opened */
  gboolean reopen;

  GQueue queue;        /* (element-type QueuedWrite) waiting */
  JkbWrite *write;     /* running */
  guint progress;      /* of it, as told last */
  GQueue finished;     /* (element-type JkbWrite) */
  GArray *written_us[JKB_N_ADDRESSES]; /* times of the writes of the last hour; NULL: none */
};

static gint64
to_us (double seconds)
{
  return (gint64) (seconds * G_USEC_PER_SEC);
}

JkbPoller *
jkb_poller_new (const JkbPollerConfig *config)
{
  JkbPoller *self = g_new0 (JkbPoller, 1);

  self->config = *config;
  jkb_role_init (&self->role, config->mode, config->listen_before_talk, config->seed);
  jkb_schedule_init (&self->schedule, &config->schedule);
  g_queue_init (&self->queue);
  g_queue_init (&self->finished);
  return self;
}

static void
queued_write_free (QueuedWrite *queued)
{
  jkb_write_free (queued->write);
  g_free (queued);
}

void
jkb_poller_free (JkbPoller *self)
{
  g_queue_clear_full (&self->queue, (GDestroyNotify) queued_write_free);
  g_queue_clear_full (&self->finished, (GDestroyNotify) jkb_write_free);
  g_clear_pointer (&self->write, jkb_write_free);
  for (guint i = 0; i < JKB_N_ADDRESSES; i++)
    g_clear_pointer (&self->written_us[i], g_array_unref);
  g_free (self);
}

JkbRole
jkb_poller_get_role (JkbPoller *self)
{
  return self->role.role;
}

gboolean
jkb_poller_heard_foreign (JkbPoller *self)
{
  return self->role.heard_foreign;
}

/* ---- losing and getting the bus ---- */

static void
end_writes (JkbPoller *self, JkbError code, const char *message)
{
  QueuedWrite *queued;

  if (self->write != NULL)
    {
      jkb_write_abort (self->write, code, message);
      g_queue_push_tail (&self->finished, g_steal_pointer (&self->write));
    }
  while ((queued = g_queue_pop_head (&self->queue)) != NULL)
    {
      jkb_write_abort (queued->write, code, message);
      g_queue_push_tail (&self->finished, queued->write);
      g_free (queued);
    }
}

static void
hear_foreign (JkbPoller *self, gint64 now_us)
{
  gboolean talked = jkb_role_may_talk (&self->role);

  jkb_role_hear_foreign (&self->role, now_us);
  if (!talked)
    return;
  self->waiting = WAITING_NOTHING;
  end_writes (self, JKB_ERROR_READ_ONLY, JKB_OTHER_MASTER_TEXT);
}

void
jkb_poller_set_link (JkbPoller *self, gboolean up, gint64 now_us)
{
  jkb_role_set_link (&self->role, up, now_us);
  self->waiting = WAITING_NOTHING;
  self->draining = FALSE;
  self->ready_us = now_us;
  self->failures = 0;
  self->answered = FALSE;
  self->echoes = FALSE;
  self->reopen = FALSE;
  memset (self->recent, 0, sizeof self->recent);
  if (!up)
    end_writes (self, JKB_ERROR_OFFLINE, "The link to the bus was lost");
}

void
jkb_poller_configure (JkbPoller *self, const JkbPollerConfig *config, gint64 now_us)
{
  gboolean talked = jkb_role_may_talk (&self->role);

  self->config = *config;
  jkb_role_configure (&self->role, config->mode, config->listen_before_talk);
  jkb_schedule_configure (&self->schedule, &config->schedule, now_us);
  if (!talked || jkb_role_may_talk (&self->role))
    return;
  self->waiting = WAITING_NOTHING;
  end_writes (self, JKB_ERROR_READ_ONLY,
              "This bus is only listened to from now on (mode=listen), so nothing is sent there");
}

void
jkb_poller_port_reopened (JkbPoller *self, gint64 now_us)
{
  self->waiting = WAITING_NOTHING;
  self->draining = FALSE;
  self->ready_us = now_us + QUIET_US;
  self->failures = 0;
  self->answered = FALSE;
  self->reopen = FALSE;
  end_writes (self, JKB_ERROR_IO, "The port had to be opened again");
}

/* ---- listening ---- */

static gint64
late_us (JkbPoller *self)
{
  return self->config.timing == JKB_TIMING_SERIAL ? SERIAL_LATE_US : TCP_LATE_US;
}

void
jkb_poller_hear_bytes (JkbPoller *self, gint64 now_us)
{
  if (self->draining && self->waiting == WAITING_NOTHING)
    self->ready_us = MAX (self->ready_us, now_us + QUIET_US);
}

/* A write wants more silence in front of it than a question (protocol §6.2.1). */
static void
set_gap (JkbPoller *self, gint64 now_us)
{
  gboolean writing = self->write != NULL || !g_queue_is_empty (&self->queue);

  self->draining = FALSE;
  self->ready_us = now_us + MAX (to_us (self->config.command_gap), writing ? QUIET_US : 0);
}

static void
start_drain (JkbPoller *self, gint64 now_us)
{
  self->draining = TRUE;
  self->ready_us = now_us + MAX (QUIET_US, to_us (self->config.command_gap));
}

/* Whether a record of @address and @reg can be the answer, on time or late, to one of our own
 * commands. */
static gboolean
is_answer_to_us (JkbPoller *self, guint address, guint16 reg, gint64 now_us)
{
  for (guint i = 0; i < N_RECENT; i++)
    {
      const SentCommand *sent = &self->recent[i];

      if (sent->command.n_bytes != 0 && now_us - sent->sent_us <= late_us (self)
          && sent->command.address == address && sent->command.reg == reg)
        return TRUE;
    }
  return FALSE;
}

/* An adapter may echo what we sent: one exact copy, before anything else comes. */
static gboolean
is_echo (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  const SentCommand *sent = &self->recent[(self->next_recent + N_RECENT - 1) % N_RECENT];
  gint64 limit_us = self->config.timing == JKB_TIMING_SERIAL && !self->echoes
                        ? SERIAL_ECHO_US
                        : to_us (self->config.reply_timeout);

  if (!self->echo_open || now_us - sent->sent_us > limit_us
      || event->n_bytes != sent->command.n_bytes
      || memcmp (event->bytes, sent->command.bytes, event->n_bytes) != 0)
    return FALSE;
  self->echo_open = FALSE;
  self->echoes = TRUE;
  return TRUE;
}

static const guint16 trigger_of_group[JKB_N_GROUPS] = { 0x1620, 0x161E, 0x161C };

/* Forgets slowly: one slow answer counts for a while. */
static void
note_answer_time (JkbPoller *self, gint64 now_us)
{
  const SentCommand *sent = &self->recent[(self->next_recent + N_RECENT - 1) % N_RECENT];

  self->slowest_us = MAX (now_us - sent->sent_us, self->slowest_us - self->slowest_us / 16);
}

/* How long to wait for an answer. Addresses where nobody was heard yet are given up sooner, once it is
 * known how fast this bus answers: through a gateway the full time is long. */
static gint64
reply_time (JkbPoller *self, Waiting waiting)
{
  gint64 reply_us = to_us (self->config.reply_timeout);

  if (waiting == WAITING_ACK)
    return MAX (WRITE_ACK_US, reply_us);
  if (waiting == WAITING_TRIGGER && self->slowest_us != 0
      && !self->schedule.entries[self->command.address].present)
    return MIN (reply_us, MAX (PROBE_MIN_US, PROBE_FACTOR * self->slowest_us));
  return reply_us;
}

static void
trigger_answered (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  Waiting waiting = self->waiting;

  self->waiting = WAITING_NOTHING;
  self->failures = 0;
  self->answered = TRUE;
  note_answer_time (self, now_us);
  set_gap (self, now_us);
  jkb_schedule_answered (&self->schedule, self->command.address, self->group, now_us);
  if (waiting == WAITING_READ)
    jkb_write_take_settings (self->write, event->bytes, now_us);
}

static void
take_frame (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  JkbGroup group = jkb_frame_group (event->type);
  gboolean waiting = self->waiting == WAITING_TRIGGER || self->waiting == WAITING_READ;

  if (waiting && event->drop == JKB_DROP_NONE && event->address == self->command.address
      && group == self->group && jkb_evidence_is_sure (event->evidence))
    {
      trigger_answered (self, event, now_us);
      return;
    }
  if (!jkb_role_may_talk (&self->role))
    hear_foreign (self, now_us);
  else if (event->address >= 0 && event->drop == JKB_DROP_NONE
           && (group == JKB_N_GROUPS
               || !is_answer_to_us (self, event->address, trigger_of_group[group], now_us)))
    hear_foreign (self, now_us);
}

static void
take_ack (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  if (self->waiting == WAITING_ACK && event->address == self->command.address
      && event->reg == self->command.reg && event->count == self->command.count)
    {
      self->waiting = WAITING_NOTHING;
      self->failures = 0;
      set_gap (self, now_us);
      jkb_write_take_ack (self->write, TRUE, now_us);
    }
  else if (!jkb_role_may_talk (&self->role)
           || !is_answer_to_us (self, event->address, event->reg, now_us))
    hear_foreign (self, now_us);
}

void
jkb_poller_take_event (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  switch (event->kind)
    {
    case JKB_EVENT_FRAME:
      take_frame (self, event, now_us);
      break;
    case JKB_EVENT_ACK:
      take_ack (self, event, now_us);
      break;
    case JKB_EVENT_REQUEST:
    case JKB_EVENT_READ_REQUEST:
      if (!is_echo (self, event, now_us))
        hear_foreign (self, now_us);
      break;
    case JKB_EVENT_READ_RESPONSE:
      hear_foreign (self, now_us); /* we never ask with FC 0x03 */
      break;
    case JKB_EVENT_EXCEPTION:
      /* A refusal of our own command; the read-back decides what it means. */
      if (!jkb_role_may_talk (&self->role))
        hear_foreign (self, now_us);
      break;
    case JKB_EVENT_BAD_FRAME:
      break;
    }
  if (event->kind != JKB_EVENT_REQUEST)
    self->echo_open = FALSE;
}

/* ---- talking ---- */

/* Whether a missing answer speaks against the port: somebody should be there, or was, and now nobody
 * is. Once a new port brings no answer either, the BMS are off. */
static gboolean
blames_port (JkbPoller *self, gboolean present)
{
  return present || (self->answered && jkb_schedule_count_present (&self->schedule) == 0);
}

static void
command_failed (JkbPoller *self, gint64 now_us)
{
  Waiting waiting = self->waiting;
  gboolean present = self->schedule.entries[self->command.address].present;

  self->waiting = WAITING_NOTHING;
  start_drain (self, now_us);
  if (waiting == WAITING_ACK)
    jkb_write_take_ack (self->write, FALSE, now_us);
  else
    {
      jkb_schedule_missed (&self->schedule, self->command.address, self->group, now_us);
      if (waiting == WAITING_READ)
        jkb_write_take_settings (self->write, NULL, now_us);
    }
  if (blames_port (self, present) && ++self->failures >= FAILURES_UNTIL_REOPEN)
    {
      self->failures = 0;
      self->reopen = TRUE;
    }
}

static gint64
wire_us (JkbPoller *self, guint n_bytes)
{
  return self->config.baud == 0 ? 0 : (gint64) n_bytes * 10 * G_USEC_PER_SEC / self->config.baud;
}

static JkbPollerAction
send_command (JkbPoller *self, Waiting waiting, gint64 now_us)
{
  gint64 reply_us = reply_time (self, waiting);
  SentCommand *sent = &self->recent[self->next_recent];

  self->waiting = waiting;
  self->deadline_us = now_us + wire_us (self, self->command.n_bytes) + reply_us;
  self->echo_open = TRUE;
  self->draining = FALSE;
  sent->command = self->command;
  sent->sent_us = now_us;
  self->next_recent = (self->next_recent + 1) % N_RECENT;
  return JKB_POLLER_SEND;
}

static JkbPollerAction
ask (JkbPoller *self, guint address, JkbGroup group, Waiting waiting, gint64 now_us)
{
  self->group = group;
  jkb_encode_trigger (&self->command, address, group);
  return send_command (self, waiting, now_us);
}

/* ---- writes ---- */

static gboolean
wear_allows (JkbPoller *self, JkbWrite *write, gint64 now_us)
{
  GArray *times = self->written_us[jkb_write_get_address (write)];
  guint n_items;

  jkb_write_peek_items (write, &n_items);

  while (times != NULL && times->len > 0 && g_array_index (times, gint64, 0) <= now_us - HOUR_US)
    g_array_remove_index (times, 0);
  return (times == NULL ? 0 : times->len) + n_items <= MAX_WRITES_PER_HOUR;
}

static void
account_wear (JkbPoller *self, guint address, gint64 now_us)
{
  if (self->written_us[address] == NULL)
    self->written_us[address] = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_array_append_val (self->written_us[address], now_us);
}

/* A write that cannot begin in time says so, whatever holds it up. Returns: when to look again. */
static gint64
expire_queue (JkbPoller *self, gint64 now_us)
{
  QueuedWrite *oldest;

  while ((oldest = g_queue_peek_head (&self->queue)) != NULL)
    {
      if (now_us < oldest->since_us + QUEUE_LIMIT_US)
        return oldest->since_us + QUEUE_LIMIT_US;
      jkb_write_abort (oldest->write, JKB_ERROR_BUSY,
                       "Another write on this bus takes its time; nothing was sent, try again");
      g_queue_push_tail (&self->finished, oldest->write);
      g_free (g_queue_pop_head (&self->queue));
    }
  return G_MAXINT64;
}

static void
begin_write (JkbPoller *self, gint64 now_us)
{
  QueuedWrite *queued = g_queue_pop_head (&self->queue);

  if (queued == NULL)
    return;
  if (!wear_allows (self, queued->write, now_us))
    jkb_write_abort (queued->write, JKB_ERROR_BUSY,
                     "At most 60 writes per hour go to one BMS, since its flash memory wears; wait");
  self->write = queued->write;
  self->progress = 0;
  g_free (queued);
}

/* Returns: whether the bus belongs to a write now; otherwise others may be asked until *until_us. */
static gboolean
run_write (JkbPoller *self, gint64 now_us, JkbPollerAction *action, gint64 *until_us)
{
  guint address;

  if (self->write == NULL)
    begin_write (self, now_us);
  if (self->write == NULL)
    return FALSE;
  if (jkb_write_get_progress (self->write) > self->progress)
    {
      self->progress = jkb_write_get_progress (self->write);
      *action = JKB_POLLER_PROGRESS;
      return TRUE;
    }
  address = jkb_write_get_address (self->write);
  switch (jkb_write_next (self->write, now_us, &self->command, until_us))
    {
    case JKB_STEP_WAIT:
      *action = JKB_POLLER_NOTHING;
      return TRUE;
    case JKB_STEP_PAUSE:
      return FALSE;
    case JKB_STEP_READ:
      *action = ask (self, address, JKB_GROUP_SETTINGS, WAITING_READ, now_us);
      return TRUE;
    case JKB_STEP_SNAPSHOT:
      *action = JKB_POLLER_SNAPSHOT;
      return TRUE;
    case JKB_STEP_COMMAND:
      account_wear (self, address, now_us);
      *action = send_command (self, WAITING_ACK, now_us);
      return TRUE;
    case JKB_STEP_DONE:
      g_queue_push_tail (&self->finished, g_steal_pointer (&self->write));
      *action = JKB_POLLER_FINISHED;
      return TRUE;
    }
  return FALSE;
}

/* Why nothing may be sent now. */
static void
refuse (JkbPoller *self, JkbWrite *write, gint64 now_us)
{
  g_autofree char *text = NULL;

  if (self->role.role == JKB_ROLE_IDLE)
    jkb_write_abort (write, JKB_ERROR_OFFLINE, "The link to this bus is down");
  else if (self->role.mode == JKB_MODE_LISTEN)
    jkb_write_abort (write, JKB_ERROR_READ_ONLY,
                     JKB_LISTEN_ONLY_TEXT);
  else if (self->role.heard_foreign)
    jkb_write_abort (write, JKB_ERROR_READ_ONLY, JKB_OTHER_MASTER_TEXT);
  else
    {
      text = g_strdup_printf ("Listening first whether another master polls this bus; try again in "
                              "%d s",
                              (int) ((self->role.silent_since + self->role.guard_us - now_us)
                                     / G_USEC_PER_SEC) + 1);
      jkb_write_abort (write, JKB_ERROR_BUSY, text);
    }
  g_queue_push_tail (&self->finished, write);
}

void
jkb_poller_submit (JkbPoller *self, JkbWrite *write, gint64 now_us)
{
  QueuedWrite *queued;

  if (!jkb_role_may_talk (&self->role))
    {
      refuse (self, write, now_us);
      return;
    }
  queued = g_new0 (QueuedWrite, 1);
  queued->write = write;
  queued->since_us = now_us;
  g_queue_push_tail (&self->queue, queued);
}

void
jkb_poller_snapshot_saved (JkbPoller *self, guint address, gboolean saved, gint64 now_us)
{
  if (self->write != NULL && jkb_write_get_address (self->write) == address)
    jkb_write_take_saved (self->write, saved, now_us);
}

/* ---- the next action ---- */

void
jkb_poller_scan (JkbPoller *self, gint64 now_us)
{
  jkb_schedule_scan (&self->schedule, now_us);
}

void
jkb_poller_refresh (JkbPoller *self, guint address, gint64 now_us)
{
  if (address < JKB_N_ADDRESSES)
    jkb_schedule_refresh (&self->schedule, address, now_us);
}

static JkbPollerAction
talk (JkbPoller *self, gint64 now_us, gint64 *until_us)
{
  JkbPollerAction action;
  gint64 write_us = G_MAXINT64;
  guint address;
  JkbGroup group;

  if (self->waiting != WAITING_NOTHING && now_us < self->deadline_us)
    {
      *until_us = self->deadline_us;
      return JKB_POLLER_NOTHING;
    }
  if (self->waiting != WAITING_NOTHING)
    command_failed (self, now_us);
  if (self->reopen)
    {
      self->reopen = FALSE;
      return JKB_POLLER_REOPEN;
    }
  if (now_us < self->ready_us)
    {
      *until_us = self->ready_us;
      return JKB_POLLER_NOTHING;
    }
  if (run_write (self, now_us, &action, &write_us))
    {
      *until_us = write_us;
      return action;
    }
  if (jkb_schedule_pick (&self->schedule, now_us, &address, &group, until_us))
    return ask (self, address, group, WAITING_TRIGGER, now_us);
  *until_us = MIN (*until_us, write_us);
  return JKB_POLLER_NOTHING;
}

JkbPollerAction
jkb_poller_next (JkbPoller *self, gint64 now_us, JkbCommand *command, JkbWrite **write,
                 gint64 *until_us)
{
  gboolean talked = jkb_role_may_talk (&self->role);
  JkbPollerAction action = JKB_POLLER_NOTHING;
  gint64 expiry_us = expire_queue (self, now_us);

  *until_us = jkb_role_update (&self->role, now_us);
  if (!talked && jkb_role_may_talk (&self->role))
    jkb_schedule_start (&self->schedule, now_us);
  if (jkb_role_may_talk (&self->role) && g_queue_is_empty (&self->finished))
    action = talk (self, now_us, until_us);
  if (action == JKB_POLLER_SNAPSHOT || action == JKB_POLLER_PROGRESS)
    *write = self->write;
  else if (action == JKB_POLLER_SEND)
    *command = self->command;
  else if (!g_queue_is_empty (&self->finished))
    {
      *write = g_queue_pop_head (&self->finished);
      action = JKB_POLLER_FINISHED;
    }
  *until_us = MIN (*until_us, expiry_us);
  return action;
}
