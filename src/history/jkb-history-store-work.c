/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the store thread does with the database: commits and answers. Store thread.
 */
#include "history/jkb-history-store-private.h"

#include <sys/eventfd.h>
#include <time.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "core/jkb-stamp.h"
#include "history/jkb-history-commit.h"
#include "history/jkb-outages.h"

/* Until a failed one is tried again. */
#define RETRY_US ((gint64) 60 * G_USEC_PER_SEC)

/* systemd-timesyncd asks every 34 minutes at least. */
#define SYNC_AGE_US ((gint64) 3600 * G_USEC_PER_SEC)

/* ---- the database ---- */

void
jkb_history_store_answer (JkbHistoryStore *self, JkbStoreMessage *message)
{
  jkb_mpsc_push (&self->answers, &message->node);
  eventfd_write (self->reply_fd, 1);
}

/* Tells the main thread only what it does not know: one line per trouble in the log. */
static void
tell_trouble (JkbHistoryStore *self, const char *what, const GError *error)
{
  g_autofree char *trouble =
      error != NULL ? g_strdup_printf ("the history cannot be %s: %s", what, error->message) : NULL;
  JkbStoreMessage *message;

  if (g_strcmp0 (trouble, self->trouble) == 0)
    return;
  message = jkb_store_message_new (JKB_STORE_STATE);
  if (trouble != NULL)
    message->error = g_error_new_literal (JKB_ERROR, JKB_ERROR_IO, trouble);
  g_free (self->trouble);
  self->trouble = g_steal_pointer (&trouble);
  self->told_us = g_get_monotonic_time ();
  jkb_history_store_answer (self, message);
}

void
jkb_history_store_close_db (JkbHistoryStore *self)
{
  g_clear_pointer (&self->db, jkb_history_db_close);
}

/* A database that was set aside takes along what was missed; we still know it. */
static gboolean
load_outages (JkbHistoryStore *self, GError **error)
{
  return jkb_history_is_new (self->db)
         || jkb_history_db_load_outages (self->db, self->outages, error);
}

static gboolean
open_db (JkbHistoryStore *self, GError **error)
{
  if (self->db != NULL)
    return TRUE;
  self->db = jkb_history_db_open (self->path, error);
  if (self->db != NULL && !load_outages (self, error))
    jkb_history_store_close_db (self);
  if (self->db == NULL)
    return FALSE;
  self->position = jkb_history_begin_reading (self->db, self->journal);
  atomic_store_explicit (&self->bytes, jkb_history_db_file_bytes (self->db), memory_order_relaxed);
  return TRUE;
}

/* How long the machine was suspended since its boot. */
static gint64
read_slept (void)
{
  struct timespec with_sleep, without;

  clock_gettime (CLOCK_MONOTONIC, &without);
  clock_gettime (CLOCK_BOOTTIME, &with_sleep);
  return (with_sleep.tv_sec - without.tv_sec) * (gint64) G_USEC_PER_SEC
         + (with_sleep.tv_nsec - without.tv_nsec) / 1000;
}

static void
count_waiting (JkbHistoryStore *self)
{
  guint64 waiting = 0;

  for (guint i = 0; i < self->outages->len; i++)
    {
      const JkbOutage *outage = &g_array_index (self->outages, JkbOutage, i);

      if (outage->dated)
        waiting += jkb_history_db_count (self->db, outage->begin_us, outage->end_us);
    }
  atomic_store_explicit (&self->waiting, waiting, memory_order_relaxed);
}

static JkbHistorySource
make_source (JkbHistoryStore *self)
{
  JkbHistorySource source = { .db = self->db,
                              .journal = self->journal,
                              .position = self->position,
                              .realtime_us = g_get_real_time (),
                              .monotonic_us = g_get_monotonic_time (),
                              .slept_us = read_slept () - jkb_journal_get_slept (self->journal),
                              .synchronized = jkb_stamp_is_synchronized (SYNC_AGE_US),
                              .stop = &self->stop };

  return source;
}

/* After a failure. @error: (inout): other if it cannot be set aside. Returns: whether it is worth
 * another try at once, with a new database */
static gboolean
set_aside_if_corrupt (JkbHistoryStore *self, GError **error)
{
  gboolean corrupt = jkb_history_db_is_corrupt (self->db);

  jkb_history_store_close_db (self);
  if (!corrupt)
    return FALSE;
  g_clear_error (error);
  return jkb_history_db_set_aside (self->path, "is damaged", error);
}

/* ---- committing ---- */

/* @untidy: (out): why nothing could be tidied */
static gboolean
commit_once (JkbHistoryStore *self, GError **untidy, GError **error)
{
  JkbHistorySource source;
  JkbHistoryCommit result;

  if (!open_db (self, error))
    return FALSE;
  source = make_source (self);
  if (!jkb_history_commit (&source, self->outages, &self->limits, &result, error))
    return FALSE;
  *untidy = result.untidy;
  if (result.damage)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
             "the journal of the history has a damaged record; what "
             "came behind it is lost");
  self->position = source.position;
  jkb_journal_set_slept (self->journal, jkb_journal_get_slept (self->journal) + source.slept_us);
  jkb_journal_release (self->journal, source.position);
  atomic_fetch_add_explicit (&self->lost, result.lost, memory_order_relaxed);
  atomic_fetch_add_explicit (&self->commits, 1, memory_order_relaxed);
  if (self->is_early)
    atomic_fetch_add_explicit (&self->early, 1, memory_order_relaxed);
  self->is_early = FALSE;
  self->more = result.more;
  count_waiting (self);
  atomic_store_explicit (&self->bytes, jkb_history_db_file_bytes (self->db), memory_order_relaxed);
  return TRUE;
}

void
jkb_history_store_commit (JkbHistoryStore *self)
{
  g_autoptr (GError) error = NULL, untidy = NULL;
  gboolean was_failing = self->failing, good = commit_once (self, &untidy, &error);

  if (!good && self->db != NULL && set_aside_if_corrupt (self, &error))
    {
      good = commit_once (self, &untidy, &error);
      if (!good && self->db != NULL)
        jkb_history_store_close_db (self);
    }
  self->last_us = g_get_monotonic_time ();
  self->failing = !good;
  if (!good)
    tell_trouble (self, "written", error);
  else if (was_failing || self->last_us >= self->told_us + RETRY_US)
    tell_trouble (self, "tidied", untidy); /* what comes and goes, once a minute at most */
  self->due_us = good && !self->more && self->trouble == NULL ? G_MAXINT64
                                                               : self->last_us + RETRY_US;
  atomic_store (&self->hurried, false);
  if (self->db != NULL)
    jkb_history_db_release_memory (self->db);
}

/* ---- questions ---- */

static gboolean
any_undated (JkbHistoryStore *self)
{
  JkbChunkRow row;

  for (guint i = 0; i < self->outages->len; i++)
    if (!g_array_index (self->outages, JkbOutage, i).dated)
      return TRUE;
  return jkb_history_db_oldest (self->db, JKB_LEVEL_UNDATED, G_MAXINT64, &row, NULL);
}

/* What is in the database without a date gets it with a commit. */
static gboolean
prepare_reading (JkbHistoryStore *self, JkbHistorySource *source, GError **error)
{
  if (!open_db (self, error))
    return FALSE;
  *source = make_source (self);
  if (jkb_stamp_is_set (source->realtime_us) && any_undated (self))
    {
      jkb_history_store_commit (self);
      if (!open_db (self, error))
        return FALSE;
      *source = make_source (self);
    }
  return TRUE;
}

static void
read_answer (JkbHistoryStore *self, JkbStoreMessage *message, GError **error)
{
  JkbHistorySource source;

  if (!prepare_reading (self, &source, error))
    return;
  if (message->kind == JKB_STORE_POINTS)
    message->points = jkb_history_read_points (&source, &message->question, error);
  else
    message->batch =
        jkb_history_read_missed (&source, self->outages, message->after_us, message->max, error);
}

void
jkb_history_store_read_for (JkbHistoryStore *self, JkbStoreMessage *message)
{
  g_autoptr (GError) error = NULL;

  if (atomic_load (&self->stop))
    g_set_error_literal (&error, JKB_ERROR, JKB_ERROR_BUSY, JKB_HISTORY_CLOSING);
  else
    read_answer (self, message, &error);
  if (error != NULL && self->db != NULL && jkb_history_db_is_corrupt (self->db))
    {
      g_autoptr (GError) failed = NULL;

      if (!set_aside_if_corrupt (self, &failed))
        tell_trouble (self, "read", failed);
    }
  if (g_error_matches (error, JKB_ERROR, JKB_ERROR_BUSY)
      || g_error_matches (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT))
    message->error = g_steal_pointer (&error);
  else if (error != NULL)
    message->error =
        g_error_new (JKB_ERROR, JKB_ERROR_IO, "the history cannot be read: %s", error->message);
  jkb_history_store_answer (self, message);
}
