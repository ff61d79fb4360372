/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What is known of the wall clock when neither the kernel nor timesyncd may be asked.
 */
#include "dbus-fixture.h"
#include "dbus/jkb-clock.h"

#define SECOND G_GINT64_CONSTANT (1000000)

static const char timedated_xml[]
    = "<node><interface name='org.freedesktop.timedate1'>"
      "<property name='NTPSynchronized' type='b' access='read'/></interface></node>";

typedef struct
{
  gboolean synchronized;
  guint asked;
} Timedated;

static gboolean
see_nothing (void)
{
  return FALSE;
}

static gboolean
see_it (void)
{
  return TRUE;
}

static GVariant *
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *property, GError **error, gpointer user_data)
{
  Timedated *timedated = user_data;

  timedated->asked++;
  return g_variant_new_boolean (timedated->synchronized);
}

static GDBusConnection *
start_timedated (PrivateBus *bus, Timedated *timedated)
{
  const GDBusInterfaceVTable vtable = { NULL, on_get, NULL, { NULL } };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (timedated_xml, NULL);
  GDBusConnection *connection = private_bus_connect (bus);

  g_assert_cmpuint (g_dbus_connection_register_object (connection, "/org/freedesktop/timedate1",
                                                       node->interfaces[0], &vtable, timedated,
                                                       NULL, NULL),
                    !=, 0);
  request_name (connection, "org.freedesktop.timedate1");
  return connection;
}

/* Long enough for an answer to come. */
static void
wait_a_little (void)
{
  for (guint i = 0; i < 20; i++)
    turn_loop ();
}

static void
test_asked (void)
{
  PrivateBus bus = { 0 };
  Timedated timedated = { 0 };
  g_autoptr (JkbClock) clock = jkb_clock_new (see_nothing);
  GDBusConnection *client, *mock;

  private_bus_start (&bus);
  client = private_bus_connect (&bus);
  jkb_clock_ask (clock, client, 0); /* there is no timedated */
  wait_a_little ();
  g_assert_false (jkb_clock_is_synchronized (clock));

  mock = start_timedated (&bus, &timedated);
  jkb_clock_ask (clock, client, 10 * SECOND); /* too soon */
  wait_a_little ();
  g_assert_cmpuint (timedated.asked, ==, 0);
  jkb_clock_ask (clock, client, 31 * SECOND);
  wait_until (timedated.asked == 1);
  wait_a_little ();
  g_assert_false (jkb_clock_is_synchronized (clock));

  timedated.synchronized = TRUE;
  jkb_clock_ask (clock, client, 100 * SECOND);
  wait_until (jkb_clock_is_synchronized (clock));
  jkb_clock_ask (clock, client, 10000 * SECOND); /* nothing left to ask */
  wait_a_little ();
  g_assert_cmpuint (timedated.asked, ==, 2);

  g_dbus_connection_close_sync (mock, NULL, NULL);
  g_dbus_connection_close_sync (client, NULL, NULL);
  g_object_unref (mock);
  g_object_unref (client);
  wait_a_little ();
  private_bus_clear (&bus);
}

static void
test_seen (void)
{
  g_autoptr (JkbClock) clock = jkb_clock_new (see_it);

  g_assert_true (jkb_clock_is_synchronized (clock));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/dbus/clock/asked", test_asked);
  g_test_add_func ("/dbus/clock/seen", test_seen);
  return g_test_run ();
}
