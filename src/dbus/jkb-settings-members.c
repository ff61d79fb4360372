/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Descriptions for introspection. Constant; GDBus counts no references of what begins with -1.
 */
#include "dbus/jkb-settings-members.h"

#define DOC(text)                                                                                  \
  (GDBusAnnotationInfo *[])                                                                        \
  {                                                                                                \
    &(GDBusAnnotationInfo){ -1, (char *) "org.gtk.GDBus.DocString", (char *) text, NULL }, NULL    \
  }
#define ARG(name, type, text) &(GDBusArgInfo){ -1, (char *) name, (char *) type, DOC (text) }
#define ARGS(...) (GDBusArgInfo *[]){ __VA_ARGS__, NULL }
#define NO_ARGS (GDBusArgInfo *[]){ NULL }
#define METHOD(name, in, out, text) &(GDBusMethodInfo){ -1, (char *) name, in, out, DOC (text) }

#define VALUES "Keys such as balancer, and values of the type of the property."

/* clang-format off */
GDBusMethodInfo *const jkb_settings_methods[] = {
  METHOD ("Apply",
          ARGS (ARG ("values", "a{sv}", VALUES)),
          ARGS (ARG ("result", "a{sv}", "The same keys with the values that were read back.")),
          "Writes several settings, in an order that is safe at every step: all of them, or what was "
          "written is put back. Answered when they were read back; allow 5 s and 3 s per key. Goes "
          "on when the caller leaves. Needs io.github.jkbmsd1.write-settings, or "
          "io.github.jkbmsd1.write-protection with a setting of class C."),
  METHOD ("Validate",
          ARGS (ARG ("values", "a{sv}", VALUES)),
          ARGS (ARG ("problems", "a(sss)",
                     "Key (empty: whatever the keys are), name of the error, sentence; none: it may "
                     "be tried.")),
          "Says everything that stands in the way of writing these settings, as far as can be known "
          "without sending anything."),
  METHOD ("Snapshots", NO_ARGS,
          ARGS (ARG ("snapshots", "a(st)",
                     "Name, and when it was taken in seconds since 1970-01-01 UTC; newest last.")),
          "The settings are kept before each write, the newest 20 times: lists them."),
  METHOD ("Restore",
          ARGS (ARG ("name", "s", "Name of a snapshot.")),
          NO_ARGS,
          "Brings back the settings of a snapshot, like Apply with all that is other than now."),
  NULL
};

GDBusSignalInfo *const jkb_settings_signals[] = {
  &(GDBusSignalInfo){ -1, (char *) "WriteProgress",
                      ARGS (ARG ("done", "u", "Settings that are written, or need not be."),
                            ARG ("total", "u", "Settings of the call.")),
                      DOC ("A write, whoever asked for it, has got on.") },
  NULL
};
