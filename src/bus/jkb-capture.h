/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The raw bytes of a bus on their way to somebody's file: the reader thread blanks the secrets and
 * pushes into a bounded ring, a thread of its own writes. Whatever the file is and however slow,
 * neither the reader nor the main loop waits for it: what does not fit is dropped and counted.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct _JkbCapture JkbCapture;

/* @fd: taken. Starts the writing thread. Any thread may hold a reference. Returns: (nullable): %NULL,
 * with @fd left alone, and errno says why, when no file descriptor is left. */
JkbCapture *jkb_capture_new (const char *bus, int fd);
JkbCapture *jkb_capture_ref (JkbCapture *self);
void jkb_capture_unref (JkbCapture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbCapture, jkb_capture_unref)

/* ---- reader thread ---- */

/* Returns: %FALSE when the file takes no more. */
gboolean jkb_capture_push (JkbCapture *self, const guint8 *bytes, gsize n_bytes);

/* There will be no more: the rest is written, then the file is closed. */
void jkb_capture_finish (JkbCapture *self);

/* ---- main thread ---- */

/* Readable when the file is closed; the three below are final then. */
int jkb_capture_get_done_fd (JkbCapture *self);
gboolean jkb_capture_wait (JkbCapture *self, int timeout_ms);

guint64 jkb_capture_get_written (JkbCapture *self);
guint64 jkb_capture_get_dropped (JkbCapture *self); /* bytes */
int jkb_capture_get_error (JkbCapture *self);       /* errno, 0: none */

G_END_DECLS
