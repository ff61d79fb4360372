/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Whether the wall clock can be trusted. Main thread only.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * jkb_clock_is_synchronized:
 * Asks the kernel, whoever it is that keeps its clock (timesyncd, chrony, ntpd, a PTP client). A
 * sandbox may keep that answer back (ProtectClock= filters even the question): then the mark of
 * systemd-timesyncd decides.
 */
gboolean jkb_clock_is_synchronized (void);

G_END_DECLS
