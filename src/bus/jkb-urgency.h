/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which frames the main loop must see at once: those of a BMS just appearing, and those in which an
 * alarm, a switch or a state changed. All others wait for the next tick, and settings that are the
 * same as before are no reason for one.
 */
#pragma once

#include "queue/jkb-inbox.h"

G_BEGIN_DECLS

#define JKB_URGENCY_STATE 12 /* bytes remembered per address and type */

typedef struct
{
  guint8 seen; /* frames, up to those a BMS is confirmed by */
  guint8 state[JKB_URGENCY_STATE];
  guint64 digest; /* settings and info: of the whole payload of the last one */
} JkbUrgencyEntry;

/* Zeroed: nothing seen yet. */
typedef struct
{
  JkbUrgencyEntry entries[JKB_N_ADDRESSES + 1][JKB_N_GROUPS]; /* unusual addresses share the last */
} JkbUrgency;

/* @frame: of a type that has a group */
JkbWake jkb_urgency_check (JkbUrgency *urgency, const JkbFrame *frame);

G_END_DECLS
