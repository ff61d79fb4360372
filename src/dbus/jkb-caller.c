/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One question to the D-Bus daemon, and what the message itself says.
 */
#include "dbus/jkb-caller.h"

#include "core/jkb-error.h"

static void
on_uid (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 uid;

  if (reply != NULL)
    {
      g_variant_get (reply, "(u)", &uid);
      g_task_return_pointer (task, GUINT_TO_POINTER (uid), NULL);
      return;
    }
  g_dbus_error_strip_remote_error (error);
  g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY,
                           "Call again: the D-Bus daemon does not say who calls: %s",
                           error->message);
}

void
jkb_caller_find_uid_async (GDBusMethodInvocation *invocation, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  const char *sender = g_dbus_method_invocation_get_sender (invocation);

  g_task_set_source_tag (task, jkb_caller_find_uid_async);
  g_dbus_connection_call (g_dbus_method_invocation_get_connection (invocation),
                          "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                          "GetConnectionUnixUser", g_variant_new ("(s)", sender),
                          G_VARIANT_TYPE ("(u)"), G_DBUS_CALL_FLAGS_NONE, -1, cancellable, on_uid,
                          task);
}

gboolean
jkb_caller_find_uid_finish (GAsyncResult *result, guint32 *uid, GError **error)
{
  GError *failed = NULL;

  *uid = GPOINTER_TO_UINT (g_task_propagate_pointer (G_TASK (result), &failed));
  if (failed == NULL)
    return TRUE;
  g_propagate_error (error, failed);
  return FALSE;
}

gboolean
jkb_caller_is_interactive (GDBusMethodInvocation *invocation)
{
  GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);

  return (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION)
         != 0;
}
