/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The option table, the names of the sections, and values to text and back. Any thread.
 */
#include "core/jkb-options.h"

#include <stddef.h>
#include <string.h>

#include "core/jkb-config.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"
#include "core/jkb-suggest.h"

/* ---- the table ------------------------------------------------------------------------------ */

static const char *const log_levels[] = { "error", "warning", "message", "info", "debug", NULL };
static const char *const languages[]
    = { "en", "zh_TW", "zh_CN", "de", "fr", "es", "it", "pl", "nl", "pt_BR", "uk", NULL };
static const char *const modes[] = { "auto", "listen", "poll", NULL };
static const char *const autos[] = { "auto", "true", "false", NULL };
static const char *const tiers[] = { "none", "switches", "basic", "protection", NULL };
static const char *const entities[] = { "minimal", "standard", "full", NULL };
static const char *const requires[] = { "any", "quorum", "all", NULL };

typedef JkbDaemonConfig STRUCT_DAEMON;
typedef JkbBusConfig STRUCT_BUS;
typedef JkbBmsConfig STRUCT_BMS;
typedef JkbMqttConfig STRUCT_MQTT;
typedef JkbHomeAssistantConfig STRUCT_HOMEASSISTANT;
typedef JkbBankConfig STRUCT_BANK;
typedef JkbWritesConfig STRUCT_WRITES;
typedef JkbHistoryConfig STRUCT_HISTORY;

#define RANGE(low, high) .min = (low), .max = (high)
#define RUNTIME .flags = JKB_OPTION_RUNTIME
#define OPTION(in, member, kind, name, value, ...) \
  { .section = JKB_SECTION_##in, .offset = offsetof (STRUCT_##in, member), \
    .type = JKB_OPTION_##kind, .key = (name), .fallback = (value), __VA_ARGS__ },
static const JkbOption options[] = {
#include "core/jkb-options.def"
};
#undef OPTION

static const struct
{
  const char *name;
  gboolean has_name;
} sections[] = {
  [JKB_SECTION_DAEMON] = { "daemon", FALSE },
  [JKB_SECTION_BUS] = { "bus", TRUE },
  [JKB_SECTION_BMS] = { "bms", TRUE },
  [JKB_SECTION_MQTT] = { "mqtt", FALSE },
  [JKB_SECTION_HOMEASSISTANT] = { "homeassistant", FALSE },
  [JKB_SECTION_BANK] = { "bank", TRUE },
  [JKB_SECTION_WRITES] = { "writes", FALSE },
  [JKB_SECTION_HISTORY] = { "history", FALSE },
};
G_STATIC_ASSERT (G_N_ELEMENTS (sections) == JKB_N_SECTIONS);

const JkbOption *
jkb_options (guint *n_options)
{
  *n_options = G_N_ELEMENTS (options);
  return options;
}

/* ---- sections ------------------------------------------------------------------------------- */

const char *
jkb_section_name (JkbSection section)
{
  return sections[section].name;
}

gboolean
jkb_section_has_name (JkbSection section)
{
  return sections[section].has_name;
}

static gboolean
unknown_section (const char *group, const char *kind, GError **error)
{
  const char *names[JKB_N_SECTIONS + 1] = { NULL };
  const char *found;
  g_autofree char *shown = jkb_form_show (group);

  for (guint i = 0; i < JKB_N_SECTIONS; i++)
    names[i] = sections[i].name;
  found = jkb_suggest (kind, names);
  if (found != NULL)
    g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "unknown group [%s]; did you mean [%s%s]?",
                 shown, found, strchr (group, ' ') != NULL ? strchr (shown, ' ') : "");
  else
    g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND,
                 "unknown group [%s]; the groups are [daemon], [bus NAME], [bms ID], [mqtt], "
                 "[homeassistant], [bank NAME], [writes] and [history]",
                 shown);
  return FALSE;
}

static gboolean
check_section_name (JkbSection section, const char *group, const char *name, GError **error)
{
  g_autoptr(GError) reason = NULL;
  g_autofree char *shown = jkb_form_show (group);
  const char *kind = sections[section].name;
  const char *example = section == JKB_SECTION_BMS ? "garage_1" : "garage";

  if (!sections[section].has_name)
    {
      if (name == NULL)
        return TRUE;
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                   "[%s] takes no name; write [%s]", shown, kind);
      return FALSE;
    }
  if (name == NULL)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                   "[%s] needs a name; write, for example, [%s %s]", kind, kind, example);
      return FALSE;
    }
  if (section == JKB_SECTION_BMS ? jkb_bms_id_parse (name, NULL, NULL, &reason)
                                 : jkb_form_bus_name (name, &reason))
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
               "[%s]: the name %s; write, for example, [%s %s]", shown, reason->message, kind,
               example);
  return FALSE;
}

gboolean
jkb_section_parse (const char *group, JkbSection *section, const char **name, GError **error)
{
  const char *space = strchr (group, ' ');
  g_autofree char *kind = space != NULL ? g_strndup (group, space - group) : g_strdup (group);

  for (guint i = 0; i < JKB_N_SECTIONS; i++)
    if (g_str_equal (kind, sections[i].name))
      {
        *section = (JkbSection) i;
        *name = space != NULL ? space + 1 : "";
        return check_section_name (*section, group, space != NULL ? space + 1 : NULL, error);
      }
  return unknown_section (group, kind, error);
}

const JkbOption *
jkb_section_find_option (JkbSection section, const char *key)
{
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (options[i].section == section && g_str_equal (options[i].key, key))
      return &options[i];
  return NULL;
}

const JkbOption *
jkb_option_find (const char *group, const char *key)
{
  JkbSection section;
  const char *name;

  return jkb_section_parse (group, &section, &name, NULL) ? jkb_section_find_option (section, key)
                                                          : NULL;
}

const char *
jkb_section_suggest (JkbSection section, const char *key)
{
  const char *keys[G_N_ELEMENTS (options) + 1] = { NULL };
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    if (options[i].section == section)
      keys[n++] = options[i].key;
  return jkb_suggest (key, keys);
}

/* ---- descriptions --------------------------------------------------------------------------- */

const char *
jkb_option_describe_default (const JkbOption *option)
{
  return option->fallback != NULL ? option->fallback : option->fallback_text;
}

char *
jkb_option_describe_range (const JkbOption *option)
{
  const char *unit = option->type == JKB_OPTION_SECONDS ? "seconds" : option->unit;
  g_autofree char *min = jkb_form_number (option->min);
  g_autofree char *max = jkb_form_number (option->max);
  g_autofree char *names = NULL;

  switch (option->type)
    {
    case JKB_OPTION_BOOL:
      return g_strdup ("true or false");
    case JKB_OPTION_UINT:
    case JKB_OPTION_SECONDS:
      return g_strdup_printf ("%s%s..%s %s", (option->flags & JKB_OPTION_AUTO) ? "auto or " : "",
                              min, max, unit);
    case JKB_OPTION_CHOICE:
    case JKB_OPTION_WORD:
      names = g_strjoinv (", ", (char **) option->names);
      return g_strdup_printf ("one of %s", names);
    default:
      return g_strdup ("text");
    }
}

const char *
jkb_option_signature (const JkbOption *option)
{
  switch (option->type)
    {
    case JKB_OPTION_BOOL:
      return "b";
    case JKB_OPTION_UINT:
      return "u";
    case JKB_OPTION_SECONDS:
      return "d";
    default:
      return "s";
    }
}

char *
jkb_option_property_name (const JkbOption *option)
{
  GString *name = g_string_new (NULL);
  gboolean capital = TRUE;

  for (const char *p = option->key; *p != '\0'; p++)
    {
      if (*p != '-')
        g_string_append_c (name, capital ? g_ascii_toupper (*p) : *p);
      capital = *p == '-';
    }
  return g_string_free (name, FALSE);
}
