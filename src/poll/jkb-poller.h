/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The talking half of a bus: who may talk (jkb-role), what is asked next (jkb-schedule), one
 * outstanding command at a time, and writes (jkb-write). A state machine without I/O and clock:
 * the reader feeds it the events of the stream and sends what it says. Owned by the reader thread.
 */
#pragma once

#include "poll/jkb-role.h"
#include "poll/jkb-schedule.h"
#include "poll/jkb-write.h"
#include "wire/jkb-stream.h"

G_BEGIN_DECLS

typedef struct
{
  JkbMode mode;
  double listen_before_talk; /* s, as are all times here */
  double command_gap;
  double reply_timeout; /* not auto */
  guint baud;
  JkbTiming timing;
  guint32 seed; /* for the random part of the guard time */
  JkbScheduleConfig schedule;
} JkbPollerConfig;

typedef enum
{
  JKB_POLLER_NOTHING,  /* until *until_us */
  JKB_POLLER_SEND,     /* these bytes, now */
  JKB_POLLER_REOPEN,   /* the port answers nothing any more: close and open it */
  JKB_POLLER_SNAPSHOT, /* keep the settings of *write, then jkb_poller_snapshot_saved() */
  JKB_POLLER_PROGRESS, /* more items of *write are done */
  JKB_POLLER_FINISHED  /* *write is finished and now the caller's */
} JkbPollerAction;

/* Why nothing is written here, and where it can be. */
#define JKB_OTHER_MASTER_TEXT                                                                      \
  "Another master polls this bus, so nothing may be sent here; connect to the RS485-1 port of the " \
  "BMS to write its settings"
#define JKB_LISTEN_ONLY_TEXT                                                                       \
  "This bus is only listened to (mode=listen), so nothing is sent here; set mode=auto, or connect " \
  "to the RS485-1 port of the BMS to write its settings"

/* Why no BMS is asked here. */
#define JKB_OTHER_MASTER_ASK_TEXT                                                                  \
  "Another master polls this bus, so nothing may be sent here; the BMS that it asks are found "    \
  "by listening"
#define JKB_LISTEN_ONLY_ASK_TEXT                                                                   \
  "This bus is only listened to (mode=listen), so nothing is sent here; set mode=auto to have "  \
  "its BMS asked"

typedef struct _JkbPoller JkbPoller;

JkbPoller *jkb_poller_new (const JkbPollerConfig *config);
void jkb_poller_free (JkbPoller *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbPoller, jkb_poller_free)

/* The role stays unless the mode forbids it; what was asked for is asked for within the new
 * intervals. */
void jkb_poller_configure (JkbPoller *self, const JkbPollerConfig *config, gint64 now_us);

void jkb_poller_set_link (JkbPoller *self, gboolean up, gint64 now_us);

/* The port was closed and opened again by ourselves; nobody else came or went. Writes end. */
void jkb_poller_port_reopened (JkbPoller *self, gint64 now_us);

/* Any bytes arrived: the line is not quiet. */
void jkb_poller_hear_bytes (JkbPoller *self, gint64 now_us);

/* Every event of the stream, in order. */
void jkb_poller_take_event (JkbPoller *self, const JkbEvent *event, gint64 now_us);

/* Call after events and at *until_us, again and again until it says NOTHING. */
JkbPollerAction jkb_poller_next (JkbPoller *self, gint64 now_us, JkbCommand *command,
                                 JkbWrite **write, gint64 *until_us);

/* @write: (transfer full). Finishes at once, with an error, when the bus is not ours. */
void jkb_poller_submit (JkbPoller *self, JkbWrite *write, gint64 now_us);
/* @address: the BMS whose settings were to be kept */
void jkb_poller_snapshot_saved (JkbPoller *self, guint address, gboolean saved, gint64 now_us);

/* Look for BMS on all addresses now; read all of one BMS now. */
void jkb_poller_scan (JkbPoller *self, gint64 now_us);
void jkb_poller_refresh (JkbPoller *self, guint address, gint64 now_us);

JkbRole jkb_poller_get_role (JkbPoller *self);

/* Whether another master was heard since the link came up. */
gboolean jkb_poller_heard_foreign (JkbPoller *self);

G_END_DECLS
