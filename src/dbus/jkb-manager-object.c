/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The object of the daemon itself, io.github.jkbmsd1.Manager. Main thread only.
 */
#include "dbus/jkb-objects.h"

#include "config.h"
#include "dbus/jkb-xml-skeleton.h"

static GVariant *
read_version (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_string (VERSION);
}

static GVariant *
read_text (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  const JkbDaemonConfig *config = &jkb_daemon_peek_config (daemon)->daemon;

  return g_variant_new_string (G_STRUCT_MEMBER (const char *, config, row->offset));
}

static GVariant *
read_clock_synchronized (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object)
{
  return g_variant_new_boolean (jkb_clock_is_synchronized (object));
}

static const JkbXmlProperty properties[] = {
  { "Version", read_version, 0 },
  { "LogLevel", read_text, offsetof (JkbDaemonConfig, log_level) },
  { "Language", read_text, offsetof (JkbDaemonConfig, language) },
  { "ClockSynchronized", read_clock_synchronized, 0 },
  { NULL, NULL, 0 },
};

static const JkbXmlInterface manager_interface = { JKB_DBUS_NAME ".Manager", properties, NULL };

JkbObject *
jkb_manager_object_new (JkbAuthPolicy policy, JkbDaemon *daemon, JkbClock *clock)
{
  JkbObject *self = jkb_object_new (JKB_DBUS_PATH);

  jkb_object_add (self,
                  jkb_xml_skeleton_new (&manager_interface, policy, daemon, G_OBJECT (clock)));
  return self;
}
