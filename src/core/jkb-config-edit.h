/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Changes of the configuration at run time. An edit is a copy of what is: keys are set, groups come
 * and go, and in the end a new configuration comes out of it or one sentence that says why not. What
 * was changed lives in the overlay, above the admin's files. Main thread only.
 */
#pragma once

#include "core/jkb-config.h"

G_BEGIN_DECLS

typedef struct _JkbConfigEdit JkbConfigEdit;

/* @config stays as it is, and must outlive the edit. */
JkbConfigEdit *jkb_config_edit_new (const JkbConfig *config);
void jkb_config_edit_free (JkbConfigEdit *edit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbConfigEdit, jkb_config_edit_free)

/**
 * jkb_config_edit_set:
 * @group: "mqtt", "bus garage"; a bus must exist
 * @error: %JKB_ERROR_NOT_FOUND, %JKB_ERROR_READ_ONLY for keys that are set in files only,
 *   %JKB_ERROR_INVALID_ARGUMENT, %JKB_ERROR_OUT_OF_RANGE
 *
 * A text that the admin's files, or the default, have anyway is no override.
 */
gboolean jkb_config_edit_set (JkbConfigEdit *edit, const char *group, const char *key,
                              const char *text, GError **error);

/* Uses a password that was stored in @file, instead of what the admin's files say. */
void jkb_config_edit_set_password_file (JkbConfigEdit *edit, const char *file);

/* Drops what was changed: of one key, of a whole group when @key is "", or of all when both are "".
 * A bus that was added goes, one that was removed comes back. */
gboolean jkb_config_edit_reset (JkbConfigEdit *edit, const char *group, const char *key,
                                GError **error);

/* A new bus, to be filled with jkb_config_edit_set(). %JKB_ERROR_EXISTS when there is one. */
gboolean jkb_config_edit_add_bus (JkbConfigEdit *edit, const char *name, GError **error);
gboolean jkb_config_edit_remove_bus (JkbConfigEdit *edit, const char *name, GError **error);

/**
 * jkb_config_edit_finish:
 *
 * Checks the whole. Mistakes that were there before are no reason to refuse the change.
 *
 * Returns: (nullable) (transfer full): the new configuration
 */
JkbConfig *jkb_config_edit_finish (JkbConfigEdit *edit, GError **error);

/* ---- the file: STATE/overrides.conf ---- */

/* What was changed, as the file says it. */
char *jkb_overlay_to_text (const JkbConfig *config);

/* Whether the file should be written although nothing was changed: some of it counts no more. */
gboolean jkb_overlay_is_stale (const JkbConfig *config);

/* Whether a file that is there was not used, and must be kept under another name. */
gboolean jkb_overlay_is_set_aside (const JkbConfig *config);

/* The file is as the configuration says from now on. */
void jkb_overlay_note_written (JkbConfig *config);

/**
 * jkb_overlay_write:
 * @set_aside: keep the file that is there as overrides.conf.set-aside
 *
 * The old file or the new one, never half of it; returns when it is on the disk. Any thread, but
 * not the main one: it takes as long as the disk does.
 */
gboolean jkb_overlay_write (const char *state_dir, const char *text, gboolean set_aside,
                            GError **error);

/* Removes what a write left that was cut off. */
void jkb_overlay_clean (const char *state_dir);

/* STATE/mqtt-password, written in the same way; wipes nothing. */
char *jkb_password_store_path (const char *state_dir);
gboolean jkb_password_store_write (const char *state_dir, const char *password, GError **error);
void jkb_password_store_remove (const char *state_dir);

G_END_DECLS
