/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the receivers missed. While there is some, a timer of low priority sends a few messages at a
 * time, as long as not too many are unanswered; two batches are in hand, so that reading never holds
 * up the sending. A batch is confirmed when its last message was acknowledged; what was in hand when
 * the connection went is read again.
 */
#include "mqtt/jkb-backlog.h"

#define TICK_MS 20 /* with the next: 500 messages a second */
#define TICK_MESSAGES 10
#define MAX_UNANSWERED 32
#define BATCH_SAMPLES 100
#define RETRY_S 60

/* A batch in hand. */
typedef struct
{
  JkbHistoryBatch *samples;
  guint n_sent;
  guint64 last; /* number of its last message that was sent; 0: none */
} Batch;

struct _JkbBacklog
{
  JkbHistory *history;
  gulong changed_handler;
  const JkbPublisherContext *context;
  gboolean outage;  /* one goes on */
  gboolean dropped; /* nobody wants anything until the next one begins */
  gint64 wanted_us; /* nothing that is older; monotonic */
  gboolean hold;    /* what is more urgent is being told */
  guint settle_source;
  guint retry_source;
  guint tick_source; /* there is something to send */
  guint run;         /* of the tick: an answer to an earlier one is stale */

  gboolean reading;
  guint read_run;    /* that asked */
  gboolean again;    /* an outage ended after the last read from the beginning began */
  gboolean all_read;
  gint64 after_us;   /* where to read on */

  GQueue batches;      /* (element-type Batch) oldest first */
  guint64 next_number; /* of messages, for ever */
  guint64 base;        /* those up to this one are of no interest any more */
  guint64 untold;      /* failures that are known */
};

static void
batch_free (Batch *batch)
{
  jkb_history_batch_free (batch->samples);
  g_free (batch);
}

/* ---- sending ---- */

/* Forgets what is in hand; it is not confirmed. */
static void
stop (JkbBacklog *self)
{
  g_clear_handle_id (&self->tick_source, g_source_remove);
  g_clear_handle_id (&self->retry_source, g_source_remove);
  g_queue_clear_full (&self->batches, (GDestroyNotify) batch_free);
  self->run++;
}

static void start (JkbBacklog *self);

static gboolean
on_retry (gpointer user_data)
{
  JkbBacklog *self = user_data;

  self->retry_source = 0;
  start (self);
  return G_SOURCE_REMOVE;
}

/* Tries again from what is confirmed. */
static void
give_up (JkbBacklog *self)
{
  stop (self);
  if (jkb_history_is_recording (self->history))
    self->retry_source = g_timeout_add_seconds (RETRY_S, on_retry, self);
}

static void
take_batch (JkbBacklog *self, JkbHistoryBatch *samples)
{
  Batch *batch = g_new0 (Batch, 1);

  batch->samples = samples;
  self->all_read = samples->samples->len == 0;
  self->after_us = samples->to_us;
  g_queue_push_tail (&self->batches, batch);
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbBacklog *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (JkbHistoryBatch) samples
      = jkb_history_read_missed_finish (JKB_HISTORY (source), result, &error);

  self->reading = FALSE;
  if (self->tick_source != 0 && self->read_run == self->run)
    {
      if (samples != NULL)
        take_batch (self, g_steal_pointer (&samples));
      else
        give_up (self);
    }
  g_rc_box_release (self);
}

static void
read_on (JkbBacklog *self)
{
  self->reading = TRUE;
  self->read_run = self->run;
  if (self->after_us == 0)
    self->again = FALSE;
  jkb_history_read_missed_async (self->history, self->after_us, BATCH_SAMPLES, on_read,
                                 g_rc_box_acquire (self));
}

static void
send_sample (JkbBacklog *self, Batch *batch, const JkbHistorySample *sample)
{
  const JkbPublisherContext *context = self->context;
  g_autofree char *topic = jkb_topic_history (context->config->mqtt.topic_prefix, sample->id);
  JkbValues live;

  if (!jkb_history_sample_decode (sample, &live))
    return;
  batch->last = self->next_number++;
  jkb_payload_history (context->text, &live, sample->stamp_us);
  jkb_mqtt_link_send_history (context->link,
                              jkb_message_new (JKB_MESSAGE_HISTORY, topic, context->text->str,
                                               context->text->len),
                              batch->last);
}

/* @told: the number up to which all is acknowledged */
static void
send_some (JkbBacklog *self, guint64 told)
{
  guint left = TICK_MESSAGES;

  for (GList *link = self->batches.head; link != NULL; link = link->next)
    {
      Batch *batch = link->data;
      GArray *samples = batch->samples->samples;

      for (; batch->n_sent < samples->len; batch->n_sent++, left--)
        if (left == 0 || self->next_number - told > MAX_UNANSWERED)
          return;
        else
          send_sample (self, batch,
                       &g_array_index (samples, JkbHistorySample, batch->n_sent));
    }
}

static void
confirm_some (JkbBacklog *self, guint64 told)
{
  Batch *batch;

  while ((batch = g_queue_peek_head (&self->batches)) != NULL)
    {
      if (batch->n_sent < batch->samples->samples->len || told < batch->last)
        return;
      jkb_history_confirm (self->history, batch->samples->from_us, batch->samples->to_us);
      g_queue_pop_head (&self->batches);
      batch_free (batch);
    }
}

/* Returns: whether there is nothing left to do. */
static gboolean
read_some (JkbBacklog *self)
{
  Batch *newest = g_queue_peek_tail (&self->batches);

  if (self->reading)
    return FALSE;
  if (self->all_read && self->batches.length > 0)
    return FALSE;
  if (self->all_read && !self->again)
    return TRUE;
  if (self->all_read) /* what ended meanwhile may be older than what was read last */
    self->after_us = 0;
  self->all_read = FALSE;
  if (newest == NULL || (newest->n_sent > 0 && self->batches.length < 2))
    read_on (self);
  return FALSE;
}

static gboolean
on_tick (gpointer user_data)
{
  JkbBacklog *self = user_data;
  guint64 told = MAX (jkb_mqtt_link_get_told (self->context->link), self->base);

  /* Asked second: a failure before one that is told is seen. */
  if (jkb_mqtt_link_get_untold (self->context->link) != self->untold)
    {
      self->tick_source = 0;
      give_up (self);
      return G_SOURCE_REMOVE;
    }
  confirm_some (self, told);
  if (!self->hold)
    send_some (self, told);
  jkb_mqtt_link_flush (self->context->link);
  if (!read_some (self))
    return G_SOURCE_CONTINUE;
  self->tick_source = 0;
  stop (self);
  return G_SOURCE_REMOVE;
}

static void
start (JkbBacklog *self)
{
  self->again = TRUE;
  if (self->tick_source != 0)
    return;
  self->all_read = FALSE;
  self->after_us = 0;
  self->base = self->next_number - 1;
  self->untold = jkb_mqtt_link_get_untold (self->context->link);
  self->tick_source = g_timeout_add_full (G_PRIORITY_LOW, TICK_MS, on_tick, self, NULL);
}

/* ---- outages ---- */

static void
end_outage (JkbBacklog *self)
{
  if (self->outage)
    jkb_history_end_outage (self->history, g_get_monotonic_time ());
  self->outage = FALSE;
}

static gboolean
on_settled (gpointer user_data)
{
  JkbBacklog *self = user_data;

  self->settle_source = 0;
  end_outage (self);
  g_clear_handle_id (&self->retry_source, g_source_remove);
  start (self);
  return G_SOURCE_REMOVE;
}

void
jkb_backlog_begin_outage (JkbBacklog *self, gint64 since_us)
{
  g_clear_handle_id (&self->settle_source, g_source_remove);
  if (self->dropped)
    self->wanted_us = since_us;
  self->dropped = FALSE;
  if (!self->outage)
    jkb_history_begin_outage (self->history, MAX (since_us, self->wanted_us));
  self->outage = TRUE;
}

void
jkb_backlog_pause (JkbBacklog *self)
{
  stop (self);
  self->hold = FALSE;
  g_clear_handle_id (&self->settle_source, g_source_remove);
}

void
jkb_backlog_settle (JkbBacklog *self, gboolean others_are_late, guint delay_ms)
{
  if (!self->outage || self->settle_source != 0)
    return;
  if (!others_are_late)
    end_outage (self);
  self->settle_source = g_timeout_add (delay_ms, on_settled, self);
}

void
jkb_backlog_hold (JkbBacklog *self, gboolean hold)
{
  self->hold = hold;
}

guint64
jkb_backlog_get_waiting (JkbBacklog *self)
{
  JkbHistoryCounters counters;

  if (!self->outage && self->settle_source == 0 && self->tick_source == 0
      && self->retry_source == 0)
    return 0; /* which the next commit will find as well */
  jkb_history_get_counters (self->history, &counters);
  return counters.waiting;
}

void
jkb_backlog_drop (JkbBacklog *self)
{
  stop (self);
  g_clear_handle_id (&self->settle_source, g_source_remove);
  self->outage = FALSE;
  self->dropped = TRUE;
  jkb_history_drop_outages (self->history);
}

/* ---- life ---- */

/* A history that was switched off meanwhile has forgotten what goes on. */
static void
on_history_changed (JkbHistory *history, JkbBacklog *self)
{
  if (self->outage)
    jkb_history_begin_outage (history, g_get_monotonic_time ());
}

JkbBacklog *
jkb_backlog_new (JkbHistory *history, const JkbPublisherContext *context)
{
  JkbBacklog *self = g_rc_box_new0 (JkbBacklog);

  self->history = g_object_ref (history);
  self->context = context;
  self->next_number = 1;
  g_queue_init (&self->batches);
  self->changed_handler
      = g_signal_connect (history, "changed", G_CALLBACK (on_history_changed), self);
  return self;
}

/* An answer that is still owed holds a reference. */
void
jkb_backlog_free (JkbBacklog *self)
{
  stop (self);
  g_clear_handle_id (&self->settle_source, g_source_remove);
  g_clear_signal_handler (&self->changed_handler, self->history);
  g_clear_object (&self->history);
  g_rc_box_release (self);
}
