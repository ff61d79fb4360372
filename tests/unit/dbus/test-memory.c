/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The memory budget of docs/performance.md, in bytes of the heap: what a bus and what a BMS keep,
 * counted by malloc itself over the real parts of a daemon (buses with their threads, registry,
 * D-Bus objects on a private D-Bus daemon, publishers). GLib's slices are off (G_SLICE, see
 * meson.build): what they keep in reserve is no matter of ours, and other threads disturb it.
 */
#include "service-fixture.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/jkb-daemon-private.h"

#define N_BUSES 16
#define N_BMS 16 /* per bus */

/* The budget: a full bus of 16 BMS comes to 15.5 kB for each of them. */
#define EMPTY_BYTES (1024 * 1024) /* with the first bus and its BMS */
#define BUS_BYTES (56 * 1024)
#define BMS_BYTES (12 * 1024)

typedef struct
{
  ServiceFixture service;
  int listeners[N_BUSES + 1];
  guint n_listeners;
} Fixture;

static gsize
heap (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return info.uordblks + info.hblkhd;
}

/* ---- a daemon without buses ---- */

/* Connections succeed although nobody accepts them. */
static guint
listen_somewhere (Fixture *f)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  f->listeners[f->n_listeners++] = fd;
  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, size), ==, 0);
  g_assert_cmpint (listen (fd, 4), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &size), ==, 0);
  return ntohs (address.sin_port);
}

static JkbConfig *
load (const char *path, const char *text)
{
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  JkbConfig *config;

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
  config = jkb_config_load (path, TRUE, NULL, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  return config;
}

static void
on_running (JkbDaemon *daemon, gpointer running)
{
  *(gboolean *) running = TRUE;
}

/* MQTT is on, its broker away: publishers are there and keep what they keep. */
static void
set_up (Fixture *f, gconstpointer unused)
{
  ServiceFixture *s = &f->service;
  JkbDaemonOptions options = { .bus_type = G_BUS_TYPE_NONE };
  gboolean running = FALSE;

  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL);
  private_bus_start (&s->bus);
  s->config_file = g_build_filename (s->bus.directory, "jkbmsd.conf", NULL);
  options.config_file = s->config_file;
  options.bus_address = s->bus.address;
  s->daemon = jkb_daemon_new (&options, load (s->config_file, "[mqtt]\n"
                                                              "enabled=true\n"
                                                              "uri=mqtt://127.0.0.1:9\n"));
  s->registry = jkb_daemon_get_registry (s->daemon);
  jkb_daemon_start (s->daemon, on_running, &running);
  wait_until (running);
  s->client = private_bus_connect (&s->bus);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_object_unref (f->service.client);
  jkb_daemon_stop (f->service.daemon);
  g_object_unref (f->service.daemon);
  for (guint i = 0; i < f->n_listeners; i++)
    close (f->listeners[i]);
  g_unlink (f->service.config_file);
  g_free (f->service.config_file);
  private_bus_clear (&f->service.bus);
}

/* ---- what grows ---- */

static guint
count_up (Fixture *f)
{
  GPtrArray *buses = jkb_daemon_list_buses (f->service.daemon);
  guint n = 0;

  for (guint i = 0; i < buses->len; i++)
    n += jkb_bus_get_state (g_ptr_array_index (buses, i)) == JKB_LINK_UP;
  return n;
}

/* What waits to be sent is no part of the budget: the answer leaves behind it. */
static void
wait_sent (Fixture *f)
{
  call_well (f->service.client, NAME, ROOT, "org.freedesktop.DBus.Peer", "Ping", NULL);
}

static void
add_buses (Fixture *f, guint first, guint n)
{
  g_autoptr (GString) text = g_string_new ("");
  JkbConfig *config;

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "[bus b%u]\nuri=tcp:127.0.0.1:%u\n", first + i,
                            listen_somewhere (f));
  config = load (f->service.config_file, text->str);
  for (guint i = 0; i < n; i++)
    {
      const JkbBusConfig *wanted = g_ptr_array_index (config->buses, i);
      g_autoptr (JkbBus) bus = jkb_daemon_make_bus (f->service.daemon, wanted, 0, NULL);

      jkb_daemon_add_bus (f->service.daemon, bus);
    }
  jkb_config_free (config);
  wait_until (count_up (f) == first + n);
  wait_sent (f);
}

static void
feed_all_types (Fixture *f, const char *bus, guint8 address)
{
  JkbFrame live = live_frame (address);
  JkbFrame settings = frame_of (JKB_FRAME_SETTINGS, address);
  JkbFrame info = frame_of (JKB_FRAME_INFO, address);

  for (guint i = 0; i < 3; i++)
    jkb_registry_feed (f->service.registry, bus, &live);
  put (&settings, JKB_FIELD_CONFIGURED_CELL_COUNT, 4);
  jkb_registry_feed (f->service.registry, bus, &settings);
  memcpy (info.data + 6, "JK_PB1A16S10P", 14);
  jkb_registry_feed (f->service.registry, bus, &info);
}

static void
add_bms (Fixture *f, guint first_bus, guint n_buses)
{
  for (guint bus = first_bus; bus < first_bus + n_buses; bus++)
    for (guint8 address = 0; address < N_BMS; address++)
      {
        g_autofree char *name = g_strdup_printf ("b%u", bus);

        feed_all_types (f, name, address);
      }
  jkb_daemon_tell_configured (f->service.daemon);
  wait_sent (f);
}

/* The first of each brings tables and caches along that are made once. */
static void
test_budget (Fixture *f, gconstpointer unused)
{
  gsize empty, with_buses, with_bms;

  add_buses (f, 0, 1);
  add_bms (f, 0, 1);
  empty = heap ();
  add_buses (f, 1, N_BUSES);
  with_buses = heap ();
  add_bms (f, 1, N_BUSES);
  with_bms = heap ();

  g_assert_cmpuint (jkb_registry_list (f->service.registry)->len, ==, (N_BUSES + 1) * N_BMS);
  g_test_message ("daemon: %zu bytes", empty);
  g_test_message ("bus: %zu bytes", (with_buses - empty) / N_BUSES);
  g_test_message ("BMS: %zu bytes", (with_bms - with_buses) / (N_BUSES * N_BMS));
  g_assert_cmpuint (empty, <=, EMPTY_BYTES);
  g_assert_cmpuint (with_buses - empty, <=, N_BUSES * BUS_BYTES);
  g_assert_cmpuint (with_bms - with_buses, <=, N_BUSES * N_BMS * BMS_BYTES);
}

int
main (int argc, char **argv)
{
  mallopt (M_ARENA_MAX, 2); /* as main.c does */
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/memory/budget", Fixture, NULL, set_up, test_budget, tear_down);
  return g_test_run ();
}
