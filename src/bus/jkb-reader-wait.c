/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * When the reader thread sleeps and what wakes it: here is its wake-up budget. The thread waits in
 * one place, jkb_reader_wait().
 */
#include "bus/jkb-reader-private.h"

#include <poll.h>

#define BITS_PER_BYTE 10            /* 8N1 */
#define LOW_WATER_LINE_US 100000    /* for what the line needs; a gateway's is not known for sure */
#define LOW_WATER_PATIENCE_US 30000 /* beyond that */
#define PAUSE_US 5000               /* longer than a master takes between two records without one */
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
  gint64 line_us = line_time_us (self, n_bytes), elapsed_us = now_us - self->read_us;

  self->starved = FALSE;
  self->hurried = line_us > 2 * elapsed_us;
  if (elapsed_us > line_us + PAUSE_US)
    jkb_rhythm_note_pause (&self->rhythm);
  self->read_us = now_us;
  atomic_store_explicit (&self->last_bytes_us, now_us, memory_order_relaxed);
}

/* A wait that ended early, for another reason, says nothing of the line. */
void
jkb_reader_note_silence (JkbReader *self, gint64 now_us)
{
  if (now_us < self->patience_us)
    return;
  self->starved = TRUE;
  jkb_rhythm_note_pause (&self->rhythm);
}

/* How many bytes are worth waking up for: the rest of the record that has begun, or of all that
 * comes before the next live frame is complete. Bytes that stopped coming are waited for one by
 * one. */
static gsize
missing_bytes (JkbReader *self)
{
  gsize missing = self->starved ? 1 : jkb_stream_missing (self->stream);

  if (self->starved || jkb_talker_get_role (self->talker) != JKB_ROLE_LISTENING)
    return missing;
  return MAX (missing, jkb_rhythm_foretell (&self->rhythm,
                                            jkb_stream_counters (self->stream)->bytes));
}

/* One wake-up per live frame, not one per read: until then TCP is asked to be silent, and a serial
 * port, where input cannot be held back, is left alone for the time that the line needs and a little
 * more, so that on a busy bus the beginning of the next record is there too. Not so on a port that
 * is faster than its line, as a pty, which knows no speed. Nor on TCP while polling: unread bytes
 * are acknowledged 40 ms late, and a gateway with Nagle's algorithm waits for that. */
short
jkb_reader_wait_for_bytes (JkbReader *self, gint64 now_us, gint64 until_us)
{
  gsize missing = missing_bytes (self);
  int fd = self->klass->get_fd (self->transport);

  self->patience_us = G_MAXINT64;
  if (self->klass->set_low_water != NULL)
    {
      if (jkb_talker_get_role (self->talker) == JKB_ROLE_POLLING)
        missing = 1;
      self->klass->set_low_water (self->transport, missing);
      if (missing > 1)
        self->patience_us = now_us + MIN (line_time_us (self, missing), LOW_WATER_LINE_US)
                            + LOW_WATER_PATIENCE_US;
    }
  else if (missing > 1 && !self->klass->recorded && !self->hurried)
    {
      self->patience_us = now_us + line_time_us (self, missing) + LINE_SLACK_US;
      fd = -1;
    }
  return jkb_reader_wait (self, fd, MIN (until_us, self->patience_us));
}
