/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The D-Bus daemon comes and goes; the service is there whenever it is.
 */
#include "core/jkb-error.h"
#include "service-fixture.h"

static void
test_restart (ServiceFixture *f, gconstpointer interval)
{
  make_known (f, 1);
  for (guint round = 0; round < 2; round++)
    {
      drop_client (f);
      private_bus_stop (&f->bus);
      for (guint i = 0; i < 20; i++)
        turn_loop ();
      feed_current (f, 1, 5000 + round);
      g_assert_cmpint (flush (f), ==, G_MAXINT64); /* nobody to tell */
      make_known (f, 3 + (guint8) round);

      private_bus_start (&f->bus);
      connect_client (f);
      wait_until (name_is_owned (f));
      g_assert_true (has_interface (f, BMS, "Telemetry"));
      g_assert_true (has_interface (f, ROOT "/bms/garage_3", "Telemetry"));
      assert_property (f, ROOT, "Manager", "LogLevel", "'info'");
      assert_property (f, BMS, "Telemetry", "Current", round == 0 ? "5.0" : "5.0010000000000003");

      f->now_us += 10 * SECOND;
      feed_current (f, 1, -9000 - (gint64) round);
      flush (f);
      assert_changed (f, "Telemetry", 0,
                      "ChargingPower Current DischargingPower Power");
    }
}

static void
test_late_daemon (void)
{
  ServiceFixture f = { 0 };

  private_bus_start (&f.bus);
  private_bus_stop (&f.bus);
  make_daemon (&f, "1");
  start_service (&f);
  wait_until (f.ready > 0); /* goes on without */
  private_bus_start (&f.bus);
  connect_client (&f);
  wait_until (name_is_owned (&f));
  g_assert_true (has_interface (&f, ROOT "/bus/garage", "Bus"));
  service_tear_down (&f, NULL);
}

static void
test_name_taken (void)
{
  ServiceFixture f = { 0 };
  GDBusConnection *other;

  private_bus_start (&f.bus);
  make_daemon (&f, "1");
  connect_client (&f);
  other = private_bus_connect (&f.bus);
  request_name (other, NAME);
  start_service (&f);
  wait_until (f.ready > 0);
  g_dbus_connection_close_sync (other, NULL, NULL);
  g_object_unref (other);
  wait_until (name_is_owned (&f));
  assert_property (&f, ROOT, "Manager", "LogLevel", "'info'");
  service_tear_down (&f, NULL);
}

/* Stopping before the connection stands must not leave anything behind. */
static void
test_stop_early (void)
{
  ServiceFixture f = { .ready = 1 };

  private_bus_start (&f.bus);
  make_daemon (&f, "1");
  start_service (&f);
  service_tear_down (&f, NULL);
}

#define add(path, interval, func)                                                                  \
  g_test_add ("/dbus/link/" path, ServiceFixture, interval, service_set_up, func,                \
              service_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_error_quark ();
  add ("restart", "1", test_restart);
  g_test_add_func ("/dbus/link/late-daemon", test_late_daemon);
  g_test_add_func ("/dbus/link/name-taken", test_name_taken);
  g_test_add_func ("/dbus/link/stop-early", test_stop_early);
  return g_test_run ();
}
