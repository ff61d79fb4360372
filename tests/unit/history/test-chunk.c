/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Chunks there and back, damaged ones, and the down-sampling that keeps the extremes.
 */
#include <string.h>

#include "core/jkb-error.h"
#include "history-fixture.h"
#include "history/jkb-chunk.h"
#include "history/jkb-points.h"

#define N 90

typedef struct
{
  guint8 frames[N][JKB_FRAME_SIZE];
  JkbChunkItem items[N];
  guint n_seen;
  gint64 shift_us;
  guint stop_after;
} Fixture;

static void
fill (Fixture *fixture)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);

  for (guint i = 0; i < N; i++)
    {
      make_live (fixture->frames[i], 3200 + i);
      for (guint j = 0; j < 5; j++)
        fixture->frames[i][g_rand_int_range (rand, 6, JKB_FRAME_SIZE)] ^= g_rand_int (rand) & 0xff;
      fixture->items[i].stamp_us = NEW_YEAR + i * SECOND + g_rand_int_range (rand, 0, 5000);
      fixture->items[i].frame = fixture->frames[i];
    }
}

static gboolean
on_item (gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  Fixture *fixture = user_data;
  guint i = fixture->n_seen++;

  g_assert_cmpuint (i, <, N);
  g_assert_cmpint (stamp_us, ==, fixture->items[i].stamp_us + fixture->shift_us);
  g_assert_cmpmem (frame, JKB_FRAME_SIZE, fixture->frames[i], JKB_FRAME_SIZE);
  return fixture->n_seen != fixture->stop_after;
}

static void
test_there_and_back (void)
{
  g_autofree Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  gboolean stopped;
  gsize size;
  gconstpointer data;

  fill (fixture);
  bytes = jkb_chunk_pack (fixture->items, N);
  data = g_bytes_get_data (bytes, &size);
  g_test_message ("%u samples in %" G_GSIZE_FORMAT " bytes", N, size);
  g_assert_cmpuint (size, <, N * 40);

  g_assert_true (jkb_chunk_unpack (data, size, 0, on_item, fixture, &stopped, &error));
  g_assert_no_error (error);
  g_assert_false (stopped);
  g_assert_cmpuint (fixture->n_seen, ==, N);

  fixture->n_seen = 0;
  fixture->shift_us = 12345;
  fixture->stop_after = 5;
  g_assert_true (jkb_chunk_unpack (data, size, 12345, on_item, fixture, &stopped, &error));
  g_assert_true (stopped);
  g_assert_cmpuint (fixture->n_seen, ==, 5);
}

static void
test_one (void)
{
  g_autofree Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  fill (fixture);
  bytes = jkb_chunk_pack (fixture->items, 1);
  g_bytes_get_data (bytes, &size);
  g_assert_true (
      jkb_chunk_unpack (g_bytes_get_data (bytes, NULL), size, 0, on_item, fixture, NULL, NULL));
  g_assert_cmpuint (fixture->n_seen, ==, 1);
}

/* A damaged database may hold any of this, and it may be packed again when it is thinned. */
static void
test_impossible (void)
{
  static const gint64 stamps[] = { G_MAXINT64, G_MININT64, 0, G_MAXINT64 };
  g_autofree Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_false (jkb_chunk_unpack (NULL, 0, 0, on_item, fixture, NULL, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  fill (fixture);
  for (guint i = 0; i < G_N_ELEMENTS (stamps); i++)
    fixture->items[i].stamp_us = stamps[i];
  bytes = jkb_chunk_pack (fixture->items, G_N_ELEMENTS (stamps));
  g_bytes_get_data (bytes, &size);
  g_assert_true (
      jkb_chunk_unpack (g_bytes_get_data (bytes, NULL), size, 0, on_item, fixture, NULL, NULL));
  g_assert_cmpuint (fixture->n_seen, ==, G_N_ELEMENTS (stamps));
}

static gboolean
count_item (gint64 stamp_us, const guint8 *frame, gpointer user_data)
{
  (*(guint *) user_data)++;
  return TRUE;
}

/* Cut short anywhere, or with any byte changed: an error, never nonsense taken for good. */
static void
test_damage (void)
{
  g_autofree Fixture *fixture = g_new0 (Fixture, 1);
  g_autoptr (GBytes) bytes = NULL;
  g_autofree guint8 *copy = NULL;
  gsize size;

  fill (fixture);
  bytes = jkb_chunk_pack (fixture->items, N);
  copy = g_memdup2 (g_bytes_get_data (bytes, &size), g_bytes_get_size (bytes));
  for (gsize i = 0; i < size; i++)
    {
      g_autoptr (GError) error = NULL;
      guint n = 0;

      g_assert_false (jkb_chunk_unpack (copy, i, 0, count_item, &n, NULL, &error));
      g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
    }
  for (gsize i = 0; i < size; i += 3)
    {
      g_autoptr (GError) error = NULL;
      guint n = 0;

      copy[i] ^= 0x10;
      if (jkb_chunk_unpack (copy, size, 0, count_item, &n, NULL, &error))
        g_assert_cmpuint (n, ==, N); /* a bit that means nothing, as one of zlib's header */
      g_assert_cmpuint (n, <=, N);
      copy[i] ^= 0x10;
    }
}

/* ---- points ---- */

static void
test_few_points_stay (void)
{
  JkbPoints *points = jkb_points_new (0, 100, 10);
  g_autoptr (GArray) answer = NULL;

  for (int i = 10; i > 0; i--)
    jkb_points_add (points, i * 10, i);
  answer = jkb_points_finish (points);
  g_assert_cmpuint (answer->len, ==, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpfloat (g_array_index (answer, JkbHistoryPoint, i).value, ==, i + 1);
}

/* A day of which an hour in the morning and one in the evening are kept, a second apart: both are told
 * as closely as if there were nothing between. */
static void
test_empty_time_takes_no_points (void)
{
  const gint64 second = G_USEC_PER_SEC, evening = 72000 * second;
  JkbPoints *points = jkb_points_new (0, 86400 * second, 100);
  g_autoptr (GArray) answer = NULL;
  guint mornings = 0;

  for (int i = 0; i < 3600; i++)
    {
      jkb_points_add (points, i * second, i % 7);
      jkb_points_add (points, evening + i * second, i % 7);
    }
  answer = jkb_points_finish (points);
  g_assert_cmpuint (answer->len, ==, 100);
  for (guint i = 0; i < answer->len; i++)
    {
      const JkbHistoryPoint *point = &g_array_index (answer, JkbHistoryPoint, i);

      mornings += point->stamp_us < evening;
      if (i > 0 && (point->stamp_us < evening || point[-1].stamp_us >= evening))
        g_assert_cmpint (point->stamp_us - point[-1].stamp_us, <, 300 * second);
    }
  g_assert_cmpuint (mornings, ==, 50);
}

/* Whatever the number of points, each peak stays, at its own time. */
static void
test_extremes_stay (gconstpointer data)
{
  guint max = GPOINTER_TO_UINT (data);
  JkbPoints *points = jkb_points_new (0, 9999, max);
  g_autoptr (GArray) answer = NULL;
  gboolean high = FALSE, low = FALSE;

  for (int i = 0; i < 10000; i++)
    jkb_points_add (points, i, i == 7777 ? 99 : i == 1234 ? -99 : i % 7);
  answer = jkb_points_finish (points);
  g_assert_cmpuint (answer->len, <=, max);
  g_assert_cmpuint (answer->len, >=, max > 1 ? max - 1 - max % 2 : 1);
  for (guint i = 0; i < answer->len; i++)
    {
      const JkbHistoryPoint *point = &g_array_index (answer, JkbHistoryPoint, i);

      high = high || (point->value == 99 && point->stamp_us == 7777);
      low = low || (point->value == -99 && point->stamp_us == 1234);
      if (i > 0)
        g_assert_cmpint (point->stamp_us, >, point[-1].stamp_us);
    }
  g_assert_true (high);
  g_assert_true (low || max == 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/chunk/there-and-back", test_there_and_back);
  g_test_add_func ("/chunk/one", test_one);
  g_test_add_func ("/chunk/impossible", test_impossible);
  g_test_add_func ("/chunk/damage", test_damage);
  g_test_add_func ("/points/few-stay", test_few_points_stay);
  g_test_add_func ("/points/empty-time", test_empty_time_takes_no_points);
  g_test_add_data_func ("/points/extremes-stay-in-1", GUINT_TO_POINTER (1), test_extremes_stay);
  g_test_add_data_func ("/points/extremes-stay-in-2", GUINT_TO_POINTER (2), test_extremes_stay);
  g_test_add_data_func ("/points/extremes-stay-in-99", GUINT_TO_POINTER (99), test_extremes_stay);
  g_test_add_data_func ("/points/extremes-stay-in-1000", GUINT_TO_POINTER (1000),
                        test_extremes_stay);
  return g_test_run ();
}
