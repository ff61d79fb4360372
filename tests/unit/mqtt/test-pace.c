/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What was missed is sent as fast as the way to the broker allows, and no faster. The way is made
 * of arithmetic: a queue that a link of some speed empties.
 */
#include "mqtt/jkb-pace.h"

#define N_MESSAGES 500
#define BYTES 1700

static void
fill (JkbPace *pace, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      JkbMessage *message = jkb_message_new (JKB_MESSAGE_HISTORY, "t", "", 0);

      message->sequence = i + 1;
      g_queue_push_tail (&pace->waiting, message);
    }
}

static void
test_window (void)
{
  JkbPace pace = { .waiting = G_QUEUE_INIT };
  JkbMessage *message;

  jkb_pace_reset (&pace);
  g_assert_null (jkb_pace_take (&pace));
  fill (&pace, 3);
  message = jkb_pace_take (&pace);
  g_assert_cmpuint (message->sequence, ==, 1);
  jkb_pace_put_back (&pace, message);
  message = jkb_pace_take (&pace);
  g_assert_cmpuint (message->sequence, ==, 1);
  jkb_pace_sent (&pace);
  g_assert_null (jkb_pace_take (&pace)); /* nobody knows the way yet */
  jkb_pace_answered (&pace, 1000);
  for (guint i = 2; i <= 3; i++) /* with every answer to two one more */
    {
      g_free (message);
      message = jkb_pace_take (&pace);
      g_assert_cmpuint (message->sequence, ==, i);
      jkb_pace_sent (&pace);
    }
  g_free (message);
  g_assert_null (jkb_pace_take (&pace));
}

typedef struct
{
  const char *name;
  gint64 bytes_per_s;
  gint64 round_trip_us;
  gint64 later_us; /* the round trip once a fifth is answered; 0: the same */
} Way;

/* Sends all over that way. Returns: the longest time that a live message would have had to wait
 * behind them, once the way is known. */
static gint64
longest_wait (const Way *way, gint64 *took_us)
{
  JkbPace pace = { .waiting = G_QUEUE_INIT };
  GQueue flying = G_QUEUE_INIT; /* of gint64 *: sent, answered */
  gint64 now_us = 0, free_us = 0, longest_us = 0;
  guint n_answered = 0;
  JkbMessage *message;

  jkb_pace_reset (&pace);
  fill (&pace, N_MESSAGES);
  while (n_answered < N_MESSAGES)
    {
      g_autofree gint64 *first = NULL;
      gint64 round_trip_us = way->later_us != 0 && n_answered > N_MESSAGES / 5 ? way->later_us
                                                                               : way->round_trip_us;

      while ((message = jkb_pace_take (&pace)) != NULL)
        {
          gint64 *times = g_new (gint64, 2);

          g_free (message);
          jkb_pace_sent (&pace);
          free_us = MAX (free_us, now_us) + (gint64) BYTES * G_USEC_PER_SEC / way->bytes_per_s;
          times[0] = now_us;
          times[1] = free_us + round_trip_us;
          g_queue_push_tail (&flying, times);
          if (n_answered > 20)
            longest_us = MAX (longest_us, free_us - now_us);
        }
      first = g_queue_pop_head (&flying);
      now_us = MAX (now_us, first[1]);
      jkb_pace_answered (&pace, now_us - first[0]);
      n_answered++;
      g_assert_cmpuint (pace.in_flight, ==, flying.length);
      g_assert_cmpuint (pace.window, >=, 1);
      g_assert_cmpuint (pace.window, <=, JKB_PACE_MAX);
    }
  *took_us = now_us;
  return longest_us;
}

static void
test_ways (void)
{
  static const Way ways[] = {
    { "the same machine", 100 * 1000 * 1000, 200 },
    { "wireless", 1000 * 1000, 5000 },
    { "far away", 1000 * 1000, 150 * 1000 },
    { "slow and far away", 60 * 1000, 100 * 1000 },
    { "mobile", 30 * 1000, 60 * 1000 },
    { "slower for good", 1000 * 1000, 5 * 1000, 150 * 1000 },
    { "quicker for good", 1000 * 1000, 150 * 1000, 5 * 1000 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      gint64 took_us, least_us;
      gint64 wait_us = longest_wait (&ways[i], &took_us);

      /* What the way itself or the round trips take at the least. */
      least_us = MAX ((gint64) N_MESSAGES * BYTES * G_USEC_PER_SEC / ways[i].bytes_per_s,
                      N_MESSAGES / JKB_PACE_MAX
                          * MAX (ways[i].round_trip_us, ways[i].later_us));
      g_test_message ("%s: %.1f ms behind, %.0f messages/s", ways[i].name, (double) wait_us / 1000,
                      N_MESSAGES * 1e6 / (double) took_us);
      /* Even on a way on which one message takes long, there are no more than two of them. */
      g_assert_cmpint (wait_us, <=,
                       MAX (100 * 1000, 2 * (gint64) BYTES * G_USEC_PER_SEC / ways[i].bytes_per_s));
      g_assert_cmpint (took_us, <=, 4 * least_us);
    }
}

/* Another connection may take another way. */
static void
test_reset (void)
{
  JkbPace pace = { .waiting = G_QUEUE_INIT };

  jkb_pace_reset (&pace);
  for (guint i = 0; i < 200; i++)
    {
      jkb_pace_sent (&pace);
      jkb_pace_answered (&pace, 100);
    }
  g_assert_cmpuint (pace.window, ==, JKB_PACE_MAX);
  jkb_pace_sent (&pace);
  jkb_pace_answered (&pace, 100 * 1000);
  g_assert_cmpuint (pace.window, ==, JKB_PACE_MAX / 2);
  jkb_pace_sent (&pace);
  jkb_pace_reset (&pace);
  jkb_pace_answered (&pace, 100 * 1000); /* of the connection before: harmless */
  g_assert_cmpuint (pace.in_flight, ==, 0);
  jkb_pace_answered (&pace, 100 * 1000);
  g_assert_cmpuint (pace.window, ==, 2);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mqtt/pace/window", test_window);
  g_test_add_func ("/mqtt/pace/ways", test_ways);
  g_test_add_func ("/mqtt/pace/reset", test_reset);
  return g_test_run ();
}
