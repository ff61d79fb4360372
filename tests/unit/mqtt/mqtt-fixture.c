/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Hand-written frames into a registry, one second apart.
 */
#include "mqtt-fixture.h"

#include <string.h>

static void
put16 (guint8 *at, guint value)
{
  at[0] = value & 0xff;
  at[1] = value >> 8 & 0xff;
}

static void
put32 (guint8 *at, guint32 value)
{
  put16 (at, value & 0xffff);
  put16 (at + 2, value >> 16);
}

static JkbFrame
frame_of (guint8 type, guint address)
{
  static gint64 now_us = 1000 * G_USEC_PER_SEC;
  JkbFrame frame = { .address = address, .evidence = JKB_EVIDENCE_ACK, .type = type };

  now_us += G_USEC_PER_SEC;
  frame.monotonic_us = now_us;
  frame.realtime_us = G_GINT64_CONSTANT (1750000000) * G_USEC_PER_SEC + now_us;
  memcpy (frame.data, "\x55\xAA\xEB\x90", 4);
  frame.data[4] = type;
  return frame;
}

static JkbFrame
live_frame (guint address, guint n_cells)
{
  JkbFrame frame = frame_of (JKB_FRAME_LIVE, address);
  guint sum = 0;

  for (guint cell = 0; cell < n_cells; cell++)
    {
      put16 (frame.data + 6 + 2 * cell, 3300 + cell);
      put16 (frame.data + 80 + 2 * cell, 70 + cell);
      sum += 3300 + cell;
    }
  put32 (frame.data + 70, n_cells >= 32 ? 0xffffffff : (1u << n_cells) - 1);
  put32 (frame.data + 150, sum);
  put32 (frame.data + 158, (guint32) -12345);
  put16 (frame.data + 144, 251);
  put16 (frame.data + 162, 201);
  put16 (frame.data + 164, 212);
  put16 (frame.data + 256, (guint16) -2000);
  put16 (frame.data + 258, (guint16) -2000);
  frame.data[173] = 50;
  put32 (frame.data + 174, 50000);
  put32 (frame.data + 178, 100000);
  frame.data[190] = 99;
  frame.data[198] = 1;
  frame.data[199] = 1;
  frame.data[214] = 0xff;
  return frame;
}

static void
feed (MqttFixture *f, JkbFrame frame)
{
  jkb_registry_feed (f->registry, "garage", &frame);
  jkb_registry_flush (f->registry);
}

JkbBms *
mqtt_fixture_add_bms (MqttFixture *f, guint address, guint n_cells)
{
  g_autofree char *id = g_strdup_printf ("garage_%u", address);

  for (guint i = 0; i < 3; i++)
    feed (f, live_frame (address, n_cells));
  return jkb_registry_find (f->registry, id);
}

void
mqtt_fixture_tell_settings (MqttFixture *f, guint address)
{
  JkbFrame frame = frame_of (JKB_FRAME_SETTINGS, address);

  for (guint offset = 6; offset < 142; offset += 4)
    put32 (frame.data + offset, 1);
  put32 (frame.data + 18, 3650);
  put32 (frame.data + 114, 16);
  put32 (frame.data + 270, address);
  feed (f, frame);
}

void
mqtt_fixture_tell_info (MqttFixture *f, guint address)
{
  JkbFrame frame = frame_of (JKB_FRAME_INFO, address);

  strcpy ((char *) frame.data + 6, "JK_PB2A16S20P");
  strcpy ((char *) frame.data + 22, "15A");
  strcpy ((char *) frame.data + 30, "15.41");
  strcpy ((char *) frame.data + 86, "4041234567");
  put32 (frame.data + 42, 7);
  feed (f, frame);
}

void
mqtt_fixture_set_up (MqttFixture *f, gconstpointer unused)
{
  f->bus = (JkbBusConfig){ .name = (char *) "garage",
                            .uri = (char *) "replay:/dev/null",
                            .addresses = (char *) "auto",
                            .address_mask = 0xffff,
                            .offline_after = 30 };
  f->config.buses = g_ptr_array_new ();
  f->config.bms = g_ptr_array_new ();
  f->config.banks = g_ptr_array_new ();
  g_ptr_array_add (f->config.buses, &f->bus);
  f->config.daemon.instance = (char *) "";
  f->config.mqtt.topic_prefix = (char *) "jkbms";
  f->config.mqtt.interval = 5;
  f->config.mqtt.cells_interval = 30;
  f->config.mqtt.queue_max = 1000;
  f->config.homeassistant.discovery = TRUE;
  f->config.homeassistant.prefix = (char *) "homeassistant";
  f->config.homeassistant.entities = JKB_ENTITIES_STANDARD;
  f->registry = jkb_registry_new (NULL);
  jkb_registry_configure (f->registry, &f->config);
}

void
mqtt_fixture_tear_down (MqttFixture *f, gconstpointer unused)
{
  g_object_unref (f->registry);
  g_ptr_array_unref (f->config.buses);
  g_ptr_array_unref (f->config.bms);
  g_ptr_array_unref (f->config.banks);
}
