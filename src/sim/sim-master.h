/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The cycle of a BMS master (protocol §1.3, §1.4): its own live and settings frames, then every
 * address from 1 to 15. 14.x and 15.x ask for settings only whom they heard, every 0.40 s; 19.x asks
 * everybody for both, every 0.22 s.
 */
#pragma once

#include "sim/sim-bms.h"

G_BEGIN_DECLS

#define SIM_LAST_SCANNED 15

typedef struct
{
  SimFirmware firmware;
  guint8 address; /* 0: the master's own turn */
  guint16 reg;    /* of the last slot; 0: nothing sent yet */
} SimMaster;

/* One slot. */
typedef struct
{
  gboolean broadcast; /* the master's own frame, unasked */
  guint8 address;
  guint16 reg; /* 0x1620 or 0x161E */
} SimSlot;

void sim_master_init (SimMaster *self, SimFirmware firmware);

/* @answered: whether the slave of the slot before was heard. */
SimSlot sim_master_next (SimMaster *self, gboolean answered);

gint64 sim_master_slot_ns (const SimMaster *self);

G_END_DECLS
