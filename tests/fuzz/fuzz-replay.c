/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A recording and how it is to be played: the options of a replay URI up to the first separator, then
 * the file. What opens gives the bytes of the file, all of them and nothing else.
 */
#include <errno.h>
#include <string.h>

#include "bus/jkb-transport.h"
#include "fuzz-input.h"

#define MAX_READS 64

static char *file;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  file = g_build_filename (fuzz_directory (), "recording.bin", NULL);
  return 0;
}

/* With a speed, what is due by now may be nothing. */
static void
check_bytes (JkbTransport *transport, const guint8 *bytes, gsize n_bytes, guint piece)
{
  guint8 buffer[256];
  gsize at = 0;

  for (guint i = 0; i < MAX_READS; i++)
    {
      gssize n = jkb_transport_replay.read (transport, buffer, piece);

      if (n < 0)
        {
          g_assert_cmpint (errno, ==, EAGAIN);
          return;
        }
      if (n == 0)
        {
          g_assert_cmpuint (at, ==, n_bytes);
          g_assert_cmpstr (jkb_transport_replay.describe_end (transport, 0), ==,
                           "replay finished");
          return;
        }
      at = at == n_bytes ? 0 : at; /* loop=true */
      g_assert_cmpuint (at + (gsize) n, <=, n_bytes);
      g_assert_true (memcmp (bytes + at, buffer, (gsize) n) == 0);
      at += (gsize) n;
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  const JkbBusConfig config = { 0 };
  g_autofree char *options = NULL;
  g_autofree char *uri = NULL;
  g_autoptr (GError) error = NULL;
  const JkbTransportClass *transport_class;
  JkbTransport *transport;
  const char *rest = NULL;
  gsize n_options;

  options = fuzz_take_part (&data, &size, &n_options);
  fuzz_write_file (file, data, size);
  uri = g_strdup_printf ("replay:%s%s", file, options);
  transport_class = jkb_transport_find (uri, &rest, &error);
  if (transport_class == NULL)
    {
      g_assert_nonnull (error);
      return 0;
    }
  g_assert_true (transport_class == &jkb_transport_replay);
  transport = transport_class->open (rest, &config, -1, &error);
  g_assert_true ((transport == NULL) == (error != NULL));
  if (transport == NULL)
    return 0;
  g_assert_cmpuint (size, >, 0);
  g_assert_cmpint (transport_class->get_fd (transport), >=, 0);
  transport_class->get_timing (transport);
  g_assert_cmpint (transport_class->write (transport, data, size), ==, -1);
  check_bytes (transport, data, size, 1 + (guint) n_options % 256);
  transport_class->close (transport);
  return 0;
}
