/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "service-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

/* ---- frames by hand ---- */

void
put (JkbFrame *frame, JkbFieldId id, gint64 raw)
{
  const JkbField *field = &jkb_fields[id];

  for (guint i = 0; i < jkb_field_width (field); i++)
    frame->data[field->offset + i] = (guint8) (raw >> (8 * i));
}

JkbFrame
frame_of (JkbFrameType type, guint8 address)
{
  JkbFrame frame = { .monotonic_us = g_get_monotonic_time (),
                     .realtime_us = g_get_real_time (),
                     .address = address,
                     .evidence = JKB_EVIDENCE_ACK,
                     .type = type };

  memcpy (frame.data, "\x55\xAA\xEB\x90", 4);
  frame.data[JKB_FRAME_TYPE] = (guint8) type;
  return frame;
}

JkbFrame
live_frame (guint8 address)
{
  JkbFrame frame = frame_of (JKB_FRAME_LIVE, address);

  for (guint cell = 0; cell < 4; cell++)
    frame.data[6 + 2 * cell] = 3300 & 0xff, frame.data[7 + 2 * cell] = 3300 >> 8;
  frame.data[70] = 0x0f; /* the cells that are enabled */
  put (&frame, JKB_FIELD_TOTAL_VOLTAGE, 13200);
  put (&frame, JKB_FIELD_CURRENT, -10000);
  put (&frame, JKB_FIELD_MOSFET_TEMPERATURE, 250);
  put (&frame, JKB_FIELD_TEMPERATURE_SENSOR_1, 200);
  put (&frame, JKB_FIELD_STATE_OF_CHARGE, 50);
  put (&frame, JKB_FIELD_CAPACITY_REMAINING, 50000);
  put (&frame, JKB_FIELD_FULL_CHARGE_CAPACITY, 100000);
  put (&frame, JKB_FIELD_CHARGING, 1);
  put (&frame, JKB_FIELD_DISCHARGING, 1);
  frame.data[214] = 0xff; /* sensors that are present */
  return frame;
}

void
feed (ServiceFixture *f, const JkbFrame *frame)
{
  jkb_registry_feed (f->registry, "garage", frame);
}

gint64
flush (ServiceFixture *f)
{
  jkb_registry_flush (f->registry);
  return jkb_service_tick (f->service, f->now_us);
}

void
feed_current (ServiceFixture *f, guint8 address, gint64 milliamperes)
{
  JkbFrame frame = live_frame (address);

  put (&frame, JKB_FIELD_CURRENT, milliamperes);
  feed (f, &frame);
}

void
make_known (ServiceFixture *f, guint8 address)
{
  for (guint i = 0; i < 3; i++)
    feed_current (f, address, -10000);
  flush (f);
  f->now_us += 10 * SECOND; /* quiet again */
  if (f->client == NULL)
    return;
  settle (f->client);
  signals_clear (&f->signals);
}

/* ---- fixture ---- */

static const char config_text[] = "[daemon]\n"
                                  "dbus-interval=%s\n"
                                  "[bus garage]\n"
                                  "uri=tcp:127.0.0.1:9\n"
                                  "enabled=false\n"
                                  "poll-interval=2.5\n"
                                  "addresses=0-4\n"
                                  "[bms garage_2]\n"
                                  "name=Left rack\n"
                                  "[mqtt]\n"
                                  "enabled=false\n"
                                  "uri=mqtt://broker.example\n";

static gboolean
on_ready (gpointer user_data)
{
  ServiceFixture *f = user_data;

  f->ready++;
  return G_SOURCE_REMOVE;
}

void
make_daemon (ServiceFixture *f, const char *interval)
{
  JkbDaemonOptions options = { .bus_type = G_BUS_TYPE_NONE };
  g_autofree char *text = g_strdup_printf (config_text, interval);
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  JkbConfig *config;

  /* Alarms and the loss of the D-Bus daemon are warnings in the log, and here they are wanted. */
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);

  f->config_file = g_build_filename (f->bus.directory, "jkbmsd.conf", NULL);
  g_assert_true (g_file_set_contents (f->config_file, text, -1, NULL));
  options.config_file = f->config_file;
  config = jkb_config_load (f->config_file, TRUE, NULL, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  f->daemon = jkb_daemon_new (&options, config);
  f->registry = jkb_daemon_get_registry (f->daemon);
  jkb_daemon_start (f->daemon, NULL, NULL);
  f->mqtt = jkb_mqtt_new (f->daemon);
  f->now_us = g_get_monotonic_time () + 100 * SECOND;
}

void
start_service (ServiceFixture *f)
{
  f->service = jkb_service_new (f->daemon, f->mqtt);
  jkb_service_start (f->service, G_BUS_TYPE_NONE, f->bus.address, on_ready, f);
}

gboolean
name_is_owned (ServiceFixture *f)
{
  g_autoptr (GVariant) reply = call (f->client, "org.freedesktop.DBus", "/", "org.freedesktop.DBus",
                                     "NameHasOwner", g_variant_new ("(s)", NAME), NULL);
  gboolean owned;

  g_variant_get (reply, "(b)", &owned);
  return owned;
}

void
connect_client (ServiceFixture *f)
{
  f->client = private_bus_connect (&f->bus);
  signals_watch (&f->signals, f->client);
}

void
drop_client (ServiceFixture *f)
{
  signals_unwatch (&f->signals);
  g_dbus_connection_close_sync (f->client, NULL, NULL);
  g_clear_object (&f->client);
}

void
service_set_up (ServiceFixture *f, gconstpointer interval)
{
  private_bus_start (&f->bus);
  make_daemon (f, interval);
  connect_client (f);
  start_service (f);
  wait_until (f->ready > 0);
  settle (f->client);
  flush (f);
  f->now_us += SECOND;
}

void
service_tear_down (ServiceFixture *f, gconstpointer interval)
{
  g_assert_cmpuint (f->ready, ==, 1);
  jkb_service_stop (f->service);
  g_object_unref (f->service);
  g_object_unref (f->mqtt);
  jkb_daemon_stop (f->daemon);
  g_object_unref (f->daemon);
  if (f->client != NULL)
    drop_client (f);
  for (guint i = 0; i < 5; i++)
    turn_loop (); /* what was closed is let go */
  g_unlink (f->config_file);
  g_free (f->config_file);
  private_bus_clear (&f->bus);
}

/* ---- reading ---- */

char *
get_text (ServiceFixture *f, const char *path, const char *interface, const char *property)
{
  g_autoptr (GVariant) value = get_property (f->client, path, interface, property);

  return g_variant_print (value, FALSE);
}

void
assert_property (ServiceFixture *f, const char *path, const char *interface, const char *property,
                 const char *expected)
{
  g_autofree char *text = get_text (f, path, interface, property);

  g_assert_cmpstr (text, ==, expected);
}

gboolean
has_interface (ServiceFixture *f, const char *path, const char *interface)
{
  g_autofree char *full = g_strconcat (NAME ".", interface, NULL);
  g_autoptr (GVariant) reply
      = call (f->client, NAME, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects",
              NULL, NULL);
  g_autoptr (GVariant) objects = g_variant_get_child_value (reply, 0);
  g_autoptr (GVariant) object = NULL;
  g_autoptr (GVariant) values = NULL;

  /* Keys are object paths: look-up by text does not find them. */
  for (gsize i = 0; i < g_variant_n_children (objects) && object == NULL; i++)
    {
      const char *key;

      g_variant_get_child (objects, i, "{&o@a{sa{sv}}}", &key, &object);
      if (strcmp (key, path) != 0)
        g_clear_pointer (&object, g_variant_unref);
    }
  if (object != NULL)
    values = g_variant_lookup_value (object, full, NULL);
  return values != NULL;
}

void
assert_changed (ServiceFixture *f, const char *interface, guint nth, const char *expected)
{
  g_autofree char *keys = NULL;

  settle (f->client);
  keys = signals_changed_keys (&f->signals, BMS, interface, nth);
  g_assert_cmpstr (keys, ==, expected);
}
