/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * sd_notify(3) and sd_watchdog_enabled(3). Main thread only.
 */
#include "core/jkb-watchdog.h"

#include <systemd/sd-daemon.h>

#include "core/jkb-log.h"

struct _JkbWatchdog
{
  JkbAliveFunc alive;
  gpointer user_data;
  guint64 period_us;
  guint source;
  gboolean silent; /* the last answer was "not alive" */
};

static gboolean
on_period (gpointer user_data)
{
  jkb_watchdog_tick (user_data, g_get_monotonic_time ());
  return G_SOURCE_CONTINUE;
}

JkbWatchdog *
jkb_watchdog_new (JkbAliveFunc alive, gpointer user_data)
{
  JkbWatchdog *self = g_new0 (JkbWatchdog, 1);
  guint64 interval_us = 0;

  self->alive = alive;
  self->user_data = user_data;
  if (sd_watchdog_enabled (0, &interval_us) > 0)
    self->period_us = interval_us / 2;
  if (self->period_us > 0)
    self->source = g_timeout_add (MAX (self->period_us / 1000, 1), on_period, self);
  return self;
}

void
jkb_watchdog_free (JkbWatchdog *self)
{
  if (self == NULL)
    return;
  g_clear_handle_id (&self->source, g_source_remove);
  g_free (self);
}

guint64
jkb_watchdog_get_period (JkbWatchdog *self)
{
  return self->period_us;
}

gboolean
jkb_watchdog_tick (JkbWatchdog *self, gint64 monotonic_us)
{
  gboolean alive = self->alive (monotonic_us, self->user_data);

  if (alive)
    sd_notify (0, "WATCHDOG=1");
  else if (!self->silent)
    g_warning ("a thread no longer runs; systemd is left to restart the daemon");
  self->silent = !alive;
  return alive;
}

/* A line break would begin another assignment. */
static char *
make_line (const char *status)
{
  return g_strdelimit (g_strdup (status), "\r\n", ' ');
}

void
jkb_notify_ready (const char *status)
{
  g_autofree char *line = make_line (status != NULL ? status : "");

  sd_notifyf (0, "READY=1\nSTATUS=%s", line);
}

void
jkb_notify_reloading (gint64 monotonic_us)
{
  sd_notifyf (0, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, monotonic_us);
}

void
jkb_notify_stopping (void)
{
  sd_notify (0, "STOPPING=1\nSTATUS=stopping");
}

void
jkb_notify_status (const char *status)
{
  g_autofree char *line = make_line (status);

  sd_notifyf (0, "STATUS=%s", line);
}
