/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The screen of jkbmsctl top. From above: a line for all, the buses, a line for each BMS, and the
 * cells, temperatures and alarms of the selected one.
 */
#include "config.h"

#include "ctl/jkb-ctl-top-view.h"

#include <curses.h>
#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "ctl/jkb-ctl-print.h"
#include "wire/jkb-alarm.h"
#include "wire/jkb-text.h"

#define LIST_TOP 3       /* below title, buses and column heads */
#define DETAIL_LINES 6   /* beside the cells: heading, cells, two of values, alarms, help */
#define MIN_LIST 3
#define CELL_WIDTH 20
#define CELL_TEXT 10     /* "16▲3.304 V" without its bar */
#define MIN_WINDOW_MV 50 /* so that noise does not look like imbalance */

static const guint pairs[] = { [JKB_CTL_GOOD] = 1, [JKB_CTL_WARN] = 2, [JKB_CTL_BAD] = 3 };

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
  if (ctl->color && start_color () == OK)
    {
      use_default_colors ();
      init_pair (1, COLOR_GREEN, -1);
      init_pair (2, COLOR_YELLOW, -1);
      init_pair (3, COLOR_RED, -1);
    }
  return TRUE;
}

void
jkb_ctl_top_view_close (void)
{
  endwin ();
}

/* ---- drawing ------------------------------------------------------------------------------ */

static attr_t
attribute_of (JkbCtlStyle style)
{
  static const attr_t plain[] = { [JKB_CTL_BOLD] = A_BOLD, [JKB_CTL_DIM] = A_DIM,
                                  [JKB_CTL_WARN] = A_BOLD, [JKB_CTL_BAD] = A_BOLD };
  attr_t attribute = style < G_N_ELEMENTS (plain) ? plain[style] : A_NORMAL;

  if (has_colors () && style < G_N_ELEMENTS (pairs) && pairs[style] != 0)
    attribute |= COLOR_PAIR (pairs[style]);
  return attribute;
}

/* @text in @width columns from @column on, filled and cut. Returns: the column behind it. */
static int
put (int line, int column, int width, gboolean right, attr_t attribute, const char *text)
{
  g_autofree char *safe = jkb_ctl_text_safe (text != NULL ? text : "–");
  g_autoptr(GString) out = g_string_new (NULL);

  width = MIN (width, COLS - column);
  if (width <= 0 || line < 0 || line >= LINES)
    return column;
  jkb_ctl_text_pad (out, safe, width, right, TRUE);
  attrset (attribute);
  mvaddstr (line, column, out->str);
  attrset (A_NORMAL);
  return column + width;
}

G_GNUC_PRINTF (3, 4)
static void
put_line (int line, attr_t attribute, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  put (line, 0, COLS, FALSE, attribute, text);
}

/* A bar of @width columns that is filled to @share. */
static char *
bar_text (double share, int width)
{
  int full = (int) lround (CLAMP (share, 0, 1) * width);
  GString *out = g_string_new (NULL);

  for (int i = 0; i < width; i++)
    g_string_append (out, i < full ? "█" : "·");
  return g_string_free (out, FALSE);
}

/* Takes @number. */
static char *
with_unit (char *number, const char *unit)
{
  char *text = number != NULL ? g_strconcat (number, " ", unit, NULL) : NULL;

  g_free (number);
  return text;
}

/* ---- head --------------------------------------------------------------------------------- */

static void
draw_title (const JkbCtlTopView *view, JkbCtlModel *model, gint64 now_us)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  const char *version
    = jkb_ctl_object_text (jkb_ctl_model_object (model, JKB_CTL_ROOT_PATH), "Manager", "Version");
  g_autoptr(GDateTime) now = g_date_time_new_from_unix_local (now_us / G_USEC_PER_SEC);
  g_autofree char *clock = g_date_time_format (now, "%H:%M:%S");
  g_autofree char *text = NULL;
  double power = 0;
  guint online = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const JkbCtlBms *bms = all->pdata[i];
      double own = jkb_values_get_double (&bms->values[JKB_GROUP_LIVE], JKB_FIELD_POWER);

      online += bms->online;
      if (bms->online && isfinite (own))
        power += own;
    }
  if (view->up)
    /* Translators: version, numbers of BMS, "charging" or "discharging", power: fit 70 columns */
    text = g_strdup_printf (_(" jkbmsd %s   BMS online: %u of %u   %s %.0f W"),
                            version != NULL ? version : "", online, all->len,
                            power < 0 ? _("discharging") : _("charging"), fabs (power));
  else
    text = g_strdup (_(" jkbmsd is gone; waiting for it"));
  put (0, 0, COLS - 9, FALSE, A_REVERSE | (view->up ? 0 : A_BOLD), text);
  put (0, MAX (COLS - 9, 0), 9, FALSE, A_REVERSE, clock);
}

static void
draw_buses (JkbCtlModel *model)
{
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (model);
  int column = 0;

  put (1, 0, COLS, FALSE, A_NORMAL, "");
  for (guint i = 0; i < buses->len; i++)
    {
      const JkbCtlObject *bus = buses->pdata[i];
      const char *state = jkb_ctl_object_text (bus, "Bus", "State");
      const char *role = jkb_ctl_object_text (bus, "Bus", "Role");
      gboolean up = g_strcmp0 (state, "up") == 0;
      g_autofree char *text = NULL;
      const char *name;

      jkb_ctl_path_is_bus (bus->path, &name);
      /* Translators: a bus, its state, the daemon's role on it, its health from 0 to 100 */
      text = g_strdup_printf (_(" %s: %s, %s, health %d "), name,
                              state != NULL ? jkb_ctl_word (state) : "–",
                              role != NULL ? jkb_ctl_word (role) : "–",
                              (int) jkb_ctl_object_number (bus, "Bus", "HealthScore", 0));
      column = put (1, column, (int) jkb_ctl_text_width (text), FALSE,
                    attribute_of (up ? JKB_CTL_PLAIN : JKB_CTL_BAD), text);
    }
}

/* ---- list --------------------------------------------------------------------------------- */

typedef struct
{
  int name, bar; /* widths that depend on the terminal's */
} ListLayout;

#define FIXED_WIDTH (1 + 1 + 6 + 9 + 10 + 9 + 9 + 8)

static ListLayout
list_layout (void)
{
  int bar = COLS >= 100 ? 20 : 10;

  return (ListLayout) { MAX (COLS - FIXED_WIDTH - bar, 8), bar };
}

static void
draw_list_head (void)
{
  ListLayout layout = list_layout ();
  attr_t bold = A_BOLD;
  int at = 0;

  at = put (2, at, layout.name + 1, FALSE, bold, _(" NAME"));
  /* Translators: head of the bars of the state of charge; must fit 10 columns */
  at = put (2, at, layout.bar + 1, FALSE, bold, _("CHARGE"));
  /* Translators: state of charge in per cent; must fit 5 columns */
  at = put (2, at, 6, TRUE, bold, _("SOC"));
  /* Translators: must fit 8 columns */
  at = put (2, at, 9, TRUE, bold, _("VOLTAGE"));
  /* Translators: must fit 9 columns */
  at = put (2, at, 10, TRUE, bold, _("CURRENT"));
  /* Translators: must fit 8 columns */
  at = put (2, at, 9, TRUE, bold, _("POWER"));
  /* Translators: temperature; must fit 8 columns */
  at = put (2, at, 9, TRUE, bold, _("TEMP"));
  /* Translators: time since the last frame; must fit 7 columns */
  put (2, at, COLS - at, TRUE, bold, _("AGE"));
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
  return with_unit (jkb_ctl_number_text (live, hottest, 1), "°C");
}

static guint32
problems_of (const JkbValues *live)
{
  gint64 mask = jkb_values_get (live, JKB_FIELD_ERRORS);

  return mask != JKB_UNKNOWN ? jkb_alarm_problems ((guint32) mask) : 0;
}

static void
draw_row (int line, const JkbCtlBms *bms, gboolean selected, gint64 now_us)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];
  ListLayout layout = list_layout ();
  double charge = jkb_values_get_double (live, JKB_FIELD_STATE_OF_CHARGE);
  gboolean bad = problems_of (live) != 0;
  JkbCtlStyle style = bad ? JKB_CTL_BAD : bms->online ? JKB_CTL_PLAIN : JKB_CTL_DIM;
  attr_t attribute = attribute_of (style) | (selected ? A_REVERSE : 0);
  g_autofree char *bar = bar_text (isfinite (charge) ? charge / 100 : 0, layout.bar);
  g_autofree char *name = g_strdup_printf ("%s%s", bad ? "!" : " ", bms->name);
  g_autofree char *percent
    = with_unit (jkb_ctl_number_text (live, JKB_FIELD_STATE_OF_CHARGE, 0), "%");
  g_autofree char *voltage
    = with_unit (jkb_ctl_number_text (live, JKB_FIELD_TOTAL_VOLTAGE, 2), "V");
  g_autofree char *current = with_unit (jkb_ctl_number_text (live, JKB_FIELD_CURRENT, 2), "A");
  g_autofree char *power = with_unit (jkb_ctl_number_text (live, JKB_FIELD_POWER, 0), "W");
  g_autofree char *temperature = hottest_text (live);
  g_autofree char *age = jkb_ctl_age_text (bms->last_seen_us, now_us);
  int at = 0;

  at = put (line, at, layout.name + 1, FALSE, attribute, name);
  at = put (line, at, layout.bar + 1, FALSE, attribute, bar);
  at = put (line, at, 6, TRUE, attribute, percent);
  at = put (line, at, 9, TRUE, attribute, voltage);
  at = put (line, at, 10, TRUE, attribute, current);
  at = put (line, at, 9, TRUE, attribute, power);
  at = put (line, at, 9, TRUE, attribute, temperature);
  /* Translators: must fit 7 columns */
  put (line, at, COLS - at, TRUE, attribute, bms->online ? age : _("offline"));
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

  if (selected < view->first)
    view->first = selected;
  if (selected >= view->first + height)
    view->first = selected - height + 1;
  if (view->first + height > all->len)
    view->first = all->len > height ? all->len - height : 0;
  for (guint i = 0; i < height; i++)
    if (view->first + i < all->len)
      draw_row (LIST_TOP + (int) i, all->pdata[view->first + i], view->first + i == selected,
                now_us);
    else
      put_line (LIST_TOP + (int) i, A_NORMAL, "%s", "");
}

/* ---- the selected BMS --------------------------------------------------------------------- */

static void
draw_heading (int line, const JkbCtlBms *bms)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];
  g_autofree char *charging = jkb_ctl_value_text (live, JKB_FIELD_CHARGING);
  g_autofree char *discharging = jkb_ctl_value_text (live, JKB_FIELD_DISCHARGING);
  g_autofree char *status = jkb_ctl_value_text (live, JKB_FIELD_CHARGE_STATUS);
  g_autofree char *who = strcmp (bms->name, bms->id) != 0
                           ? g_strdup_printf ("%s (%s)", bms->id, bms->name)
                           : g_strdup (bms->id);

  /* Translators: name, model, "on" or "off" for charge and discharge MOSFET, "bulk" or the like */
  put_line (line, A_REVERSE, _(" %s  %s  charge %s, discharge %s, %s"), who,
            bms->model != NULL ? bms->model : "", charging != NULL ? charging : "–",
            discharging != NULL ? discharging : "–", status != NULL ? status : "–");
}

typedef struct
{
  double low, high; /* what an empty and a full bar mean, mV */
} Window;

static Window
cell_window (const JkbValues *live)
{
  double low = (double) jkb_values_get (live, JKB_FIELD_MIN_CELL_VOLTAGE);
  double high = (double) jkb_values_get (live, JKB_FIELD_MAX_CELL_VOLTAGE);
  double middle = (low + high) / 2, half = MAX ((high - low) * 0.6, MIN_WINDOW_MV / 2.0);

  return (Window) { middle - half, middle + half };
}

static void
draw_cells_heading (int line, const JkbValues *live)
{
  g_autofree char *spread = jkb_ctl_value_text (live, JKB_FIELD_DELTA_CELL_VOLTAGE);
  g_autofree char *average = jkb_ctl_value_text (live, JKB_FIELD_AVERAGE_CELL_VOLTAGE);
  g_autofree char *current = jkb_ctl_value_text (live, JKB_FIELD_BALANCING_CURRENT);
  gboolean balancing = jkb_values_get (live, JKB_FIELD_BALANCING) == 1;

  /* Translators: the current follows; (*) is the mark of the cells that are balanced */
  g_autofree char *more
    = g_strconcat (balancing ? _(", balancing (*) ") : "", balancing ? current : NULL, NULL);

  put_line (line, A_NORMAL, _("Cells: %u, average %s, spread %s%s"), live->n_cells,
            average != NULL ? average : "–", spread != NULL ? spread : "–", more);
}

/* The balancer takes from the highest cell and gives to the lowest. */
static gboolean
is_balanced (const JkbValues *live, guint cell)
{
  return jkb_values_get (live, JKB_FIELD_BALANCING) == 1
         && (jkb_values_get (live, JKB_FIELD_MIN_VOLTAGE_CELL) == cell + 1
             || jkb_values_get (live, JKB_FIELD_MAX_VOLTAGE_CELL) == cell + 1);
}

static void
draw_cell (int line, int column, int width, const JkbValues *live, guint cell, Window window)
{
  gint32 raw = jkb_values_get_item (live, JKB_FIELD_CELL_VOLTAGES, cell);
  gboolean lowest = jkb_values_get (live, JKB_FIELD_MIN_VOLTAGE_CELL) == cell + 1;
  gboolean highest = jkb_values_get (live, JKB_FIELD_MAX_VOLTAGE_CELL) == cell + 1;
  JkbCtlStyle style = lowest ? JKB_CTL_WARN : highest ? JKB_CTL_GOOD : JKB_CTL_PLAIN;
  double share = raw == JKB_UNKNOWN_ITEM ? 0 : (raw - window.low) / (window.high - window.low);
  g_autofree char *bar = bar_text (share, MAX (width - CELL_TEXT - 1, 0));
  g_autoptr(GString) text = g_string_new (NULL);

  g_string_append_printf (text, "%2u%s", cell + 1, lowest ? "▼" : highest ? "▲" : " ");
  if (raw == JKB_UNKNOWN_ITEM)
    g_string_append (text, "–");
  else
    jkb_text_append_fixed (text, raw, jkb_fields[JKB_FIELD_CELL_VOLTAGES].scale);
  put (line, column, CELL_TEXT - 1, FALSE, attribute_of (style), text->str);
  put (line, column + CELL_TEXT - 1, 1, FALSE, attribute_of (style) | A_BOLD,
       is_balanced (live, cell) ? "*" : " ");
  put (line, column + CELL_TEXT, width - CELL_TEXT, FALSE, attribute_of (style), bar);
}

static guint
cells_per_line (void)
{
  return MAX (COLS / CELL_WIDTH, 1);
}

static guint
cell_lines (const JkbValues *live)
{
  return (live->n_cells + cells_per_line () - 1) / cells_per_line ();
}

static void
draw_cells (int line, const JkbValues *live, guint n_lines)
{
  guint per_line = cells_per_line ();
  int width = COLS / (int) per_line;
  Window window = cell_window (live);

  for (guint i = 0; i < n_lines; i++)
    put_line (line + (int) i, A_NORMAL, "%s", "");
  for (guint cell = 0; cell < live->n_cells && cell / per_line < n_lines; cell++)
    draw_cell (line + (int) (cell / per_line), (int) (cell % per_line) * width, width, live, cell,
               window);
}

static void
draw_temperatures (int line, const JkbValues *live)
{
  static const struct
  {
    const char *label;
    JkbFieldId id;
  } sensors[] = {
    { "T1", JKB_FIELD_TEMPERATURE_SENSOR_1 },  { "T2", JKB_FIELD_TEMPERATURE_SENSOR_2 },
    { "T4", JKB_FIELD_TEMPERATURE_SENSOR_4 },  { "T5", JKB_FIELD_TEMPERATURE_SENSOR_5 },
    { "MOSFET", JKB_FIELD_MOSFET_TEMPERATURE },
  };
  g_autoptr(GString) out = g_string_new (_("Temperatures:"));

  for (gsize i = 0; i < G_N_ELEMENTS (sensors); i++)
    {
      g_autofree char *text = jkb_ctl_value_text (live, sensors[i].id);

      g_string_append_printf (out, "  %s %s", sensors[i].label, text != NULL ? text : "–");
    }
  put_line (line, A_NORMAL, "%s", out->str);
}

static void
draw_capacity (int line, const JkbValues *live)
{
  g_autofree char *remaining = jkb_ctl_number_text (live, JKB_FIELD_CAPACITY_REMAINING, 1);
  g_autofree char *full = jkb_ctl_number_text (live, JKB_FIELD_FULL_CHARGE_CAPACITY, 1);
  g_autofree char *health = jkb_ctl_value_text (live, JKB_FIELD_STATE_OF_HEALTH);
  g_autofree char *cycles = jkb_ctl_value_text (live, JKB_FIELD_CHARGING_CYCLES);

  /* Translators: must fit 79 columns with "123.4 of 280.0 Ah", "100 %" and "1234" */
  put_line (line, A_NORMAL, _("Capacity: %s of %s Ah   state of health %s   cycles %s"),
            remaining != NULL ? remaining : "–", full != NULL ? full : "–",
            health != NULL ? health : "–", cycles != NULL ? cycles : "–");
}

static void
draw_alarms (int line, const JkbValues *live)
{
  guint32 problems = problems_of (live);
  g_autoptr(GString) out = g_string_new (_("Alarms:"));

  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if (problems >> bit & 1)
      {
        const char *label = jkb_alarm_label (bit);

        g_string_append_printf (out, "  %s (%s)", label != NULL ? _(label) : jkb_alarm_key (bit),
                                jkb_ctl_word (jkb_severity_name (jkb_alarm_severity (bit))));
      }
  if (problems == 0)
    g_string_append_printf (
      out, "  %s", jkb_values_is_known (live, JKB_FIELD_ERRORS) ? _("none") : _("unknown"));
  put_line (line, attribute_of (problems != 0 ? JKB_CTL_BAD : JKB_CTL_PLAIN), "%s", out->str);
}

static void
draw_detail (int line, const JkbCtlBms *bms, guint n_cell_lines)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];

  draw_heading (line++, bms);
  draw_cells_heading (line++, live);
  draw_cells (line, live, n_cell_lines);
  line += (int) n_cell_lines;
  draw_temperatures (line++, live);
  draw_capacity (line++, live);
  draw_alarms (line, live);
}

/* ---- everything --------------------------------------------------------------------------- */

void
jkb_ctl_top_view_draw (JkbCtlTopView *view, JkbCtlModel *model, gint64 now_us)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  const JkbCtlBms *bms
    = all->len > 0 ? all->pdata[selected_index (view, all)] : NULL;
  guint cells = bms != NULL ? cell_lines (&bms->values[JKB_GROUP_LIVE]) : 0;
  int room = LINES - LIST_TOP - DETAIL_LINES;
  int list;

  cells = MIN (cells, (guint) MAX (room - MIN_LIST, 0));
  list = CLAMP ((int) all->len, 1, MAX (room - (int) cells, 1));
  erase ();
  draw_title (view, model, now_us);
  draw_buses (model);
  draw_list_head ();
  draw_list (view, all, (guint) list, now_us);
  if (bms != NULL && LINES >= LIST_TOP + DETAIL_LINES + 1)
    draw_detail (LIST_TOP + list, bms, cells);
  else if (bms == NULL)
    put_line (LIST_TOP, A_NORMAL, "%s", view->up ? _("No BMS has been heard yet.") : "");
  /* Translators: q is the key */
  put_line (LINES - 1, A_DIM, _("q quit   ↑↓ select"));
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
