/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "live-fixture.h"

const JkbHistoryConfig standard = { TRUE, 2592000, 64 };

void
start (Fixture *f)
{
  f->history = jkb_history_new (f->directory, NULL);
  jkb_history_start (f->history, &standard);
}

void
stop (Fixture *f)
{
  jkb_history_stop (f->history);
  g_clear_object (&f->history);
}

void
set_up (Fixture *f, gconstpointer data)
{
  f->directory = make_directory ();
  start (f);
}

void
tear_down (Fixture *f, gconstpointer data)
{
  stop (f);
  remove_directory (f->directory);
}

void
add (Fixture *f, const char *id, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      JkbFrame frame = { .type = JKB_FRAME_LIVE,
                         .realtime_us = g_get_real_time (),
                         .monotonic_us = g_get_monotonic_time () };

      make_live (frame.data, 3000 + i);
      jkb_history_add (f->history, id, &frame);
    }
}

/* ---- asking ---- */

void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_true (source == G_OBJECT (f->history));
  f->result = g_object_ref (result);
}

static void
wait_for_result (Fixture *f)
{
  while (f->result == NULL)
    g_main_context_iteration (NULL, TRUE);
}

GArray *
ask_of (Fixture *f, const char *id, const char *key, gint64 from_us, gint64 to_us, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  jkb_history_query_async (f->history, 1000, id, key, from_us, to_us, 0, on_result, f);
  g_assert_null (f->result);
  wait_for_result (f);
  result = g_steal_pointer (&f->result);
  return jkb_history_query_finish (f->history, result, error);
}

GArray *
ask (Fixture *f, const char *key, gint64 from_us, gint64 to_us, GError **error)
{
  return ask_of (f, "garage_1", key, from_us, to_us, error);
}

guint
count_of (Fixture *f, const char *id)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) points = ask_of (f, id, "cell_voltage_1", 0, G_MAXINT64, &error);

  g_assert_no_error (error);
  return points->len;
}

guint
count (Fixture *f)
{
  return count_of (f, "garage_1");
}

JkbHistoryBatch *
read_missed (Fixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  JkbHistoryBatch *batch;

  jkb_history_read_missed_async (f->history, 0, 100, on_result, f);
  wait_for_result (f);
  result = g_steal_pointer (&f->result);
  batch = jkb_history_read_missed_finish (f->history, result, &error);
  g_assert_no_error (error);
  return batch;
}
