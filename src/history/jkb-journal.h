/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The journal of the history: a ring of records in a mapped file, so that what is in it survives
 * the process. One thread pushes (main), one takes (the store thread); neither waits, and a push is
 * no system call, but one in a hundred. A record counts once it is published, and is gone once it is
 * released; a kill between the two loses nothing. Opened and closed while only one thread knows of
 * it.
 */
#pragma once

#include <gio/gio.h>

#include "history/jkb-history.h"

G_BEGIN_DECLS

#define JKB_JOURNAL_SIZE (1u << 20) /* bytes of records; a power of two */

/* What controls may still use when samples find it full. */
#define JKB_JOURNAL_RESERVE (64u << 10)

typedef enum
{
  JKB_RECORD_PAD, /* to the end of the ring */
  JKB_RECORD_SAMPLE,
  JKB_RECORD_FORGET,       /* .id */
  JKB_RECORD_BEGIN_OUTAGE, /* at its time */
  JKB_RECORD_END_OUTAGE,   /* at its time */
  JKB_RECORD_DROP_OUTAGES,
  JKB_RECORD_CONFIRM, /* .from_us and .to_us */
  JKB_N_RECORD_KINDS
} JkbRecordKind;

typedef struct
{
  guint32 size;  /* of the whole record, a multiple of 8 */
  guint16 check; /* CRC-16 of all that follows it, and of its position: one of a former lap is not
                  * taken for one of this */
  guint16 kind;  /* JkbRecordKind; a PAD ends here */
  union
  {
    struct
    {
      gint64 realtime_us; /* both clocks at the moment that the record is about */
      gint64 monotonic_us;
    };
    struct
    {
      gint64 from_us; /* dated stamps */
      gint64 to_us;
    };
  };
  char id[JKB_HISTORY_ID_SIZE];
  guint8 frame[JKB_FRAME_SIZE]; /* SAMPLE only */
  guint8 unused[4];
} JkbRecord;
G_STATIC_ASSERT (sizeof (JkbRecord) == 352);

#define JKB_RECORD_CONTROL_SIZE G_STRUCT_OFFSET (JkbRecord, frame)

typedef struct _JkbJournal JkbJournal;

/**
 * jkb_journal_open:
 *
 * Opens @path, or makes it: all of its blocks are had at once, so that no later write can fail. A
 * journal that is damaged, or of a newer jkbmsd, is set aside and logged; the good records before a
 * damaged one are kept.
 *
 * Returns: (nullable): with %JKB_ERROR_IO or, where another process has it, %JKB_ERROR_EXISTS
 */
JkbJournal *jkb_journal_open (const char *path, GError **error);
void jkb_journal_close (JkbJournal *self);

/* Names this journal for as long as the file lives. */
guint64 jkb_journal_get_id (JkbJournal *self);

/* Samples that the opening has cut off with a damaged record, as many as can have been. */
guint jkb_journal_get_cut (JkbJournal *self);

/* As many as can be in so many bytes that cannot be read. */
guint jkb_journal_samples_in (guint32 bytes);

/* Names the boot whose monotonic clock the records tell, as well as that can be known. */
guint64 jkb_journal_get_era (JkbJournal *self);

/* Whether the record at @position is of an earlier boot: its monotonic time means nothing now. */
gboolean jkb_journal_is_foreign (JkbJournal *self, guint32 position);

/* ---- producer ---- */

/* Returns: (nullable): a record of @size to fill but for size, check and kind; %NULL: it is full */
JkbRecord *jkb_journal_reserve (JkbJournal *self, guint32 size);
void jkb_journal_publish (JkbJournal *self, JkbRecord *record, guint32 size, JkbRecordKind kind);

/* ---- consumer; head and fill for both ---- */

guint32 jkb_journal_head (JkbJournal *self);
guint32 jkb_journal_tail (JkbJournal *self);

/* Bytes that are taken. */
guint32 jkb_journal_fill (JkbJournal *self);

/**
 * jkb_journal_next:
 * @position: (inout): where to read; moved behind the record
 * @head: of jkb_journal_head()
 *
 * Returns: (nullable): the record, in place until it is released; %NULL at @head, and, with
 *   @position before it, at a record that is damaged
 */
const JkbRecord *jkb_journal_next (JkbJournal *self, guint32 *position, guint32 head);

/* How long the machine had been suspended since its boot when the records that are left now had not
 * been made yet. */
void jkb_journal_set_slept (JkbJournal *self, gint64 slept_us);
gint64 jkb_journal_get_slept (JkbJournal *self);

/* Everything before @position may be overwritten. */
void jkb_journal_release (JkbJournal *self, guint32 position);

G_END_DECLS
