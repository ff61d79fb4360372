/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The life of a reader thread: it opens the port for ever, serves it, and waits for the next
 * attempt when it is lost.
 */
#include "bus/jkb-reader-private.h"

#include <gio/gio.h>
#include <unistd.h>

#include "bus/jkb-hotplug.h"
#include "core/jkb-log.h"

#define SETTLE_US 100000               /* udev needs a moment between node, group and link */
#define FIRST_LOOK_US (G_USEC_PER_SEC) /* after the loss of a port that can be plugged in again */

static void
end_hotplug (JkbReader *self)
{
  if (self->hotplug_fd >= 0)
    close (self->hotplug_fd);
  self->hotplug_fd = -1;
}

/* Begins before the attempt: what changes while it fails is not missed. */
static void
begin_hotplug (JkbReader *self)
{
  g_auto(GStrv) directories = NULL;

  end_hotplug (self);
  if (self->klass->watch_directories == NULL)
    return;
  directories = self->klass->watch_directories (self->rest);
  self->hotplug_fd = jkb_hotplug_open (directories);
}

/* @keep_error: the port was open a moment ago and what was wrong with it may still be. */
static gboolean
open_port (JkbReader *self, gboolean keep_error)
{
  g_autoptr(GError) error = NULL;

  begin_hotplug (self);
  self->transport = self->klass->open (self->rest, self->config, self->command_fd, &error);
  if (self->transport == NULL)
    {
      if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        return FALSE;
      jkb_link_fault (&self->link, error->message);
      jkb_reader_push_status (self, JKB_LINK_DOWN, error->message);
      return FALSE;
    }
  end_hotplug (self);
  if (self->opened)
    jkb_tally_add_reconnect (&self->tally);
  else
    jkb_log (G_LOG_LEVEL_INFO, self->config->name, NULL, "opened %s", self->config->uri);
  self->opened = TRUE;
  jkb_reader_start_stream (self);
  jkb_talker_port_opened (self->talker, !keep_error, g_get_monotonic_time ());
  jkb_reader_push_status (self, JKB_LINK_UP, keep_error ? self->link.status.error : "");
  return TRUE;
}

/* Waits for the next attempt: until @until_us, a command, another port, or a change of the port's
 * directory. */
static void
wait_for_retry (JkbReader *self, gint64 until_us)
{
  while (!jkb_reader_has_command (self))
    {
      gint64 now_us = jkb_reader_beat (self), talk_us;

      if (jkb_reader_take_orders (self) || now_us >= until_us)
        return;
      jkb_reader_talk (self, now_us, &talk_us);
      if (jkb_reader_wait (self, self->hotplug_fd, until_us) != 0)
        {
          jkb_hotplug_clear (self->hotplug_fd);
          jkb_reader_wait (self, -1, now_us + SETTLE_US);
          return;
        }
    }
}

/* A good port that is lost may be back before its directory is watched: the first look is soon. */
static void
wait_after_loss (JkbReader *self)
{
  gboolean was_good = self->backoff.good_since_us != 0;
  gint64 delay_us = jkb_backoff_fail (&self->backoff, self->config->reconnect_min,
                                      self->config->reconnect_max, g_random_double ());

  if (self->hotplug_fd < 0)
    begin_hotplug (self);
  if (was_good && self->hotplug_fd >= 0)
    delay_us = MIN (delay_us, FIRST_LOOK_US);
  wait_for_retry (self, g_get_monotonic_time () + delay_us);
}

static void
wait_after (JkbReader *self, JkbReaderEnd end)
{
  if (end == JKB_READER_FINISHED)
    wait_for_retry (self, G_MAXINT64);
  else if (end == JKB_READER_LOST)
    wait_after_loss (self);
}

/* Nobody will look at requests any more: those that came are answered. */
static void
finish_requests (JkbReader *self)
{
  gint64 now_us = g_get_monotonic_time (), until_us;

  jkb_talker_port_lost (self->talker, now_us);
  jkb_reader_talk (self, now_us, &until_us);
}

gpointer
jkb_reader_thread (gpointer data)
{
  JkbReader *self = data;
  JkbReaderEnd end = JKB_READER_COMMAND;

  while (!jkb_reader_take_stop (self))
    {
      jkb_reader_beat (self);
      jkb_reader_take_orders (self);
      if (end == JKB_READER_COMMAND)
        jkb_reader_push_status (self, JKB_LINK_CONNECTING, "");
      if (open_port (self, end == JKB_READER_REOPEN))
        {
          end = jkb_reader_serve_port (self);
          jkb_reader_close_port (self);
        }
      else
        end = JKB_READER_LOST;
      if (end != JKB_READER_REOPEN)
        jkb_talker_port_lost (self->talker, g_get_monotonic_time ());
      if (!jkb_reader_has_command (self))
        wait_after (self, end);
    }
  finish_requests (self);
  end_hotplug (self);
  jkb_reader_push_status (self, JKB_LINK_DOWN, "");
  return NULL;
}
