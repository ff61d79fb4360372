/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The database of the history: rows of chunks (jkb-chunk.h), the ids of the BMS, what receivers
 * missed, and how far the journal was taken. The only file that includes sqlite3.h is its .c. The
 * store thread opens, uses and closes it; nobody else knows of it.
 *
 * Errors are %JKB_ERROR_IO with SQLite's words. After one, jkb_history_db_is_corrupt() tells
 * whether the file is to be set aside.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Chunks of a level hold every sample, one per 10 s, one per minute. */
typedef enum
{
  JKB_LEVEL_UNDATED = -1, /* every sample; times are monotonic */
  JKB_LEVEL_FULL,
  JKB_LEVEL_10_S,
  JKB_LEVEL_MINUTE,
  JKB_N_LEVELS
} JkbLevel;

/* No chunk goes over the full hour. */
#define JKB_CHUNK_SPAN_US (G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC)

typedef struct
{
  gint64 row;          /* 0 for a new one */
  gint64 bms;          /* jkb_history_db_number() */
  gint64 t0_us, t1_us; /* of its first and last sample */
  gint64 shift_us;     /* for jkb_chunk_unpack() */
  JkbLevel level;
  guint count;
  gconstpointer data;
  gsize n_data;
} JkbChunkRow;

typedef struct _JkbHistoryDb JkbHistoryDb;

/**
 * jkb_history_db_open:
 *
 * Opens @path, or makes it, closed to other users. A file that is damaged, no database of ours or
 * of a newer jkbmsd is set aside and logged, and a new one begun. One that cannot be set aside is
 * an error.
 *
 * Returns: (nullable)
 */
JkbHistoryDb *jkb_history_db_open (const char *path, GError **error);
void jkb_history_db_close (JkbHistoryDb *self);

gboolean jkb_history_db_is_corrupt (JkbHistoryDb *self);

/* Gives up what is only there to be quicker: the next use is in a minute. */
void jkb_history_db_release_memory (JkbHistoryDb *self);

/* Moves a closed database out of the way, with a warning. Returns: %FALSE with @error: it is still
 * there */
gboolean jkb_history_db_set_aside (const char *path, const char *why, GError **error);

/* ---- transactions ---- */

gboolean jkb_history_db_begin (JkbHistoryDb *self, GError **error);
gboolean jkb_history_db_commit (JkbHistoryDb *self, GError **error);
void jkb_history_db_rollback (JkbHistoryDb *self);

/* Inside of one: what follows can be undone alone. */
gboolean jkb_history_db_save_point (JkbHistoryDb *self, GError **error);
/* Returns: %FALSE: the whole transaction is gone already */
gboolean jkb_history_db_undo_to_save_point (JkbHistoryDb *self);

/* ---- numbers that are kept ---- */

gint64 jkb_history_db_get_state (JkbHistoryDb *self, const char *key, gint64 fallback);
gboolean jkb_history_db_set_state (JkbHistoryDb *self, const char *key, gint64 value,
                                   GError **error);

/* @outages: (element-type JkbOutage) */
gboolean jkb_history_db_load_outages (JkbHistoryDb *self, GArray *outages, GError **error);
gboolean jkb_history_db_save_outages (JkbHistoryDb *self, const GArray *outages, GError **error);

/* ---- BMS ---- */

/* The number of a BMS in the rows; a new one when there is none and @add. Returns: 0: none */
gint64 jkb_history_db_number (JkbHistoryDb *self, const char *id, gboolean add, GError **error);

/* Returns: (nullable): the id, until the next change. */
const char *jkb_history_db_id (JkbHistoryDb *self, gint64 number);

/* Deletes all of its samples. */
gboolean jkb_history_db_forget (JkbHistoryDb *self, const char *id, GError **error);

/* ---- chunks ---- */

gboolean jkb_history_db_insert (JkbHistoryDb *self, const JkbChunkRow *row, GError **error);
gboolean jkb_history_db_delete (JkbHistoryDb *self, gint64 row, GError **error);

/* Returns: whether to go on. @row: valid during the call; no statement may be run in it but
 * jkb_history_db_id() */
typedef gboolean (*JkbChunkRowFunc) (const JkbChunkRow *row, gpointer user_data);

/* Calls @func with the chunks of @level that may hold samples of @bms (0: of all) from @from_us to
 * @to_us, in the order of their first stamps. */
gboolean jkb_history_db_each (JkbHistoryDb *self, JkbLevel level, gint64 bms, gint64 from_us,
                              gint64 to_us, JkbChunkRowFunc func, gpointer user_data,
                              GError **error);

/* The oldest chunk of @level that begins before @before_us, without its data.
 * Returns: %FALSE without @error: there is none */
gboolean jkb_history_db_oldest (JkbHistoryDb *self, JkbLevel level, gint64 before_us,
                                JkbChunkRow *row, GError **error);

/* How many samples there are in that time, about: a chunk counts by the part of its time. */
guint64 jkb_history_db_count (JkbHistoryDb *self, gint64 from_us, gint64 to_us);

/* All undated chunks are of now: their times were @shift_us behind. */
gboolean jkb_history_db_date (JkbHistoryDb *self, gint64 shift_us, GError **error);
gboolean jkb_history_db_drop_undated (JkbHistoryDb *self, guint64 *n_samples, GError **error);

/* ---- space ---- */

guint64 jkb_history_db_used_bytes (JkbHistoryDb *self);
guint64 jkb_history_db_file_bytes (JkbHistoryDb *self);

/* Gives at most so many free bytes back to the file system. */
gboolean jkb_history_db_shrink (JkbHistoryDb *self, guint64 bytes, GError **error);

G_END_DECLS
