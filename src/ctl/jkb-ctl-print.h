/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Text for people: widths, colours, tables, pairs. Text that came from a BMS or a user is made
 * harmless here: no control character reaches the terminal.
 */
#pragma once

#include "ctl/jkb-ctl.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_CTL_PLAIN,
  JKB_CTL_BOLD,
  JKB_CTL_DIM,
  JKB_CTL_GOOD,
  JKB_CTL_WARN,
  JKB_CTL_BAD
} JkbCtlStyle;

/* Columns that @text takes; East Asian wide characters take two. */
guint jkb_ctl_text_width (const char *text);

/* Returns: (transfer full): valid UTF-8 without control characters */
char *jkb_ctl_text_safe (const char *text);

/* Appends @text, filled with blanks to @width columns; cut with "…" when @cut and it is longer. */
void jkb_ctl_text_pad (GString *out, const char *text, guint width, gboolean right, gboolean cut);

/* The escape sequences that begin and end a style; "" without colours. */
const char *jkb_ctl_style_on (const JkbCtl *ctl, JkbCtlStyle style);
const char *jkb_ctl_style_off (const JkbCtl *ctl, JkbCtlStyle style);

typedef struct
{
  const char *title; /* marked for translation */
  gboolean right;    /* numbers */
  gboolean flexible; /* cut when the terminal is too narrow */
} JkbCtlColumn;

typedef struct _JkbCtlTable JkbCtlTable;

JkbCtlTable *jkb_ctl_table_new (const JkbCtlColumn *columns, guint n_columns);
/* Cells from left to right, row by row. @text NULL: "–". */
void jkb_ctl_table_add (JkbCtlTable *table, const char *text, JkbCtlStyle style);
/* Prints and frees. */
void jkb_ctl_table_print (JkbCtlTable *table, const JkbCtl *ctl);

/* Label and value, in two columns where that fits. */
typedef struct _JkbCtlPairs JkbCtlPairs;

JkbCtlPairs *jkb_ctl_pairs_new (void);
void jkb_ctl_pairs_add (JkbCtlPairs *pairs, const char *label, const char *value,
                        JkbCtlStyle style);
/* Prints and frees. */
void jkb_ctl_pairs_print (JkbCtlPairs *pairs, const JkbCtl *ctl);

/* A paragraph, broken at blanks. */
void jkb_ctl_print_wrapped (const JkbCtl *ctl, const char *text);

void jkb_ctl_print_heading (const JkbCtl *ctl, const char *text);

/* "0.8 s", "12 s", "3 min", "5 h", "12 d"; NULL for a time that never was. */
char *jkb_ctl_age_text (gint64 then_us, gint64 now_us);

/* "2026-03-01T12:34:56.789Z" */
char *jkb_ctl_time_text (gint64 realtime_us);

/* A name that D-Bus uses, in the reader's language: a state or role of a bus, a severity, an
 * enumeration. Others, and NULL, come back as they are. */
const char *jkb_ctl_word (const char *name);

/* The value with its unit, as people say it: "52.630 V", "on", "3 d 4 h". NULL: unknown. */
char *jkb_ctl_value_text (const JkbValues *values, JkbFieldId id);

/* The number with fewer decimals than its register has; NULL: unknown. */
char *jkb_ctl_number_text (const JkbValues *values, JkbFieldId id, guint decimals);

/* Takes @number; NULL stays NULL. */
char *jkb_ctl_with_unit (char *number, const char *unit);

G_END_DECLS
