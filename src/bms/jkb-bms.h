/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One BMS: what it last said, whether it still speaks, which alarms it has. Main thread only.
 */
#pragma once

#include <glib-object.h>

#include "wire/jkb-frame.h"
#include "wire/jkb-values.h"

G_BEGIN_DECLS

#define JKB_TYPE_BMS (jkb_bms_get_type ())
G_DECLARE_FINAL_TYPE (JkbBms, jkb_bms, JKB, BMS, GObject)

/* What changed since the last "bms-changed" of the registry. */
typedef enum
{
  JKB_CHANGED_LIVE = 1 << 0,     /* a new live frame (LastSeen moved), values may be the same */
  JKB_CHANGED_SETTINGS = 1 << 1, /* a settings value is other than before */
  JKB_CHANGED_INFO = 1 << 2,     /* an info value is other than before */
  JKB_CHANGED_ONLINE = 1 << 3,
  JKB_CHANGED_IDENTITY = 1 << 4, /* name, model, serial number, versions */
  JKB_CHANGED_LAYOUT = 1 << 5,   /* a field or cell was known for the first time: discovery grows */
  JKB_CHANGED_URGENT = 1 << 6    /* alarms or MOSFET states moved: publish at once */
} JkbBmsChange;

const char *jkb_bms_get_id (JkbBms *self);       /* "garage_1" */
const char *jkb_bms_get_bus_name (JkbBms *self); /* "garage" */
guint jkb_bms_get_address (JkbBms *self);
const char *jkb_bms_get_name (JkbBms *self); /* [bms ID] name=, else the id */
gboolean jkb_bms_get_online (JkbBms *self);
gint64 jkb_bms_get_last_seen (JkbBms *self); /* realtime µs of its last frame, 0: never */
const char *jkb_bms_get_model (JkbBms *self);         /* "" until told */
const char *jkb_bms_get_serial_number (JkbBms *self); /* "" until told */
const char *jkb_bms_get_hardware_version (JkbBms *self); /* "" until told */
const char *jkb_bms_get_software_version (JkbBms *self); /* "" until told */

/* Returns: (nullable): the values of a group, unknown ones included; NULL until its first frame. */
const JkbValues *jkb_bms_peek_values (JkbBms *self, JkbGroup group);

/* Realtime / monotonic µs of the frame that the values of @group are from, 0 before the first. */
gint64 jkb_bms_get_realtime (JkbBms *self, JkbGroup group);
gint64 jkb_bms_get_monotonic (JkbBms *self, JkbGroup group);

/* Returns: (nullable): the newest settings frame, 300 bytes: writes need the bytes around a value. */
const guint8 *jkb_bms_peek_settings_frame (JkbBms *self);

/* Whether that field was ever known, kept over restarts: what discovery offers. */
gboolean jkb_bms_has_field (JkbBms *self, JkbFieldId id);

/* Cells ever seen (highest cell number), kept over restarts; 0 until a live frame. */
guint jkb_bms_get_n_cells (JkbBms *self);

/* Alarm bits of the last live frame; 0 before. */
guint32 jkb_bms_get_alarms (JkbBms *self);

/* Median seconds between live frames of this address, 0 while unknown (protocol §4.2.6). */
double jkb_bms_get_cycle (JkbBms *self);

/* Values turned into unknown, and live frames refused, because they could not be true. */
guint64 jkb_bms_get_implausible_values (JkbBms *self);
guint64 jkb_bms_get_implausible_frames (JkbBms *self);

G_END_DECLS
