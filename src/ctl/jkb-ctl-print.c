/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Widths, colours, tables, pairs, and values as people say them.
 */
#include "config.h"

#include "ctl/jkb-ctl-print.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "wire/jkb-text.h"

#define GAP 2
#define INDENT 2

static const char *const styles[] = { [JKB_CTL_PLAIN] = "",          [JKB_CTL_BOLD] = "\033[1m",
                                      [JKB_CTL_DIM] = "\033[2m",     [JKB_CTL_GOOD] = "\033[32m",
                                      [JKB_CTL_WARN] = "\033[33;1m", [JKB_CTL_BAD] = "\033[31;1m" };

const char *
jkb_ctl_style_on (const JkbCtl *ctl, JkbCtlStyle style)
{
  return ctl->color ? styles[style] : "";
}

const char *
jkb_ctl_style_off (const JkbCtl *ctl, JkbCtlStyle style)
{
  return ctl->color && style != JKB_CTL_PLAIN ? "\033[0m" : "";
}

static guint
char_width (gunichar c)
{
  return g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
}

guint
jkb_ctl_text_width (const char *text)
{
  guint width = 0;

  for (const char *c = text; *c != '\0'; c = g_utf8_next_char (c))
    width += char_width (g_utf8_get_char (c));
  return width;
}

char *
jkb_ctl_text_safe (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  GString *out = g_string_new (NULL);

  for (const char *c = valid; *c != '\0'; c = g_utf8_next_char (c))
    {
      gunichar u = g_utf8_get_char (c);
      GUnicodeType type = g_unichar_type (u);

      g_string_append_unichar (
        out, type == G_UNICODE_CONTROL || type == G_UNICODE_FORMAT ? '?' : u);
    }
  return g_string_free (out, FALSE);
}

void
jkb_ctl_text_pad (GString *out, const char *text, guint width, gboolean right, gboolean cut)
{
  guint all = jkb_ctl_text_width (text);
  guint used = 0;

  if (all <= width && right)
    g_string_append_printf (out, "%*s", (int) (width - all), "");
  if (all <= width || !cut)
    {
      g_string_append (out, text);
      used = all;
    }
  else
    {
      const char *c = text;

      for (; used + char_width (g_utf8_get_char (c)) + 1 <= width; c = g_utf8_next_char (c))
        used += char_width (g_utf8_get_char (c));
      g_string_append_len (out, text, c - text);
      g_string_append (out, "…");
      used++;
    }
  if (used < width && !(right && all <= width))
    g_string_append_printf (out, "%*s", (int) (width - used), "");
}

/* ---- tables ------------------------------------------------------------------------------- */

typedef struct
{
  char *text;
  JkbCtlStyle style;
} Cell;

struct _JkbCtlTable
{
  const JkbCtlColumn *columns;
  guint n_columns;
  GArray *cells; /* Cell */
};

static void
clear_cell (gpointer data)
{
  g_free (((Cell *) data)->text);
}

JkbCtlTable *
jkb_ctl_table_new (const JkbCtlColumn *columns, guint n_columns)
{
  JkbCtlTable *table = g_new0 (JkbCtlTable, 1);

  table->columns = columns;
  table->n_columns = n_columns;
  table->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  g_array_set_clear_func (table->cells, clear_cell);
  for (guint i = 0; i < n_columns; i++)
    jkb_ctl_table_add (table, _(columns[i].title), JKB_CTL_BOLD);
  return table;
}

void
jkb_ctl_table_add (JkbCtlTable *table, const char *text, JkbCtlStyle style)
{
  Cell cell = { jkb_ctl_text_safe (text != NULL ? text : "–"), style };

  g_array_append_val (table->cells, cell);
}

/* The widest cell of each column; then the flexible ones give way until a line fits. */
static void
fit_columns (JkbCtlTable *table, guint width, guint *widths)
{
  guint total = 0, flexible = 0;

  for (guint i = 0; i < table->cells->len; i++)
    widths[i % table->n_columns]
      = MAX (widths[i % table->n_columns],
             jkb_ctl_text_width (g_array_index (table->cells, Cell, i).text));
  for (guint i = 0; i < table->n_columns; i++)
    {
      total += widths[i] + (i > 0 ? GAP : 0);
      flexible += table->columns[i].flexible;
    }
  while (width > 0 && total > width && flexible > 0)
    {
      guint widest = G_MAXUINT;

      for (guint i = 0; i < table->n_columns; i++)
        if (table->columns[i].flexible && (widest == G_MAXUINT || widths[i] > widths[widest]))
          widest = i;
      if (widths[widest] <= 6)
        break;
      widths[widest]--;
      total--;
    }
}

static void
append_row (GString *out, JkbCtlTable *table, guint first, const guint *widths, const JkbCtl *ctl)
{
  for (guint i = 0; i < table->n_columns; i++)
    {
      const Cell *cell = &g_array_index (table->cells, Cell, first + i);
      gboolean last = i + 1 == table->n_columns;
      guint width = last && !table->columns[i].right
                      ? MIN (widths[i], jkb_ctl_text_width (cell->text))
                      : widths[i];

      g_string_append (out, jkb_ctl_style_on (ctl, cell->style));
      jkb_ctl_text_pad (out, cell->text, width, table->columns[i].right, TRUE);
      g_string_append (out, jkb_ctl_style_off (ctl, cell->style));
      g_string_append (out, last ? "\n" : "  ");
    }
}

void
jkb_ctl_table_print (JkbCtlTable *table, const JkbCtl *ctl)
{
  g_autoptr(GString) out = g_string_new (NULL);
  g_autofree guint *widths = g_new0 (guint, table->n_columns);

  fit_columns (table, ctl->width, widths);
  for (guint i = 0; i + table->n_columns <= table->cells->len; i += table->n_columns)
    append_row (out, table, i, widths, ctl);
  g_print ("%s", out->str);
  g_array_unref (table->cells);
  g_free (table);
}

/* ---- pairs -------------------------------------------------------------------------------- */

struct _JkbCtlPairs
{
  GArray *cells; /* Cell: label, value, label, value … */
};

JkbCtlPairs *
jkb_ctl_pairs_new (void)
{
  JkbCtlPairs *pairs = g_new0 (JkbCtlPairs, 1);

  pairs->cells = g_array_new (FALSE, FALSE, sizeof (Cell));
  g_array_set_clear_func (pairs->cells, clear_cell);
  return pairs;
}

void
jkb_ctl_pairs_add (JkbCtlPairs *pairs, const char *label, const char *value, JkbCtlStyle style)
{
  Cell cells[] = { { g_strdup (label), JKB_CTL_PLAIN },
                   { jkb_ctl_text_safe (value != NULL ? value : _("unknown")),
                     value != NULL ? style : JKB_CTL_DIM } };

  g_array_append_vals (pairs->cells, cells, G_N_ELEMENTS (cells));
}

static guint
widest_cell (const GArray *cells, guint first, guint step)
{
  guint width = 0;

  for (guint i = first; i < cells->len; i += step)
    width = MAX (width, jkb_ctl_text_width (g_array_index (cells, Cell, i).text));
  return width;
}

static void
append_pair (GString *out, const GArray *cells, guint pair, guint label, guint value,
             const JkbCtl *ctl)
{
  const Cell *left = &g_array_index (cells, Cell, 2 * pair);
  const Cell *right = &g_array_index (cells, Cell, 2 * pair + 1);

  jkb_ctl_text_pad (out, left->text, label, FALSE, FALSE);
  g_string_append_printf (out, "%*s%s", GAP, "", jkb_ctl_style_on (ctl, right->style));
  jkb_ctl_text_pad (out, right->text, value, FALSE, FALSE);
  g_string_append (out, jkb_ctl_style_off (ctl, right->style));
}

void
jkb_ctl_pairs_print (JkbCtlPairs *pairs, const JkbCtl *ctl)
{
  g_autoptr(GString) out = g_string_new (NULL);
  const GArray *cells = pairs->cells;
  guint n = cells->len / 2;
  guint width = ctl->width > 0 ? ctl->width : 80;
  guint label = widest_cell (cells, 0, 2), value = widest_cell (cells, 1, 2);
  gboolean two = 2 * (INDENT + label + GAP + value) <= width && n > 3;
  guint rows = two ? (n + 1) / 2 : n;

  for (guint i = 0; i < rows; i++)
    {
      g_string_append_printf (out, "%*s", INDENT, "");
      append_pair (out, cells, i, label, two && i + rows < n ? value : 0, ctl);
      if (two && i + rows < n)
        {
          g_string_append_printf (out, "%*s", INDENT, "");
          append_pair (out, cells, i + rows, label, 0, ctl);
        }
      g_string_append_c (out, '\n');
    }
  g_print ("%s", out->str);
  g_array_unref (pairs->cells);
  g_free (pairs);
}

void
jkb_ctl_print_heading (const JkbCtl *ctl, const char *text)
{
  g_print ("\n%s%s%s\n", jkb_ctl_style_on (ctl, JKB_CTL_BOLD), text,
           jkb_ctl_style_off (ctl, JKB_CTL_BOLD));
}

void
jkb_ctl_print_wrapped (const JkbCtl *ctl, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_autoptr(GString) out = g_string_new (NULL);
  guint width = ctl->width > 0 ? ctl->width : 80;
  guint used = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint n = jkb_ctl_text_width (words[i]);

      if (used > 0 && used + 1 + n > width)
        used = 0;
      g_string_append_printf (out, "%s%s", i == 0 ? "" : used == 0 ? "\n" : " ", words[i]);
      used += n + (used > 0);
    }
  g_print ("%s\n", out->str);
}

/* ---- values ------------------------------------------------------------------------------- */

char *
jkb_ctl_age_text (gint64 then_us, gint64 now_us)
{
  gint64 tenths = MAX (now_us - then_us, 0) / (G_USEC_PER_SEC / 10);

  if (then_us <= 0)
    return NULL;
  /* Translators: ages and durations in tables; keep them short. s, min, h, d: seconds to days */
  if (tenths < 100)
    return g_strdup_printf (_("%d.%d s"), (int) (tenths / 10), (int) (tenths % 10));
  if (tenths < 1200)
    return g_strdup_printf (_("%d s"), (int) (tenths / 10));
  if (tenths < 72000)
    return g_strdup_printf (_("%d min"), (int) (tenths / 600));
  if (tenths < 1728000)
    return g_strdup_printf (_("%d h"), (int) (tenths / 36000));
  return g_strdup_printf (_("%d d"), (int) (tenths / 864000));
}

char *
jkb_ctl_time_text (gint64 realtime_us)
{
  g_autoptr(GDateTime) when = g_date_time_new_from_unix_utc (realtime_us / G_USEC_PER_SEC);
  g_autofree char *seconds = when != NULL ? g_date_time_format (when, "%Y-%m-%dT%H:%M:%S") : NULL;

  return seconds != NULL ? g_strdup_printf ("%s.%03dZ", seconds,
                                            (int) (realtime_us % G_USEC_PER_SEC / 1000))
                         : NULL;
}

/* Seconds from two minutes on: the two largest units. */
static char *
duration_text (gint64 seconds)
{
  if (seconds < 120)
    return g_strdup_printf (_("%d s"), (int) seconds);
  if (seconds < 7200)
    return g_strdup_printf (_("%d min %d s"), (int) (seconds / 60), (int) (seconds % 60));
  if (seconds < 172800)
    return g_strdup_printf (_("%d h %d min"), (int) (seconds / 3600), (int) (seconds / 60 % 60));
  return g_strdup_printf (_("%d d %d h"), (int) (seconds / 86400), (int) (seconds / 3600 % 24));
}

/* What jkb_ctl_word() gets, for the translators. */
G_GNUC_UNUSED static const char *const words[] = {
  /* Translators: direction of balancing */
  N_("off"), N_("charging"), N_("discharging"),
  /* Translators: phase of charging: constant current, constant voltage, float */
  N_("bulk"), N_("absorption"), N_("float"),
  /* Translators: cell chemistry: LiFePO₄, Li-ion, LTO */
  N_("lifepo4"), N_("li_ion"), N_("lto"),
  /* Translators: use of a port: CAN, RS485 */
  N_("can"), N_("rs485"),
  /* Translators: state of a bus */
  N_("connecting"), N_("up"), N_("down"),
  /* Translators: what the daemon does on a bus; yielding: it leaves the bus to another master */
  N_("idle"), N_("listening"), N_("polling"), N_("yielding"),
  /* Translators: how grave an alarm is; protect: the BMS has switched something off */
  N_("info"), N_("warn"), N_("protect"), N_("fault"),
};

const char *
jkb_ctl_word (const char *name)
{
  return name != NULL && *name != '\0' ? _(name) : name;
}

char *
jkb_ctl_value_text (const JkbValues *values, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];
  g_autoptr(GString) out = NULL;

  if (!jkb_values_is_known (values, id))
    return NULL;
  if (field->kind == JKB_KIND_BOOL)
    return g_strdup (jkb_values_get (values, id) != 0 ? _("on") : _("off"));
  if (field->kind == JKB_KIND_NUMBER && field->scale == 1 && g_strcmp0 (field->unit, "s") == 0)
    return duration_text (jkb_values_get (values, id));
  out = g_string_new (NULL);
  jkb_text_append_plain (out, values, id);
  if (field->kind == JKB_KIND_ENUM)
    return g_strdup (jkb_ctl_word (out->str));
  if (field->unit != NULL)
    g_string_append_printf (out, " %s", field->unit);
  return g_strdup (out->str);
}

char *
jkb_ctl_number_text (const JkbValues *values, JkbFieldId id, guint decimals)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE], format[8];
  double value = jkb_values_get_double (values, id);

  if (isnan (value))
    return NULL;
  g_snprintf (format, sizeof format, "%%.%uf", decimals);
  g_ascii_formatd (text, sizeof text, format, value);
  /* "-0.0" is no number that anybody wants to read. */
  return g_strdup (text[0] == '-' && strspn (text + 1, "0.") == strlen (text + 1) ? text + 1
                                                                                  : text);
}

char *
jkb_ctl_with_unit (char *number, const char *unit)
{
  char *text = number != NULL ? g_strconcat (number, " ", unit, NULL) : NULL;

  g_free (number);
  return text;
}
