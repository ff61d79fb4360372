/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The methods and the signal of io.github.jkbmsd1.Settings, which the field table does not know.
 * Constant.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

extern GDBusMethodInfo *const jkb_settings_methods[];
extern GDBusSignalInfo *const jkb_settings_signals[];

G_END_DECLS
