/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkb_wake_add() is g_unix_fd_add() with one difference. GLib takes the fd of a source out of the
 * poll while the source is dispatched, so that a loop inside a loop does not dispatch it again, and
 * wakes the loop both times for it: two writes, a turn of the loop more and a read for each wake-up.
 * A source that may recurse is left alone. There are no loops inside loops here.
 */
#include "queue/jkb-wake.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

gboolean
jkb_wake_open_pair (int *first, int *second)
{
  int saved;

  *first = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (*first < 0)
    return FALSE;
  *second = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (*second >= 0)
    return TRUE;
  saved = errno;
  close (*first);
  errno = saved;
  return FALSE;
}

guint
jkb_wake_add (int fd, GUnixFDSourceFunc func, gpointer user_data)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (fd, G_IO_IN);

  g_source_set_callback (source, G_SOURCE_FUNC (func), user_data, NULL);
  g_source_set_can_recurse (source, TRUE);
  return g_source_attach (source, NULL);
}
