/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The inside of JkbJournal, for its own files only.
 */
#pragma once

#include <stdatomic.h>

#include "history/jkb-journal.h"

G_BEGIN_DECLS

/* What the file begins with. */
typedef struct
{
  char magic[8];
  guint32 format;
  guint32 size;    /* bytes of records */
  guint64 id;      /* random */
  guint64 era;     /* random, anew with each boot */
  guint8 boot[16]; /* id of the boot; zeros where the kernel does not tell */
  gint64 slept_us; /* jkb_journal_set_slept(); the consumer's */
  guint32 foreign_from; /* records of an earlier boot that are not released yet */
  guint32 foreign_bytes;
  _Alignas (64) _Atomic guint32 head;
  _Alignas (64) _Atomic guint32 tail;
} JkbJournalHeader;

#define JKB_JOURNAL_HEADER_SIZE 4096
G_STATIC_ASSERT (G_STRUCT_OFFSET (JkbJournalHeader, head) == 64);
G_STATIC_ASSERT (sizeof (JkbJournalHeader) <= JKB_JOURNAL_HEADER_SIZE);
G_STATIC_ASSERT (sizeof (_Atomic guint32) == 4);

#define JKB_JOURNAL_FILE_SIZE (JKB_JOURNAL_HEADER_SIZE + JKB_JOURNAL_SIZE)

struct _JkbJournal
{
  int fd; /* locked */
  JkbJournalHeader *header;
  guint8 *data;       /* behind the header */
  guint n_cut;        /* jkb_journal_get_cut() */
  guint32 page_size;  /* of the machine: 4 to 64 KiB */
  guint32 tail_seen;  /* producer's last look at tail */
};

/**
 * jkb_journal_pages:
 * @begin: of the ring, in bytes
 * @end: behind the last byte, at most JKB_JOURNAL_SIZE
 * @from: (out): whole pages of the map; the records begin in the middle of one where pages are
 *   larger than the header
 * @to: (out): behind them
 *
 * Returns: whether there is any that ends before @end. The one with @begin in it counts: what it
 *   gives back comes again from the file.
 */
gboolean jkb_journal_pages (gsize begin, gsize end, gsize page, gsize *from, gsize *to);

/* What .check is to be for a record at @position, .kind and .size given. */
guint16 jkb_journal_check (const JkbRecord *record, guint32 position);

/* Records of format 1 become those of format 2. What is that already stays: a kill in between does
 * no harm. */
void jkb_journal_seal_anew (JkbJournal *self);

G_END_DECLS
