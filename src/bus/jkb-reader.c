/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The border between the main thread and the reader thread: orders go in (stop, reconnect, another
 * configuration, a capture), counters come out. Its two halves stand below each other.
 */
#include "bus/jkb-reader-private.h"

#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue/jkb-wake.h"

/* Stands for the order to end the capture. */
static char no_capture;
#define NO_CAPTURE ((JkbCapture *) &no_capture)

/* ---- reader thread ---- */

gboolean
jkb_reader_has_command (JkbReader *self)
{
  return atomic_load_explicit (&self->stop, memory_order_acquire)
         || atomic_load_explicit (&self->reconnect, memory_order_acquire);
}

/* Clear first, look second: a command given in between is either seen or makes the fd readable. */
gboolean
jkb_reader_take_stop (JkbReader *self)
{
  eventfd_t count;

  eventfd_read (self->command_fd, &count);
  if (atomic_exchange_explicit (&self->reconnect, FALSE, memory_order_acq_rel))
    memset (&self->backoff, 0, sizeof self->backoff);
  return atomic_load_explicit (&self->stop, memory_order_acquire);
}

/* @capture: (transfer full). */
static void
adopt_capture (JkbReader *self, JkbCapture *capture)
{
  if (self->capture != NULL)
    {
      jkb_capture_finish (self->capture);
      jkb_capture_unref (self->capture);
    }
  self->capture = capture != NO_CAPTURE ? capture : NULL;
}

/* @config: (transfer full): its URI is good. What an open port can take over, it does. Returns:
 * whether the bus is at another port now; it is closed then. */
static gboolean
adopt_config (JkbReader *self, JkbBusConfig *config)
{
  g_autoptr (JkbBusConfig) before = g_steal_pointer (&self->config);
  gint64 now_us = g_get_monotonic_time ();
  gboolean moved = !g_str_equal (before->uri, config->uri) || before->baud != config->baud;

  if (moved)
    {
      jkb_reader_close_port (self);
      jkb_reader_end_stream (self);
      memset (&self->backoff, 0, sizeof self->backoff);
      self->opened = FALSE;
    }
  self->config = config;
  self->klass = jkb_transport_find (config->uri, &self->rest, NULL);
  jkb_talker_configure (self->talker, config, self->klass, now_us);
  if (self->transport != NULL)
    jkb_reader_start_watch (self, now_us);
  return moved;
}

/* Clear first, look second. A command that came with the orders, or just now, is not taken here:
 * the fd stays readable for it, or the next wait would sleep over it. */
static void
clear_call (JkbReader *self)
{
  eventfd_t count;

  if (!self->called)
    return;
  self->called = FALSE;
  eventfd_read (self->command_fd, &count);
  if (jkb_reader_has_command (self))
    eventfd_write (self->command_fd, 1);
}

/* Returns: whether the bus is at another port now. */
gboolean
jkb_reader_take_orders (JkbReader *self)
{
  JkbBusConfig *config;
  JkbCapture *capture;

  clear_call (self);
  if (atomic_load_explicit (&self->next_capture, memory_order_relaxed) != NULL)
    {
      capture = atomic_exchange_explicit (&self->next_capture, NULL, memory_order_acq_rel);
      adopt_capture (self, capture);
    }
  if (atomic_load_explicit (&self->next_config, memory_order_relaxed) == NULL)
    return FALSE;
  config = atomic_exchange_explicit (&self->next_config, NULL, memory_order_acq_rel);
  return adopt_config (self, config);
}

/* ---- main thread ---- */

JkbReader *
jkb_reader_new (const JkbBusConfig *config, JkbInbox *inbox)
{
  g_autofree JkbReader *self = g_new0 (JkbReader, 1);

  if (!jkb_wake_open_pair (&self->command_fd, &self->request_fd))
    return NULL;
  self->name = g_strdup (config->name);
  self->config = jkb_bus_config_copy (config);
  self->klass = jkb_transport_find (self->config->uri, &self->rest, NULL);
  self->inbox = inbox;
  self->talker = jkb_talker_new (self->config, self->klass, inbox);
  self->hotplug_fd = -1;
  jkb_link_init (&self->link, self->name, inbox);
  return g_steal_pointer (&self);
}

void
jkb_reader_free (JkbReader *self)
{
  if (self == NULL)
    return;
  jkb_reader_stop (self);
  jkb_reader_take_orders (self);
  adopt_capture (self, NO_CAPTURE);
  g_clear_pointer (&self->stream, jkb_stream_free);
  jkb_talker_free (self->talker);
  jkb_bus_config_free (self->config);
  g_free (self->name);
  jkb_link_clear (&self->link);
  close (self->request_fd);
  close (self->command_fd);
  g_free (self);
}

void
jkb_reader_start (JkbReader *self)
{
  if (self->thread != NULL)
    return;
  atomic_store_explicit (&self->stop, FALSE, memory_order_release);
  jkb_reader_beat (self);
  self->thread = g_thread_new (self->config->name, jkb_reader_thread, self);
}

static void
command (JkbReader *self, _Atomic gboolean *flag)
{
  atomic_store_explicit (flag, TRUE, memory_order_release);
  eventfd_write (self->command_fd, 1);
}

void
jkb_reader_begin_stop (JkbReader *self)
{
  if (self->thread != NULL)
    command (self, &self->stop);
}

void
jkb_reader_stop (JkbReader *self)
{
  if (self->thread == NULL)
    return;
  jkb_reader_begin_stop (self);
  g_thread_join (self->thread);
  self->thread = NULL;
}

void
jkb_reader_reconnect (JkbReader *self)
{
  if (self->thread != NULL)
    command (self, &self->reconnect);
}

static void
call (JkbReader *self)
{
  if (self->thread != NULL)
    eventfd_write (self->command_fd, 1);
  else
    jkb_reader_take_orders (self);
}

void
jkb_reader_configure (JkbReader *self, const JkbBusConfig *config)
{
  JkbBusConfig *next = jkb_bus_config_copy (config);

  jkb_bus_config_free (
      atomic_exchange_explicit (&self->next_config, next, memory_order_acq_rel));
  call (self);
}

void
jkb_reader_set_capture (JkbReader *self, JkbCapture *capture)
{
  JkbCapture *next = capture != NULL ? jkb_capture_ref (capture) : NO_CAPTURE;
  JkbCapture *unseen = atomic_exchange_explicit (&self->next_capture, next, memory_order_acq_rel);

  if (unseen != NULL && unseen != NO_CAPTURE)
    {
      jkb_capture_finish (unseen);
      jkb_capture_unref (unseen);
    }
  call (self);
}

JkbTalker *
jkb_reader_get_talker (JkbReader *self)
{
  return self->talker;
}

void
jkb_reader_wake_talker (JkbReader *self)
{
  eventfd_write (self->request_fd, 1);
}

void
jkb_reader_get_report (JkbReader *self, JkbReaderReport *report)
{
  *report = (JkbReaderReport){
    .last_bytes_us = atomic_load_explicit (&self->last_bytes_us, memory_order_relaxed),
    .last_frame_us = atomic_load_explicit (&self->last_frame_us, memory_order_relaxed),
  };
  jkb_tally_report (&self->tally, &report->counters);
}

gint64
jkb_reader_get_beat (JkbReader *self)
{
  return atomic_load_explicit (&self->beat_us, memory_order_relaxed);
}
