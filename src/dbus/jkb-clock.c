/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * State of the wall clock. Main thread only.
 */
#include "dbus/jkb-clock.h"

#include <sys/timex.h>
#include <unistd.h>

#define TIMESYNCD_MARK "/run/systemd/timesync/synchronized"

gboolean
jkb_clock_is_synchronized (void)
{
  struct timex state = { .modes = 0 }; /* only asks */

  if (adjtimex (&state) != -1 && (state.status & STA_UNSYNC) == 0)
    return TRUE;
  return access (TIMESYNCD_MARK, F_OK) == 0;
}
