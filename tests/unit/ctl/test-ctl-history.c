/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "ctl/jkb-ctl-history.h"

#include <locale.h>
#include <string.h>

#include "ctl/jkb-ctl-plot.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl.h"

#define SECOND G_USEC_PER_SEC
/* 2026-03-01T12:00:00Z */
#define NOW (G_GINT64_CONSTANT (1772366400) * SECOND)

/* ---- when ---- */

static void
test_time (void)
{
  static const struct
  {
    const char *text;
    gint64 ago_s; /* -1: refused */
  } cases[] = {
    { "90s", 90 },
    { "15m", 900 },
    { "24h", 86400 },
    { "1.5h", 5400 },
    { "7d", 604800 },
    { "2w", 1209600 },
    { "0s", 0 },
    { "2026-03-01T11:59:30Z", 30 },
    { "2026-03-01 11:59:30Z", 30 },
    { "2026-03-01T11:00+01:00", -1 }, /* a zone goes with seconds only */
    { "2026-03-01T12:59:00+01:00", 60 },
    { "2026-03-01", 43200 }, /* TZ is UTC in this test */
    { "2026-03-01T11:30", 1800 },
    { "2026-03-01 11:30:00", 1800 },
    { "2026-03-02", -1 }, /* in the future */
    { "1969-12-31", -1 },
    { "", -1 },
    { "h", -1 },
    { "24", -1 },
    { "24 h", -1 },
    { "24hours", -1 },
    { "1e3s", -1 },
    { "0x10s", -1 },
    { "-5m", -1 },
    { "infs", -1 },
    { "1.2.3h", -1 },
    { "2026-13-01", -1 },
    { "yesterday", -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      gint64 time_us = -1;
      gboolean ok = jkb_ctl_parse_time (cases[i].text, NOW, &time_us, &error);

      g_test_message ("“%s”", cases[i].text);
      if (cases[i].ago_s < 0)
        {
          g_assert_false (ok);
          g_assert_error (error, JKB_CTL_ERROR, JKB_CTL_USAGE);
          continue;
        }
      g_assert_no_error (error);
      g_assert_cmpint (time_us, ==, NOW - cases[i].ago_s * SECOND);
    }
}

/* Longer ago than there is time is from the beginning on. */
static void
test_very_long_ago (void)
{
  gint64 time_us = -1;

  g_assert_true (jkb_ctl_parse_time ("99999999999999999999d", NOW, &time_us, NULL));
  g_assert_cmpint (time_us, ==, 0);
}

/* ---- plot ---- */

static JkbCtlSeries
series_of (const char *key, JkbCtlPoint *points, guint n_points)
{
  return (JkbCtlSeries){ jkb_field_lookup (JKB_GROUP_LIVE, key), NOW, NOW + 99 * SECOND, points,
                         n_points };
}

static char **
plot_lines (const JkbCtlSeries *series, guint width, gboolean unicode)
{
  g_autofree char *text = jkb_ctl_plot_text (series, width, unicode);

  g_assert_true (g_utf8_validate (text, -1, NULL));
  return g_strsplit (text, "\n", -1);
}

/* From 50 V to 59.9 V in 100 steps: from the lower left corner to the upper right one. */
static void
test_ramp (gconstpointer data)
{
  gboolean unicode = GPOINTER_TO_INT (data);
  JkbCtlPoint points[100];
  JkbCtlSeries series = series_of ("total_voltage", points, G_N_ELEMENTS (points));
  g_auto (GStrv) lines = NULL;

  for (int i = 0; i < 100; i++)
    points[i] = (JkbCtlPoint){ NOW + i * SECOND, 50 + i / 10.0 };
  lines = plot_lines (&series, 60, unicode);
  g_assert_cmpint (g_strv_length (lines), ==, 16); /* 12 rows, axis, times, summary, "" */
  for (guint i = 0; i < 14; i++)
    g_assert_cmpint (jkb_ctl_text_width (lines[i]), <=, 60);
  g_assert_true (g_str_has_prefix (lines[0], unicode ? "59.900 V ┤" : "59.900 V +"));
  g_assert_true (g_str_has_prefix (lines[11], unicode ? "50.000 V ┤" : "50.000 V +"));
  g_assert_true (g_str_has_suffix (lines[0], unicode ? "⣀⠤⠒⠉" : "**"));
  g_assert_cmpint (jkb_ctl_text_width (lines[0]), ==, 60);
  g_assert_cmpint (jkb_ctl_text_width (lines[11]), <, 20);
  g_assert_cmpstr (lines[14], ==, "min 50.000 V   max 59.900 V   last 59.900 V");
  if (!unicode)
    for (guint i = 0; lines[i] != NULL; i++)
      g_assert_true (g_str_is_ascii (lines[i]));
}

/* Nothing was heard for half of the time: nothing is drawn there. */
static void
test_gap (void)
{
  JkbCtlPoint points[100];
  JkbCtlSeries series = series_of ("total_voltage", points, 50);
  g_auto (GStrv) lines = NULL;
  guint n_stars = 0;

  for (int i = 0; i < 50; i++)
    points[i] = (JkbCtlPoint){ NOW + (i < 25 ? i : i + 50) * SECOND, 50 };
  lines = plot_lines (&series, 10 + 100, FALSE);
  for (guint i = 0; i < 12; i++)
    for (const char *c = lines[i]; *c != '\0'; c++)
      n_stars += *c == '*';
  g_assert_cmpint (n_stars, >=, 48);
  g_assert_cmpint (n_stars, <=, 52);
}

static void
test_switch (void)
{
  JkbCtlPoint points[] = { { NOW, 1 }, { NOW + 50 * SECOND, 0 }, { NOW + 99 * SECOND, 0 } };
  JkbCtlSeries series = series_of ("charging", points, G_N_ELEMENTS (points));
  g_auto (GStrv) lines = plot_lines (&series, 40, FALSE);

  g_assert_true (g_str_has_prefix (lines[0], " on +*****"));
  g_assert_true (g_str_has_prefix (lines[11], "off +      "));
  g_assert_true (g_str_has_suffix (lines[11], "*****"));
  g_assert_cmpstr (lines[14], ==, "min off   max on   last off");
}

/* A single point, a value that never changed, no room, all at one moment. */
static void
test_little (void)
{
  JkbCtlPoint points[] = { { NOW + 10 * SECOND, -3.5 }, { NOW + 10 * SECOND, -3.5 } };
  JkbCtlSeries series = series_of ("current", points, 1);
  g_autofree char *narrow = jkb_ctl_plot_text (&series, 0, TRUE);
  g_autofree char *wide = NULL, *moment = NULL;

  g_assert_nonnull (strstr (narrow, "last -3.500 A"));
  series.n_points = 2;
  wide = jkb_ctl_plot_text (&series, 200, TRUE);
  g_assert_nonnull (strstr (wide, "min -3.500 A   max -3.500 A"));
  series.from_us = series.to_us = points[0].stamp_us;
  moment = jkb_ctl_plot_text (&series, 80, TRUE);
  g_assert_nonnull (strstr (moment, "last -3.500 A"));
}

int
main (int argc, char **argv)
{
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);
  setlocale (LC_CTYPE, "C.UTF-8");
  g_test_add_func ("/ctl/history/time", test_time);
  g_test_add_func ("/ctl/history/very-long-ago", test_very_long_ago);
  g_test_add_data_func ("/ctl/plot/ramp", GINT_TO_POINTER (TRUE), test_ramp);
  g_test_add_data_func ("/ctl/plot/ramp-ascii", GINT_TO_POINTER (FALSE), test_ramp);
  g_test_add_func ("/ctl/plot/gap", test_gap);
  g_test_add_func ("/ctl/plot/switch", test_switch);
  g_test_add_func ("/ctl/plot/little", test_little);
  return g_test_run ();
}
