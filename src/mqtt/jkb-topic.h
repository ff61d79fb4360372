/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Names of topics and the text of payloads. Pure functions but for jkb_payload_bridge(), which asks
 * the buses: main thread.
 */
#pragma once

#include "core/jkb-stamp.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

/* The topics of one BMS. */
typedef struct
{
  char *availability;
  char *state;
  char *cells;
  char *settings;
  char *info;
  char *energy;
  char *alarm;
} JkbBmsTopics;

void jkb_bms_topics_init (JkbBmsTopics *topics, const char *prefix, const char *id);
void jkb_bms_topics_clear (JkbBmsTopics *topics);

/* "PREFIX/garage_1/history" */
char *jkb_topic_history (const char *prefix, const char *id);

/* "PREFIX/bridge/availability" */
char *jkb_topic_bridge (const char *prefix, const char *leaf);

/* RFC 3339 in UTC with milliseconds, in quotes; null for 0. */
void jkb_payload_append_stamp (GString *out, gint64 stamp_us);

/* All live keys but the cell arrays, timestamp, age. These replace what is in @out. */
void jkb_payload_state (GString *out, const JkbValues *live, gint64 stamp_us, gint64 age_us);
void jkb_payload_cells (GString *out, const JkbValues *live, gint64 stamp_us);

/* A past state: all live keys with the cell arrays, and timestamp. */
void jkb_payload_history (GString *out, const JkbValues *live, gint64 stamp_us);

/* All keys of settings or info but the serial number, which is for D-Bus and the device block. */
void jkb_payload_group (GString *out, const JkbValues *values);

void jkb_payload_alarm (GString *out, guint bit, gboolean raised, gint64 stamp_us);

/* @buses: (element-type JkbBus); @history_waiting: samples that wait to be sent */
void jkb_payload_bridge (GString *out, GPtrArray *buses, guint64 history_waiting,
                         gint64 monotonic_us);

G_END_DECLS
