/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Thinning, ageing, limiting.
 */
#include "history/jkb-history-tidy.h"

#include <string.h>

#include "core/jkb-log.h"
#include "history/jkb-chunk.h"

/* Per call: enough for 1,024 BMS, and still a moment. */
#define MAX_HOURS 64
#define MAX_DELETED 2000
#define DELETED_AT_ONCE 16

/* A chunk whose times were corrected later may reach over the end of its hour. */
#define MAX_BUCKETS 720

static const gint64 step_us[JKB_N_LEVELS] = { 0, G_GINT64_CONSTANT (10) * G_USEC_PER_SEC,
                                              G_GINT64_CONSTANT (60) * G_USEC_PER_SEC };

typedef struct
{
  gint64 stamp_us;
  guint8 frame[JKB_FRAME_SIZE];
} Kept;

/* An hour of one BMS on its way to the next level. */
typedef struct
{
  gint64 hour_us;
  gint64 step_us;
  GArray *kept;             /* (element-type Kept) */
  GArray *rows;             /* (element-type gint64) that they are from */
  guint8 seen[MAX_BUCKETS]; /* whether that stretch has its sample */
} Hour;

static gint64
floor_to_hour (gint64 time_us)
{
  return time_us - time_us % JKB_CHUNK_SPAN_US;
}

static gboolean
keep_first (gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  Hour *hour = user_data;
  gint64 bucket = CLAMP ((stamp_us - hour->hour_us) / hour->step_us, 0, MAX_BUCKETS - 1);
  Kept kept = { .stamp_us = stamp_us };

  if (hour->seen[bucket])
    return TRUE;
  hour->seen[bucket] = TRUE;
  memcpy (kept.frame, frame, sizeof kept.frame);
  g_array_append_val (hour->kept, kept);
  return TRUE;
}

static gboolean
take_chunk (const JkbChunkRow *row, gpointer user_data)
{
  Hour *hour = user_data;
  g_autoptr (GError) error = NULL;

  if (row->t0_us < hour->hour_us)
    return TRUE;
  if (!jkb_chunk_unpack (row->data, row->n_data, row->shift_us, keep_first, hour, NULL, &error))
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s: up to %u samples are lost", error->message,
             row->count);
  g_array_append_val (hour->rows, row->row);
  return TRUE;
}

static int
compare_kept (gconstpointer a, gconstpointer b)
{
  gint64 x = ((const Kept *) a)->stamp_us, y = ((const Kept *) b)->stamp_us;

  return (x > y) - (x < y);
}

static gboolean
insert_kept (JkbHistoryDb *db, Hour *hour, gint64 bms, JkbLevel level, GError **error)
{
  guint n = hour->kept->len;
  g_autofree JkbChunkItem *items = g_new (JkbChunkItem, MAX (n, 1));
  g_autoptr (GBytes) bytes = NULL;
  JkbChunkRow row = { .bms = bms, .level = level, .count = n };

  if (n == 0)
    return TRUE;
  g_array_sort (hour->kept, compare_kept);
  for (guint i = 0; i < n; i++)
    {
      const Kept *kept = &g_array_index (hour->kept, Kept, i);

      items[i] = (JkbChunkItem){ kept->stamp_us, kept->frame };
    }
  bytes = jkb_chunk_pack (items, n);
  row.t0_us = items[0].stamp_us;
  row.t1_us = items[n - 1].stamp_us;
  row.data = g_bytes_get_data (bytes, &row.n_data);
  return jkb_history_db_insert (db, &row, error);
}

static gboolean
thin_hour (JkbHistoryDb *db, const JkbChunkRow *oldest, GError **error)
{
  g_autoptr (GArray) kept = g_array_new (FALSE, FALSE, sizeof (Kept));
  g_autoptr (GArray) rows = g_array_new (FALSE, FALSE, sizeof (gint64));
  JkbLevel next = oldest->level + 1;
  Hour hour = { floor_to_hour (oldest->t0_us), step_us[next], kept, rows, { 0 } };

  if (!jkb_history_db_each (db, oldest->level, oldest->bms, hour.hour_us,
                            hour.hour_us + JKB_CHUNK_SPAN_US - 1, take_chunk, &hour, error)
      || !insert_kept (db, &hour, oldest->bms, next, error))
    return FALSE;
  for (guint i = 0; i < rows->len; i++)
    if (!jkb_history_db_delete (db, g_array_index (rows, gint64, i), error))
      return FALSE;
  return TRUE;
}

/* The budget of one call. */
typedef struct
{
  guint hours;
  guint deleted;
  guint64 n_undated;
} Budget;

static gboolean
thin (JkbHistoryDb *db, JkbLevel level, gint64 before_us, Budget *budget, GError **error)
{
  JkbChunkRow oldest;
  GError *failed = NULL;

  for (; budget->hours > 0 && jkb_history_db_oldest (db, level, before_us, &oldest, &failed);
       budget->hours--)
    if (!thin_hour (db, &oldest, &failed))
      break;
  if (failed != NULL)
    g_propagate_error (error, failed);
  return failed == NULL;
}

/* Deletes the oldest chunks that began before @before_us, while there are any. */
static gboolean
delete_oldest (JkbHistoryDb *db, JkbLevel last_level, gint64 before_us, guint n, Budget *budget,
               gboolean *any, GError **error)
{
  GError *failed = NULL;

  *any = FALSE;
  for (int level = JKB_LEVEL_MINUTE; level >= last_level && failed == NULL; level--)
    {
      JkbChunkRow oldest;

      while (n > 0 && budget->deleted > 0 && failed == NULL
             && jkb_history_db_oldest (db, level, before_us, &oldest, &failed))
        {
          jkb_history_db_delete (db, oldest.row, &failed);
          budget->deleted--;
          budget->n_undated += level == JKB_LEVEL_UNDATED ? oldest.count : 0;
          n--;
          *any = TRUE;
        }
    }
  if (failed != NULL)
    g_propagate_error (error, failed);
  return failed == NULL;
}

/* What has no date came last, and goes last. */
static gboolean
limit_size (JkbHistoryDb *db, guint64 max_bytes, Budget *budget, GError **error)
{
  gboolean any = TRUE;

  while (any && budget->deleted > 0 && jkb_history_db_used_bytes (db) > max_bytes)
    if (!delete_oldest (db, JKB_LEVEL_UNDATED, G_MAXINT64, DELETED_AT_ONCE, budget, &any, error))
      return FALSE;
  if (jkb_history_db_file_bytes (db) > max_bytes)
    return jkb_history_db_shrink (
        db, MIN (jkb_history_db_file_bytes (db) - max_bytes, G_GUINT64_CONSTANT (1) << 20), error);
  return TRUE;
}

gboolean
jkb_history_tidy (JkbHistoryDb *db, gint64 now_us, const JkbHistoryLimits *limits,
                  JkbHistoryTidied *tidied, GError **error)
{
  Budget budget = { MAX_HOURS, MAX_DELETED, 0 };
  gint64 too_old_us = floor_to_hour (now_us - limits->keep_us);
  gboolean any;

  if (!delete_oldest (db, JKB_LEVEL_FULL, too_old_us, G_MAXUINT, &budget, &any, error)
      || !thin (db, JKB_LEVEL_FULL, floor_to_hour (now_us - JKB_KEEP_FULL_US), &budget, error)
      || !thin (db, JKB_LEVEL_10_S, floor_to_hour (now_us - JKB_KEEP_10_S_US), &budget, error)
      || !limit_size (db, limits->max_bytes, &budget, error))
    return FALSE;
  tidied->more = budget.hours == 0 || budget.deleted == 0;
  tidied->n_undated = budget.n_undated;
  return TRUE;
}
