/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "history-fixture.h"

#include <glib/gstdio.h>
#include <string.h>

static void
put (guint8 *at, guint32 value, guint n)
{
  for (guint i = 0; i < n; i++)
    at[i] = (guint8) (value >> 8 * i);
}

void
make_live (guint8 frame[JKB_FRAME_SIZE], guint millivolt)
{
  memset (frame, 0, JKB_FRAME_SIZE);
  memcpy (frame, "\x55\xAA\xEB\x90\x02", 5);
  for (guint cell = 0; cell < 4; cell++)
    put (frame + 6 + 2 * cell, cell == 0 ? millivolt : 3300, 2);
  put (frame + 70, 0x0f, 4);
  put (frame + 144, 250, 2);
  put (frame + 150, 9900 + millivolt, 4);
  put (frame + 162, 200, 2);
  put (frame + 164, 210, 2);
  put (frame + 256, (guint16) -2000, 2);
  put (frame + 258, (guint16) -2000, 2);
  frame[173] = 50;
  put (frame + 174, 50000, 4);
  put (frame + 178, 100000, 4);
  frame[198] = 1;
}

guint
read_live (const guint8 *frame)
{
  return frame[6] | (guint) frame[7] << 8;
}

char *
make_directory (void)
{
  g_autoptr (GError) error = NULL;
  char *path = g_dir_make_tmp ("jkb-history-XXXXXX", &error);

  g_assert_no_error (error);
  return path;
}

void
remove_directory (char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      g_unlink (file);
    }
  g_rmdir (path);
  g_free (path);
}
