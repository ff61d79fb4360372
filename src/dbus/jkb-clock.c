/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * State of the wall clock. Main thread only.
 */
#include "dbus/jkb-clock.h"

#include "core/jkb-stamp.h"

#define PAUSE_MIN_US (30 * G_USEC_PER_SEC)
#define PAUSE_MAX_US (600 * G_USEC_PER_SEC)

struct _JkbClock
{
  GObject parent_instance;
  gboolean (*look) (void);
  gboolean told; /* timedated said yes: it stays so, clocks do not become wrong by themselves */
  gint64 pause_us;
  gint64 next_us; /* no question before */
};

G_DEFINE_TYPE (JkbClock, jkb_clock, G_TYPE_OBJECT)

static gboolean
look_at_kernel_and_mark (void)
{
  return jkb_stamp_is_synchronized (G_MAXINT64);
}

gboolean
jkb_clock_is_synchronized (JkbClock *self)
{
  return self->told || self->look ();
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (JkbClock) self = user_data;
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  if (reply == NULL)
    return; /* no timedated, no answer */
  g_variant_get (reply, "(v)", &value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    self->told = g_variant_get_boolean (value);
}

void
jkb_clock_ask (JkbClock *self, GDBusConnection *connection, gint64 monotonic_us)
{
  if (monotonic_us < self->next_us || jkb_clock_is_synchronized (self))
    return;
  self->next_us = monotonic_us + self->pause_us;
  self->pause_us = MIN (2 * self->pause_us, PAUSE_MAX_US);
  g_dbus_connection_call (connection, "org.freedesktop.timedate1", "/org/freedesktop/timedate1",
                          "org.freedesktop.DBus.Properties", "Get",
                          g_variant_new ("(ss)", "org.freedesktop.timedate1", "NTPSynchronized"),
                          G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_answer,
                          g_object_ref (self));
}

static void
jkb_clock_class_init (JkbClockClass *klass)
{
}

static void
jkb_clock_init (JkbClock *self)
{
  self->look = look_at_kernel_and_mark;
  self->pause_us = PAUSE_MIN_US;
}

JkbClock *
jkb_clock_new (gboolean (*look) (void))
{
  JkbClock *self = g_object_new (JKB_TYPE_CLOCK, NULL);

  if (look != NULL)
    self->look = look;
  return self;
}
