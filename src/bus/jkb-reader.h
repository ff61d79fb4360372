/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The reader thread of one bus: opens the port for ever, owns its descriptor and the stream, hands
 * frames and the state of the link to the main loop through the inbox.
 *
 * What the state of the link means. "connecting" lasts from the start until the first attempt
 * ended; from a failure on the link is "down" until an attempt succeeds, so that retries make no
 * noise. An open port is "up" even when nothing comes from it: on a bus that nobody polls silence
 * is right. The error says so then, and the port is opened anew every no-data-timeout without
 * leaving "up" unless that fails, since an adapter or a gateway that hangs looks the same from
 * here. Bytes without frames: the stream begins anew after one no-data-timeout, the port is opened
 * anew after the second. An error goes away with the next good frame, or with a new connection. A
 * recording that has been played to its end leaves the link "down" with "replay finished".
 *
 * The functions are for the main thread.
 */
#pragma once

#include "bus/jkb-bus.h"
#include "bus/jkb-capture.h"
#include "bus/jkb-transport.h"

G_BEGIN_DECLS

/* The thread passes at least this often; an attempt to connect takes up to 5 s. */
#define JKB_READER_IDLE_US (10 * G_USEC_PER_SEC)

typedef struct _JkbReader JkbReader;

typedef struct
{
  JkbBusCounters counters; /* without overruns, which the inbox counts */
  gint64 last_bytes_us;    /* monotonic, 0: none yet */
  gint64 last_frame_us;
} JkbReaderReport;

/* @config: copied; its URI is good. @inbox: must outlive the reader. Nothing runs yet. Returns:
 * (nullable): %NULL, and errno says why, when no file descriptor is left. */
JkbReader *jkb_reader_new (const JkbBusConfig *config, JkbInbox *inbox);
void jkb_reader_free (JkbReader *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbReader, jkb_reader_free)

void jkb_reader_start (JkbReader *self);

/* Tells the thread to end without waiting for it; stop() still has to follow. */
void jkb_reader_begin_stop (JkbReader *self);

/* Joins the thread, within half a second; counters stay, start() goes on from there. */
void jkb_reader_stop (JkbReader *self);

/* Closes the port and opens it now, whatever the thread is waiting for. */
void jkb_reader_reconnect (JkbReader *self);

/**
 * jkb_reader_configure:
 * @config: copied; its URI is good
 *
 * An open port stays open and keeps its role unless URI or speed are others. Counters go on.
 */
void jkb_reader_configure (JkbReader *self, const JkbBusConfig *config);

/* From now on, what is read goes there too; (nullable): no more, and what went there ends. */
void jkb_reader_set_capture (JkbReader *self, JkbCapture *capture);

/* For its main-thread functions; then wake it. Requests are answered only while the thread runs. */
struct _JkbTalker *jkb_reader_get_talker (JkbReader *self);
void jkb_reader_wake_talker (JkbReader *self);

void jkb_reader_get_report (JkbReader *self, JkbReaderReport *report);
gint64 jkb_reader_get_beat (JkbReader *self);

G_END_DECLS
