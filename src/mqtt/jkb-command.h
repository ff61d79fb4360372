/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the broker sends us, judged before anything is done: whether it is Home Assistant's birth, a
 * command or neither, and what a command wants. All of it may be hostile. Pure: any thread.
 */
#pragma once

#include "core/jkb-config.h"
#include "core/jkb-error.h"
#include "wire/jkb-field.h"

G_BEGIN_DECLS

#define JKB_COMMAND_MAX_PAYLOAD 64

/* What [mqtt] commands= and [writes] access= allow together. */
JkbTier jkb_command_tier (const JkbConfig *config);

/* "jkbms/+/set/+" */
char *jkb_command_filter (const char *prefix);

/* "jkbms/garage_1/set/balancer" */
char *jkb_command_topic (const char *prefix, const char *id, const char *key);

/**
 * jkb_command_split:
 * @id: (out) (transfer full): "garage_1"
 * @key: (out) (transfer full): "balancer"
 *
 * Returns: %FALSE when @topic is not a command topic, or longer than any of ours
 */
gboolean jkb_command_split (const char *prefix, const char *topic, char **id, char **key);

/**
 * jkb_command_parse:
 * @payload: @size bytes, any
 *
 * Returns: (nullable): the setting, with the raw value to write; %NULL with the reason
 */
const JkbField *jkb_command_parse (const JkbConfig *config, const char *key, const char *payload,
                                   gsize size, gint64 *raw, GError **error);

/**
 * jkb_command_result:
 * @field: the setting that was written, with @raw as it was read back; unused with @error
 * @error: (nullable): why nothing was written, or what went wrong
 *
 * Replaces what is in @out by {"ok":…,"error":…,"value":…}.
 */
void jkb_command_result (GString *out, const JkbField *field, gint64 raw, const GError *error);

/* Whether a message tells that Home Assistant was just born. A kept one is from a birth before our
 * connect, after which all was told anyway. */
gboolean jkb_command_is_birth (const JkbConfig *config, const char *topic, const char *payload,
                               gsize size, gboolean retained);

/* Whether a message tells that Home Assistant is gone just now. A kept one may be of an installation
 * that is no more. */
gboolean jkb_command_is_farewell (const JkbConfig *config, const char *topic, const char *payload,
                                  gsize size, gboolean retained);

G_END_DECLS
