/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Values of the field table as D-Bus properties: types, unknown values, announcements.
 */
#include <math.h>

#include "dbus-fixture.h"

#include <string.h>
#include "dbus/jkb-table-info.h"
#include "dbus/jkb-table-skeleton.h"

#define NAME "io.github.jkbmsd1"
#define PATH "/io/github/jkbmsd1/bms/garage_1"

typedef struct
{
  PrivateBus bus;
  GDBusConnection *service;
  GDBusConnection *client;
  Signals signals;
  JkbValues values;
  gboolean heard; /* FALSE: there are no values yet */
  GObject *source;
  JkbSkeleton *skeleton;
} Fixture;

static const JkbValues *
peek (gpointer source, JkbGroup group)
{
  Fixture *f = g_object_get_data (source, "fixture");

  return f->heard ? &f->values : NULL;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  JkbGroup group = (JkbGroup) GPOINTER_TO_INT (data);

  private_bus_start (&f->bus);
  f->service = private_bus_connect (&f->bus);
  f->client = private_bus_connect (&f->bus);
  request_name (f->service, NAME);
  signals_watch (&f->signals, f->client);

  jkb_values_init (&f->values, group);
  f->heard = TRUE;
  f->source = g_object_new (G_TYPE_OBJECT, NULL);
  g_object_set_data (f->source, "fixture", f);
  f->skeleton = jkb_table_skeleton_new (group, peek, f->source);
  g_assert_true (g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (f->skeleton),
                                                   f->service, PATH, NULL));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (f->skeleton));
  g_object_unref (f->skeleton);
  g_object_unref (f->source);
  signals_unwatch (&f->signals);
  g_dbus_connection_close_sync (f->client, NULL, NULL);
  g_dbus_connection_close_sync (f->service, NULL, NULL);
  g_object_unref (f->client);
  g_object_unref (f->service);
  turn_loop ();
  private_bus_clear (&f->bus);
}

static GVariant *
get (Fixture *f, JkbFieldId id)
{
  static const char *const interfaces[] = { "Telemetry", "Settings", "Info" };
  char name[JKB_DBUS_NAME_MAX];

  jkb_field_dbus_name (&jkb_fields[id], name);
  return get_property (f->client, PATH, interfaces[jkb_fields[id].group], name);
}

static gboolean
is_unavailable (Fixture *f, const char *interface, const char *key)
{
  g_autoptr (GVariant) value = get_property (f->client, PATH, interface, JKB_UNAVAILABLE);
  g_autofree const char **keys = g_variant_get_strv (value, NULL);

  return g_strv_contains (keys, key);
}

static void
test_types (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) voltage = NULL, cells = NULL, cycles = NULL, runtime = NULL;
  g_autoptr (GVariant) charging = NULL, status = NULL, errors = NULL;
  g_autofree const char **keys = NULL;
  const double *volts;
  gsize n;

  jkb_values_set (&f->values, JKB_FIELD_TOTAL_VOLTAGE, 52630);
  jkb_values_set (&f->values, JKB_FIELD_CHARGING_CYCLES, 12);
  jkb_values_set (&f->values, JKB_FIELD_TOTAL_RUNTIME, G_GINT64_CONSTANT (4294967295));
  jkb_values_set (&f->values, JKB_FIELD_CHARGING, 1);
  jkb_values_set (&f->values, JKB_FIELD_CHARGE_STATUS, 2);
  jkb_values_set (&f->values, JKB_FIELD_ERRORS, (1 << 4) | (1u << 30));
  f->values.n_cells = 3;
  f->values.list[0][0] = 3301;
  f->values.list[0][2] = 3303;

  voltage = get (f, JKB_FIELD_TOTAL_VOLTAGE);
  g_assert_cmpfloat (g_variant_get_double (voltage), ==, 52.63);
  cycles = get (f, JKB_FIELD_CHARGING_CYCLES);
  g_assert_cmpuint (g_variant_get_uint32 (cycles), ==, 12);
  runtime = get (f, JKB_FIELD_TOTAL_RUNTIME);
  g_assert_cmpuint (g_variant_get_uint64 (runtime), ==, 4294967295u);
  charging = get (f, JKB_FIELD_CHARGING);
  g_assert_true (g_variant_get_boolean (charging));
  status = get (f, JKB_FIELD_CHARGE_STATUS);
  g_assert_cmpstr (g_variant_get_string (status, NULL), ==, "float");
  errors = get (f, JKB_FIELD_ERRORS);
  keys = g_variant_get_strv (errors, &n);
  g_assert_cmpuint (n, ==, 2);
  g_assert_cmpstr (keys[0], ==, "cell_overvoltage");
  g_assert_cmpstr (keys[1], ==, "bit_30");
  cells = get (f, JKB_FIELD_CELL_VOLTAGES);
  volts = g_variant_get_fixed_array (cells, &n, sizeof (double));
  g_assert_cmpuint (n, ==, 3);
  g_assert_cmpfloat (volts[0], ==, 3.301);
  g_assert_true (isnan (volts[1]));
  g_assert_cmpfloat (volts[2], ==, 3.303);
}

static void
test_unknown (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) voltage = get (f, JKB_FIELD_TOTAL_VOLTAGE);
  g_autoptr (GVariant) status = get (f, JKB_FIELD_CHARGE_STATUS);
  g_autoptr (GVariant) cells = get (f, JKB_FIELD_CELL_VOLTAGES);

  g_assert_true (isnan (g_variant_get_double (voltage)));
  g_assert_cmpstr (g_variant_get_string (status, NULL), ==, "");
  g_assert_cmpuint (g_variant_n_children (cells), ==, 0);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE); id < jkb_group_end (JKB_GROUP_LIVE); id++)
    g_assert_true (is_unavailable (f, "Telemetry", jkb_fields[id].key));

  jkb_values_set (&f->values, JKB_FIELD_TOTAL_VOLTAGE, 0);
  g_assert_false (is_unavailable (f, "Telemetry", "total_voltage"));
  g_assert_true (is_unavailable (f, "Telemetry", "current"));
}

static void
test_nothing_heard (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) voltage = NULL;

  f->heard = FALSE;
  voltage = get (f, JKB_FIELD_TOTAL_VOLTAGE);
  g_assert_true (isnan (g_variant_get_double (voltage)));
  g_assert_true (is_unavailable (f, "Telemetry", "total_voltage"));
}

static void
test_every_property (Fixture *f, gconstpointer data)
{
  JkbGroup group = (JkbGroup) GPOINTER_TO_INT (data);
  g_autoptr (GVariant) reply = call (f->client, NAME, PATH, "org.freedesktop.DBus.Properties",
                                     "GetAll",
                                     g_variant_new ("(s)", jkb_table_interface_name (group)), NULL);
  g_autoptr (GVariant) all = g_variant_get_child_value (reply, 0);
  guint n_fields = jkb_group_end (group) - jkb_group_first (group);

  g_assert_cmpuint (g_variant_n_children (all), ==, n_fields + 1);
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    {
      char name[JKB_DBUS_NAME_MAX];
      g_autoptr (GVariant) value = NULL;

      jkb_field_dbus_name (&jkb_fields[id], name);
      value = g_variant_lookup_value (all, name, NULL);
      g_assert_nonnull (value);
      g_assert_cmpstr (g_variant_get_type_string (value), ==, jkb_fields[id].dbus);
    }
}

static void
test_announce_changes_only (Fixture *f, gconstpointer data)
{
  g_autofree char *first = NULL, *second = NULL;

  g_assert_false (jkb_skeleton_announce (f->skeleton)); /* unknown stays unknown: NaN is equal */

  jkb_values_set (&f->values, JKB_FIELD_CURRENT, -12000);
  jkb_values_set (&f->values, JKB_FIELD_TOTAL_VOLTAGE, 52000);
  g_assert_true (jkb_skeleton_announce (f->skeleton));
  g_assert_false (jkb_skeleton_announce (f->skeleton));
  jkb_values_set (&f->values, JKB_FIELD_CURRENT, -12100);
  g_assert_true (jkb_skeleton_announce (f->skeleton));

  settle (f->client);
  g_assert_cmpuint (signals_count (&f->signals, PATH, "PropertiesChanged"), ==, 2);
  first = signals_changed_keys (&f->signals, PATH, "Telemetry", 0);
  g_assert_cmpstr (first, ==, "Current TotalVoltage Unavailable");
  second = signals_changed_keys (&f->signals, PATH, "Telemetry", 1);
  g_assert_cmpstr (second, ==, "Current");
}

/* A reader that keeps what it read must be told, even if the value goes back meanwhile. */
static void
test_announce_what_was_read (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) seen = NULL;
  g_autofree char *keys = NULL;

  jkb_values_set (&f->values, JKB_FIELD_CURRENT, 1000);
  jkb_skeleton_announce (f->skeleton);
  settle (f->client);
  signals_clear (&f->signals);

  jkb_values_set (&f->values, JKB_FIELD_CURRENT, 2000);
  seen = get (f, JKB_FIELD_CURRENT);
  g_assert_cmpfloat (g_variant_get_double (seen), ==, 2.0);
  jkb_values_set (&f->values, JKB_FIELD_CURRENT, 1000);
  g_assert_true (jkb_skeleton_announce (f->skeleton));
  g_assert_false (jkb_skeleton_announce (f->skeleton));
  settle (f->client);
  keys = signals_changed_keys (&f->signals, PATH, "Telemetry", 0);
  g_assert_cmpstr (keys, ==, "Current");
}

static void
test_texts (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) model = NULL;

  g_strlcpy (f->values.text[0], "JK_PB2A16S20P", JKB_TEXT_SIZE);
  f->values.text_known = 1;
  model = get (f, JKB_FIELD_MODEL);
  g_assert_cmpstr (g_variant_get_string (model, NULL), ==, "JK_PB2A16S20P");
  g_assert_false (is_unavailable (f, "Info", "model"));
  g_assert_true (is_unavailable (f, "Info", "user_data"));
}

static void
test_set_is_refused (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = call (f->client, NAME, PATH, "org.freedesktop.DBus.Properties", "Set",
              g_variant_new ("(ssv)", "io.github.jkbmsd1.Settings", "Balancer",
                             g_variant_new_boolean (TRUE)),
              &error);

  g_assert_null (reply);
  g_assert_nonnull (error);
}

static void
test_documented (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) reply = call (f->client, NAME, PATH, "org.freedesktop.DBus.Introspectable",
                                     "Introspect", NULL, NULL);
  g_autoptr (GDBusNodeInfo) node = NULL;
  GDBusInterfaceInfo *info;
  const char *xml;

  g_variant_get (reply, "(&s)", &xml);
  node = g_dbus_node_info_new_for_xml (xml, NULL);
  info = g_dbus_node_info_lookup_interface (node,
                                            jkb_table_interface_name (GPOINTER_TO_INT (data)));
  g_assert_nonnull (info);
  g_assert_nonnull (g_dbus_annotation_info_lookup (info->annotations, "org.gtk.GDBus.DocString"));
  for (guint i = 0; info->properties[i] != NULL; i++)
    {
      const char *doc = g_dbus_annotation_info_lookup (info->properties[i]->annotations,
                                                       "org.gtk.GDBus.DocString");

      g_assert_nonnull (doc);
      g_assert_true (g_str_has_suffix (doc, "."));
      g_assert_cmpint (info->properties[i]->flags, ==,
                       G_DBUS_PROPERTY_INFO_FLAGS_READABLE
                           | (strstr (doc, "Class ") != NULL && strstr (doc, "never written") == NULL
                                  ? G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE
                                  : 0));
    }
}

/* Nothing listens and nothing is exported: announcing is harmless. */
static void
test_without_connection (void)
{
  Fixture f = { .heard = TRUE };

  jkb_values_init (&f.values, JKB_GROUP_LIVE);
  f.source = g_object_new (G_TYPE_OBJECT, NULL);
  g_object_set_data (f.source, "fixture", &f);
  f.skeleton = jkb_table_skeleton_new (JKB_GROUP_LIVE, peek, f.source);
  jkb_values_set (&f.values, JKB_FIELD_CURRENT, 1);
  g_assert_true (jkb_skeleton_announce (f.skeleton));
  g_object_unref (f.skeleton);
  g_object_unref (f.source);
}

#define add(path, group, func)                                                                     \
  g_test_add ("/dbus/table/" path, Fixture, GINT_TO_POINTER (group), set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("types", JKB_GROUP_LIVE, test_types);
  add ("unknown", JKB_GROUP_LIVE, test_unknown);
  add ("nothing-heard", JKB_GROUP_LIVE, test_nothing_heard);
  add ("every-property/live", JKB_GROUP_LIVE, test_every_property);
  add ("every-property/settings", JKB_GROUP_SETTINGS, test_every_property);
  add ("every-property/info", JKB_GROUP_INFO, test_every_property);
  add ("announce/changes-only", JKB_GROUP_LIVE, test_announce_changes_only);
  add ("announce/what-was-read", JKB_GROUP_LIVE, test_announce_what_was_read);
  add ("texts", JKB_GROUP_INFO, test_texts);
  add ("set-is-refused", JKB_GROUP_SETTINGS, test_set_is_refused);
  add ("documented/live", JKB_GROUP_LIVE, test_documented);
  add ("documented/settings", JKB_GROUP_SETTINGS, test_documented);
  add ("documented/info", JKB_GROUP_INFO, test_documented);
  g_test_add_func ("/dbus/table/without-connection", test_without_connection);
  return g_test_run ();
}
