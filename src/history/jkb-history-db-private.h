/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inside of JkbHistoryDb, for its own files only. Store thread.
 */
#pragma once

#include <sqlite3.h>

#include "history/jkb-history-db.h"

G_BEGIN_DECLS

/* Prepared when first used, kept until the database is closed. */
typedef enum
{
  JKB_SQL_GET_STATE,
  JKB_SQL_SET_STATE,
  JKB_SQL_ADD_OUTAGE,
  JKB_SQL_ADD_BMS,
  JKB_SQL_INSERT,
  JKB_SQL_DELETE,
  JKB_SQL_EACH,
  JKB_SQL_OLDEST,
  JKB_SQL_COUNT,
  JKB_N_SQL
} JkbSql;

struct _JkbHistoryDb
{
  sqlite3 *handle;
  sqlite3_stmt *statements[JKB_N_SQL];
  GHashTable *numbers; /* id → number */
  GHashTable *ids;     /* number → id, of .numbers */
  gboolean corrupt;
};

/* Reads what the calls of SQLite returned last. Returns: %FALSE */
gboolean jkb_history_db_fail (JkbHistoryDb *self, GError **error);

gboolean jkb_history_db_run (JkbHistoryDb *self, const char *sql, GError **error);

/* Reads the numbers of the BMS anew. */
gboolean jkb_history_db_load_numbers (JkbHistoryDb *self, GError **error);

/* Returns: (nullable): ready to be bound. */
sqlite3_stmt *jkb_history_db_statement (JkbHistoryDb *self, JkbSql sql, GError **error);

/* Steps a statement without rows, and resets it. */
gboolean jkb_history_db_step (JkbHistoryDb *self, sqlite3_stmt *statement, GError **error);

G_END_DECLS
