/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The lower part of the screen of jkbmsctl top: cells, temperatures and alarms of the selected BMS,
 * and the alarms of the others.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <string.h>

#include "ctl/jkb-ctl-top-draw.h"
#include "wire/jkb-alarm.h"
#include "wire/jkb-text.h"

#define CELL_WIDTH 20
#define WIDEST_CELL 66   /* a bar longer than this tells no more */
#define CELL_TEXT 10     /* "16▲3.304 V" without its bar */
#define MIN_WINDOW_MV 50 /* so that noise does not look like imbalance */

static void
draw_heading (int line, const JkbCtlBms *bms)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];
  g_autofree char *charging = jkb_ctl_value_text (live, JKB_FIELD_CHARGING);
  g_autofree char *discharging = jkb_ctl_value_text (live, JKB_FIELD_DISCHARGING);
  g_autofree char *status = jkb_ctl_value_text (live, JKB_FIELD_CHARGE_STATUS);
  g_autoptr(GString) who = g_string_new (bms->id);

  if (strcmp (bms->name, bms->id) != 0)
    g_string_append_printf (who, " (%s)", bms->name);
  if (bms->model != NULL && *bms->model != '\0')
    g_string_append_printf (who, "  %s", bms->model);
  /* Translators: name and model, "on" or "off" for charge and discharge MOSFET, "bulk" or the like */
  jkb_ctl_top_put_line (line, A_REVERSE, _(" %s   charge %s, discharge %s, %s"), who->str,
                        charging != NULL ? charging : "–", discharging != NULL ? discharging : "–",
                        status != NULL ? status : "–");
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

  return (Window){ middle - half, middle + half };
}

static void
draw_cells_heading (int line, const JkbValues *live)
{
  g_autofree char *spread = jkb_ctl_value_text (live, JKB_FIELD_DELTA_CELL_VOLTAGE);
  g_autofree char *average
    = jkb_ctl_with_unit (jkb_ctl_number_text (live, JKB_FIELD_AVERAGE_CELL_VOLTAGE, 3), "V");
  g_autofree char *current = jkb_ctl_value_text (live, JKB_FIELD_BALANCING_CURRENT);
  gboolean balancing = jkb_values_get (live, JKB_FIELD_BALANCING) == 1;

  /* Translators: the current follows; (*) is the mark of the cells that are balanced */
  g_autofree char *more
    = g_strconcat (balancing ? _(", balancing (*) ") : "", balancing ? current : NULL, NULL);

  jkb_ctl_top_put_line (line, A_NORMAL, _("Cells: %u, average %s, spread %s%s"), live->n_cells,
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
  g_autofree char *bar = jkb_ctl_top_bar (share, MAX (width - CELL_TEXT - 1, 0));
  g_autoptr(GString) text = g_string_new (NULL);

  g_string_append_printf (text, "%2u%s", cell + 1, lowest ? "▼" : highest ? "▲" : " ");
  if (raw == JKB_UNKNOWN_ITEM)
    g_string_append (text, "–");
  else
    jkb_text_append_fixed (text, raw, jkb_fields[JKB_FIELD_CELL_VOLTAGES].scale);
  jkb_ctl_top_put (line, column, CELL_TEXT - 1, FALSE, jkb_ctl_top_attribute (style), text->str);
  jkb_ctl_top_put (line, column + CELL_TEXT - 1, 1, FALSE, jkb_ctl_top_attribute (style) | A_BOLD,
                   is_balanced (live, cell) ? "*" : " ");
  jkb_ctl_top_put (line, column + CELL_TEXT, width - CELL_TEXT, FALSE,
                   jkb_ctl_top_attribute (style), bar);
}

guint
jkb_ctl_top_lines_of_cells (const JkbValues *live, guint per_line)
{
  return (live->n_cells + per_line - 1) / per_line;
}

guint
jkb_ctl_top_cells_per_line (const JkbValues *live, int room)
{
  guint most = (guint) MAX (COLS / CELL_WIDTH, 1);
  guint per_line = MIN ((guint) (COLS + WIDEST_CELL - 1) / WIDEST_CELL, most);

  while (per_line < most && (int) jkb_ctl_top_lines_of_cells (live, per_line) > room)
    per_line++;
  return per_line;
}

static void
draw_cells (int line, const JkbValues *live, guint per_line, guint n_lines)
{
  int width = COLS / (int) per_line;
  Window window = cell_window (live);

  for (guint i = 0; i < n_lines; i++)
    jkb_ctl_top_put_line (line + (int) i, A_NORMAL, "%s", "");
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
    { "T1", JKB_FIELD_TEMPERATURE_SENSOR_1 },   { "T2", JKB_FIELD_TEMPERATURE_SENSOR_2 },
    { "T4", JKB_FIELD_TEMPERATURE_SENSOR_4 },   { "T5", JKB_FIELD_TEMPERATURE_SENSOR_5 },
    { "MOSFET", JKB_FIELD_MOSFET_TEMPERATURE },
  };
  g_autoptr(GString) out = g_string_new (_("Temperatures:"));

  for (gsize i = 0; i < G_N_ELEMENTS (sensors); i++)
    {
      g_autofree char *text = jkb_ctl_value_text (live, sensors[i].id);

      g_string_append_printf (out, "  %s %s", sensors[i].label, text != NULL ? text : "–");
    }
  jkb_ctl_top_put_line (line, A_NORMAL, "%s", out->str);
}

static void
draw_capacity (int line, const JkbValues *live)
{
  g_autofree char *remaining = jkb_ctl_number_text (live, JKB_FIELD_CAPACITY_REMAINING, 1);
  g_autofree char *full = jkb_ctl_number_text (live, JKB_FIELD_FULL_CHARGE_CAPACITY, 1);
  g_autofree char *health = jkb_ctl_value_text (live, JKB_FIELD_STATE_OF_HEALTH);
  g_autofree char *cycles = jkb_ctl_value_text (live, JKB_FIELD_CHARGING_CYCLES);

  /* Translators: must fit 79 columns with "123.4 of 280.0 Ah", "100 %" and "1234" */
  jkb_ctl_top_put_line (line, A_NORMAL,
                        _("Capacity: %s of %s Ah   state of health %s   cycles %s"),
                        remaining != NULL ? remaining : "–", full != NULL ? full : "–",
                        health != NULL ? health : "–", cycles != NULL ? cycles : "–");
}

static void
append_alarms (GString *out, guint32 problems)
{
  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if (problems >> bit & 1)
      {
        const char *label = jkb_alarm_label (bit);

        g_string_append_printf (out, "  %s (%s)", label != NULL ? _ (label) : jkb_alarm_key (bit),
                                jkb_ctl_word (jkb_severity_name (jkb_alarm_severity (bit))));
      }
}

static void
draw_alarms (int line, const JkbValues *live)
{
  guint32 problems = jkb_ctl_top_problems (live);
  g_autoptr(GString) out = g_string_new (_("Alarms:"));

  append_alarms (out, problems);
  if (problems == 0)
    g_string_append_printf (
        out, "  %s", jkb_values_is_known (live, JKB_FIELD_ERRORS) ? _("none") : _("unknown"));
  jkb_ctl_top_put_line (line, jkb_ctl_top_attribute (problems != 0 ? JKB_CTL_BAD : JKB_CTL_PLAIN),
                        "%s", out->str);
}

void
jkb_ctl_top_draw_other_alarms (int line, int room, const GPtrArray *all, const JkbCtlBms *selected)
{
  for (guint i = 0; room > 0 && i < all->len; i++)
    {
      const JkbCtlBms *bms = all->pdata[i];
      guint32 problems = jkb_ctl_top_problems (&bms->values[JKB_GROUP_LIVE]);
      g_autoptr(GString) out = g_string_new (NULL);

      if (bms == selected || problems == 0)
        continue;
      g_string_printf (out, _("Alarms of %s:"), bms->name);
      append_alarms (out, problems);
      jkb_ctl_top_put_line (line++, jkb_ctl_top_attribute (JKB_CTL_BAD), "%s", out->str);
      room--;
    }
}

void
jkb_ctl_top_draw_detail (int line, const JkbCtlBms *bms, guint per_line, guint n_cell_lines)
{
  const JkbValues *live = &bms->values[JKB_GROUP_LIVE];

  draw_heading (line++, bms);
  draw_cells_heading (line++, live);
  draw_cells (line, live, per_line, n_cell_lines);
  line += (int) n_cell_lines;
  draw_temperatures (line++, live);
  draw_capacity (line++, live);
  draw_alarms (line, live);
}
