/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * io.github.jkbmsd1.Settings of one BMS: its properties written, and its methods. Main thread only.
 */
#pragma once

#include "daemon/jkb-daemon.h"
#include "dbus/jkb-auth.h"
#include "dbus/jkb-table-skeleton.h"

G_BEGIN_DECLS

/* @skeleton: of JKB_GROUP_SETTINGS; serves its calls from now on. @daemon outlives it. */
void jkb_settings_interface_serve (JkbSkeleton *skeleton, JkbAuthPolicy policy, JkbDaemon *daemon,
                                   JkbBms *bms);

G_END_DECLS
