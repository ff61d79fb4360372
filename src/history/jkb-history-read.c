/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Questions and missed samples. A damaged chunk costs its samples, not the answer; the tidying
 * takes it away later, and says so.
 */
#include "history/jkb-history-read.h"

#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-stamp.h"
#include "history/jkb-chunk.h"
#include "history/jkb-outages.h"
#include "history/jkb-points.h"
#include "wire/jkb-decode.h"

/* What it takes to begin with a chunk, in samples. */
#define CHUNK_COST 16

#define SLACK_US (2 * (gint64) G_USEC_PER_SEC)

/* ---- records of the journal ---- */

/* The wall clock went ahead because the machine slept, not because it was set. */
static gboolean
has_slept_only (const JkbHistorySource *source, const JkbRecord *record)
{
  gint64 moved_us = (source->realtime_us - source->monotonic_us)
                    - (record->realtime_us - record->monotonic_us);

  return source->slept_us > 0 && jkb_stamp_is_set (record->realtime_us)
         && ABS (moved_us - source->slept_us) < SLACK_US;
}

JkbDating
jkb_history_date (const JkbHistorySource *source, const JkbRecord *record, guint32 position,
                  gint64 *stamp_us)
{
  *stamp_us = record->realtime_us;
  if (jkb_journal_is_foreign (source->journal, position - record->size)
      || record->monotonic_us > source->monotonic_us + G_USEC_PER_SEC)
    return jkb_stamp_is_set (record->realtime_us) ? JKB_DATED : JKB_UNDATABLE;
  if (has_slept_only (source, record))
    return JKB_DATED;
  *stamp_us = jkb_stamp_correct (record->realtime_us, record->monotonic_us, source->realtime_us,
                                 source->monotonic_us);
  if (*stamp_us != 0)
    return JKB_DATED;
  *stamp_us = record->monotonic_us;
  return JKB_UNDATED;
}

void
jkb_history_apply_outage (const JkbHistorySource *source, const JkbRecord *record, guint32 position,
                          GArray *outages)
{
  gint64 stamp_us = 0;
  JkbDating dating = JKB_DATED;

  if (record->kind == JKB_RECORD_BEGIN_OUTAGE || record->kind == JKB_RECORD_END_OUTAGE
      || record->kind == JKB_RECORD_SAMPLE)
    dating = jkb_history_date (source, record, position, &stamp_us);
  if (dating == JKB_UNDATABLE)
    return;
  switch (record->kind)
    {
    case JKB_RECORD_BEGIN_OUTAGE:
      jkb_outages_begin (outages, stamp_us, dating == JKB_DATED);
      break;
    case JKB_RECORD_END_OUTAGE:
      jkb_outages_end (outages, stamp_us, dating == JKB_DATED);
      break;
    case JKB_RECORD_SAMPLE:
      jkb_outages_miss (outages, stamp_us, dating == JKB_DATED);
      break;
    case JKB_RECORD_DROP_OUTAGES:
      g_array_set_size (outages, 0);
      break;
    case JKB_RECORD_CONFIRM:
      jkb_outages_confirm (outages, record->from_us, record->to_us);
      break;
    default:
      break;
    }
}

/* ---- all samples of a time ---- */

/* Returns: whether there may be earlier ones that are wanted still. */
typedef gboolean (*SampleFunc) (const char *id, gint64 stamp_us, const guint8 *frame,
                                gpointer user_data);

typedef struct
{
  const JkbHistorySource *source;
  GHashTable *forgotten; /* (nullable): id → position behind which samples count */
  gint64 from_us, to_us;
  const char *id; /* of the chunk that is being read */
  SampleFunc func;
  gpointer user_data;
  gboolean more; /* .func did not say no to this chunk's first sample */
  guint64 left;  /* how much work may still be done */
  gboolean exhausted;
} Reading;

static gboolean
is_stopped (const JkbHistorySource *source)
{
  return source->stop != NULL && atomic_load_explicit (source->stop, memory_order_relaxed);
}

static gboolean
on_sample (gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  Reading *reading = user_data;

  if (stamp_us > reading->to_us)
    return FALSE;
  if (stamp_us < reading->from_us)
    {
      reading->more = TRUE;
      return TRUE;
    }
  if (!reading->func (reading->id, stamp_us, frame, reading->user_data))
    return FALSE;
  reading->more = TRUE;
  return TRUE;
}

/* What the count of a damaged one says does not matter: a chunk is an hour at most. Returns:
 * whether it may be unpacked */
static gboolean
pay_for (Reading *reading, const JkbChunkRow *row)
{
  guint64 cost = (guint64) row->count + CHUNK_COST;

  reading->exhausted = reading->left < cost;
  reading->left -= MIN (cost, reading->left);
  return !reading->exhausted;
}

/* Chunks come in the order of their first samples: if that is too late, so are all others. */
static gboolean
on_chunk (const JkbChunkRow *row, gpointer user_data)
{
  Reading *reading = user_data;

  if (is_stopped (reading->source))
    return FALSE;
  reading->id = jkb_history_db_id (reading->source->db, row->bms);
  if (reading->id == NULL
      || (reading->forgotten != NULL && g_hash_table_contains (reading->forgotten, reading->id)))
    return TRUE;
  if (!pay_for (reading, row))
    return FALSE;
  reading->more = FALSE;
  return jkb_chunk_unpack (row->data, row->n_data, row->shift_us, on_sample, reading, NULL, NULL)
             ? reading->more
             : TRUE;
}

static gboolean
refuse (GError **error)
{
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
               "from and to hold more samples than %u: ask for less time at once",
               JKB_HISTORY_MAX_SAMPLES);
  return FALSE;
}

static gboolean
read_chunks (Reading *reading, const char *id, GError **error)
{
  gint64 number = id != NULL ? jkb_history_db_number (reading->source->db, id, FALSE, NULL) : 0;

  for (int level = JKB_LEVEL_MINUTE; level >= JKB_LEVEL_FULL && (id == NULL || number != 0);
       level--)
    if (!jkb_history_db_each (reading->source->db, level, number, reading->from_us, reading->to_us,
                              on_chunk, reading, error)
        || (reading->exhausted && !refuse (error)))
      return FALSE;
  return TRUE;
}

/* What was forgotten since the last commit is not to be told until the next one. */
static GHashTable *
find_forgotten (const JkbHistorySource *source)
{
  GHashTable *forgotten = NULL;
  guint32 position = source->position, head = jkb_journal_head (source->journal);
  const JkbRecord *record;

  while ((record = jkb_journal_next (source->journal, &position, head)) != NULL)
    if (record->kind == JKB_RECORD_FORGET)
      {
        if (forgotten == NULL)
          forgotten = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
        g_hash_table_insert (forgotten, g_strdup (record->id),
                             GUINT_TO_POINTER (position - source->position));
      }
  return forgotten;
}

static gboolean
is_forgotten (const Reading *reading, const JkbRecord *record, guint32 position)
{
  gpointer from = reading->forgotten != NULL
                      ? g_hash_table_lookup (reading->forgotten, record->id)
                      : NULL;

  return position - reading->source->position < GPOINTER_TO_UINT (from);
}

static void
read_journal (Reading *reading, const char *id)
{
  const JkbHistorySource *source = reading->source;
  guint32 position = source->position, head = jkb_journal_head (source->journal);
  const JkbRecord *record;
  gint64 stamp_us;

  while ((record = jkb_journal_next (source->journal, &position, head)) != NULL)
    if (record->kind == JKB_RECORD_SAMPLE && (id == NULL || strcmp (record->id, id) == 0)
        && jkb_history_date (source, record, position, &stamp_us) == JKB_DATED
        && stamp_us >= reading->from_us && stamp_us <= reading->to_us
        && !is_forgotten (reading, record, position))
      reading->func (record->id, stamp_us, record->frame, reading->user_data);
}

/* @id: (nullable): of all BMS. @max: samples of the database that may be unpacked */
static gboolean
read_samples (const JkbHistorySource *source, const char *id, gint64 from_us, gint64 to_us,
              guint64 max, SampleFunc func, gpointer user_data, GError **error)
{
  g_autoptr (GHashTable) forgotten = find_forgotten (source);
  Reading reading = { source, forgotten, from_us, to_us, NULL, func, user_data, FALSE, max, FALSE };

  if (!read_chunks (&reading, id, error))
    return FALSE;
  if (is_stopped (source))
    {
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_BUSY, JKB_HISTORY_CLOSING);
      return FALSE;
    }
  read_journal (&reading, id);
  return TRUE;
}

/* ---- a question ---- */

typedef struct
{
  const JkbHistoryQuestion *question;
  JkbPoints *points;
} Answer;

gboolean
jkb_history_sample_decode (const JkbHistorySample *sample, JkbValues *values)
{
  if (!jkb_decode (sample->frame, values))
    return FALSE;
  jkb_plausible_values (sample->frame, values);
  return TRUE;
}

static gboolean
on_answer (const char *id, gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  Answer *answer = user_data;
  const JkbField *field = &jkb_fields[answer->question->field];
  JkbValues values;
  gint64 raw;

  if (!jkb_decode (frame, &values))
    return TRUE;
  jkb_plausible_values (frame, &values);
  if (field->kind == JKB_KIND_LIST)
    {
      raw = answer->question->item < values.n_cells
                ? jkb_values_get_item (&values, answer->question->field, answer->question->item)
                : JKB_UNKNOWN_ITEM;
      raw = raw == JKB_UNKNOWN_ITEM ? JKB_UNKNOWN : raw;
    }
  else
    raw = jkb_values_get (&values, answer->question->field);
  if (raw != JKB_UNKNOWN)
    jkb_points_add (answer->points, stamp_us, (double) raw / MAX (field->scale, 1));
  return TRUE;
}

/* Equal stretches of what there is, not of all time: a question may begin in 1970. */
static gint64
find_first (const JkbHistorySource *source)
{
  gint64 first_us = source->realtime_us;

  for (int level = JKB_LEVEL_FULL; level < JKB_N_LEVELS; level++)
    {
      JkbChunkRow row;

      if (jkb_history_db_oldest (source->db, level, G_MAXINT64, &row, NULL))
        first_us = MIN (first_us, row.t0_us);
    }
  return first_us;
}

GArray *
jkb_history_read_points (const JkbHistorySource *source, const JkbHistoryQuestion *question,
                         GError **error)
{
  gint64 from_us = MAX (question->from_us, find_first (source));
  gint64 to_us = MIN (question->to_us, source->realtime_us);
  Answer answer = { question, NULL };
  g_autoptr (GArray) points = NULL;
  gboolean good;

  if (from_us > to_us)
    {
      from_us = question->from_us;
      to_us = question->to_us;
    }
  answer.points = jkb_points_new (from_us, to_us, question->points);
  good = read_samples (source, question->id, question->from_us, question->to_us,
                       question->max_samples, on_answer, &answer, error);
  points = jkb_points_finish (answer.points);
  return good ? g_steal_pointer (&points) : NULL;
}

/* ---- what was missed ---- */

typedef struct
{
  const GArray *missed; /* (element-type JkbOutage) */
  guint max;
  GArray *samples; /* (element-type JkbHistorySample) */
  gint64 last_us;  /* later ones are not wanted any more */
} Collecting;

static int
compare_samples (gconstpointer a, gconstpointer b)
{
  const JkbHistorySample *x = a, *y = b;

  if (x->stamp_us != y->stamp_us)
    return x->stamp_us < y->stamp_us ? -1 : 1;
  return strcmp (x->id, y->id);
}

/* Keeps the @max oldest, and what is as old as the last of them. */
static void
cut (Collecting *collecting)
{
  GArray *samples = collecting->samples;
  guint n = collecting->max;

  g_array_sort (samples, compare_samples);
  if (samples->len <= n)
    return;
  collecting->last_us = g_array_index (samples, JkbHistorySample, n - 1).stamp_us;
  while (n < samples->len
         && g_array_index (samples, JkbHistorySample, n).stamp_us == collecting->last_us)
    n++;
  g_array_set_size (samples, n);
}

static gboolean
was_missed (const GArray *missed, gint64 stamp_us)
{
  for (guint i = 0; i < missed->len; i++)
    {
      const JkbOutage *outage = &g_array_index (missed, JkbOutage, i);

      if (stamp_us <= outage->end_us)
        return stamp_us >= outage->begin_us;
    }
  return FALSE;
}

static gboolean
on_missed (const char *id, gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  Collecting *collecting = user_data;
  JkbHistorySample sample = { .stamp_us = stamp_us };

  if (stamp_us > collecting->last_us)
    return FALSE;
  if (!was_missed (collecting->missed, stamp_us))
    return TRUE;
  g_strlcpy (sample.id, id, sizeof sample.id);
  memcpy (sample.frame, frame, sizeof sample.frame);
  g_array_append_val (collecting->samples, sample);
  if (collecting->samples->len >= 2 * collecting->max + 16)
    cut (collecting);
  return TRUE;
}

/* What is in the database, and what the journal says since. */
static GArray *
list_missed (const JkbHistorySource *source, const GArray *outages, gint64 after_us)
{
  g_autoptr (GArray) now = g_array_copy ((GArray *) outages);
  guint32 position = source->position, head = jkb_journal_head (source->journal);
  const JkbRecord *record;

  while ((record = jkb_journal_next (source->journal, &position, head)) != NULL)
    jkb_history_apply_outage (source, record, position, now);
  return jkb_outages_missed (now, after_us);
}

void
jkb_history_batch_free (JkbHistoryBatch *batch)
{
  g_array_unref (batch->samples);
  g_free (batch);
}

JkbHistoryBatch *
jkb_history_read_missed (const JkbHistorySource *source, const GArray *outages, gint64 after_us,
                         guint max, GError **error)
{
  g_autoptr (GArray) missed = list_missed (source, outages, after_us);
  g_autoptr (JkbHistoryBatch) batch = g_new0 (JkbHistoryBatch, 1);
  Collecting collecting = { missed, max, NULL, G_MAXINT64 };

  batch->samples = g_array_new (FALSE, FALSE, sizeof (JkbHistorySample));
  if (missed->len == 0)
    return g_steal_pointer (&batch);
  batch->from_us = g_array_index (missed, JkbOutage, 0).begin_us;
  batch->to_us = g_array_index (missed, JkbOutage, missed->len - 1).end_us;
  collecting.samples = batch->samples;
  if (!read_samples (source, NULL, batch->from_us, batch->to_us, G_MAXUINT64, on_missed,
                     &collecting, error))
    return NULL;
  cut (&collecting);
  batch->to_us = MIN (batch->to_us, collecting.last_us);
  return g_steal_pointer (&batch);
}
