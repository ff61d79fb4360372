/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a receiver missed, as stretches of time: those in which it did not hear, less those that it
 * confirmed afterwards. A plain list; bounded. Pure functions: any thread.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_OUTAGES_MAX 64
#define JKB_OUTAGE_OPEN G_MAXINT64 /* it goes on */

/* Both ends are included. Times are stamps once .dated, before that the monotonic clock. */
typedef struct
{
  gint64 begin_us;
  gint64 end_us;
  gboolean dated;
  gint64 last_us; /* the youngest sample that was missed so far; while it goes on */
} JkbOutage;

GArray *jkb_outages_new (void); /* (element-type JkbOutage) */

/* One that goes on already becomes longer at most. */
void jkb_outages_begin (GArray *outages, gint64 at_us, gboolean dated);

/* A sample of @at_us is being missed, if an outage goes on: it belongs to it, even if the wall clock
 * was set back or forward meanwhile. */
void jkb_outages_miss (GArray *outages, gint64 at_us, gboolean dated);

/* Nothing without one that goes on. One that is not dated as this is ends with its last sample. */
void jkb_outages_end (GArray *outages, gint64 at_us, gboolean dated);

/* Takes the stretch out of the dated ones. */
void jkb_outages_confirm (GArray *outages, gint64 from_us, gint64 to_us);

/* The clock is set: what was not dated is, by adding @shift_us to the monotonic time. */
void jkb_outages_date (GArray *outages, gint64 shift_us);

/* Those that nobody can date any more go. */
void jkb_outages_drop_undated (GArray *outages);

/* What is over and dated, younger than @after_us; sorted and without overlaps. */
GArray *jkb_outages_missed (const GArray *outages, gint64 after_us);

G_END_DECLS
