/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One commit.
 */
#include "history/jkb-history-commit.h"

#include <string.h>

#include "core/jkb-stamp.h"
#include "history/jkb-chunk.h"
#include "history/jkb-history-clock.h"
#include "history/jkb-outages.h"

#define STATE_JOURNAL "journal"
#define STATE_POSITION "position"
#define STATE_ERA "era"

/* A sample in the journal that is to become part of a chunk. */
typedef struct
{
  const JkbRecord *record;
  gint64 stamp_us;
  gboolean dated;
} Entry;

guint32
jkb_history_begin_reading (JkbHistoryDb *db, JkbJournal *journal)
{
  guint32 tail = jkb_journal_tail (journal);
  gint64 id = jkb_history_db_get_state (db, STATE_JOURNAL, 0);
  guint32 committed = (guint32) jkb_history_db_get_state (db, STATE_POSITION, 0);

  return id == (gint64) jkb_journal_get_id (journal)
                 && committed - tail <= jkb_journal_fill (journal)
             ? committed
             : tail;
}

gboolean
jkb_history_is_new (JkbHistoryDb *db)
{
  return jkb_history_db_get_state (db, STATE_JOURNAL, 0) == 0;
}

/* ---- taking records ---- */

static gboolean
forget (const JkbHistorySource *source, const char *id, GArray *entries, GError **error)
{
  for (guint i = entries->len; i > 0; i--)
    if (strcmp (g_array_index (entries, Entry, i - 1).record->id, id) == 0)
      g_array_remove_index_fast (entries, i - 1);
  return jkb_history_db_forget (source->db, id, error);
}

static gboolean
take_record (const JkbHistorySource *source, const JkbRecord *record, guint32 position,
             GArray *entries, GArray *outages, JkbHistoryCommit *result, GError **error)
{
  Entry entry = { record, 0, FALSE };
  JkbDating dating;

  if (record->kind == JKB_RECORD_FORGET)
    return forget (source, record->id, entries, error);
  if (record->kind != JKB_RECORD_SAMPLE)
    {
      jkb_history_apply_outage (source, record, position, outages);
      return TRUE;
    }
  dating = jkb_history_date (source, record, position, &entry.stamp_us);
  entry.dated = dating == JKB_DATED;
  if (dating == JKB_UNDATABLE)
    {
      result->lost++;
      return TRUE;
    }
  g_array_append_val (entries, entry);
  jkb_outages_miss (outages, entry.stamp_us, entry.dated);
  return TRUE;
}

/* Returns: %FALSE with @error. @end: (out): of what was taken */
static gboolean
take_records (const JkbHistorySource *source, GArray *entries, GArray *outages, guint32 *end,
              JkbHistoryCommit *result, GError **error)
{
  guint32 position = source->position, head = jkb_journal_head (source->journal);
  const JkbRecord *record;

  while ((record = jkb_journal_next (source->journal, &position, head)) != NULL)
    if (!take_record (source, record, position, entries, outages, result, error))
      return FALSE;
  if (position != head)
    {
      result->damage = TRUE;
      result->lost += jkb_journal_samples_in (head - position);
    }
  *end = head;
  return TRUE;
}

/* ---- samples to chunks ---- */

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const Entry *x = a, *y = b;
  int by_id = strcmp (x->record->id, y->record->id);

  if (by_id != 0)
    return by_id;
  if (x->dated != y->dated)
    return x->dated ? 1 : -1;
  return (x->stamp_us > y->stamp_us) - (x->stamp_us < y->stamp_us);
}

static gboolean
belong_together (const Entry *a, const Entry *b)
{
  return strcmp (a->record->id, b->record->id) == 0 && a->dated == b->dated
         && a->stamp_us / JKB_CHUNK_SPAN_US == b->stamp_us / JKB_CHUNK_SPAN_US;
}

static gboolean
insert_chunk (JkbHistoryDb *db, const Entry *entries, guint n, GError **error)
{
  g_autofree JkbChunkItem *items = g_new (JkbChunkItem, n);
  g_autoptr (GBytes) bytes = NULL;
  JkbChunkRow row = { .level = entries[0].dated ? JKB_LEVEL_FULL : JKB_LEVEL_UNDATED,
                      .t0_us = entries[0].stamp_us,
                      .t1_us = entries[n - 1].stamp_us,
                      .count = n };

  row.bms = jkb_history_db_number (db, entries[0].record->id, TRUE, error);
  if (row.bms == 0)
    return FALSE;
  for (guint i = 0; i < n; i++)
    items[i] = (JkbChunkItem){ entries[i].stamp_us, entries[i].record->frame };
  bytes = jkb_chunk_pack (items, n);
  row.data = g_bytes_get_data (bytes, &row.n_data);
  return jkb_history_db_insert (db, &row, error);
}

static gboolean
insert_chunks (JkbHistoryDb *db, GArray *array, GError **error)
{
  const Entry *entries;
  guint begin = 0;

  g_array_sort (array, compare_entries);
  entries = (const Entry *) array->data;
  for (guint i = 1; i <= array->len; i++)
    if (i == array->len || !belong_together (&entries[begin], &entries[i]))
      {
        if (!insert_chunk (db, entries + begin, i - begin, error))
          return FALSE;
        begin = i;
      }
  return TRUE;
}

/* ---- times that were not known ---- */

static gboolean
date_all (const JkbHistorySource *source, GArray *outages, GError **error)
{
  gint64 shift_us = source->realtime_us - source->monotonic_us;
  JkbChunkRow row;

  jkb_outages_date (outages, shift_us);
  return !jkb_history_db_oldest (source->db, JKB_LEVEL_UNDATED, G_MAXINT64, &row, NULL)
         || jkb_history_db_date (source->db, shift_us, error);
}

/* What is not dated and of an earlier boot never will be. */
static gboolean
settle_times (const JkbHistorySource *source, GArray *outages, JkbHistoryCommit *result,
              GError **error)
{
  gint64 era = (gint64) jkb_journal_get_era (source->journal);
  guint64 n_lost = 0;

  if (jkb_history_db_get_state (source->db, STATE_ERA, 0) != era)
    {
      jkb_outages_drop_undated (outages);
      if (!jkb_history_db_drop_undated (source->db, &n_lost, error)
          || !jkb_history_db_set_state (source->db, STATE_ERA, era, error))
        return FALSE;
      result->lost += n_lost;
    }
  return !jkb_stamp_is_set (source->realtime_us) || date_all (source, outages, error);
}

/* ---- the transaction ---- */

static gboolean
write_all (const JkbHistorySource *source, GArray *outages, guint32 *end, JkbHistoryCommit *result,
           GError **error)
{
  g_autoptr (GArray) entries = g_array_new (FALSE, FALSE, sizeof (Entry));
  gint64 id = (gint64) jkb_journal_get_id (source->journal);

  return settle_times (source, outages, result, error)
         && take_records (source, entries, outages, end, result, error)
         && insert_chunks (source->db, entries, error)
         && jkb_history_db_save_outages (source->db, outages, error)
         && jkb_history_db_set_state (source->db, STATE_JOURNAL, id, error)
         && jkb_history_db_set_state (source->db, STATE_POSITION, *end, error);
}

/* Without it the samples are kept all the same, unless the database is damaged or the error has
 * taken the whole transaction back. Returns: whether there is something to commit; if not, with
 * @error */
static gboolean
tidy (const JkbHistorySource *source, const JkbHistoryLimits *limits, JkbHistoryCommit *result,
      GError **error)
{
  JkbHistoryTidied tidied = { 0 };
  gint64 now_us;

  if (!jkb_history_db_save_point (source->db, error))
    return FALSE;
  if (jkb_history_clock_step (source, &now_us, &result->untidy)
      && jkb_history_tidy (source->db, now_us, limits, &tidied, &result->untidy))
    {
      result->more = tidied.more;
      result->lost += tidied.n_undated;
      return TRUE;
    }
  if (!jkb_history_db_is_corrupt (source->db) && jkb_history_db_undo_to_save_point (source->db))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&result->untidy));
  return FALSE;
}

gboolean
jkb_history_commit (JkbHistorySource *source, GArray *outages, const JkbHistoryLimits *limits,
                    JkbHistoryCommit *result, GError **error)
{
  g_autoptr (GArray) changed = g_array_copy (outages);
  guint32 end = source->position;

  *result = (JkbHistoryCommit){ 0 };
  if (!jkb_history_db_begin (source->db, error))
    return FALSE;
  if (!write_all (source, changed, &end, result, error) || !tidy (source, limits, result, error)
      || !jkb_history_db_commit (source->db, error))
    {
      g_clear_error (&result->untidy);
      jkb_history_db_rollback (source->db);
      return FALSE;
    }
  g_array_set_size (outages, 0);
  g_array_append_vals (outages, changed->data, changed->len);
  source->position = end;
  return TRUE;
}
