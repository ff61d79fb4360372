/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * When the reader thread sleeps and what wakes it: here is its wake-up budget. The thread waits in
 * one place, jkb_reader_wait().
 */
#include "bus/jkb-reader-private.h"

#include <poll.h>

#define BITS_PER_BYTE 10            /* 8N1 */
#define LOW_WATER_PATIENCE_US 30000 /* beyond what the line needs for the rest of a record */
#define LINE_SLACK_US 2000          /* more sleep on a serial port: adapters deliver in lumps */

gint64
jkb_reader_beat (JkbReader *self)
{
  gint64 now_us = g_get_monotonic_time ();

  atomic_store_explicit (&self->beat_us, now_us, memory_order_relaxed);
  return now_us;
}

short
jkb_reader_wait (JkbReader *self, int fd, gint64 until_us)
{
  struct pollfd fds[] = { { .fd = self->command_fd, .events = POLLIN },
                          { .fd = fd, .events = POLLIN },
                          { .fd = self->request_fd, .events = POLLIN } };
  gint64 left_us = CLAMP (until_us - g_get_monotonic_time (), 0, JKB_READER_IDLE_US);
  struct timespec timeout = { .tv_sec = left_us / G_USEC_PER_SEC,
                              .tv_nsec = left_us % G_USEC_PER_SEC * 1000 };

  if (ppoll (fds, G_N_ELEMENTS (fds), &timeout, NULL) <= 0)
    return 0;
  self->called = self->called || fds[0].revents != 0;
  self->asked = self->asked || fds[2].revents != 0;
  return fds[1].revents;
}

static gint64
line_time_us (JkbReader *self, gsize n_bytes)
{
  guint64 bits = (guint64) n_bytes * BITS_PER_BYTE;

  return (gint64) (bits * G_USEC_PER_SEC / MAX (self->config->baud, 1));
}

void
jkb_reader_note_bytes (JkbReader *self, gsize n_bytes, gint64 now_us)
{
  gboolean at_rest = jkb_stream_missing (self->stream) == 1;

  jkb_rhythm_note (&self->rhythm, n_bytes, at_rest,
                   self->foretold != 0 && n_bytes >= self->foretold, now_us);
  self->starved = n_bytes == 0;
  if (n_bytes == 0)
    return;
  self->hurried = line_time_us (self, n_bytes) > 2 * (now_us - self->read_us);
  self->read_us = now_us;
  atomic_store_explicit (&self->last_bytes_us, now_us, memory_order_relaxed);
}

/* One wake-up per record, not one per read: while a record is incomplete, TCP is asked to signal
 * only the whole of it, and a serial port, where input cannot be held back, is left alone for the
 * time that the line needs for the rest and a little more, so that on a busy bus the beginning of
 * the next record is there too. Neither when that did not work the last time: bytes that stopped
 * coming are waited for one by one, and a pty knows no speed. Nor on TCP while polling: unread
 * bytes are acknowledged 40 ms late, and a gateway with Nagle's algorithm waits for that. */
short
jkb_reader_wait_for_bytes (JkbReader *self, gint64 now_us, gint64 until_us)
{
  gsize missing = self->starved ? 1 : jkb_stream_missing (self->stream);
  int fd = self->klass->get_fd (self->transport);

  self->foretold = missing == 1 && jkb_talker_get_role (self->talker) == JKB_ROLE_LISTENING
                       ? jkb_rhythm_foretell (&self->rhythm)
                       : 0;
  missing = MAX (missing, self->foretold);

  if (self->klass->set_low_water != NULL)
    {
      if (jkb_talker_get_role (self->talker) == JKB_ROLE_POLLING)
        missing = 1;
      self->klass->set_low_water (self->transport, missing);
      if (missing > 1)
        until_us = MIN (until_us, now_us + line_time_us (self, missing) + LOW_WATER_PATIENCE_US);
    }
  else if (missing > 1 && !self->klass->recorded && !self->hurried)
    {
      until_us = MIN (until_us, now_us + line_time_us (self, missing) + LINE_SLACK_US);
      fd = -1;
    }
  return jkb_reader_wait (self, fd, until_us);
}
