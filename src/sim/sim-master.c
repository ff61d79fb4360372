/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which slot comes next.
 */
#include "sim/sim-master.h"

#define LIVE 0x1620
#define SETTINGS 0x161E

void
sim_master_init (SimMaster *self, SimFirmware firmware)
{
  *self = (SimMaster) { .firmware = firmware };
}

SimSlot
sim_master_next (SimMaster *self, gboolean answered)
{
  gboolean settings_too = self->address == 0 || self->firmware == SIM_FIRMWARE_19 || answered;

  if (self->reg == LIVE && settings_too)
    self->reg = SETTINGS;
  else
    {
      if (self->reg != 0)
        self->address = self->address == SIM_LAST_SCANNED ? 0 : self->address + 1;
      self->reg = LIVE;
    }
  return (SimSlot) { self->address == 0, self->address, self->reg };
}

gint64
sim_master_slot_ns (const SimMaster *self)
{
  return self->firmware == SIM_FIRMWARE_19 ? 220000000 : 400000000;
}
