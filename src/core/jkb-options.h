/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The option table: one row describes one key of the configuration, and everything that knows keys
 * walks the rows. The table is constant: any thread may read it.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The kinds of groups in the files; BUS, BMS and BANK carry a name behind the kind. */
typedef enum
{
  JKB_SECTION_DAEMON,
  JKB_SECTION_BUS,
  JKB_SECTION_BMS,
  JKB_SECTION_MQTT,
  JKB_SECTION_HOMEASSISTANT,
  JKB_SECTION_BANK,
  JKB_SECTION_WRITES,
  JKB_SECTION_HISTORY,
  JKB_N_SECTIONS
} JkbSection;

typedef enum
{
  JKB_OPTION_TEXT,      /* char * */
  JKB_OPTION_BOOL,      /* gboolean */
  JKB_OPTION_UINT,      /* guint */
  JKB_OPTION_SECONDS,   /* double; JKB_AUTO_SECONDS for "auto" */
  JKB_OPTION_CHOICE,    /* an enum, index into .names */
  JKB_OPTION_WORD,      /* char *, one of .names */
  JKB_OPTION_URI,       /* char * */
  JKB_OPTION_PATH,      /* char * */
  JKB_OPTION_ADDRESSES, /* char *, and a guint16 mask at .mask_offset */
  JKB_OPTION_MEMBERS    /* char **, NULL for "auto" */
} JkbOptionType;

typedef enum
{
  JKB_OPTION_RUNTIME = 1 << 0, /* may be changed over D-Bus */
  JKB_OPTION_AUTO = 1 << 1,    /* "auto" is a value too */
  JKB_OPTION_STORED = 1 << 2   /* names a file of the state directory when changed over D-Bus */
} JkbOptionFlags;

/* %FALSE: @error continues the sentence "KEY=VALUE ..." and ends with what to write instead. */
typedef gboolean (*JkbOptionCheck) (const char *text, GError **error);

typedef struct
{
  JkbSection section;
  JkbOptionType type;
  gsize offset; /* of the value in the section's struct */
  gsize mask_offset;
  const char *key;
  const char *fallback;      /* default as text; NULL: depends on other keys */
  const char *fallback_text; /* how to say such a default */
  const char *safe;          /* counts instead of a text that is wrong; NULL: as if it were absent */
  double min, max;           /* UINT and SECONDS, inclusive */
  const char *unit;          /* NULL: none */
  const char *const *names;  /* CHOICE and WORD, NULL-terminated */
  JkbOptionCheck check;      /* nullable; not called with an empty text */
  JkbOptionFlags flags;
  const char *help; /* one English line */
} JkbOption;

/* All rows, in the order of the sections. */
const JkbOption *jkb_options (guint *n_options);

/* "daemon", "bus" … */
const char *jkb_section_name (JkbSection section);

/* Whether groups of this kind are called "[bus NAME]". */
gboolean jkb_section_has_name (JkbSection section);

/**
 * jkb_section_parse:
 * @group: "mqtt", "bus garage"
 * @name: (out): what follows the kind, inside @group; "" for sections without a name
 * @error: %JKB_ERROR_NOT_FOUND when the kind is unknown, %JKB_ERROR_INVALID_ARGUMENT when the name
 *   is missing or malformed
 */
gboolean jkb_section_parse (const char *group, JkbSection *section, const char **name,
                            GError **error);

/* Returns: (nullable): the row; @group is the whole name of a group, e.g. "bus garage". */
const JkbOption *jkb_option_find (const char *group, const char *key);
const JkbOption *jkb_section_find_option (JkbSection section, const char *key);

/* Returns: (nullable): the known key that @key most likely was meant to be. */
const char *jkb_section_suggest (JkbSection section, const char *key);

/* The text of the default, as for jkb_option_set(); the sentence of it where it is worked out. */
const char *jkb_option_describe_default (const JkbOption *option);

/* "1200..4000000 Bd", "true or false", "one of auto, listen, poll". */
char *jkb_option_describe_range (const JkbOption *option);

/**
 * jkb_option_set:
 * @section: (nullable): the struct to change, e.g. a JkbBusConfig; %NULL only checks
 * @error: "KEY=VALUE is outside 1200..4000000 Bd; the default is 115200"
 *
 * Text to value. @section is changed only when @text is good.
 */
gboolean jkb_option_set (const JkbOption *option, gpointer section, const char *text,
                         GError **error);

/* Value to text; what jkb_option_set() takes. */
char *jkb_option_get (const JkbOption *option, gconstpointer section);

/* Value to a D-Bus value: b, u, d (auto is 0) or s. Returns: (transfer floating) */
GVariant *jkb_option_to_variant (const JkbOption *option, gconstpointer section);

/**
 * jkb_option_text_from_variant:
 * @value: of any type that can stand for it; 0 and -1 s are "auto" where that is a value
 * @error: %JKB_ERROR_INVALID_ARGUMENT
 *
 * A D-Bus value to the text for jkb_option_set(), which says whether it is good.
 *
 * Returns: (nullable) (transfer full)
 */
char *jkb_option_text_from_variant (const JkbOption *option, GVariant *value, GError **error);

/* "b", "u", "d" or "s"; and the key in CamelCase. */
const char *jkb_option_signature (const JkbOption *option);
char *jkb_option_property_name (const JkbOption *option);

/* All members of a section's struct that the table knows. */
void jkb_section_init (JkbSection section, gpointer values);
void jkb_section_copy (JkbSection section, gpointer values, gconstpointer from);
void jkb_section_clear (JkbSection section, gpointer values);
gboolean jkb_section_equal (JkbSection section, gconstpointer a, gconstpointer b);

G_END_DECLS
