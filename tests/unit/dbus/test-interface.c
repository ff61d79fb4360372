/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The public interface to the letter: names, types, how changes are announced, methods, and a
 * sentence on each of them.
 */
#include <string.h>

#include "core/jkb-error.h"
#include "service-fixture.h"

static const struct
{
  const char *path;
  const char *interface;
  const char *properties; /* name:type:how changes are announced (default: with the value) */
  const char *methods;
} interfaces[] = {
  { ROOT, "Manager",
    "ClockSynchronized:b HistoryDropped:t:false HistoryError:s HistoryRecorded:t:false "
    "HistorySize:t:false Language:s LogLevel:s Version:s:const",
    "AddBus GetConfig GetConfigOrigins Reload RemoveBus ResetConfig SetConfig" },
  { ROOT "/bus/garage", "Bus",
    "AckErrors:t:false Addresses:s Baud:u BytesReceived:t:false ChecksumErrors:t:false "
    "CommandGap:d Enabled:b FramesReceived:t:false HealthReason:s HealthScore:u InfoInterval:d LastError:s "
    "ListenBeforeTalk:d Mode:s Name:s:const NoDataTimeout:d OfflineAfter:d Overruns:t:false "
    "PollInterval:d ReconnectMax:d ReconnectMin:d Reconnects:t:false ReplyTimeout:d "
    "RequestsSeen:t:false Resyncs:t:false Role:s SettingsInterval:d State:s "
    "UnattributedFrames:t:false Uri:s Writable:b",
    "Reconnect Scan StartCapture StopCapture" },
  { ROOT "/mqtt", "Mqtt",
    "CaFile:s CellsInterval:d CertFile:s ClientId:s Connected:b DiscoveryPrefix:s Dropped:t:false "
    "Enabled:b HistoryWaiting:t:false Interval:d KeyFile:s LastError:s Published:t:false "
    "Queued:u:false TopicPrefix:s Uri:s Username:s",
    "Reconnect Republish SetPassword" },
  { BMS, "Bms",
    "Address:u:const Bus:o:const Id:s:const LastSeen:t:false Model:s Name:s Online:b "
    "SerialNumber:s",
    "Forget GetHistory Refresh" },
};

static GDBusNodeInfo *
introspect (ServiceFixture *f, const char *path)
{
  g_autoptr (GVariant) reply = call (f->client, NAME, path, "org.freedesktop.DBus.Introspectable",
                                     "Introspect", NULL, NULL);
  g_autoptr (GError) error = NULL;
  GDBusNodeInfo *node;
  const char *xml;

  g_assert_nonnull (reply);
  g_variant_get (reply, "(&s)", &xml);
  node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return node;
}

static int
compare_texts (gconstpointer a, gconstpointer b)
{
  return strcmp (*(char *const *) a, *(char *const *) b);
}

/* Takes the strings in @list. */
static char *
sort_and_join (GPtrArray *list)
{
  g_auto (GStrv) texts = NULL;

  g_ptr_array_sort (list, compare_texts);
  g_ptr_array_add (list, NULL);
  texts = (char **) g_ptr_array_free (list, FALSE);
  return g_strjoinv (" ", texts);
}

static char *
describe_properties (GDBusInterfaceInfo *info)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; info->properties[i] != NULL; i++)
    {
      const char *how = g_dbus_annotation_info_lookup (
          info->properties[i]->annotations,
          "org.freedesktop.DBus.Property.EmitsChangedSignal");

      g_ptr_array_add (list, g_strconcat (info->properties[i]->name, ":",
                                          info->properties[i]->signature, how != NULL ? ":" : NULL,
                                          how, NULL));
    }
  return sort_and_join (list);
}

static char *
describe_methods (GDBusInterfaceInfo *info)
{
  GPtrArray *list = g_ptr_array_new ();

  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    g_ptr_array_add (list, g_strdup (info->methods[i]->name));
  return sort_and_join (list);
}

static void
assert_documented (GDBusAnnotationInfo **annotations)
{
  const char *doc = g_dbus_annotation_info_lookup (annotations, "org.gtk.GDBus.DocString");

  g_assert_nonnull (doc);
  g_assert_true (g_str_has_suffix (doc, "."));
}

static void
assert_interface_documented (GDBusInterfaceInfo *info)
{
  assert_documented (info->annotations);
  for (guint i = 0; info->properties[i] != NULL; i++)
    assert_documented (info->properties[i]->annotations);
  for (guint i = 0; info->methods != NULL && info->methods[i] != NULL; i++)
    assert_documented (info->methods[i]->annotations);
  for (guint i = 0; info->signals != NULL && info->signals[i] != NULL; i++)
    {
      assert_documented (info->signals[i]->annotations);
      for (guint n = 0; info->signals[i]->args[n] != NULL; n++)
        assert_documented (info->signals[i]->args[n]->annotations);
    }
}

/* Every property can be read and has the type that it claims. */
static void
assert_types (ServiceFixture *f, const char *path, GDBusInterfaceInfo *info)
{
  g_autoptr (GVariant) reply = call (f->client, NAME, path, "org.freedesktop.DBus.Properties",
                                     "GetAll", g_variant_new ("(s)", info->name), NULL);
  g_autoptr (GVariant) all = g_variant_get_child_value (reply, 0);

  for (guint i = 0; info->properties[i] != NULL; i++)
    {
      g_autoptr (GVariant) value
          = g_variant_lookup_value (all, info->properties[i]->name,
                                    G_VARIANT_TYPE (info->properties[i]->signature));

      g_assert_nonnull (value);
    }
}

static void
test_interface (ServiceFixture *f, gconstpointer interval)
{
  make_known (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (interfaces); i++)
    {
      g_autofree char *full = g_strconcat (NAME ".", interfaces[i].interface, NULL);
      g_autoptr (GDBusNodeInfo) node = introspect (f, interfaces[i].path);
      GDBusInterfaceInfo *info = g_dbus_node_info_lookup_interface (node, full);
      g_autofree char *properties = NULL, *methods = NULL;

      g_assert_nonnull (info);
      properties = describe_properties (info);
      g_assert_cmpstr (properties, ==, interfaces[i].properties);
      methods = describe_methods (info);
      g_assert_cmpstr (methods, ==, interfaces[i].methods);
      assert_interface_documented (info);
      assert_types (f, interfaces[i].path, info);
    }
}

#define add(path, interval, func)                                                                  \
  g_test_add ("/dbus/interface/" path, ServiceFixture, interval, service_set_up, func,           \
              service_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_error_quark ();
  add ("all", "1", test_interface);
  return g_test_run ();
}
