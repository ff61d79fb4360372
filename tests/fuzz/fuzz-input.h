/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the fuzz targets share: directories, files, the parts of an input. Linking it also keeps the log
 * away.
 */
#pragma once

#include <glib.h>

/* What libFuzzer calls. */
int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);
int LLVMFuzzerInitialize (int *argc, char ***argv);

#define FUZZ_SEPARATOR 0x1e /* between the parts of an input */

/* A new directory in /dev/shm, or where temporary files go; removed at exit with all that is in it. */
const char *fuzz_directory (void);

void fuzz_write_file (const char *path, const void *data, gsize size);

/* Takes the part of *@data up to the next separator, or all. Returns: (transfer full): with a zero
 * byte behind it */
char *fuzz_take_part (const guint8 **data, size_t *size, gsize *length);
