/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What only the registry may do to a BMS. Main thread only.
 */
#pragma once

#include "bms/jkb-bms.h"

G_BEGIN_DECLS

JkbBms *jkb_bms_new (const char *bus_name, guint address);

/* "garage", 1 -> "garage_1" */
char *jkb_bms_make_id (const char *bus_name, guint address);

/* Takes over what a frame says. Sets change flags; the caller emits them. Returns: whether the frame
 * was believed. */
gboolean jkb_bms_take_frame (JkbBms *self, const JkbFrame *frame);

/* Alarm edges since the last call, in order. */
typedef struct
{
  guint8 bit;
  gboolean raised;
  gint64 realtime_us;
} JkbAlarmEdge;
GArray *jkb_bms_steal_alarm_edges (JkbBms *self); /* (nullable) (transfer full) */

guint jkb_bms_steal_changes (JkbBms *self); /* JkbBmsChange flags */

/* Returns: whether that is news. */
gboolean jkb_bms_set_name (JkbBms *self, const char *name);
gboolean jkb_bms_set_online (JkbBms *self, gboolean online);

/* The moment at which it is to be called offline unless heard before. */
gint64 jkb_bms_get_deadline (JkbBms *self, double offline_after);

/* What is kept over restarts: identity, cells, fields ever seen. */
void jkb_bms_save (JkbBms *self, GKeyFile *file);
void jkb_bms_restore (JkbBms *self, GKeyFile *file);

G_END_DECLS
