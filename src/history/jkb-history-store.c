/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The store thread and the boundary to it. The upper half runs on the main thread, the lower one on
 * the store thread; between them are the atomics, the two lists and the two eventfds of the struct.
 */
#include "history/jkb-history-store-private.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "history/jkb-outages.h"
#include "queue/jkb-wake.h"

/* However fast samples come, the card has its rest; the journal drops what is too much. */
#define COMMIT_GAP_US ((gint64) G_USEC_PER_SEC)

/* With nothing new there still is something to grow too old. */
#define IDLE_US ((gint64) 3600 * G_USEC_PER_SEC)

#define HURRY_FILL (JKB_JOURNAL_SIZE / 4 * 3)

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

JkbHistoryStore *
jkb_history_store_new (const char *database, const char *journal, gboolean make,
                       const JkbHistoryLimits *limits, gint64 commit_after_us, GError **error)
{
  g_autofree JkbHistoryStore *self = g_new0 (JkbHistoryStore, 1);

  if (!jkb_wake_open_pair (&self->wake_fd, &self->reply_fd))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "no file descriptor is left: %s",
                   g_strerror (errno));
      return NULL;
    }
  self->path = g_strdup (database);
  self->journal_path = g_strdup (journal);
  self->make = make;
  self->limits = *limits;
  self->commit_after_us = commit_after_us;
  self->thread = g_thread_new ("jkb-history", store_thread, self);
  return g_steal_pointer (&self);
}

JkbJournal *
jkb_history_store_get_journal (JkbHistoryStore *self)
{
  return self->journal;
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

gboolean
jkb_history_store_wait (JkbHistoryStore *self, int timeout_ms)
{
  struct pollfd fd = { .fd = self->reply_fd, .events = POLLIN };

  return poll (&fd, 1, timeout_ms) > 0;
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

  jkb_history_store_leave (self);
  while (!atomic_load (&self->ended))
    {
      gint64 left_us = until_us - g_get_monotonic_time ();
      eventfd_t count;

      if (left_us <= 0)
        return FALSE;
      jkb_history_store_wait (self, (int) (left_us / 1000) + 1);
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
  jkb_journal_close (self->journal);
  g_free (self->journal_path);
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

/* ---- store thread: the loop ---- */

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

  if (!self->failing && jkb_journal_fill (self->journal) > HURRY_FILL && now_us < self->due_us)
    {
      self->due_us = MIN (self->due_us, MAX (now_us, self->last_us + COMMIT_GAP_US));
      self->is_early = TRUE;
    }
  return now_us >= self->due_us || (!self->failing && now_us >= self->last_us + IDLE_US);
}

/* What a receiver missed goes before all questions: clients could keep it from being sent. */
static void
take_request (JkbHistoryStore *self, JkbStoreMessage *message)
{
  switch (message->kind)
    {
    case JKB_STORE_POINTS:
      g_queue_push_tail (&self->waiting_requests, message);
      return;
    case JKB_STORE_MISSED:
      g_queue_push_head (&self->waiting_requests, message);
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
      message = next;
    }
}

/* Between any two there is a look at what came, and a commit that is due: nothing waits for more
 * than one question. */
static void
answer_requests (JkbHistoryStore *self)
{
  JkbStoreMessage *message;

  take_requests (self);
  while ((message = g_queue_pop_head (&self->waiting_requests)) != NULL)
    {
      jkb_history_store_read_for (self, message);
      if (!atomic_load (&self->stop) && is_due (self))
        jkb_history_store_commit (self);
      take_requests (self);
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

/* Its blocks are had, its records read, perhaps it is set aside: nothing for the main loop. */
static void
open_journal (JkbHistoryStore *self)
{
  JkbStoreMessage *message = jkb_store_message_new (JKB_STORE_OPENED);

  if (self->make || g_file_test (self->path, G_FILE_TEST_EXISTS)
      || g_file_test (self->journal_path, G_FILE_TEST_EXISTS))
    self->journal = jkb_journal_open (self->journal_path, &message->error);
  else
    message->error = g_error_new_literal (JKB_ERROR, JKB_ERROR_NOT_FOUND, "there is no history");
  if (self->journal != NULL)
    atomic_store_explicit (&self->lost, jkb_journal_get_cut (self->journal), memory_order_relaxed);
  jkb_history_store_answer (self, message);
}

static void
run (JkbHistoryStore *self)
{
  self->outages = jkb_outages_new ();
  jkb_history_store_commit (self);
  while (!atomic_load (&self->stop))
    {
      plan (self);
      sleep_until (self);
      answer_requests (self);
      if (!atomic_load (&self->stop) && is_due (self))
        jkb_history_store_commit (self);
    }
  if (jkb_journal_fill (self->journal) != 0)
    jkb_history_store_commit (self);
  jkb_history_store_close_db (self);
  g_array_unref (self->outages);
  g_free (self->trouble);
}

static gpointer
store_thread (gpointer data)
{
  JkbHistoryStore *self = data;

  open_journal (self);
  if (self->journal != NULL)
    run (self);
  atomic_store (&self->ended, true);
  eventfd_write (self->reply_fd, 1);
  return NULL;
}
