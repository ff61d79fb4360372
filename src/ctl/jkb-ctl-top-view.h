/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The screen of jkbmsctl top: what is where, drawn with curses. curses sends only what changed, so
 * that a refresh costs as many bytes as there is news.
 */
#pragma once

#include "ctl/jkb-ctl-model.h"
#include "ctl/jkb-ctl.h"

G_BEGIN_DECLS

typedef struct
{
  gboolean up;    /* the daemon is there */
  char *selected; /* id of the BMS whose cells are shown; NULL: the first */
  guint first;    /* first line of the list that is visible */
} JkbCtlTopView;

/* Takes the terminal over; colours only when @ctl has them. Returns: %FALSE without a terminal that
 * can do it */
gboolean jkb_ctl_top_view_open (const JkbCtl *ctl);
void jkb_ctl_top_view_close (void);

void jkb_ctl_top_view_draw (JkbCtlTopView *view, JkbCtlModel *model, gint64 now_us);

/* Selects the BMS @steps further down. */
void jkb_ctl_top_view_move (JkbCtlTopView *view, JkbCtlModel *model, int steps);

G_END_DECLS
