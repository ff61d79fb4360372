/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header.
 */
#include "bus-fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/jkb-crc.h"

#define PATIENCE_US (10 * G_USEC_PER_SEC)

static GMutex log_mutex;
static GPtrArray *log_lines;

static GLogWriterOutput
keep_line (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  if ((level & G_LOG_LEVEL_MASK) < G_LOG_LEVEL_WARNING)
    return g_log_writer_standard_streams (level, fields, n_fields, NULL);
  if ((level & G_LOG_LEVEL_MASK) > G_LOG_LEVEL_WARNING)
    return G_LOG_WRITER_HANDLED;
  g_mutex_lock (&log_mutex);
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_ptr_array_add (log_lines, g_strdup (fields[i].value));
  g_mutex_unlock (&log_mutex);
  return G_LOG_WRITER_HANDLED;
}

void
fixture_init (int *argc, char ***argv)
{
  g_test_init (argc, argv, NULL);
  log_lines = g_ptr_array_new_with_free_func (g_free);
  g_log_set_writer_func (keep_line, NULL, NULL);
}

guint
fixture_count_log (const char *text)
{
  guint n = 0;

  g_mutex_lock (&log_mutex);
  for (guint i = 0; i < log_lines->len; i++)
    n += strstr (g_ptr_array_index (log_lines, i), text) != NULL;
  g_mutex_unlock (&log_mutex);
  return n;
}

void
fixture_set_up (Fixture *f, gconstpointer data)
{
  g_mutex_lock (&log_mutex);
  g_ptr_array_set_size (log_lines, 0);
  g_mutex_unlock (&log_mutex);
  f->states = g_string_new (NULL);
  f->config = (JkbBusConfig){
    .name = g_strdup ("garage"),
    .baud = 115200,
    .mode = JKB_MODE_LISTEN,
    .listen_before_talk = 30,
    .poll_interval = 2,
    .settings_interval = 60,
    .info_interval = 3600,
    .command_gap = 0.12,
    .offline_after = 30,
    .addresses = g_strdup ("auto"),
    .address_mask = 0xFFFF,
    .reply_timeout = JKB_AUTO_SECONDS,
    .reconnect_min = 0.1,
    .reconnect_max = 0.2,
    .no_data_timeout = 30,
    .enabled = TRUE,
  };
}

static void
on_frame (JkbBus *bus, const JkbFrame *frame, gpointer user_data)
{
  Fixture *f = user_data;
  gint64 shift_us = (frame->realtime_us - frame->monotonic_us)
                    - (f->last.realtime_us - f->last.monotonic_us);

  /* Time stamps are in the order of arrival: the clocks differ by the same unless one was set. */
  if (f->last.monotonic_us != 0)
    g_assert_true (shift_us == 0 || ABS (shift_us) > 400);
  f->n_frames++;
  f->frames_of[frame->address]++;
  f->last = *frame;
}

static void
on_drained (JkbBus *bus, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_drained++;
}

static void
on_changed (JkbBus *bus, gpointer user_data)
{
  Fixture *f = user_data;

  f->n_changed++;
  g_string_append_printf (f->states, "%s:%s ", jkb_link_state_name (jkb_bus_get_state (bus)),
                          jkb_bus_get_last_error (bus));
}

void
fixture_start (Fixture *f, const char *uri)
{
  f->config.uri = g_strdup (uri);
  f->bus = jkb_bus_new (&f->config, on_frame, on_drained, f, NULL);
  g_signal_connect (f->bus, "changed", G_CALLBACK (on_changed), f);
  jkb_bus_start (f->bus);
}

void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  if (f->bus != NULL)
    {
      gint64 begin_us = g_get_monotonic_time ();

      jkb_bus_stop (f->bus);
      g_assert_cmpint (g_get_monotonic_time () - begin_us, <, G_USEC_PER_SEC / 2);
      g_assert_cmpstr (jkb_role_name (jkb_bus_get_role (f->bus)), ==, "idle");
    }
  g_test_message ("%s", f->states->str);
  g_clear_object (&f->bus);
  g_string_free (f->states, TRUE);
  g_free (f->config.name);
  g_free (f->config.addresses);
  g_free (f->config.uri);
}

static gboolean
on_patience_end (gpointer user_data)
{
  g_error ("waited too long");
  return G_SOURCE_REMOVE;
}

void
fixture_wait (Fixture *f, FixtureCheck check)
{
  guint source = g_timeout_add (PATIENCE_US / 1000, on_patience_end, NULL);

  while (!check (f))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (source);
}

static gboolean
on_time_over (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

void
fixture_run (guint ms)
{
  gboolean over = FALSE;

  g_timeout_add (ms, on_time_over, &over);
  while (!over)
    g_main_context_iteration (NULL, TRUE);
}

void
fixture_make_frame (guint8 *bytes, guint8 address, guint32 n)
{
  const guint8 header[] = { 0x55, 0xAA, 0xEB, 0x90, JKB_FRAME_LIVE };
  const guint8 ack[] = { address, 0x10, 0x16, 0x20, 0x00, 0x01 };

  memset (bytes, 0, FRAME_AND_ACK);
  memcpy (bytes, header, sizeof header);
  memcpy (bytes + 246, &n, sizeof n); /* sys_ticks */
  bytes[JKB_FRAME_SIZE - 1] = jkb_sum8 (bytes, JKB_FRAME_SIZE - 1);
  memcpy (bytes + JKB_FRAME_SIZE, ack, sizeof ack);
  jkb_crc16_store (bytes + JKB_FRAME_SIZE, JKB_ACK_SIZE);
}

void
fixture_write (int fd, const guint8 *bytes, gsize size)
{
  while (size > 0)
    {
      gssize n = write (fd, bytes, size);

      g_assert_true (n > 0 || errno == EINTR);
      bytes += MAX (n, 0);
      size -= (gsize) MAX (n, 0);
    }
}

void
fixture_write_frame (int fd, guint8 address, guint32 n)
{
  guint8 bytes[FRAME_AND_ACK];

  fixture_make_frame (bytes, address, n);
  fixture_write (fd, bytes, sizeof bytes);
}

int
fixture_make_pty (char **name)
{
  int fd = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC);
  char buffer[64];

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (grantpt (fd) | unlockpt (fd), ==, 0);
  g_assert_cmpint (ptsname_r (fd, buffer, sizeof buffer), ==, 0);
  *name = g_strdup (buffer);
  return fd;
}

int
fixture_listen (int backlog, char **uri)
{
  struct sockaddr_in address = { .sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, size), ==, 0);
  g_assert_cmpint (listen (fd, backlog), ==, 0);
  g_assert_cmpint (getsockname (fd, (struct sockaddr *) &address, &size), ==, 0);
  *uri = g_strdup_printf ("tcp:127.0.0.1:%u", ntohs (address.sin_port));
  return fd;
}

/* The bus connects on its own thread; its states are to be seen meanwhile. */
int
fixture_accept (Fixture *f, int listener)
{
  gint64 end_us = g_get_monotonic_time () + PATIENCE_US;
  struct pollfd pollfd = { .fd = listener, .events = POLLIN };

  while (poll (&pollfd, 1, 5) == 0 && g_get_monotonic_time () < end_us)
    while (g_main_context_iteration (NULL, FALSE))
      continue;
  return accept4 (listener, NULL, NULL, SOCK_CLOEXEC);
}

guint
fixture_count_fds (void)
{
  g_autoptr(GDir) dir = g_dir_open ("/proc/self/fd", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

gboolean
fixture_is_up (Fixture *f)
{
  return jkb_bus_get_state (f->bus) == JKB_LINK_UP;
}

gboolean
fixture_is_down (Fixture *f)
{
  return jkb_bus_get_state (f->bus) == JKB_LINK_DOWN;
}

gboolean
fixture_is_faulty (Fixture *f)
{
  return jkb_bus_get_last_error (f->bus)[0] != '\0';
}

gboolean
fixture_is_good (Fixture *f)
{
  return fixture_is_up (f) && !fixture_is_faulty (f);
}

gboolean
fixture_has_frame (Fixture *f)
{
  return f->n_frames > 0;
}

gboolean
fixture_has_ten_frames (Fixture *f)
{
  return f->n_frames >= 10;
}

void
fixture_assert_error (Fixture *f, const char *text)
{
  g_test_message ("%s", jkb_bus_get_last_error (f->bus));
  g_assert_nonnull (strstr (jkb_bus_get_last_error (f->bus), text));
}

int
fixture_start_pty (Fixture *f)
{
  g_autofree char *name = NULL;
  g_autofree char *uri = NULL;
  int master = fixture_make_pty (&name);

  uri = g_strconcat ("serial:", name, NULL);
  fixture_start (f, uri);
  fixture_wait (f, fixture_is_up);
  return master;
}

int
fixture_start_tcp (Fixture *f, int *listener)
{
  g_autofree char *uri = NULL;
  int peer;

  *listener = fixture_listen (4, &uri);
  fixture_start (f, uri);
  peer = fixture_accept (f, *listener);
  fixture_wait (f, fixture_is_up);
  return peer;
}
