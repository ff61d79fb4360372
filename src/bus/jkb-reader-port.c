/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One pass after the other over an open port: bytes in, events out, to the poller and to the inbox.
 * Bytes come in in one place, read_port(). Reader thread.
 */
#include "bus/jkb-reader-private.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/jkb-earlier.h"
#include "core/jkb-log.h"

#define READ_MAX (64 * 1024) /* bytes per pass: commands and wake-ups have their turn */
#define CLOCK_GRAIN_US 500   /* a wall clock that is slewed moves by so much before it is followed */
#define CROWDED_US 1000      /* nap of a recording while the main loop is behind */

static guint64
seen (JkbReader *self, JkbTallyKind kind)
{
  return jkb_tally_get (&self->tally, kind);
}

static void
publish_counters (JkbReader *self)
{
  jkb_tally_update (&self->tally, jkb_stream_counters (self->stream));
}

void
jkb_reader_end_stream (JkbReader *self)
{
  if (self->stream == NULL)
    return;
  publish_counters (self);
  jkb_tally_carry_over (&self->tally);
  g_clear_pointer (&self->stream, jkb_stream_free);
}

/* Clear first, look second: a request that comes later makes the fd readable. */
gboolean
jkb_reader_talk (JkbReader *self, gint64 now_us, gint64 *until_us)
{
  eventfd_t count;

  if (self->asked)
    eventfd_read (self->request_fd, &count);
  self->asked = FALSE;
  return jkb_talker_run (self->talker, self->transport, now_us, until_us);
}

void
jkb_reader_push_status (JkbReader *self, JkbLinkState state, const char *error)
{
  JkbRole role = jkb_talker_get_role (self->talker);

  jkb_link_set (&self->link, state, role, jkb_talker_heard_foreign (self->talker),
                (guint32) seen (self, JKB_TALLY_RECONNECTS), error);
}

static void
wait_while_crowded (JkbReader *self)
{
  while (jkb_inbox_is_crowded (self->inbox) && !jkb_reader_has_command (self))
    jkb_reader_wait (self, -1, jkb_reader_beat (self) + CROWDED_US);
}

/* Time stamps follow the order of arrival: the difference of the clocks stays what it was unless the
 * wall clock was set, and a thread that was held up between two looks has not seen that. */
static gint64
wall_time_of (JkbReader *self, gint64 monotonic_us, gint64 now_us)
{
  if (self->clock_us != now_us)
    {
      gint64 before_us = g_get_monotonic_time (), wall_us = g_get_real_time ();
      gint64 took_us = g_get_monotonic_time () - before_us, offset_us = wall_us - before_us;

      if (self->clock_us == 0
          || (took_us < CLOCK_GRAIN_US && ABS (offset_us - self->wall_offset_us) > CLOCK_GRAIN_US))
        self->wall_offset_us = offset_us;
      self->clock_us = now_us;
    }
  return monotonic_us + self->wall_offset_us;
}

static void
hand_over (JkbReader *self, const JkbEvent *event, gint64 now_us)
{
  JkbFrame frame;

  frame.monotonic_us = event->monotonic_us;
  frame.realtime_us = wall_time_of (self, event->monotonic_us, now_us);
  frame.sequence = self->sequence++;
  frame.address = (guint8) event->address;
  frame.evidence = (guint8) event->evidence;
  frame.type = event->type;
  memcpy (frame.data, event->bytes, sizeof frame.data);
  jkb_inbox_push (self->inbox, &frame, jkb_urgency_check (&self->urgency, &frame));
  if (self->klass->recorded)
    wait_while_crowded (self);
}

static void
handle_events (JkbReader *self, gint64 now_us)
{
  JkbEvent event;

  while (jkb_stream_next (self->stream, now_us, &event))
    {
      jkb_talker_take_event (self->talker, &event, now_us);
      jkb_rhythm_note_event (&self->rhythm, &event);
      if (event.kind != JKB_EVENT_FRAME)
        continue;
      atomic_store_explicit (&self->last_frame_us, event.monotonic_us, memory_order_relaxed);
      jkb_backoff_note_frame (&self->backoff, event.monotonic_us);
      if (jkb_link_recover (&self->link))
        jkb_reader_push_status (self, JKB_LINK_UP, "");
      if (event.drop == JKB_DROP_NONE && event.address >= 0
          && jkb_frame_group (event.type) != JKB_N_GROUPS)
        hand_over (self, &event, now_us);
    }
}

/* Reads what is there. Returns: %FALSE with @errsv at the end of input, 0 for a regular one. */
static gboolean
read_port (JkbReader *self, short events, int *errsv)
{
  gint64 now_us = g_get_monotonic_time ();
  gsize total = 0, room;
  gssize n;

  do
    {
      guint8 *place = jkb_stream_reserve (self->stream, &room);

      n = self->klass->read (self->transport, place, room);
      *errsv = n < 0 ? errno : 0;
      if (n <= 0)
        break;
      if (self->capture != NULL && !jkb_capture_push (self->capture, place, (gsize) n))
        g_clear_pointer (&self->capture, jkb_capture_unref);
      jkb_stream_commit (self->stream, (gsize) n, now_us);
      jkb_talker_hear_bytes (self->talker, now_us);
      jkb_reader_note_bytes (self, (gsize) n, now_us);
      handle_events (self, now_us);
      total += (gsize) n;
    }
  while ((gsize) n == room && total < READ_MAX);
  if (total == 0)
    jkb_reader_note_silence (self, now_us);
  if (n > 0 || *errsv == EINTR)
    return TRUE;
  return *errsv == EAGAIN && (total > 0 || (events & (POLLHUP | POLLERR | POLLNVAL)) == 0);
}

/* Returns: %FALSE when the port is to be opened anew. */
static gboolean
watch_line (JkbReader *self, gint64 now_us)
{
  JkbLineVerdict verdict
      = jkb_line_watch_check (&self->watch, now_us, seen (self, JKB_TALLY_BYTES),
                              seen (self, JKB_TALLY_FRAMES), seen (self, JKB_TALLY_REQUESTS));
  char text[sizeof self->link.status.error];

  if (verdict == JKB_LINE_GOOD)
    return TRUE;
  jkb_line_verdict_describe (verdict, self->config->no_data_timeout, self->config->baud,
                             jkb_talker_get_role (self->talker) == JKB_ROLE_POLLING, text,
                             sizeof text);
  jkb_link_fault (&self->link, text);
  jkb_reader_push_status (self, JKB_LINK_UP, text);
  if (verdict == JKB_LINE_GARBAGE)
    jkb_stream_reset (self->stream);
  return verdict == JKB_LINE_UNANSWERED || verdict == JKB_LINE_GARBAGE;
}

static gint64
next_deadline (JkbReader *self)
{
  gint64 stream_us = jkb_stream_deadline (self->stream);
  gint64 owed_us = jkb_inbox_owed (self->inbox);

  return jkb_earlier (jkb_earlier (stream_us, owed_us), jkb_line_watch_deadline (&self->watch));
}

static void
finish_stream (JkbReader *self)
{
  gint64 now_us = g_get_monotonic_time ();

  jkb_stream_finish (self->stream);
  handle_events (self, now_us);
  publish_counters (self);
  jkb_inbox_wake (self->inbox, now_us);
}

static JkbReaderEnd
end_of_input (JkbReader *self, int errsv)
{
  const char *text = self->klass->describe_end (self->transport, errsv);
  gboolean finished = self->klass->recorded && errsv == 0;

  if (finished)
    {
      finish_stream (self);
      jkb_log (G_LOG_LEVEL_MESSAGE, self->config->name, NULL, "%s", text);
    }
  else
    {
      publish_counters (self);
      jkb_link_fault (&self->link, text);
    }
  jkb_reader_push_status (self, JKB_LINK_DOWN, text);
  return finished ? JKB_READER_FINISHED : JKB_READER_LOST;
}

void
jkb_reader_start_watch (JkbReader *self, gint64 now_us)
{
  gint64 timeout_us = (gint64) (self->config->no_data_timeout * G_USEC_PER_SEC);

  jkb_line_watch_start (&self->watch, self->klass->recorded ? 0 : timeout_us, now_us,
                        seen (self, JKB_TALLY_BYTES), seen (self, JKB_TALLY_FRAMES),
                        seen (self, JKB_TALLY_REQUESTS));
}

void
jkb_reader_close_port (JkbReader *self)
{
  if (self->transport != NULL)
    self->klass->close (self->transport);
  self->transport = NULL;
}

void
jkb_reader_start_stream (JkbReader *self)
{
  JkbTiming timing = self->klass->get_timing != NULL ? self->klass->get_timing (self->transport)
                                                     : self->klass->timing;
  gint64 now_us = g_get_monotonic_time ();

  if (self->stream == NULL)
    self->stream = jkb_stream_new (timing);
  else
    jkb_stream_reset (self->stream);
  self->starved = TRUE;
  jkb_rhythm_reset (&self->rhythm);
  self->read_us = now_us;
  jkb_reader_start_watch (self, now_us);
}

JkbReaderEnd
jkb_reader_serve_port (JkbReader *self)
{
  for (;;)
    {
      gint64 now_us = jkb_reader_beat (self), talk_us;
      short events;
      int errsv;

      handle_events (self, now_us);
      publish_counters (self);
      jkb_inbox_wake (self->inbox, now_us);
      if (jkb_reader_take_orders (self) || jkb_reader_has_command (self))
        return JKB_READER_COMMAND;
      if (!jkb_reader_talk (self, now_us, &talk_us) || !watch_line (self, now_us))
        return JKB_READER_REOPEN;
      jkb_reader_push_status (self, JKB_LINK_UP, self->link.status.error);
      events = jkb_reader_wait_for_bytes (self, now_us, jkb_earlier (talk_us, next_deadline (self)));
      if (self->called) /* an order holds for the bytes that came behind it: it is taken first */
        continue;
      if (!read_port (self, events, &errsv))
        return end_of_input (self, errsv);
    }
}
