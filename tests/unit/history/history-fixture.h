/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Live frames by hand and directories that go away, for the tests of the history.
 */
#pragma once

#include "history/jkb-history.h"

#define SECOND ((gint64)G_USEC_PER_SEC)
#define HOUR (3600 * SECOND)

/* 2026-01-01 00:00 UTC. */
#define NEW_YEAR (G_GINT64_CONSTANT (1767225600) * SECOND)

/* Four cells; the first at @millivolt. */
void make_live (guint8 frame[JKB_FRAME_SIZE], guint millivolt);

/* The millivolt of the first cell. */
guint read_live (const guint8 *frame);

char *make_directory (void);
void remove_directory (char *path);
