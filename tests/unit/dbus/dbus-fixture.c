/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "dbus-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#define ROOT "/io/github/jkbmsd1"
#define NAME "io.github.jkbmsd1"

static const char bus_config[]
    = "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\"\n"
      " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">\n"
      "<busconfig>\n"
      "  <listen>unix:path=%s/bus</listen>\n"
      "  <auth>EXTERNAL</auth>\n"
      "  <policy context=\"default\">\n"
      "    <allow user=\"*\"/>\n"
      "    <allow own=\"*\"/>\n"
      "    <allow send_type=\"method_call\"/>\n"
      "    <allow send_type=\"method_return\"/>\n"
      "    <allow send_type=\"signal\"/>\n"
      "    <allow send_type=\"error\"/>\n"
      "    <allow receive_type=\"method_call\"/>\n"
      "    <allow eavesdrop=\"true\"/>\n"
      "  </policy>\n"
      "</busconfig>\n";

static char *
config_path (PrivateBus *bus)
{
  return g_build_filename (bus->directory, "bus.conf", NULL);
}

static void
write_config (PrivateBus *bus)
{
  g_autofree char *path = config_path (bus);
  g_autofree char *text = g_strdup_printf (bus_config, bus->directory);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

void
private_bus_start (PrivateBus *bus)
{
  g_autofree char *config = NULL;
  g_autofree char *option = NULL;
  g_autoptr (GError) error = NULL;
  char ready[256];
  int out;
  const char *argv[] = { "dbus-daemon", NULL, "--nofork", "--nopidfile", "--print-address", NULL };

  if (bus->directory == NULL)
    {
      bus->directory = g_dir_make_tmp ("jkbmsd-dbus-XXXXXX", NULL);
      g_assert_nonnull (bus->directory);
      g_assert_cmpint (g_chmod (bus->directory, 0755), ==, 0); /* other users call, too */
      bus->address = g_strdup_printf ("unix:path=%s/bus", bus->directory);
      write_config (bus);
    }
  config = config_path (bus);
  option = g_strconcat ("--config-file=", config, NULL);
  argv[1] = option;
  g_assert_true (g_spawn_async_with_pipes (NULL, (char **) argv, NULL,
                                           G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD
                                               | G_SPAWN_STDERR_TO_DEV_NULL,
                                           NULL,
                                           NULL, &bus->pid, NULL, &out, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (read (out, ready, sizeof ready), >, 0); /* its address: it listens */
  close (out);
}

void
private_bus_stop (PrivateBus *bus)
{
  if (bus->pid == 0)
    return;
  kill (bus->pid, SIGTERM);
  waitpid (bus->pid, NULL, 0);
  g_spawn_close_pid (bus->pid);
  bus->pid = 0;
}

void
private_bus_clear (PrivateBus *bus)
{
  g_autofree char *config = config_path (bus);
  g_autofree char *socket = g_build_filename (bus->directory, "bus", NULL);

  private_bus_stop (bus);
  g_unlink (config);
  g_unlink (socket);
  g_rmdir (bus->directory);
  g_free (bus->directory);
  g_free (bus->address);
  memset (bus, 0, sizeof *bus);
}

GDBusConnection *
private_bus_connect (PrivateBus *bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      bus->address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT
          | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL, NULL, &error);

  g_assert_no_error (error);
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  return connection;
}

static gboolean
on_nothing (gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

void
turn_loop (void)
{
  guint id = g_timeout_add (5, on_nothing, NULL);

  g_main_context_iteration (NULL, TRUE);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  if (g_main_context_find_source_by_id (NULL, id) != NULL)
    g_source_remove (id);
}

static void
on_reply (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GAsyncResult **answer = user_data;

  *answer = g_object_ref (result);
}

GVariant *
call (GDBusConnection *connection, const char *name, const char *path, const char *interface,
      const char *method, GVariant *parameters, GError **error)
{
  g_autoptr (GAsyncResult) answer = NULL;

  g_dbus_connection_call (connection, name, path, interface, method, parameters, NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, on_reply, &answer);
  wait_until (answer != NULL);
  return g_dbus_connection_call_finish (connection, answer, error);
}

void
call_well (GDBusConnection *connection, const char *name, const char *path, const char *interface,
           const char *method, GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = call (connection, name, path, interface, method, parameters, &error);

  g_assert_no_error (error);
  g_variant_unref (reply);
}

void
request_name (GDBusConnection *connection, const char *name)
{
  call_well (connection, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "RequestName",
             g_variant_new ("(su)", name, 0));
}

void
settle (GDBusConnection *connection)
{
  call_well (connection, NAME, ROOT, "org.freedesktop.DBus.Peer", "Ping", NULL);
}

GVariant *
get_property (GDBusConnection *connection, const char *path, const char *interface,
              const char *property)
{
  g_autofree char *full = g_strconcat (NAME ".", interface, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = call (connection, NAME, path, "org.freedesktop.DBus.Properties",
                                     "Get", g_variant_new ("(ss)", full, property), &error);
  GVariant *value;

  g_assert_no_error (error);
  g_variant_get (reply, "(v)", &value);
  return value;
}

/* ---- signals ---- */

static void
signal_free (gpointer data)
{
  Signal *s = data;

  g_free (s->path);
  g_free (s->interface);
  g_free (s->name);
  g_variant_unref (s->parameters);
  g_free (s);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path,
           const char *interface, const char *name, GVariant *parameters, gpointer user_data)
{
  Signals *signals = user_data;
  Signal *s;

  if (!g_str_has_prefix (path, ROOT))
    return;
  s = g_new0 (Signal, 1);
  s->path = g_strdup (path);
  s->interface = g_strdup (interface);
  s->name = g_strdup (name);
  s->parameters = g_variant_ref (parameters);
  g_ptr_array_add (signals->list, s);
}

void
signals_watch (Signals *signals, GDBusConnection *connection)
{
  signals->connection = connection;
  signals->list = g_ptr_array_new_with_free_func (signal_free);
  signals->id = g_dbus_connection_signal_subscribe (connection, NULL, NULL, NULL, NULL, NULL,
                                                    G_DBUS_SIGNAL_FLAGS_NONE, on_signal, signals,
                                                    NULL);
  /* The match rule has arrived when an answer to something later has. */
  call_well (connection, "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "GetId", NULL);
}

void
signals_clear (Signals *signals)
{
  g_ptr_array_set_size (signals->list, 0);
}

void
signals_unwatch (Signals *signals)
{
  g_dbus_connection_signal_unsubscribe (signals->connection, signals->id);
  g_ptr_array_unref (signals->list);
}

Signal *
signals_find (Signals *signals, const char *path, const char *name, guint nth)
{
  for (guint i = 0; i < signals->list->len; i++)
    {
      Signal *s = g_ptr_array_index (signals->list, i);

      if ((path == NULL || strcmp (s->path, path) == 0) && strcmp (s->name, name) == 0
          && nth-- == 0)
        return s;
    }
  return NULL;
}

guint
signals_count (Signals *signals, const char *path, const char *name)
{
  guint n = 0;

  while (signals_find (signals, path, name, n) != NULL)
    n++;
  return n;
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

static char *
sorted_keys (GVariant *dict)
{
  g_autoptr (GPtrArray) keys = g_ptr_array_new_with_free_func (g_free);
  GVariantIter iter;
  char *key;

  g_variant_iter_init (&iter, dict);
  while (g_variant_iter_next (&iter, "{sv}", &key, NULL))
    g_ptr_array_add (keys, key);
  g_ptr_array_sort (keys, compare_texts);
  g_ptr_array_add (keys, NULL);
  return g_strjoinv (" ", (char **) keys->pdata);
}

char *
signals_changed_keys (Signals *signals, const char *path, const char *interface, guint nth)
{
  g_autofree char *full = g_strconcat (NAME ".", interface, NULL);
  Signal *s;

  for (guint i = 0; (s = signals_find (signals, path, "PropertiesChanged", i)) != NULL; i++)
    {
      g_autoptr (GVariant) changed = NULL;
      const char *name;

      g_variant_get (s->parameters, "(&s@a{sv}^a&s)", &name, &changed, NULL);
      if (strcmp (name, full) == 0 && nth-- == 0)
        return sorted_keys (changed);
    }
  return NULL;
}
