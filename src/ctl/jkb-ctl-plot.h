/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One value over time, and its curve as text for a terminal. No I/O; any thread.
 */
#pragma once

#include "wire/jkb-field.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 stamp_us; /* since 1970 */
  double value;    /* in the unit of the field; switches: 0 or 1 */
} JkbCtlPoint;

typedef struct
{
  const JkbField *field;  /* of a list: its elements are what this is about */
  gint64 from_us, to_us;  /* what was asked for */
  JkbCtlPoint *points;    /* in the order of time */
  guint n_points;
} JkbCtlSeries;

/* "52.630", or with its unit "52.630 V"; a switch is "on" or "off". */
char *jkb_ctl_series_number (const JkbCtlSeries *series, double value);
char *jkb_ctl_series_text (const JkbCtlSeries *series, double value);

/* Points that a plot of @width columns can show. */
guint jkb_ctl_plot_points (guint width);

/**
 * jkb_ctl_plot_text:
 * @series: with a point at least
 * @width: in columns, axis included; made larger where that leaves no room for a curve
 * @unicode: draw with braille dots; else with ASCII characters
 *
 * Points are joined, but for gaps much longer than the usual distance.
 *
 * Returns: (transfer full): lines, and a last one with the smallest, largest and last value
 */
char *jkb_ctl_plot_text (const JkbCtlSeries *series, guint width, gboolean unicode);

G_END_DECLS
