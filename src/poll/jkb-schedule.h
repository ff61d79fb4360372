/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What is asked next on a polled bus: of everything that is due, what has to be done first
 * (earliest deadline), so that no BMS starves and a bus that is too full slows all of them alike.
 * Settings and info take at most one question in seven while live data waits.
 * Addresses that do not answer are probed within 2 % of the bus time. Pure; reader thread.
 */
#pragma once

#include "wire/jkb-frame.h"

G_BEGIN_DECLS

typedef struct
{
  guint16 addresses;   /* bit n: address n may be there */
  gboolean listed;     /* addresses were listed, so address 0 may be asked (protocol §9, 21) */
  double poll_interval; /* s */
  double settings_interval;
  double info_interval;
  double probe_cost; /* s that an unanswered request takes, gap included */
} JkbScheduleConfig;

typedef struct
{
  gboolean present;
  guint8 misses;           /* live requests in a row without an answer */
  guint8 info_tries;
  gint64 due_us[JKB_N_GROUPS];
  gint64 deadline_us[JKB_N_GROUPS];
} JkbScheduleEntry;

typedef struct
{
  JkbScheduleConfig config;
  JkbScheduleEntry entries[JKB_N_ADDRESSES];
  guint live_in_a_row;   /* live questions since the last other one */
  guint scan_left;       /* probes of the running scan */
  gint64 searched_us;    /* when a BMS was last looked for that had gone, 0: never */
  guint probe_next;      /* address */
  gint64 credit_us;      /* bus time that probes may take */
  gint64 credit_at_us;
} JkbSchedule;

void jkb_schedule_init (JkbSchedule *self, const JkbScheduleConfig *config);

/* Nothing is due later than one of the new intervals from now; new addresses are looked for. */
void jkb_schedule_configure (JkbSchedule *self, const JkbScheduleConfig *config, gint64 now_us);

/* Polling begins: look for everybody, ask everybody. */
void jkb_schedule_start (JkbSchedule *self, gint64 now_us);

/**
 * jkb_schedule_pick:
 * Returns: whether something is to be asked now; else *until_us says when
 */
gboolean jkb_schedule_pick (JkbSchedule *self, gint64 now_us, guint *address, JkbGroup *group,
                            gint64 *until_us);

/* How the question went. */
void jkb_schedule_answered (JkbSchedule *self, guint address, JkbGroup group, gint64 now_us);
void jkb_schedule_missed (JkbSchedule *self, guint address, JkbGroup group, gint64 now_us);

void jkb_schedule_refresh (JkbSchedule *self, guint address, gint64 now_us);
void jkb_schedule_scan (JkbSchedule *self, gint64 now_us);

guint jkb_schedule_count_present (const JkbSchedule *self);

G_END_DECLS
