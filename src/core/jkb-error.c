/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The error domain. Any thread.
 */
#include "core/jkb-error.h"

#include <gio/gio.h>

#define PREFIX "io.github.jkbmsd1.Error."

static const GDBusErrorEntry entries[] = {
  { JKB_ERROR_INVALID_ARGUMENT, PREFIX "InvalidArgument" },
  { JKB_ERROR_NOT_FOUND, PREFIX "NotFound" },
  { JKB_ERROR_EXISTS, PREFIX "Exists" },
  { JKB_ERROR_NOT_AUTHORIZED, PREFIX "NotAuthorized" },
  { JKB_ERROR_READ_ONLY, PREFIX "ReadOnly" },
  { JKB_ERROR_OUT_OF_RANGE, PREFIX "OutOfRange" },
  { JKB_ERROR_INTERLOCK, PREFIX "Interlock" },
  { JKB_ERROR_BUSY, PREFIX "Busy" },
  { JKB_ERROR_TIMEOUT, PREFIX "Timeout" },
  { JKB_ERROR_VERIFY_FAILED, PREFIX "VerifyFailed" },
  { JKB_ERROR_OFFLINE, PREFIX "Offline" },
  { JKB_ERROR_IO, PREFIX "Io" },
};
G_STATIC_ASSERT (G_N_ELEMENTS (entries) == JKB_N_ERRORS);

GQuark
jkb_error_quark (void)
{
  static gsize quark = 0;

  g_dbus_error_register_error_domain ("jkb-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

const char *
jkb_error_dbus_name (JkbError code)
{
  return code < JKB_N_ERRORS ? entries[code].dbus_error_name : NULL;
}
