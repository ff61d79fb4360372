/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The store thread and the boundary to it. The upper half runs on the main thread, the lower one on
 * the store thread; between them are the atomics, the two lists and the two eventfds of the struct.
 */
#include "history/jkb-history-store.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "core/jkb-stamp.h"
#include "history/jkb-history-commit.h"
#include "history/jkb-outages.h"

/* However fast samples come, the card has its rest; the journal drops what is too much. */
#define COMMIT_GAP_US ((gint64) G_USEC_PER_SEC)

/* Until a failed one is tried again. */
#define RETRY_US ((gint64) 60 * G_USEC_PER_SEC)

/* With nothing new there still is something to grow too old. */
#define IDLE_US ((gint64) 3600 * G_USEC_PER_SEC)

/* systemd-timesyncd asks every 34 minutes at least. */
#define SYNC_AGE_US ((gint64) 3600 * G_USEC_PER_SEC)

#define HURRY_FILL (JKB_JOURNAL_SIZE / 4 * 3)

struct _JkbHistoryStore
{
  /* set before the thread starts */
  char *path;
  JkbJournal *journal;
  gint64 commit_after_us;
  int wake_fd;  /* to the store thread */
  int reply_fd; /* to the main thread */
  GThread *thread;

  JkbMpsc requests;
  JkbMpsc answers;
  atomic_bool idle;    /* the store thread waits for the first record */
  atomic_bool hurried; /* it was told that the journal fills up */
  atomic_bool stop;    /* it is to end */
  atomic_bool ended;
  _Atomic guint64 commits, early, lost, bytes, waiting;

  /* the store thread's own */
  JkbHistoryDb *db; /* (nullable): closed until it can be opened */
  GArray *outages;  /* as in the database, once one is written */
  guint32 position; /* valid while .db is open */
  JkbHistoryLimits limits;
  char *trouble;     /* (nullable): what the main thread knows */
  gint64 told_us;    /* since when it knows that, monotonic */
  gboolean failing;  /* the last commit did */
  gint64 due_us;     /* of the next commit, monotonic; G_MAXINT64: none */
  gint64 last_us;    /* of the last one */
  gboolean is_early; /* the next one is, because the journal fills up */
  gboolean more;     /* there is more to be tidied than the last one did */
};

/* ---- messages: any thread ---- */

JkbStoreMessage *
jkb_store_message_new (JkbStoreKind kind)
{
  JkbStoreMessage *message = g_new0 (JkbStoreMessage, 1);

  message->kind = kind;
  return message;
}

void
jkb_store_message_free (JkbStoreMessage *message)
{
  g_clear_pointer (&message->points, g_array_unref);
  g_clear_pointer (&message->batch, jkb_history_batch_free);
  g_clear_error (&message->error);
  g_free (message);
}

static void
free_list (JkbMpsc *list)
{
  JkbStoreMessage *message = (JkbStoreMessage *) jkb_mpsc_drain (list);

  while (message != NULL)
    {
      JkbStoreMessage *next = (JkbStoreMessage *) message->node.next;

      jkb_store_message_free (message);
      message = next;
    }
}

/* ---- main thread ---- */

static gpointer
store_thread (gpointer data);

static int
new_eventfd (void)
{
  int fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);

  if (fd < 0)
    g_error ("cannot create an eventfd: %s", g_strerror (errno));
  return fd;
}

JkbHistoryStore *
jkb_history_store_new (const char *database, JkbJournal *journal, const JkbHistoryLimits *limits,
                       gint64 commit_after_us)
{
  JkbHistoryStore *self = g_new0 (JkbHistoryStore, 1);

  self->path = g_strdup (database);
  self->journal = journal;
  self->limits = *limits;
  self->commit_after_us = commit_after_us;
  self->wake_fd = new_eventfd ();
  self->reply_fd = new_eventfd ();
  self->thread = g_thread_new ("jkb-history", store_thread, self);
  return self;
}

void
jkb_history_store_send (JkbHistoryStore *self, JkbStoreMessage *message)
{
  jkb_mpsc_push (&self->requests, &message->node);
  eventfd_write (self->wake_fd, 1);
}

int
jkb_history_store_get_fd (JkbHistoryStore *self)
{
  return self->reply_fd;
}

JkbStoreMessage *
jkb_history_store_take (JkbHistoryStore *self)
{
  eventfd_t count;

  eventfd_read (self->reply_fd, &count);
  return (JkbStoreMessage *) jkb_mpsc_drain (&self->answers);
}

/* The order of all four accesses, sequentially consistent: here head, then idle; there idle, then
 * head. So either the record is seen there, or the sleeper here. */
void
jkb_history_store_nudge (JkbHistoryStore *self)
{
  if (atomic_load (&self->idle))
    {
      atomic_store (&self->idle, false);
      eventfd_write (self->wake_fd, 1);
    }
  else if (jkb_journal_fill (self->journal) > HURRY_FILL && !atomic_exchange (&self->hurried, true))
    eventfd_write (self->wake_fd, 1);
}

void
jkb_history_store_leave (JkbHistoryStore *self)
{
  atomic_store (&self->stop, true);
  eventfd_write (self->wake_fd, 1);
}

gboolean
jkb_history_store_has_ended (JkbHistoryStore *self)
{
  return atomic_load (&self->ended);
}

gboolean
jkb_history_store_stop (JkbHistoryStore *self, int timeout_ms)
{
  gint64 until_us = g_get_monotonic_time () + (gint64) timeout_ms * 1000;
  struct pollfd fd = { .fd = self->reply_fd, .events = POLLIN };

  jkb_history_store_leave (self);
  while (!atomic_load (&self->ended))
    {
      gint64 left_us = until_us - g_get_monotonic_time ();
      eventfd_t count;

      if (left_us <= 0)
        return FALSE;
      poll (&fd, 1, (int) (left_us / 1000) + 1);
      eventfd_read (self->reply_fd, &count);
    }
  g_thread_join (g_steal_pointer (&self->thread));
  return TRUE;
}

void
jkb_history_store_free (JkbHistoryStore *self)
{
  free_list (&self->requests);
  free_list (&self->answers);
  close (self->wake_fd);
  close (self->reply_fd);
  g_free (self->path);
  g_free (self);
}

guint64
jkb_history_store_get_commits (JkbHistoryStore *self)
{
  return atomic_load_explicit (&self->commits, memory_order_relaxed);
}

guint64
jkb_history_store_get_early (JkbHistoryStore *self)
{
  return atomic_load_explicit (&self->early, memory_order_relaxed);
}

guint64
jkb_history_store_get_lost (JkbHistoryStore *self)
{
  return atomic_load_explicit (&self->lost, memory_order_relaxed);
}

guint64
jkb_history_store_get_bytes (JkbHistoryStore *self)
{
  return atomic_load_explicit (&self->bytes, memory_order_relaxed);
}

guint64
jkb_history_store_get_waiting (JkbHistoryStore *self)
{
  return atomic_load_explicit (&self->waiting, memory_order_relaxed);
}

/* ---- store thread: the database ---- */

static void
answer (JkbHistoryStore *self, JkbStoreMessage *message)
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
  answer (self, message);
}

static void
close_db (JkbHistoryStore *self)
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
    close_db (self);
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

  close_db (self);
  if (!corrupt)
    return FALSE;
  g_clear_error (error);
  return jkb_history_db_set_aside (self->path, "is damaged", error);
}

/* ---- store thread: committing ---- */

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

static void
commit (JkbHistoryStore *self)
{
  g_autoptr (GError) error = NULL, untidy = NULL;
  gboolean was_failing = self->failing, good = commit_once (self, &untidy, &error);

  if (!good && self->db != NULL && set_aside_if_corrupt (self, &error))
    {
      good = commit_once (self, &untidy, &error);
      if (!good && self->db != NULL)
        close_db (self);
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

/* When the next commit is due, by what is in the journal. With nothing in it, the main thread is
 * asked to wake us with the first record. First said, then looked: or one that came in between would
 * wait for its successor (tests/model/history.pml). */
static void
plan (JkbHistoryStore *self)
{
  if (self->due_us != G_MAXINT64)
    return;
  atomic_store (&self->idle, true);
  if (jkb_journal_fill (self->journal) == 0)
    return;
  atomic_store (&self->idle, false);
  self->due_us = g_get_monotonic_time () + self->commit_after_us;
}

/* Returns: whether to commit now */
static gboolean
is_due (JkbHistoryStore *self)
{
  gint64 now_us = g_get_monotonic_time ();

  if (!self->failing && jkb_journal_fill (self->journal) > HURRY_FILL
      && now_us < self->due_us)
    {
      self->due_us = MIN (self->due_us, MAX (now_us, self->last_us + COMMIT_GAP_US));
      self->is_early = TRUE;
    }
  return now_us >= self->due_us || (!self->failing && now_us >= self->last_us + IDLE_US);
}

/* ---- store thread: questions ---- */

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
      commit (self);
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

static void
read_for (JkbHistoryStore *self, JkbStoreMessage *message)
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
  if (g_error_matches (error, JKB_ERROR, JKB_ERROR_BUSY))
    message->error = g_steal_pointer (&error);
  else if (error != NULL)
    message->error =
        g_error_new (JKB_ERROR, JKB_ERROR_IO, "the history cannot be read: %s", error->message);
  answer (self, message);
}

/* ---- store thread: the loop ---- */

static void
take_request (JkbHistoryStore *self, JkbStoreMessage *message)
{
  switch (message->kind)
    {
    case JKB_STORE_POINTS:
    case JKB_STORE_MISSED:
      read_for (self, message);
      return;
    case JKB_STORE_LIMIT:
      self->limits = message->limits;
      self->due_us = 0;
      break;
    default:
      break;
    }
  jkb_store_message_free (message);
}

static void
take_requests (JkbHistoryStore *self)
{
  JkbStoreMessage *message = (JkbStoreMessage *) jkb_mpsc_drain (&self->requests);

  while (message != NULL)
    {
      JkbStoreMessage *next = (JkbStoreMessage *) message->node.next;

      take_request (self, message);
      if (next != NULL && !atomic_load (&self->stop) && is_due (self))
        commit (self); /* questions do not hold it up */
      message = next;
    }
}

static void
sleep_until (JkbHistoryStore *self)
{
  struct pollfd fd = { .fd = self->wake_fd, .events = POLLIN };
  gint64 until_us = MIN (self->due_us, self->last_us + IDLE_US);
  gint64 left_us = MAX (until_us - g_get_monotonic_time (), 0);
  eventfd_t count;

  poll (&fd, 1, (int) MIN ((left_us + 999) / 1000, G_MAXINT));
  eventfd_read (self->wake_fd, &count);
}

static gpointer
store_thread (gpointer data)
{
  JkbHistoryStore *self = data;

  self->outages = jkb_outages_new ();
  atomic_store_explicit (&self->lost, jkb_journal_get_cut (self->journal), memory_order_relaxed);
  commit (self);
  while (!atomic_load (&self->stop))
    {
      plan (self);
      sleep_until (self);
      take_requests (self);
      if (!atomic_load (&self->stop) && is_due (self))
        commit (self);
    }
  if (jkb_journal_fill (self->journal) != 0)
    commit (self);
  close_db (self);
  g_array_unref (self->outages);
  g_free (self->trouble);
  atomic_store (&self->ended, true);
  eventfd_write (self->reply_fd, 1);
  return NULL;
}
