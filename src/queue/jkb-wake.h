/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The main loop's watch over an eventfd that other threads write. Main thread.
 */
#pragma once

#include <glib-unix.h>

G_BEGIN_DECLS

/* Calls @func on the default main context when @fd is readable. Returns: the source's id. */
guint jkb_wake_add (int fd, GUnixFDSourceFunc func, gpointer user_data);

G_END_DECLS
