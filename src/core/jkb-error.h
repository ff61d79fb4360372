/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The one error domain, and its names on D-Bus (io.github.jkbmsd1.Error.*).
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  JKB_ERROR_INVALID_ARGUMENT,
  JKB_ERROR_NOT_FOUND,
  JKB_ERROR_EXISTS,
  JKB_ERROR_NOT_AUTHORIZED,
  JKB_ERROR_READ_ONLY,
  JKB_ERROR_OUT_OF_RANGE,
  JKB_ERROR_INTERLOCK,
  JKB_ERROR_BUSY,
  JKB_ERROR_TIMEOUT,
  JKB_ERROR_VERIFY_FAILED,
  JKB_ERROR_OFFLINE,
  JKB_ERROR_IO,
  JKB_N_ERRORS
} JkbError;

#define JKB_ERROR (jkb_error_quark ())

/* Registers the D-Bus names with the first call: main() makes it before any reply. */
GQuark jkb_error_quark (void);

/* "io.github.jkbmsd1.Error.OutOfRange" */
const char *jkb_error_dbus_name (JkbError code);

G_END_DECLS
