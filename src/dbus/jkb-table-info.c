/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Interface descriptions from the field table. Main thread only.
 */
#include "dbus/jkb-table-info.h"

#include "dbus/jkb-settings-members.h"

static const struct
{
  const char *name;
  const char *doc;
} interfaces[JKB_N_GROUPS] = {
  [JKB_GROUP_LIVE] = { "io.github.jkbmsd1.Telemetry",
                       "What the BMS measures and does now. Current and power are positive while "
                       "charging." },
  [JKB_GROUP_SETTINGS] = { "io.github.jkbmsd1.Settings",
                           "What the BMS is set to. Setting a property writes it to the BMS; the "
                           "answer comes when it was read back and matches, or with an error within "
                           "10 s. Needs io.github.jkbmsd1.write-settings, for settings of "
                           "class C io.github.jkbmsd1.write-protection, and access= in [writes] of "
                           "the configuration." },
  [JKB_GROUP_INFO] = { "io.github.jkbmsd1.Info",
                       "What the BMS says about itself. A bus that is only listened to seldom "
                       "carries it." },
};

#define UNKNOWN_DOC                                                                                \
  " The interface appears with the first frame that carries it. A number of type d that is "      \
  "unknown is NaN; a value of another type that is unknown has its type's default and its key "   \
  "stands in Unavailable."

const char *
jkb_table_interface_name (JkbGroup group)
{
  return interfaces[group].name;
}

/* raw / scale, in fixed point. */
static void
append_fixed (GString *out, const JkbField *field, gint64 raw)
{
  guint decimals = jkb_field_decimals (field);
  guint64 magnitude = raw < 0 ? 0 - (guint64) raw : (guint64) raw;
  guint32 scale = MAX (field->scale, 1);

  g_string_append_printf (out, "%s%" G_GUINT64_FORMAT, raw < 0 ? "-" : "", magnitude / scale);
  if (decimals > 0)
    g_string_append_printf (out, ".%0*" G_GUINT64_FORMAT, (int) decimals, magnitude % scale);
}

char *
jkb_table_describe_range (const JkbField *field, gint64 min, gint64 max)
{
  GString *out = g_string_new (NULL);

  if (min != 0 || max != 0)
    {
      append_fixed (out, field, min);
      g_string_append (out, " to ");
      append_fixed (out, field, max);
      if (field->unit != NULL)
        g_string_append_printf (out, " %s", field->unit);
    }
  return g_string_free (out, FALSE);
}

static void
append_kind (GString *doc, const JkbField *field)
{
  g_autofree char *names = NULL;

  switch (field->kind)
    {
    case JKB_KIND_ENUM:
      names = g_strjoinv (", ", (char **) field->names);
      g_string_append_printf (doc, " One of: %s.", names);
      break;
    case JKB_KIND_FLAGS:
      g_string_append (doc, " The keys of the alarms that are active.");
      break;
    case JKB_KIND_LIST:
      g_string_append (doc, " One element per cell, cell 1 first; NaN: unknown.");
      break;
    default:
      break;
    }
}

static void
append_place (GString *doc, const JkbField *field)
{
  if (field->wire == JKB_WIRE_NONE)
    g_string_append (doc, " Computed by the daemon.");
  else if (field->bit > 0)
    g_string_append_printf (doc, " Register 0x%04X, bit %d.", jkb_field_register (field),
                            field->bit - 1);
  else
    g_string_append_printf (doc, " Register 0x%04X.", jkb_field_register (field));
}

static void
append_limits (GString *doc, const JkbField *field)
{
  static const char *const classes[] = {
    [JKB_CLASS_A] = "harmless",
    [JKB_CLASS_B] = "changes operation",
    [JKB_CLASS_C] = "a wrong value can stop the system or harm cells",
    [JKB_CLASS_X] = "never written",
  };
  g_autofree char *plausible = jkb_table_describe_range (field, field->min, field->max);
  g_autofree char *writable = NULL;

  if (*plausible != '\0')
    g_string_append_printf (doc, " Anything outside %s counts as unknown.", plausible);
  if (field->write_class == JKB_CLASS_NONE)
    return;
  g_string_append_printf (doc, " Class %c: %s.", "?ABCX"[field->write_class],
                          classes[field->write_class]);
  if (field->write_class == JKB_CLASS_X || field->kind != JKB_KIND_NUMBER)
    return;
  writable = jkb_table_describe_range (field, field->write_min, field->write_max);
  g_string_append_printf (doc, " Range for writing: %s.", writable);
}

char *
jkb_table_describe (const JkbField *field)
{
  GString *doc = g_string_new (field->label);

  if (field->unit != NULL)
    g_string_append_printf (doc, " in %s", field->unit);
  g_string_append_c (doc, '.');
  append_kind (doc, field);
  append_place (doc, field);
  append_limits (doc, field);
  return g_string_free (doc, FALSE);
}

static gboolean
is_written (const JkbField *field)
{
  return field->write_class != JKB_CLASS_NONE && field->write_class != JKB_CLASS_X;
}

static GDBusAnnotationInfo **
doc_annotation (char *text)
{
  GDBusAnnotationInfo **annotations = g_new0 (GDBusAnnotationInfo *, 2);

  annotations[0] = g_new0 (GDBusAnnotationInfo, 1);
  annotations[0]->ref_count = -1;
  annotations[0]->key = (char *) "org.gtk.GDBus.DocString";
  annotations[0]->value = text;
  return annotations;
}

static GDBusPropertyInfo *
property_info (const char *name, const char *signature, gboolean writable, char *doc)
{
  GDBusPropertyInfo *info = g_new0 (GDBusPropertyInfo, 1);

  info->ref_count = -1;
  info->name = g_strdup (name);
  info->signature = (char *) signature;
  info->flags = G_DBUS_PROPERTY_INFO_FLAGS_READABLE;
  if (writable)
    info->flags |= G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE;
  info->annotations = doc_annotation (doc);
  return info;
}

static GDBusInterfaceInfo *
build (JkbGroup group)
{
  GDBusInterfaceInfo *info = g_new0 (GDBusInterfaceInfo, 1);
  GPtrArray *properties = g_ptr_array_new ();
  char name[JKB_DBUS_NAME_MAX];

  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    {
      const JkbField *field = &jkb_fields[id];

      jkb_field_dbus_name (field, name);
      g_ptr_array_add (properties, property_info (name, field->dbus, is_written (field),
                                                  jkb_table_describe (field)));
    }
  g_ptr_array_add (properties, property_info (JKB_UNAVAILABLE, "as", FALSE,
                                              g_strdup ("The keys that are unknown now.")));
  g_ptr_array_add (properties, NULL);
  info->ref_count = -1; /* static: never freed */
  info->name = (char *) interfaces[group].name;
  info->properties = (GDBusPropertyInfo **) g_ptr_array_free (properties, FALSE);
  if (group == JKB_GROUP_SETTINGS)
    {
      info->methods = (GDBusMethodInfo **) jkb_settings_methods;
      info->signals = (GDBusSignalInfo **) jkb_settings_signals;
    }
  info->annotations = doc_annotation (g_strconcat (interfaces[group].doc, UNKNOWN_DOC, NULL));
  return info;
}

GDBusInterfaceInfo *
jkb_table_info (JkbGroup group)
{
  static GDBusInterfaceInfo *infos[JKB_N_GROUPS];

  if (infos[group] == NULL)
    infos[group] = build (group);
  return infos[group];
}
