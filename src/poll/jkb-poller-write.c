/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The writes of a poller: one after the other, with an end for each. Reader thread; pure.
 */
#include "poll/jkb-poller-private.h"

#define MAX_WRITES_PER_HOUR 60
#define HOUR_US (3600 * (gint64)G_USEC_PER_SEC)
#define QUEUE_LIMIT_US (6 * G_USEC_PER_SEC) /* a write that cannot begin by then says Busy */

static void
queued_write_free (JkbQueuedWrite *queued)
{
  jkb_write_free (queued->write);
  g_free (queued);
}

void
jkb_poller_init_writes (JkbPoller *self)
{
  g_queue_init (&self->queue);
  g_queue_init (&self->finished);
}

void
jkb_poller_clear_writes (JkbPoller *self)
{
  g_queue_clear_full (&self->queue, (GDestroyNotify)queued_write_free);
  g_queue_clear_full (&self->finished, (GDestroyNotify)jkb_write_free);
  g_clear_pointer (&self->write, jkb_write_free);
  for (guint i = 0; i < JKB_N_ADDRESSES; i++)
    g_clear_pointer (&self->written_us[i], g_array_unref);
}

void
jkb_poller_end_writes (JkbPoller *self, JkbError code, const char *message)
{
  JkbQueuedWrite *queued;

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

gint64
jkb_poller_expire_queue (JkbPoller *self, gint64 now_us)
{
  JkbQueuedWrite *oldest;

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
  JkbQueuedWrite *queued = g_queue_pop_head (&self->queue);
  GArray *times;

  if (queued == NULL)
    return;
  times = self->written_us[jkb_write_get_address (queued->write)];
  if (times != NULL && times->len > 0)
    jkb_write_set_last_sent (queued->write, g_array_index (times, gint64, times->len - 1));
  if (!wear_allows (self, queued->write, now_us))
    jkb_write_abort (
        queued->write, JKB_ERROR_BUSY,
        "At most 60 writes per hour go to one BMS, since its flash memory wears; wait");
  self->write = queued->write;
  self->progress = 0;
  g_free (queued);
}

gboolean
jkb_poller_run_write (JkbPoller *self, gint64 now_us, JkbPollerAction *action, gint64 *until_us)
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
      *action = jkb_poller_ask (self, address, JKB_GROUP_SETTINGS, JKB_WAITING_READ, now_us);
      return TRUE;
    case JKB_STEP_SNAPSHOT:
      *action = JKB_POLLER_SNAPSHOT;
      return TRUE;
    case JKB_STEP_COMMAND:
      account_wear (self, address, now_us);
      *action = jkb_poller_send (self, JKB_WAITING_ACK, now_us);
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
    jkb_write_abort (write, JKB_ERROR_READ_ONLY, JKB_LISTEN_ONLY_TEXT);
  else if (self->role.heard_foreign)
    jkb_write_abort (write, JKB_ERROR_READ_ONLY, JKB_OTHER_MASTER_TEXT);
  else
    {
      text = g_strdup_printf (
          "Listening first whether another master polls this bus; try again in "
          "%d s",
          (int)((self->role.silent_since + self->role.guard_us - now_us) / G_USEC_PER_SEC) + 1);
      jkb_write_abort (write, JKB_ERROR_BUSY, text);
    }
  g_queue_push_tail (&self->finished, write);
}

void
jkb_poller_submit (JkbPoller *self, JkbWrite *write, gint64 now_us)
{
  JkbQueuedWrite *queued;

  if (!jkb_role_may_talk (&self->role))
    {
      refuse (self, write, now_us);
      return;
    }
  queued = g_new0 (JkbQueuedWrite, 1);
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
