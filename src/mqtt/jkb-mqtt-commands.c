/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Commands from MQTT: each is answered once, its topic is cleared, and the settings are told again
 * as the BMS has them, whatever became of it. The write itself goes the way of all writes. Commands
 * to one BMS run one after the other; few may wait. Main thread only.
 */
#include <string.h>

#include "daemon/jkb-writer.h"
#include "mqtt/jkb-command.h"
#include "mqtt/jkb-mqtt-private.h"
#include "poll/jkb-setting.h"

#define MAX_PENDING 16
#define MAX_WAIT_US (30 * G_USEC_PER_SEC) /* nobody expects it any more */
#define MAX_QUEUED 1000                   /* messages: more commands are not even answered */
#define LOG_PAUSE_US G_USEC_PER_SEC

typedef struct
{
  JkbMqtt *mqtt;
  char *topic;
  char *id;
  const JkbField *field;
  gint64 raw;
  gint64 arrived_us;
  gboolean running;
} Command;

static void
command_free (Command *command)
{
  g_object_unref (command->mqtt);
  g_free (command->topic);
  g_free (command->id);
  g_free (command);
}

/* ---- answers ---- */

/* An answer may come when MQTT was switched off since. */
static void
answer (JkbMqtt *self, const char *topic, const JkbField *field, gint64 raw, const GError *error)
{
  g_autofree char *result_topic = g_strconcat (topic, "/result", NULL);
  GString *text = self->context.text;

  if (self->context.link == NULL)
    return;
  jkb_command_result (text, field, raw, error);
  jkb_mqtt_link_send (self->context.link,
                      jkb_message_new (JKB_MESSAGE_EVENT, result_topic, text->str, text->len));
}

/* Whoever sent the command may show its value until the settings say otherwise. */
static void
tell_settings (JkbMqtt *self, const char *id)
{
  JkbBms *bms = jkb_registry_find (jkb_daemon_get_registry (self->daemon), id);
  JkbPublisher *publisher = bms != NULL ? g_hash_table_lookup (self->publishers, bms) : NULL;

  if (publisher != NULL && self->connected)
    jkb_publisher_settings (publisher, &self->context);
}

/* A stranger that sends rubbish all day must not fill the journal. */
static void
log_refusal (JkbMqtt *self, const char *id, const char *key, const GError *error)
{
  gint64 now_us = g_get_monotonic_time ();
  g_autofree char *safe_id = g_utf8_make_valid (id, -1);
  g_autofree char *safe_key = g_utf8_make_valid (key, -1);

  if (self->refusal_logged_us != 0 && now_us - self->refusal_logged_us < LOG_PAUSE_US)
    {
      self->refusals_unlogged++;
      return;
    }
  if (self->refusals_unlogged > 0)
    g_message ("MQTT: %u more commands were refused", self->refusals_unlogged);
  g_message ("MQTT: a command to set %s of %s was refused: %s", safe_key, safe_id, error->message);
  self->refusal_logged_us = now_us;
  self->refusals_unlogged = 0;
}

static void
refuse (JkbMqtt *self, const char *topic, const char *id, const char *key, const GError *error)
{
  log_refusal (self, id, key, error);
  tell_settings (self, id);
  answer (self, topic, NULL, 0, error);
}

/* ---- running ---- */

static gboolean on_next (gpointer user_data);

static void
finish (Command *command, GVariant *values, const GError *error)
{
  JkbMqtt *self = command->mqtt;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GError) local_error = NULL;
  gint64 raw = JKB_UNKNOWN;

  if (values != NULL)
    value = g_variant_lookup_value (values, command->field->key, NULL);
  if (value != NULL && !jkb_setting_from_variant (command->field, value, &raw, &local_error))
    error = local_error;
  tell_settings (self, command->id);
  answer (self, command->topic, command->field, raw, error);
  g_queue_remove (&self->commands, command);
}

static void
on_applied (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Command *command = user_data;
  JkbMqtt *self = command->mqtt;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) values = jkb_writer_apply_finish (JKB_WRITER (object), result, &error);

  finish (command, values, error);
  if (self->context.link != NULL)
    jkb_mqtt_link_flush (self->context.link);
  /* Within this call the writer may still think that it is writing. */
  g_idle_add_full (G_PRIORITY_DEFAULT, on_next, g_object_ref (self), g_object_unref);
  command_free (command);
}

static void
start (Command *command)
{
  JkbMqtt *self = command->mqtt;
  JkbBms *bms = jkb_registry_find (jkb_daemon_get_registry (self->daemon), command->id);
  GVariantBuilder values = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) owned = NULL;
  g_autoptr (GError) error = NULL;

  g_variant_builder_add (&values, "{sv}", command->field->key,
                         jkb_setting_to_variant (command->field, command->raw));
  owned = g_variant_ref_sink (g_variant_builder_end (&values));
  if (self->context.link == NULL)
    g_set_error_literal (&error, JKB_ERROR, JKB_ERROR_BUSY, "MQTT was switched off");
  else if (bms == NULL)
    g_set_error (&error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "%s is not there any more", command->id);
  else if (g_get_monotonic_time () - command->arrived_us > MAX_WAIT_US)
    g_set_error (&error, JKB_ERROR, JKB_ERROR_BUSY,
                 "The commands before this one took too long; nothing was sent, try again");
  if (error != NULL)
    {
      finish (command, NULL, error);
      command_free (command);
      return;
    }
  command->running = TRUE;
  jkb_writer_apply_async (jkb_daemon_get_writer (self->daemon), bms, owned,
                          jkb_mqtt_config (self)->mqtt.commands, on_applied, command);
}

/* Returns: (nullable): the oldest that waits for nothing before it. */
static Command *
find_startable (JkbMqtt *self)
{
  for (GList *link = self->commands.head; link != NULL; link = link->next)
    {
      Command *command = link->data;
      gboolean blocked = command->running;

      for (GList *before = link->prev; !blocked && before != NULL; before = before->prev)
        blocked = g_str_equal (((Command *) before->data)->id, command->id);
      if (!blocked)
        return command;
    }
  return NULL;
}

static void
start_waiting (JkbMqtt *self)
{
  Command *command;

  while ((command = find_startable (self)) != NULL)
    start (command);
}

static gboolean
on_next (gpointer user_data)
{
  JkbMqtt *self = user_data;

  start_waiting (self);
  if (self->context.link != NULL)
    jkb_mqtt_link_flush (self->context.link);
  return G_SOURCE_REMOVE;
}

/* ---- what arrives ---- */

/* Several daemons with instance names may share the prefix: what is meant for a bus of another one
 * is none of our business. */
static gboolean
is_for_us (JkbMqtt *self, const char *id)
{
  const JkbConfig *config = jkb_mqtt_config (self);
  const char *underscore = strrchr (id, '_');
  g_autofree char *bus = underscore != NULL ? g_strndup (id, (gsize) (underscore - id)) : NULL;

  return config->daemon.instance[0] == '\0'
         || (bus != NULL && jkb_config_find_bus (config, bus) != NULL);
}

static const JkbField *
judge (JkbMqtt *self, const JkbMqttEvent *event, const char *id, const char *key, gint64 *raw,
       GError **error)
{
  if (event->retained)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                         "A retained command is never obeyed: it would be repeated at every "
                         "start; publish it without the retain flag");
  else if (jkb_registry_find (jkb_daemon_get_registry (self->daemon), id) == NULL)
    g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "There is no BMS called '%s'", id);
  else if (self->commands.length >= MAX_PENDING)
    g_set_error (error, JKB_ERROR, JKB_ERROR_BUSY,
                 "%d commands are waiting already; nothing was sent, try again", MAX_PENDING);
  else
    return jkb_command_parse (jkb_mqtt_config (self), key, event->payload, event->size, raw, error);
  return NULL;
}

static void
clear_topic (JkbMqtt *self, const char *topic)
{
  jkb_mqtt_link_send (self->context.link, jkb_message_new (JKB_MESSAGE_RETAINED, topic, NULL, 0));
}

static void
accept (JkbMqtt *self, const char *topic, const char *id, const JkbField *field, gint64 raw)
{
  Command *command = g_new0 (Command, 1);

  command->mqtt = g_object_ref (self);
  command->topic = g_strdup (topic);
  command->id = g_strdup (id);
  command->field = field;
  command->raw = raw;
  command->arrived_us = g_get_monotonic_time ();
  g_queue_push_tail (&self->commands, command);
  start_waiting (self);
}

static void
take (JkbMqtt *self, const JkbMqttEvent *event, const char *id, const char *key)
{
  g_autoptr (GError) error = NULL;
  const JkbField *field;
  gint64 raw;

  if (jkb_mqtt_link_get_queued (self->context.link) >= MAX_QUEUED)
    {
      jkb_mqtt_link_count_dropped (self->context.link);
      return;
    }
  clear_topic (self, event->text);
  field = judge (self, event, id, key, &raw, &error);
  if (field != NULL)
    accept (self, event->text, id, field, raw);
  else
    refuse (self, event->text, id, key, error);
}

gboolean
jkb_mqtt_take_command (JkbMqtt *self, const JkbMqttEvent *event)
{
  const JkbConfig *config = jkb_mqtt_config (self);
  g_autofree char *id = NULL;
  g_autofree char *key = NULL;

  if (!jkb_command_split (config->mqtt.topic_prefix, event->text, &id, &key))
    return FALSE;
  /* Empty: our own clearing that comes back. */
  if (event->size > 0 && jkb_command_tier (config) != JKB_TIER_NONE && is_for_us (self, id))
    take (self, event, id, key);
  return TRUE;
}

void
jkb_mqtt_listen_to_commands (JkbMqtt *self, gboolean listen)
{
  g_autofree char *filter = jkb_command_filter (jkb_mqtt_config (self)->mqtt.topic_prefix);
  JkbMessage *order = jkb_message_new (listen ? JKB_MESSAGE_SUBSCRIBE : JKB_MESSAGE_UNSUBSCRIBE,
                                       filter, NULL, 0);

  jkb_mqtt_link_send (self->context.link, order);
}
