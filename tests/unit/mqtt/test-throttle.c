/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * When a state goes, under a virtual clock.
 */
#include "mqtt/jkb-rate.h"
#include "mqtt/jkb-throttle.h"

#define SECOND G_USEC_PER_SEC

static void
test_leading_edge (void)
{
  JkbThrottle t = { 0, FALSE };

  g_assert_false (jkb_throttle_take (&t, 100 * SECOND, 5 * SECOND, FALSE));
  t.pending = TRUE;
  g_assert_true (jkb_throttle_take (&t, 100 * SECOND, 5 * SECOND, FALSE));
  t.pending = TRUE;
  g_assert_false (jkb_throttle_take (&t, 104 * SECOND, 5 * SECOND, FALSE));
  g_assert_cmpint (jkb_throttle_deadline (&t, 5 * SECOND), ==, 106 * SECOND);
  g_assert_true (jkb_throttle_take (&t, 105 * SECOND, 5 * SECOND, FALSE));
  g_assert_cmpint (jkb_throttle_deadline (&t, 5 * SECOND), ==, G_MAXINT64);
}

/* Ticks of a second that come a little early must not make six seconds of five. */
static void
test_does_not_beat (void)
{
  JkbThrottle t = { 0, FALSE };
  guint sent = 0;

  for (guint i = 0; i < 101; i++)
    {
      t.pending = TRUE;
      sent += jkb_throttle_take (&t, 100 * SECOND + i * SECOND - i % 3 * 20000, 5 * SECOND, FALSE);
    }
  g_assert_cmpuint (sent, ==, 21);
}

static void
test_urgent (void)
{
  JkbThrottle t = { 100 * SECOND, TRUE };

  g_assert_true (jkb_throttle_take (&t, 100 * SECOND + 1, 5 * SECOND, TRUE));
  g_assert_false (jkb_throttle_take (&t, 100 * SECOND + 2, 5 * SECOND, TRUE));
}

static void
test_every_frame (void)
{
  JkbThrottle t = { 0, FALSE };

  for (guint i = 1; i < 10; i++)
    {
      t.pending = TRUE;
      g_assert_true (jkb_throttle_take (&t, i, 0, FALSE));
    }
}

/* A burst goes at once, a flood at the even rate, and a rest brings back the burst. */
static void
test_rate (void)
{
  JkbRate rate = { 0 };
  gint64 now_us = 100 * SECOND;
  guint burst = 0, even = 0;

  while (jkb_rate_allows (&rate, now_us))
    jkb_rate_count (&rate, now_us), burst++;
  g_assert_cmpuint (burst, ==, JKB_RATE_BURST);
  for (guint i = 0; i < 200; i++)
    {
      now_us += JKB_RATE_RETRY_US;
      while (jkb_rate_allows (&rate, now_us))
        jkb_rate_count (&rate, now_us), even++;
    }
  g_assert_cmpuint (even, ==, 4000);
  now_us += SECOND;
  for (burst = 0; jkb_rate_allows (&rate, now_us); burst++)
    jkb_rate_count (&rate, now_us);
  g_assert_cmpuint (burst, ==, JKB_RATE_BURST);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mqtt/throttle/leading-edge", test_leading_edge);
  g_test_add_func ("/mqtt/throttle/does-not-beat", test_does_not_beat);
  g_test_add_func ("/mqtt/throttle/urgent", test_urgent);
  g_test_add_func ("/mqtt/throttle/every-frame", test_every_frame);
  g_test_add_func ("/mqtt/rate", test_rate);
  return g_test_run ();
}
