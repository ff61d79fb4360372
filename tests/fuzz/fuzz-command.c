/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Anything that a broker can hand on: a byte that says what is allowed, a topic, a line feed, a
 * payload. What is accepted must be a setting of that tier with a value in its range; every refusal
 * has a sentence, and its answer is text that a broker takes.
 */
#include <stdint.h>
#include <string.h>

#include "fuzz-input.h"
#include "mqtt/jkb-command.h"
#include "poll/jkb-setting.h"
#include "strict-json.h"

#define PREFIX "jkbms"

static void
check_answer (const JkbField *field, gint64 raw, const GError *error)
{
  g_autoptr (GString) answer = g_string_new (NULL);

  jkb_command_result (answer, field, raw, error);
  g_assert_true (g_str_has_prefix (answer->str, error == NULL ? "{\"ok\":true,\"error\":null,"
                                                              : "{\"ok\":false,\"error\":\""));
  g_assert_true (strict_json_is_good (answer->str, answer->len));
}

static void
check_command (const JkbConfig *config, const char *key, const char *payload, gsize size)
{
  g_autoptr (GError) error = NULL;
  gint64 raw = JKB_UNKNOWN;
  const JkbField *field = jkb_command_parse (config, key, payload, size, &raw, &error);

  g_assert_true ((field == NULL) == (error != NULL));
  check_answer (field, raw, error);
  if (field == NULL)
    return;
  g_assert_cmpstr (field->key, ==, key);
  g_assert_cmpint (jkb_setting_tier (field), !=, JKB_TIER_NONE);
  g_assert_cmpint (jkb_setting_tier (field), <=, jkb_command_tier (config));
  g_assert_cmpint (raw, >=, field->write_min);
  g_assert_cmpint (raw, <=, field->write_max);
  g_assert_cmpuint (size, <=, JKB_COMMAND_MAX_PAYLOAD);
}

static void
check_topic (const JkbConfig *config, const char *topic, const char *payload, gsize size)
{
  g_autofree char *id = NULL;
  g_autofree char *key = NULL;
  g_autofree char *again = NULL;

  if (!jkb_command_split (PREFIX, topic, &id, &key))
    {
      g_assert_true (id == NULL && key == NULL);
      return;
    }
  again = jkb_command_topic (PREFIX, id, key);
  g_assert_cmpstr (again, ==, topic);
  check_command (config, key, payload, size);
}

/* One message in twice the forms: on the topic that it names, and on that of each setting. */
int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  JkbConfig config = { 0 };
  g_autofree char *text = g_malloc (size + 1);
  char *payload;
  gsize n_payload;

  if (size < 2)
    return 0;
  memcpy (text, data, size);
  text[size] = '\0';
  config.mqtt.commands = (JkbTier) (text[0] & 3);
  config.writes.access = (JkbTier) (text[0] >> 2 & 3);
  config.homeassistant.status_topic = (char *) "homeassistant/status";
  payload = memchr (text + 1, '\n', size - 1);
  if (payload == NULL)
    return 0;
  *payload++ = '\0';
  n_payload = size - (gsize) (payload - text);

  check_topic (&config, text + 1, payload, n_payload);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS); id < jkb_group_end (JKB_GROUP_SETTINGS);
       id++)
    check_command (&config, jkb_fields[id].key, payload, n_payload);
  if (jkb_command_is_birth (&config, text + 1, payload, n_payload, (text[0] & 16) != 0))
    {
      g_assert_cmpmem (payload, n_payload, "online", 6);
      g_assert_false ((text[0] & 16) != 0);
    }
  return 0;
}
