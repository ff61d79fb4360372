/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a simulated BMS holds when it is switched on: settings, device info, constants.
 */
#pragma once

#include "sim/sim-bms.h"

G_BEGIN_DECLS

void sim_defaults_apply (SimRegisters *registers, SimFirmware firmware, guint n_cells,
                         gdouble capacity, guint8 address, GRand *rand);

/* One-key presets, registers 0x160A (Li-ion), 0x160C (LiFePO4), 0x160E (LTO); protocol §6.7. */
void sim_defaults_preset (SimRegisters *registers, guint16 reg);

G_END_DECLS
