/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The crossing between two threads: order, overflow, limits, counters. The stress test is meant for
 * ThreadSanitizer too.
 */
#include "mqtt/jkb-mqtt-link.h"

#include <poll.h>
#include <string.h>

#define N_MESSAGES 20000

static JkbMessage *
message (JkbMessageKind kind, const char *topic, const char *payload)
{
  return jkb_message_new (kind, topic, payload, strlen (payload));
}

static void
take_all (JkbMqttLink *link, GString *out)
{
  JkbMessage *m;

  while ((m = jkb_mqtt_link_receive (link)) != NULL)
    {
      if (out != NULL)
        g_string_append_printf (out, "%s=%s ", m->topic, m->payload);
      jkb_mqtt_link_account (link, jkb_message_cost (m), TRUE);
      g_free (m);
    }
}

static void
test_order_and_counters (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  g_autoptr (GString) out = g_string_new (NULL);

  jkb_mqtt_link_send (link, message (JKB_MESSAGE_STATE, "a", "1"));
  jkb_mqtt_link_send (link, message (JKB_MESSAGE_EVENT, "e", "2"));
  jkb_mqtt_link_send (link, message (JKB_MESSAGE_STATE, "a", "3"));
  g_assert_cmpuint (jkb_mqtt_link_get_queued (link), ==, 3);
  jkb_mqtt_link_flush (link);
  take_all (link, out);
  g_assert_cmpstr (out->str, ==, "a=1 e=2 a=3 ");
  g_assert_cmpuint (jkb_mqtt_link_get_queued (link), ==, 0);
  g_assert_cmpuint (jkb_mqtt_link_get_published (link), ==, 3);
  jkb_mqtt_link_unref (link);
}

/* Nobody takes anything: states keep their newest, events their last few, nothing grows. */
static void
test_overflow (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  g_autoptr (GString) out = g_string_new (NULL);
  guint ring;

  for (guint i = 0; i < 5000; i++)
    jkb_mqtt_link_send (link, message (JKB_MESSAGE_STATE, "a", "x"));
  ring = jkb_mqtt_link_get_queued (link) - 1;
  g_assert_cmpuint (ring, <, 4096);
  for (guint i = 0; i < 15; i++)
    jkb_mqtt_link_send (link, message (JKB_MESSAGE_EVENT, "e", "x"));
  g_assert_cmpuint (jkb_mqtt_link_get_queued (link), ==, ring + 11);
  g_assert_cmpuint (jkb_mqtt_link_get_dropped (link), ==, 5);
  take_all (link, NULL);
  jkb_mqtt_link_flush (link);
  take_all (link, out);
  g_assert_cmpstr (out->str, ==, "e=x e=x e=x e=x e=x e=x e=x e=x e=x e=x a=x ");
  jkb_mqtt_link_unref (link);
}

static void
on_event (const JkbMqttEvent *event, gpointer user_data)
{
  GString *seen = user_data;

  g_string_append_printf (seen, "%d:%s ", event->kind, event->text != NULL ? event->text : "");
}

static void
test_high_and_low_water (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  g_autoptr (GString) seen = g_string_new (NULL);
  g_autofree char *bulk = g_strnfill (JKB_MQTT_HIGH_WATER, 'x');

  jkb_mqtt_link_attach (link, on_event, seen);
  g_assert_false (jkb_mqtt_link_is_full (link));
  jkb_mqtt_link_send (link, message (JKB_MESSAGE_RETAINED, "a", bulk));
  g_assert_true (jkb_mqtt_link_is_full (link));
  take_all (link, NULL);
  g_assert_false (jkb_mqtt_link_is_full (link));
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (seen->str, ==, "4: ");
  jkb_mqtt_link_report (link, JKB_MQTT_REFUSED, g_strdup ("why"), NULL, 0, FALSE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (seen->str, ==, "4: 2:why ");
  jkb_mqtt_link_detach (link);
  jkb_mqtt_link_unref (link);
}

/* What became of history is told without waking anybody. */
static void
test_history (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  g_autoptr (GString) seen = g_string_new (NULL);
  JkbMessage *m;

  jkb_mqtt_link_attach (link, on_event, seen);
  jkb_mqtt_link_send_history (link, message (JKB_MESSAGE_HISTORY, "h", "x"), 41);
  jkb_mqtt_link_send (link, message (JKB_MESSAGE_EVENT, "e", "x"));
  m = jkb_mqtt_link_receive (link);
  g_assert_cmpuint (m->sequence, ==, 41);
  jkb_mqtt_link_account (link, jkb_message_cost (m), TRUE);
  g_free (m);
  m = jkb_mqtt_link_receive (link);
  g_assert_cmpuint (m->sequence, ==, 0); /* the order of events is their own */
  jkb_mqtt_link_account (link, jkb_message_cost (m), TRUE);
  g_free (m);
  g_assert_cmpuint (jkb_mqtt_link_get_told (link), ==, 0);
  jkb_mqtt_link_tell (link, 41, TRUE);
  jkb_mqtt_link_tell (link, 42, FALSE);
  g_assert_cmpuint (jkb_mqtt_link_get_told (link), ==, 41);
  g_assert_cmpuint (jkb_mqtt_link_get_untold (link), ==, 1);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpstr (seen->str, ==, "");
  jkb_mqtt_link_detach (link);
  jkb_mqtt_link_unref (link);
}

static void
on_heard (const JkbMqttEvent *event, gpointer heard_us)
{
  *(gint64 *) heard_us = event->heard_us;
}

/* An event tells when the broker had been heard by then, however late it is looked at. */
static void
test_heard (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  gint64 heard_us = -1, first_us;

  jkb_mqtt_link_attach (link, on_heard, &heard_us);
  g_assert_cmpint (jkb_mqtt_link_get_heard (link), ==, 0);
  jkb_mqtt_link_hear (link);
  first_us = jkb_mqtt_link_get_heard (link);
  jkb_mqtt_link_report (link, JKB_MQTT_DISCONNECTED, NULL, NULL, 0, FALSE);
  g_usleep (1000);
  jkb_mqtt_link_hear (link);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_cmpint (heard_us, ==, first_us);
  g_assert_cmpint (jkb_mqtt_link_get_heard (link), >, first_us);
  jkb_mqtt_link_detach (link);
  jkb_mqtt_link_unref (link);
}

/* A thread that sleeps owes a sign of life only since it was asked. */
static void
test_beat (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  gint64 asked_us = jkb_mqtt_link_get_beat (link);

  g_usleep (2000);
  g_assert_cmpint (jkb_mqtt_link_get_beat (link), ==, asked_us);
  jkb_mqtt_link_clear (link);
  g_assert_cmpint (jkb_mqtt_link_get_beat (link), >, asked_us);
  jkb_mqtt_link_unref (link);
}

/* Nor does one that is in a long call, until that is over or took too long. */
static void
test_excuse (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  gint64 asked_us;

  jkb_mqtt_link_excuse (link, g_get_monotonic_time () + 60 * G_USEC_PER_SEC);
  g_usleep (2000);
  asked_us = jkb_mqtt_link_get_beat (link);
  g_usleep (2000);
  g_assert_cmpint (jkb_mqtt_link_get_beat (link), >, asked_us);

  jkb_mqtt_link_excuse (link, 0);
  g_usleep (2000);
  asked_us = jkb_mqtt_link_get_beat (link);
  g_usleep (2000);
  g_assert_cmpint (jkb_mqtt_link_get_beat (link), ==, asked_us);

  jkb_mqtt_link_excuse (link, g_get_monotonic_time () + 1000);
  g_usleep (2000);
  asked_us = jkb_mqtt_link_get_beat (link);
  g_usleep (2000);
  g_assert_cmpint (jkb_mqtt_link_get_beat (link), ==, asked_us);
  jkb_mqtt_link_unref (link);
}

static gpointer
consumer (gpointer data)
{
  JkbMqttLink *link = data;
  guint64 expected = 0;

  while (expected < N_MESSAGES)
    {
      struct pollfd fds = { jkb_mqtt_link_get_fd (link), POLLIN, 0 };
      JkbMessage *m;

      poll (&fds, 1, 10000);
      jkb_mqtt_link_clear (link);
      while ((m = jkb_mqtt_link_receive (link)) != NULL)
        {
          g_assert_cmpuint (m->sequence, ==, expected++);
          jkb_mqtt_link_account (link, jkb_message_cost (m), TRUE);
          g_free (m);
        }
    }
  jkb_mqtt_link_set_done (link);
  jkb_mqtt_link_unref (link);
  return NULL;
}

static void
test_two_threads (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (N_MESSAGES);
  GThread *thread = g_thread_new ("consumer", consumer, jkb_mqtt_link_ref (link));

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      jkb_mqtt_link_send (link, message (JKB_MESSAGE_EVENT, "e", "x"));
      if (i % 7 == 0)
        jkb_mqtt_link_flush (link);
    }
  while (!jkb_mqtt_link_wait_done (link, 1))
    jkb_mqtt_link_flush (link);
  g_thread_join (thread);
  g_assert_cmpuint (jkb_mqtt_link_get_published (link), ==, N_MESSAGES);
  g_assert_cmpuint (jkb_mqtt_link_get_dropped (link), ==, 0);
  jkb_mqtt_link_unref (link);
}

static void
on_arrived (const JkbMqttEvent *event, gpointer n_events)
{
  g_assert_cmpint (event->kind, ==, JKB_MQTT_ARRIVED);
  g_assert_cmpstr (event->text, ==, "jkbms/garage_1/set/balancer");
  ++*(guint *) n_events;
}

/* However many messages arrive, few megabytes wait; the rest is dropped and counted. */
static void
test_arrivals_are_bounded (void)
{
  JkbMqttLink *link = jkb_mqtt_link_new (10);
  const char *topic = "jkbms/garage_1/set/balancer";
  guint n_reserved = 0, n_events = 0;

  for (guint round = 0; round < 2; round++)
    {
      jkb_mqtt_link_attach (link, on_arrived, &n_events);
      for (n_reserved = 0; jkb_mqtt_link_reserve (link, topic, 2); n_reserved++)
        jkb_mqtt_link_report (link, JKB_MQTT_ARRIVED, g_strdup (topic), g_strdup ("ON"), 2, FALSE);
      g_assert_cmpuint (n_reserved, >, 10000);
      g_assert_cmpuint (n_reserved, <, 100000);
      g_assert_cmpuint (jkb_mqtt_link_get_dropped (link), ==, round + 1);
      while (g_main_context_iteration (NULL, FALSE))
        ;
      g_assert_cmpuint (n_events, ==, n_reserved * (round + 1));
      jkb_mqtt_link_detach (link);
    }
  jkb_mqtt_link_unref (link);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mqtt/link/order-and-counters", test_order_and_counters);
  g_test_add_func ("/mqtt/link/overflow", test_overflow);
  g_test_add_func ("/mqtt/link/high-and-low-water", test_high_and_low_water);
  g_test_add_func ("/mqtt/link/history", test_history);
  g_test_add_func ("/mqtt/link/heard", test_heard);
  g_test_add_func ("/mqtt/link/beat", test_beat);
  g_test_add_func ("/mqtt/link/excuse", test_excuse);
  g_test_add_func ("/mqtt/link/two-threads", test_two_threads);
  g_test_add_func ("/mqtt/link/arrivals-are-bounded", test_arrivals_are_bounded);
  return g_test_run ();
}
