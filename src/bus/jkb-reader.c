/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The reader thread. What it alone touches, what both threads touch (all of it atomic) and what is
 * constant stand apart in the struct. The thread waits in one place, wait_for(); bytes come in in
 * one place, read_port().
 */
#include "bus/jkb-reader.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/jkb-backoff.h"
#include "bus/jkb-capture.h"
#include "bus/jkb-hotplug.h"
#include "bus/jkb-line-watch.h"
#include "bus/jkb-rhythm.h"
#include "bus/jkb-link.h"
#include "bus/jkb-talker.h"
#include "bus/jkb-urgency.h"
#include "core/jkb-log.h"

#define BITS_PER_BYTE 10                /* 8N1 */
#define READ_MAX (64 * 1024)            /* bytes per pass: commands and wake-ups have their turn */
#define LOW_WATER_PATIENCE_US 30000     /* beyond what the line needs for the rest of a record */
#define LINE_SLACK_US 2000              /* more sleep on a serial port: adapters deliver in lumps */
#define SETTLE_US 100000                /* udev needs a moment between node, group and link */
#define FIRST_LOOK_US (G_USEC_PER_SEC)  /* after the loss of a port that can be plugged in again */
#define CROWDED_US 1000                 /* nap of a recording while the main loop is behind */

typedef enum
{
  END_COMMAND,  /* stop or reconnect */
  END_REOPEN,   /* nothing useful came: another try with an open port */
  END_LOST,     /* the port is gone, or could not be opened */
  END_FINISHED  /* a recording is over */
} End;

typedef enum
{
  COUNT_BYTES,
  COUNT_FRAMES,
  COUNT_REQUESTS,
  COUNT_CHECKSUM_ERRORS,
  COUNT_ACK_ERRORS,
  COUNT_UNATTRIBUTED,
  COUNT_RESYNCS,
  COUNT_RECONNECTS,
  N_COUNTS
} Count;

struct _JkbReader
{
  /* constant */
  char *name;
  JkbInbox *inbox;
  JkbTalker *talker;
  int command_fd; /* readable: look at stop and reconnect */
  int request_fd; /* readable: the talker has requests */

  /* main thread */
  GThread *thread;

  /* both threads */
  _Atomic gboolean stop;
  _Atomic gboolean reconnect;
  _Atomic (JkbBusConfig *) next_config; /* NULL: none */
  _Atomic (JkbCapture *) next_capture;  /* NULL: no order, NO_CAPTURE: the end of it */
  _Atomic gint64 beat_us;
  _Atomic gint64 last_bytes_us;
  _Atomic gint64 last_frame_us;
  _Atomic guint64 counts[N_COUNTS];

  /* reader thread, main thread while none runs */
  JkbBusConfig *config;
  const JkbTransportClass *klass;
  const char *rest; /* inside config->uri */
  JkbCapture *capture; /* NULL: none */
  gboolean called;     /* the last wait ended with a command */
  guint64 counted[N_COUNTS]; /* by former streams */
  JkbTransport *transport;
  JkbStream *stream;
  JkbLink link;
  JkbBackoff backoff;
  JkbLineWatch watch;
  JkbUrgency urgency;
  GRand *random;
  guint32 sequence;
  gboolean opened;   /* at least once */
  JkbRhythm rhythm;
  gsize foretold;    /* bytes that the present wait is for, 0: no such guess */
  gboolean starved;  /* the last read brought nothing */
  gboolean hurried;  /* the last read brought more than the line could */
  gint64 read_us;    /* of the last bytes */
  int hotplug_fd;    /* while the port is absent, else -1 */
};

/* Stands for the order to end the capture. */
static char no_capture;
#define NO_CAPTURE ((JkbCapture *) &no_capture)

static void
count_set (JkbReader *self, Count count, guint64 value)
{
  atomic_store_explicit (&self->counts[count], value, memory_order_relaxed);
}

static guint64
count_get (JkbReader *self, Count count)
{
  return atomic_load_explicit (&self->counts[count], memory_order_relaxed);
}

static void
count_add (JkbReader *self, Count count, guint64 value)
{
  count_set (self, count, self->counted[count] + value);
}

static void
publish_counters (JkbReader *self)
{
  const JkbStreamCounters *counters = jkb_stream_counters (self->stream);

  count_add (self, COUNT_BYTES, counters->bytes);
  count_add (self, COUNT_FRAMES, counters->frames);
  count_add (self, COUNT_REQUESTS, counters->requests);
  count_add (self, COUNT_CHECKSUM_ERRORS, counters->checksum_errors);
  count_add (self, COUNT_ACK_ERRORS, counters->ack_errors);
  count_add (self, COUNT_UNATTRIBUTED, counters->unattributed);
  count_add (self, COUNT_RESYNCS, counters->resyncs);
}

/* Another port may want another stream: the counters go on. */
static void
end_stream (JkbReader *self)
{
  if (self->stream == NULL)
    return;
  publish_counters (self);
  for (guint i = 0; i < N_COUNTS; i++)
    self->counted[i] = count_get (self, i);
  g_clear_pointer (&self->stream, jkb_stream_free);
}

/* ---- waiting ---- */

static gboolean
has_command (JkbReader *self)
{
  return atomic_load_explicit (&self->stop, memory_order_acquire)
         || atomic_load_explicit (&self->reconnect, memory_order_acquire);
}

/* Clear first, look second: a command given in between is either seen or makes the fd readable. */
static gboolean
take_stop (JkbReader *self)
{
  eventfd_t count;

  eventfd_read (self->command_fd, &count);
  if (atomic_exchange_explicit (&self->reconnect, FALSE, memory_order_acq_rel))
    memset (&self->backoff, 0, sizeof self->backoff);
  return atomic_load_explicit (&self->stop, memory_order_acquire);
}

/* Clear first, look second, here too. Returns: %FALSE when the port is to be opened anew. */
static gboolean
talk (JkbReader *self, gint64 now_us, gint64 *until_us)
{
  eventfd_t count;

  eventfd_read (self->request_fd, &count);
  return jkb_talker_run (self->talker, self->transport, now_us, until_us);
}

static gint64
beat (JkbReader *self)
{
  gint64 now_us = g_get_monotonic_time ();

  atomic_store_explicit (&self->beat_us, now_us, memory_order_relaxed);
  return now_us;
}

/* Waits until @until_us, a command, or input on @fd (-1: none); no longer than the idle time.
 * Returns: the poll() events of @fd. */
static short
wait_for (JkbReader *self, int fd, gint64 until_us)
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
  return fds[1].revents;
}

/* ---- what the main loop is told ---- */

static void
push_status (JkbReader *self, JkbLinkState state, const char *error)
{
  JkbRole role = jkb_talker_get_role (self->talker);

  jkb_link_set (&self->link, state, role, jkb_talker_heard_foreign (self->talker),
                (guint32) count_get (self, COUNT_RECONNECTS), error);
}

/* ---- frames ---- */

static void
wait_while_crowded (JkbReader *self)
{
  while (jkb_inbox_is_crowded (self->inbox) && !has_command (self))
    wait_for (self, -1, beat (self) + CROWDED_US);
}

static void
hand_over (JkbReader *self, const JkbEvent *event, gint64 now_us)
{
  JkbFrame frame;

  frame.monotonic_us = event->monotonic_us;
  frame.realtime_us = g_get_real_time () - (now_us - event->monotonic_us);
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
      if (event.kind != JKB_EVENT_FRAME)
        continue;
      atomic_store_explicit (&self->last_frame_us, event.monotonic_us, memory_order_relaxed);
      jkb_backoff_note_frame (&self->backoff, event.monotonic_us);
      if (jkb_link_recover (&self->link))
        push_status (self, JKB_LINK_UP, "");
      if (event.drop == JKB_DROP_NONE && event.address >= 0
          && jkb_frame_group (event.type) != JKB_N_GROUPS)
        hand_over (self, &event, now_us);
    }
}

/* ---- an open port ---- */

static gint64
line_time_us (JkbReader *self, gsize n_bytes)
{
  guint64 bits = (guint64) n_bytes * BITS_PER_BYTE;

  return (gint64) (bits * G_USEC_PER_SEC / MAX (self->config->baud, 1));
}

static void
note_bytes (JkbReader *self, gsize n_bytes, gint64 now_us)
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
      handle_events (self, now_us);
      total += (gsize) n;
    }
  while ((gsize) n == room && total < READ_MAX);
  note_bytes (self, total, now_us);
  if (n > 0 || *errsv == EINTR)
    return TRUE;
  return *errsv == EAGAIN && (total > 0 || (events & (POLLHUP | POLLERR | POLLNVAL)) == 0);
}

/* One wake-up per record, not one per read: while a record is incomplete, TCP is asked to signal
 * only the whole of it, and a serial port, where input cannot be held back, is left alone for the
 * time that the line needs for the rest and a little more, so that on a busy bus the beginning of
 * the next record is there too. Neither when that did not work the last time: bytes that stopped
 * coming are waited for one by one, and a pty knows no speed. Nor on TCP while polling: unread
 * bytes are acknowledged 40 ms late, and a gateway with Nagle's algorithm waits for that. */
static short
wait_for_bytes (JkbReader *self, gint64 now_us, gint64 until_us)
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
  return wait_for (self, fd, until_us);
}

/* Returns: %FALSE when the port is to be opened anew. */
static gboolean
watch_line (JkbReader *self, gint64 now_us)
{
  JkbLineVerdict verdict
      = jkb_line_watch_check (&self->watch, now_us, count_get (self, COUNT_BYTES),
                              count_get (self, COUNT_FRAMES), count_get (self, COUNT_REQUESTS));
  char text[sizeof self->link.status.error];

  if (verdict == JKB_LINE_GOOD)
    return TRUE;
  jkb_line_verdict_describe (verdict, self->config->no_data_timeout, self->config->baud,
                             jkb_talker_get_role (self->talker) == JKB_ROLE_POLLING, text,
                             sizeof text);
  jkb_link_fault (&self->link, text);
  push_status (self, JKB_LINK_UP, text);
  if (verdict == JKB_LINE_GARBAGE)
    jkb_stream_reset (self->stream);
  return verdict == JKB_LINE_UNANSWERED || verdict == JKB_LINE_GARBAGE;
}

static gint64
next_deadline (JkbReader *self)
{
  gint64 stream_us = jkb_stream_deadline (self->stream);
  gint64 owed_us = jkb_inbox_owed (self->inbox);

  return MIN (MIN (stream_us, owed_us), jkb_line_watch_deadline (&self->watch));
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

static End
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
  push_status (self, JKB_LINK_DOWN, text);
  return finished ? END_FINISHED : END_LOST;
}

static void
start_watch (JkbReader *self, gint64 now_us)
{
  gint64 timeout_us = (gint64) (self->config->no_data_timeout * G_USEC_PER_SEC);

  jkb_line_watch_start (&self->watch, self->klass->recorded ? 0 : timeout_us, now_us,
                        count_get (self, COUNT_BYTES), count_get (self, COUNT_FRAMES),
                        count_get (self, COUNT_REQUESTS));
}

static void
close_port (JkbReader *self)
{
  if (self->transport != NULL)
    self->klass->close (self->transport);
  self->transport = NULL;
}

/* ---- orders ---- */

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
      close_port (self);
      end_stream (self);
      memset (&self->backoff, 0, sizeof self->backoff);
      self->opened = FALSE;
    }
  self->config = config;
  self->klass = jkb_transport_find (config->uri, &self->rest, NULL);
  jkb_talker_configure (self->talker, config, self->klass, now_us);
  if (self->transport != NULL)
    start_watch (self, now_us);
  return moved;
}

/* Clear first, look second. Returns: whether the bus is at another port now. */
static gboolean
take_orders (JkbReader *self)
{
  JkbBusConfig *config;
  JkbCapture *capture;
  eventfd_t count;

  if (self->called)
    eventfd_read (self->command_fd, &count);
  self->called = FALSE;
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

/* ---- serving ---- */

static End
serve_port (JkbReader *self)
{
  for (;;)
    {
      gint64 now_us = beat (self), talk_us;
      short events;
      int errsv;

      handle_events (self, now_us);
      publish_counters (self);
      jkb_inbox_wake (self->inbox, now_us);
      if (take_orders (self) || has_command (self))
        return END_COMMAND;
      if (!talk (self, now_us, &talk_us) || !watch_line (self, now_us))
        return END_REOPEN;
      push_status (self, JKB_LINK_UP, self->link.status.error);
      events = wait_for_bytes (self, now_us, MIN (talk_us, next_deadline (self)));
      if (!read_port (self, events, &errsv))
        return end_of_input (self, errsv);
    }
}

/* ---- opening ---- */

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

static void
start_stream (JkbReader *self)
{
  JkbTiming timing = self->klass->get_timing != NULL ? self->klass->get_timing (self->transport)
                                                     : self->klass->timing;
  gint64 now_us = g_get_monotonic_time ();

  if (self->stream == NULL)
    self->stream = jkb_stream_new (timing);
  else
    jkb_stream_reset (self->stream);
  self->starved = TRUE;
  self->rhythm = (JkbRhythm){ 0 };
  self->read_us = now_us;
  start_watch (self, now_us);
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
      push_status (self, JKB_LINK_DOWN, error->message);
      return FALSE;
    }
  end_hotplug (self);
  if (self->opened)
    count_set (self, COUNT_RECONNECTS, count_get (self, COUNT_RECONNECTS) + 1);
  else
    jkb_log (G_LOG_LEVEL_INFO, self->config->name, NULL, "opened %s", self->config->uri);
  self->opened = TRUE;
  start_stream (self);
  jkb_talker_port_opened (self->talker, !keep_error, g_get_monotonic_time ());
  push_status (self, JKB_LINK_UP, keep_error ? self->link.status.error : "");
  return TRUE;
}

/* Waits for the next attempt: until @until_us, a command, another port, or a change of the port's
 * directory. */
static void
wait_for_retry (JkbReader *self, gint64 until_us)
{
  while (!has_command (self))
    {
      gint64 now_us = beat (self), talk_us;

      if (take_orders (self) || now_us >= until_us)
        return;
      talk (self, now_us, &talk_us);
      if (wait_for (self, self->hotplug_fd, until_us) != 0)
        {
          jkb_hotplug_clear (self->hotplug_fd);
          wait_for (self, -1, now_us + SETTLE_US);
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
                                      self->config->reconnect_max, g_rand_double (self->random));

  if (self->hotplug_fd < 0)
    begin_hotplug (self);
  if (was_good && self->hotplug_fd >= 0)
    delay_us = MIN (delay_us, FIRST_LOOK_US);
  wait_for_retry (self, g_get_monotonic_time () + delay_us);
}

static void
wait_after (JkbReader *self, End end)
{
  if (end == END_FINISHED)
    wait_for_retry (self, G_MAXINT64);
  else if (end == END_LOST)
    wait_after_loss (self);
}

/* Nobody will look at requests any more: those that came are answered. */
static void
finish_requests (JkbReader *self)
{
  gint64 now_us = g_get_monotonic_time (), until_us;

  jkb_talker_port_lost (self->talker, now_us);
  talk (self, now_us, &until_us);
}

static gpointer
reader_thread (gpointer data)
{
  JkbReader *self = data;
  End end = END_COMMAND;

  while (!take_stop (self))
    {
      beat (self);
      take_orders (self);
      if (end == END_COMMAND)
        push_status (self, JKB_LINK_CONNECTING, "");
      if (open_port (self, end == END_REOPEN))
        {
          end = serve_port (self);
          close_port (self);
        }
      else
        end = END_LOST;
      if (end != END_REOPEN)
        jkb_talker_port_lost (self->talker, g_get_monotonic_time ());
      if (!has_command (self))
        wait_after (self, end);
    }
  finish_requests (self);
  end_hotplug (self);
  push_status (self, JKB_LINK_DOWN, "");
  return NULL;
}

/* ---- main thread ---- */

JkbReader *
jkb_reader_new (const JkbBusConfig *config, JkbInbox *inbox)
{
  JkbReader *self = g_new0 (JkbReader, 1);

  self->name = g_strdup (config->name);
  self->config = jkb_bus_config_copy (config);
  self->klass = jkb_transport_find (self->config->uri, &self->rest, NULL);
  self->inbox = inbox;
  self->command_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (self->command_fd < 0)
    g_error ("cannot create an eventfd: %s", g_strerror (errno));
  self->request_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (self->request_fd < 0)
    g_error ("cannot create an eventfd: %s", g_strerror (errno));
  self->talker = jkb_talker_new (self->config, self->klass, inbox);
  self->hotplug_fd = -1;
  self->random = g_rand_new ();
  jkb_link_init (&self->link, self->name, inbox);
  return self;
}

void
jkb_reader_free (JkbReader *self)
{
  if (self == NULL)
    return;
  jkb_reader_stop (self);
  take_orders (self);
  adopt_capture (self, NO_CAPTURE);
  g_clear_pointer (&self->stream, jkb_stream_free);
  jkb_talker_free (self->talker);
  jkb_bus_config_free (self->config);
  g_free (self->name);
  g_rand_free (self->random);
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
  beat (self);
  self->thread = g_thread_new (self->config->name, reader_thread, self);
}

static void
command (JkbReader *self, _Atomic gboolean *flag)
{
  atomic_store_explicit (flag, TRUE, memory_order_release);
  eventfd_write (self->command_fd, 1);
}

void
jkb_reader_stop (JkbReader *self)
{
  if (self->thread == NULL)
    return;
  command (self, &self->stop);
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
    take_orders (self);
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
    .counters = {
      .bytes_received = count_get (self, COUNT_BYTES),
      .frames_received = count_get (self, COUNT_FRAMES),
      .requests_seen = count_get (self, COUNT_REQUESTS),
      .checksum_errors = count_get (self, COUNT_CHECKSUM_ERRORS),
      .ack_errors = count_get (self, COUNT_ACK_ERRORS),
      .unattributed_frames = count_get (self, COUNT_UNATTRIBUTED),
      .resyncs = count_get (self, COUNT_RESYNCS),
      .reconnects = count_get (self, COUNT_RECONNECTS),
    },
    .last_bytes_us = atomic_load_explicit (&self->last_bytes_us, memory_order_relaxed),
    .last_frame_us = atomic_load_explicit (&self->last_frame_us, memory_order_relaxed),
  };
}

gint64
jkb_reader_get_beat (JkbReader *self)
{
  return atomic_load_explicit (&self->beat_us, memory_order_relaxed);
}
