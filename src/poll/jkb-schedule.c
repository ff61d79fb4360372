/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The schedule of a polled bus. Reader thread; pure.
 */
#include "poll/jkb-schedule.h"

#include <string.h>

#define PROBE_SHARE 0.02           /* of the bus time, for addresses that do not answer */
#define MISSES_UNTIL_ABSENT 5      /* a BMS that answers every third time stays */
#define SCAN_ROUNDS 2
#define SEARCH_PAUSE_US (600 * G_USEC_PER_SEC) /* keeps searches within the share as well */
#define EMPTY_SCAN_US (30 * G_USEC_PER_SEC) /* nobody answers: look again after that */
#define LIVE_PER_SLOW 6            /* live questions between two for settings or info */
#define INFO_TRIES 3               /* firmware 15.36 and later need asking up to three times */
#define INFO_RETRY_US (600 * G_USEC_PER_SEC)

static gint64
to_us (double seconds)
{
  return (gint64) (seconds * G_USEC_PER_SEC);
}

static gint64
interval_us (const JkbSchedule *self, JkbGroup group)
{
  const double intervals[JKB_N_GROUPS] = { self->config.poll_interval,
                                           self->config.settings_interval,
                                           self->config.info_interval };

  return to_us (intervals[group]);
}

guint
jkb_schedule_count_present (const JkbSchedule *self)
{
  guint n = 0;

  for (guint address = 0; address < JKB_N_ADDRESSES; address++)
    n += self->entries[address].present ? 1 : 0;
  return n;
}

/* Address 0 is a broadcast to some: it is asked only where it was listed, or where nobody else
 * answers (the RS485-1 port of a single BMS). */
static gboolean
may_ask (const JkbSchedule *self, guint address)
{
  if ((self->config.addresses & (1u << address)) == 0)
    return FALSE;
  return address != 0 || self->config.listed || self->entries[0].present
         || jkb_schedule_count_present (self) == 0;
}

void
jkb_schedule_init (JkbSchedule *self, const JkbScheduleConfig *config)
{
  memset (self, 0, sizeof *self);
  self->config = *config;
}

void
jkb_schedule_scan (JkbSchedule *self, gint64 now_us)
{
  self->scan_left = SCAN_ROUNDS * JKB_N_ADDRESSES;
  self->probe_next = 1;
}

void
jkb_schedule_configure (JkbSchedule *self, const JkbScheduleConfig *config, gint64 now_us)
{
  gboolean other_addresses = config->addresses != self->config.addresses;

  self->config = *config;
  for (guint address = 0; address < JKB_N_ADDRESSES; address++)
    {
      JkbScheduleEntry *entry = &self->entries[address];

      entry->present = entry->present && (config->addresses & (1u << address)) != 0;
      for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
        {
          gint64 latest_us = now_us + interval_us (self, group);

          entry->due_us[group] = MIN (entry->due_us[group], latest_us);
          entry->deadline_us[group]
              = MIN (entry->deadline_us[group], latest_us + interval_us (self, JKB_GROUP_LIVE));
        }
    }
  if (other_addresses)
    jkb_schedule_scan (self, now_us);
}

void
jkb_schedule_start (JkbSchedule *self, gint64 now_us)
{
  self->credit_us = 0;
  self->credit_at_us = now_us;
  for (guint address = 0; address < JKB_N_ADDRESSES; address++)
    jkb_schedule_refresh (self, address, now_us);
  jkb_schedule_scan (self, now_us);
}

void
jkb_schedule_refresh (JkbSchedule *self, guint address, gint64 now_us)
{
  JkbScheduleEntry *entry = &self->entries[address];

  entry->misses = 0;
  entry->info_tries = 0;
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    {
      entry->due_us[group] = now_us;
      /* What was never read must not wait until the end of its long interval. */
      entry->deadline_us[group] = now_us + interval_us (self, JKB_GROUP_LIVE) * (1 + group);
    }
}

/* ---- picking ---- */

/* Of the groups first..last, the question with the earliest deadline. */
static gboolean
pick_earliest (JkbSchedule *self, gint64 now_us, JkbGroup first, JkbGroup last, guint *best_address,
               JkbGroup *best_group, gint64 *until_us)
{
  gint64 best_us = G_MAXINT64;

  for (guint address = 0; address < JKB_N_ADDRESSES; address++)
    for (JkbGroup group = first; group <= last; group++)
      {
        const JkbScheduleEntry *entry = &self->entries[address];

        if (!entry->present)
          continue;
        if (entry->due_us[group] > now_us)
          *until_us = MIN (*until_us, entry->due_us[group]);
        else if (entry->deadline_us[group] < best_us)
          {
            best_us = entry->deadline_us[group];
            *best_address = address;
            *best_group = group;
          }
      }
  return best_us != G_MAXINT64;
}

/* Settings and info of many BMS fall due together: they are let in one at a time, so that the live
 * data of nobody waits for all of them. */
static gboolean
pick_due (JkbSchedule *self, gint64 now_us, guint *address, JkbGroup *group, gint64 *until_us)
{
  guint slow_address = 0;
  JkbGroup slow_group = JKB_GROUP_SETTINGS;
  gboolean live = pick_earliest (self, now_us, JKB_GROUP_LIVE, JKB_GROUP_LIVE, address, group,
                                 until_us);
  gboolean slow = pick_earliest (self, now_us, JKB_GROUP_SETTINGS, JKB_GROUP_INFO, &slow_address,
                                 &slow_group, until_us);

  if (slow && (!live || self->live_in_a_row >= LIVE_PER_SLOW))
    {
      *address = slow_address;
      *group = slow_group;
      self->live_in_a_row = 0;
      return TRUE;
    }
  self->live_in_a_row += live ? 1 : 0;
  return live;
}

/* The next address that is not there and may be asked. */
static gboolean
next_absent (JkbSchedule *self, guint *address)
{
  for (guint i = 0; i < JKB_N_ADDRESSES; i++)
    {
      guint candidate = (self->probe_next + i) % JKB_N_ADDRESSES;

      if (self->entries[candidate].present || !may_ask (self, candidate))
        continue;
      self->probe_next = (candidate + 1) % JKB_N_ADDRESSES;
      *address = candidate;
      return TRUE;
    }
  return FALSE;
}

static gboolean
probe_allowed (JkbSchedule *self, gint64 now_us, gint64 *until_us)
{
  gint64 cost_us = to_us (self->config.probe_cost);
  gboolean alone = jkb_schedule_count_present (self) == 0;
  double share = alone ? (double) JKB_N_ADDRESSES * cost_us / EMPTY_SCAN_US : PROBE_SHARE;

  if (self->scan_left > 0)
    {
      self->scan_left--;
      return TRUE;
    }
  self->credit_us += (gint64) ((now_us - self->credit_at_us) * share);
  self->credit_us = MIN (self->credit_us, 2 * cost_us);
  self->credit_at_us = now_us;
  if (self->credit_us >= cost_us)
    {
      self->credit_us -= cost_us;
      return TRUE;
    }
  *until_us = MIN (*until_us, now_us + (gint64) ((cost_us - self->credit_us) / share) + 1000);
  return FALSE;
}

gboolean
jkb_schedule_pick (JkbSchedule *self, gint64 now_us, guint *address, JkbGroup *group,
                   gint64 *until_us)
{
  gboolean due;

  *until_us = G_MAXINT64;
  due = pick_due (self, now_us, address, group, until_us);

  /* While a scan runs, questions and probes take turns: known BMS stay fresh. */
  if ((!due || self->scan_left % 2 == 1 || self->scan_left == 0)
      && probe_allowed (self, now_us, until_us))
    {
      guint absent;

      if (next_absent (self, &absent))
        {
          *address = absent;
          *group = JKB_GROUP_LIVE;
          return TRUE;
        }
      self->scan_left = 0;
    }
  else if (due && self->scan_left > 0)
    self->scan_left--;
  return due;
}

/* ---- how it went ---- */

void
jkb_schedule_answered (JkbSchedule *self, guint address, JkbGroup group, gint64 now_us)
{
  JkbScheduleEntry *entry = &self->entries[address];

  if (!entry->present)
    {
      entry->present = TRUE;
      jkb_schedule_refresh (self, address, now_us);
    }
  if (group == JKB_GROUP_LIVE)
    entry->misses = 0;
  if (group == JKB_GROUP_INFO)
    entry->info_tries = 0;
  /* Counted from when it fell due, so that the pace is kept; never a backlog. */
  entry->due_us[group] = MAX (entry->due_us[group] + interval_us (self, group), now_us);
  entry->deadline_us[group] = entry->due_us[group] + interval_us (self, group);
}

/* A BMS that goes may have changed its address: a scan finds it soon. */
static void
search (JkbSchedule *self, gint64 now_us)
{
  if (self->scan_left > 0
      || (self->searched_us != 0 && now_us - self->searched_us < SEARCH_PAUSE_US))
    return;
  self->searched_us = now_us;
  jkb_schedule_scan (self, now_us);
}

void
jkb_schedule_missed (JkbSchedule *self, guint address, JkbGroup group, gint64 now_us)
{
  JkbScheduleEntry *entry = &self->entries[address];

  if (!entry->present)
    return;
  switch (group)
    {
    case JKB_GROUP_INFO:
      /* Asked again at once: the firmware answers what follows another command closely. */
      if (++entry->info_tries < INFO_TRIES)
        return;
      entry->info_tries = 0;
      entry->due_us[group] = now_us + MIN (INFO_RETRY_US, interval_us (self, group));
      break;
    case JKB_GROUP_LIVE:
      if (++entry->misses >= MISSES_UNTIL_ABSENT)
        {
          entry->present = FALSE;
          search (self, now_us);
        }
      /* A single lost answer is asked for again when nobody else waits. */
      entry->due_us[group] = now_us + (entry->misses > 1 ? interval_us (self, group) : 0);
      entry->deadline_us[group] = now_us + 2 * interval_us (self, group);
      return;
    default:
      entry->due_us[group] = now_us + 2 * interval_us (self, JKB_GROUP_LIVE);
      break;
    }
  entry->deadline_us[group] = entry->due_us[group] + interval_us (self, group);
}
