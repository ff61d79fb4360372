/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The ring, the newest-wins slot and the list, each between real threads. Made for ThreadSanitizer.
 */
#include <sched.h>

#include "queue/jkb-mpsc.h"
#include "queue/jkb-newest.h"
#include "queue/jkb-spsc.h"

#define N_RECORDS 1000000u
#define N_PRODUCERS 4

/* Every word of a record is made from its number, so that a torn one shows. */
typedef struct
{
  guint32 words[19];
} Record;

static void
record_fill (Record *record, guint32 number)
{
  for (guint i = 0; i < G_N_ELEMENTS (record->words); i++)
    record->words[i] = number + i * 0x9E3779B9u;
}

static void
record_check (const Record *record, guint32 number)
{
  for (guint i = 0; i < G_N_ELEMENTS (record->words); i++)
    g_assert_cmpuint (record->words[i], ==, number + i * 0x9E3779B9u);
}

/* ---- ring ---- */

static JkbSpsc ring;

static void
test_spsc_bounds (void)
{
  Record record;

  jkb_spsc_init (&ring, 4, sizeof record);
  g_assert_false (jkb_spsc_pop (&ring, &record));
  for (guint32 i = 0; i < 4; i++)
    {
      record_fill (&record, i);
      g_assert_true (jkb_spsc_push (&ring, &record));
    }
  g_assert_false (jkb_spsc_push (&ring, &record));
  g_assert_cmpuint (jkb_spsc_fill (&ring), ==, 4);
  for (guint32 i = 0; i < 4; i++)
    {
      g_assert_true (jkb_spsc_pop (&ring, &record));
      record_check (&record, i);
    }
  g_assert_false (jkb_spsc_pop (&ring, &record));
  jkb_spsc_clear (&ring);
}

static gpointer
push_thread (gpointer data)
{
  Record record;

  for (guint32 i = 0; i < N_RECORDS; i++)
    {
      record_fill (&record, i);
      while (!jkb_spsc_push (&ring, &record))
        sched_yield ();
    }
  return NULL;
}

/* The counters begin just before they wrap. */
static void
test_spsc_threads (void)
{
  const guint32 start = G_MAXUINT32 - N_RECORDS / 2;
  GThread *thread;
  Record record;

  jkb_spsc_init (&ring, 64, sizeof record);
  atomic_store (&ring.head, start);
  atomic_store (&ring.tail, start);
  ring.head_seen = ring.tail_seen = start;
  thread = g_thread_new ("push", push_thread, NULL);
  for (guint32 i = 0; i < N_RECORDS; i++)
    {
      while (!jkb_spsc_pop (&ring, &record))
        sched_yield ();
      record_check (&record, i);
    }
  g_thread_join (thread);
  g_assert_cmpuint (jkb_spsc_fill (&ring), ==, 0);
  jkb_spsc_clear (&ring);
}

/* ---- newest-wins slot ---- */

static JkbNewest slot;

static void
test_newest_once (void)
{
  Record record;

  jkb_newest_init (&slot, sizeof record);
  g_assert_null (jkb_newest_take (&slot));
  record_fill (jkb_newest_back (&slot), 1);
  g_assert_false (jkb_newest_publish (&slot));
  record_fill (jkb_newest_back (&slot), 2);
  g_assert_true (jkb_newest_publish (&slot));
  record_check (jkb_newest_take (&slot), 2);
  g_assert_null (jkb_newest_take (&slot));
  record_fill (jkb_newest_back (&slot), 3);
  g_assert_false (jkb_newest_publish (&slot));
  record_check (jkb_newest_take (&slot), 3);
  jkb_newest_clear (&slot);
}

static gpointer
publish_thread (gpointer data)
{
  for (guint32 i = 1; i <= N_RECORDS; i++)
    {
      record_fill (jkb_newest_back (&slot), i);
      jkb_newest_publish (&slot);
      if (i % 64 == 0)
        sched_yield ();
    }
  return NULL;
}

/* Never torn, never older than before, and the last one always arrives. */
static void
test_newest_threads (void)
{
  GThread *thread;
  guint32 last = 0;

  jkb_newest_init (&slot, sizeof (Record));
  thread = g_thread_new ("publish", publish_thread, NULL);
  while (last != N_RECORDS)
    {
      const Record *record = jkb_newest_take (&slot);

      if (record == NULL)
        {
          sched_yield ();
          continue;
        }
      g_assert_cmpuint (record->words[0], >, last);
      last = record->words[0];
      record_check (record, last);
    }
  g_thread_join (thread);
  g_assert_null (jkb_newest_take (&slot));
  jkb_newest_clear (&slot);
}

/* ---- list ---- */

typedef struct
{
  JkbMpscNode node;
  guint producer;
  guint32 number;
} Message;

static JkbMpsc list;

static gpointer
list_thread (gpointer data)
{
  for (guint32 i = 0; i < N_RECORDS / N_PRODUCERS; i++)
    {
      Message *message = g_new (Message, 1);

      message->producer = GPOINTER_TO_UINT (data);
      message->number = i;
      jkb_mpsc_push (&list, &message->node);
    }
  return NULL;
}

/* Nothing lost, and each producer's messages in its own order. */
static void
test_mpsc_threads (void)
{
  GThread *threads[N_PRODUCERS];
  guint32 next[N_PRODUCERS] = { 0 };
  guint32 total = 0;

  for (guint i = 0; i < N_PRODUCERS; i++)
    threads[i] = g_thread_new ("list", list_thread, GUINT_TO_POINTER (i));
  while (total < N_RECORDS / N_PRODUCERS * N_PRODUCERS)
    {
      JkbMpscNode *node = jkb_mpsc_drain (&list);

      if (node == NULL)
        sched_yield ();
      while (node != NULL)
        {
          Message *message = (Message *) node;

          node = node->next;
          g_assert_cmpuint (message->number, ==, next[message->producer]);
          next[message->producer]++;
          g_free (message);
          total++;
        }
    }
  for (guint i = 0; i < N_PRODUCERS; i++)
    g_thread_join (threads[i]);
  g_assert_null (jkb_mpsc_drain (&list));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/queue/spsc/bounds", test_spsc_bounds);
  g_test_add_func ("/queue/spsc/threads", test_spsc_threads);
  g_test_add_func ("/queue/newest/once", test_newest_once);
  g_test_add_func ("/queue/newest/threads", test_newest_threads);
  g_test_add_func ("/queue/mpsc/threads", test_mpsc_threads);
  return g_test_run ();
}
