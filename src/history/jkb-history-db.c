/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The statements of the history. Store thread.
 */
#include "history/jkb-history-db-private.h"

#include "core/jkb-error.h"
#include "history/jkb-outages.h"

/* Column "dated" of the outages. */
#define OUTAGE_DATED 1
#define OUTAGE_OPEN 2

static const char *const statements[JKB_N_SQL] = {
  [JKB_SQL_GET_STATE] = "SELECT value FROM state WHERE key=?1",
  [JKB_SQL_SET_STATE] = "INSERT OR REPLACE INTO state (key, value) VALUES (?1, ?2)",
  [JKB_SQL_ADD_OUTAGE] = "INSERT INTO outage (begin_us, end_us, dated) VALUES (?1, ?2, ?3)",
  [JKB_SQL_ADD_BMS] = "INSERT INTO bms (id) VALUES (?1)",
  [JKB_SQL_INSERT] = "INSERT INTO chunk (level, bms, t0, t1, shift, count, data)"
                     " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
  [JKB_SQL_DELETE] = "DELETE FROM chunk WHERE row=?1",
  [JKB_SQL_EACH] = "SELECT row, bms, t0, t1, shift, count, data FROM chunk WHERE level=?1"
                   " AND t0 BETWEEN ?2 AND ?3 AND t1>=?4 AND (?5=0 OR bms=?5) ORDER BY t0",
  [JKB_SQL_OLDEST] = "SELECT row, bms, t0, t1, count FROM chunk WHERE level=?1 AND t0<?2"
                     " ORDER BY t0 LIMIT 1",
  [JKB_SQL_COUNT] = "SELECT total(count * (min(t1, ?2) - max(t0, ?1) + 1.0) / (t1 - t0 + 1))"
                    " FROM chunk WHERE level>=0 AND t0<=?2 AND t1>=?1",
};

/* ---- running ---- */

gboolean
jkb_history_db_fail (JkbHistoryDb *self, GError **error)
{
  int code = sqlite3_extended_errcode (self->handle);
  int system = sqlite3_system_errno (self->handle);
  gboolean of_system = (code & 0xff) == SQLITE_IOERR && system != 0;

  if ((code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB)
    self->corrupt = TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "%s%s%s", sqlite3_errmsg (self->handle),
               of_system ? ": " : "", of_system ? g_strerror (system) : "");
  return FALSE;
}

gboolean
jkb_history_db_is_corrupt (JkbHistoryDb *self)
{
  return self->corrupt;
}

gboolean
jkb_history_db_run (JkbHistoryDb *self, const char *sql, GError **error)
{
  return sqlite3_exec (self->handle, sql, NULL, NULL, NULL) == SQLITE_OK
         || jkb_history_db_fail (self, error);
}

sqlite3_stmt *
jkb_history_db_statement (JkbHistoryDb *self, JkbSql sql, GError **error)
{
  if (self->statements[sql] == NULL
      && sqlite3_prepare_v3 (self->handle, statements[sql], -1, SQLITE_PREPARE_PERSISTENT,
                             &self->statements[sql], NULL)
             != SQLITE_OK)
    jkb_history_db_fail (self, error);
  return self->statements[sql];
}

static void
reset (sqlite3_stmt *statement)
{
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
}

gboolean
jkb_history_db_step (JkbHistoryDb *self, sqlite3_stmt *statement, GError **error)
{
  gboolean good = sqlite3_step (statement) == SQLITE_DONE || jkb_history_db_fail (self, error);

  reset (statement);
  return good;
}

/* ---- transactions ---- */

gboolean
jkb_history_db_begin (JkbHistoryDb *self, GError **error)
{
  return jkb_history_db_run (self, "BEGIN IMMEDIATE", error);
}

gboolean
jkb_history_db_commit (JkbHistoryDb *self, GError **error)
{
  return jkb_history_db_run (self, "COMMIT", error);
}

/* Some errors have rolled back by themselves. Numbers that were given meanwhile are not. */
void
jkb_history_db_rollback (JkbHistoryDb *self)
{
  if (!sqlite3_get_autocommit (self->handle))
    jkb_history_db_run (self, "ROLLBACK", NULL);
  jkb_history_db_load_numbers (self, NULL);
}

gboolean
jkb_history_db_save_point (JkbHistoryDb *self, GError **error)
{
  return jkb_history_db_run (self, "SAVEPOINT tidy", error);
}

gboolean
jkb_history_db_undo_to_save_point (JkbHistoryDb *self)
{
  return !sqlite3_get_autocommit (self->handle)
         && jkb_history_db_run (self, "ROLLBACK TO tidy", NULL);
}

/* ---- numbers that are kept ---- */

gint64
jkb_history_db_get_state (JkbHistoryDb *self, const char *key, gint64 fallback)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_GET_STATE, NULL);
  gint64 value = fallback;

  if (statement == NULL)
    return fallback;
  sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
  if (sqlite3_step (statement) == SQLITE_ROW)
    value = sqlite3_column_int64 (statement, 0);
  reset (statement);
  return value;
}

gboolean
jkb_history_db_set_state (JkbHistoryDb *self, const char *key, gint64 value, GError **error)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_SET_STATE, error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_text (statement, 1, key, -1, SQLITE_STATIC);
  sqlite3_bind_int64 (statement, 2, value);
  return jkb_history_db_step (self, statement, error);
}

/* Of one that goes on, the column of its end holds the last sample. */
static JkbOutage
read_outage (sqlite3_stmt *statement)
{
  int flags = sqlite3_column_int (statement, 2);
  JkbOutage outage = { sqlite3_column_int64 (statement, 0), sqlite3_column_int64 (statement, 1),
                       (flags & OUTAGE_DATED) != 0, 0 };

  outage.last_us = (flags & OUTAGE_OPEN) != 0 ? outage.end_us : outage.begin_us;
  if ((flags & OUTAGE_OPEN) != 0)
    outage.end_us = JKB_OUTAGE_OPEN;
  return outage;
}

gboolean
jkb_history_db_load_outages (JkbHistoryDb *self, GArray *outages, GError **error)
{
  sqlite3_stmt *statement = NULL;
  /* We never write more, but what is read may be damaged. */
  static const char sql[] =
      "SELECT begin_us, end_us, dated FROM outage LIMIT " G_STRINGIFY (JKB_OUTAGES_MAX);
  int result = sqlite3_prepare_v2 (self->handle, sql, -1, &statement, NULL);

  g_array_set_size (outages, 0);
  while (result == SQLITE_OK && (result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      JkbOutage outage = read_outage (statement);

      g_array_append_val (outages, outage);
      result = SQLITE_OK;
    }
  if (result != SQLITE_DONE)
    jkb_history_db_fail (self, error);
  sqlite3_finalize (statement);
  return result == SQLITE_DONE;
}

gboolean
jkb_history_db_save_outages (JkbHistoryDb *self, const GArray *outages, GError **error)
{
  if (!jkb_history_db_run (self, "DELETE FROM outage", error))
    return FALSE;
  for (guint i = 0; i < outages->len; i++)
    {
      const JkbOutage *outage = &g_array_index (outages, JkbOutage, i);
      gboolean open = outage->end_us == JKB_OUTAGE_OPEN;
      sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_ADD_OUTAGE, error);

      if (statement == NULL)
        return FALSE;
      sqlite3_bind_int64 (statement, 1, outage->begin_us);
      sqlite3_bind_int64 (statement, 2, open ? outage->last_us : outage->end_us);
      sqlite3_bind_int (statement, 3,
                        (outage->dated ? OUTAGE_DATED : 0) | (open ? OUTAGE_OPEN : 0));
      if (!jkb_history_db_step (self, statement, error))
        return FALSE;
    }
  return TRUE;
}

/* ---- BMS ---- */

static void
remember (JkbHistoryDb *self, const char *id, gint64 number)
{
  char *key = g_strdup (id);
  gint64 *value = g_memdup2 (&number, sizeof number);

  g_hash_table_insert (self->numbers, key, value);
  g_hash_table_insert (self->ids, value, key);
}

gint64
jkb_history_db_number (JkbHistoryDb *self, const char *id, gboolean add, GError **error)
{
  const gint64 *known = g_hash_table_lookup (self->numbers, id);
  sqlite3_stmt *statement;
  gint64 number;

  if (known != NULL || !add)
    return known != NULL ? *known : 0;
  statement = jkb_history_db_statement (self, JKB_SQL_ADD_BMS, error);
  if (statement == NULL)
    return 0;
  sqlite3_bind_text (statement, 1, id, -1, SQLITE_TRANSIENT);
  if (!jkb_history_db_step (self, statement, error))
    return 0;
  number = sqlite3_last_insert_rowid (self->handle);
  remember (self, id, number);
  return number;
}

const char *
jkb_history_db_id (JkbHistoryDb *self, gint64 number)
{
  return g_hash_table_lookup (self->ids, &number);
}

/* The number stays: it costs nothing, and may come back. */
gboolean
jkb_history_db_forget (JkbHistoryDb *self, const char *id, GError **error)
{
  gint64 number = jkb_history_db_number (self, id, FALSE, NULL);
  g_autofree char *sql = g_strdup_printf ("DELETE FROM chunk WHERE bms=%" G_GINT64_FORMAT, number);

  return number == 0 || jkb_history_db_run (self, sql, error);
}

/* ---- chunks ---- */

gboolean
jkb_history_db_insert (JkbHistoryDb *self, const JkbChunkRow *row, GError **error)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_INSERT, error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int (statement, 1, row->level);
  sqlite3_bind_int64 (statement, 2, row->bms);
  sqlite3_bind_int64 (statement, 3, row->t0_us);
  sqlite3_bind_int64 (statement, 4, row->t1_us);
  sqlite3_bind_int64 (statement, 5, row->shift_us);
  sqlite3_bind_int (statement, 6, (int) row->count);
  sqlite3_bind_blob64 (statement, 7, row->data, row->n_data, SQLITE_STATIC);
  return jkb_history_db_step (self, statement, error);
}

gboolean
jkb_history_db_delete (JkbHistoryDb *self, gint64 row, GError **error)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_DELETE, error);

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int64 (statement, 1, row);
  return jkb_history_db_step (self, statement, error);
}

static JkbChunkRow
read_row (sqlite3_stmt *statement, JkbLevel level)
{
  return (JkbChunkRow){ .row = sqlite3_column_int64 (statement, 0),
                        .bms = sqlite3_column_int64 (statement, 1),
                        .t0_us = sqlite3_column_int64 (statement, 2),
                        .t1_us = sqlite3_column_int64 (statement, 3),
                        .level = level };
}

gboolean
jkb_history_db_each (JkbHistoryDb *self, JkbLevel level, gint64 bms, gint64 from_us, gint64 to_us,
                     JkbChunkRowFunc func, gpointer user_data, GError **error)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_EACH, error);
  int result;

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int (statement, 1, level);
  sqlite3_bind_int64 (statement, 2, MAX (from_us, JKB_CHUNK_SPAN_US) - JKB_CHUNK_SPAN_US);
  sqlite3_bind_int64 (statement, 3, to_us);
  sqlite3_bind_int64 (statement, 4, from_us);
  sqlite3_bind_int64 (statement, 5, bms);
  while ((result = sqlite3_step (statement)) == SQLITE_ROW)
    {
      JkbChunkRow row = read_row (statement, level);

      row.shift_us = sqlite3_column_int64 (statement, 4);
      row.count = (guint) sqlite3_column_int (statement, 5);
      row.data = sqlite3_column_blob (statement, 6);
      row.n_data = (gsize) sqlite3_column_bytes (statement, 6);
      if (!func (&row, user_data))
        {
          result = SQLITE_DONE;
          break;
        }
    }
  if (result != SQLITE_DONE)
    jkb_history_db_fail (self, error);
  reset (statement);
  return result == SQLITE_DONE;
}

gboolean
jkb_history_db_oldest (JkbHistoryDb *self, JkbLevel level, gint64 before_us, JkbChunkRow *row,
                       GError **error)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_OLDEST, error);
  int result;

  if (statement == NULL)
    return FALSE;
  sqlite3_bind_int (statement, 1, level);
  sqlite3_bind_int64 (statement, 2, before_us);
  result = sqlite3_step (statement);
  if (result == SQLITE_ROW)
    {
      *row = read_row (statement, level);
      row->count = (guint) sqlite3_column_int (statement, 4);
    }
  else if (result != SQLITE_DONE)
    jkb_history_db_fail (self, error);
  reset (statement);
  return result == SQLITE_ROW;
}

guint64
jkb_history_db_count (JkbHistoryDb *self, gint64 from_us, gint64 to_us)
{
  sqlite3_stmt *statement = jkb_history_db_statement (self, JKB_SQL_COUNT, NULL);
  guint64 count = 0;

  if (statement == NULL)
    return 0;
  sqlite3_bind_int64 (statement, 1, from_us);
  sqlite3_bind_int64 (statement, 2, to_us);
  if (sqlite3_step (statement) == SQLITE_ROW)
    count = (guint64) (sqlite3_column_double (statement, 0) + 0.5);
  reset (statement);
  return count;
}

gboolean
jkb_history_db_date (JkbHistoryDb *self, gint64 shift_us, GError **error)
{
  g_autofree char *sql = g_strdup_printf ("UPDATE chunk SET level=0, t0=t0+%1$" G_GINT64_FORMAT
                                          ", t1=t1+%1$" G_GINT64_FORMAT
                                          ", shift=%1$" G_GINT64_FORMAT " WHERE level=-1",
                                          shift_us);

  return jkb_history_db_run (self, sql, error);
}

gboolean
jkb_history_db_drop_undated (JkbHistoryDb *self, guint64 *n_samples, GError **error)
{
  sqlite3_stmt *statement = NULL;

  if (sqlite3_prepare_v2 (self->handle, "SELECT total(count) FROM chunk WHERE level=-1", -1,
                          &statement, NULL)
          == SQLITE_OK
      && sqlite3_step (statement) == SQLITE_ROW)
    *n_samples = (guint64) sqlite3_column_int64 (statement, 0);
  sqlite3_finalize (statement);
  return jkb_history_db_run (self, "DELETE FROM chunk WHERE level=-1", error);
}
