/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The decoded values of one group of one BMS: plain integers in the registers' own units, one slot
 * per row of the field table. Unknown is a value of its own and never 0.
 */
#pragma once

#include <glib.h>

#include "wire/jkb-field.h"

G_BEGIN_DECLS

#define JKB_UNKNOWN G_MININT64      /* a number that is not known */
#define JKB_UNKNOWN_ITEM G_MININT32 /* a list element that is not known */
#define JKB_MAX_NUMBERS 64
#define JKB_MAX_LISTS 2
#define JKB_MAX_TEXTS 6
#define JKB_TEXT_SIZE 17

/* Texts and lists share their place: no group has both. What is kept for long is as long as the
 * numbers of its group (jkb_values_dup); only a JkbValues of one's own may change its group. */
typedef struct
{
  union
  {
    gint32 list[JKB_MAX_LISTS][JKB_MAX_CELLS]; /* by field->slot, then cell - 1 */
    char text[JKB_MAX_TEXTS][JKB_TEXT_SIZE];   /* by field->slot; NUL-terminated; "" with known bit
                                                  unset means unknown */
  };
  guint8 text_known;              /* bit n: text[n] was told */
  guint8 n_cells;                 /* length of the lists: highest cell present */
  guint8 group;                   /* JkbGroup */
  gint64 number[JKB_MAX_NUMBERS]; /* by id - first id of the group; BOOL 0/1, ENUM index, FLAGS
                                     mask */
} JkbValues;

/* Everything unknown. */
void jkb_values_init (JkbValues *values, JkbGroup group);

/* Returns: (transfer full): a copy, free it with g_free(). It takes only values of its own group. */
JkbValues *jkb_values_dup (const JkbValues *values);

/* @to: of the same group */
void jkb_values_copy (JkbValues *to, const JkbValues *from);

/* The raw number of a NUMBER, BOOL, ENUM or FLAGS field of the values' group, or JKB_UNKNOWN. */
static inline gint64
jkb_values_get (const JkbValues *values, JkbFieldId id)
{
  return values->number[id - jkb_group_first ((JkbGroup) values->group)];
}

static inline void
jkb_values_set (JkbValues *values, JkbFieldId id, gint64 raw)
{
  values->number[id - jkb_group_first ((JkbGroup) values->group)] = raw;
}

/* Element @item (from 0) of a list, or JKB_UNKNOWN_ITEM. */
gint32 jkb_values_get_item (const JkbValues *values, JkbFieldId id, guint item);

/* Returns: (nullable): the text, NULL when unknown; valid as long as @values. */
const char *jkb_values_get_text (const JkbValues *values, JkbFieldId id);

/* Whether the field is known: a list is, when any element is. */
gboolean jkb_values_is_known (const JkbValues *values, JkbFieldId id);

/* Whether two sets of the same group hold the same for that field. */
gboolean jkb_values_field_equal (const JkbValues *a, const JkbValues *b, JkbFieldId id);

/* The number as a double in the field's unit; NaN when unknown. NUMBER fields. */
double jkb_values_get_double (const JkbValues *values, JkbFieldId id);

G_END_DECLS
