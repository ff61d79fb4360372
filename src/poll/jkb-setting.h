/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A wanted setting, as D-Bus, MQTT and the command line say it, turned into the register's raw value:
 * who may write it, what it may be. Pure: any thread.
 */
#pragma once

#include "core/jkb-config.h"
#include "core/jkb-error.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

/* Returns: (nullable): the setting with that key, with JKB_ERROR_INVALID_ARGUMENT. */
const JkbField *jkb_setting_find (const char *key, GError **error);

/* The smallest tier that may write the setting (contract §5); JKB_TIER_NONE: nobody ever may. */
JkbTier jkb_setting_tier (const JkbField *field);

/* Whether [writes] access= (or [mqtt] commands=) of @tier allows it; JKB_ERROR_READ_ONLY says why
 * not and what to do. */
gboolean jkb_setting_check_tier (const JkbField *field, JkbTier tier, GError **error);

/* Whether a wrong value can stop the system or harm cells (class C). */
gboolean jkb_setting_is_dangerous (const JkbField *field);

/**
 * jkb_setting_from_variant:
 * @value: of the D-Bus type of the property
 *
 * Returns: %FALSE with JKB_ERROR_INVALID_ARGUMENT or JKB_ERROR_OUT_OF_RANGE, which names the range
 */
gboolean jkb_setting_from_variant (const JkbField *field, GVariant *value, gint64 *raw,
                                   GError **error);

/* The same from text: numbers with a point, true/false/on/off, names of an enumeration. */
gboolean jkb_setting_from_text (const JkbField *field, const char *text, gint64 *raw,
                                GError **error);

/* The value of the property: "d", "u", "b" or "s". */
GVariant *jkb_setting_to_variant (const JkbField *field, gint64 raw);

/* "3.650", "true", "can": what jkb_setting_from_text() takes. */
char *jkb_setting_to_text (const JkbField *field, gint64 raw);

G_END_DECLS
