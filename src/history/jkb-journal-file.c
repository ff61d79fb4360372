/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The file of the journal: made, found again, judged, set aside. Only the thread that opens it
 * knows of it meanwhile.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "history/jkb-journal-private.h"

#define FORMAT 2
#define FORMAT_WITHOUT_POSITION 1 /* the checks of its records do not cover where they are */
static const char magic[8] = "JKBHIST";

static gboolean
fail (GError **error, const char *what, const char *path, int code)
{
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "cannot %s %s: %s", what, path, g_strerror (code));
  return FALSE;
}

static guint64
random_id (void)
{
  return (guint64) g_random_int () << 32 | g_random_int ();
}

static void
read_boot (guint8 boot[16])
{
  sd_id128_t id;

  if (sd_id128_get_boot (&id) == 0)
    memcpy (boot, id.bytes, 16);
  else
    memset (boot, 0, 16);
}

/* ---- one file ---- */

static JkbJournal *
open_file (const char *path, GError **error)
{
  JkbJournal *self;
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

  if (fd < 0)
    {
      fail (error, "open", path, errno);
      return NULL;
    }
  if (flock (fd, LOCK_EX | LOCK_NB) != 0)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_EXISTS,
                   "%s is in use by another process; give each jkbmsd a state directory of its own",
                   path);
      close (fd);
      return NULL;
    }
  self = g_new0 (JkbJournal, 1);
  self->fd = fd;
  self->page_size = (guint32) sysconf (_SC_PAGESIZE);
  return self;
}

/* All blocks now: a write to a hole of a full file system would be a SIGBUS later. */
static gboolean
map_file (JkbJournal *self, const char *path, GError **error)
{
  int code = posix_fallocate (self->fd, 0, JKB_JOURNAL_FILE_SIZE);
  guint8 *map;

  if (code != 0)
    return fail (error, "make", path, code);
  map = mmap (NULL, JKB_JOURNAL_FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, self->fd, 0);
  if (map == MAP_FAILED)
    return fail (error, "map", path, errno);
  self->header = (JkbJournalHeader *) map;
  self->data = map + JKB_JOURNAL_HEADER_SIZE;
  return TRUE;
}

void
jkb_journal_close (JkbJournal *self)
{
  if (self == NULL)
    return;
  if (self->header != NULL)
    munmap (self->header, JKB_JOURNAL_FILE_SIZE);
  close (self->fd);
  g_free (self);
}

/* The magic comes last: without it nothing of the file counts. */
static void
begin_anew (JkbJournal *self)
{
  JkbJournalHeader *header = self->header;

  memset (header, 0, JKB_JOURNAL_HEADER_SIZE);
  header->format = FORMAT;
  header->size = JKB_JOURNAL_SIZE;
  header->id = random_id ();
  header->era = random_id ();
  read_boot (header->boot);
  memcpy (header->magic, magic, sizeof magic);
}

/* ---- judging ---- */

/* Whether nothing was ever written: a kill came between making the file and beginning it. */
static gboolean
is_blank (const JkbJournalHeader *header)
{
  static const char blank[sizeof magic] = "";

  return memcmp (header->magic, blank, sizeof magic) == 0;
}

/* Returns: (nullable): what is wrong with the file as a whole. */
static const char *
judge_header (const JkbJournalHeader *header)
{
  guint32 head = header->head, tail = header->tail;

  if (memcmp (header->magic, magic, sizeof magic) != 0)
    return "is no journal";
  if (header->format > FORMAT)
    return "was written by a newer version";
  if (header->format < FORMAT_WITHOUT_POSITION || header->size != JKB_JOURNAL_SIZE)
    return "has no known format";
  if (head - tail > JKB_JOURNAL_SIZE || head % 8 != 0 || tail % 8 != 0)
    return "is damaged";
  return NULL;
}

/* The records first: a kill in between leaves a file of the former format. */
static void
upgrade (JkbJournal *self)
{
  if (self->header->format != FORMAT_WITHOUT_POSITION)
    return;
  jkb_journal_seal_anew (self);
  self->header->format = FORMAT;
}

/* Where the good records end. */
static guint32
find_end (JkbJournal *self)
{
  guint32 head = jkb_journal_head (self), position = jkb_journal_tail (self);

  while (jkb_journal_next (self, &position, head) != NULL)
    continue;
  return position;
}

/* What a kill, or a damaged record behind which all is cut off, has left of the foreign ones. */
static void
bound_foreign (JkbJournal *self)
{
  JkbJournalHeader *header = self->header;
  guint32 tail = jkb_journal_tail (self);
  gint32 left = (gint32) (header->foreign_from + header->foreign_bytes - tail);

  header->foreign_from = tail;
  header->foreign_bytes = left <= 0 ? 0 : MIN ((guint32) left, jkb_journal_fill (self));
}

/* The range first: a start that is killed before it commits must not make them ours. */
static void
take_boot (JkbJournal *self)
{
  guint8 boot[16];

  read_boot (boot);
  bound_foreign (self);
  if (memcmp (boot, self->header->boot, sizeof boot) == 0)
    return;
  self->header->foreign_from = jkb_journal_tail (self);
  self->header->foreign_bytes = jkb_journal_fill (self);
  self->header->era = random_id ();
  memcpy (self->header->boot, boot, sizeof boot);
}

/* ---- opening ---- */

/* A copy for whoever wants to look; the file itself stays, with its lock. */
static void
set_aside (JkbJournal *self, const char *path, const char *why, gsize size)
{
  g_autofree char *aside = g_strdup_printf ("%s.set-aside", path);
  g_autofree guint8 *bytes = g_malloc (size);
  gssize n = pread (self->fd, bytes, size, 0);
  g_autoptr (GError) error = NULL;

  if (n < 0)
    fail (&error, "read", path, errno);
  else
    g_file_set_contents_full (aside, (const char *) bytes, n, G_FILE_SET_CONTENTS_CONSISTENT, 0600,
                              &error);
  if (error == NULL)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s %s: set aside as %s, a new one is begun", path,
             why, aside);
  else
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
             "%s %s: a new one is begun; it could not be set aside: %s", path, why,
             error->message);
}

/* @size: of the file as it was found */
static void
take_over (JkbJournal *self, const char *path, gsize size)
{
  const char *why = is_blank (self->header) ? NULL : judge_header (self->header);
  guint32 end;

  if (is_blank (self->header) || why != NULL)
    {
      if (why != NULL)
        set_aside (self, path, why, MIN (size, JKB_JOURNAL_FILE_SIZE));
      begin_anew (self);
      return;
    }
  upgrade (self);
  end = find_end (self);
  if (end != jkb_journal_head (self))
    {
      set_aside (self, path, "has a damaged record", JKB_JOURNAL_FILE_SIZE);
      self->n_cut = jkb_journal_samples_in (jkb_journal_head (self) - end);
      atomic_store (&self->header->head, end);
    }
  take_boot (self);
}

JkbJournal *
jkb_journal_open (const char *path, GError **error)
{
  JkbJournal *self = open_file (path, error);
  struct stat info;

  if (self == NULL)
    return NULL;
  if (fstat (self->fd, &info) != 0 || !S_ISREG (info.st_mode))
    {
      fail (error, "use", path, errno != 0 ? errno : EINVAL);
      jkb_journal_close (self);
      return NULL;
    }
  if (!map_file (self, path, error))
    {
      jkb_journal_close (self);
      return NULL;
    }
  take_over (self, path, (gsize) info.st_size);
  self->tail_seen = jkb_journal_tail (self);
  return self;
}
