/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The rooms of the reader share this struct: jkb-reader.c is the border between the threads (orders
 * go in, reports come out), jkb-reader-thread.c the life of the thread (open, serve, lose, wait,
 * again), jkb-reader-port.c the passes over an open port, and jkb-reader-wait.c decides when the
 * thread sleeps and what wakes it. What one thread alone touches, what both touch (all of it
 * atomic) and what is constant stand apart.
 */
#pragma once

#include "bus/jkb-backoff.h"
#include "bus/jkb-line-watch.h"
#include "bus/jkb-link.h"
#include "bus/jkb-reader.h"
#include "bus/jkb-rhythm.h"
#include "bus/jkb-talker.h"
#include "bus/jkb-tally.h"
#include "bus/jkb-urgency.h"

G_BEGIN_DECLS

/* Why an open port is left. */
typedef enum
{
  JKB_READER_COMMAND,  /* stop or reconnect */
  JKB_READER_REOPEN,   /* nothing useful came: another try with an open port */
  JKB_READER_LOST,     /* the port is gone, or could not be opened */
  JKB_READER_FINISHED  /* a recording is over */
} JkbReaderEnd;

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
  JkbTally tally;

  /* reader thread, main thread while none runs */
  JkbBusConfig *config;
  const JkbTransportClass *klass;
  const char *rest; /* inside config->uri */
  JkbCapture *capture; /* NULL: none */
  gboolean called;     /* the last wait ended with a command */
  gboolean asked;      /* the last wait ended with a request */
  JkbTransport *transport;
  JkbStream *stream;
  JkbLink link;
  JkbBackoff backoff;
  JkbLineWatch watch;
  JkbUrgency urgency;
  guint32 sequence;
  gint64 clock_us;       /* monotonic: of the last look at the wall clock */
  gint64 wall_offset_us; /* what it was ahead of the monotonic one by then */
  gboolean opened;   /* at least once */
  JkbRhythm rhythm;
  gint64 patience_us; /* end of the present wait for bytes, if nothing else ends it */
  gboolean starved;  /* the last wait for bytes brought none */
  gboolean hurried;  /* the last read brought more than the line could */
  gint64 read_us;    /* of the last bytes */
  int hotplug_fd;    /* while the port is absent, else -1 */
};

/* All that follows is for the reader thread. */

/* ---- jkb-reader.c: orders of the main thread ---- */

gboolean jkb_reader_has_command (JkbReader *self);
gboolean jkb_reader_take_stop (JkbReader *self);

/* Returns: whether the bus is at another port now. */
gboolean jkb_reader_take_orders (JkbReader *self);

/* ---- jkb-reader-thread.c ---- */

gpointer jkb_reader_thread (gpointer reader);

/* ---- jkb-reader-port.c ---- */

/* Behind a successful open. */
void jkb_reader_start_stream (JkbReader *self);

/* Until it is left; the port is still open then. */
JkbReaderEnd jkb_reader_serve_port (JkbReader *self);

void jkb_reader_close_port (JkbReader *self);

/* Another port may want another stream: the counters go on. */
void jkb_reader_end_stream (JkbReader *self);

/* Begins to judge silence anew. */
void jkb_reader_start_watch (JkbReader *self, gint64 now_us);

/* Lets the poller act. @until_us: (out): when it wants to again. Returns: %FALSE when the port is
 * to be opened anew. */
gboolean jkb_reader_talk (JkbReader *self, gint64 now_us, gint64 *until_us);

void jkb_reader_push_status (JkbReader *self, JkbLinkState state, const char *error);

/* ---- jkb-reader-wait.c ---- */

/* Tells the watchdog that the thread lives. Returns: now. */
gint64 jkb_reader_beat (JkbReader *self);

/* Waits until @until_us, a command, or input on @fd (-1: none); no longer than the idle time.
 * Returns: the poll() events of @fd. */
short jkb_reader_wait (JkbReader *self, int fd, gint64 until_us);

/* The same for the open port, woken as seldom as the line allows. */
short jkb_reader_wait_for_bytes (JkbReader *self, gint64 now_us, gint64 until_us);

/* A read behind it brought @n_bytes; or nothing at all. */
void jkb_reader_note_bytes (JkbReader *self, gsize n_bytes, gint64 now_us);
void jkb_reader_note_silence (JkbReader *self, gint64 now_us);

G_END_DECLS
