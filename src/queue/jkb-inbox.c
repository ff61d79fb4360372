/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The crossing from a reader thread to the main loop. The struct has three parts: what the reader
 * thread alone touches, what the main thread alone touches, and what both do, all of it atomic.
 *
 * Why no wake-up is lost. Let R be a record.
 *
 * 1. A signalled R. The reader publishes R, then writes the eventfd. The main loop reads (clears)
 *    the eventfd first and drains second, so either the drain that is under way sees R, or the write
 *    came after the clearing and the loop turns again.
 *
 * 2. An owed R: published, not signalled, since due is in the future. The reader looks at due by an
 *    atomic read-modify-write after it published R, and sleeps until then; then it signals. If due
 *    does not change, that is the promise. If the main loop moves due later, the reader wakes at
 *    the old moment, finds the new one and sleeps on: R is late by what the main loop asked for. If
 *    the main loop moves due earlier, the reader may sleep too long. So jkb_inbox_set_due() is a
 *    read-modify-write too, and drains afterwards when it moved due earlier (by writing the eventfd
 *    itself: never a drain inside a drain). The two operations on the one variable have an order:
 *    a) the reader's is first: it releases R, the main thread's acquires it, its drain sees R;
 *    b) the main thread's is first: the reader's sees the new due and sleeps no longer than that.
 *    This needs no fence, only that order.
 *
 * 3. R in a newest-wins slot is signalled at once (the ring was full), so case 1.
 *
 * 4. A bounded drain that leaves records behind writes the eventfd itself, so the loop turns again,
 *    after whatever else is waiting in it.
 */
#include "queue/jkb-inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue/jkb-newest.h"
#include "queue/jkb-spsc.h"
#include "queue/jkb-wake.h"

#define RING_SIZE 64u
#define RING_HALF (RING_SIZE / 2)
#define LATER_US G_USEC_PER_SEC
#define DRAIN_MAX (4 * RING_SIZE) /* records per turn of the main loop */
#define N_TYPES 4                 /* settings, live, info by their numbers; 0: all others */
#define N_SLOTS ((JKB_N_ADDRESSES + 1) * N_TYPES) /* unusual addresses share the last ones */

/* What was delivered last from the addresses and types of one slot. */
typedef struct
{
  guint32 sequence;
  guint8 address;
  gboolean valid;
} Delivered;

struct _JkbInbox
{
  /* both threads */
  JkbSpsc ring;
  JkbNewest status;
  JkbMpsc reports;
  _Atomic (JkbNewest *) slots[N_SLOTS]; /* made by the reader when first needed */
  _Atomic gint64 due;
  _Atomic guint64 overruns;
  int event_fd;

  /* reader thread */
  gboolean owed;
  gint64 later_us; /* when frames that tell nothing new are owed too, 0: there are none */

  /* main thread */
  guint source;
  JkbInboxFrameFunc frame_func;
  JkbInboxStatusFunc status_func;
  JkbInboxDrainedFunc drained_func;
  JkbInboxReportFunc report_func;
  gpointer user_data;
  guint64 outdated; /* frames not delivered since a newer one already was */
  Delivered delivered[N_SLOTS];
};

JkbInbox *
jkb_inbox_new (void)
{
  int event_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  JkbInbox *inbox;

  if (event_fd < 0)
    return NULL;
  inbox = aligned_alloc (_Alignof (JkbInbox), sizeof *inbox);
  if (inbox == NULL)
    g_error ("out of memory: %zu bytes for an inbox", sizeof *inbox);
  memset (inbox, 0, sizeof *inbox);
  jkb_spsc_init (&inbox->ring, RING_SIZE, sizeof (JkbFrame));
  jkb_newest_init (&inbox->status, sizeof (JkbLinkStatus));
  inbox->event_fd = event_fd;
  return inbox;
}

void
jkb_inbox_free (JkbInbox *inbox)
{
  if (inbox == NULL)
    return;
  if (inbox->source != 0)
    g_source_remove (inbox->source);
  for (guint i = 0; i < N_SLOTS; i++)
    {
      JkbNewest *slot = atomic_load_explicit (&inbox->slots[i], memory_order_acquire);

      if (slot != NULL)
        jkb_newest_clear (slot);
      g_free (slot);
    }
  close (inbox->event_fd);
  jkb_newest_clear (&inbox->status);
  jkb_spsc_clear (&inbox->ring);
  free (inbox);
}

static guint
slot_index (const JkbFrame *frame)
{
  guint address = MIN (frame->address, JKB_N_ADDRESSES);
  guint type = frame->type < N_TYPES ? frame->type : 0;

  return address * N_TYPES + type;
}

/* Fails only when the counter is full (2^64 - 2 unread wake-ups), and then the fd is readable. */
static void
signal_main (JkbInbox *inbox)
{
  eventfd_write (inbox->event_fd, 1);
}

/* ---- reader thread ---- */

static void
wake_main (JkbInbox *inbox)
{
  inbox->owed = FALSE;
  inbox->later_us = 0;
  signal_main (inbox);
}

static JkbNewest *
ensure_slot (JkbInbox *inbox, guint index)
{
  JkbNewest *slot = atomic_load_explicit (&inbox->slots[index], memory_order_relaxed);

  if (slot == NULL)
    {
      slot = g_new (JkbNewest, 1);
      jkb_newest_init (slot, sizeof (JkbFrame));
      atomic_store_explicit (&inbox->slots[index], slot, memory_order_release);
    }
  return slot;
}

static void
push_newest (JkbInbox *inbox, const JkbFrame *frame)
{
  JkbNewest *slot = ensure_slot (inbox, slot_index (frame));

  memcpy (jkb_newest_back (slot), frame, sizeof *frame);
  if (jkb_newest_publish (slot))
    atomic_fetch_add_explicit (&inbox->overruns, 1, memory_order_relaxed);
}

void
jkb_inbox_push (JkbInbox *inbox, const JkbFrame *frame, JkbWake wake)
{
  if (!jkb_spsc_push (&inbox->ring, frame))
    {
      push_newest (inbox, frame);
      wake = JKB_WAKE_NOW;
    }
  /* The fill grows by one at most from push to push, so half is never jumped over. */
  if (wake == JKB_WAKE_NOW || jkb_spsc_fill (&inbox->ring) == RING_HALF)
    wake_main (inbox);
  else if (wake == JKB_WAKE_DUE)
    inbox->owed = TRUE;
  else if (inbox->later_us == 0)
    inbox->later_us = frame->monotonic_us + LATER_US;
}

void
jkb_inbox_push_status (JkbInbox *inbox, const JkbLinkStatus *status)
{
  memcpy (jkb_newest_back (&inbox->status), status, sizeof *status);
  jkb_newest_publish (&inbox->status);
  wake_main (inbox);
}

void
jkb_inbox_post (JkbInbox *inbox, JkbMpscNode *report)
{
  jkb_mpsc_push (&inbox->reports, report);
  wake_main (inbox);
}

/* Reader's look at due: a read-modify-write, see the top of this file. */
static gint64
load_due (JkbInbox *inbox)
{
  return atomic_fetch_add_explicit (&inbox->due, 0, memory_order_acq_rel);
}

gint64
jkb_inbox_owed (JkbInbox *inbox)
{
  gint64 later_us = inbox->later_us != 0 ? inbox->later_us : G_MAXINT64;

  return inbox->owed ? MIN (load_due (inbox), later_us) : later_us;
}

void
jkb_inbox_wake (JkbInbox *inbox, gint64 monotonic_us)
{
  if (monotonic_us >= jkb_inbox_owed (inbox))
    wake_main (inbox);
}

gboolean
jkb_inbox_is_crowded (JkbInbox *inbox)
{
  return jkb_spsc_fill (&inbox->ring) >= RING_HALF;
}

/* ---- main thread ---- */

static void
deliver_frame (JkbInbox *inbox, const JkbFrame *frame)
{
  Delivered *last = &inbox->delivered[slot_index (frame)];

  if (last->valid && last->address == frame->address
      && (gint32) (frame->sequence - last->sequence) <= 0)
    {
      inbox->outdated++;
      return;
    }
  last->sequence = frame->sequence;
  last->address = frame->address;
  last->valid = TRUE;
  inbox->frame_func (frame, inbox->user_data);
}

/* Returns: whether the ring is empty now. */
static gboolean
drain_ring (JkbInbox *inbox)
{
  const JkbFrame *frame;

  for (guint n = 0; n < DRAIN_MAX; n++)
    {
      frame = jkb_spsc_peek (&inbox->ring);
      if (frame == NULL)
        return TRUE;
      deliver_frame (inbox, frame);
      jkb_spsc_release (&inbox->ring);
    }
  return FALSE;
}

static void
drain_slots (JkbInbox *inbox)
{
  for (guint i = 0; i < N_SLOTS; i++)
    {
      JkbNewest *slot = atomic_load_explicit (&inbox->slots[i], memory_order_acquire);
      const JkbFrame *frame = slot == NULL ? NULL : jkb_newest_take (slot);

      if (frame != NULL)
        deliver_frame (inbox, frame);
    }
}

static void
deliver_reports (JkbInbox *inbox, JkbMpscNode *report)
{
  while (report != NULL)
    {
      JkbMpscNode *next = report->next;

      inbox->report_func (report, inbox->user_data);
      report = next;
    }
}

/* A state of the link, and a report, is delivered behind the frames that were pushed before it: a
 * frame that arrives after "down" would bring its BMS back to life. Hence both are taken first;
 * DRAIN_MAX is more than the ring holds, so what was in it by then is out when drain_ring()
 * returns. */
void
jkb_inbox_drain (JkbInbox *inbox)
{
  const JkbLinkStatus *status;
  JkbMpscNode *reports;
  gboolean empty;

  g_return_if_fail (inbox->source != 0);

  reports = jkb_mpsc_drain (&inbox->reports);
  status = jkb_newest_take (&inbox->status);
  empty = drain_ring (inbox);
  drain_slots (inbox);
  deliver_reports (inbox, reports);
  if (status != NULL)
    inbox->status_func (status, inbox->user_data);
  if (!empty)
    signal_main (inbox);
  inbox->drained_func (inbox->user_data);
}

static gboolean
on_inbox_readable (int fd, GIOCondition condition, gpointer user_data)
{
  JkbInbox *inbox = user_data;
  eventfd_t count;

  eventfd_read (fd, &count);
  jkb_inbox_drain (inbox);
  return G_SOURCE_CONTINUE;
}

void
jkb_inbox_attach (JkbInbox *inbox, JkbInboxFrameFunc frame, JkbInboxStatusFunc status,
                  JkbInboxDrainedFunc drained, gpointer user_data)
{
  g_return_if_fail (inbox->source == 0);

  inbox->frame_func = frame;
  inbox->status_func = status;
  inbox->drained_func = drained;
  inbox->user_data = user_data;
  inbox->source = jkb_wake_add (inbox->event_fd, on_inbox_readable, inbox);
}

void
jkb_inbox_set_report_func (JkbInbox *inbox, JkbInboxReportFunc report)
{
  inbox->report_func = report;
}

void
jkb_inbox_set_due (JkbInbox *inbox, gint64 monotonic_us)
{
  gint64 before = atomic_exchange_explicit (&inbox->due, monotonic_us, memory_order_acq_rel);

  if (monotonic_us < before)
    signal_main (inbox);
}

guint64
jkb_inbox_get_overruns (JkbInbox *inbox)
{
  return atomic_load_explicit (&inbox->overruns, memory_order_relaxed) + inbox->outdated;
}
