/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Who calls a D-Bus method. Main thread only, never blocks.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Asks the D-Bus daemon, which knows it from the kernel. @cancellable: (nullable) */
void jkb_caller_find_uid_async (GDBusMethodInvocation *invocation, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);

/**
 * jkb_caller_find_uid_finish:
 * @uid: (out)
 *
 * Returns: %FALSE with %JKB_ERROR_BUSY: it does not tell, or the caller is gone
 */
gboolean jkb_caller_find_uid_finish (GAsyncResult *result, guint32 *uid, GError **error);

/* Whether the caller lets a user be asked for a password, and waits for that. */
gboolean jkb_caller_is_interactive (GDBusMethodInvocation *invocation);

G_END_DECLS
