/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "commit-fixture.h"

#include <string.h>

#include "history/jkb-outages.h"

void
close_all (Fixture *f)
{
  g_clear_pointer (&f->source.db, jkb_history_db_close);
  g_clear_pointer (&f->source.journal, jkb_journal_close);
}

/* What a start does. */
void
open_all (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->source.journal = jkb_journal_open (f->journal_path, &error);
  g_assert_no_error (error);
  f->source.db = jkb_history_db_open (f->database_path, &error);
  g_assert_no_error (error);
  g_assert_true (jkb_history_db_load_outages (f->source.db, f->outages, &error));
  f->source.position = jkb_history_begin_reading (f->source.db, f->source.journal);
}

void
set_time (Fixture *f, gint64 time_us)
{
  f->source.realtime_us = time_us;
  f->source.monotonic_us = time_us - NEW_YEAR + BOOT_US;
}

void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = make_directory ();
  f->journal_path = g_build_filename (f->directory, "history.journal", NULL);
  f->database_path = g_build_filename (f->directory, "history.sqlite", NULL);
  f->outages = jkb_outages_new ();
  f->limits = (JkbHistoryLimits){ 30 * DAY, 64 * 1000 * 1000 };
  open_all (f);
  set_time (f, NEW_YEAR);
}

void
tear_down (Fixture *f, gconstpointer data)
{
  close_all (f);
  g_array_unref (f->outages);
  g_free (f->journal_path);
  g_free (f->database_path);
  remove_directory (f->directory);
}

/* ---- records ---- */

void
add_at (Fixture *f, const char *id, gint64 realtime_us, gint64 monotonic_us, guint millivolt)
{
  JkbRecord *record = jkb_journal_reserve (f->source.journal, sizeof *record);

  g_assert_nonnull (record);
  memset (&record->realtime_us, 0, sizeof *record - G_STRUCT_OFFSET (JkbRecord, realtime_us));
  record->realtime_us = realtime_us;
  record->monotonic_us = monotonic_us;
  strcpy (record->id, id);
  make_live (record->frame, millivolt);
  jkb_journal_publish (f->source.journal, record, sizeof *record, JKB_RECORD_SAMPLE);
}

void
add (Fixture *f, const char *id, gint64 time_us, guint millivolt)
{
  add_at (f, id, time_us, time_us - NEW_YEAR + BOOT_US, millivolt);
}

void
control (Fixture *f, JkbRecordKind kind, const char *id, gint64 first_us, gint64 second_us)
{
  JkbRecord *record = jkb_journal_reserve (f->source.journal, JKB_RECORD_CONTROL_SIZE);

  g_assert_nonnull (record);
  record->from_us = first_us;
  record->to_us = second_us;
  memset (record->id, 0, sizeof record->id);
  strcpy (record->id, id);
  jkb_journal_publish (f->source.journal, record, JKB_RECORD_CONTROL_SIZE, kind);
}

void
outage (Fixture *f, gint64 begin_us, gint64 end_us)
{
  control (f, JKB_RECORD_BEGIN_OUTAGE, "", begin_us, begin_us - NEW_YEAR + BOOT_US);
  control (f, JKB_RECORD_END_OUTAGE, "", end_us, end_us - NEW_YEAR + BOOT_US);
}

void
commit_only (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  jkb_history_commit (&f->source, f->outages, &f->limits, &f->result, &error);
  g_assert_no_error (error);
  g_assert_no_error (f->result.untidy);
}

void
commit (Fixture *f)
{
  commit_only (f);
  jkb_journal_release (f->source.journal, f->source.position);
}

void
let_pass (Fixture *f, gint64 to_us)
{
  set_time (f, to_us);
  do
    commit (f);
  while (f->result.more);
}

/* Values of the first cell: (element-type JkbHistoryPoint) */
GArray *
ask (Fixture *f, const char *id, gint64 from_us, gint64 to_us, guint points)
{
  JkbHistoryQuestion question = {
    .field = JKB_FIELD_CELL_VOLTAGES, .from_us = from_us, .to_us = to_us, .points = points,
    .max_samples = JKB_HISTORY_MAX_SAMPLES
  };
  g_autoptr (GError) error = NULL;
  GArray *answer;

  strcpy (question.id, id);
  answer = jkb_history_read_points (&f->source, &question, &error);
  g_assert_no_error (error);
  return answer;
}

guint
count (Fixture *f, const char *id, gint64 from_us, gint64 to_us)
{
  g_autoptr (GArray) answer = ask (f, id, from_us, to_us, JKB_HISTORY_MAX_POINTS);

  return answer->len;
}

guint
count_all (Fixture *f, const char *id)
{
  return count (f, id, 0, G_MAXINT64);
}

/* ---- what was missed ---- */

JkbHistoryBatch *
read_missed (Fixture *f, gint64 after_us, guint max)
{
  g_autoptr (GError) error = NULL;
  JkbHistoryBatch *batch = jkb_history_read_missed (&f->source, f->outages, after_us, max, &error);

  g_assert_no_error (error);
  return batch;
}

/* All batches, in order over all BMS, each once, whatever was committed and thinned meanwhile. */
guint
read_all_missed (Fixture *f, guint max, gint64 from_us, gint64 to_us)
{
  gint64 after_us = 0;
  guint n = 0;

  for (;;)
    {
      g_autoptr (JkbHistoryBatch) batch = read_missed (f, after_us, max);

      if (batch->samples->len == 0)
        break;
      for (guint i = 0; i < batch->samples->len; i++, n++)
        {
          const JkbHistorySample *sample = &g_array_index (batch->samples, JkbHistorySample, i);

          g_assert_cmpint (sample->stamp_us, >, after_us);
          g_assert_cmpint (sample->stamp_us, >=, MAX (from_us, batch->from_us));
          g_assert_cmpint (sample->stamp_us, <=, MIN (to_us, batch->to_us));
          if (i > 0)
            g_assert_cmpint (sample->stamp_us, >=, sample[-1].stamp_us);
        }
      after_us = batch->to_us;
    }
  return n;
}

/* A sample that does not compress. */
void
add_noise (Fixture *f, gint64 time_us, GRand *rand)
{
  JkbRecord *record = jkb_journal_reserve (f->source.journal, sizeof *record);

  memset (record, 0, sizeof *record);
  record->realtime_us = time_us;
  record->monotonic_us = time_us - NEW_YEAR + BOOT_US;
  strcpy (record->id, "garage_1");
  make_live (record->frame, 3300);
  for (guint j = 200; j < JKB_FRAME_SIZE; j++)
    record->frame[j] = (guint8) g_rand_int (rand);
  jkb_journal_publish (f->source.journal, record, sizeof *record, JKB_RECORD_SAMPLE);
}
