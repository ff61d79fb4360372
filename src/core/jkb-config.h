/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The configuration: layers of key files (defaults, the admin's files, the state directory's
 * overlay), validated as a whole and handed out as plain structs. One table (jkb-options.def)
 * describes every key: type, default, range, unit, text; the parser, the error messages, D-Bus and
 * the manual page follow it. Main thread only; readers and the MQTT thread get copies.
 */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

typedef enum
{
  JKB_MODE_AUTO,
  JKB_MODE_LISTEN,
  JKB_MODE_POLL
} JkbMode;

typedef enum
{
  JKB_TIER_NONE,
  JKB_TIER_SWITCHES,
  JKB_TIER_BASIC,
  JKB_TIER_PROTECTION
} JkbTier;

typedef enum
{
  JKB_ENTITIES_MINIMAL, /* same order as JkbHaProfile */
  JKB_ENTITIES_STANDARD,
  JKB_ENTITIES_FULL
} JkbEntities;

typedef enum
{
  JKB_REQUIRE_ANY,
  JKB_REQUIRE_QUORUM,
  JKB_REQUIRE_ALL
} JkbRequire;

typedef enum
{
  JKB_AUTO_AUTO,
  JKB_AUTO_TRUE,
  JKB_AUTO_FALSE
} JkbAuto;

#define JKB_AUTO_SECONDS (-1.0) /* reply-timeout=auto */

/* [daemon] */
typedef struct
{
  char *log_level; /* error, warning, message, info, debug */
  char *language;
  double dbus_interval; /* s, 0: every frame */
  char *instance;       /* "" or [a-z0-9]{1,16} */
} JkbDaemonConfig;

/* [bus NAME]; times in seconds */
typedef struct
{
  char *name;
  char *uri;
  guint baud;
  JkbMode mode;
  double listen_before_talk;
  char *addresses;      /* as written: "auto" or "0,1,5" or "1-4" */
  guint16 address_mask; /* bit n: address n may be on the bus; auto: 0xFFFF */
  double poll_interval;
  double settings_interval;
  double info_interval;
  double command_gap;
  double reply_timeout; /* JKB_AUTO_SECONDS: by the transport */
  double offline_after;
  double reconnect_min;
  double reconnect_max;
  double no_data_timeout;
  gboolean enabled;
} JkbBusConfig;

/* [bms ID] */
typedef struct
{
  char *id;
  char *name; /* "" : the id */
  gboolean ignore;
  JkbAuto include_in_bank;
} JkbBmsConfig;

/* [mqtt] */
typedef struct
{
  gboolean enabled; /* default: when uri is set */
  char *uri;        /* "" or mqtt://HOST[:PORT] or mqtts://HOST[:PORT] */
  char *username;
  char *password_file;
  char *password_credential;
  char *client_id; /* "": jkbmsd-HOSTNAME or with the instance */
  char *topic_prefix;
  JkbTier commands;
  double interval;
  double cells_interval;
  char *ca_file;
  char *cert_file;
  char *key_file;
  guint queue_max;
} JkbMqttConfig;

/* [homeassistant] */
typedef struct
{
  gboolean discovery;
  char *prefix;
  char *status_topic;
  JkbEntities entities;
} JkbHomeAssistantConfig;

/* [bank NAME] */
typedef struct
{
  char *name;
  char **members; /* NULL: auto */
  JkbRequire require;
} JkbBankConfig;

/* [writes] */
typedef struct
{
  JkbTier access;
} JkbWritesConfig;

/* [history] */
typedef struct
{
  gboolean enabled;
  double keep;    /* s */
  guint size_max; /* MB, of 1,000,000 bytes */
} JkbHistoryConfig;

typedef struct _JkbConfigStore JkbConfigStore;

typedef struct
{
  JkbConfigStore *store; /* where each value comes from: jkb-config-store.h */
  JkbDaemonConfig daemon;
  JkbMqttConfig mqtt;
  JkbHomeAssistantConfig homeassistant;
  JkbWritesConfig writes;
  JkbHistoryConfig history;
  GPtrArray *buses; /* (element-type JkbBusConfig) in the order of the files */
  GPtrArray *bms;   /* (element-type JkbBmsConfig) */
  GPtrArray *banks; /* (element-type JkbBankConfig) */
} JkbConfig;

typedef enum
{
  JKB_PROBLEM_WARNING, /* unknown key: the daemon starts all the same */
  JKB_PROBLEM_ERROR
} JkbProblemLevel;

/* One mistake, ready to print: "/etc/jkbmsd/jkbmsd.conf:12: baud=1 is outside 1200..4000000". */
typedef struct
{
  JkbProblemLevel level;
  char *file;
  guint line; /* 0: the file as a whole */
  char *message;
} JkbProblem;

void jkb_problem_free (JkbProblem *problem);
char *jkb_problem_to_string (const JkbProblem *problem);
gboolean jkb_problems_have_error (const GPtrArray *problems);

/**
 * jkb_config_load:
 * @file: main file; its directory's conf.d/ *.conf follow in alphabetical order
 * @required: whether a missing @file is an error
 * @state_dir: (nullable): where the overlay lies
 * @problems: (element-type JkbProblem): mistakes are appended in the order of files and lines
 *
 * Parses and validates everything. A key with a mistake keeps its default, or becomes what is safe:
 * mode=listen, enabled=false, access=none, commands=none and never above access.
 *
 * Returns: (transfer full): always a configuration; whether to use it when @problems holds errors is
 *   up to the caller
 */
JkbConfig *jkb_config_load (const char *file, gboolean required, const char *state_dir,
                            GPtrArray *problems);
void jkb_config_free (JkbConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbConfig, jkb_config_free)

/**
 * jkb_config_check:
 * @out: gets one "FILE:LINE: message" per mistake, warnings too, or one line that all is well
 *
 * Returns: the exit status of --check-config
 */
int jkb_config_check (const char *file, gboolean required, const char *state_dir, FILE *out);

/* a{sa{ss}}: all groups and keys with the values that count, and where each comes from: "default",
 * "FILE:LINE" or "runtime". Neither holds secrets. Returns: (transfer floating) */
GVariant *jkb_config_get_values (const JkbConfig *config);
GVariant *jkb_config_get_origins (const JkbConfig *config);

/* The systemd credential that is used when it is there and nothing else is configured. */
#define JKB_DEFAULT_CREDENTIAL "jkbmsd.mqtt-password"

/**
 * jkb_mqtt_config_load_password:
 *
 * Reads password-file or the systemd credential, at most 4 KiB, less one newline at the end.
 *
 * Returns: (nullable): the password, to be wiped with explicit_bzero() before it is freed; %NULL
 *   without @error: none is configured
 */
char *jkb_mqtt_config_load_password (const JkbMqttConfig *config, GError **error);

/**
 * jkb_password_file_check:
 *
 * Whether @file can be read and is closed to others.
 *
 * Returns: %FALSE with %JKB_ERROR_IO when it cannot be read, with %JKB_ERROR_NOT_AUTHORIZED when
 *   others can read it
 */
gboolean jkb_password_file_check (const char *file, GError **error);

JkbBusConfig *jkb_bus_config_copy (const JkbBusConfig *config);
void jkb_bus_config_free (JkbBusConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbBusConfig, jkb_bus_config_free)
JkbMqttConfig *jkb_mqtt_config_copy (const JkbMqttConfig *config);
void jkb_mqtt_config_free (JkbMqttConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbMqttConfig, jkb_mqtt_config_free)

/* Returns: (nullable): the group [bus @name]. */
const JkbBusConfig *jkb_config_find_bus (const JkbConfig *config, const char *name);

/* Returns: (nullable): the group [bms @id]; NULL means all defaults. */
const JkbBmsConfig *jkb_config_find_bms (const JkbConfig *config, const char *id);

const char *jkb_mode_name (JkbMode mode);
const char *jkb_tier_name (JkbTier tier);

G_END_DECLS
