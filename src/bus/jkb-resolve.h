/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Name lookup that can be abandoned.
 */
#pragma once

#include <glib.h>
#include <netdb.h>

G_BEGIN_DECLS

/**
 * jkb_resolve:
 * @host: a name or a number
 * @stop_fd: gives up, with G_IO_ERROR_CANCELLED, when readable
 * @deadline_us: gives up then, monotonic µs
 *
 * Blocks the calling thread only. Numbers are resolved at once; names on a helper thread, since
 * getaddrinfo() cannot be interrupted. A helper whose answer nobody waits for ends by itself.
 *
 * Returns: (transfer full) (nullable): for freeaddrinfo()
 */
struct addrinfo *jkb_resolve (const char *host, const char *port, int stop_fd, gint64 deadline_us,
                              GError **error);

/* Waits for @events on @fd. Returns: 1 when they are there, 0 at the deadline, -1 when @stop_fd is
 * readable. */
int jkb_wait_fd (int fd, short events, int stop_fd, gint64 deadline_us);

G_END_DECLS
