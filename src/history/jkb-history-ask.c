/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Questions to the history: refused, or handed to the store thread. Main thread only.
 */
#include "history/jkb-history-private.h"

#include "core/jkb-error.h"
#include "history/jkb-history-question.h"

/* Questions that wait, of all and of one user. */
#define MAX_WAITING 16
#define MAX_WAITING_OF_ONE 4

/* @task: (transfer full). @message: (transfer full) */
static void
ask (JkbHistory *self, GTask *task, JkbStoreMessage *message)
{
  g_ptr_array_add (self->waiting, task);
  message->task = task;
  jkb_history_store_send (self->store, message);
}

static guint
count_waiting_of (JkbHistory *self, guint32 uid)
{
  guint n = 0;

  for (guint i = 0; i < self->waiting->len; i++)
    {
      GTask *task = g_ptr_array_index (self->waiting, i);

      if (g_task_get_source_tag (task) == jkb_history_query_async
          && GPOINTER_TO_UINT (g_task_get_task_data (task)) == uid)
        n++;
    }
  return n;
}

static gboolean
check_asker (JkbHistory *self, guint32 uid, GError **error)
{
  if (count_waiting_of (self, uid) < MAX_WAITING_OF_ONE)
    return TRUE;
  g_set_error_literal (error, JKB_ERROR, JKB_ERROR_BUSY,
                       "too many of your questions to the history wait; ask one after the other");
  return FALSE;
}

static gboolean
check_open (JkbHistory *self, GError **error)
{
  gboolean recording = jkb_history_is_recording (self);

  if (recording && !self->leaving && self->waiting->len < MAX_WAITING)
    return TRUE;
  if (jkb_history_is_opening (self))
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_BUSY,
                         "the history is being opened; try again in a second");
  else if (recording && self->leaving)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_BUSY, JKB_HISTORY_CLOSING);
  else if (recording)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_BUSY,
                         "too many questions to the history wait; try again in some seconds");
  else
    g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "no history is kept: %s",
                 self->error[0] != '\0' ? self->error : "set enabled=true in [history]");
  return FALSE;
}

void
jkb_history_query_async (JkbHistory *self, guint32 uid, const char *id, const char *key,
                         gint64 from_us, gint64 to_us, guint points, GAsyncReadyCallback callback,
                         gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  JkbStoreMessage *message = jkb_store_message_new (JKB_STORE_POINTS);
  GError *error = NULL;

  if (jkb_history_question_make (id, key, from_us, to_us, points, &message->question, &error)
      && check_open (self, &error) && check_asker (self, uid, &error))
    {
      g_task_set_source_tag (task, jkb_history_query_async);
      g_task_set_task_data (task, GUINT_TO_POINTER (uid), NULL);
      ask (self, task, message);
      return;
    }
  jkb_store_message_free (message);
  g_task_return_error (task, error);
  g_object_unref (task);
}

GArray *
jkb_history_query_finish (JkbHistory *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
jkb_history_read_missed_async (JkbHistory *self, gint64 after_us, guint max,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  JkbStoreMessage *message;
  GError *error = NULL;

  if (self->reading_missed)
    error = g_error_new_literal (JKB_ERROR, JKB_ERROR_BUSY, "what was missed is being read");
  else if (!jkb_history_is_recording (self) || self->leaving)
    check_open (self, &error);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  self->reading_missed = TRUE;
  message = jkb_store_message_new (JKB_STORE_MISSED);
  message->after_us = after_us;
  message->max = CLAMP (max, 1, 1000);
  ask (self, task, message);
}

JkbHistoryBatch *
jkb_history_read_missed_finish (JkbHistory *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
