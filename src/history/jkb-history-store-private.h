/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inside of JkbHistoryStore, for its own files only.
 */
#pragma once

#include "history/jkb-history-store.h"

G_BEGIN_DECLS

struct _JkbHistoryStore
{
  /* set before the thread starts */
  char *path;
  char *journal_path;
  gboolean make;
  gint64 commit_after_us;
  int wake_fd;  /* to the store thread */
  int reply_fd; /* to the main thread */
  GThread *thread;

  JkbMpsc requests;
  JkbMpsc answers;
  atomic_bool idle;    /* the store thread waits for the first record */
  atomic_bool hurried; /* it was told that the journal fills up */
  atomic_bool stop;    /* it is to end */
  atomic_bool ended;
  _Atomic guint64 commits, early, lost, bytes, waiting;

  JkbJournal *journal; /* (nullable): the main thread knows of it since JKB_STORE_OPENED */

  /* the store thread's own */
  JkbHistoryDb *db; /* (nullable): closed until it can be opened */
  GArray *outages;  /* as in the database, once one is written */
  guint32 position; /* valid while .db is open */
  JkbHistoryLimits limits;
  GQueue waiting_requests; /* (element-type JkbStoreMessage) taken, not answered */
  char *trouble;     /* (nullable): what the main thread knows */
  gint64 told_us;    /* since when it knows that, monotonic */
  gboolean failing;  /* the last commit did */
  gint64 due_us;     /* of the next commit, monotonic; G_MAXINT64: none */
  gint64 last_us;    /* of the last one */
  gboolean is_early; /* the next one is, because the journal fills up */
  gboolean more;     /* there is more to be tidied than the last one did */
};

/* ---- store thread ---- */

/* @message: (transfer full) */
void jkb_history_store_answer (JkbHistoryStore *self, JkbStoreMessage *message);

/* Takes what is in the journal. A failure is told to the main thread, and when it is due again is
 * planned. */
void jkb_history_store_commit (JkbHistoryStore *self);

/* Reads what @message asks for, and answers it. @message: (transfer full) */
void jkb_history_store_read_for (JkbHistoryStore *self, JkbStoreMessage *message);

void jkb_history_store_close_db (JkbHistoryStore *self);

G_END_DECLS
