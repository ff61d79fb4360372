/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the history answers and refuses, what is forgotten, and a changed configuration.
 */
#include "core/jkb-log.h"
#include "live-fixture.h"

/* ---- what is answered ---- */

static void
test_add_and_ask (Fixture *f, gconstpointer data)
{
  gint64 before_us = g_get_real_time ();
  g_autoptr (GArray) points = NULL;
  JkbHistoryCounters counters;

  g_assert_true (jkb_history_is_recording (f->history));
  add (f, "garage_1", 10);
  add (f, "garage_2", 5);
  points = ask (f, "cell_voltage_1", before_us, g_get_real_time (), NULL);
  g_assert_cmpuint (points->len, ==, 10);
  for (guint i = 0; i < 10; i++)
    g_assert_cmpfloat_with_epsilon (g_array_index (points, JkbHistoryPoint, i).value,
                                    3.0 + i * 0.001, 1e-9);
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.recorded, ==, 15);
  g_assert_cmpuint (counters.dropped, ==, 0);
  g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
}

/* Settings and device information are none of the history's business. */
static void
test_live_only (Fixture *f, gconstpointer data)
{
  JkbFrame frame = { .type = JKB_FRAME_INFO, .realtime_us = g_get_real_time () };
  JkbHistoryCounters counters;

  jkb_history_add (f->history, "garage_1", &frame);
  jkb_history_get_counters (f->history, &counters);
  g_assert_cmpuint (counters.recorded, ==, 0);
}

typedef struct
{
  const char *key;
  gint64 from_us, to_us;
  JkbError code;
} Refusal;

static const Refusal refusals[] = {
  { "nothing", 0, 1, JKB_ERROR_NOT_FOUND },
  { "", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltage_0", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltage_33", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltage_overvoltage_protection", 0, 1, JKB_ERROR_NOT_FOUND },
  { "cell_voltages", 0, 1, JKB_ERROR_INVALID_ARGUMENT },
  { "errors", 0, 1, JKB_ERROR_INVALID_ARGUMENT },
  { "charge_status", 0, 1, JKB_ERROR_INVALID_ARGUMENT },
  { "total_voltage", 2, 1, JKB_ERROR_INVALID_ARGUMENT },
};

static void
test_refused (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (ask (f, refusals[i].key, refusals[i].from_us, refusals[i].to_us, &error));
      g_assert_error (error, JKB_ERROR, (gint) refusals[i].code);
    }
}

/* Every key that has a number can be asked for. */
static void
test_every_number (Fixture *f, gconstpointer data)
{
  add (f, "garage_1", 1);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE); id < jkb_group_end (JKB_GROUP_LIVE); id++)
    {
      const JkbField *field = &jkb_fields[id];
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) points = NULL;

      if (field->kind != JKB_KIND_NUMBER && field->kind != JKB_KIND_BOOL)
        continue;
      points = ask (f, field->key, 0, G_MAXINT64, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (points->len, <=, 1);
    }
}

static void
on_many (GObject *source, GAsyncResult *result, gpointer user_data)
{
  guint *counts = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = jkb_history_query_finish (JKB_HISTORY (source), result, &error);

  if (points == NULL)
    g_assert_error (error, JKB_ERROR, JKB_ERROR_BUSY);
  counts[points != NULL ? 0 : 1]++;
}

/* Questions are bounded, and each gets exactly one answer, also when the history ends meanwhile. */
static void
test_many (Fixture *f, gconstpointer data)
{
  guint counts[2] = { 0, 0 };

  for (guint round = 0; round < 2; round++)
    {
      for (guint i = 0; i < 100; i++)
        jkb_history_query_async (f->history, i % 10, "garage_1", "total_voltage", 0, 1, 0, on_many,
                                 counts);
      if (round == 1)
        jkb_history_stop (f->history);
      while (counts[0] + counts[1] < 100 * (round + 1))
        g_main_context_iteration (NULL, TRUE);
      if (round == 0)
        {
          g_assert_cmpuint (counts[0], ==, 16);
          g_assert_cmpuint (counts[1], ==, 84);
        }
    }
  g_assert_cmpuint (counts[1], >=, 2 * 84);
}

/* The old thread may still be on its way out. */
static guint
count_when_open (Fixture *f)
{
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GArray) points = ask (f, "cell_voltage_1", 0, G_MAXINT64, &error);

      if (points != NULL)
        return points->len;
      g_assert_error (error, JKB_ERROR, JKB_ERROR_BUSY);
      g_usleep (1000);
    }
}

/* Off and on again at once, with questions under way: each gets its answer, what was dropped counts
 * once, and the history goes on. */
static void
test_off_and_on (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = standard;
  JkbHistoryCounters before, after;
  guint counts[2] = { 0, 0 };

  off.enabled = FALSE;
  for (guint i = 0; i < 20; i++)
    {
      add (f, "garage_1", 400);
      g_usleep (1000);
    }
  jkb_history_get_counters (f->history, &before);
  g_assert_cmpuint (before.dropped, >, 0);
  for (guint round = 1; round <= 3; round++)
    {
      for (guint i = 0; i < 16; i++)
        jkb_history_query_async (f->history, 1000, "garage_1", "total_voltage", 0, G_MAXINT64, 0,
                                 on_many, counts);
      jkb_history_configure (f->history, &off);
      g_assert_false (jkb_history_is_recording (f->history));
      add (f, "garage_1", 1);
      jkb_history_configure (f->history, &standard);
      while (counts[0] + counts[1] < 16 * round)
        g_main_context_iteration (NULL, TRUE);
      count_when_open (f);
      g_assert_cmpstr (jkb_history_get_error (f->history), ==, "");
    }
  jkb_history_get_counters (f->history, &after);
  g_assert_cmpuint (after.dropped, ==, before.dropped);
  g_assert_cmpuint (after.recorded, ==, before.recorded);
  add (f, "garage_1", 1);
  g_assert_cmpuint (count_when_open (f), ==, before.recorded + 1);
}

/* Forgotten is forgotten at once, and by an outage as well; a BMS that comes again begins anew. */
static void
test_forget (Fixture *f, gconstpointer data)
{
  g_autoptr (JkbHistoryBatch) batch = NULL;

  jkb_history_begin_outage (f->history, g_get_monotonic_time ());
  add (f, "garage_1", 5);
  add (f, "garage_2", 3);
  stop (f);
  start (f);
  add (f, "garage_1", 4);
  g_assert_cmpuint (count (f), ==, 9);
  jkb_history_forget (f->history, "garage_1");
  g_assert_cmpuint (count (f), ==, 0);
  add (f, "garage_1", 2);
  g_assert_cmpuint (count (f), ==, 2);
  g_assert_cmpuint (count_of (f, "garage_2"), ==, 3);
  jkb_history_end_outage (f->history, g_get_monotonic_time ());
  batch = read_missed (f);
  g_assert_cmpuint (batch->samples->len, ==, 5);
  stop (f);
  start (f);
  g_assert_cmpuint (count (f), ==, 2);
}

static void
test_forget_while_off (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = standard;

  off.enabled = FALSE;
  add (f, "garage_1", 5);
  for (guint round = 0; round < 3; round++)
    {
      add (f, "garage_1", 5);
      jkb_history_configure (f->history, &off);
      for (guint i = 0; round == 1 && i < 100; i++)
        {
          g_usleep (1000);
          g_main_context_iteration (NULL, FALSE);
        }
      jkb_history_forget (f->history, "garage_1");
      g_assert_false (jkb_history_is_recording (f->history));
      if (round == 2)
        {
          stop (f);
          start (f);
        }
      jkb_history_configure (f->history, &standard);
      g_assert_cmpuint (count_when_open (f), ==, 0);
    }
}

/* Off stays off, though the thread ends later. */
static void
test_off (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = standard;
  g_autoptr (GError) error = NULL;

  off.enabled = FALSE;
  add (f, "garage_1", 5);
  jkb_history_configure (f->history, &off);
  jkb_history_configure (f->history, &standard);
  jkb_history_configure (f->history, &off);
  for (guint i = 0; i < 20; i++)
    {
      g_clear_error (&error);
      g_assert_null (ask (f, "total_voltage", 0, 1, &error));
      g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
      g_assert_false (jkb_history_is_recording (f->history));
      g_usleep (5000);
    }
}

/* One that asks without end leaves places for others. */
static void
test_many_of_one (Fixture *f, gconstpointer data)
{
  guint counts[2] = { 0, 0 };

  for (guint i = 0; i < 100; i++)
    jkb_history_query_async (f->history, 1000, "garage_1", "total_voltage", 0, 1, 0, on_many,
                             counts);
  jkb_history_query_async (f->history, 0, "garage_1", "total_voltage", 0, 1, 0, on_many,
                           counts);
  while (counts[0] + counts[1] < 101)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (counts[0], ==, 4 + 1);
}

/* ---- configuration ---- */

static void
test_switched_off_and_on (Fixture *f, gconstpointer data)
{
  JkbHistoryConfig off = { FALSE, 2592000, 64 };
  g_autoptr (GError) error = NULL;

  add (f, "garage_1", 3);
  jkb_history_configure (f->history, &off);
  g_assert_false (jkb_history_is_recording (f->history));
  add (f, "garage_1", 3);
  g_assert_null (ask (f, "total_voltage", 0, 1, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  jkb_history_configure (f->history, &standard);
  add (f, "garage_1", 4);
  g_assert_cmpuint (count_when_open (f), ==, 7);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error"); /* what is set aside is warned of */
  ADD ("/history/add-and-ask", test_add_and_ask);
  ADD ("/history/live-only", test_live_only);
  ADD ("/history/refused", test_refused);
  ADD ("/history/every-number", test_every_number);
  ADD ("/history/many", test_many);
  ADD ("/history/many-of-one", test_many_of_one);
  ADD ("/history/off-and-on", test_off_and_on);
  ADD ("/history/off", test_off);
  ADD ("/history/forget", test_forget);
  ADD ("/history/forget-while-off", test_forget_while_off);
  ADD ("/history/switched-off-and-on", test_switched_off_and_on);
  return g_test_run ();
}
