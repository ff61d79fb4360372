/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What was missed, with a real history; the test plays the MQTT thread and the broker: it takes
 * messages out of the link and acknowledges what it likes.
 */
#include "mqtt/jkb-backlog.h"

#include <string.h>

#include "history-fixture.h"

#define N_SAMPLES 250
#define MINUTE_US ((gint64) 60 * G_USEC_PER_SEC)

typedef struct
{
  char *directory;
  JkbHistory *history;
  JkbConfig config;
  JkbPublisherContext context;
  JkbBacklog *backlog;
  GPtrArray *payloads; /* that came, in their order */
  guint64 newest;      /* number of the last one */
} Fixture;

static void
add_samples (Fixture *f)
{
  for (guint i = 0; i < N_SAMPLES; i++)
    {
      JkbFrame frame = { .type = JKB_FRAME_LIVE,
                         .realtime_us = g_get_real_time (),
                         .monotonic_us = g_get_monotonic_time () };

      make_live (frame.data, 3000 + i);
      jkb_history_add (f->history, "garage_1", &frame);
      g_usleep (10);
    }
}

static void
connect_broker (Fixture *f)
{
  f->context.link = jkb_mqtt_link_new (10);
  f->newest = 0;
  jkb_backlog_settle (f->backlog, TRUE, 1);
}

static void
disconnect_broker (Fixture *f)
{
  jkb_backlog_pause (f->backlog);
  g_clear_pointer (&f->context.link, jkb_mqtt_link_unref);
}

/* An outage with samples, and the broker is back. */
static void
set_up (Fixture *f, gconstpointer unused)
{
  static const JkbHistoryConfig standard = { TRUE, 2592000, 64 };

  f->directory = make_directory ();
  f->history = jkb_history_new (f->directory, NULL);
  jkb_history_start (f->history, &standard);
  f->config.mqtt.topic_prefix = (char *) "jkbms";
  f->context.config = &f->config;
  f->context.text = g_string_new (NULL);
  f->backlog = jkb_backlog_new (f->history, &f->context);
  f->payloads = g_ptr_array_new_with_free_func (g_free);
  jkb_backlog_begin_outage (f->backlog, g_get_monotonic_time ());
  add_samples (f);
  connect_broker (f);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  disconnect_broker (f);
  jkb_backlog_free (f->backlog);
  jkb_history_stop (f->history);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_object_unref (f->history);
  g_ptr_array_unref (f->payloads);
  g_string_free (f->context.text, TRUE);
  remove_directory (f->directory);
}

/* Takes what was sent by now. */
static void
take (Fixture *f)
{
  JkbMessage *message;

  while ((message = jkb_mqtt_link_receive (f->context.link)) != NULL)
    {
      g_assert_cmpint (message->kind, ==, JKB_MESSAGE_HISTORY);
      g_assert_cmpstr (message->topic, ==, "jkbms/garage_1/history");
      if (f->newest != 0)
        g_assert_cmpuint (message->sequence, ==, f->newest + 1);
      f->newest = message->sequence;
      g_ptr_array_add (f->payloads, g_strdup (message->payload));
      jkb_mqtt_link_account (f->context.link, jkb_message_cost (message), TRUE);
      g_free (message);
    }
}

/* Lets the main loop run for so long; @acknowledge: the broker answers. */
static void
run (Fixture *f, guint ms, gboolean acknowledge)
{
  gint64 end_us = g_get_monotonic_time () + ms * (gint64) 1000;

  while (g_get_monotonic_time () < end_us)
    {
      g_main_context_iteration (NULL, FALSE);
      g_usleep (500);
      take (f);
      if (acknowledge && f->newest != 0)
        jkb_mqtt_link_tell (f->context.link, f->newest, TRUE);
    }
}

static void
run_until (Fixture *f, guint n_payloads, gboolean acknowledge)
{
  gint64 end_us = g_get_monotonic_time () + MINUTE_US;

  while (f->payloads->len < n_payloads && g_get_monotonic_time () < end_us)
    run (f, 1, acknowledge);
  g_assert_cmpuint (f->payloads->len, >=, n_payloads);
}

/* The @i-th message that came is that of the sample with that number. */
static void
assert_sample (Fixture *f, guint i, guint number)
{
  g_autofree char *cell = g_strdup_printf ("\"cell_voltages\":[%.3f,", (3000 + number) / 1000.0);

  g_assert_nonnull (strstr (g_ptr_array_index (f->payloads, i), cell));
}

static void
test_all (Fixture *f, gconstpointer unused)
{
  run_until (f, N_SAMPLES, TRUE);
  run (f, 300, TRUE);
  g_assert_cmpuint (f->payloads->len, ==, N_SAMPLES);
  for (guint i = 0; i < N_SAMPLES; i++)
    assert_sample (f, i, i);
  g_assert_cmpuint (jkb_backlog_get_waiting (f->backlog), ==, 0);
}

/* Without answers few are sent, and none counts as told. */
static void
test_unanswered (Fixture *f, gconstpointer unused)
{
  run_until (f, 32, FALSE);
  run (f, 300, FALSE);
  g_assert_cmpuint (f->payloads->len, ==, 32);
  disconnect_broker (f);
  jkb_backlog_begin_outage (f->backlog, g_get_monotonic_time ());
  connect_broker (f);
  run_until (f, 32 + N_SAMPLES, TRUE);
  assert_sample (f, 32, 0);
  assert_sample (f, 32 + N_SAMPLES - 1, N_SAMPLES - 1);
}

/* After an interruption it goes on where it was, by whole batches. */
static void
test_resume (Fixture *f, gconstpointer unused)
{
  run_until (f, 180, TRUE);
  run (f, 150, FALSE); /* to the end of the second batch, which nobody acknowledges */
  g_assert_cmpuint (f->payloads->len, >, 200);
  disconnect_broker (f);
  jkb_backlog_begin_outage (f->backlog, g_get_monotonic_time ());
  g_ptr_array_set_size (f->payloads, 0);
  connect_broker (f);
  run_until (f, N_SAMPLES - 100, TRUE);
  run (f, 300, TRUE);
  g_assert_cmpuint (f->payloads->len, ==, N_SAMPLES - 100);
  assert_sample (f, 0, 100);
}

/* What could not be sent is not counted as told by those behind it. */
static void
test_failure (Fixture *f, gconstpointer unused)
{
  run_until (f, 90, TRUE);
  jkb_mqtt_link_tell (f->context.link, f->newest, FALSE);
  run (f, 100, TRUE);
  g_assert_cmpuint (f->payloads->len, <=, 130);
  disconnect_broker (f);
  jkb_backlog_begin_outage (f->backlog, g_get_monotonic_time ());
  g_ptr_array_set_size (f->payloads, 0);
  connect_broker (f);
  run_until (f, N_SAMPLES, TRUE);
  assert_sample (f, 0, 0);
}

static void
test_hold (Fixture *f, gconstpointer unused)
{
  jkb_backlog_hold (f->backlog, TRUE);
  run (f, 300, TRUE);
  g_assert_cmpuint (f->payloads->len, ==, 0);
  jkb_backlog_hold (f->backlog, FALSE);
  run_until (f, N_SAMPLES, TRUE);
}

/* Whoever switched MQTT off wants none of it, nor what is measured until it is switched on. */
static void
test_drop (Fixture *f, gconstpointer unused)
{
  disconnect_broker (f);
  jkb_backlog_drop (f->backlog);
  add_samples (f);
  jkb_backlog_begin_outage (f->backlog, g_get_monotonic_time ());
  connect_broker (f);
  run (f, 300, TRUE);
  disconnect_broker (f);
  jkb_backlog_begin_outage (f->backlog, g_get_monotonic_time () - MINUTE_US);
  connect_broker (f);
  run (f, 300, TRUE);
  g_assert_cmpuint (f->payloads->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)
  ADD ("/mqtt/backlog/all", test_all);
  ADD ("/mqtt/backlog/unanswered", test_unanswered);
  ADD ("/mqtt/backlog/resume", test_resume);
  ADD ("/mqtt/backlog/failure", test_failure);
  ADD ("/mqtt/backlog/hold", test_hold);
  ADD ("/mqtt/backlog/drop", test_drop);
  return g_test_run ();
}
