/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The history, main-thread half: starts and stops the store thread, pushes into the journal, hands
 * answers to whoever asked (jkb-history-ask.c). Main thread only.
 */
#include "history/jkb-history-private.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"

#define JOURNAL_NAME "history.journal"
#define DATABASE_NAME "history.sqlite"
#define RETRY_S 60

/* A start waits so long for the journal, so that nothing is dropped until it is open. */
#define OPEN_US ((gint64) G_USEC_PER_SEC)

/* With what the commit itself takes, less than a minute: that is what a power cut may cost. */
#define COMMIT_AFTER_US ((gint64) 50 * G_USEC_PER_SEC)

/* From jkb_history_begin_stop() on: a service that is stopped is gone within 2 s. */
#define STOP_US (1800 * G_TIME_SPAN_MILLISECOND)

/* SQLite's log beside the database, which is bounded by its own settings. */
#define LOG_BYTES (2 * 1000 * 1000)

G_DEFINE_TYPE (JkbHistory, jkb_history, G_TYPE_OBJECT)

static guint changed_signal, forgotten_signal;

/* ---- object ---- */

JkbHistory *
jkb_history_new (const char *state_dir, const char *runtime_dir)
{
  JkbHistory *self = g_object_new (JKB_TYPE_HISTORY, NULL);

  self->state_dir = g_strdup (state_dir);
  if (state_dir != NULL)
    self->journal_path =
        g_build_filename (runtime_dir != NULL ? runtime_dir : state_dir, JOURNAL_NAME, NULL);
  return self;
}

void
jkb_history_own_runtime_dir (JkbHistory *self)
{
  if (self->journal_path != NULL)
    self->own_dir = g_path_get_dirname (self->journal_path);
}

static void
jkb_history_finalize (GObject *object)
{
  JkbHistory *self = JKB_HISTORY (object);

  jkb_history_stop (self);
  g_ptr_array_unref (self->waiting);
  g_ptr_array_unref (self->to_forget);
  g_free (self->error);
  g_free (self->state_dir);
  g_free (self->journal_path);
  g_free (self->own_dir);
  G_OBJECT_CLASS (jkb_history_parent_class)->finalize (object);
}

static void
jkb_history_class_init (JkbHistoryClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jkb_history_finalize;
  changed_signal = g_signal_new ("changed", JKB_TYPE_HISTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                 NULL, G_TYPE_NONE, 0);
  forgotten_signal = g_signal_new ("forgotten", JKB_TYPE_HISTORY, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                   NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
jkb_history_init (JkbHistory *self)
{
  self->error = g_strdup ("");
  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  self->to_forget = g_ptr_array_new_with_free_func (g_free);
}

/* ---- trouble ---- */

static void
set_error (JkbHistory *self, const char *text)
{
  if (strcmp (self->error, text) == 0)
    return;
  if (text[0] != '\0')
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s; live values go on", text);
  else
    jkb_log (G_LOG_LEVEL_MESSAGE, NULL, NULL, "the history is written again");
  g_free (self->error);
  self->error = g_strdup (text);
  g_signal_emit (self, changed_signal, 0);
}

/* ---- answers ---- */

static void
complete (JkbHistory *self, JkbStoreMessage *message)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (message->task));

  g_ptr_array_remove_fast (self->waiting, task);
  if (message->kind == JKB_STORE_MISSED)
    self->reading_missed = FALSE;
  if (message->error != NULL)
    g_task_return_error (task, g_steal_pointer (&message->error));
  else if (message->kind == JKB_STORE_POINTS)
    g_task_return_pointer (task, g_steal_pointer (&message->points),
                           (GDestroyNotify) g_array_unref);
  else
    g_task_return_pointer (task, g_steal_pointer (&message->batch),
                           (GDestroyNotify) jkb_history_batch_free);
}

static void
take_opened (JkbHistory *self, const GError *error);

static void
take_answers (JkbHistory *self)
{
  JkbStoreMessage *message = jkb_history_store_take (self->store);

  while (message != NULL)
    {
      JkbStoreMessage *next = (JkbStoreMessage *) message->node.next;

      if (message->kind == JKB_STORE_OPENED)
        take_opened (self, message->error);
      else if (message->kind == JKB_STORE_STATE && self->leaving)
        g_debug ("the history ends");
      else if (message->kind == JKB_STORE_STATE)
        set_error (self, message->error != NULL ? message->error->message : "");
      else
        complete (self, message);
      jkb_store_message_free (message);
      message = next;
    }
}

static void
begin (JkbHistory *self);
static void
leave (JkbHistory *self);
static void
finish_leaving (JkbHistory *self, int timeout_ms);
static void
forget_all (JkbHistory *self);
static gboolean
on_retry (gpointer user_data);

/* Whether there is something for a store to do. */
static gboolean
is_wanted (JkbHistory *self)
{
  return self->started && (self->config.enabled || self->to_forget->len > 0);
}

static void
take_all (JkbHistory *self)
{
  take_answers (self);
  if (!self->leaving || !jkb_history_store_has_ended (self->store))
    return;
  finish_leaving (self, 0);
  if (is_wanted (self) && self->failed)
    self->retry_source = g_timeout_add_seconds (RETRY_S, on_retry, self);
  else if (is_wanted (self))
    begin (self);
}

static gboolean
on_answers (int fd, GIOCondition condition, gpointer user_data)
{
  g_autoptr (JkbHistory) self = g_object_ref (user_data);

  take_all (self);
  return G_SOURCE_CONTINUE;
}

/* ---- start and stop ---- */

static JkbHistoryLimits
limits_of (const JkbHistoryConfig *config)
{
  JkbHistoryLimits limits = { (gint64) (config->keep * G_USEC_PER_SEC),
                              (guint64) config->size_max * 1000 * 1000 - LOG_BYTES };

  return limits;
}

static void
tell_off (JkbHistory *self, const GError *error)
{
  g_autofree char *text = g_strdup_printf ("the history is off: %s", error->message);

  set_error (self, text);
}

/* The rest is take_opened()'s. */
static void
begin (JkbHistory *self)
{
  g_autofree char *database = g_build_filename (self->state_dir, DATABASE_NAME, NULL);
  JkbHistoryLimits limits = limits_of (&self->config);
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&self->retry_source, g_source_remove);
  self->failed = FALSE;
  self->store = jkb_history_store_new (database, self->journal_path, self->config.enabled, &limits,
                                       COMMIT_AFTER_US, &error);
  if (self->store == NULL)
    {
      tell_off (self, error);
      self->retry_source = g_timeout_add_seconds (RETRY_S, on_retry, self);
      return;
    }
  self->answers_source =
      g_unix_fd_add (jkb_history_store_get_fd (self->store), G_IO_IN, on_answers, self);
}

/* Settles the oldest of what was to be forgotten. */
static void
end_forgetting (JkbHistory *self)
{
  g_autofree char *id = g_ptr_array_steal_index (self->to_forget, 0);

  g_signal_emit (self, forgotten_signal, 0, id);
}

/* The thread ends by itself. Where nothing is, nothing is to be forgotten. */
static void
take_failed (JkbHistory *self, const GError *error)
{
  self->leaving = TRUE;
  self->failed = !g_error_matches (error, JKB_ERROR, JKB_ERROR_NOT_FOUND);
  while (!self->failed && self->to_forget->len > 0)
    end_forgetting (self);
  if (self->failed && is_wanted (self))
    tell_off (self, error);
}

static void
take_opened (JkbHistory *self, const GError *error)
{
  if (error != NULL)
    {
      take_failed (self, error);
      return;
    }
  self->journal = jkb_history_store_get_journal (self->store);
  if (self->leaving)
    return;
  set_error (self, "");
  forget_all (self);
  if (self->to_drop)
    jkb_history_drop_outages (self);
  g_signal_emit (self, changed_signal, 0);
  if (!self->config.enabled)
    leave (self);
}

/* The main loop does not run yet: nothing has to wait. */
static void
wait_until_open (JkbHistory *self)
{
  gint64 until_us = g_get_monotonic_time () + OPEN_US;
  gint64 left_us;

  while (self->store != NULL && self->journal == NULL
         && (left_us = until_us - g_get_monotonic_time ()) > 0
         && jkb_history_store_wait (self->store, (int) (left_us / 1000) + 1))
    take_all (self);
}

static gboolean
on_retry (gpointer user_data)
{
  JkbHistory *self = user_data;

  self->retry_source = 0;
  begin (self);
  return G_SOURCE_REMOVE;
}

static void
refuse_waiting (JkbHistory *self)
{
  while (self->waiting->len > 0)
    {
      g_autoptr (GTask) task = g_ptr_array_steal_index (self->waiting, self->waiting->len - 1);

      g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY,
                               JKB_HISTORY_CLOSING);
    }
  self->reading_missed = FALSE;
}

/* Does not wait: on_answers() finishes it, and begins anew where that is wanted by then; the journal
 * takes what comes meanwhile. */
static void
leave (JkbHistory *self)
{
  g_clear_handle_id (&self->retry_source, g_source_remove);
  if (self->store == NULL || self->leaving)
    return;
  self->leaving = TRUE;
  jkb_history_store_leave (self->store);
}

/* A thread that hangs in the disk is left to the end of the process, with what it uses. */
static void
finish_leaving (JkbHistory *self, int timeout_ms)
{
  g_clear_handle_id (&self->answers_source, g_source_remove);
  if (jkb_history_store_stop (self->store, timeout_ms))
    {
      take_answers (self);
      self->leaving = FALSE;
      forget_all (self); /* into the journal, for the next thread */
      self->spent = self->journal != NULL && jkb_journal_fill (self->journal) == 0;
      jkb_history_get_counters (self, &self->past);
      self->past.dropped -= self->dropped; /* which stays and goes on */
      jkb_history_store_free (self->store);
    }
  else
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
             "the history could not be closed in time; what is not written stays in %s",
             self->journal_path);
  self->store = NULL;
  self->journal = NULL;
  self->leaving = FALSE;
  refuse_waiting (self);
}

/* Memory that nobody would look for. */
static void
remove_own_dir (JkbHistory *self)
{
  if (self->own_dir == NULL)
    return;
  if (self->spent)
    g_unlink (self->journal_path);
  g_rmdir (self->own_dir); /* unless something is left in it */
}

void
jkb_history_start (JkbHistory *self, const JkbHistoryConfig *config)
{
  self->config = *config;
  self->started = TRUE;
  if (config->enabled && self->state_dir != NULL)
    {
      begin (self);
      wait_until_open (self);
    }
}

void
jkb_history_configure (JkbHistory *self, const JkbHistoryConfig *config)
{
  gboolean was_enabled = self->config.enabled;

  self->config = *config;
  if (!self->started || self->state_dir == NULL)
    return;
  if (was_enabled && !config->enabled)
    {
      leave (self);
      g_free (self->error);
      self->error = g_strdup ("");
      g_signal_emit (self, changed_signal, 0);
    }
  else if (self->leaving)
    return;
  else if (!was_enabled && config->enabled && self->store == NULL)
    begin (self);
  else if (self->store != NULL)
    {
      JkbStoreMessage *message = jkb_store_message_new (JKB_STORE_LIMIT);

      message->limits = limits_of (config);
      jkb_history_store_send (self->store, message);
    }
}

void
jkb_history_begin_stop (JkbHistory *self)
{
  self->started = FALSE;
  if (self->stop_us == 0)
    self->stop_us = g_get_monotonic_time () + STOP_US;
  leave (self);
}

void
jkb_history_stop (JkbHistory *self)
{
  jkb_history_begin_stop (self);
  if (self->store != NULL)
    finish_leaving (self, (int) (MAX (self->stop_us - g_get_monotonic_time (), 0) / 1000));
  remove_own_dir (self);
  self->stop_us = 0;
}

gboolean
jkb_history_is_recording (JkbHistory *self)
{
  return self->journal != NULL && self->started && self->config.enabled;
}

const char *
jkb_history_get_error (JkbHistory *self)
{
  return self->error;
}

void
jkb_history_get_counters (JkbHistory *self, JkbHistoryCounters *counters)
{
  *counters = self->past;
  counters->recorded = self->recorded;
  if (self->store != NULL)
    {
      counters->commits += jkb_history_store_get_commits (self->store);
      counters->early += jkb_history_store_get_early (self->store);
      counters->dropped += jkb_history_store_get_lost (self->store);
      counters->bytes = jkb_history_store_get_bytes (self->store);
      counters->waiting = jkb_history_store_get_waiting (self->store);
    }
  counters->dropped += self->dropped;
}

/* ---- recording ---- */

gboolean
jkb_history_is_opening (JkbHistory *self)
{
  return self->started && self->config.enabled && self->store != NULL && self->journal == NULL;
}

void
jkb_history_add (JkbHistory *self, const char *id, const JkbFrame *frame)
{
  JkbRecord *record;

  if (frame->type != JKB_FRAME_LIVE)
    return;
  if (!jkb_history_is_recording (self))
    {
      self->dropped += jkb_history_is_opening (self);
      return;
    }
  if (self->to_forget->len > 0)
    forget_all (self);
  record = jkb_journal_reserve (self->journal, sizeof *record);
  if (record == NULL)
    {
      self->dropped++;
      return;
    }
  record->realtime_us = frame->realtime_us;
  record->monotonic_us = frame->monotonic_us;
  strncpy (record->id, id, sizeof record->id - 1);
  record->id[sizeof record->id - 1] = '\0';
  memcpy (record->frame, frame->data, sizeof record->frame);
  memset (record->unused, 0, sizeof record->unused);
  jkb_journal_publish (self->journal, record, sizeof *record, JKB_RECORD_SAMPLE);
  self->recorded++;
  jkb_history_store_nudge (self->store);
}

/* Controls are few; the journal keeps some room for them. */
static gboolean
push_control (JkbHistory *self, JkbRecordKind kind, const char *id, gint64 first_us,
              gint64 second_us)
{
  JkbRecord *record = NULL;

  if (self->journal == NULL)
    return FALSE;
  record = jkb_journal_reserve (self->journal, JKB_RECORD_CONTROL_SIZE);
  if (record == NULL)
    {
      jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "the journal of the history is full");
      return FALSE;
    }
  record->from_us = first_us;
  record->to_us = second_us;
  strncpy (record->id, id, sizeof record->id - 1);
  record->id[sizeof record->id - 1] = '\0';
  jkb_journal_publish (self->journal, record, JKB_RECORD_CONTROL_SIZE, kind);
  jkb_history_store_nudge (self->store);
  return TRUE;
}

/* A store that is on its way out may not look into the journal any more. */
static void
forget_all (JkbHistory *self)
{
  while (!self->leaving && self->to_forget->len > 0
         && push_control (self, JKB_RECORD_FORGET, g_ptr_array_index (self->to_forget, 0), 0, 0))
    end_forgetting (self);
}

/* Where the history is off, it is opened for that, and closed again. */
void
jkb_history_forget (JkbHistory *self, const char *id)
{
  if (!self->started || self->state_dir == NULL
      || g_ptr_array_find_with_equal_func (self->to_forget, id, g_str_equal, NULL))
    return;
  g_ptr_array_add (self->to_forget, g_strdup (id));
  if (self->store == NULL && self->retry_source == 0)
    begin (self);
  else
    forget_all (self);
}

static void
push_moment (JkbHistory *self, JkbRecordKind kind, gint64 monotonic_us)
{
  gint64 shift_us = g_get_real_time () - g_get_monotonic_time ();

  push_control (self, kind, "", monotonic_us + shift_us, monotonic_us);
}

void
jkb_history_begin_outage (JkbHistory *self, gint64 since_monotonic_us)
{
  push_moment (self, JKB_RECORD_BEGIN_OUTAGE, since_monotonic_us);
}

void
jkb_history_end_outage (JkbHistory *self, gint64 until_monotonic_us)
{
  push_moment (self, JKB_RECORD_END_OUTAGE, until_monotonic_us);
}

void
jkb_history_drop_outages (JkbHistory *self)
{
  self->to_drop = jkb_history_is_opening (self);
  if (!self->to_drop)
    push_control (self, JKB_RECORD_DROP_OUTAGES, "", 0, 0);
}

void
jkb_history_confirm (JkbHistory *self, gint64 from_us, gint64 to_us)
{
  push_control (self, JKB_RECORD_CONFIRM, "", from_us, to_us);
}
