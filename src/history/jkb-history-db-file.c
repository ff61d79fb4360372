/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Opening, judging and setting aside the database, and how it is tuned: few and small writes,
 * little memory, no file beside it but the log of SQLite. Store thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "history/jkb-history-db-private.h"
#include "history/jkb-history.h"
#include "history/jkb-outages.h"

#define FORMAT 1
#define APPLICATION_ID 0x4a4b4831 /* "JKH1" */
#define STRING(x) #x
#define NUMBER(x) STRING (x)

/* Exclusive: the index of the log is in memory, not in a file that the kernel would write back.
 * FULL: what is committed survives a power cut. */
static const char tuning[] = "PRAGMA locking_mode=EXCLUSIVE;"
                             "PRAGMA cache_size=-64;"
                             "PRAGMA mmap_size=0;"
                             "PRAGMA temp_store=MEMORY;"
                             "PRAGMA trusted_schema=OFF;"
                             "PRAGMA auto_vacuum=INCREMENTAL;"
                             "PRAGMA journal_mode=WAL;"
                             "PRAGMA synchronous=FULL;"
                             "PRAGMA wal_autocheckpoint=256;"
                             "PRAGMA journal_size_limit=1048576;";

static const char schema[] =
    "BEGIN IMMEDIATE;"
    "CREATE TABLE state (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE bms (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE);"
    "CREATE TABLE outage (begin_us INTEGER NOT NULL, end_us INTEGER NOT NULL,"
    " dated INTEGER NOT NULL);"
    "CREATE TABLE chunk (row INTEGER PRIMARY KEY, level INTEGER NOT NULL, bms INTEGER NOT NULL,"
    " t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, shift INTEGER NOT NULL, count INTEGER NOT NULL,"
    " data BLOB NOT NULL);"
    "CREATE INDEX chunk_time ON chunk (level, t0, t1, bms);"
    "PRAGMA application_id=" NUMBER (APPLICATION_ID) ";"
                                                     "PRAGMA user_version=" NUMBER (
                                                         FORMAT) ";"
                                                                 "COMMIT;";

/* There may be something in it for whoever wants to look. If it stays, SQLite takes it away: it
 * does not belong to an empty database. */
static void
move_log_aside (const char *path)
{
  g_autofree char *from = g_strconcat (path, "-wal", NULL);
  g_autofree char *to = g_strconcat (path, ".set-aside-wal", NULL);

  unlink (to);
  if (rename (from, to) != 0 && errno != ENOENT)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "cannot set %s aside: %s", from, g_strerror (errno));
}

gboolean
jkb_history_db_set_aside (const char *path, const char *why, GError **error)
{
  g_autofree char *aside = g_strconcat (path, ".set-aside", NULL);

  if (rename (path, aside) != 0)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s %s and cannot be set aside as %s: %s; move it away yourself", path, why,
                   aside, g_strerror (errno));
      return FALSE;
    }
  move_log_aside (path);
  jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
           "the history %s %s: set aside as %s, a new one is begun", path, why, aside);
  return TRUE;
}

/* SQLite would make it with the rights that the umask leaves. */
static gboolean
make_file (const char *path, GError **error)
{
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd >= 0)
    {
      close (fd);
      return TRUE;
    }
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "cannot open %s: %s", path, g_strerror (errno));
  return FALSE;
}

static gboolean
read_number (JkbHistoryDb *self, const char *sql, gint64 *number, GError **error)
{
  sqlite3_stmt *statement = NULL;
  gboolean good = sqlite3_prepare_v2 (self->handle, sql, -1, &statement, NULL) == SQLITE_OK
                  && sqlite3_step (statement) == SQLITE_ROW;

  if (good)
    *number = sqlite3_column_int64 (statement, 0);
  else
    jkb_history_db_fail (self, error);
  sqlite3_finalize (statement);
  return good;
}

/* Returns: %FALSE: it cannot be used; with @why: because it is not for us */
static gboolean
judge (JkbHistoryDb *self, const char **why, GError **error)
{
  gint64 application = 0, format = 0, tables = 0;

  if (!jkb_history_db_run (self, tuning, error)
      || !read_number (self, "SELECT count(*) FROM sqlite_schema", &tables, error)
      || !read_number (self, "PRAGMA application_id", &application, error)
      || !read_number (self, "PRAGMA user_version", &format, error))
    return FALSE;
  if (tables == 0 && application == 0 && format == 0)
    return jkb_history_db_run (self, schema, error);
  if (application != APPLICATION_ID || format < 1)
    *why = "has no known format";
  else if (format > FORMAT)
    *why = "was written by a newer version";
  return *why == NULL;
}

/* Returns: %FALSE: the row is damaged */
static gboolean
take_number (JkbHistoryDb *self, sqlite3_stmt *statement)
{
  const char *id = (const char *) sqlite3_column_text (statement, 1);
  gint64 *number;
  char *copy;

  if (id == NULL || strlen (id) >= JKB_HISTORY_ID_SIZE || g_hash_table_contains (self->numbers, id))
    return FALSE;
  copy = g_strdup (id);
  number = g_new (gint64, 1);
  *number = sqlite3_column_int64 (statement, 0);
  g_hash_table_insert (self->numbers, copy, number);
  g_hash_table_insert (self->ids, number, copy);
  return TRUE;
}

gboolean
jkb_history_db_load_numbers (JkbHistoryDb *self, GError **error)
{
  sqlite3_stmt *statement = NULL;
  int result;

  g_hash_table_remove_all (self->ids);
  g_hash_table_remove_all (self->numbers);
  result = sqlite3_prepare_v2 (self->handle, "SELECT number, id FROM bms", -1, &statement, NULL);
  while (result == SQLITE_OK && (result = sqlite3_step (statement)) == SQLITE_ROW)
    result = take_number (self, statement) ? SQLITE_OK : SQLITE_CORRUPT;
  if (result == SQLITE_CORRUPT)
    {
      self->corrupt = TRUE;
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_IO, "the list of the BMS is damaged");
    }
  else if (result != SQLITE_DONE)
    jkb_history_db_fail (self, error);
  sqlite3_finalize (statement);
  return result == SQLITE_DONE;
}

/* Each table is read once: damage that only shows later would come back with each start. */
static gboolean
try_all (JkbHistoryDb *self, GError **error)
{
  g_autoptr (GArray) outages = jkb_outages_new ();
  gint64 n = 0;

  return jkb_history_db_load_numbers (self, error)
         && jkb_history_db_load_outages (self, outages, error)
         && read_number (self, "SELECT total(value) FROM state", &n, error)
         && read_number (self, "SELECT (SELECT max(row) FROM chunk) IS NULL", &n, error);
}

/* SQLite's own flag against symbolic links would refuse them in the whole path: a state directory
 * may well be behind one. The file itself is none, make_file() has seen to that. */
static JkbHistoryDb *
open_once (const char *path, const char **why, GError **error)
{
  JkbHistoryDb *self;

  if (!make_file (path, error))
    return NULL;
  self = g_new0 (JkbHistoryDb, 1);
  self->numbers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->ids = g_hash_table_new (g_int64_hash, g_int64_equal);
  if (sqlite3_open_v2 (path, &self->handle,
                       SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
      == SQLITE_OK)
    {
      sqlite3_db_config (self->handle, SQLITE_DBCONFIG_LOOKASIDE, NULL, 0, 0);
      sqlite3_busy_timeout (self->handle, 100);
      if (judge (self, why, error) && try_all (self, error))
        return self;
    }
  else
    jkb_history_db_fail (self, error);
  if (self->corrupt)
    *why = "is damaged";
  jkb_history_db_close (self);
  return NULL;
}

JkbHistoryDb *
jkb_history_db_open (const char *path, GError **error)
{
  const char *why = NULL;
  JkbHistoryDb *self = open_once (path, &why, error);

  if (self != NULL || why == NULL)
    return self;
  g_clear_error (error);
  return jkb_history_db_set_aside (path, why, error) ? open_once (path, &why, error) : NULL;
}

void
jkb_history_db_close (JkbHistoryDb *self)
{
  if (self == NULL)
    return;
  for (guint i = 0; i < JKB_N_SQL; i++)
    sqlite3_finalize (self->statements[i]);
  sqlite3_close (self->handle);
  g_hash_table_unref (self->ids);
  g_hash_table_unref (self->numbers);
  g_free (self);
}

void
jkb_history_db_release_memory (JkbHistoryDb *self)
{
  sqlite3_db_release_memory (self->handle);
}

/* ---- space ---- */

static guint64
pages_to_bytes (JkbHistoryDb *self, const char *pragma)
{
  gint64 pages = 0, size = 0;

  if (!read_number (self, pragma, &pages, NULL)
      || !read_number (self, "PRAGMA page_size", &size, NULL))
    return 0;
  return (guint64) (pages * size);
}

guint64
jkb_history_db_file_bytes (JkbHistoryDb *self)
{
  return pages_to_bytes (self, "PRAGMA page_count");
}

guint64
jkb_history_db_used_bytes (JkbHistoryDb *self)
{
  guint64 all = jkb_history_db_file_bytes (self);

  return all - MIN (all, pages_to_bytes (self, "PRAGMA freelist_count"));
}

gboolean
jkb_history_db_shrink (JkbHistoryDb *self, guint64 bytes, GError **error)
{
  g_autofree char *sql =
      g_strdup_printf ("PRAGMA incremental_vacuum(%" G_GUINT64_FORMAT ")", (bytes + 4095) / 4096);

  return bytes == 0 || jkb_history_db_run (self, sql, error);
}
