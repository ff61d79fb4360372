/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One configuration file to entries with line numbers. GKeyFile knows no lines and merges what is
 * there twice without a word, so lines are counted here and GKeyFile reads only the values. Any
 * thread.
 */
#pragma once

#include "core/jkb-config.h"

G_BEGIN_DECLS

#define JKB_CONFIG_MAX_SIZE (256 * 1024)
#define JKB_CONFIG_MAX_PROBLEMS 100

typedef struct
{
  guint line;
  char *group;
  char *key;   /* NULL: the line that opens the group */
  char *value; /* escapes resolved */
} JkbScanEntry;

/**
 * jkb_config_scan:
 * @file: name for the messages
 * @problems: (element-type JkbProblem): mistakes are appended, each with its line
 *
 * Returns: (transfer full) (element-type JkbScanEntry): what could be read
 */
GPtrArray *jkb_config_scan (const char *text, gsize length, const char *file, GPtrArray *problems);

/**
 * jkb_config_read:
 *
 * Reads a whole regular file of at most %JKB_CONFIG_MAX_SIZE bytes.
 *
 * Returns: (nullable): the text; @error is of the domain %G_FILE_ERROR when it cannot be opened
 */
char *jkb_config_read (const char *file, gsize *length, GError **error);

/* Appends one problem; nothing when there are %JKB_CONFIG_MAX_PROBLEMS already. */
void jkb_problems_add (GPtrArray *problems, JkbProblemLevel level, const char *file, guint line,
                       const char *format, ...) G_GNUC_PRINTF (5, 6);

G_END_DECLS
