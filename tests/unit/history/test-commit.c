/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Journal to database and back, under a virtual clock: what is committed, found, missed,
 * dated later, forgotten; kills between the steps.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "commit-fixture.h"
#include "history/jkb-history-db-private.h"
#include "history/jkb-journal-private.h"
#include "history/jkb-outages.h"

/* ---- committing and asking ---- */

static void
test_found_before_and_after (Fixture *f, gconstpointer data)
{
  for (guint step = 0; step < 3; step++)
    {
      g_autoptr (GArray) answer = NULL;

      if (step == 0)
        for (guint i = 0; i < 20; i++)
          {
            add (f, "garage_1", NEW_YEAR + i * SECOND, 3200 + i);
            add (f, "garage_2", NEW_YEAR + i * SECOND + 500, 3400);
          }
      else if (step == 1)
        commit (f);
      else
        {
          close_all (f);
          open_all (f);
        }
      set_time (f, NEW_YEAR + 20 * SECOND);
      answer = ask (f, "garage_1", NEW_YEAR + 5 * SECOND, NEW_YEAR + 14 * SECOND, 100);
      g_assert_cmpuint (answer->len, ==, 10);
      for (guint i = 0; i < 10; i++)
        {
          const JkbHistoryPoint *point = &g_array_index (answer, JkbHistoryPoint, i);

          g_assert_cmpint (point->stamp_us, ==, NEW_YEAR + (5 + i) * SECOND);
          g_assert_cmpfloat_with_epsilon (point->value, 3.205 + i * 0.001, 1e-9);
        }
      g_assert_cmpuint (count_all (f, "garage_2"), ==, 20);
      g_assert_cmpuint (count_all (f, "garage_3"), ==, 0);
    }
}

/* Some committed, some not: the answer is one, in order. */
static void
test_found_across (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) answer = NULL;

  for (guint i = 0; i < 90; i++)
    {
      add (f, "garage_1", NEW_YEAR + i * SECOND, 3000 + i);
      if (i == 30 || i == 60)
        commit (f);
    }
  set_time (f, NEW_YEAR + 90 * SECOND);
  answer = ask (f, "garage_1", 0, G_MAXINT64, 1000);
  g_assert_cmpuint (answer->len, ==, 90);
  for (guint i = 0; i < 90; i++)
    g_assert_cmpint (g_array_index (answer, JkbHistoryPoint, i).stamp_us, ==,
                     NEW_YEAR + i * SECOND);
  g_clear_pointer (&answer, g_array_unref);
  answer = ask (f, "garage_1", 0, G_MAXINT64, 10);
  g_assert_cmpuint (answer->len, ==, 10);
  g_assert_cmpfloat_with_epsilon (g_array_index (answer, JkbHistoryPoint, 0).value, 3.000, 1e-9);
  g_assert_cmpfloat_with_epsilon (g_array_index (answer, JkbHistoryPoint, 9).value, 3.089, 1e-9);
}

static void
test_unknown_is_left_out (Fixture *f, gconstpointer data)
{
  JkbHistoryQuestion question = {
    .id = "garage_1", .field = JKB_FIELD_CELL_VOLTAGES, .item = 9, .to_us = G_MAXINT64,
    .points = 10, .max_samples = 100
  };
  g_autoptr (GArray) answer = NULL;

  add (f, "garage_1", NEW_YEAR, 3300);
  answer = jkb_history_read_points (&f->source, &question, NULL);
  g_assert_cmpuint (answer->len, ==, 0);
}

static void
test_switch_is_0_or_1 (Fixture *f, gconstpointer data)
{
  JkbHistoryQuestion question = {
    .id = "garage_1", .field = JKB_FIELD_CHARGING, .to_us = G_MAXINT64, .points = 10,
    .max_samples = 100
  };
  g_autoptr (GArray) answer = NULL;

  add (f, "garage_1", NEW_YEAR, 3300);
  answer = jkb_history_read_points (&f->source, &question, NULL);
  g_assert_cmpuint (answer->len, ==, 1);
  g_assert_cmpfloat (g_array_index (answer, JkbHistoryPoint, 0).value, ==, 1);
}

/* One question reads so much and no more, however long it reaches back. */
static void
test_bounded (Fixture *f, gconstpointer data)
{
  GArray *answer;
  JkbHistoryQuestion question = {
    .id = "garage_1", .field = JKB_FIELD_CHARGING, .to_us = G_MAXINT64, .points = 1000
  };

  for (guint hour = 0; hour < 10; hour++)
    {
      for (guint i = 0; i < 50; i++)
        add (f, "garage_1", NEW_YEAR + hour * HOUR + i * SECOND, 3300);
      add (f, "garage_2", NEW_YEAR + hour * HOUR, 3300);
      set_time (f, NEW_YEAR + hour * HOUR + 50 * SECOND);
      commit (f);
    }
  for (question.max_samples = 0; question.max_samples < 1000; question.max_samples += 10)
    {
      g_autoptr (GError) error = NULL;

      answer = jkb_history_read_points (&f->source, &question, &error);
      if (answer != NULL)
        break;
      g_assert_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
    }
  g_clear_pointer (&answer, g_array_unref);
  g_assert_cmpuint (question.max_samples, >, 100);
  g_assert_cmpuint (question.max_samples, <, 600);
  question.from_us = NEW_YEAR + 9 * HOUR;
  question.max_samples = 50 + 16;
  answer = jkb_history_read_points (&f->source, &question, NULL);
  g_assert_cmpuint (answer->len, ==, 50);
  g_array_unref (answer);
  question.max_samples--;
  g_assert_null (jkb_history_read_points (&f->source, &question, NULL));
}

/* ---- kills ---- */

/* Between commit and release: the journal still has what the database has. */
static void
test_killed_before_release (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  outage (f, NEW_YEAR, NEW_YEAR + 5 * SECOND);
  commit_only (f);
  close_all (f);
  open_all (f);
  for (guint i = 10; i < 15; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 15);
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 15);
  g_assert_cmpuint (f->outages->len, ==, 1);
}

static void
test_killed_before_commit (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  close_all (f);
  open_all (f);
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 10);
}

/* The database is gone, or new, and the journal is not. */
static void
test_database_lost (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  commit_only (f);
  close_all (f);
  g_unlink (f->database_path);
  open_all (f);
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 10);
}

/* ---- what was missed ---- */

static void
test_missed (Fixture *f, gconstpointer data)
{
  guint max = GPOINTER_TO_UINT (data);

  for (guint i = 0; i < 200; i++)
    {
      for (guint bms = 1; bms <= 4; bms++)
        {
          g_autofree char *id = g_strdup_printf ("garage_%u", bms);

          add (f, id, NEW_YEAR + i * SECOND + (bms > 2 ? 0 : bms * 10), 3000 + i);
        }
      if (i % 60 == 59)
        commit (f);
    }
  outage (f, NEW_YEAR + 20 * SECOND, NEW_YEAR + 60 * SECOND);
  outage (f, NEW_YEAR + 100 * SECOND, NEW_YEAR + 190 * SECOND);
  set_time (f, NEW_YEAR + 200 * SECOND);
  /* 40 s and the two BMS at second 60 sharp, 90 s and those at 190 */
  g_assert_cmpuint (read_all_missed (f, max, NEW_YEAR + 20 * SECOND, NEW_YEAR + 190 * SECOND), ==,
                    4 * 130 + 4);
  commit (f);
  g_assert_cmpuint (read_all_missed (f, max, NEW_YEAR + 20 * SECOND, NEW_YEAR + 190 * SECOND), ==,
                    4 * 130 + 4);
}

/* Confirmed batches do not come again, whenever a kill comes; the last one ends it all. */
static void
test_confirm (Fixture *f, gconstpointer data)
{
  guint n = 0, n_empty = 0;

  for (guint i = 0; i < 100; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  outage (f, NEW_YEAR, NEW_YEAR + 50 * SECOND);
  control (f, JKB_RECORD_BEGIN_OUTAGE, "", NEW_YEAR + 90 * SECOND, BOOT_US + 90 * SECOND);
  set_time (f, NEW_YEAR + 100 * SECOND);
  for (guint round = 0; round < 20; round++)
    {
      g_autoptr (JkbHistoryBatch) batch = read_missed (f, 0, 7);

      n += batch->samples->len;
      n_empty += batch->samples->len == 0;
      control (f, JKB_RECORD_CONFIRM, "", batch->from_us, batch->to_us);
      if (round % 3 == 1)
        commit (f);
      if (round % 3 == 2)
        commit_only (f);
      close_all (f);
      open_all (f);
    }
  g_assert_cmpuint (n, ==, 51);
  g_assert_cmpuint (n_empty, >=, 10);
  control (f, JKB_RECORD_END_OUTAGE, "", NEW_YEAR + 95 * SECOND, BOOT_US + 95 * SECOND);
  g_assert_cmpuint (read_all_missed (f, 100, NEW_YEAR + 90 * SECOND, NEW_YEAR + 95 * SECOND), ==,
                    6);
  control (f, JKB_RECORD_DROP_OUTAGES, "", 0, 0);
  g_assert_cmpuint (read_all_missed (f, 100, 0, G_MAXINT64), ==, 0);
}

/* ---- the clock ---- */

/* Nothing was set when it began; the time comes with a step, after some had to be committed. */
static void
test_clock_set_later (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) answer = NULL;

  f->source.realtime_us = 1000 * SECOND; /* 1970 */
  for (guint i = 0; i < 30; i++)
    {
      f->source.monotonic_us = BOOT_US + i * SECOND;
      add_at (f, "garage_1", f->source.realtime_us + i * SECOND, BOOT_US + i * SECOND, 3000 + i);
      if (i == 0)
        control (f, JKB_RECORD_BEGIN_OUTAGE, "", 1000 * SECOND, BOOT_US);
      if (i == 10 || i == 20)
        {
          f->source.realtime_us += i * SECOND;
          commit (f);
          f->source.realtime_us = 1000 * SECOND;
        }
    }
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 0);
  g_assert_cmpuint (f->result.lost, ==, 0);
  set_time (f, NEW_YEAR + 30 * SECOND);
  control (f, JKB_RECORD_END_OUTAGE, "", NEW_YEAR + 30 * SECOND, BOOT_US + 30 * SECOND);
  commit (f);
  answer = ask (f, "garage_1", 0, G_MAXINT64, 100);
  g_assert_cmpuint (answer->len, ==, 30);
  for (guint i = 0; i < 30; i++)
    g_assert_cmpint (g_array_index (answer, JkbHistoryPoint, i).stamp_us, ==,
                     NEW_YEAR + i * SECOND);
  g_assert_cmpuint (read_all_missed (f, 7, NEW_YEAR, NEW_YEAR + 30 * SECOND), ==, 30);
}

/* The machine was switched off before anybody told it the time: those samples have none. */
static void
test_clock_never_set (Fixture *f, gconstpointer data)
{
  int fd;

  f->source.realtime_us = 1000 * SECOND;
  f->source.monotonic_us = BOOT_US;
  for (guint i = 0; i < 5; i++)
    add_at (f, "garage_1", 1000 * SECOND + i, BOOT_US + i, 3300);
  commit (f);
  for (guint i = 0; i < 3; i++)
    add_at (f, "garage_1", 1000 * SECOND + i, BOOT_US + i, 3300);
  close_all (f);
  fd = g_open (f->journal_path, O_WRONLY, 0);
  g_assert_cmpint (pwrite (fd, "another boot", 12, G_STRUCT_OFFSET (JkbJournalHeader, boot)), ==,
                   12);
  g_close (fd, NULL);
  open_all (f);
  set_time (f, NEW_YEAR);
  add (f, "garage_1", NEW_YEAR, 3300);
  commit (f);
  g_assert_cmpuint (f->result.lost, ==, 8);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
}

/* A clock that steps does not tear the record apart: stamps are by the clock of the commit. */
static void
test_clock_steps (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  f->source.realtime_us = NEW_YEAR + DAY + 10 * SECOND;
  f->source.monotonic_us = BOOT_US + 10 * SECOND;
  commit (f);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR + DAY, NEW_YEAR + DAY + 9 * SECOND), ==, 10);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 10);
}

/* The monotonic clock stands still while the machine sleeps: that is no step. */
static void
test_sleep (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
  f->source.slept_us = HOUR;
  f->source.realtime_us = NEW_YEAR + HOUR + 10 * SECOND;
  f->source.monotonic_us = BOOT_US + 10 * SECOND;
  add_at (f, "garage_1", f->source.realtime_us, f->source.monotonic_us, 3300);
  commit (f);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR, NEW_YEAR + 9 * SECOND), ==, 10);
  g_assert_cmpuint (count (f, "garage_1", f->source.realtime_us, f->source.realtime_us), ==, 1);
}

/* ---- the rest ---- */

static void
test_forget (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 10; i++)
    {
      add (f, "garage_1", NEW_YEAR + i * SECOND, 3300);
      add (f, "garage_2", NEW_YEAR + i * SECOND, 3300);
      if (i == 4)
        commit (f);
    }
  control (f, JKB_RECORD_FORGET, "garage_1", 0, 0);
  add (f, "garage_1", NEW_YEAR + 11 * SECOND, 3300);
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
  g_assert_cmpuint (count_all (f, "garage_2"), ==, 10);
}

static void
test_damaged_chunk_costs_itself (Fixture *f, gconstpointer data)
{
  JkbChunkRow row = { .t0_us = NEW_YEAR,
                      .t1_us = NEW_YEAR + 59 * SECOND,
                      .count = 60,
                      .data = "\x01nonsense",
                      .n_data = 9 };
  g_autoptr (GError) error = NULL;

  add (f, "garage_1", NEW_YEAR + 60 * SECOND, 3300);
  commit (f);
  row.bms = jkb_history_db_number (f->source.db, "garage_1", FALSE, NULL);
  g_assert_true (jkb_history_db_insert (f->source.db, &row, &error));
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
  let_pass (f, NEW_YEAR + 3 * HOUR);
  g_assert_false (jkb_history_db_oldest (f->source.db, JKB_LEVEL_FULL, G_MAXINT64, &row, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
}

typedef struct
{
  const char *name;
  const char *sql;   /* for the sqlite of the database */
  const char *bytes; /* or: written over its beginning */
} Bad;

static const Bad bad_files[] = {
  { "/commit/newer-database", "PRAGMA user_version=99", NULL },
  { "/commit/id-of-nothing",
    "PRAGMA writable_schema=ON;"
    "UPDATE sqlite_schema SET sql='CREATE TABLE bms (number INTEGER PRIMARY KEY, id)'"
    " WHERE name='bms';"
    "DELETE FROM sqlite_schema WHERE name LIKE '%autoindex_bms%';"
    "PRAGMA writable_schema=RESET;"
    "UPDATE bms SET id=NULL",
    NULL },
  { "/commit/id-without-end",
    "UPDATE bms SET id='garage_1_garage_1_garage_1_garage_1'", NULL },
  { "/commit/strange-database", "PRAGMA application_id=5", NULL },
  { "/commit/no-database", NULL, "this is no database, but long enough to be taken for one" },
};

static void
test_bad_file (Fixture *f, gconstpointer data)
{
  const Bad *bad = data;
  g_autofree char *aside = g_strconcat (f->database_path, ".set-aside", NULL);
  g_autofree char *log = g_strconcat (f->database_path, "-wal", NULL);
  int fd;

  add (f, "garage_1", NEW_YEAR, 3300);
  commit (f);
  if (bad->sql != NULL)
    g_assert_true (jkb_history_db_run (f->source.db, bad->sql, NULL));
  close_all (f);
  g_assert_false (g_file_test (log, G_FILE_TEST_EXISTS));
  fd = g_open (f->database_path, O_WRONLY, 0);
  if (bad->bytes != NULL)
    g_assert_cmpint (pwrite (fd, bad->bytes, strlen (bad->bytes), 0), >, 0);
  g_close (fd, NULL);
  open_all (f);
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 0);
  add (f, "garage_1", NEW_YEAR + SECOND, 3300);
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
}

/* More outages than anybody has written. */
static void
test_too_many_outages (Fixture *f, gconstpointer data)
{
  g_assert_true (jkb_history_db_run (f->source.db,
                                     "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                                     " LIMIT 1000) INSERT INTO outage SELECT i, i, 1 FROM n",
                                     NULL));
  g_assert_true (jkb_history_db_load_outages (f->source.db, f->outages, NULL));
  g_assert_cmpuint (f->outages->len, ==, JKB_OUTAGES_MAX);
  add (f, "garage_1", NEW_YEAR, 3300);
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
}

static void
test_file_is_private (Fixture *f, gconstpointer data)
{
  GStatBuf info;

  add (f, "garage_1", NEW_YEAR, 3300);
  commit (f);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *path = g_strconcat (f->database_path, i == 0 ? "" : "-wal", NULL);

      g_assert_cmpint (g_stat (path, &info), ==, 0);
      g_assert_cmpint (info.st_mode & 0777, ==, 0600);
    }
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
#define ADD_MISSED(n)                                                                              \
  g_test_add ("/commit/missed-" #n, Fixture, GUINT_TO_POINTER (n), set_up, test_missed, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error"); /* what is set aside is warned of */
  ADD ("/commit/found-before-and-after", test_found_before_and_after);
  ADD ("/commit/found-across", test_found_across);
  ADD ("/commit/unknown-is-left-out", test_unknown_is_left_out);
  ADD ("/commit/switch-is-0-or-1", test_switch_is_0_or_1);
  ADD ("/commit/bounded", test_bounded);
  ADD ("/commit/killed-before-release", test_killed_before_release);
  ADD ("/commit/killed-before-commit", test_killed_before_commit);
  ADD ("/commit/database-lost", test_database_lost);
  ADD_MISSED (1);
  ADD_MISSED (10);
  ADD_MISSED (1000);
  ADD ("/commit/confirm", test_confirm);
  ADD ("/commit/clock-set-later", test_clock_set_later);
  ADD ("/commit/clock-never-set", test_clock_never_set);
  ADD ("/commit/clock-steps", test_clock_steps);
  ADD ("/commit/sleep", test_sleep);
  ADD ("/commit/forget", test_forget);
  ADD ("/commit/damaged-chunk-costs-itself", test_damaged_chunk_costs_itself);
  for (guint i = 0; i < G_N_ELEMENTS (bad_files); i++)
    g_test_add (bad_files[i].name, Fixture, &bad_files[i], set_up, test_bad_file, tear_down);
  ADD ("/commit/too-many-outages", test_too_many_outages);
  ADD ("/commit/file-is-private", test_file_is_private);
  return g_test_run ();
}
