/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl history: one value of a BMS over time, as a table, as JSON or as a curve.
 */
#include "config.h"

#include "ctl/jkb-ctl-history.h"

#include <glib/gi18n.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-key.h"
#include "ctl/jkb-ctl-plot.h"
#include "ctl/jkb-ctl-print.h"

#define DEFAULT_SINCE "24h"
#define ANSWER_MS 60000 /* a slow card may have much to read */

/* ---- when --------------------------------------------------------------------------------- */

/* "15m" -> 900 s in µs; -1: not a duration. */
static gint64
parse_duration (const char *text)
{
  static const struct
  {
    char unit;
    int seconds;
  } units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 }, { 'w', 604800 } };
  gsize digits = strspn (text, "0123456789.");
  char *end;
  double number = g_ascii_strtod (text, &end);

  for (gsize i = 0; digits > 0 && i < G_N_ELEMENTS (units); i++)
    if (end == text + digits && end[0] == units[i].unit && end[1] == '\0')
      return (gint64) (MIN (number * units[i].seconds, 1e12) * G_USEC_PER_SEC);
  return -1;
}

/* GLib wants seconds behind a time and a time behind a date; people do not. */
static GDateTime *
parse_date (const char *text)
{
  g_autoptr(GTimeZone) local = g_time_zone_new_local ();
  g_autofree char *time = NULL;
  gsize n = strlen (text);

  if (n == strlen ("2026-03-01"))
    time = g_strconcat (text, "T00:00:00", NULL);
  else if (n == strlen ("2026-03-01T12:30"))
    time = g_strconcat (text, ":00", NULL);
  else
    time = g_strdup (text);
  return g_date_time_new_from_iso8601 (time, local);
}

gboolean
jkb_ctl_parse_time (const char *text, gint64 now_us, gint64 *time_us, GError **error)
{
  gint64 ago_us = parse_duration (text);
  g_autoptr(GDateTime) date = ago_us < 0 ? parse_date (text) : NULL;

  if (ago_us >= 0)
    *time_us = MAX (now_us - ago_us, 0);
  else if (date != NULL)
    *time_us = g_date_time_to_unix (date) * G_USEC_PER_SEC + g_date_time_get_microsecond (date);
  else
    {
      g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                   _("“%s” is no time; say how long ago (90s, 15m, 24h, 7d) or when "
                     "(2026-03-01, 2026-03-01T12:30)"),
                   text);
      return FALSE;
    }
  if (*time_us >= 0 && *time_us <= now_us)
    return TRUE;
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE, _("“%s” is not in the past"), text);
  return FALSE;
}

/* ---- the question ------------------------------------------------------------------------- */

typedef struct
{
  char *since, *until;
  int points;
  gboolean plot, json;
} Wishes;

static gboolean
parse_range (const Wishes *wishes, JkbCtlSeries *series, GError **error)
{
  gint64 now_us = g_get_real_time ();

  series->to_us = now_us;
  if (!jkb_ctl_parse_time (wishes->since != NULL ? wishes->since : DEFAULT_SINCE, now_us,
                           &series->from_us, error)
      || (wishes->until != NULL
          && !jkb_ctl_parse_time (wishes->until, now_us, &series->to_us, error)))
    return FALSE;
  if (series->from_us < series->to_us)
    return TRUE;
  g_set_error_literal (error, JKB_CTL_ERROR, JKB_CTL_USAGE, _("--since must be before --until"));
  return FALSE;
}

static const JkbField *
find_live (const char *key)
{
  const JkbField *field = jkb_ctl_key_find (key);
  guint item;

  return field != NULL ? field : jkb_ctl_key_find_item (key, &item);
}

static gboolean
check_field (const JkbField *field, const char *key, GError **error)
{
  char first[64];
  guint item;

  jkb_field_item_key (field, 0, first, sizeof first);
  if (field->group != JKB_GROUP_LIVE)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("%s is not a live value; the history has no others"), key);
  else if (field->kind == JKB_KIND_LIST && jkb_ctl_key_find_item (key, &item) == NULL)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("%s are many values; ask for one of them, such as %s"), key, first);
  else if (field->kind != JKB_KIND_NUMBER && field->kind != JKB_KIND_BOOL
           && field->kind != JKB_KIND_LIST)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE,
                 _("%s is neither a number nor a switch; the history has no others"), key);
  else
    return TRUE;
  return FALSE;
}

static guint
wanted_points (const JkbCtl *ctl, const Wishes *wishes)
{
  if (wishes->points > 0 || !wishes->plot)
    return (guint) wishes->points;
  return jkb_ctl_plot_points (ctl->width > 0 ? ctl->width : 80);
}

static gboolean
ask (JkbCtl *ctl, const JkbCtlBms *bms, const char *key, const Wishes *wishes,
     JkbCtlSeries *series, GError **error)
{
  g_autofree char *path = g_strconcat (JKB_CTL_ROOT_PATH "/bms/", bms->id, NULL);
  g_autoptr(GVariant) reply = jkb_ctl_ask (
    ctl, path, "Bms", "GetHistory",
    g_variant_new ("(sttu)", key, (guint64) series->from_us, (guint64) series->to_us,
                   wanted_points (ctl, wishes)),
    "(a(td))", ANSWER_MS, error);
  g_autoptr(GVariant) points = reply != NULL ? g_variant_get_child_value (reply, 0) : NULL;

  if (points == NULL)
    return FALSE;
  series->n_points = (guint) g_variant_n_children (points);
  series->points = g_new0 (JkbCtlPoint, series->n_points);
  for (guint i = 0; i < series->n_points; i++)
    g_variant_get_child (points, i, "(td)", &series->points[i].stamp_us,
                         &series->points[i].value);
  return TRUE;
}

/* ---- the answer --------------------------------------------------------------------------- */

static void
print_table (const JkbCtl *ctl, const JkbCtlSeries *series)
{
  static const JkbCtlColumn columns[]
    = { { N_("TIME"), FALSE, FALSE }, { N_("VALUE"), TRUE, FALSE } };
  JkbCtlTable *table = jkb_ctl_table_new (columns, G_N_ELEMENTS (columns));

  for (guint i = 0; i < series->n_points; i++)
    {
      const JkbCtlPoint *point = &series->points[i];
      g_autoptr(GDateTime) when
        = g_date_time_new_from_unix_local (point->stamp_us / G_USEC_PER_SEC);
      g_autofree char *second = when != NULL ? g_date_time_format (when, "%F %T") : NULL;
      g_autofree char *time
        = g_strdup_printf ("%s.%03d", second != NULL ? second : "–",
                           (int) (point->stamp_us % G_USEC_PER_SEC / 1000));
      g_autofree char *value = jkb_ctl_series_text (series, point->value);

      jkb_ctl_table_add (table, time, JKB_CTL_PLAIN);
      jkb_ctl_table_add (table, value, JKB_CTL_PLAIN);
    }
  jkb_ctl_table_print (table, ctl);
}

static void
append_json_value (GString *out, const JkbCtlSeries *series, double value)
{
  g_autofree char *number = NULL;

  jkb_ctl_json_key (out, "value");
  if (series->field->kind == JKB_KIND_BOOL)
    g_string_append (out, value >= 0.5 ? "true" : "false");
  else if (isfinite (value))
    {
      number = jkb_ctl_series_number (series, value);
      g_string_append (out, number);
    }
  else
    g_string_append (out, "null");
}

static void
print_json (const JkbCtlBms *bms, const char *key, const JkbCtlSeries *series)
{
  g_autoptr(GString) out = g_string_new ("{");

  jkb_ctl_json_text (out, "id", bms->id);
  jkb_ctl_json_text (out, "key", key);
  jkb_ctl_json_text (out, "unit", series->field->unit);
  jkb_ctl_json_key (out, "points");
  g_string_append_c (out, '[');
  for (guint i = 0; i < series->n_points; i++)
    {
      g_autofree char *time = jkb_ctl_time_text (series->points[i].stamp_us);

      g_string_append (out, i > 0 ? ",{" : "{");
      jkb_ctl_json_text (out, "time", time);
      append_json_value (out, series, series->points[i].value);
      g_string_append_c (out, '}');
    }
  g_string_append (out, "]}");
  puts (out->str);
}

/* Neither a dumb terminal nor the fonts of the console have braille. */
static gboolean
knows_braille (void)
{
  const char *term = g_getenv ("TERM");

  return g_get_charset (NULL) && g_strcmp0 (term, "dumb") != 0 && g_strcmp0 (term, "linux") != 0;
}

static void
print_plot (const JkbCtl *ctl, const JkbCtlBms *bms, const char *key, const JkbCtlSeries *series)
{
  g_autofree char *name = jkb_ctl_text_safe (bms->name);
  g_autofree char *plot
    = jkb_ctl_plot_text (series, ctl->width > 0 ? ctl->width : 80, knows_braille ());

  g_print ("%s%s: %s%s\n%s", jkb_ctl_style_on (ctl, JKB_CTL_BOLD), name, key,
           jkb_ctl_style_off (ctl, JKB_CTL_BOLD), plot);
}

static void
answer (JkbCtl *ctl, const JkbCtlBms *bms, const char *key, const Wishes *wishes,
        const JkbCtlSeries *series)
{
  if (wishes->json)
    print_json (bms, key, series);
  else if (series->n_points == 0)
    g_print (_("Nothing is kept of %s in that time.\n"), key);
  else if (wishes->plot)
    print_plot (ctl, bms, key, series);
  else
    print_table (ctl, series);
}

/* ---- the verb ----------------------------------------------------------------------------- */

static int
run (JkbCtl *ctl, const char *name, const char *key, const Wishes *wishes)
{
  JkbCtlSeries series = { find_live (key), 0, 0, NULL, 0 };
  g_autofree JkbCtlPoint *points = NULL;
  g_autoptr(JkbCtlModel) model = NULL;
  g_autoptr(GError) error = NULL;
  const JkbCtlBms *bms = NULL;

  if (series.field == NULL)
    return jkb_ctl_key_fail (key, JKB_GROUP_LIVE + 1);
  if (check_field (series.field, key, &error) && parse_range (wishes, &series, &error))
    bms = jkb_ctl_fetch_bms (ctl, name, &model, &error);
  if (bms == NULL || !ask (ctl, bms, key, wishes, &series, &error))
    return jkb_ctl_fail (ctl, error);
  points = series.points;
  answer (ctl, bms, key, wishes, &series);
  return JKB_CTL_OK;
}

int
jkb_ctl_verb_history (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  Wishes wishes = { NULL, NULL, 0, FALSE, FALSE };
  const GOptionEntry options[]
    = { { "since", 's', 0, G_OPTION_ARG_STRING, &wishes.since,
          N_("From then on: 90s, 15m, 24h (default) ago; a date"), N_("TIME") },
        { "until", 'u', 0, G_OPTION_ARG_STRING, &wishes.until, N_("Up to then (default: now)"),
          N_("TIME") },
        { "points", 'n', 0, G_OPTION_ARG_INT, &wishes.points,
          N_("At most N, smallest and largest kept; else all"), N_("N") },
        { "plot", 'p', 0, G_OPTION_ARG_NONE, &wishes.plot, N_("Draw a curve"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &wishes.json, N_("Print JSON"), NULL },
        { NULL } };
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (wishes.points < 0)
    status = jkb_ctl_fail_usage (_("--points must not be negative"));
  else if (wishes.plot && wishes.json)
    status = jkb_ctl_fail_usage (_("--plot does not go with --json"));
  else
    status = run (ctl, argv[0], argv[1], &wishes);
  g_free (wishes.since);
  g_free (wishes.until);
  return status;
}
