/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * From the journal into the database, in one transaction: samples as chunks, controls as what they
 * say, how far the journal was taken, and some tidying. Store thread; time comes in as an argument.
 */
#pragma once

#include "history/jkb-history-read.h"
#include "history/jkb-history-tidy.h"

G_BEGIN_DECLS

/* What one commit did. */
typedef struct
{
  guint64 lost;    /* samples that are damaged, or that nobody can date any more */
  gboolean damage; /* a record was damaged: the journal is skipped up to now */
  gboolean more;   /* more is to be tidied than was */
  GError *untidy;  /* (nullable): why nothing was tidied; the caller's to free */
} JkbHistoryCommit;

/**
 * jkb_history_begin_reading:
 *
 * Where the records begin that the database does not have: a kill between commit and release leaves
 * some in the journal that it has.
 */
guint32 jkb_history_begin_reading (JkbHistoryDb *db, JkbJournal *journal);

/* Whether nothing was ever committed to it: what was missed is not in it either. */
gboolean jkb_history_is_new (JkbHistoryDb *db);

/**
 * jkb_history_commit:
 * @source: its position is moved behind what was committed
 * @outages: (element-type JkbOutage): those of the database; changed with it
 *
 * The journal is not released: that is the caller's, once this has returned %TRUE. On failure
 * nothing has changed.
 */
gboolean jkb_history_commit (JkbHistorySource *source, GArray *outages,
                             const JkbHistoryLimits *limits, JkbHistoryCommit *result,
                             GError **error);

G_END_DECLS
