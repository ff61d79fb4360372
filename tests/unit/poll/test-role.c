/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Who may talk, under a virtual clock.
 */
#include "poll/jkb-role.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

static JkbRoleMachine
machine (JkbMode mode, guint32 seed)
{
  JkbRoleMachine m;

  jkb_role_init (&m, mode, 30, seed);
  jkb_role_set_link (&m, TRUE, 0);
  return m;
}

static void
test_silence_means_polling (void)
{
  for (guint32 seed = 1; seed < 1000; seed++)
    {
      JkbRoleMachine m = machine (JKB_MODE_AUTO, seed);
      gint64 at = jkb_role_update (&m, 0);

      g_assert_cmpint (at, >=, 30 * SECOND);
      g_assert_cmpint (at, <=, 45 * SECOND);
      jkb_role_update (&m, at - 1);
      g_assert_false (jkb_role_may_talk (&m));
      jkb_role_update (&m, at);
      g_assert_true (jkb_role_may_talk (&m));
    }
}

/* A BMS master sends something every 0.4 s: three days of it. */
static void
test_master_keeps_us_silent_for_days (void)
{
  JkbRoleMachine m = machine (JKB_MODE_AUTO, 7);

  for (gint64 now = 0; now < 3 * 86400 * SECOND; now += SECOND * 2 / 5)
    {
      jkb_role_hear_foreign (&m, now);
      jkb_role_update (&m, now + 1);
      g_assert_false (jkb_role_may_talk (&m));
    }
  jkb_role_update (&m, 3 * 86400 * SECOND + 46 * SECOND);
  g_assert_true (jkb_role_may_talk (&m));
}

static void
test_yields_at_the_first_record (void)
{
  JkbRoleMachine m = machine (JKB_MODE_AUTO, 3);
  gint64 now = jkb_role_update (&m, 0);

  jkb_role_update (&m, now);
  g_assert_cmpint (m.role, ==, JKB_ROLE_POLLING);
  jkb_role_hear_foreign (&m, now + 5 * SECOND);
  g_assert_cmpint (m.role, ==, JKB_ROLE_YIELDING);
  g_assert_false (jkb_role_may_talk (&m));
  jkb_role_hear_foreign (&m, now + 7 * SECOND);
  g_assert_cmpint (m.role, ==, JKB_ROLE_LISTENING);
  jkb_role_update (&m, now + 36 * SECOND);
  g_assert_false (jkb_role_may_talk (&m));
}

static void
test_yielding_ends_after_a_full_silence (void)
{
  JkbRoleMachine m = machine (JKB_MODE_AUTO, 3);
  gint64 now = jkb_role_update (&m, 0), again;

  jkb_role_update (&m, now);
  jkb_role_hear_foreign (&m, now + SECOND);
  again = jkb_role_update (&m, now + SECOND);
  g_assert_cmpint (again, >=, now + 31 * SECOND);
  jkb_role_update (&m, again);
  g_assert_true (jkb_role_may_talk (&m));
}

static void
test_listen_never_talks (void)
{
  JkbRoleMachine m = machine (JKB_MODE_LISTEN, 1);

  g_assert_cmpint (jkb_role_update (&m, 86400 * SECOND), ==, G_MAXINT64);
  g_assert_false (jkb_role_may_talk (&m));
}

static void
test_poll_begins_soon_but_yields (void)
{
  JkbRoleMachine m = machine (JKB_MODE_POLL, 1);

  g_assert_cmpint (jkb_role_update (&m, 0), ==, SECOND);
  jkb_role_hear_foreign (&m, SECOND / 2);
  g_assert_cmpint (jkb_role_update (&m, SECOND / 2), >=, 30 * SECOND);
}

static void
test_link_loss_forgets (void)
{
  JkbRoleMachine m = machine (JKB_MODE_AUTO, 1);

  jkb_role_update (&m, 50 * SECOND);
  jkb_role_set_link (&m, FALSE, 60 * SECOND);
  g_assert_cmpint (m.role, ==, JKB_ROLE_IDLE);
  jkb_role_set_link (&m, TRUE, 70 * SECOND);
  jkb_role_update (&m, 99 * SECOND);
  g_assert_false (jkb_role_may_talk (&m));
}

/* Two daemons on one bus hear each other's requests: after some rounds exactly one polls. */
static void
test_two_settle_on_one (void)
{
  for (guint32 seed = 1; seed < 500; seed++)
    {
      JkbRoleMachine a = machine (JKB_MODE_AUTO, seed), b = machine (JKB_MODE_AUTO, seed * 77 + 5);
      guint both = 0;

      for (gint64 now = 0; now < 600 * SECOND; now += SECOND / 10)
        {
          gboolean a_talks, b_talks;

          jkb_role_update (&a, now);
          jkb_role_update (&b, now);
          a_talks = jkb_role_may_talk (&a);
          b_talks = jkb_role_may_talk (&b);
          both = a_talks && b_talks ? both + 1 : both;
          if (a_talks)
            jkb_role_hear_foreign (&b, now);
          if (b_talks)
            jkb_role_hear_foreign (&a, now);
        }
      g_assert_cmpuint (both, <=, 3);
      g_assert_true (jkb_role_may_talk (&a) != jkb_role_may_talk (&b));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/role/silence-means-polling", test_silence_means_polling);
  g_test_add_func ("/role/master-keeps-us-silent-for-days", test_master_keeps_us_silent_for_days);
  g_test_add_func ("/role/yields-at-the-first-record", test_yields_at_the_first_record);
  g_test_add_func ("/role/yielding-ends-after-a-full-silence",
                   test_yielding_ends_after_a_full_silence);
  g_test_add_func ("/role/listen-never-talks", test_listen_never_talks);
  g_test_add_func ("/role/poll-begins-soon-but-yields", test_poll_begins_soon_but_yields);
  g_test_add_func ("/role/link-loss-forgets", test_link_loss_forgets);
  g_test_add_func ("/role/two-settle-on-one", test_two_settle_on_one);
  return g_test_run ();
}
