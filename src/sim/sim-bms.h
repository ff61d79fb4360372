/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One simulated battery with its BMS: charges and discharges, its cells drift and are balanced, its
 * temperatures follow the current, its counters grow. All numbers in its frames fit each other
 * (protocol §5.5). Time comes in as an argument: nanoseconds of bus time.
 */
#pragma once

#include "sim/sim-record.h"
#include "sim/sim-registers.h"

G_BEGIN_DECLS

#define SIM_CELL_SLOTS 32

typedef enum
{
  SIM_FIRMWARE_14, /* 14.20 */
  SIM_FIRMWARE_15, /* 15.41 */
  SIM_FIRMWARE_19  /* 19.31 */
} SimFirmware;

typedef struct _SimBms SimBms;

/* @time_lapse: how much faster than the clock the battery charges and discharges. */
SimBms *sim_bms_new (guint8 address, guint n_cells, SimFirmware firmware, guint32 seed,
                     gdouble time_lapse);
void sim_bms_free (SimBms *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimBms, sim_bms_free)

guint8 sim_bms_address (const SimBms *self);
void sim_bms_set_address (SimBms *self, guint8 address);
gboolean sim_bms_is_online (const SimBms *self);
void sim_bms_set_online (SimBms *self, gboolean online);
SimRegisters *sim_bms_registers (SimBms *self);

/* Brings live data to @now_ns. */
void sim_bms_advance (SimBms *self, gint64 now_ns);

/* The frame of @type (1, 2, 3) as it is now. @broadcast: sent by the master of its own accord. */
void sim_bms_frame (SimBms *self, guint8 type, gboolean broadcast, gint64 now_ns,
                    SimRecord *record);

/* Alarm bit @bit is on whatever the battery does, or no longer. */
void sim_bms_force_alarm (SimBms *self, guint bit, gboolean on);

/**
 * sim_bms_set:
 * @name: "soc" (percent, the battery goes on from there) or a register's name with its raw value,
 *   which then stays whatever the battery does
 *
 * Returns: %FALSE when there is no such name or the value is out of range
 */
gboolean sim_bms_set (SimBms *self, const char *name, gint64 raw);
gboolean sim_bms_set_text (SimBms *self, const char *name, const char *text);

/* The registers behind 0x1600: presets, clock. %FALSE: there is no such register. */
gboolean sim_bms_control (SimBms *self, guint16 reg, guint32 value);

/* Deaf until @until_ns: the flash is being written. */
void sim_bms_set_deaf (SimBms *self, gint64 until_ns);
gboolean sim_bms_is_deaf (const SimBms *self, gint64 now_ns);

G_END_DECLS
