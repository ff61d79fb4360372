/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkb-gen: prints what follows from the field table, at build time: the D-Bus interface files of
 * Telemetry, Settings and Info, and the field reference.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/jkb-table-info.h"

static const char xml_head[]
    = "<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
      "  \"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
      "<!-- Made from src/wire/jkb-fields.def.\n"
      "     SPDX-License-Identifier: MIT\n"
      "     SPDX-FileCopyrightText: the jkbmsd contributors -->\n"
      "<node>\n";

static void
print_interface (JkbGroup group)
{
  GString *xml = g_string_new (xml_head);

  g_dbus_interface_info_generate_xml (jkb_table_info (group), 2, xml);
  g_string_append (xml, "</node>\n");
  fputs (xml->str, stdout);
  g_string_free (xml, TRUE);
}

/* ---- field reference ---- */

static const char reference_head[]
    = "# Fields\n"
      "\n"
      "Made from `src/wire/jkb-fields.def` by `jkb-gen`; `ninja update-golden` writes it anew.\n"
      "\n"
      "The key is the JSON key on MQTT and the column of `jkbmsctl`; the property is its name on\n"
      "D-Bus. Types are D-Bus signatures: `d` number, `u` and `t` whole number, `b` yes or no,\n"
      "`s` text, `as` list of texts, `ad` one number per cell. Unknown is `null` in JSON and\n"
      "`NaN` for `d`; the keys of all that is unknown are in the property `Unavailable`. Current and\n"
      "power are positive while charging.\n"
      "\n"
      "Plausible: a value outside counts as unknown. Class: who may write a setting: A harmless,\n"
      "B changes operation, C a wrong value can stop the system or harm cells, X never written.\n"
      "How settings are written: [dbus.md](dbus.md).\n";

static char *
describe_values (const JkbField *field)
{
  switch (field->kind)
    {
    case JKB_KIND_ENUM:
      return g_strjoinv (", ", (char **) field->names);
    case JKB_KIND_NUMBER:
    case JKB_KIND_LIST:
      return jkb_table_describe_range (field, field->min, field->max);
    default:
      return g_strdup ("");
    }
}

static void
print_row (const JkbField *field)
{
  g_autofree char *values = describe_values (field);
  char property[JKB_DBUS_NAME_MAX];
  char place[32] = "computed";

  jkb_field_dbus_name (field, property);
  if (field->wire != JKB_WIRE_NONE)
    g_snprintf (place, sizeof place, field->bit > 0 ? "0x%04X.%d" : "0x%04X",
                jkb_field_register (field), field->bit - 1);
  printf ("| `%s` | `%s` | %s | `%s` | %s | %s | %s |", field->key, property, field->label,
          field->dbus, field->unit != NULL ? field->unit : "", place, values);
  if (field->group == JKB_GROUP_SETTINGS)
    {
      g_autofree char *writable
          = field->write_class != JKB_CLASS_X && field->kind == JKB_KIND_NUMBER
                ? jkb_table_describe_range (field, field->write_min, field->write_max)
                : g_strdup ("");

      printf (" %c | %s |", "-ABCX"[field->write_class], writable);
    }
  printf ("\n");
}

static void
print_reference (void)
{
  static const char *const titles[JKB_N_GROUPS] = { "Telemetry", "Settings", "Info" };

  fputs (reference_head, stdout);
  for (JkbGroup group = JKB_GROUP_LIVE; group < JKB_N_GROUPS; group++)
    {
      gboolean settings = group == JKB_GROUP_SETTINGS;

      printf ("\n## %s (`%s`)\n\n", titles[group], jkb_table_interface_name (group));
      printf ("| Key | Property | Meaning | Type | Unit | Register | Plausible, or values |%s\n",
              settings ? " Class | Range for writing |" : "");
      printf ("|---|---|---|---|---|---|---|%s\n", settings ? "---|---|" : "");
      for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
        print_row (&jkb_fields[id]);
    }
}

int
main (int argc, char **argv)
{
  const char *what = argc == 2 ? argv[1] : "";

  for (JkbGroup group = JKB_GROUP_LIVE; group < JKB_N_GROUPS; group++)
    if (strcmp (what, jkb_table_interface_name (group)) == 0)
      {
        print_interface (group);
        return EXIT_SUCCESS;
      }
  if (strcmp (what, "fields.md") == 0)
    {
      print_reference ();
      return EXIT_SUCCESS;
    }
  fprintf (stderr, "usage: jkb-gen io.github.jkbmsd1.{Telemetry,Settings,Info} | fields.md\n");
  return 2;
}
