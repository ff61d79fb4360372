/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a hostile broker can send to a daemon that has a BMS: a byte of flags, a topic, a line feed, a
 * payload. Discovery that it claims to have kept, commands, whatever. What the daemon publishes in
 * turn has topics that may be published to, and payloads that are JSON.
 */
#include <string.h>

#include "bms/jkb-registry.h"
#include "daemon/jkb-daemon-private.h"
#include "fuzz-input.h"
#include "mqtt-fixture.h"
#include "mqtt/jkb-mqtt-private.h"
#include "strict-json.h"

static MqttFixture fixture;
static JkbDaemon *daemon_object;
static JkbMqtt *mqtt;

/* A daemon with one bus, which is not started, and one BMS with everything that there is. */
int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_autofree char *file = g_build_filename (fuzz_directory (), "jkbmsd.conf", NULL);
  g_autofree char *text = g_strdup_printf (
      "[bus garage]\nuri=replay:%s\n[mqtt]\nuri=mqtt://127.0.0.1\n"
      "commands=protection\n[writes]\naccess=protection\n",
      file);
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  JkbDaemonOptions options = { .config_file = file };
  g_autoptr (JkbBus) bus = NULL;
  JkbConfig *config;

  fuzz_write_file (file, text, strlen (text));
  config = jkb_config_load (file, TRUE, NULL, problems);
  g_assert_cmpuint (problems->len, ==, 0);
  daemon_object = jkb_daemon_new (&options, config);
  bus = jkb_daemon_make_bus (daemon_object, g_ptr_array_index (config->buses, 0), 0, NULL);
  jkb_daemon_add_bus (daemon_object, bus);
  mqtt = jkb_daemon_get_mqtt (daemon_object);
  mqtt->context.config = config;
  mqtt->context.registry = jkb_daemon_get_registry (daemon_object);
  mqtt->context.link = jkb_mqtt_link_new (100);
  mqtt->connected = TRUE;
  fixture.registry = mqtt->context.registry;
  mqtt_fixture_add_bms (&fixture, 1, 16);
  mqtt_fixture_tell_settings (&fixture, 1);
  mqtt_fixture_tell_info (&fixture, 1);
  return 0;
}

/* What MQTT allows in a topic that is published to. */
static void
check_topic (const char *topic, const char *claimed)
{
  g_assert_cmpuint (strlen (topic), <=, 65535);
  if (strpbrk (claimed, "+#") == NULL)
    g_assert_null (strpbrk (topic, "+#"));
}

static void
check_message (const JkbMessage *message, const char *claimed)
{
  check_topic (message->topic, claimed);
  if (message->size == 0 || g_str_has_suffix (message->topic, "/availability"))
    return;
  if (!strict_json_is_good (message->payload, message->size))
    g_error ("%s: %s", message->topic, message->payload);
}

/* All that was published because of it. Returns: bytes */
static gsize
take_messages (const char *claimed)
{
  JkbMessage *message;
  gsize n_bytes = 0;

  jkb_mqtt_link_flush (mqtt->context.link);
  while ((message = jkb_mqtt_link_receive (mqtt->context.link)) != NULL)
    {
      check_message (message, claimed);
      n_bytes += message->size;
      jkb_mqtt_link_account (mqtt->context.link, jkb_message_cost (message), TRUE);
      g_free (message);
    }
  return n_bytes;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *topic = NULL;
  g_autofree char *payload = NULL;
  const guint8 *line_feed = size > 1 ? memchr (data + 1, '\n', size - 1) : NULL;
  JkbMqttEvent event = { .kind = JKB_MQTT_ARRIVED };

  if (line_feed == NULL)
    return 0;
  topic = g_strndup ((const char *) data + 1, (gsize) (line_feed - data - 1));
  event.retained = (data[0] & 1) != 0;
  event.size = size - (gsize) (line_feed + 1 - data);
  payload = g_malloc (event.size + 1);
  memcpy (payload, line_feed + 1, event.size);
  payload[event.size] = '\0';
  event.text = topic;
  event.payload = payload;

  if (!jkb_mqtt_take_command (mqtt, &event) && event.retained && event.size > 0)
    jkb_mqtt_take_past (mqtt, topic, payload);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  take_messages (topic);
  return 0;
}
