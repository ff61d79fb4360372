/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * `jkbmsctl decode`: raw bytes of a bus as readable records. Needs no daemon.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_ctl_decode:
 * @file: a file of raw bytes, or "-" for the standard input
 * @json: one JSON object per line (the stable form) instead of readable text
 *
 * Prints every record in the order of its offset. Memory does not grow with the file.
 *
 * Returns: the exit status, 0 or 1 (an I/O error, told on stderr)
 */
int jkb_ctl_decode (const char *file, gboolean json);

G_END_DECLS
