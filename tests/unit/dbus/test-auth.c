/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Who may do what: by uid on a private bus, by polkit on the system bus. A mock of polkit answers;
 * calls by another user are made by gdbus(1), which needs root to become that user.
 */
#include <string.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "dbus-fixture.h"
#include "dbus/jkb-auth.h"
#include "dbus/jkb-caller.h"

#define NAME "io.github.jkbmsd1"
#define NOBODY "65534"

typedef struct
{
  PrivateBus bus;
  GDBusConnection *service;
  GDBusConnection *polkit;
  JkbAuthPolicy policy;
  gboolean authorized, challenge;
  char *asked; /* action, subject and flags of the last question */
  char *output;
} Fixture;

static const char service_xml[]
    = "<node><interface name='io.github.jkbmsd1.Test'><method name='Try'/>"
      "<method name='Who'><arg type='u' direction='out'/></method></interface></node>";

static const char polkit_xml[]
    = "<node><interface name='org.freedesktop.PolicyKit1.Authority'>"
      "<method name='CheckAuthorization'>"
      "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/>"
      "<arg type='a{ss}' direction='in'/><arg type='u' direction='in'/>"
      "<arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"
      "</method></interface></node>";

/* ---- what is tested: a method that asks first ---- */

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;

  if (jkb_auth_check_finish (result, &error))
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
}

static void
on_caller (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  g_autoptr (GError) error = NULL;
  guint32 uid;

  if (jkb_caller_find_uid_finish (result, &uid, &error))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(u)", uid));
  else
    g_dbus_method_invocation_return_gerror (invocation, error);
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
        const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
        gpointer user_data)
{
  Fixture *f = user_data;

  if (g_str_equal (method, "Who"))
    jkb_caller_find_uid_async (invocation, NULL, on_caller, invocation);
  else
    jkb_auth_check_async (f->policy, invocation, JKB_ACTION_CONFIGURE, NULL, NULL, on_checked,
                          invocation);
}

/* ---- the mock ---- */

static void
on_check_authorization (GDBusConnection *connection, const char *sender, const char *path,
                        const char *interface, const char *method, GVariant *parameters,
                        GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  const char *kind, *action;
  guint32 flags;

  g_variant_get (parameters, "((&s@a{sv})&s@a{ss}u&s)", &kind, NULL, &action, NULL, &flags, NULL);
  g_free (f->asked);
  f->asked = g_strdup_printf ("%s %s %u", kind, action, flags);
  g_dbus_method_invocation_return_value (
      invocation, g_variant_new ("((bba{ss}))", f->authorized, f->challenge, NULL));
}

static void
export (Fixture *f, GDBusConnection *connection, const char *xml, const char *path,
        const char *name, GDBusInterfaceMethodCallFunc func)
{
  const GDBusInterfaceVTable vtable = { func, NULL, NULL, { NULL } };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);

  g_assert_cmpuint (g_dbus_connection_register_object (connection, path, node->interfaces[0],
                                                       &vtable, f, NULL, NULL),
                    !=, 0);
  request_name (connection, name);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  private_bus_start (&f->bus);
  f->service = private_bus_connect (&f->bus);
  export (f, f->service, service_xml, "/test", NAME, on_call);
}

static void
start_polkit (Fixture *f)
{
  f->polkit = private_bus_connect (&f->bus);
  export (f, f->polkit, polkit_xml, "/org/freedesktop/PolicyKit1/Authority",
          "org.freedesktop.PolicyKit1", on_check_authorization);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_dbus_connection_close_sync (f->service, NULL, NULL);
  g_object_unref (f->service);
  if (f->polkit != NULL)
    {
      g_dbus_connection_close_sync (f->polkit, NULL, NULL);
      g_object_unref (f->polkit);
    }
  turn_loop ();
  g_free (f->asked);
  g_free (f->output);
  private_bus_clear (&f->bus);
}

/* ---- calling ---- */

static void
on_called (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, &f->output, NULL, &error);
  g_assert_no_error (error);
}

/* Calls that as root or as nobody. Returns: what gdbus printed: "()" or the error. */
static const char *
call_as (Fixture *f, const char *uid, const char *method, gboolean interactive)
{
  const char *argv[] = { "setpriv",    "--reuid",    uid,      "--regid",
                         uid,          "--clear-groups", "gdbus",  "call",
                         "--address",  f->bus.address, "--dest", NAME,
                         "--object-path", "/test",   "--method", method,
                         interactive ? "--interactive" : NULL, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process
      = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE,
                           &error);

  g_assert_no_error (error);
  g_clear_pointer (&f->output, g_free);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, on_called, f);
  wait_until (f->output != NULL);
  g_strchomp (f->output);
  return f->output;
}

static const char *
try_as (Fixture *f, const char *uid, gboolean interactive)
{
  return call_as (f, uid, NAME ".Test.Try", interactive);
}

static gboolean
cannot_be_others (void)
{
  if (geteuid () == 0)
    return FALSE;
  g_test_skip ("only root can call as another user");
  return TRUE;
}

static void
assert_denied (const char *output, const char *reason)
{
  g_assert_nonnull (strstr (output, "io.github.jkbmsd1.Error.NotAuthorized"));
  g_assert_nonnull (strstr (output, reason));
}

/* ---- tests ---- */

static void
test_same_user (Fixture *f, gconstpointer data)
{
  g_autoptr (GDBusConnection) client = private_bus_connect (&f->bus);

  call_well (client, NAME, "/test", NAME ".Test", "Try", NULL);
  g_dbus_connection_close_sync (client, NULL, NULL);
}

static void
test_other_user (Fixture *f, gconstpointer data)
{
  if (cannot_be_others ())
    return;
  assert_denied (try_as (f, NOBODY, FALSE), "as root or as the user that runs jkbmsd");
}

static void
test_root_without_polkit (Fixture *f, gconstpointer data)
{
  if (cannot_be_others ())
    return;
  f->policy = JKB_AUTH_POLKIT;
  g_assert_cmpstr (try_as (f, "0", FALSE), ==, "()");
  g_assert_null (f->asked);
}

static void
test_no_polkit (Fixture *f, gconstpointer data)
{
  if (cannot_be_others ())
    return;
  f->policy = JKB_AUTH_POLKIT;
  assert_denied (try_as (f, NOBODY, FALSE), "polkit cannot be asked, do it as root");
}

static void
test_polkit_allows (Fixture *f, gconstpointer data)
{
  if (cannot_be_others ())
    return;
  f->policy = JKB_AUTH_POLKIT;
  f->authorized = TRUE;
  start_polkit (f);
  g_assert_cmpstr (try_as (f, NOBODY, FALSE), ==, "()");
  g_assert_cmpstr (f->asked, ==, "system-bus-name io.github.jkbmsd1.configure 0");
}

static void
test_polkit_denies (Fixture *f, gconstpointer data)
{
  if (cannot_be_others ())
    return;
  f->policy = JKB_AUTH_POLKIT;
  start_polkit (f);
  assert_denied (try_as (f, NOBODY, FALSE), "you are not allowed");
}

/* polkit may ask the user only when the caller says so. */
static void
test_polkit_challenges (Fixture *f, gconstpointer data)
{
  if (cannot_be_others ())
    return;
  f->policy = JKB_AUTH_POLKIT;
  f->challenge = TRUE;
  start_polkit (f);
  assert_denied (try_as (f, NOBODY, FALSE), "Authenticate as an administrator");
  g_assert_true (g_str_has_suffix (f->asked, " 0"));
  f->authorized = TRUE; /* the user typed the password */
  g_assert_cmpstr (try_as (f, NOBODY, TRUE), ==, "()");
  g_assert_true (g_str_has_suffix (f->asked, " 1"));
}

/* A user is the same over all connections. */
static void
test_caller (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GDBusConnection) client = private_bus_connect (&f->bus);
      g_autoptr (GVariant) reply = call (client, NAME, "/test", NAME ".Test", "Who", NULL, NULL);
      guint32 uid;

      g_variant_get (reply, "(u)", &uid);
      g_assert_cmpuint (uid, ==, getuid ());
      g_dbus_connection_close_sync (client, NULL, NULL);
    }
  if (!cannot_be_others ())
    g_assert_cmpstr (call_as (f, NOBODY, NAME ".Test.Who", FALSE), ==, "(uint32 65534,)");
}

#define add(path, func) g_test_add ("/dbus/auth/" path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_error_quark ();
  add ("same-user", test_same_user);
  add ("other-user", test_other_user);
  add ("root-without-polkit", test_root_without_polkit);
  add ("no-polkit", test_no_polkit);
  add ("caller", test_caller);
  add ("polkit/allows", test_polkit_allows);
  add ("polkit/denies", test_polkit_denies);
  add ("polkit/challenges", test_polkit_challenges);
  return g_test_run ();
}
