/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Recordings of real buses through the stream: however they are cut, the same records come out, and
 * no secret does. What the records are is compared by tests/integration/test_captures.py.
 */
#include <string.h>

#include "wire-fixture.h"
#include "wire/jkb-decode.h"

static gsize
one_byte (void)
{
  return 1;
}

static gsize
random_piece (void)
{
  return (gsize) g_test_rand_int_range (1, g_test_rand_bit () ? 20 : 2000);
}

static void
check_capture (const char *path)
{
  g_autofree char *bytes = NULL, *whole = NULL, *single = NULL;
  gsize n_bytes;

  g_assert_true (g_file_get_contents (path, &bytes, &n_bytes, NULL));
  whole = wire_events ((const guint8 *) bytes, n_bytes);
  single = wire_events_in_pieces ((const guint8 *) bytes, n_bytes, one_byte);
  g_assert_cmpstr (whole, ==, single);
  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *pieces
          = wire_events_in_pieces ((const guint8 *) bytes, n_bytes, random_piece);

      g_assert_cmpstr (whole, ==, pieces);
    }
}

static GPtrArray *
capture_paths (void)
{
  GPtrArray *paths = g_ptr_array_new_with_free_func (g_free);
  g_autoptr(GDir) dir = NULL;
  const char *name;

  if (wire_captures () == NULL)
    return paths;
  dir = g_dir_open (wire_captures (), 0, NULL);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".bin"))
      g_ptr_array_add (paths, g_build_filename (wire_captures (), name, NULL));
  g_assert_cmpuint (paths->len, >, 0);
  return paths;
}

static void
test_any_pieces (void)
{
  g_autoptr(GPtrArray) paths = capture_paths ();

  for (guint i = 0; i < paths->len; i++)
    {
      g_test_message ("%s", (char *) paths->pdata[i]);
      check_capture (paths->pdata[i]);
    }
}

/* Every frame of a real device is plausible, and so are its values. */
static void
check_frames (const char *bytes, gsize n_bytes)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  JkbValues values;
  JkbEvent event;
  gsize at = 0;

  while (at <= n_bytes)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize n = MIN (room, n_bytes - at);

      memcpy (place, bytes + at, n);
      jkb_stream_commit (stream, n, 0);
      at += n;
      if (n == 0)
        {
          jkb_stream_finish (stream);
          at++;
        }
      while (jkb_stream_next (stream, 0, &event))
        {
          g_assert_null (memmem (event.bytes, event.n_bytes, "CANARY", 6));
          if (event.kind != JKB_EVENT_FRAME || !jkb_decode (event.bytes, &values))
            continue;
          g_assert_true (jkb_plausible_frame (event.bytes, &values));
          /* A board without cells measures 0 V, which no pack has. */
          g_assert_cmpuint (jkb_plausible_values (event.bytes, &values), ==,
                            values.group == JKB_GROUP_LIVE && values.n_cells == 0);
        }
    }
}

static void
test_plausible (void)
{
  g_autoptr(GPtrArray) paths = capture_paths ();

  for (guint i = 0; i < paths->len; i++)
    {
      g_autofree char *bytes = NULL;
      gsize n_bytes;

      g_test_message ("%s", (char *) paths->pdata[i]);
      g_assert_true (g_file_get_contents (paths->pdata[i], &bytes, &n_bytes, NULL));
      check_frames (bytes, n_bytes);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/captures/any-pieces", test_any_pieces);
  g_test_add_func ("/captures/plausible", test_plausible);
  return g_test_run ();
}
