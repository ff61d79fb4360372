/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The screen of jkbmsctl top. From above: a line for all, the buses, a line for each BMS, and the
 * cells, temperatures and alarms of the selected one.
 */
#include "config.h"

#include "ctl/jkb-ctl-top-view.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "ctl/jkb-ctl-top-draw.h"

#define LIST_TOP 3       /* below title, buses and column heads */
#define MIN_LIST 3

gboolean
jkb_ctl_top_view_open (const JkbCtl *ctl)
{
  if (!ctl->tty || newterm (NULL, stdout, stdin) == NULL)
    return FALSE;
  cbreak ();
  noecho ();
  nonl ();
  keypad (stdscr, TRUE);
  nodelay (stdscr, TRUE);
  set_escdelay (50);
  curs_set (0);
  jkb_ctl_top_colors (ctl->color);
  return TRUE;
}

void
jkb_ctl_top_view_close (void)
{
  endwin ();
}

/* ---- head --------------------------------------------------------------------------------- */

typedef struct
{
  guint online, alarmed;
  double power; /* W, of those online */
} Sum;

static Sum
sum_up (const GPtrArray *all)
{
  Sum sum = { 0 };

  for (guint i = 0; i < all->len; i++)
    {
      const JkbCtlBms *bms = all->pdata[i];
      const JkbValues *live = &bms->values[JKB_GROUP_LIVE];
      double own = jkb_values_get_double (live, JKB_FIELD_POWER);

      sum.online += bms->online;
      sum.alarmed += jkb_ctl_top_problems (live) != 0;
      if (bms->online && isfinite (own))
        sum.power += own;
    }
  return sum;
}

static void
draw_title (const JkbCtlTopView *view, const Sum *sum, guint n_bms, gint64 now_us)
{
  g_autoptr(GDateTime) now = g_date_time_new_from_unix_local (now_us / G_USEC_PER_SEC);
  g_autofree char *clock = g_date_time_format (now, "%H:%M:%S");
  g_autoptr(GString) text = g_string_new (NULL);

  if (view->up)
    /* Translators: numbers of BMS, "charging" or "discharging", power: fit 70 columns together with
     * "with alarms" */
    g_string_printf (text, _(" BMS online: %u of %u   %s %.0f W"), sum->online, n_bms,
                     sum->power < 0 ? _("discharging") : _("charging"), fabs (sum->power));
  else
    g_string_assign (text, _(" jkbmsd is gone; waiting for it"));
  if (view->up && sum->alarmed > 0)
    g_string_append_printf (text, _("   with alarms: %u"), sum->alarmed);
  jkb_ctl_top_put (0, 0, COLS - 9, FALSE,
                   A_REVERSE | (view->up && sum->alarmed == 0 ? 0 : A_BOLD), text->str);
  jkb_ctl_top_put (0, MAX (COLS - 9, 0), 9, FALSE, A_REVERSE, clock);
}

static char *
bus_text (const JkbCtlObject *bus, gboolean brief)
{
  const char *state = jkb_ctl_object_text (bus, "Bus", "State");
  const char *role = jkb_ctl_object_text (bus, "Bus", "Role");
  int health = (int) jkb_ctl_object_number (bus, "Bus", "HealthScore", 0);
  const char *name;

  jkb_ctl_path_is_bus (bus->path, &name);
  if (brief)
    return g_strdup_printf (" %s: %s, %d ", name, state != NULL ? jkb_ctl_word (state) : "–",
                            health);
  /* Translators: a bus, its state, the daemon's role on it, its health from 0 to 100 */
  return g_strdup_printf (_(" %s: %s, %s, health %d "), name,
                          state != NULL ? jkb_ctl_word (state) : "–",
                          role != NULL ? jkb_ctl_word (role) : "–", health);
}

/* Where not all of them fit, each says less. */
static void
draw_buses (JkbCtlModel *model)
{
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (model);
  guint wanted = 0;
  int column = 0;

  jkb_ctl_top_put (1, 0, COLS, FALSE, A_NORMAL, "");
  for (guint i = 0; i < buses->len; i++)
    {
      g_autofree char *text = bus_text (buses->pdata[i], FALSE);

      wanted += jkb_ctl_text_width (text);
    }
  for (guint i = 0; i < buses->len; i++)
    {
      const JkbCtlObject *bus = buses->pdata[i];
      g_autofree char *text = bus_text (bus, wanted > (guint) COLS);
      gboolean up = g_strcmp0 (jkb_ctl_object_text (bus, "Bus", "State"), "up") == 0;

      column = jkb_ctl_top_put (1, column, (int) jkb_ctl_text_width (text), FALSE,
                    jkb_ctl_top_attribute (up ? JKB_CTL_PLAIN : JKB_CTL_BAD), text);
    }
}

/* ---- list --------------------------------------------------------------------------------- */

typedef enum
{
  COLUMN_NAME,
  COLUMN_BAR,
  COLUMN_SOC,
  COLUMN_VOLTAGE,
  COLUMN_CURRENT,
  COLUMN_POWER,
  COLUMN_TEMPERATURE,
  COLUMN_AGE,
  N_COLUMNS
} Column;

/* With the blank that keeps a column from its neighbour. */
static const struct
{
  const char *head;
  int width; /* of NAME and BAR the least */
  gboolean right;
} columns[N_COLUMNS] = {
  [COLUMN_NAME] = { N_(" NAME"), 10, FALSE },
  /* Translators: head of the bars of the state of charge; must fit 10 columns */
  [COLUMN_BAR] = { N_("CHARGE"), 11, FALSE },
  /* Translators: state of charge in per cent; must fit 5 columns */
  [COLUMN_SOC] = { N_("SOC"), 6, TRUE },
  /* Translators: must fit 8 columns */
  [COLUMN_VOLTAGE] = { N_("VOLTAGE"), 9, TRUE },
  /* Translators: must fit 9 columns */
  [COLUMN_CURRENT] = { N_("CURRENT"), 10, TRUE },
  /* Translators: must fit 8 columns */
  [COLUMN_POWER] = { N_("POWER"), 9, TRUE },
  /* Translators: temperature; must fit 8 columns */
  [COLUMN_TEMPERATURE] = { N_("TEMP"), 9, TRUE },
  /* Translators: time since the last frame; must fit 7 columns */
  [COLUMN_AGE] = { N_("AGE"), 8, TRUE },
};

#define MAX_BAR 73
#define MIN_COLUMNS 34 /* what cannot be left out */

typedef struct
{
  int widths[N_COLUMNS]; /* 0: there is no room for it */
} ListLayout;

/* What tells least goes first where the terminal is narrow. The name takes what the longest needs, the
 * bar the rest. */
static ListLayout
list_layout (const GPtrArray *all)
{
  static const Column order[]
    = { COLUMN_BAR, COLUMN_VOLTAGE, COLUMN_TEMPERATURE, COLUMN_POWER };
  ListLayout layout;
  int longest = 0, spare = COLS, more;

  for (guint i = 0; i < N_COLUMNS; i++)
    {
      layout.widths[i] = columns[i].width;
      spare -= columns[i].width;
    }
  for (guint i = 0; i < G_N_ELEMENTS (order) && spare < 0; i++)
    {
      layout.widths[order[i]] = 0;
      spare += columns[order[i]].width;
    }
  for (guint i = 0; i < all->len; i++)
    longest = MAX (longest, (int) jkb_ctl_text_width (((JkbCtlBms *) all->pdata[i])->name) + 2);
  more = CLAMP (longest - layout.widths[COLUMN_NAME], 0, MAX (spare, 0));
  layout.widths[COLUMN_NAME] += more;
  if (layout.widths[COLUMN_BAR] > 0)
    layout.widths[COLUMN_BAR] = MIN (layout.widths[COLUMN_BAR] + spare - more, MAX_BAR);
  return layout;
}

/* The last column stands at the right edge. */
static void
draw_columns (int line, const ListLayout *layout, attr_t attribute, const char *const *texts)
{
  int at = 0;

  for (guint i = 0; i < N_COLUMNS; i++)
    if (layout->widths[i] > 0)
      at = jkb_ctl_top_put (line, at, i + 1 < N_COLUMNS ? layout->widths[i] : COLS - at,
                            columns[i].right, attribute, texts[i]);
}

static void
draw_list_head (const ListLayout *layout)
{
  const char *heads[N_COLUMNS];

  for (guint i = 0; i < N_COLUMNS; i++)
    heads[i] = _(columns[i].head);
  draw_columns (2, layout, A_BOLD, heads);
}

static char *
hottest_text (const JkbValues *live)
{
  static const JkbFieldId sensors[]
    = { JKB_FIELD_TEMPERATURE_SENSOR_1, JKB_FIELD_TEMPERATURE_SENSOR_2,
        JKB_FIELD_TEMPERATURE_SENSOR_4, JKB_FIELD_TEMPERATURE_SENSOR_5 };
  JkbFieldId hottest = sensors[0];

  for (gsize i = 1; i < G_N_ELEMENTS (sensors); i++)
    if (jkb_values_get (live, sensors[i]) > jkb_values_get (live, hottest))
      hottest = sensors[i];
  return jkb_ctl_with_unit (jkb_ctl_number_text (live, hottest, 1), "°C");
}

static void
draw_row (int line, const ListLayout *layout, const JkbCtlBms *bms, gboolean selected,
          gint64 now_us)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];
  double charge = jkb_values_get_double (live, JKB_FIELD_STATE_OF_CHARGE);
  gboolean bad = jkb_ctl_top_problems (live) != 0;
  JkbCtlStyle style = bad ? JKB_CTL_BAD : bms->online ? JKB_CTL_PLAIN : JKB_CTL_DIM;
  char *texts[N_COLUMNS] = {
    [COLUMN_NAME] = g_strdup_printf ("%s%s", bad ? "!" : " ", bms->name),
    [COLUMN_BAR] = jkb_ctl_top_bar (isfinite (charge) ? charge / 100 : 0,
                                    layout->widths[COLUMN_BAR] - 1),
    [COLUMN_SOC]
    = jkb_ctl_with_unit (jkb_ctl_number_text (live, JKB_FIELD_STATE_OF_CHARGE, 0), "%"),
    [COLUMN_VOLTAGE]
    = jkb_ctl_with_unit (jkb_ctl_number_text (live, JKB_FIELD_TOTAL_VOLTAGE, 2), "V"),
    [COLUMN_CURRENT] = jkb_ctl_with_unit (jkb_ctl_number_text (live, JKB_FIELD_CURRENT, 2), "A"),
    [COLUMN_POWER] = jkb_ctl_with_unit (jkb_ctl_number_text (live, JKB_FIELD_POWER, 0), "W"),
    [COLUMN_TEMPERATURE] = hottest_text (live),
    /* Translators: must fit 7 columns */
    [COLUMN_AGE] = bms->online ? jkb_ctl_age_text (bms->last_seen_us, now_us)
                               : g_strdup (_("offline")),
  };

  draw_columns (line, layout, jkb_ctl_top_attribute (style) | (selected ? A_REVERSE : 0),
                (const char *const *) texts);
  for (guint i = 0; i < N_COLUMNS; i++)
    g_free (texts[i]);
}

static guint
selected_index (JkbCtlTopView *view, const GPtrArray *all)
{
  for (guint i = 0; view->selected != NULL && i < all->len; i++)
    if (strcmp (((JkbCtlBms *) all->pdata[i])->id, view->selected) == 0)
      return i;
  return 0;
}

static void
draw_list (JkbCtlTopView *view, const GPtrArray *all, guint height, gint64 now_us)
{
  guint selected = selected_index (view, all);
  ListLayout layout = list_layout (all);

  draw_list_head (&layout);
  if (selected < view->first)
    view->first = selected;
  if (selected >= view->first + height)
    view->first = selected - height + 1;
  if (view->first + height > all->len)
    view->first = all->len > height ? all->len - height : 0;
  for (guint i = 0; i < height; i++)
    if (view->first + i < all->len)
      draw_row (LIST_TOP + (int) i, &layout, all->pdata[view->first + i],
                view->first + i == selected, now_us);
    else
      jkb_ctl_top_put_line (LIST_TOP + (int) i, A_NORMAL, "%s", "");
}

/* ---- everything --------------------------------------------------------------------------- */

/* The selected BMS below @list lines, where there is room for it, and the alarms of the others. */
static void
draw_below (const GPtrArray *all, const JkbCtlBms *bms, int list, guint per_line, guint cells)
{
  int line = LIST_TOP + list;
  int end = line + JKB_CTL_TOP_DETAIL_LINES + (int) cells;

  if (LINES <= LIST_TOP + JKB_CTL_TOP_DETAIL_LINES + 1)
    return;
  jkb_ctl_top_draw_detail (line, bms, per_line, cells);
  jkb_ctl_top_draw_other_alarms (end, LINES - 1 - end, all, bms);
}

/* Broken at blanks where even this is too long. */
static void
draw_too_narrow (void)
{
  /* Translators: columns of the terminal; q is the key */
  g_autofree char *text
    = g_strdup_printf (_("Too narrow: %d columns are needed. q quits."), MIN_COLUMNS);
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  int line = 0, at = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      int width = (int) jkb_ctl_text_width (words[i]);

      if (at > 0 && at + width > COLS)
        {
          line++;
          at = 0;
        }
      at = jkb_ctl_top_put (line, at, width, FALSE, A_NORMAL, words[i]) + 1;
    }
}

void
jkb_ctl_top_view_draw (JkbCtlTopView *view, JkbCtlModel *model, gint64 now_us)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  Sum sum = sum_up (all);
  const JkbCtlBms *bms = all->len > 0 ? all->pdata[selected_index (view, all)] : NULL;
  const JkbValues *live = bms != NULL ? &bms->values[JKB_GROUP_LIVE] : NULL;
  int room = LINES - LIST_TOP - JKB_CTL_TOP_DETAIL_LINES - 1;
  guint per_line = 1, cells = 0;
  int list;

  if (live != NULL)
    {
      per_line
        = jkb_ctl_top_cells_per_line (live, room - (int) all->len - (int) MIN (sum.alarmed, 3));
      cells = MIN (jkb_ctl_top_lines_of_cells (live, per_line), (guint) MAX (room - MIN_LIST, 0));
    }
  list = CLAMP ((int) all->len, 1, MAX (room - (int) cells, 1));
  erase ();
  if (COLS < MIN_COLUMNS)
    {
      draw_too_narrow ();
      refresh ();
      return;
    }
  draw_title (view, &sum, all->len, now_us);
  draw_buses (model);
  draw_list (view, all, (guint) list, now_us);
  if (bms != NULL)
    draw_below (all, bms, list, per_line, cells);
  else
    jkb_ctl_top_put_line (LIST_TOP, A_NORMAL, "%s",
                          view->up ? _("No BMS has been heard yet.") : "");
  /* Translators: q is the key */
  jkb_ctl_top_put_line (LINES - 1, A_DIM, _("q quit   ↑↓ select"));
  refresh ();
}

void
jkb_ctl_top_view_move (JkbCtlTopView *view, JkbCtlModel *model, int steps)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  int index;

  if (all->len == 0)
    return;
  index = CLAMP ((int) selected_index (view, all) + steps, 0, (int) all->len - 1);
  g_free (view->selected);
  view->selected = g_strdup (((JkbCtlBms *) all->pdata[index])->id);
}
