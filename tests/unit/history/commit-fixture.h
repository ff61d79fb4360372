/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Journal and database under a virtual clock, for the tests of what is done with them.
 */
#pragma once

#include "history-fixture.h"
#include "history/jkb-history-commit.h"

#define BOOT_US (100 * SECOND) /* the monotonic clock at NEW_YEAR */
#define DAY (24 * HOUR)

typedef struct
{
  char *directory;
  char *journal_path, *database_path;
  JkbHistorySource source;
  GArray *outages;
  JkbHistoryLimits limits;
  JkbHistoryCommit result;
} Fixture;

void close_all (Fixture *f);
/* What a start does. */
void open_all (Fixture *f);
/* Both clocks. */
void set_time (Fixture *f, gint64 time_us);
void set_up (Fixture *f, gconstpointer data);
void tear_down (Fixture *f, gconstpointer data);
void add_at (Fixture *f, const char *id, gint64 realtime_us, gint64 monotonic_us, guint millivolt);
void add (Fixture *f, const char *id, gint64 time_us, guint millivolt);
void control (Fixture *f, JkbRecordKind kind, const char *id, gint64 first_us, gint64 second_us);
void outage (Fixture *f, gint64 begin_us, gint64 end_us);
void commit_only (Fixture *f);
/* With the release. */
void commit (Fixture *f);
/* Commits as often as it takes. */
void let_pass (Fixture *f, gint64 to_us);
/* Values of the first cell: (element-type JkbHistoryPoint) */
GArray *ask (Fixture *f, const char *id, gint64 from_us, gint64 to_us, guint points);
guint count (Fixture *f, const char *id, gint64 from_us, gint64 to_us);
guint count_all (Fixture *f, const char *id);
JkbHistoryBatch *read_missed (Fixture *f, gint64 after_us, guint max);
/* All batches, in order over all BMS, each once, whatever was committed and thinned meanwhile. */
guint read_all_missed (Fixture *f, guint max, gint64 from_us, gint64 to_us);
/* A sample that does not compress. */
void add_noise (Fixture *f, gint64 time_us, GRand *rand);
