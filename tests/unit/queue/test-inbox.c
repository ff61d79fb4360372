/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inbox between a pretended or real reader thread and the default main context.
 */
#include <poll.h>
#include <sched.h>
#include <string.h>

#include "queue/jkb-inbox.h"

#define N_STRESS 300000u

typedef struct
{
  JkbInbox *inbox;
  GArray *frames; /* guint32: sequences in the order of their delivery */
  guint n_status;
  guint n_drained;
  guint frames_at_status;
  JkbLinkStatus status;
} Fixture;

static guint polls_ready; /* calls of poll() that found something */

static void
on_frame (const JkbFrame *frame, gpointer user_data)
{
  Fixture *f = user_data;

  g_array_append_val (f->frames, frame->sequence);
}

static void
on_status (const JkbLinkStatus *status, gpointer user_data)
{
  Fixture *f = user_data;

  f->status = *status;
  f->n_status++;
  f->frames_at_status = f->frames->len;
}

static void
on_drained (gpointer user_data)
{
  Fixture *f = user_data;

  f->n_drained++;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->inbox = jkb_inbox_new ();
  f->frames = g_array_new (FALSE, FALSE, sizeof (guint32));
  jkb_inbox_attach (f->inbox, on_frame, on_status, on_drained, f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  jkb_inbox_free (f->inbox);
  g_array_free (f->frames, TRUE);
}

static void
push (Fixture *f, guint32 sequence, guint8 address, guint8 type, gboolean urgent)
{
  JkbFrame frame = { .sequence = sequence, .address = address, .type = type };

  jkb_inbox_push (f->inbox, &frame, urgent);
}

/* Returns: whether the main loop had anything to do. */
static gboolean
turn (void)
{
  return g_main_context_iteration (NULL, FALSE);
}

static void
assert_sequences (Fixture *f, const guint32 *expected, guint n)
{
  g_assert_cmpmem (f->frames->data, f->frames->len * sizeof (guint32), expected,
                   n * sizeof (guint32));
}

static void
test_due (Fixture *f, gconstpointer data)
{
  static const guint32 expected[] = { 0, 1 };

  jkb_inbox_set_due (f->inbox, 1000);
  push (f, 0, 1, JKB_FRAME_LIVE, FALSE);
  push (f, 1, 1, JKB_FRAME_SETTINGS, FALSE);
  g_assert_cmpint (jkb_inbox_owed (f->inbox), ==, 1000);
  jkb_inbox_wake (f->inbox, 999);
  g_assert_false (turn ());
  jkb_inbox_wake (f->inbox, 1000);
  g_assert_cmpint (jkb_inbox_owed (f->inbox), ==, G_MAXINT64);
  g_assert_true (turn ());
  assert_sequences (f, expected, 2);
  g_assert_cmpuint (f->n_drained, ==, 1);
  g_assert_false (turn ());
}

static gint
count_ready (GPollFD *fds, guint n_fds, gint timeout_ms)
{
  int n = g_poll (fds, n_fds, timeout_ms);

  polls_ready += n > 0;
  return n;
}

/* GLib's own watch over an fd wakes the loop once more for each dispatch. */
static void
test_one_turn (Fixture *f, gconstpointer data)
{
  GPollFunc before = g_main_context_get_poll_func (NULL);

  while (turn ())
    continue;
  g_main_context_set_poll_func (NULL, count_ready);
  polls_ready = 0;
  push (f, 0, 1, JKB_FRAME_LIVE, TRUE);
  for (guint i = 0; i < 5; i++)
    turn ();
  g_main_context_set_poll_func (NULL, before);
  g_assert_cmpuint (f->frames->len, ==, 1);
  g_assert_cmpuint (polls_ready, ==, 1);
}

static void
test_urgent (Fixture *f, gconstpointer data)
{
  jkb_inbox_set_due (f->inbox, G_MAXINT64);
  push (f, 0, 1, JKB_FRAME_LIVE, FALSE);
  g_assert_false (turn ());
  push (f, 1, 1, JKB_FRAME_LIVE, TRUE);
  g_assert_cmpint (jkb_inbox_owed (f->inbox), ==, G_MAXINT64);
  g_assert_true (turn ());
  g_assert_cmpuint (f->frames->len, ==, 2);
}

/* A due moment moved earlier finds what the reader believes to have time for. */
static void
test_due_earlier (Fixture *f, gconstpointer data)
{
  jkb_inbox_set_due (f->inbox, G_MAXINT64);
  push (f, 0, 1, JKB_FRAME_LIVE, FALSE);
  jkb_inbox_wake (f->inbox, 5000);
  g_assert_false (turn ());
  jkb_inbox_set_due (f->inbox, 1000);
  g_assert_true (turn ());
  g_assert_cmpuint (f->frames->len, ==, 1);
}

static void
test_half_full (Fixture *f, gconstpointer data)
{
  jkb_inbox_set_due (f->inbox, G_MAXINT64);
  for (guint i = 0; i < 31; i++)
    push (f, i, 1, JKB_FRAME_LIVE, FALSE);
  g_assert_false (turn ());
  g_assert_false (jkb_inbox_is_crowded (f->inbox));
  push (f, 31, 1, JKB_FRAME_LIVE, FALSE);
  g_assert_true (jkb_inbox_is_crowded (f->inbox));
  g_assert_true (turn ());
  g_assert_cmpuint (f->frames->len, ==, 32);
}

/* 64 fit; of the others the newest of each address and type survives, and the rest is counted. */
static void
test_overrun (Fixture *f, gconstpointer data)
{
  guint32 expected[64 + 4];

  for (guint32 i = 0; i < 64; i++)
    push (f, expected[i] = i, 1, JKB_FRAME_LIVE, FALSE);
  push (f, 64, 1, JKB_FRAME_LIVE, FALSE);
  push (f, 65, 1, JKB_FRAME_LIVE, FALSE);
  push (f, 66, 1, JKB_FRAME_SETTINGS, FALSE);
  push (f, 67, 200, JKB_FRAME_LIVE, FALSE);
  push (f, 68, 201, JKB_FRAME_LIVE, FALSE);
  push (f, 69, 2, 77, FALSE);
  expected[64] = 66;
  expected[65] = 65;
  expected[66] = 69;
  expected[67] = 68;
  g_assert_true (turn ());
  assert_sequences (f, expected, 68);
  g_assert_cmpuint (jkb_inbox_get_overruns (f->inbox), ==, 2);
}

/* A frame that waited in a slot while newer ones went through the ring is not delivered late; the
 * numbers wrap. */
static void
test_no_way_back (Fixture *f, gconstpointer data)
{
  const guint32 first = G_MAXUINT32 - 63;

  for (guint32 i = 0; i < 64; i++)
    push (f, first + i, 1, JKB_FRAME_SETTINGS, FALSE);
  push (f, 0, 1, JKB_FRAME_LIVE, FALSE);
  g_assert_true (turn ());
  g_assert_cmpuint (f->frames->len, ==, 65);
  push (f, 1, 1, JKB_FRAME_LIVE, TRUE);
  push (f, 0, 1, JKB_FRAME_LIVE, TRUE);
  g_assert_true (turn ());
  g_assert_cmpuint (f->frames->len, ==, 66);
  g_assert_cmpuint (g_array_index (f->frames, guint32, 65), ==, 1);
  g_assert_cmpuint (jkb_inbox_get_overruns (f->inbox), ==, 1);
}

/* "down" comes behind the frames that were pushed before it. */
static void
test_status_order (Fixture *f, gconstpointer data)
{
  const JkbLinkStatus up = { .state = JKB_LINK_UP };
  const JkbLinkStatus down = { .state = JKB_LINK_DOWN, .error = "gone" };

  jkb_inbox_set_due (f->inbox, G_MAXINT64);
  jkb_inbox_push_status (f->inbox, &up);
  push (f, 0, 1, JKB_FRAME_LIVE, FALSE);
  jkb_inbox_push_status (f->inbox, &down);
  g_assert_true (turn ());
  g_assert_cmpuint (f->n_status, ==, 1);
  g_assert_cmpuint (f->frames_at_status, ==, 1);
  g_assert_cmpstr (f->status.error, ==, "gone");
  g_assert_false (turn ());
}

/* ---- two threads ---- */

typedef struct
{
  Fixture *fixture;
  _Atomic gboolean done;
} Stress;

/* A reader as it is meant to be: pushes, wakes, and sleeps no longer than it owes. */
static gpointer
stress_thread (gpointer data)
{
  Stress *stress = data;
  JkbInbox *inbox = stress->fixture->inbox;

  for (guint32 i = 0; i < N_STRESS; i++)
    {
      JkbFrame frame = { .sequence = i, .address = (guint8) (i % 20), .type = (guint8) (i % 5) };

      memset (frame.data, (int) (i & 0xFF), sizeof frame.data);
      jkb_inbox_push (inbox, &frame, i % 1000 == 0);
      jkb_inbox_wake (inbox, g_get_monotonic_time ());
      if (i % 40 == 0)
        sched_yield ();
    }
  while (jkb_inbox_owed (inbox) != G_MAXINT64)
    {
      gint64 left_us = jkb_inbox_owed (inbox) - g_get_monotonic_time ();

      if (left_us > 0)
        g_usleep ((gulong) MIN (left_us, 1000));
      jkb_inbox_wake (inbox, g_get_monotonic_time ());
    }
  stress->done = TRUE;
  g_main_context_wakeup (NULL);
  return NULL;
}

static guint64 n_delivered;
static guint32 last_of[256][8];

static void
check_frame (const JkbFrame *frame, gpointer user_data)
{
  guint32 *last = &last_of[frame->address][frame->type];

  for (guint i = 0; i < JKB_FRAME_SIZE; i++)
    g_assert_cmpuint (frame->data[i], ==, frame->sequence & 0xFF);
  g_assert_cmpuint (frame->sequence + 1, >, *last);
  *last = frame->sequence + 1;
  n_delivered++;
}

static void
plan_next (gpointer user_data)
{
  Fixture *f = user_data;

  jkb_inbox_set_due (f->inbox, g_get_monotonic_time () + g_random_int_range (0, 3000));
}

/* No frame is torn or goes back in time, none vanishes uncounted, and the newest of each address
 * and type arrives by itself: the loop is not turned but by the inbox. */
static void
test_stress (void)
{
  Fixture f = { .inbox = jkb_inbox_new () };
  Stress stress = { &f, FALSE };
  GThread *thread;

  jkb_inbox_attach (f.inbox, check_frame, on_status, plan_next, &f);
  thread = g_thread_new ("stress", stress_thread, &stress);
  while (!stress.done)
    g_main_context_iteration (NULL, TRUE);
  g_thread_join (thread);
  while (turn ())
    continue;
  g_assert_cmpuint (n_delivered + jkb_inbox_get_overruns (f.inbox), ==, N_STRESS);
  for (guint32 i = N_STRESS - 20; i < N_STRESS; i++)
    g_assert_cmpuint (last_of[i % 20][i % 5], ==, i + 1);
  g_test_message ("%" G_GUINT64_FORMAT " delivered, %" G_GUINT64_FORMAT " overruns", n_delivered,
                  jkb_inbox_get_overruns (f.inbox));
  jkb_inbox_free (f.inbox);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)
  ADD ("/inbox/due", test_due);
  ADD ("/inbox/due-earlier", test_due_earlier);
  ADD ("/inbox/one-turn", test_one_turn);
  ADD ("/inbox/urgent", test_urgent);
  ADD ("/inbox/half-full", test_half_full);
  ADD ("/inbox/overrun", test_overrun);
  ADD ("/inbox/no-way-back", test_no_way_back);
  ADD ("/inbox/status-order", test_status_order);
  g_test_add_func ("/inbox/stress", test_stress);
  return g_test_run ();
}
