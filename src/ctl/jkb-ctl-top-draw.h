/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the parts of the screen of jkbmsctl top are drawn with: texts that are cut and filled to
 * columns of the terminal, bars, colours. One thread.
 */
#pragma once

#include <curses.h>

#include "ctl/jkb-ctl-model.h"
#include "ctl/jkb-ctl-print.h"

G_BEGIN_DECLS

/* Colours exist when @color and the terminal has them. */
void jkb_ctl_top_colors (gboolean color);
attr_t jkb_ctl_top_attribute (JkbCtlStyle style);

/* @text in @width columns from @column on, filled and cut. Returns: the column behind it. */
int jkb_ctl_top_put (int line, int column, int width, gboolean right, attr_t attribute,
                     const char *text);
/* A whole line. */
void jkb_ctl_top_put_line (int line, attr_t attribute, const char *format, ...)
  G_GNUC_PRINTF (3, 4);

/* A bar of @width columns that is filled to @share. */
char *jkb_ctl_top_bar (double share, int width);

/* The alarm bits that are problems; none when unknown. */
guint32 jkb_ctl_top_problems (const JkbValues *live);

/* The selected BMS from @line on. Cells stand in @n_cell_lines lines, @per_line in each. */
#define JKB_CTL_TOP_DETAIL_LINES 5 /* beside the cells */
void jkb_ctl_top_draw_detail (int line, const JkbCtlBms *bms, guint per_line, guint n_cell_lines);

/* How many cells stand side by side: as few, and so with as long bars, as @room lines allow. */
guint jkb_ctl_top_cells_per_line (const JkbValues *live, int room);
guint jkb_ctl_top_lines_of_cells (const JkbValues *live, guint per_line);

/* The alarms of those that are not @selected, at most @room lines from @line on. */
void jkb_ctl_top_draw_other_alarms (int line, int room, const GPtrArray *all,
                                    const JkbCtlBms *selected);

G_END_DECLS
