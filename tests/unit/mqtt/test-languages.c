/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Discovery in each language of the option: other names, and nothing else is other.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "bus/jkb-bus.h"
#include "core/jkb-options.h"
#include "mqtt-fixture.h"
#include "mqtt/jkb-ha-translate.h"
#include "mqtt/jkb-homeassistant.h"

static void
test_table (void)
{
  const char *own = "State of charge, but not as the table says it";

  g_assert_cmpstr (jkb_ha_translate ("de", "State of charge"), ==, "Ladezustand");
  g_assert_cmpstr (jkb_ha_translate ("de", "Cell voltage at 100 % charge"), ==,
                   "Zellenspannung bei 100 % Ladung");
  g_assert_cmpstr (jkb_ha_translate ("de", "Wire resistance"), ==, "Leitungswiderstand");
  g_assert_cmpstr (jkb_ha_translate ("de", "Bus %s health"), ==, "Bus %s Güte");
  g_assert_true (jkb_ha_translate ("de", own) == own);
  g_assert_cmpstr (jkb_ha_translate ("en", "State of charge"), ==, "State of charge");
  g_assert_cmpstr (jkb_ha_translate ("tlh", "State of charge"), ==, "State of charge");
  g_assert_cmpstr (jkb_ha_translate (NULL, "State of charge"), ==, "State of charge");
}

static void
test_fill_in (void)
{
  g_autofree char *middle = jkb_ha_fill_in ("Cell %u voltage", "16");
  g_autofree char *begin = jkb_ha_fill_in ("%s 匯流排", "garage");
  g_autofree char *end = jkb_ha_fill_in ("Bus %s", "a%sb");

  g_assert_cmpstr (middle, ==, "Cell 16 voltage");
  g_assert_cmpstr (begin, ==, "garage 匯流排");
  g_assert_cmpstr (end, ==, "Bus a%sb");
}

/* The document without the names in it; these go to @names. */
static char *
without_names (const char *document, GPtrArray *names)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (GList) parts = NULL;
  JsonObject *root, *components;

  json_parser_load_from_data (parser, document, -1, &error);
  g_assert_no_error (error);
  root = json_node_get_object (json_parser_get_root (parser));
  components = json_object_get_object_member (root, "components");
  parts = json_object_get_values (components);
  parts = g_list_prepend (parts, json_object_get_member (root, "device"));
  for (GList *l = parts; l != NULL; l = l->next)
    {
      JsonObject *part = json_node_get_object (l->data);

      if (!json_object_has_member (part, "name"))
        continue;
      g_ptr_array_add (names, g_strdup (json_object_get_string_member (part, "name")));
      json_object_remove_member (part, "name");
    }
  return json_to_string (json_parser_get_root (parser), FALSE);
}

typedef struct
{
  char *rest;       /* of both documents, without names */
  GPtrArray *names; /* of both documents */
} Texts;

static void
describe (MqttFixture *f, JkbBms *bms, GPtrArray *buses, const char *language, Texts *texts)
{
  g_autoptr (GString) document = g_string_new (NULL);
  g_autoptr (GString) bridge = g_string_new (NULL);
  g_autofree char *rest = NULL, *bridge_rest = NULL;

  f->config.daemon.language = (char *) language;
  jkb_ha_bms_document (document, &f->config, f->registry, bms, NULL);
  jkb_ha_bridge_document (bridge, &f->config, buses, NULL);
  texts->names = g_ptr_array_new_with_free_func (g_free);
  rest = without_names (document->str, texts->names);
  bridge_rest = without_names (bridge->str, texts->names);
  texts->rest = g_strconcat (rest, bridge_rest, NULL);
}

static void
texts_clear (Texts *texts)
{
  g_free (texts->rest);
  g_ptr_array_unref (texts->names);
}

static gboolean
has_name (const Texts *texts, const char *name)
{
  return g_ptr_array_find_with_equal_func (texts->names, name, g_str_equal, NULL);
}

static void
compare (const char *language, const Texts *english, const Texts *texts)
{
  guint same = 0;

  g_assert_cmpstr (texts->rest, ==, english->rest);
  g_assert_cmpuint (texts->names->len, ==, english->names->len);
  for (guint i = 0; i < texts->names->len; i++)
    {
      const char *name = texts->names->pdata[i];

      same += g_str_equal (name, english->names->pdata[i]);
      if (strstr (name, "%u") != NULL || strstr (name, "%s") != NULL || name[0] == '\0')
        g_error ("%s: “%s”", language, name);
    }
  g_test_message ("%s: %u of %u names as in English", language, same, texts->names->len);
}

static void
test_documents (MqttFixture *f, gconstpointer unused)
{
  const JkbOption *option = jkb_option_find ("daemon", "language");
  JkbBms *bms = mqtt_fixture_add_bms (f, 1, 16);
  g_autoptr (GPtrArray) buses = g_ptr_array_new_with_free_func (g_object_unref);
  Texts english;

  g_ptr_array_add (buses, jkb_bus_new (&f->bus, NULL, NULL, NULL, NULL));
  f->config.homeassistant.entities = JKB_ENTITIES_FULL;
  mqtt_fixture_tell_settings (f, 1);
  mqtt_fixture_tell_info (f, 1);
  describe (f, bms, buses, "en", &english);
  g_assert_true (has_name (&english, "Cell 16 voltage"));
  for (guint i = 0; option->names[i] != NULL; i++)
    {
      Texts texts;

      describe (f, bms, buses, option->names[i], &texts);
      compare (option->names[i], &english, &texts);
      if (g_str_equal (option->names[i], "de"))
        {
          g_assert_true (has_name (&texts, "Zelle 16 Spannung"));
          g_assert_true (has_name (&texts, "Bus garage Güte"));
          g_assert_true (has_name (&texts, "Zellenüberspannung"));
          g_assert_true (has_name (&texts, "JK-BMS-Brücke"));
        }
      texts_clear (&texts);
    }
  texts_clear (&english);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mqtt/languages/table", test_table);
  g_test_add_func ("/mqtt/languages/fill-in", test_fill_in);
  g_test_add ("/mqtt/languages/documents", MqttFixture, NULL, mqtt_fixture_set_up, test_documents,
              mqtt_fixture_tear_down);
  return g_test_run ();
}
