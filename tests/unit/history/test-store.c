/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The store thread's sleep and wake-up, with commits after a moment instead of a minute: no record is
 * left lying, whenever it comes; nothing happens without one.
 */
#include <string.h>
#include <sys/eventfd.h>

#include "core/jkb-log.h"
#include "history-fixture.h"
#include "history/jkb-history-store-private.h"

#define COMMIT_AFTER_US 2000
#define PATIENCE_US (20 * SECOND)

/* Instead of the C library's, which would lock one heap after the other: the main loop waits when
 * it is the turn of its own. */
static atomic_int n_trims;
int malloc_trim (size_t pad);

int
malloc_trim (size_t pad)
{
  return atomic_fetch_add (&n_trims, 1) < 0;
}

typedef struct
{
  char *directory;
  JkbJournal *journal;
  JkbHistoryStore *store;
} Fixture;

static void
wait_until_empty (Fixture *f)
{
  gint64 until_us = g_get_monotonic_time () + PATIENCE_US;

  while (jkb_journal_fill (f->journal) != 0)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, until_us);
      g_usleep (200);
    }
}

static void
set_up (Fixture *f, gconstpointer data)
{
  JkbHistoryLimits limits = { 24 * HOUR, 64 * 1000 * 1000 };
  g_autofree char *journal = NULL, *database = NULL;
  JkbStoreMessage *opened;

  f->directory = make_directory ();
  journal = g_build_filename (f->directory, "history.journal", NULL);
  database = g_build_filename (f->directory, "history.sqlite", NULL);
  f->store = jkb_history_store_new (database, journal, TRUE, &limits, COMMIT_AFTER_US, NULL);
  g_assert_true (jkb_history_store_wait (f->store, 20000));
  opened = jkb_history_store_take (f->store);
  g_assert_cmpint (opened->kind, ==, JKB_STORE_OPENED);
  g_assert_no_error (opened->error);
  jkb_store_message_free (opened);
  f->journal = jkb_history_store_get_journal (f->store);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_assert_true (jkb_history_store_stop (f->store, 20000));
  jkb_history_store_free (f->store);
  remove_directory (f->directory);
}

static gboolean
push (Fixture *f)
{
  JkbRecord *record = jkb_journal_reserve (f->journal, sizeof *record);

  if (record == NULL)
    return FALSE;
  memset (&record->realtime_us, 0, sizeof *record - G_STRUCT_OFFSET (JkbRecord, realtime_us));
  record->realtime_us = g_get_real_time ();
  record->monotonic_us = g_get_monotonic_time ();
  strcpy (record->id, "garage_1");
  make_live (record->frame, 3300);
  jkb_journal_publish (f->journal, record, sizeof *record, JKB_RECORD_SAMPLE);
  jkb_history_store_nudge (f->store);
  return TRUE;
}

/* Pauses of all lengths around that of a commit: each time the last record is taken without
 * another one behind it. */
static void
test_each_is_taken (Fixture *f, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (guint i = 0; i < 60; i++)
    {
      guint n = (guint) g_rand_int_range (rand, 1, 4);

      for (guint j = 0; j < n; j++)
        {
          g_assert_true (push (f));
          g_usleep ((gulong) g_rand_int_range (rand, 0, 2 * COMMIT_AFTER_US));
        }
      if (i % 3 != 0)
        wait_until_empty (f);
    }
  wait_until_empty (f);
  g_assert_cmpint (n_trims, ==, 0);
}

static void
test_asleep_without_records (Fixture *f, gconstpointer data)
{
  guint64 commits;

  g_assert_true (push (f));
  wait_until_empty (f);
  g_usleep (10 * COMMIT_AFTER_US);
  commits = jkb_history_store_get_commits (f->store);
  g_usleep (100 * COMMIT_AFTER_US);
  g_assert_cmpuint (jkb_history_store_get_commits (f->store), ==, commits);
}

/* All at once, so that the thread finds them together. */
static void
send_together (Fixture *f, const JkbStoreKind *kinds, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      JkbStoreMessage *message = jkb_store_message_new (kinds[i]);

      message->max = 10;
      message->question.points = 10;
      jkb_mpsc_push (&f->store->requests, &message->node);
    }
  eventfd_write (f->store->wake_fd, 1);
}

/* Questions of clients do not keep from the broker what it missed. */
static void
test_missed_goes_first (Fixture *f, gconstpointer data)
{
  const JkbStoreKind kinds[]
      = { JKB_STORE_POINTS, JKB_STORE_POINTS, JKB_STORE_POINTS, JKB_STORE_MISSED };
  const JkbStoreKind answers[]
      = { JKB_STORE_MISSED, JKB_STORE_POINTS, JKB_STORE_POINTS, JKB_STORE_POINTS };

  g_assert_true (push (f));
  wait_until_empty (f);
  g_usleep (10 * COMMIT_AFTER_US); /* until it is asleep */
  send_together (f, kinds, G_N_ELEMENTS (kinds));
  for (guint n = 0; n < G_N_ELEMENTS (answers);)
    {
      JkbStoreMessage *message = jkb_history_store_take (f->store);

      while (message != NULL)
        {
          JkbStoreMessage *next = (JkbStoreMessage *) message->node.next;

          g_assert_no_error (message->error);
          g_assert_cmpint (message->kind, ==, answers[n++]);
          jkb_store_message_free (message);
          message = next;
        }
      g_usleep (200);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error");
  g_test_add ("/store/each-is-taken", Fixture, NULL, set_up, test_each_is_taken, tear_down);
  g_test_add ("/store/asleep-without-records", Fixture, NULL, set_up, test_asleep_without_records,
              tear_down);
  g_test_add ("/store/missed-goes-first", Fixture, NULL, set_up, test_missed_goes_first, tear_down);
  return g_test_run ();
}
