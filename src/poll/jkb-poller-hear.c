/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a poller hears. Reader thread; pure.
 *
 * What is heard while we poll is ours when it is the echo of our last command, the answer to it, or
 * the late answer to one of the last commands. Anything else that is well-formed was made by
 * another master: the role yields within that record.
 */
#include <string.h>

#include "poll/jkb-poller-private.h"

#define SERIAL_LATE_US (2 * G_USEC_PER_SEC)
#define TCP_LATE_US (5 * G_USEC_PER_SEC)
#define SERIAL_ECHO_US (50 * 1000)

static void
hear_foreign (JkbPoller *self, gint64 now_us)
{
  gboolean talked = jkb_role_may_talk (&self->role);

  jkb_role_hear_foreign (&self->role, now_us);
  if (!talked)
    return;
  self->waiting = JKB_WAITING_NOTHING;
  jkb_poller_end_writes (self, JKB_ERROR_READ_ONLY, JKB_OTHER_MASTER_TEXT);
}

static gint64
late_us (JkbPoller *self)
{
  return self->config.timing == JKB_TIMING_SERIAL ? SERIAL_LATE_US : TCP_LATE_US;
}

void
jkb_poller_hear_bytes (JkbPoller *self, gint64 now_us)
{
  if (self->draining && self->waiting == JKB_WAITING_NOTHING)
    self->ready_us = MAX (self->ready_us, now_us + JKB_QUIET_US);
}

/* A write wants more silence in front of it than a question (protocol §6.2.1). */
static void
set_gap (JkbPoller *self, gint64 now_us)
{
  gboolean writing = self->write != NULL || !g_queue_is_empty (&self->queue);

  self->draining = FALSE;
  self->ready_us =
      now_us + MAX (jkb_poller_to_us (self->config.command_gap), writing ? JKB_QUIET_US : 0);
}

/* Whether a record of @address and @reg can be the answer, on time or late, to one of our own
 * commands. */
static gboolean
is_answer_to_us (JkbPoller *self, guint address, guint16 reg, gint64 now_us)
{
  for (guint i = 0; i < JKB_N_RECENT; i++)
    {
      const JkbSentCommand *sent = &self->recent[i];

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
  const JkbSentCommand *sent = &self->recent[(self->next_recent + JKB_N_RECENT - 1) % JKB_N_RECENT];
  gint64 limit_us = self->config.timing == JKB_TIMING_SERIAL && !self->echoes
                        ? SERIAL_ECHO_US
                        : jkb_poller_to_us (self->config.reply_timeout);

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
  const JkbSentCommand *sent = &self->recent[(self->next_recent + JKB_N_RECENT - 1) % JKB_N_RECENT];

  self->slowest_us = MAX (now_us - sent->sent_us, self->slowest_us - self->slowest_us / 16);
}

static void
trigger_answered (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  JkbPollerWaiting waiting = self->waiting;

  self->waiting = JKB_WAITING_NOTHING;
  self->failures = 0;
  self->answered = TRUE;
  note_answer_time (self, now_us);
  set_gap (self, now_us);
  jkb_schedule_answered (&self->schedule, self->command.address, self->group, now_us);
  if (waiting == JKB_WAITING_READ)
    jkb_write_take_settings (self->write, event->bytes, now_us);
}

static void
take_frame (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  JkbGroup group = jkb_frame_group (event->type);
  gboolean waiting = self->waiting == JKB_WAITING_TRIGGER || self->waiting == JKB_WAITING_READ;

  if (waiting && event->drop == JKB_DROP_NONE && event->address == self->command.address
      && group == self->group && jkb_evidence_is_sure (event->evidence))
    {
      trigger_answered (self, event, now_us);
      return;
    }
  if (!jkb_role_may_talk (&self->role)
      || (event->address >= 0 && event->drop == JKB_DROP_NONE
          && (group == JKB_N_GROUPS
              || !is_answer_to_us (self, event->address, trigger_of_group[group], now_us))))
    hear_foreign (self, now_us);
}

static void
take_ack (JkbPoller *self, const JkbEvent *event, gint64 now_us)
{
  if (self->waiting == JKB_WAITING_ACK && event->address == self->command.address
      && event->reg == self->command.reg && event->count == self->command.count)
    {
      self->waiting = JKB_WAITING_NOTHING;
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
