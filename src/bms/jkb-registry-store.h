/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The file in the state directory that remembers confirmed BMS: "known-bms.ini", a key file with a
 * format number. Written atomically, mode 0600 (it holds serial numbers).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_registry_store_read:
 * A missing file is an empty one. A newer format, or a file that cannot be parsed, is set aside
 * under another name with one warning, never guessed at.
 *
 * Returns: (transfer full)
 */
GKeyFile *jkb_registry_store_read (const char *state_dir);

/**
 * jkb_registry_store_write:
 * @file: (transfer full)
 *
 * On a worker thread, since a slow card must not hold up the main loop.
 */
void jkb_registry_store_write (const char *state_dir, GKeyFile *file);

/* Returns: whether all is written, after @timeout_ms at most. */
gboolean jkb_registry_store_wait (int timeout_ms);

G_END_DECLS
