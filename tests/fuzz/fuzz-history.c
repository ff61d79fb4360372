/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The files of the history as a start finds them. The first byte says which: a packed chunk, the
 * items inside of one, or a good journal or database with bytes changed at some places. Whatever
 * they hold, questions are answered in order and within their limits, and new samples are kept.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "core/jkb-error.h"
#include "fuzz-input.h"
#include "history-fixture.h"
#include "history/jkb-chunk.h"
#include "history/jkb-history-commit.h"
#include "history/jkb-journal-private.h"
#include "history/jkb-outages.h"

#define BOOT_US (100 * SECOND) /* the monotonic clock at NEW_YEAR */
#define NOW_US (NEW_YEAR + 2 * HOUR)
#define N_POINTS 20
#define CHANGED_JOURNAL (JKB_JOURNAL_HEADER_SIZE + 4096) /* what can be changed of it */

enum
{
  CHUNK,
  ITEMS,
  JOURNAL,
  SEALED_JOURNAL, /* the checks of its records are put right again */
  DATABASE,
  N_MODES
};

static char *journal_path, *database_path, *log_path;
static GBytes *good_journal, *good_database;

/* ---- a good history ---- */

static JkbHistorySource
open_source (void)
{
  JkbHistorySource source = { .realtime_us = NOW_US, .monotonic_us = BOOT_US + 2 * HOUR };
  g_autoptr (GError) error = NULL;

  source.journal = jkb_journal_open (journal_path, &error);
  g_assert_no_error (error);
  source.db = jkb_history_db_open (database_path, &error);
  return source;
}

static void
close_source (JkbHistorySource *source)
{
  jkb_history_db_close (source->db);
  jkb_journal_close (source->journal);
}

static gboolean
push (JkbJournal *journal, JkbRecordKind kind, const char *id, gint64 after_us)
{
  guint32 size = kind == JKB_RECORD_SAMPLE ? sizeof (JkbRecord) : JKB_RECORD_CONTROL_SIZE;
  JkbRecord *record = jkb_journal_reserve (journal, size);

  if (record == NULL)
    return FALSE;
  memset (&record->realtime_us, 0, size - G_STRUCT_OFFSET (JkbRecord, realtime_us));
  g_strlcpy (record->id, id, sizeof record->id);
  record->realtime_us = NEW_YEAR + after_us;
  record->monotonic_us = BOOT_US + after_us;
  if (kind == JKB_RECORD_SAMPLE)
    make_live (record->frame, 3300 + (guint) (after_us / SECOND % 100));
  jkb_journal_publish (journal, record, size, kind);
  return TRUE;
}

static void
push_some (JkbJournal *journal, gint64 after_us)
{
  for (guint i = 0; i < 4; i++)
    push (journal, JKB_RECORD_SAMPLE, i % 2 == 0 ? "garage_1" : "shed_2", after_us + i * SECOND);
  push (journal, JKB_RECORD_BEGIN_OUTAGE, "", after_us + 5 * SECOND);
  push (journal, JKB_RECORD_SAMPLE, "garage_1", after_us + 6 * SECOND);
  push (journal, JKB_RECORD_END_OUTAGE, "", after_us + 7 * SECOND);
}

static gboolean
commit (JkbHistorySource *source, GArray *outages, GError **error)
{
  const JkbHistoryLimits limits = { 30 * 24 * HOUR, 1000 * 1000 };
  JkbHistoryCommit result;

  if (!jkb_history_commit (source, outages, &limits, &result, error))
    return FALSE;
  g_clear_error (&result.untidy);
  jkb_journal_release (source->journal, source->position);
  return TRUE;
}

static GBytes *
read_bytes (const char *path, gsize n_bytes)
{
  char *bytes;
  gsize size;

  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  return g_bytes_new_take (bytes, MIN (size, n_bytes));
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_autoptr (GArray) outages = jkb_outages_new ();
  JkbHistorySource source;

  journal_path = g_build_filename (fuzz_directory (), "history.journal", NULL);
  database_path = g_build_filename (fuzz_directory (), "history.sqlite", NULL);
  log_path = g_strconcat (database_path, "-wal", NULL);
  source = open_source ();
  source.position = jkb_history_begin_reading (source.db, source.journal);
  for (guint i = 0; i < 40; i++)
    push_some (source.journal, i * 60 * SECOND);
  g_assert_true (commit (&source, outages, NULL));
  close_source (&source);
  good_database = read_bytes (database_path, G_MAXSIZE);
  g_unlink (journal_path);
  source = open_source ();
  push_some (source.journal, HOUR);
  close_source (&source);
  good_journal = read_bytes (journal_path, G_MAXSIZE);
  return 0;
}

/* ---- chunks ---- */

static gboolean
on_item (gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  guint *n = user_data;

  *n += 1;
  return *n < 100;
}

static void
check_chunk (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  gboolean stopped;
  guint n = 0;
  gboolean good = jkb_chunk_unpack (data, size, 0, on_item, &n, &stopped, &error);

  g_assert_true (good == (error == NULL));
  g_assert_true (!good || n > 0);
  g_assert_true (!stopped || n == 100);
}

/* Any bytes as what a chunk was packed from. */
static void
check_items (const guint8 *data, gsize size)
{
  g_autoptr (GConverter) converter
      = G_CONVERTER (g_zlib_compressor_new (G_ZLIB_COMPRESSOR_FORMAT_ZLIB, 1));
  g_autofree guint8 *packed = g_malloc (2 * size + 64);
  gsize n_read = 0, n_written = 0;

  if (size == 0)
    return;
  packed[0] = 1;
  g_assert_cmpint (g_converter_convert (converter, data, size, packed + 1, 2 * size + 63,
                                        G_CONVERTER_INPUT_AT_END, &n_read, &n_written, NULL),
                   ==, G_CONVERTER_FINISHED);
  check_chunk (packed, n_written + 1);
}

/* ---- files ---- */

/* Each three bytes of the input: a place, and what is there instead. */
static void
write_changed (const char *path, GBytes *good, gsize n_places, const guint8 *data, gsize size)
{
  gsize n_bytes;
  g_autofree guint8 *bytes = NULL;

  n_bytes = g_bytes_get_size (good);
  bytes = g_memdup2 (g_bytes_get_data (good, NULL), n_bytes);
  for (gsize i = 0; i + 3 <= size; i += 3)
    bytes[((gsize) data[i] << 8 | data[i + 1]) % MIN (n_places, n_bytes)] = data[i + 2];
  fuzz_write_file (path, bytes, n_bytes);
}

/* As many records as can be followed. */
static void
seal_records (void)
{
  char *bytes;
  gsize n_bytes;

  g_assert_true (g_file_get_contents (journal_path, &bytes, &n_bytes, NULL));
  for (gsize at = JKB_JOURNAL_HEADER_SIZE; at + sizeof (JkbRecord) < CHANGED_JOURNAL;)
    {
      JkbRecord *record = (JkbRecord *) (bytes + at);

      if (record->size < G_STRUCT_OFFSET (JkbRecord, realtime_us)
          || record->size > sizeof *record || record->size % 8 != 0)
        break;
      record->check = jkb_journal_check (record, (guint32) (at - JKB_JOURNAL_HEADER_SIZE));
      at += record->size;
    }
  fuzz_write_file (journal_path, bytes, n_bytes);
  g_free (bytes);
}

static void
check_error (const GError *error)
{
  g_assert_true (error->domain == JKB_ERROR);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
check_points (const JkbHistorySource *source, JkbFieldId field)
{
  const JkbHistoryQuestion question
      = { "garage_1", field, 0, NEW_YEAR, NOW_US, N_POINTS, 100000 };
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = jkb_history_read_points (source, &question, &error);
  gint64 last_us = NEW_YEAR;

  if (points == NULL)
    check_error (error);
  g_assert_cmpuint (points != NULL ? points->len : 0, <=, N_POINTS);
  for (guint i = 0; points != NULL && i < points->len; i++)
    {
      const JkbHistoryPoint *point = &g_array_index (points, JkbHistoryPoint, i);

      g_assert_cmpint (point->stamp_us, >=, last_us);
      g_assert_cmpint (point->stamp_us, <=, NOW_US);
      last_us = point->stamp_us;
    }
}

static void
check_missed (const JkbHistorySource *source, const GArray *outages)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JkbHistoryBatch) batch
      = jkb_history_read_missed (source, outages, 0, 10, &error);
  gint64 last_us = G_MININT64;

  if (batch == NULL)
    {
      check_error (error);
      return;
    }
  for (guint i = 0; i < batch->samples->len; i++)
    {
      const JkbHistorySample *sample = &g_array_index (batch->samples, JkbHistorySample, i);

      g_assert_cmpint (sample->stamp_us, >=, last_us);
      g_assert_cmpuint (strnlen (sample->id, sizeof sample->id), <, sizeof sample->id);
      last_us = sample->stamp_us;
    }
}

/* As a daemon does from its start on. */
static void
check_files (void)
{
  JkbHistorySource source = open_source ();
  g_autoptr (GArray) outages = jkb_outages_new ();
  g_autoptr (GError) error = NULL;

  if (source.db != NULL && jkb_history_db_load_outages (source.db, outages, NULL))
    {
      g_assert_cmpuint (outages->len, <=, JKB_OUTAGES_MAX);
      source.position = jkb_history_begin_reading (source.db, source.journal);
      check_points (&source, JKB_FIELD_TOTAL_VOLTAGE);
      check_points (&source, JKB_FIELD_CELL_VOLTAGES);
      check_missed (&source, outages);
      push (source.journal, JKB_RECORD_SAMPLE, "garage_1", HOUR);
      if (!commit (&source, outages, &error))
        check_error (error);
      check_points (&source, JKB_FIELD_CURRENT);
      check_missed (&source, outages);
    }
  close_source (&source);
}

static void
forget_files (void)
{
  static const char *const names[] = { ".set-aside", ".set-aside-wal" };

  g_unlink (log_path);
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autofree char *path = g_strconcat (database_path, names[i], NULL);

      g_unlink (path);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  guint mode;

  if (size < 1)
    return 0;
  mode = data[0] % N_MODES;
  data++;
  size--;
  if (mode == CHUNK)
    check_chunk (data, size);
  else if (mode == ITEMS)
    check_items (data, size);
  else
    {
      write_changed (journal_path, good_journal, CHANGED_JOURNAL, data,
                     mode == DATABASE ? 0 : size);
      write_changed (database_path, good_database, G_MAXSIZE, data, mode == DATABASE ? size : 0);
      if (mode == SEALED_JOURNAL)
        seal_records ();
      check_files ();
      forget_files ();
    }
  return 0;
}
