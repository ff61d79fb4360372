/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Writing settings of one BMS so that it cannot go wrong (protocol §6.2): read, check, keep a copy,
 * write, wait, read back, compare everything; put back what was changed when anything is not as it
 * was meant. A state machine without I/O and clock: the poller asks it for the next step and tells
 * it how the step went. One JkbWrite is one Set or Apply: all or nothing.
 */
#pragma once

#include "core/jkb-error.h"
#include "poll/jkb-encode.h"
#include "poll/jkb-interlock.h"

G_BEGIN_DECLS

#define JKB_WRITE_MAX_ITEMS 64

typedef enum
{
  JKB_ITEM_PENDING,   /* nothing was sent */
  JKB_ITEM_UNCHANGED, /* the BMS held that value already */
  JKB_ITEM_WRITTEN,   /* read back and matching */
  JKB_ITEM_RESTORED,  /* written, then put back */
  JKB_ITEM_UNKNOWN    /* sent, and nobody knows what the BMS holds */
} JkbItemState;

typedef struct
{
  JkbFieldId id;
  gint64 raw;    /* wanted */
  gint64 before; /* read before, JKB_UNKNOWN until then */
  gint64 after;  /* read back, JKB_UNKNOWN until then */
  JkbItemState state;
} JkbWriteItem;

typedef enum
{
  JKB_STEP_WAIT,     /* nothing until *until_us: the BMS is deaf */
  JKB_STEP_PAUSE,    /* nothing until *until_us, others may be asked meanwhile */
  JKB_STEP_READ,     /* ask for the settings frame: jkb_write_take_settings() */
  JKB_STEP_SNAPSHOT, /* keep jkb_write_peek_snapshot() safely: jkb_write_take_saved() */
  JKB_STEP_COMMAND,  /* send *command: jkb_write_take_ack() */
  JKB_STEP_DONE      /* finished: ask for the result */
} JkbWriteStep;

typedef struct _JkbWrite JkbWrite;

/**
 * jkb_write_new:
 * @items: what is wanted; ranges and access were checked by the caller
 * @facts: what the interlocks need to know of the pack
 */
JkbWrite *jkb_write_new (guint address, const JkbWriteItem *items, guint n_items,
                         const JkbInterlockFacts *facts);

/* When a command went to this BMS last, of another write: this one keeps its distance from it. */
void jkb_write_set_last_sent (JkbWrite *self, gint64 sent_us);
void jkb_write_free (JkbWrite *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbWrite, jkb_write_free)

JkbWriteStep jkb_write_next (JkbWrite *self, gint64 now_us, JkbCommand *command, gint64 *until_us);

/* @settings: the frame that the BMS just sent; NULL: it did not answer */
void jkb_write_take_settings (JkbWrite *self, const guint8 *settings, gint64 now_us);
void jkb_write_take_saved (JkbWrite *self, gboolean saved, gint64 now_us);
void jkb_write_take_ack (JkbWrite *self, gboolean acked, gint64 now_us);

/* The bus is not ours any more (another master, link down): ends at once, without restore. */
void jkb_write_abort (JkbWrite *self, JkbError code, const char *message);

guint jkb_write_get_address (JkbWrite *self);
const guint8 *jkb_write_peek_snapshot (JkbWrite *self);
const JkbWriteItem *jkb_write_peek_items (JkbWrite *self, guint *n_items);

/* Commands that were sent so far (flash wear), restores included. */
guint jkb_write_get_n_sent (JkbWrite *self);

/* Items finished, for WriteProgress. */
guint jkb_write_get_progress (JkbWrite *self);

/* Returns: (nullable): NULL when everything holds as asked; else what went wrong. */
const GError *jkb_write_peek_error (JkbWrite *self);

/**
 * jkb_write_check:
 * @settings: the BMS's settings frame
 * @order: (out): indexes of @items in an order in which every state between satisfies the interlocks
 * @errors: (inout): one per item, %NULL before: JKB_ERROR_INTERLOCK or JKB_ERROR_READ_ONLY
 *
 * Checks the whole and finds the order. Any thread.
 *
 * Returns: whether nothing is wrong
 */
gboolean jkb_write_check (guint address, const JkbWriteItem *items, guint n_items,
                          const JkbInterlockFacts *facts, const guint8 *settings, guint *order,
                          GError **errors);

/* The same with the first of the errors. */
gboolean jkb_write_plan (guint address, const JkbWriteItem *items, guint n_items,
                         const JkbInterlockFacts *facts, const guint8 *settings, guint *order,
                         GError **error);

G_END_DECLS
