/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a commit thins, ages and limits, and what becomes of it when it cannot.
 */
#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "commit-fixture.h"
#include "history/jkb-history-db-private.h"

/* One sample a second for @seconds, committed each minute, with the tidying of each minute. */
static void
live_on (Fixture *f, gint64 from_us, guint seconds)
{
  for (guint i = 0; i < seconds; i++)
    {
      add (f, "garage_1", from_us + i * SECOND, 3000 + i % 500);
      if (i % 60 == 59)
        {
          set_time (f, from_us + (i + 1) * SECOND);
          commit (f);
        }
    }
}

/* The first sample of each stretch stays, whichever hour it is in. */
static void
test_thinning (Fixture *f, gconstpointer data)
{
  g_autoptr (GArray) answer = NULL;

  live_on (f, NEW_YEAR, 3 * 3600);
  /* 03:00: the hour from 02:00 is whole; of the one from 01:00 nothing is younger than an hour */
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR + 2 * HOUR, NEW_YEAR + 3 * HOUR), ==, 3600);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR + HOUR, NEW_YEAR + 2 * HOUR - 1), ==, 360);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR, NEW_YEAR + HOUR - 1), ==, 360);
  answer = ask (f, "garage_1", NEW_YEAR, NEW_YEAR + HOUR - 1, 1000);
  for (guint i = 0; i < answer->len; i++)
    g_assert_cmpint (g_array_index (answer, JkbHistoryPoint, i).stamp_us, ==,
                     NEW_YEAR + i * 10 * SECOND);
  g_clear_pointer (&answer, g_array_unref);

  let_pass (f, NEW_YEAR + DAY + 2 * HOUR);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR + 2 * HOUR, NEW_YEAR + 3 * HOUR), ==, 360);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR, NEW_YEAR + 2 * HOUR - 1), ==, 120);
  answer = ask (f, "garage_1", NEW_YEAR, NEW_YEAR + HOUR - 1, 1000);
  for (guint i = 0; i < answer->len; i++)
    g_assert_cmpint (g_array_index (answer, JkbHistoryPoint, i).stamp_us, ==,
                     NEW_YEAR + i * 60 * SECOND);
}

/* What waits to be sent is thinned by the same rule, and none of the rest is lost. */
static void
test_thinning_of_missed (Fixture *f, gconstpointer data)
{
  control (f, JKB_RECORD_BEGIN_OUTAGE, "", NEW_YEAR, BOOT_US);
  live_on (f, NEW_YEAR, 2 * 3600);
  control (f, JKB_RECORD_END_OUTAGE, "", NEW_YEAR + 2 * HOUR, BOOT_US + 2 * HOUR);
  let_pass (f, NEW_YEAR + 2 * HOUR + 60 * SECOND);
  g_assert_cmpuint (read_all_missed (f, 500, NEW_YEAR, NEW_YEAR + 2 * HOUR), ==, 360 + 3600);
}

static void
test_too_old (Fixture *f, gconstpointer data)
{
  live_on (f, NEW_YEAR, 600);
  let_pass (f, NEW_YEAR + 30 * DAY + HOUR - SECOND);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 10);
  let_pass (f, NEW_YEAR + 30 * DAY + HOUR);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 0);
}

/* The file stays below its limit, the newest are there, and a lower limit makes it smaller. */
static void
test_too_much (Fixture *f, gconstpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint64 most = 0;
  gint64 now_us = NEW_YEAR;

  f->limits.max_bytes = 1500 * 1000;
  for (guint minute = 0; minute < 120; minute++)
    {
      for (guint i = 0; i < 240; i++)
        {
          now_us += SECOND / 4;
          add_noise (f, now_us, rand);
        }
      set_time (f, now_us);
      commit (f);
      most = MAX (most, jkb_history_db_file_bytes (f->source.db));
    }
  g_assert_cmpuint (most, >, 1000 * 1000);
  g_assert_cmpuint (most, <, 1500 * 1000 + 100 * 1000);
  g_assert_cmpuint (count (f, "garage_1", now_us - 10 * 60 * SECOND + 1, now_us), ==, 2400);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR, NEW_YEAR + 60 * SECOND), ==, 0);

  f->limits.max_bytes = 500 * 1000;
  commit (f);
  g_assert_cmpuint (jkb_history_db_file_bytes (f->source.db), <=, 500 * 1000);
}

static void
forbid_deleting (Fixture *f, const char *how)
{
  g_autofree char *sql = g_strdup_printf (
      "DROP TRIGGER IF EXISTS no; CREATE TRIGGER no BEFORE DELETE ON chunk BEGIN"
      " SELECT RAISE (%s, 'not so'); END", how);

  g_assert_true (jkb_history_db_run (f->source.db, sql, NULL));
}

/* What cannot be tidied is told, and kept with all that came since. Where the error has taken the
 * samples back as well, the commit fails, with its words. */
static void
test_untidy (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  live_on (f, NEW_YEAR, 600);
  set_time (f, NEW_YEAR + 31 * DAY);
  add (f, "garage_1", NEW_YEAR + 31 * DAY, 3300);
  f->source.synchronized = TRUE;
  forbid_deleting (f, "ROLLBACK");
  g_assert_false (jkb_history_commit (&f->source, f->outages, &f->limits, &f->result, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  g_assert_cmpstr (error->message, ==, "not so");
  g_assert_null (f->result.untidy);
  g_clear_error (&error);

  forbid_deleting (f, "ABORT");
  g_assert_true (jkb_history_commit (&f->source, f->outages, &f->limits, &f->result, &error));
  g_assert_cmpstr (f->result.untidy->message, ==, "not so");
  g_clear_error (&f->result.untidy);
  g_assert_cmpuint (count_all (f, "garage_1"), >, 1);
  g_assert_cmpuint (count (f, "garage_1", NEW_YEAR + 31 * DAY, G_MAXINT64), ==, 1);
  g_assert_true (jkb_history_db_run (f->source.db, "DROP TRIGGER no", NULL));
  commit (f);
  g_assert_cmpuint (count_all (f, "garage_1"), ==, 1);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error"); /* what is set aside is warned of */
  ADD ("/tidy/thinning", test_thinning);
  ADD ("/tidy/thinning-of-missed", test_thinning_of_missed);
  ADD ("/tidy/too-old", test_too_old);
  ADD ("/tidy/too-much", test_too_much);
  ADD ("/tidy/untidy", test_untidy);
  return g_test_run ();
}
