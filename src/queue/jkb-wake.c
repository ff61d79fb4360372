/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * g_unix_fd_add() with one difference. GLib takes the fd of a source out of the poll while the
 * source is dispatched, so that a loop inside a loop does not dispatch it again, and wakes the loop
 * both times for it: two writes, a turn of the loop more and a read for each wake-up. A source that
 * may recurse is left alone. There are no loops inside loops here.
 */
#include "queue/jkb-wake.h"

guint
jkb_wake_add (int fd, GUnixFDSourceFunc func, gpointer user_data)
{
  g_autoptr (GSource) source = g_unix_fd_source_new (fd, G_IO_IN);

  g_source_set_callback (source, G_SOURCE_FUNC (func), user_data, NULL);
  g_source_set_can_recurse (source, TRUE);
  return g_source_attach (source, NULL);
}
