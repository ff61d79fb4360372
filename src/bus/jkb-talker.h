/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The poller of one bus where threads meet: requests of the main thread come in over a lock-free
 * list, what happened goes back through the inbox. The poller itself is touched by the reader
 * thread alone.
 */
#pragma once

#include "bus/jkb-transport.h"
#include "poll/jkb-poller.h"
#include "queue/jkb-inbox.h"

G_BEGIN_DECLS

typedef struct _JkbTalker JkbTalker;

typedef enum
{
  JKB_REPORT_SNAPSHOT,
  JKB_REPORT_PROGRESS,
  JKB_REPORT_WRITTEN
} JkbReportKind;

/* What the reader tells the main loop; freed by it with g_free(). */
typedef struct
{
  JkbMpscNode node;
  JkbReportKind kind;
  guint address;
  guint done, total;               /* progress */
  guint8 settings[JKB_FRAME_SIZE]; /* snapshot */
  JkbWrite *write;                 /* written: (transfer full) */
} JkbReport;

/* ---- main thread ---- */

JkbTalker *jkb_talker_new (const JkbBusConfig *config, const JkbTransportClass *klass,
                           JkbInbox *inbox);
/* When no reader runs any more. */
void jkb_talker_free (JkbTalker *self);

/* The reader must be woken afterwards. */
void jkb_talker_submit (JkbTalker *self, JkbWrite *write);
void jkb_talker_snapshot_saved (JkbTalker *self, guint address, gboolean saved);
void jkb_talker_scan (JkbTalker *self);
void jkb_talker_refresh (JkbTalker *self, guint address);

/* ---- reader thread ---- */

/* @config: must outlive the talker or its next configuration. */
void jkb_talker_configure (JkbTalker *self, const JkbBusConfig *config,
                           const JkbTransportClass *klass, gint64 now_us);

/* The port is open. @lost: it was lost before, so others may have come meanwhile. */
void jkb_talker_port_opened (JkbTalker *self, gboolean lost, gint64 now_us);
void jkb_talker_port_lost (JkbTalker *self, gint64 now_us);

void jkb_talker_hear_bytes (JkbTalker *self, gint64 now_us);
void jkb_talker_take_event (JkbTalker *self, const JkbEvent *event, gint64 now_us);

/**
 * jkb_talker_run:
 * @transport: (nullable): open port; NULL: none, requests are answered all the same
 * @until_us: (out): when to call again unless something is heard or asked
 *
 * Takes requests, sends what is to be sent.
 *
 * Returns: %FALSE when the port is to be opened anew
 */
gboolean jkb_talker_run (JkbTalker *self, JkbTransport *transport, gint64 now_us, gint64 *until_us);

JkbRole jkb_talker_get_role (JkbTalker *self);
gboolean jkb_talker_heard_foreign (JkbTalker *self);

G_END_DECLS
