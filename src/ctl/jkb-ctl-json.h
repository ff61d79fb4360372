/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * JSON for scripts: the contract's keys, numbers with their register's decimals, null for unknown.
 * The shapes are documented in docs/jkbmsctl.md and stay as they are.
 */
#pragma once

#include "ctl/jkb-ctl-model.h"

G_BEGIN_DECLS

/* `"key":` with a comma in front unless @out ends with '{'. */
void jkb_ctl_json_key (GString *out, const char *key);
/* @text NULL: null. */
void jkb_ctl_json_text (GString *out, const char *key, const char *text);
void jkb_ctl_json_bool (GString *out, const char *key, gboolean value);

/* A value of a BMS; null when unknown, a list with no known element too. */
void jkb_ctl_json_value (GString *out, const char *key, const JkbValues *values, JkbFieldId id);

/* A D-Bus value; null for NaN and for types that no interface of ours has. */
void jkb_ctl_json_variant (GString *out, GVariant *value);

/* The properties of an interface, with snake_case keys in alphabetical order, as members. */
void jkb_ctl_json_properties (GString *out, const JkbCtlObject *object, const char *interface);

/* {"id":…,"name":…,…,"live":{…},"settings":{…},"info":{…}}; a group never heard is null. */
void jkb_ctl_json_bms (GString *out, const JkbCtlBms *bms);

/* "HealthScore" -> "health_score". */
char *jkb_ctl_snake_case (const char *camel);

G_END_DECLS
