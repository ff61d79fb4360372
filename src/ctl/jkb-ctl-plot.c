/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Curves as text. A cell of the terminal has two by four dots in braille, in ASCII one.
 */
#include "config.h"

#include "ctl/jkb-ctl-plot.h"

#include <glib/gi18n.h>
#include <math.h>
#include <stdlib.h>

#include "ctl/jkb-ctl-print.h"

#define ROWS 12
#define MIN_COLUMNS 10
#define TIME_COLUMNS 44 /* two times with their dates, and a gap between */
#define GAP_FACTOR 3

typedef struct
{
  gboolean unicode;
  guint columns;           /* cells; there are ROWS of them in height */
  guint across, down;      /* dots of a cell */
  guint8 *cells;           /* which dots are set, in the order of Unicode */
  double bottom, top;      /* values at the lower and the upper edge */
} Canvas;

/* ---- values ------------------------------------------------------------------------------- */

char *
jkb_ctl_series_number (const JkbCtlSeries *series, double value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE], format[8];

  if (series->field->kind == JKB_KIND_BOOL)
    return g_strdup (value >= 0.5 ? _("on") : _("off"));
  g_snprintf (format, sizeof format, "%%.%uf", jkb_field_decimals (series->field));
  return g_strdup (g_ascii_formatd (text, sizeof text, format, value));
}

char *
jkb_ctl_series_text (const JkbCtlSeries *series, double value)
{
  g_autofree char *number = jkb_ctl_series_number (series, value);

  return g_strjoin (" ", number, series->field->unit, NULL);
}

static void
find_range (const JkbCtlSeries *series, double *smallest, double *largest)
{
  *smallest = *largest = series->points[0].value;
  for (guint i = 1; i < series->n_points; i++)
    {
      *smallest = MIN (*smallest, series->points[i].value);
      *largest = MAX (*largest, series->points[i].value);
    }
}

/* The edges of the picture; a value that never changed runs through the middle. */
static void
choose_edges (Canvas *canvas, const JkbCtlSeries *series)
{
  double unit = pow (10, -(double) jkb_field_decimals (series->field));

  find_range (series, &canvas->bottom, &canvas->top);
  if (series->field->kind == JKB_KIND_BOOL)
    {
      canvas->bottom = 0;
      canvas->top = 1;
    }
  else if (canvas->top - canvas->bottom < unit / 2)
    {
      canvas->bottom -= unit;
      canvas->top += unit;
    }
}

/* ---- dots --------------------------------------------------------------------------------- */

static void
set_dot (Canvas *canvas, int x, int y)
{
  static const guint8 bits[2][4] = { { 0x01, 0x02, 0x04, 0x40 }, { 0x08, 0x10, 0x20, 0x80 } };
  guint cell = (guint) y / canvas->down * canvas->columns + (guint) x / canvas->across;

  canvas->cells[cell] |= bits[(guint) x % canvas->across][(guint) y % canvas->down];
}

/* From dot to dot, both included. */
static void
draw_line (Canvas *canvas, int x0, int y0, int x1, int y1)
{
  int steps = MAX (abs (x1 - x0), abs (y1 - y0));

  for (int i = 0; i <= steps; i++)
    set_dot (canvas, steps > 0 ? x0 + (int) lround ((double) (x1 - x0) * i / steps) : x0,
             steps > 0 ? y0 + (int) lround ((double) (y1 - y0) * i / steps) : y0);
}

static int
x_of (const Canvas *canvas, const JkbCtlSeries *series, gint64 stamp_us)
{
  double share = (double) (stamp_us - series->from_us)
                 / (double) MAX (series->to_us - series->from_us, 1);

  return (int) lround (CLAMP (share, 0, 1) * (canvas->columns * canvas->across - 1));
}

static int
y_of (const Canvas *canvas, double value)
{
  double share = (canvas->top - value) / (canvas->top - canvas->bottom);

  return (int) lround (CLAMP (share, 0, 1) * (ROWS * canvas->down - 1));
}

static int
compare_distances (gconstpointer a, gconstpointer b)
{
  const gint64 *left = a, *right = b;

  return (*left > *right) - (*left < *right);
}

/* The longest distance of two points between which the value is taken for known. */
static gint64
longest_distance (const Canvas *canvas, const JkbCtlSeries *series)
{
  gint64 shown_us = (series->to_us - series->from_us) / MAX (canvas->columns / 2, 1);
  g_autofree gint64 *distances = g_new0 (gint64, series->n_points);

  for (guint i = 1; i < series->n_points; i++)
    distances[i - 1] = series->points[i].stamp_us - series->points[i - 1].stamp_us;
  qsort (distances, series->n_points - 1, sizeof *distances, compare_distances);
  return MAX (shown_us, GAP_FACTOR * distances[(series->n_points - 1) / 2]);
}

static void
draw_curve (Canvas *canvas, const JkbCtlSeries *series)
{
  gint64 longest_us = longest_distance (canvas, series);
  int last_x = 0, last_y = 0;

  for (guint i = 0; i < series->n_points; i++)
    {
      const JkbCtlPoint *point = &series->points[i];
      int x = x_of (canvas, series, point->stamp_us);
      int y = y_of (canvas, point->value);
      gboolean joined = i > 0 && point->stamp_us - point[-1].stamp_us <= longest_us;

      if (joined && series->field->kind == JKB_KIND_BOOL) /* a switch has nothing between */
        {
          draw_line (canvas, last_x, last_y, x, last_y);
          draw_line (canvas, x, last_y, x, y);
        }
      else if (joined)
        draw_line (canvas, last_x, last_y, x, y);
      else
        set_dot (canvas, x, y);
      last_x = x;
      last_y = y;
    }
}

/* ---- text --------------------------------------------------------------------------------- */

#define N_LABELS 3

/* The values at the upper edge, in the middle and at the lower edge. */
static void
make_labels (const Canvas *canvas, const JkbCtlSeries *series, char *labels[N_LABELS])
{
  labels[0] = jkb_ctl_series_text (series, canvas->top);
  labels[1] = series->field->kind == JKB_KIND_BOOL
                ? g_strdup ("")
                : jkb_ctl_series_text (series, (canvas->top + canvas->bottom) / 2);
  labels[2] = jkb_ctl_series_text (series, canvas->bottom);
}

static void
append_cells (GString *out, const Canvas *canvas, guint row)
{
  const guint8 *cells = canvas->cells + row * canvas->columns;
  guint n = canvas->columns;

  while (n > 0 && cells[n - 1] == 0)
    n--;
  for (guint i = 0; i < n; i++)
    if (cells[i] == 0)
      g_string_append_c (out, ' ');
    else if (canvas->unicode)
      g_string_append_unichar (out, 0x2800 + cells[i]);
    else
      g_string_append_c (out, '*');
  g_string_append_c (out, '\n');
}

static void
append_rows (GString *out, const Canvas *canvas, char *labels[N_LABELS], guint label_width)
{
  const char *bare = canvas->unicode ? "│" : "|", *marked = canvas->unicode ? "┤" : "+";

  for (guint row = 0; row < ROWS; row++)
    {
      const char *label = row == 0          ? labels[0]
                          : row == ROWS / 2 ? labels[1]
                          : row == ROWS - 1 ? labels[2]
                                            : "";

      jkb_ctl_text_pad (out, label, label_width, TRUE, FALSE);
      g_string_append_printf (out, " %s", *label != '\0' ? marked : bare);
      append_cells (out, canvas, row);
    }
}

static void
append_time_axis (GString *out, const Canvas *canvas, const JkbCtlSeries *series,
                  guint label_width)
{
  const char *format = canvas->columns >= TIME_COLUMNS ? "%F %T" : "%H:%M";
  g_autoptr(GDateTime) from = g_date_time_new_from_unix_local (series->from_us / G_USEC_PER_SEC);
  g_autoptr(GDateTime) to = g_date_time_new_from_unix_local (series->to_us / G_USEC_PER_SEC);
  g_autofree char *left = from != NULL ? g_date_time_format (from, format) : g_strdup ("");
  g_autofree char *right = to != NULL ? g_date_time_format (to, format) : g_strdup ("");

  g_string_append_printf (out, "%*s%s", (int) label_width + 1, "", canvas->unicode ? "└" : "+");
  for (guint i = 0; i < canvas->columns; i++)
    g_string_append (out, canvas->unicode ? "─" : "-");
  g_string_append_printf (out, "\n%*s%s", (int) label_width + 2, "", left);
  jkb_ctl_text_pad (out, right, canvas->columns - MIN (canvas->columns, jkb_ctl_text_width (left)),
                    TRUE, FALSE);
  g_string_append_c (out, '\n');
}

static void
append_summary (GString *out, const JkbCtlSeries *series)
{
  double smallest, largest;
  g_autofree char *low = NULL, *high = NULL, *last = NULL;

  find_range (series, &smallest, &largest);
  low = jkb_ctl_series_text (series, smallest);
  high = jkb_ctl_series_text (series, largest);
  last = jkb_ctl_series_text (series, series->points[series->n_points - 1].value);
  g_string_append_printf (out, _("min %s   max %s   last %s\n"), low, high, last);
}

/* A smallest and a largest value for each of the dots across. */
guint
jkb_ctl_plot_points (guint width)
{
  return 2 * 2 * MAX (width, MIN_COLUMNS);
}

char *
jkb_ctl_plot_text (const JkbCtlSeries *series, guint width, gboolean unicode)
{
  Canvas canvas = { unicode, 0, unicode ? 2 : 1, unicode ? 4 : 1, NULL, 0, 0 };
  GString *out = g_string_new (NULL);
  char *labels[N_LABELS];
  guint label_width = 0;

  choose_edges (&canvas, series);
  make_labels (&canvas, series, labels);
  for (guint i = 0; i < N_LABELS; i++)
    label_width = MAX (label_width, jkb_ctl_text_width (labels[i]));
  canvas.columns = MAX (width, label_width + 2 + MIN_COLUMNS) - label_width - 2;
  canvas.cells = g_new0 (guint8, ROWS * canvas.columns);
  draw_curve (&canvas, series);
  append_rows (out, &canvas, labels, label_width);
  append_time_axis (out, &canvas, series, label_width);
  append_summary (out, series);
  for (guint i = 0; i < N_LABELS; i++)
    g_free (labels[i]);
  g_free (canvas.cells);
  return g_string_free (out, FALSE);
}
