/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Keys as people type them.
 */
#include "config.h"

#include "ctl/jkb-ctl-key.h"

#include <glib/gi18n.h>
#include <string.h>

#include "core/jkb-suggest.h"
#include "ctl/jkb-ctl.h"

const JkbField *
jkb_ctl_key_find (const char *key)
{
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    {
      const char *name = jkb_group_name (group);
      const JkbField *field;

      if (g_str_has_prefix (key, name) && key[strlen (name)] == '.')
        return jkb_field_lookup (group, key + strlen (name) + 1);
      field = jkb_field_lookup (group, key);
      if (field != NULL)
        return field;
    }
  return NULL;
}

const JkbField *
jkb_ctl_key_find_item (const char *key, guint *item)
{
  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    for (*item = 0; jkb_fields[id].kind == JKB_KIND_LIST && *item < JKB_MAX_CELLS; (*item)++)
      {
        char name[64];

        jkb_field_item_key (&jkb_fields[id], *item, name, sizeof name);
        if (strcmp (name, key) == 0)
          return &jkb_fields[id];
      }
  return NULL;
}

/* What people call values that have longer keys, or many keys that hold the word. */
static const char *
key_of_nickname (const char *key)
{
  static const struct
  {
    const char *nickname;
    JkbFieldId id;
  } nicknames[] = { { "soc", JKB_FIELD_STATE_OF_CHARGE },
                    { "soh", JKB_FIELD_STATE_OF_HEALTH },
                    { "voltage", JKB_FIELD_TOTAL_VOLTAGE },
                    { "temperature", JKB_FIELD_TEMPERATURE_SENSOR_1 } };

  for (gsize i = 0; i < G_N_ELEMENTS (nicknames); i++)
    if (g_ascii_strcasecmp (key, nicknames[i].nickname) == 0)
      return jkb_fields[nicknames[i].id].key;
  return NULL;
}

const char *
jkb_ctl_key_guess (const char *key, guint n_groups)
{
  const char *words[JKB_N_FIELDS + 1] = { NULL };
  const char *guess = key_of_nickname (key);
  JkbFieldId end = jkb_group_end (n_groups - 1);

  for (JkbFieldId id = 0; id < end; id++)
    words[id] = jkb_fields[id].key;
  if (guess == NULL)
    guess = jkb_suggest (key, words);
  for (guint i = 0; guess == NULL && *key != '\0' && words[i] != NULL; i++)
    if (strstr (words[i], key) != NULL)
      guess = words[i];
  return guess;
}

int
jkb_ctl_key_fail (const char *key, guint n_groups)
{
  const char *guess = jkb_ctl_key_guess (key, n_groups);

  if (guess != NULL)
    g_printerr (_("jkbmsctl: there is no key “%s”; did you mean “%s”?\n"), key, guess);
  else
    g_printerr (_("jkbmsctl: there is no key “%s”; “jkbmsctl show ID --keyvalue” lists them\n"),
                key);
  return JKB_CTL_USAGE;
}
