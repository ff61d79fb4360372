/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Where the journal lies. The main thread writes into it through a mapping, and the page of a file on
 * a disk can keep the writer waiting for as long as the disk is busy: seconds on an SD card. So it
 * belongs into a file system in memory, which outlives the process but not the machine. A service
 * has its runtime directory; a daemon that is started by hand makes one. Main thread only.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_history_place_find:
 * @places: %NULL-terminated: directories to look at
 * @state_dir: the journal is that of this state directory
 *
 * Makes a directory of our own in the first of the places that is in memory and where it can be
 * made; nobody else can look into it. It is the same one as long as the state directory is.
 *
 * Returns: (transfer full) (nullable): %NULL: there is no such place
 */
char *jkb_history_place_find (const char *const *places, const char *state_dir);

/* The usual places: the user's runtime directory, the system's, and that of shared memory. */
char *jkb_history_place_find_usual (const char *state_dir);

G_END_DECLS
