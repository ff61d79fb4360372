/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The boundary to the store thread, which owns the database and takes from the journal: requests go
 * in, answers come out, each a record whose ownership moves with it, over lock-free lists. The
 * thread sleeps until a request comes or a commit is due; with an empty journal no commit is.
 *
 * A commit that fails is tried again each minute; meanwhile the journal keeps what it can.
 */
#pragma once

#include <stdatomic.h>

#include "history/jkb-history-read.h"
#include "history/jkb-history-tidy.h"
#include "queue/jkb-mpsc.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_STORE_OPENED, /* the first answer, without a request: the journal is open, or .error says why
                     * it is not, %JKB_ERROR_NOT_FOUND that nothing is there, and the thread ends */
  JKB_STORE_LIMIT,  /* .limits are other: followed with a commit now */
  JKB_STORE_POINTS, /* .question; answered with .points or .error */
  JKB_STORE_MISSED, /* .after_us, .max; answered with .batch or .error, before all questions */
  JKB_STORE_STATE /* an answer without a request: .error is other than before, NULL: all is well */
} JkbStoreKind;

typedef struct
{
  JkbMpscNode node; /* first */
  JkbStoreKind kind;
  gpointer task; /* of the main thread; carried along untouched */
  JkbHistoryLimits limits;
  JkbHistoryQuestion question;
  gint64 after_us;
  guint max;
  GArray *points;
  JkbHistoryBatch *batch;
  GError *error;
} JkbStoreMessage;

JkbStoreMessage *jkb_store_message_new (JkbStoreKind kind);

/* .task must be gone by then. */
void jkb_store_message_free (JkbStoreMessage *message);

typedef struct _JkbHistoryStore JkbHistoryStore;

/* ---- main thread ---- */

/**
 * jkb_history_store_new:
 * @database: path
 * @journal: path
 * @make: whether to make them where neither is there
 * @commit_after_us: from the first record that comes into the empty journal to the commit
 *
 * Starts the thread, which opens the journal: that takes as long as the disk does.
 *
 * Returns: (nullable): with %JKB_ERROR_IO when no file descriptor is left
 */
JkbHistoryStore *jkb_history_store_new (const char *database, const char *journal, gboolean make,
                                        const JkbHistoryLimits *limits, gint64 commit_after_us,
                                        GError **error);

/* Once %JKB_STORE_OPENED has come without an error. (transfer none) */
JkbJournal *jkb_history_store_get_journal (JkbHistoryStore *self);

/* @message: (transfer full) */
void jkb_history_store_send (JkbHistoryStore *self, JkbStoreMessage *message);

/* Readable when there are answers; drains it, then takes them. */
int jkb_history_store_get_fd (JkbHistoryStore *self);
JkbStoreMessage *
jkb_history_store_take (JkbHistoryStore *self); /* (nullable): a list, .node.next */

/* Returns: whether the fd has become readable within @timeout_ms */
gboolean jkb_history_store_wait (JkbHistoryStore *self, int timeout_ms);

/* After each push into the journal: wakes the thread when it sleeps without a time to wake, or when
 * the journal fills up. Mostly two loads. */
void jkb_history_store_nudge (JkbHistoryStore *self);

/* Asks for the last commit, before all questions that wait: those fail with %JKB_ERROR_BUSY. The fd
 * is readable when the thread has ended. */
void jkb_history_store_leave (JkbHistoryStore *self);
gboolean jkb_history_store_has_ended (JkbHistoryStore *self);

/**
 * jkb_history_store_stop:
 *
 * Asks, if nobody did, and waits.
 *
 * Returns: whether the thread has ended within @timeout_ms; then @self can be freed, which closes
 * the journal. If not, both are left to the end of the process.
 */
gboolean jkb_history_store_stop (JkbHistoryStore *self, int timeout_ms);
void jkb_history_store_free (JkbHistoryStore *self);

guint64 jkb_history_store_get_commits (JkbHistoryStore *self);
guint64 jkb_history_store_get_early (JkbHistoryStore *self);
guint64 jkb_history_store_get_lost (JkbHistoryStore *self);
guint64 jkb_history_store_get_bytes (JkbHistoryStore *self);
guint64 jkb_history_store_get_waiting (JkbHistoryStore *self);

G_END_DECLS
