/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Authorisation as one GTask: ask the bus who the caller is, then polkit what it may. Main thread
 * only.
 */
#include "dbus/jkb-auth.h"

#include <unistd.h>

#include "core/jkb-error.h"
#include "dbus/jkb-caller.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_USER_INTERACTION 1u
#define NO_TIMEOUT G_MAXINT /* a user types a password: as long as it takes */

/* Questions of one user that may wait at a time: with an agent of his own that never answers, he
 * could make us keep any number. */
#define MAX_QUESTIONS 16

typedef struct
{
  JkbAuthPolicy policy;
  GDBusConnection *connection;
  char *sender;
  guint32 uid; /* of the sender, once it is known */
  char *action;
  GVariant *details;
  gboolean interactive;
} Check;

static void
check_free (gpointer data)
{
  Check *check = data;

  g_object_unref (check->connection);
  g_free (check->sender);
  g_free (check->action);
  g_variant_unref (check->details);
  g_free (check);
}

static void
deny (GTask *task, const char *format, const char *detail)
{
  g_autofree char *message = g_strdup_printf ("%s %s", format, detail);

  g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_NOT_AUTHORIZED, "%s", message);
}

/* uid → questions that wait for polkit; nobody's when there are none. */
static GHashTable *questions;

static guint
count_questions (guint32 uid)
{
  return questions == NULL
             ? 0
             : GPOINTER_TO_UINT (g_hash_table_lookup (questions, GUINT_TO_POINTER (uid)));
}

static void
set_questions (guint32 uid, guint n)
{
  if (questions == NULL)
    questions = g_hash_table_new (NULL, NULL);
  if (n > 0)
    g_hash_table_insert (questions, GUINT_TO_POINTER (uid), GUINT_TO_POINTER (n));
  else
    g_hash_table_remove (questions, GUINT_TO_POINTER (uid));
  if (g_hash_table_size (questions) == 0)
    g_clear_pointer (&questions, g_hash_table_unref);
}

/* The answer is (bba{ss}): authorised, could be after asking the user, details. */
static void
on_polkit_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  Check *check = g_task_get_task_data (task);
  gboolean authorized = FALSE;
  gboolean challenge = FALSE;

  set_questions (check->uid, count_questions (check->uid) - 1);
  if (reply == NULL)
    {
      g_dbus_error_strip_remote_error (error);
      deny (task, "polkit cannot be asked, do it as root:", error->message);
      return;
    }
  g_variant_get (reply, "((bb@a{ss}))", &authorized, &challenge, NULL);
  if (authorized)
    g_task_return_boolean (task, TRUE);
  else if (challenge)
    deny (task, "Authenticate as an administrator or do it as root: polkit wants it for",
          check->action);
  else
    deny (task, "Do it as root or add a polkit rule: you are not allowed", check->action);
}

static void
ask_polkit (GTask *task)
{
  Check *check = g_task_get_task_data (task);
  GVariantBuilder subject;

  if (count_questions (check->uid) >= MAX_QUESTIONS)
    {
      g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY,
                               "%d calls of yours wait for polkit already; answer its questions "
                               "first",
                               MAX_QUESTIONS);
      return;
    }
  set_questions (check->uid, count_questions (check->uid) + 1);
  g_variant_builder_init (&subject, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (check->sender));
  g_dbus_connection_call (check->connection, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                          "CheckAuthorization",
                          g_variant_new ("((sa{sv})s@a{ss}us)", "system-bus-name", &subject,
                                         check->action, check->details,
                                         check->interactive ? POLKIT_ALLOW_USER_INTERACTION : 0u,
                                         ""),
                          G_VARIANT_TYPE ("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE, NO_TIMEOUT,
                          g_task_get_cancellable (task), on_polkit_answer, g_object_ref (task));
}

static void
on_caller_known (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  Check *check = g_task_get_task_data (task);

  if (!jkb_caller_find_uid_finish (result, &check->uid, &error))
    g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_NOT_AUTHORIZED, "%s", error->message);
  else if (check->uid == 0 || (check->policy == JKB_AUTH_SAME_USER && check->uid == getuid ()))
    g_task_return_boolean (task, TRUE);
  else if (check->policy == JKB_AUTH_POLKIT)
    ask_polkit (task);
  else
    deny (task, "Do it as root or as the user that runs jkbmsd: this bus has no polkit for",
          check->action);
}

void
jkb_auth_check_async (JkbAuthPolicy policy, GDBusMethodInvocation *invocation, const char *action,
                      GVariant *details, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Check *check = g_new0 (Check, 1);

  check->policy = policy;
  check->connection = g_object_ref (g_dbus_method_invocation_get_connection (invocation));
  check->sender = g_strdup (g_dbus_method_invocation_get_sender (invocation));
  check->action = g_strdup (action);
  check->details = g_variant_ref_sink (details != NULL ? details
                                                       : g_variant_new ("a{ss}", NULL));
  check->interactive = jkb_caller_is_interactive (invocation);
  g_task_set_source_tag (task, jkb_auth_check_async);
  g_task_set_task_data (task, check, check_free);
  jkb_caller_find_uid_async (invocation, cancellable, on_caller_known, g_object_ref (task));
}

gboolean
jkb_auth_check_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
