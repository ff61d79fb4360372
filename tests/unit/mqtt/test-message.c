/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Messages that wait: newest-wins in place, events in order and bounded.
 */
#include "mqtt/jkb-message.h"

#include <string.h>

static JkbOutbox outbox;

static JkbMessage *
message (JkbMessageKind kind, const char *topic, const char *payload)
{
  static guint64 sequence;
  JkbMessage *m = jkb_message_new (kind, topic, payload, strlen (payload));

  m->sequence = sequence++;
  return m;
}

static void
add (JkbMessageKind kind, const char *topic, const char *payload)
{
  g_free (jkb_outbox_add (&outbox, message (kind, topic, payload)));
}

/* All that is popped, as "topic=payload" joined with spaces. */
static char *
pop_all (gboolean events)
{
  GString *out = g_string_new (NULL);
  JkbMessage *m;

  while ((m = jkb_outbox_pop (&outbox, events)) != NULL)
    {
      g_string_append_printf (out, "%s%s=%s", out->len > 0 ? " " : "", m->topic, m->payload);
      g_free (m);
    }
  return g_string_free (out, FALSE);
}

static void
assert_pops (gboolean events, const char *expected)
{
  g_autofree char *popped = pop_all (events);

  g_assert_cmpstr (popped, ==, expected);
}

static void
test_kinds (void)
{
  g_autofree JkbMessage *state = message (JKB_MESSAGE_STATE, "t", "x");
  g_autofree JkbMessage *retained = message (JKB_MESSAGE_RETAINED, "t", "x");
  g_autofree JkbMessage *clear = message (JKB_MESSAGE_RETAINED, "t", "");
  g_autofree JkbMessage *event = message (JKB_MESSAGE_EVENT, "t", "x");
  g_autofree JkbMessage *past = message (JKB_MESSAGE_HISTORY, "t", "x");

  g_assert_true (state->qos == 0 && !state->retain && !jkb_message_survives (state));
  g_assert_true (retained->qos == 1 && retained->retain && !jkb_message_survives (retained));
  g_assert_true (clear->size == 0 && jkb_message_survives (clear));
  g_assert_true (event->qos == 1 && !event->retain && jkb_message_survives (event));
  g_assert_true (past->qos == 1 && !past->retain && !jkb_message_survives (past));
}

static void
test_newest_wins (void)
{
  jkb_outbox_init (&outbox, 10);
  add (JKB_MESSAGE_STATE, "a", "1");
  add (JKB_MESSAGE_RETAINED, "b", "1");
  add (JKB_MESSAGE_STATE, "a", "2");
  add (JKB_MESSAGE_STEP, "b", "step");
  add (JKB_MESSAGE_RETAINED, "b", "2");
  add (JKB_MESSAGE_STEP, "b", "step");
  assert_pops (FALSE, "a=2 b=2 b=step b=step");
  add (JKB_MESSAGE_STATE, "a", "3");
  assert_pops (FALSE, "a=3");
  jkb_outbox_clear (&outbox);
}

static void
test_put_back (void)
{
  JkbMessage *m;

  jkb_outbox_init (&outbox, 10);
  add (JKB_MESSAGE_STATE, "a", "1");
  add (JKB_MESSAGE_STATE, "b", "1");
  m = jkb_outbox_pop (&outbox, FALSE);
  jkb_outbox_put_back (&outbox, m);
  add (JKB_MESSAGE_STATE, "a", "2");
  assert_pops (FALSE, "a=2 b=1");
  jkb_outbox_clear (&outbox);
}

static void
test_events_in_order (void)
{
  JkbMessage *first = message (JKB_MESSAGE_EVENT, "e", "first");

  jkb_outbox_init (&outbox, 10);
  add (JKB_MESSAGE_STATE, "a", "1");
  add (JKB_MESSAGE_EVENT, "e", "2");
  add (JKB_MESSAGE_EVENT, "e", "3");
  g_assert_null (jkb_outbox_add (&outbox, first)); /* came back from a lost connection */
  g_assert_cmpuint (jkb_outbox_get_length (&outbox), ==, 4);
  assert_pops (TRUE, "e=first e=2 e=3 a=1");
  jkb_outbox_clear (&outbox);
}

static void
test_held_back (void)
{
  jkb_outbox_init (&outbox, 10);
  add (JKB_MESSAGE_EVENT, "e", "1");
  add (JKB_MESSAGE_STATE, "a", "1");
  assert_pops (FALSE, "a=1");
  assert_pops (TRUE, "e=1");
  jkb_outbox_clear (&outbox);
}

static void
test_queue_max (void)
{
  jkb_outbox_init (&outbox, 2);
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *payload = g_strdup_printf ("%u", i);
      g_autofree JkbMessage *victim
          = jkb_outbox_add (&outbox, message (JKB_MESSAGE_EVENT, "e", payload));

      g_assert_true ((victim != NULL) == (i >= 2));
    }
  assert_pops (TRUE, "e=3 e=4");
  jkb_outbox_clear (&outbox);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mqtt/message/kinds", test_kinds);
  g_test_add_func ("/mqtt/message/newest-wins", test_newest_wins);
  g_test_add_func ("/mqtt/message/put-back", test_put_back);
  g_test_add_func ("/mqtt/message/events-in-order", test_events_in_order);
  g_test_add_func ("/mqtt/message/held-back", test_held_back);
  g_test_add_func ("/mqtt/message/queue-max", test_queue_max);
  return g_test_run ();
}
