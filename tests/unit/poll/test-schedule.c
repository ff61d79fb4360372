/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The schedule of a polled bus under a virtual clock: fairness, absent addresses, changes while
 * running.
 */
#include <math.h>
#include <string.h>

#include "poll/jkb-schedule.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define ANSWERED_US (170 * 1000)  /* request, frame, ACK, gap */
#define MISSED_US (270 * 1000)    /* reply timeout, gap */

typedef struct
{
  JkbSchedule schedule;
  gint64 now_us;
  guint16 there;        /* bit: that address answers */
  guint16 lazy;         /* bit: only every third time */
  guint lazy_count;
  gint64 last_live_us[JKB_N_ADDRESSES];
  gint64 worst_us[JKB_N_ADDRESSES];
  guint n_live[JKB_N_ADDRESSES], n_settings[JKB_N_ADDRESSES], n_info[JKB_N_ADDRESSES];
  gint64 probing_us;
  gboolean asked_zero;
} World;

static World *
world_new (guint16 addresses, guint16 there, gboolean listed)
{
  World *w = g_new0 (World, 1);
  JkbScheduleConfig config = { .addresses = addresses,
                               .listed = listed,
                               .poll_interval = 2,
                               .settings_interval = 60,
                               .info_interval = 3600,
                               .probe_cost = MISSED_US / 1e6 };

  w->there = there;
  jkb_schedule_init (&w->schedule, &config);
  jkb_schedule_start (&w->schedule, 0);
  return w;
}

static gboolean
answers (World *w, guint address, JkbGroup group)
{
  if ((w->there & (1u << address)) == 0)
    return FALSE;
  if ((w->lazy & (1u << address)) != 0 && group == JKB_GROUP_LIVE)
    return w->lazy_count++ % 3 == 0;
  return TRUE;
}

static void
note_answer (World *w, guint address, JkbGroup group)
{
  if (group == JKB_GROUP_SETTINGS)
    w->n_settings[address]++;
  if (group == JKB_GROUP_INFO)
    w->n_info[address]++;
  if (group != JKB_GROUP_LIVE)
    return;
  if (w->last_live_us[address] != 0)
    w->worst_us[address] = MAX (w->worst_us[address], w->now_us - w->last_live_us[address]);
  w->last_live_us[address] = w->now_us;
  w->n_live[address]++;
}

static void
run_until (World *w, gint64 end_us)
{
  while (w->now_us < end_us)
    {
      guint address;
      JkbGroup group;
      gint64 until_us;

      if (!jkb_schedule_pick (&w->schedule, w->now_us, &address, &group, &until_us))
        {
          g_assert_cmpint (until_us, >, w->now_us);
          w->now_us = MIN (until_us, end_us);
          continue;
        }
      w->asked_zero = w->asked_zero || address == 0;
      if (answers (w, address, group))
        {
          w->now_us += ANSWERED_US;
          note_answer (w, address, group);
          jkb_schedule_answered (&w->schedule, address, group, w->now_us);
        }
      else
        {
          if (!w->schedule.entries[address].present)
            w->probing_us += MISSED_US;
          w->now_us += MISSED_US;
          jkb_schedule_missed (&w->schedule, address, group, w->now_us);
        }
    }
}

static void
settle (World *w)
{
  run_until (w, 60 * SECOND);
  memset (w->worst_us, 0, sizeof w->worst_us);
  memset (w->n_live, 0, sizeof w->n_live);
  w->probing_us = 0;
}

static double
mean_period (World *w, guint16 mask, double seconds)
{
  guint live = 0, bms = 0;

  for (guint a = 0; a < JKB_N_ADDRESSES; a++)
    if ((mask & (1u << a)) != 0)
      {
        live += w->n_live[a];
        bms++;
      }
  return seconds * bms / live;
}

static void
test_sixteen_stay_fresh (void)
{
  g_autofree World *w = world_new (0xffff, 0xffff, TRUE);

  settle (w);
  run_until (w, 660 * SECOND);
  for (guint a = 0; a < JKB_N_ADDRESSES; a++)
    {
      /* 16 live frames, and now and then a settings frame in between */
      g_assert_cmpint (w->worst_us[a], <=, (gint64) (16 * ANSWERED_US * 1.2));
      g_assert_cmpuint (w->n_settings[a], >=, 8);
      g_assert_cmpuint (w->n_info[a], >=, 1);
    }
}

static void
test_absent_cost_little (void)
{
  g_autofree World *all = world_new (0x7e, 0x7e, TRUE);
  g_autofree World *auto_world = world_new (0xffff, 0x7e, FALSE);
  double listed, found;

  settle (all);
  run_until (all, 660 * SECOND);
  settle (auto_world);
  run_until (auto_world, 660 * SECOND);
  listed = mean_period (all, 0x7e, 600);
  found = mean_period (auto_world, 0x7e, 600);
  g_assert_cmpfloat (found, <=, listed * 1.02);
  g_assert_cmpint (auto_world->probing_us, <, 600 * SECOND * 2 / 100 + MISSED_US);
}

static void
test_lazy_one_slows_nobody (void)
{
  g_autofree World *good = world_new (0xffff, 0xffff, TRUE);
  g_autofree World *lazy = world_new (0xffff, 0xffff, TRUE);
  guint16 others = 0xffff & ~(1u << 5);

  lazy->lazy = 1u << 5;
  settle (good);
  run_until (good, 660 * SECOND);
  settle (lazy);
  run_until (lazy, 660 * SECOND);
  g_assert_cmpfloat (mean_period (lazy, others, 600), <=, mean_period (good, others, 600) * 1.1);
  g_assert_true (lazy->schedule.entries[5].present);
}

static void
test_comes_and_goes (void)
{
  g_autofree World *w = world_new (0xffff, 0x06, FALSE);

  run_until (w, 60 * SECOND);
  g_assert_true (w->schedule.entries[1].present && w->schedule.entries[2].present);
  w->there = 0x08; /* both leave, one renumbered to 3 */
  run_until (w, 180 * SECOND);
  g_assert_false (w->schedule.entries[1].present || w->schedule.entries[2].present);
  g_assert_true (w->schedule.entries[3].present);
  w->there = 0x0a;
  jkb_schedule_scan (&w->schedule, w->now_us);
  run_until (w, 190 * SECOND);
  g_assert_true (w->schedule.entries[1].present);
}

/* Protocol §9, 21: nobody knows what a request to 0 does where slaves are. */
static void
test_zero_only_where_allowed (void)
{
  g_autofree World *slaves = world_new (0xffff, 0x02, FALSE);
  g_autofree World *listed = world_new (0x03, 0x03, TRUE);
  g_autofree World *alone = world_new (0xffff, 0x01, FALSE);

  run_until (slaves, 30 * SECOND);
  slaves->asked_zero = FALSE;
  run_until (slaves, 3600 * SECOND);
  g_assert_false (slaves->asked_zero);
  run_until (listed, 30 * SECOND);
  g_assert_true (listed->schedule.entries[0].present);
  run_until (alone, 60 * SECOND);
  g_assert_true (alone->schedule.entries[0].present);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/schedule/sixteen-stay-fresh", test_sixteen_stay_fresh);
  g_test_add_func ("/schedule/absent-cost-little", test_absent_cost_little);
  g_test_add_func ("/schedule/lazy-one-slows-nobody", test_lazy_one_slows_nobody);
  g_test_add_func ("/schedule/comes-and-goes", test_comes_and_goes);
  g_test_add_func ("/schedule/zero-only-where-allowed", test_zero_only_where_allowed);
  return g_test_run ();
}
