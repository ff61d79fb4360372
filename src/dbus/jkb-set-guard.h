/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Answers a Set that cannot be meant: an unknown or read-only property, a value of another type.
 * GDBus would do so itself, before any code of ours, with an error that is not ours and a sentence
 * that helps nobody.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * jkb_set_guard_add:
 * @infos: NULL-terminated; it and they live for ever and are not changed any more
 *
 * From now on, for the interfaces @infos on @connection.
 */
void jkb_set_guard_add (GDBusConnection *connection, GDBusInterfaceInfo *const *infos);

G_END_DECLS
