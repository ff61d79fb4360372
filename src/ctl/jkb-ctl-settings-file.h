/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The text form of all settings of a BMS: KEY=VALUE lines, with comments. One thread.
 */
#pragma once

#include "ctl/jkb-ctl-plan.h"

G_BEGIN_DECLS

/* Returns: (transfer full): lines that "apply" reads; what is never written stands in comments */
GString *jkb_ctl_settings_file_text (const JkbCtlBms *bms);

/**
 * jkb_ctl_settings_file_read:
 * @path: "-" is stdin
 *
 * Returns: (transfer full) (nullable): the whole file, at most 64 KiB of UTF-8
 */
char *jkb_ctl_settings_file_read (const char *path, GError **error);

/* Adds what @text, which is that of @path, changes; each mistake is a problem with file and line. */
void jkb_ctl_settings_file_add (JkbCtlPlan *plan, const char *path, const char *text);

G_END_DECLS
