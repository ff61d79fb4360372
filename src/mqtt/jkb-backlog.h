/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the receivers missed, sent to PREFIX/ID/history once they are back: tells the history when an
 * outage begins and ends, reads what was missed from it, and confirms what the broker acknowledged.
 * It yields to everything else. Main thread only.
 */
#pragma once

#include "history/jkb-history.h"
#include "mqtt/jkb-publisher.h"

G_BEGIN_DECLS

/* How long a connection can be dead before anybody knows: two keep-alives and a bit; of Home Assistant
 * one and a half of its own. */
#define JKB_BACKLOG_BROKER_MARGIN_US (70 * G_USEC_PER_SEC)
#define JKB_BACKLOG_RECEIVER_MARGIN_US (90 * G_USEC_PER_SEC)

/* Until other clients are back: those such as Home Assistant try again every 10 s. */
#define JKB_BACKLOG_SETTLE_MS 15000

typedef struct _JkbBacklog JkbBacklog;

/* @context: its link and configuration may change; outlives the backlog */
JkbBacklog *jkb_backlog_new (JkbHistory *history, const JkbPublisherContext *context);
void jkb_backlog_free (JkbBacklog *self);

/* What comes from @since_us (monotonic) on is missed. Nothing when an outage goes on already. */
void jkb_backlog_begin_outage (JkbBacklog *self, gint64 since_us);

/* The broker is gone, or about to be left: nothing is sent any more. */
void jkb_backlog_pause (JkbBacklog *self);

/**
 * jkb_backlog_settle:
 * @others_are_late: whether other clients need a moment longer, as after a restart of the broker
 *
 * @delay_ms: %JKB_BACKLOG_SETTLE_MS, but in tests
 *
 * The broker or Home Assistant is back: sending begins after @delay_ms. The outage ends now, or then
 * when others are late. Nothing without an outage.
 */
void jkb_backlog_settle (JkbBacklog *self, gboolean others_are_late, guint delay_ms);

/* Nothing is sent until the next call says otherwise: all is being told anew. */
void jkb_backlog_hold (JkbBacklog *self, gboolean hold);

/* How many samples wait to be sent, about, and not older than a minute. */
guint64 jkb_backlog_get_waiting (JkbBacklog *self);

/* MQTT is switched off: nobody missed anything. */
void jkb_backlog_drop (JkbBacklog *self);

G_END_DECLS
