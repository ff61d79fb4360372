/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Whether the caller of a D-Bus method may do what it asks for. Speaks to polkit in plain D-Bus
 * calls: its library would cost resident memory for a rare path. Main thread only, never blocks.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define JKB_ACTION_CONFIGURE "io.github.jkbmsd1.configure"
#define JKB_ACTION_WRITE_SETTINGS "io.github.jkbmsd1.write-settings"
#define JKB_ACTION_WRITE_PROTECTION "io.github.jkbmsd1.write-protection"

typedef enum
{
  JKB_AUTH_SAME_USER, /* session bus, private address: the daemon's uid and root */
  JKB_AUTH_POLKIT     /* system bus: root, and whom polkit allows; nobody else without polkit */
} JkbAuthPolicy;

/**
 * jkb_auth_check_async:
 * @action: polkit's name for it
 * @details: (nullable) (transfer floating): a{ss} for polkit's message
 *
 * polkit may ask the user when the caller's message allows interaction; then it takes as long as
 * the user takes. Few questions of one user wait at a time; further ones end with %JKB_ERROR_BUSY.
 */
void jkb_auth_check_async (JkbAuthPolicy policy, GDBusMethodInvocation *invocation,
                           const char *action, GVariant *details, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data);

/* Returns: %FALSE with %JKB_ERROR_NOT_AUTHORIZED when the answer is no, or with %JKB_ERROR_BUSY. */
gboolean jkb_auth_check_finish (GAsyncResult *result, GError **error);

G_END_DECLS
