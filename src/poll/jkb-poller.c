/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The talking half of a bus: gets and loses it, and decides what is done next. Reader thread; pure.
 */
#include <string.h>

#include "poll/jkb-poller-private.h"

#define WRITE_ACK_US (300 * 1000) /* protocol §6.2.3 */
#define FAILURES_UNTIL_REOPEN 8   /* protocol §7: a port can hang after errors */
#define PROBE_MIN_US (250 * 1000)
#define PROBE_FACTOR 3

JkbPoller *
jkb_poller_new (const JkbPollerConfig *config)
{
  JkbPoller *self = g_new0 (JkbPoller, 1);

  self->config = *config;
  jkb_role_init (&self->role, config->mode, config->listen_before_talk, config->seed);
  jkb_schedule_init (&self->schedule, &config->schedule);
  jkb_poller_init_writes (self);
  return self;
}

void
jkb_poller_free (JkbPoller *self)
{
  jkb_poller_clear_writes (self);
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

void
jkb_poller_set_link (JkbPoller *self, gboolean up, gint64 now_us)
{
  jkb_role_set_link (&self->role, up, now_us);
  self->waiting = JKB_WAITING_NOTHING;
  self->draining = FALSE;
  self->ready_us = now_us;
  self->failures = 0;
  self->answered = FALSE;
  self->echoes = FALSE;
  self->reopen = FALSE;
  memset (self->recent, 0, sizeof self->recent);
  if (!up)
    jkb_poller_end_writes (self, JKB_ERROR_OFFLINE, "The link to the bus was lost");
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
  self->waiting = JKB_WAITING_NOTHING;
  jkb_poller_end_writes (
      self, JKB_ERROR_READ_ONLY,
      "This bus is only listened to from now on (mode=listen), so nothing is sent there");
}

void
jkb_poller_port_reopened (JkbPoller *self, gint64 now_us)
{
  self->waiting = JKB_WAITING_NOTHING;
  self->draining = FALSE;
  self->ready_us = now_us + JKB_QUIET_US;
  self->failures = 0;
  self->answered = FALSE;
  self->reopen = FALSE;
  jkb_poller_end_writes (self, JKB_ERROR_IO, "The port had to be opened again");
}

/* ---- talking ---- */

/* Whether a missing answer speaks against the port: somebody should be there, or was, and now
 * nobody is. Once a new port brings no answer either, the BMS are off. */
static gboolean
blames_port (JkbPoller *self, gboolean present)
{
  return present || (self->answered && jkb_schedule_count_present (&self->schedule) == 0);
}

static void
start_drain (JkbPoller *self, gint64 now_us)
{
  self->draining = TRUE;
  self->ready_us = now_us + MAX (JKB_QUIET_US, jkb_poller_to_us (self->config.command_gap));
}

static void
command_failed (JkbPoller *self, gint64 now_us)
{
  JkbPollerWaiting waiting = self->waiting;
  gboolean present = self->schedule.entries[self->command.address].present;

  self->waiting = JKB_WAITING_NOTHING;
  start_drain (self, now_us);
  if (waiting == JKB_WAITING_ACK)
    jkb_write_take_ack (self->write, FALSE, now_us);
  else
    {
      jkb_schedule_missed (&self->schedule, self->command.address, self->group, now_us);
      if (waiting == JKB_WAITING_READ)
        jkb_write_take_settings (self->write, NULL, now_us);
    }
  if (blames_port (self, present) && ++self->failures >= FAILURES_UNTIL_REOPEN)
    {
      self->failures = 0;
      self->reopen = TRUE;
    }
}

/* How long to wait for an answer. Addresses where nobody was heard yet are given up sooner, once it
 * is known how fast this bus answers: through a gateway the full time is long. */
static gint64
reply_time (JkbPoller *self, JkbPollerWaiting waiting)
{
  gint64 reply_us = jkb_poller_to_us (self->config.reply_timeout);

  if (waiting == JKB_WAITING_ACK)
    return MAX (WRITE_ACK_US, reply_us);
  if (waiting == JKB_WAITING_TRIGGER && self->slowest_us != 0
      && !self->schedule.entries[self->command.address].present)
    return MIN (reply_us, MAX (PROBE_MIN_US, PROBE_FACTOR * self->slowest_us));
  return reply_us;
}

static gint64
wire_us (JkbPoller *self, guint n_bytes)
{
  return self->config.baud == 0 ? 0 : (gint64)n_bytes * 10 * G_USEC_PER_SEC / self->config.baud;
}

JkbPollerAction
jkb_poller_send (JkbPoller *self, JkbPollerWaiting waiting, gint64 now_us)
{
  gint64 reply_us = reply_time (self, waiting);
  JkbSentCommand *sent = &self->recent[self->next_recent];

  self->waiting = waiting;
  self->deadline_us = now_us + wire_us (self, self->command.n_bytes) + reply_us;
  self->echo_open = TRUE;
  self->draining = FALSE;
  sent->command = self->command;
  sent->sent_us = now_us;
  self->next_recent = (self->next_recent + 1) % JKB_N_RECENT;
  return JKB_POLLER_SEND;
}

JkbPollerAction
jkb_poller_ask (JkbPoller *self, guint address, JkbGroup group, JkbPollerWaiting waiting,
                gint64 now_us)
{
  self->group = group;
  jkb_encode_trigger (&self->command, address, group);
  return jkb_poller_send (self, waiting, now_us);
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

  if (self->waiting != JKB_WAITING_NOTHING && now_us < self->deadline_us)
    {
      *until_us = self->deadline_us;
      return JKB_POLLER_NOTHING;
    }
  if (self->waiting != JKB_WAITING_NOTHING)
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
  if (jkb_poller_run_write (self, now_us, &action, &write_us))
    {
      *until_us = write_us;
      return action;
    }
  if (jkb_schedule_pick (&self->schedule, now_us, &address, &group, until_us))
    return jkb_poller_ask (self, address, group, JKB_WAITING_TRIGGER, now_us);
  *until_us = MIN (*until_us, write_us);
  return JKB_POLLER_NOTHING;
}

JkbPollerAction
jkb_poller_next (JkbPoller *self, gint64 now_us, JkbCommand *command, JkbWrite **write,
                 gint64 *until_us)
{
  gboolean talked = jkb_role_may_talk (&self->role);
  JkbPollerAction action = JKB_POLLER_NOTHING;
  gint64 expiry_us = jkb_poller_expire_queue (self, now_us);

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
