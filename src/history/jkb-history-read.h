/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Reading: from the database, then from what is still in the journal. Store thread; time comes in
 * as an argument.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>

#include "history/jkb-history-db.h"
#include "history/jkb-history.h"
#include "history/jkb-journal.h"

G_BEGIN_DECLS

/* Where samples are, and the time of now. */
typedef struct
{
  JkbHistoryDb *db;
  JkbJournal *journal;
  guint32 position; /* of the first record that is not in the database */
  gint64 realtime_us, monotonic_us;
  gint64 slept_us; /* since the last commit: the monotonic clock stood still meanwhile */
  gboolean synchronized; /* the wall clock comes from a source that can be trusted */
  const atomic_bool *stop; /* (nullable): the answer is not wanted any more */
} JkbHistorySource;

#define JKB_HISTORY_CLOSING "the history is being closed; try again when it is open"

typedef enum
{
  JKB_DATED,
  JKB_UNDATED,  /* the clock is not set yet */
  JKB_UNDATABLE /* it was not, and that was in an earlier boot */
} JkbDating;

/* @stamp_us: (out): µs since 1970; monotonic where that is not known yet. @position: behind @record
 */
JkbDating jkb_history_date (const JkbHistorySource *source, const JkbRecord *record,
                            guint32 position, gint64 *stamp_us);

/* What a record, sample or control, says about what receivers missed. */
void jkb_history_apply_outage (const JkbHistorySource *source, const JkbRecord *record,
                               guint32 position, GArray *outages);

typedef struct
{
  char id[JKB_HISTORY_ID_SIZE];
  JkbFieldId field;
  guint item; /* of a list */
  gint64 from_us, to_us;
  guint points; /* 1..JKB_HISTORY_MAX_POINTS */
  guint max_samples; /* that may be read for it */
} JkbHistoryQuestion;

/* Returns: (element-type JkbHistoryPoint) (nullable): with %JKB_ERROR_IO; %JKB_ERROR_BUSY: stopped;
 * %JKB_ERROR_INVALID_ARGUMENT: more samples than may be read */
GArray *jkb_history_read_points (const JkbHistorySource *source, const JkbHistoryQuestion *question,
                                 GError **error);

/* @outages: (element-type JkbOutage): those of the database. Returns: (nullable): with
 * %JKB_ERROR_IO */
JkbHistoryBatch *jkb_history_read_missed (const JkbHistorySource *source, const GArray *outages,
                                          gint64 after_us, guint max, GError **error);

G_END_DECLS
