/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Rules over several keys and groups, and looks at the devices and files that are named. What is
 * missing now may be there later (an adapter, a certificate): no more than a warning. Main thread
 * only.
 */
#include "core/jkb-config-validate.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/jkb-config-scan.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"

typedef struct
{
  const JkbConfig *config;
  gboolean lenient;
  GPtrArray *problems;
  GHashTable *devices; /* what a bus is on to its name */
} Validate;

/* Complains where @key of @group stands, or where the group begins. */
static void complain (Validate *validate, JkbProblemLevel level, const char *group,
                      const char *key, const char *format, ...) G_GNUC_PRINTF (5, 6);

static void
complain (Validate *validate, JkbProblemLevel level, const char *group, const char *key,
          const char *format, ...)
{
  const JkbConfigGroup *found = jkb_config_store_find_group (validate->config->store, group);
  const JkbConfigEntry *entry = found != NULL && key != NULL ? jkb_config_group_find (found, key)
                                                             : NULL;
  JkbLayer layer = entry != NULL ? entry->layer : found != NULL ? found->layer : JKB_LAYER_ADMIN;
  const char *file = entry != NULL ? entry->file : found != NULL ? found->file : "defaults";
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (validate->lenient && layer == JKB_LAYER_OVERLAY)
    level = JKB_PROBLEM_WARNING;
  jkb_problems_add (validate->problems, level, file,
                    entry != NULL ? entry->line : found != NULL ? found->line : 0, "%s", message);
}

/* ---- buses ---------------------------------------------------------------------------------- */

/* What the URI leads to, the same text for the same device under another name. */
static char *
identify_device (const JkbBusUri *uri)
{
  g_autofree char *real = NULL;
  g_autofree char *host = NULL;
  struct stat st;

  if (uri->scheme == JKB_SCHEME_TCP)
    {
      host = g_ascii_strdown (uri->host, -1);
      return g_strdup_printf ("%s port %u", host, uri->port);
    }
  if (stat (uri->path, &st) == 0 && S_ISCHR (st.st_mode))
    return g_strdup_printf ("device %u:%u", major (st.st_rdev), minor (st.st_rdev));
  real = g_canonicalize_filename (uri->path, "/");
  return g_steal_pointer (&real);
}

static void
check_unique_device (Validate *validate, const char *group, const JkbBusConfig *bus,
                     const JkbBusUri *uri)
{
  g_autofree char *device = identify_device (uri);
  const char *other = g_hash_table_lookup (validate->devices, device);

  if (other == NULL)
    {
      g_hash_table_insert (validate->devices, g_steal_pointer (&device), bus->name);
      return;
    }
  complain (validate, JKB_PROBLEM_ERROR, group, "uri",
            "uri=%s is the same %s as that of [bus %s]; give each bus its own, or set "
            "enabled=false in one of them",
            bus->uri, uri->scheme == JKB_SCHEME_TCP ? "gateway" : "port", other);
}

static void
check_port (Validate *validate, const char *group, const JkbBusConfig *bus, const JkbBusUri *uri)
{
  struct stat st;

  if (stat (uri->path, &st) == 0 && !S_ISCHR (st.st_mode))
    complain (validate, JKB_PROBLEM_ERROR, group, "uri",
              "uri=%s is not a serial port; write serial:/dev/serial/by-id/NAME, or replay:%s for a "
              "recorded file",
              bus->uri, uri->path);
}

static void
check_replay (Validate *validate, const char *group, const JkbBusConfig *bus,
              const JkbBusUri *uri)
{
  if (!g_file_test (uri->path, G_FILE_TEST_IS_REGULAR) || access (uri->path, R_OK) != 0)
    complain (validate, JKB_PROBLEM_ERROR, group, "uri",
              "uri=%s names no file that can be read; correct the path or the file's mode",
              bus->uri);
  if (bus->mode == JKB_MODE_POLL)
    complain (validate, JKB_PROBLEM_ERROR, group, "mode",
              "mode=poll does not go with a replay, which cannot answer; write mode=listen");
}

static void
check_bus (Validate *validate, const JkbBusConfig *bus)
{
  g_autofree char *group = g_strconcat ("bus ", bus->name, NULL);
  g_autoptr(JkbBusUri) uri = jkb_bus_uri_parse (bus->uri, NULL);

  if (bus->reconnect_min > bus->reconnect_max)
    complain (validate, JKB_PROBLEM_ERROR, group,
              jkb_config_group_find (
                  jkb_config_store_find_group (validate->config->store, group), "reconnect-min")
                      != NULL
                  ? "reconnect-min"
                  : "reconnect-max",
              "reconnect-min=%g is above reconnect-max=%g; raise the latter or lower the former",
              bus->reconnect_min, bus->reconnect_max);
  if (uri == NULL)
    return;
  if (uri->scheme == JKB_SCHEME_REPLAY)
    check_replay (validate, group, bus, uri);
  else if (bus->enabled)
    check_unique_device (validate, group, bus, uri);
  if (uri->scheme == JKB_SCHEME_SERIAL)
    check_port (validate, group, bus, uri);
}

/* A group whose every uri was bad has been told already; one without a uri has not. */
static void
check_has_uri (Validate *validate, const JkbConfigGroup *group)
{
  const JkbConfigEntry *entry = jkb_config_group_find (group, "uri");

  if (entry != NULL && entry->value[0] != '\0')
    return;
  for (guint i = 0; i < validate->problems->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (validate->problems, i);

      if (g_str_has_prefix (problem->message, "uri=") && problem->line > group->line
          && g_str_equal (problem->file, group->file))
        return;
    }
  complain (validate, JKB_PROBLEM_ERROR, group->group, "uri",
            "[%s] has no uri; add uri=serial:/dev/serial/by-id/NAME or uri=tcp:HOST:PORT",
            group->group);
}

/* ---- BMS and banks -------------------------------------------------------------------------- */

/* Returns: (nullable): the group of the bus that @id belongs to. */
static const JkbConfigGroup *
find_bus_of (Validate *validate, const char *id, guint *address)
{
  g_autofree char *bus = NULL;
  g_autofree char *group = NULL;

  if (!jkb_bms_id_parse (id, &bus, address, NULL))
    return NULL;
  group = g_strconcat ("bus ", bus, NULL);
  return jkb_config_store_find_group (validate->config->store, group);
}

static void
check_id (Validate *validate, const char *group, const char *key, const char *id)
{
  guint address = 0;
  const JkbConfigGroup *bus_group = find_bus_of (validate, id, &address);
  const JkbBusConfig *bus;

  if (bus_group == NULL)
    {
      complain (validate, JKB_PROBLEM_WARNING, group, key,
                "%s is on a bus that is not configured; add [bus %.*s] or correct the id", id,
                (int) (strrchr (id, '_') - id), id);
      return;
    }
  bus = jkb_config_find_bus (validate->config, bus_group->name);
  if (bus != NULL && !(bus->address_mask & 1u << address))
    complain (validate, JKB_PROBLEM_WARNING, group, key,
              "%s is not among addresses=%s of [bus %s]; add the address there or correct the id",
              id, bus->addresses, bus->name);
}

static void
check_bank (Validate *validate, const JkbBankConfig *bank)
{
  g_autofree char *group = g_strconcat ("bank ", bank->name, NULL);

  for (char **id = bank->members; id != NULL && *id != NULL; id++)
    check_id (validate, group, "members", *id);
}

/* ---- MQTT ----------------------------------------------------------------------------------- */

static gboolean
is_runtime_change (Validate *validate, const char *key)
{
  const JkbConfigGroup *group = jkb_config_store_find_group (validate->config->store, "mqtt");

  return group != NULL && jkb_config_group_find_in (group, key, JKB_LAYER_OVERLAY) != NULL;
}

/* Over D-Bus, two keys that belong together come one after the other. */
static JkbProblemLevel
pair_level (Validate *validate, const char *key, const char *other)
{
  return is_runtime_change (validate, key) || is_runtime_change (validate, other)
             ? JKB_PROBLEM_WARNING
             : JKB_PROBLEM_ERROR;
}

static void
check_password (Validate *validate)
{
  const JkbMqttConfig *mqtt = &validate->config->mqtt;
  const char *key = mqtt->password_file[0] != '\0' ? "password-file" : "password-credential";
  g_autoptr(GError) error = NULL;

  if (mqtt->password_file[0] == '\0' && mqtt->password_credential[0] == '\0')
    return;
  if (is_runtime_change (validate, "password-file")) /* stored by ourselves */
    return;
  if (mqtt->password_file[0] != '\0' && mqtt->password_credential[0] != '\0')
    complain (validate, JKB_PROBLEM_ERROR, "mqtt", "password-credential",
              "password-credential and password-file are both set; remove one");
  if (mqtt->username[0] == '\0')
    complain (validate, pair_level (validate, key, "username"), "mqtt", key,
              "%s is set without a username, which brokers refuse; add username=", key);
  if (mqtt->password_file[0] != '\0' && !jkb_password_file_check (mqtt->password_file, &error))
    complain (validate,
              g_error_matches (error, JKB_ERROR, JKB_ERROR_IO) ? JKB_PROBLEM_WARNING
                                                               : JKB_PROBLEM_ERROR,
              "mqtt", key, "%s=%s %s", key, mqtt->password_file, error->message);
}

static void
check_tls_file (Validate *validate, const char *key, const char *file)
{
  const char *uri = validate->config->mqtt.uri;

  if (file[0] == '\0')
    return;
  if (!g_file_test (file, G_FILE_TEST_IS_REGULAR) || access (file, R_OK) != 0)
    complain (validate, JKB_PROBLEM_WARNING, "mqtt", key,
              "%s=%s is no file that can be read; correct the path or the file's mode", key, file);
  if (uri[0] != '\0' && !g_str_has_prefix (uri, "mqtts:"))
    complain (validate, JKB_PROBLEM_WARNING, "mqtt", key,
              "%s is of no use without TLS; write uri=mqtts://HOST or remove it", key);
}

static void
check_mqtt (Validate *validate)
{
  const JkbMqttConfig *mqtt = &validate->config->mqtt;
  JkbTier access_tier = validate->config->writes.access;

  if (mqtt->enabled && mqtt->uri[0] == '\0')
    complain (validate, JKB_PROBLEM_ERROR, "mqtt", "enabled",
              "enabled=true without a broker; add uri=mqtt://HOST");
  if (mqtt->commands > access_tier)
    complain (validate, JKB_PROBLEM_ERROR, "mqtt", "commands",
              "commands=%s is above access=%s of [writes]; lower it or raise access",
              jkb_tier_name (mqtt->commands), jkb_tier_name (access_tier));
  if (mqtt->cert_file[0] != '\0' && mqtt->key_file[0] == '\0')
    complain (validate, pair_level (validate, "cert-file", "key-file"), "mqtt", "cert-file",
              "cert-file is set without its key; add key-file=");
  if (mqtt->key_file[0] != '\0' && mqtt->cert_file[0] == '\0')
    complain (validate, pair_level (validate, "key-file", "cert-file"), "mqtt", "key-file",
              "key-file is set without its certificate; add cert-file=");
  check_tls_file (validate, "ca-file", mqtt->ca_file);
  check_tls_file (validate, "cert-file", mqtt->cert_file);
  check_tls_file (validate, "key-file", mqtt->key_file);
  check_password (validate);
}

void
jkb_config_validate (const JkbConfig *config, gboolean lenient, GPtrArray *problems)
{
  Validate validate = { .config = config, .lenient = lenient, .problems = problems };
  GPtrArray *groups = jkb_config_store_get_groups (config->store);

  validate.devices = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  for (guint i = 0; i < groups->len; i++)
    {
      const JkbConfigGroup *group = g_ptr_array_index (groups, i);

      if (group->section == JKB_SECTION_BUS)
        check_has_uri (&validate, group);
      else if (group->section == JKB_SECTION_BMS)
        check_id (&validate, group->group, NULL, group->name);
    }
  for (guint i = 0; i < config->buses->len; i++)
    check_bus (&validate, g_ptr_array_index (config->buses, i));
  for (guint i = 0; i < config->banks->len; i++)
    check_bank (&validate, g_ptr_array_index (config->banks, i));
  check_mqtt (&validate);
  g_hash_table_unref (validate.devices);
}
