/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A directory that goes with the test, and configurations in it.
 */
#pragma once

#include "core/jkb-config.h"

/* A new directory; fixture_free() removes it with all that is in it. */
char *fixture_new (void);
char *fixture_new_with (const char *config); /* with a jkbmsd.conf */
void fixture_free (char *directory);

/* Writes @text to DIRECTORY/NAME, whose directories are made. Returns: the path */
char *fixture_write (const char *directory, const char *name, const char *text);
void fixture_put (const char *directory, const char *name, const char *text);

/* The same for bytes as they are, without the wait for the disk. */
void fixture_write_bytes (const char *directory, const char *name, const char *bytes, gsize n);

/* @text with each @DIR@ replaced. */
char *fixture_expand (const char *directory, const char *text);

/* Loads DIRECTORY/jkbmsd.conf with the state directory DIRECTORY/state. */
JkbConfig *fixture_load (const char *directory, GPtrArray **problems);

/* All problems as "LINE: MESSAGE", one per line. */
char *fixture_describe (GPtrArray *problems);
