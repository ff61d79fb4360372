/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * How a reader thread talks to the main loop: a ring of frames, one newest-wins slot per address
 * and frame type for when the ring is full (each overwrite is counted), one newest-wins slot for
 * the state of the link, and an eventfd.
 *
 * The wake-up protocol. The main loop says when it next wants to act (jkb_inbox_set_due); the
 * reader writes the eventfd for urgent records, for link states, when the ring is half full, and
 * for the first record at or after that moment. So a busy bus costs the main loop one wake-up per
 * interval, not one per frame. Because the due moment can pass while the bus is silent, the reader
 * sleeps no longer than until then while it owes a wake-up (jkb_inbox_owed).
 */
#pragma once

#include "queue/jkb-mpsc.h"
#include "wire/jkb-frame.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_LINK_CONNECTING,
  JKB_LINK_UP,
  JKB_LINK_DOWN
} JkbLinkState;

/* A role of the bus, decided on the reader thread; "listening", "polling", "yielding", "idle". */
typedef enum
{
  JKB_ROLE_IDLE, /* link not up */
  JKB_ROLE_LISTENING,
  JKB_ROLE_POLLING,
  JKB_ROLE_YIELDING
} JkbRole;

typedef struct
{
  JkbLinkState state;
  JkbRole role;
  guint32 reconnects;
  gboolean writable;
  gboolean heard_foreign; /* another master, since the link came up */
  char error[200]; /* English sentence, "" when all is well */
} JkbLinkStatus;

typedef struct _JkbInbox JkbInbox;

/* When the main loop is to see a frame. */
typedef enum
{
  JKB_WAKE_DUE,   /* when it is due */
  JKB_WAKE_NOW,   /* an alarm, a switch, a BMS that appears */
  JKB_WAKE_LATER  /* tells nothing new: with the next one of the others, or after a second */
} JkbWake;

typedef void (*JkbInboxFrameFunc) (const JkbFrame *frame, gpointer user_data);
typedef void (*JkbInboxStatusFunc) (const JkbLinkStatus *status, gpointer user_data);
typedef void (*JkbInboxDrainedFunc) (gpointer user_data);
typedef void (*JkbInboxReportFunc) (JkbMpscNode *report, gpointer user_data);

/* Returns: (nullable): %NULL, and errno says why, when no file descriptor is left. */
JkbInbox *jkb_inbox_new (void);
void jkb_inbox_free (JkbInbox *inbox);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbInbox, jkb_inbox_free)

/* ---- reader thread ---- */

/* Hands over a frame. Never blocks, never fails. */
void jkb_inbox_push (JkbInbox *inbox, const JkbFrame *frame, JkbWake wake);
void jkb_inbox_push_status (JkbInbox *inbox, const JkbLinkStatus *status);

/* Hands over a report of its own kind (writes): rare, never dropped, delivered behind the frames
 * that were pushed before it. */
void jkb_inbox_post (JkbInbox *inbox, JkbMpscNode *report);

/* The moment at which the reader must call jkb_inbox_wake() because records wait for the main loop
 * without its knowing; G_MAXINT64 when none do. */
gint64 jkb_inbox_owed (JkbInbox *inbox);

/* Wakes the main loop when it is due at @monotonic_us. Cheap when it is not. To be called once
 * after each batch of records. */
void jkb_inbox_wake (JkbInbox *inbox, gint64 monotonic_us);

/* Whether the ring is half full or more. A reader that can wait, since its bytes are in a file,
 * does so until it is not. */
gboolean jkb_inbox_is_crowded (JkbInbox *inbox);

/* ---- main thread ---- */

/* Calls the functions on the default main context until jkb_inbox_free(): for each record in order,
 * then @drained once. */
void jkb_inbox_attach (JkbInbox *inbox, JkbInboxFrameFunc frame, JkbInboxStatusFunc status,
                       JkbInboxDrainedFunc drained, gpointer user_data);

/* Who takes the reports, and frees them; set before the reader starts. */
void jkb_inbox_set_report_func (JkbInbox *inbox, JkbInboxReportFunc report);

/* From this moment on, any record wakes the main loop; 0: every record does. */
void jkb_inbox_set_due (JkbInbox *inbox, gint64 monotonic_us);

/* Takes what is there now, as if woken (stop, tests). */
void jkb_inbox_drain (JkbInbox *inbox);

/* Frames that a newer one of the same address and type replaced because the ring was full. */
guint64 jkb_inbox_get_overruns (JkbInbox *inbox);

G_END_DECLS
