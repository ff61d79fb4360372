/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Eventfds that other threads write, and the main loop's watch over them. Main thread, but for what
 * says otherwise.
 */
#pragma once

#include <glib-unix.h>

G_BEGIN_DECLS

/* Opens two eventfds, or none: %FALSE, and errno says why, when no file descriptor is left. Any
 * thread. */
gboolean jkb_wake_open_pair (int *first, int *second);

/* Calls @func on the default main context when @fd is readable. Returns: the source's id. */
guint jkb_wake_add (int fd, GUnixFDSourceFunc func, gpointer user_data);

G_END_DECLS
