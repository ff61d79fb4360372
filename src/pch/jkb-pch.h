/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What nearly every file includes, compiled once per library: more than half of the time of a build
 * went into reading these. Each file still includes what it needs; scripts/analyse.sh builds without
 * this one (-Db_pch=false) and finds what does not.
 */
#include <gio/gio.h>
#include <glib-unix.h>
#include <string.h>
