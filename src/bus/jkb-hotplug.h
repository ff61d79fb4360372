/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Notices that something changed in a few directories, so that a port that came back is opened at
 * once. Only a hint: the back-off goes on beside it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @directories: (nullable): %NULL-terminated. Returns: what to poll for input, or -1. */
int jkb_hotplug_open (char *const *directories);

/* Forgets the events that are there. */
void jkb_hotplug_clear (int fd);

G_END_DECLS
