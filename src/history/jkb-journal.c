/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The ring: producer on the main thread, consumer on the store thread. Positions count bytes since
 * the file was made and wrap at 2^32; a record never wraps inside the ring, a PAD fills what is
 * left. The file itself is made and judged in jkb-journal-file.c.
 */
#include "history/jkb-journal.h"

#include <string.h>
#include <sys/mman.h>

#include "history/jkb-journal-private.h"
#include "wire/jkb-crc.h"

#define PAD_SIZE G_STRUCT_OFFSET (JkbRecord, realtime_us)
/* A hundred records or so: then the pages that they filled are given back. */
#define WRITTEN_AT_ONCE (32u << 10)

#define CHECKED_FROM G_STRUCT_OFFSET (JkbRecord, kind)

static inline JkbRecord *
record_at (JkbJournal *self, guint32 position)
{
  return (JkbRecord *) (self->data + (position & (JKB_JOURNAL_SIZE - 1)));
}

/* Of the content alone, as format 1 had it. */
static inline guint16
check_content (const JkbRecord *record)
{
  guint32 size = record->kind == JKB_RECORD_PAD ? PAD_SIZE : record->size;

  return jkb_crc16 ((const guint8 *) record + CHECKED_FROM, size - CHECKED_FROM);
}

/* Laps differ in twelve bits that lie together: the check of a position tells any two apart. */
guint16
jkb_journal_check (const JkbRecord *record, guint32 position)
{
  return check_content (record) ^ jkb_crc16 ((const guint8 *) &position, sizeof position);
}

guint64
jkb_journal_get_id (JkbJournal *self)
{
  return self->header->id;
}

guint
jkb_journal_get_cut (JkbJournal *self)
{
  return self->n_cut;
}

guint
jkb_journal_samples_in (guint32 bytes)
{
  return bytes / sizeof (JkbRecord);
}

guint64
jkb_journal_get_era (JkbJournal *self)
{
  return self->header->era;
}

gboolean
jkb_journal_is_foreign (JkbJournal *self, guint32 position)
{
  return position - self->header->foreign_from < self->header->foreign_bytes;
}

/* The last page of the file may be no whole one, and takes part with its end. */
gboolean
jkb_journal_pages (gsize begin, gsize end, gsize page, gsize *from, gsize *to)
{
  begin += JKB_JOURNAL_HEADER_SIZE;
  end += JKB_JOURNAL_HEADER_SIZE;
  *from = begin & ~(page - 1);
  *to = end == JKB_JOURNAL_FILE_SIZE ? end : end & ~(page - 1);
  return *to > *from;
}

/* The file keeps what it has; the process gives its pages back, or in time it would hold all of
 * them. */
static void
give_back (JkbJournal *self, guint32 from, guint32 to)
{
  gsize begin = from & (JKB_JOURNAL_SIZE - 1), end = begin + (to - from);
  gsize first, behind;

  if (end > JKB_JOURNAL_SIZE)
    {
      give_back (self, to - (guint32) (end - JKB_JOURNAL_SIZE), to);
      end = JKB_JOURNAL_SIZE;
    }
  if (jkb_journal_pages (begin, end, self->page_size, &first, &behind))
    madvise ((guint8 *) self->header + first, behind - first, MADV_DONTNEED);
}

/* ---- producer ---- */

/* Bytes up to the end of the ring. */
static inline guint32
room_at (guint32 position)
{
  return JKB_JOURNAL_SIZE - (position & (JKB_JOURNAL_SIZE - 1));
}

static void
publish_at (JkbJournal *self, guint32 head, JkbRecord *record, guint32 size, JkbRecordKind kind)
{
  record->size = size;
  record->kind = (guint16) kind;
  record->check = jkb_journal_check (record, head);
  /* Sequentially consistent: the store thread goes to sleep by the same order, see
   * jkb_history_store_nudge(). */
  atomic_store (&self->header->head, head + size);
}

JkbRecord *
jkb_journal_reserve (JkbJournal *self, guint32 size)
{
  guint32 head = atomic_load_explicit (&self->header->head, memory_order_relaxed);
  guint32 pad = room_at (head) < size ? room_at (head) : 0;
  guint32 kept = size > JKB_RECORD_CONTROL_SIZE ? JKB_JOURNAL_RESERVE : 0;
  guint32 needed = pad + size + kept;

  if (head - self->tail_seen + needed > JKB_JOURNAL_SIZE)
    {
      self->tail_seen = atomic_load_explicit (&self->header->tail, memory_order_acquire);
      if (head - self->tail_seen + needed > JKB_JOURNAL_SIZE)
        return NULL;
    }
  if (pad != 0)
    publish_at (self, head, record_at (self, head), pad, JKB_RECORD_PAD);
  return record_at (self, head + pad);
}

void
jkb_journal_publish (JkbJournal *self, JkbRecord *record, guint32 size, JkbRecordKind kind)
{
  guint32 head = atomic_load_explicit (&self->header->head, memory_order_relaxed);

  publish_at (self, head, record, size, kind);
  if (head / WRITTEN_AT_ONCE == (head + size) / WRITTEN_AT_ONCE)
    return;
  /* From the page on that was partly written when it was the turn of those before. */
  give_back (self, head / WRITTEN_AT_ONCE * WRITTEN_AT_ONCE - self->page_size, head + size);
}

/* ---- consumer ---- */

guint32
jkb_journal_head (JkbJournal *self)
{
  return atomic_load (&self->header->head);
}

guint32
jkb_journal_tail (JkbJournal *self)
{
  return atomic_load_explicit (&self->header->tail, memory_order_acquire);
}

guint32
jkb_journal_fill (JkbJournal *self)
{
  guint32 tail = jkb_journal_tail (self);

  return jkb_journal_head (self) - tail;
}

/* So far from both ends that sums and differences of a few of them do not overflow. */
static gboolean
is_time (gint64 time_us)
{
  return time_us > -(G_GINT64_CONSTANT (1) << 58) && time_us < G_GINT64_CONSTANT (1) << 58;
}

/* Whether what lies at @position has the shape of a record, in a journal that ends at @head. */
static gboolean
has_shape (const JkbRecord *record, guint32 position, guint32 head)
{
  guint32 left = MIN (head - position, room_at (position));

  if (left < PAD_SIZE || record->size < PAD_SIZE || record->size > left || record->size % 8 != 0
      || record->kind >= JKB_N_RECORD_KINDS)
    return FALSE;
  if (record->kind == JKB_RECORD_PAD)
    return record->size == room_at (position);
  return record->size
         == (record->kind == JKB_RECORD_SAMPLE ? sizeof *record : JKB_RECORD_CONTROL_SIZE);
}

static gboolean
is_good (const JkbRecord *record, guint32 position, guint32 head)
{
  if (!has_shape (record, position, head) || record->check != jkb_journal_check (record, position))
    return FALSE;
  return record->kind == JKB_RECORD_PAD
         || (is_time (record->from_us) && is_time (record->to_us)
             && memchr (record->id, '\0', sizeof record->id) != NULL);
}

void
jkb_journal_seal_anew (JkbJournal *self)
{
  guint32 head = jkb_journal_head (self), position = jkb_journal_tail (self);

  while (position != head && has_shape (record_at (self, position), position, head))
    {
      JkbRecord *record = record_at (self, position);

      if (record->check == check_content (record))
        record->check = jkb_journal_check (record, position);
      position += record->size;
    }
}

const JkbRecord *
jkb_journal_next (JkbJournal *self, guint32 *position, guint32 head)
{
  while (*position != head)
    {
      const JkbRecord *record = record_at (self, *position);

      if (!is_good (record, *position, head))
        return NULL;
      *position += record->size;
      if (record->kind != JKB_RECORD_PAD)
        return record;
    }
  return NULL;
}

void
jkb_journal_set_slept (JkbJournal *self, gint64 slept_us)
{
  self->header->slept_us = slept_us;
}

gint64
jkb_journal_get_slept (JkbJournal *self)
{
  return self->header->slept_us;
}

void
jkb_journal_release (JkbJournal *self, guint32 position)
{
  guint32 tail = jkb_journal_tail (self);

  /* Not for ever: positions come round again. */
  if (position - self->header->foreign_from >= self->header->foreign_bytes)
    self->header->foreign_bytes = 0;
  atomic_store_explicit (&self->header->tail, position, memory_order_release);
  give_back (self, tail, position);
}
