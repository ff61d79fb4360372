/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inside of JkbHistory, for its own files only. Main thread only.
 */
#pragma once

#include "history/jkb-history-store.h"

G_BEGIN_DECLS

struct _JkbHistory
{
  GObject parent_instance;

  char *state_dir; /* (nullable) */
  char *journal_path;
  char *own_dir;   /* (nullable): where the journal lies, to be removed with it */
  gboolean spent;  /* nothing is left in the journal */
  JkbHistoryConfig config;
  gboolean started;
  JkbHistoryStore *store; /* (nullable) */
  JkbJournal *journal;    /* (nullable): .store's, once it has opened it */
  gboolean leaving;       /* .store was asked to end, or ends */
  gboolean failed;        /* because it could not open the journal */
  gint64 stop_us;         /* monotonic: when a stop is to be over; 0: none is asked for */
  guint answers_source;
  guint retry_source;
  char *error;
  GPtrArray *waiting;   /* (element-type GTask): asked, not answered */
  GPtrArray *to_forget; /* (element-type utf8): that the journal could not take yet */
  gboolean to_drop;     /* so do all outages */
  gboolean reading_missed;
  guint64 recorded, dropped;
  JkbHistoryCounters past; /* of store threads that have ended */
};

/* Whether samples would be taken if the journal were open. */
gboolean jkb_history_is_opening (JkbHistory *self);

G_END_DECLS
