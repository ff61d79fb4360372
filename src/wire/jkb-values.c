/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Slots of decoded values. Plain memory without an owner's thread: whoever holds the struct.
 */
#include "wire/jkb-values.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

G_STATIC_ASSERT (JKB_FIRST_SETTING <= JKB_MAX_NUMBERS);
G_STATIC_ASSERT (JKB_FIRST_INFO - JKB_FIRST_SETTING <= JKB_MAX_NUMBERS);
G_STATIC_ASSERT (JKB_N_FIELDS - JKB_FIRST_INFO <= JKB_MAX_NUMBERS);

void
jkb_values_init (JkbValues *values, JkbGroup group)
{
  memset (values, 0, sizeof *values);
  values->group = group;
  for (guint i = 0; i < JKB_MAX_NUMBERS; i++)
    values->number[i] = JKB_UNKNOWN;
  if (group == JKB_GROUP_INFO) /* it has the texts */
    return;
  for (guint i = 0; i < JKB_MAX_LISTS; i++)
    for (guint cell = 0; cell < JKB_MAX_CELLS; cell++)
      values->list[i][cell] = JKB_UNKNOWN_ITEM;
}

static gsize
size_of_group (JkbGroup group)
{
  guint n_numbers = (guint) (jkb_group_end (group) - jkb_group_first (group));

  return offsetof (JkbValues, number) + n_numbers * sizeof (gint64);
}

JkbValues *
jkb_values_dup (const JkbValues *values)
{
  return g_memdup2 (values, size_of_group ((JkbGroup) values->group));
}

void
jkb_values_copy (JkbValues *to, const JkbValues *from)
{
  memcpy (to, from, size_of_group ((JkbGroup) from->group));
}

gint32
jkb_values_get_item (const JkbValues *values, JkbFieldId id, guint item)
{
  return item < values->n_cells ? values->list[jkb_fields[id].slot][item] : JKB_UNKNOWN_ITEM;
}

const char *
jkb_values_get_text (const JkbValues *values, JkbFieldId id)
{
  guint slot = jkb_fields[id].slot;

  return (values->text_known & (1u << slot)) != 0 ? values->text[slot] : NULL;
}

gboolean
jkb_values_is_known (const JkbValues *values, JkbFieldId id)
{
  switch (jkb_fields[id].kind)
    {
    case JKB_KIND_TEXT:
      return jkb_values_get_text (values, id) != NULL;
    case JKB_KIND_LIST:
      for (guint i = 0; i < values->n_cells; i++)
        if (jkb_values_get_item (values, id, i) != JKB_UNKNOWN_ITEM)
          return TRUE;
      return FALSE;
    default:
      return jkb_values_get (values, id) != JKB_UNKNOWN;
    }
}

gboolean
jkb_values_field_equal (const JkbValues *a, const JkbValues *b, JkbFieldId id)
{
  guint slot = jkb_fields[id].slot;

  switch (jkb_fields[id].kind)
    {
    case JKB_KIND_TEXT:
      return g_strcmp0 (jkb_values_get_text (a, id), jkb_values_get_text (b, id)) == 0;
    case JKB_KIND_LIST:
      return a->n_cells == b->n_cells
             && memcmp (a->list[slot], b->list[slot], a->n_cells * sizeof (gint32)) == 0;
    default:
      return jkb_values_get (a, id) == jkb_values_get (b, id);
    }
}

double
jkb_values_get_double (const JkbValues *values, JkbFieldId id)
{
  gint64 raw = jkb_values_get (values, id);

  return raw == JKB_UNKNOWN ? NAN : (double) raw / jkb_fields[id].scale;
}
