/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The journal: order, wrapping, full; torn, damaged, foreign and newer files; a writer that is
 * killed; two threads at once (under ThreadSanitizer, too).
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "history-fixture.h"
#include "history/jkb-journal-private.h"
#include "wire/jkb-crc.h"

typedef struct
{
  char *directory;
  char *path;
  JkbJournal *journal;
} Fixture;

static void
reopen (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&fixture->journal, jkb_journal_close);
  fixture->journal = jkb_journal_open (fixture->path, &error);
  g_assert_no_error (error);
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->directory = make_directory ();
  fixture->path = g_build_filename (fixture->directory, "history.journal", NULL);
  reopen (fixture);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  jkb_journal_close (fixture->journal);
  g_free (fixture->path);
  remove_directory (fixture->directory);
}

static gboolean
push (JkbJournal *journal, gint64 number)
{
  JkbRecord *record = jkb_journal_reserve (journal, sizeof *record);

  if (record == NULL)
    return FALSE;
  memset (&record->realtime_us, 0, sizeof *record - G_STRUCT_OFFSET (JkbRecord, realtime_us));
  record->realtime_us = number;
  strcpy (record->id, "garage_1");
  make_live (record->frame, (guint) (number % 60000));
  jkb_journal_publish (journal, record, sizeof *record, JKB_RECORD_SAMPLE);
  return TRUE;
}

static gboolean
push_control (JkbJournal *journal, gint64 number)
{
  JkbRecord *record = jkb_journal_reserve (journal, JKB_RECORD_CONTROL_SIZE);

  if (record == NULL)
    return FALSE;
  memset (&record->realtime_us, 0,
          JKB_RECORD_CONTROL_SIZE - G_STRUCT_OFFSET (JkbRecord, realtime_us));
  record->realtime_us = number;
  jkb_journal_publish (journal, record, JKB_RECORD_CONTROL_SIZE, JKB_RECORD_CONFIRM);
  return TRUE;
}

/* Takes all there is; each must be one more than the one before. Returns: how many */
static guint
take_all (JkbJournal *journal, gint64 *next)
{
  guint32 position = jkb_journal_tail (journal), head = jkb_journal_head (journal);
  const JkbRecord *record;
  guint n = 0;

  for (; (record = jkb_journal_next (journal, &position, head)) != NULL; n++)
    {
      g_assert_cmpint (record->realtime_us, ==, *next);
      if (record->kind == JKB_RECORD_SAMPLE)
        g_assert_cmpuint (read_live (record->frame), ==, *next % 60000);
      (*next)++;
    }
  g_assert_cmpuint (position, ==, head);
  jkb_journal_release (journal, position);
  return n;
}

static void
test_order (Fixture *fixture, gconstpointer data)
{
  gint64 next = 0;

  g_assert_cmpuint (jkb_journal_fill (fixture->journal), ==, 0);
  for (gint64 i = 0; i < 100; i++)
    g_assert_true (push (fixture->journal, i));
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 100);
  g_assert_cmpuint (jkb_journal_fill (fixture->journal), ==, 0);
}

/* Many times around, with records of two sizes, so that the gap at the end is never the same. */
static void
test_wrap (Fixture *fixture, gconstpointer data)
{
  gint64 next = 0, pushed = 0;

  for (guint round = 0; round < 60; round++)
    {
      for (guint i = 0; i < 500 + round; i++, pushed++)
        g_assert_true (pushed % 7 == 3 ? push_control (fixture->journal, pushed)
                                       : push (fixture->journal, pushed));
      take_all (fixture->journal, &next);
      g_assert_cmpint (next, ==, pushed);
    }
}

/* Positions pass 2^32 like any other. */
static void
test_position_wraps (Fixture *fixture, gconstpointer data)
{
  guint32 position = 0u - 8 * (guint32) sizeof (JkbRecord) - 64;
  gint64 next = 0;

  atomic_store (&fixture->journal->header->head, position);
  atomic_store (&fixture->journal->header->tail, position);
  fixture->journal->tail_seen = position;
  for (gint64 i = 0; i < 100; i++)
    g_assert_true (push (fixture->journal, i));
  reopen (fixture);
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 100);
}

/* Full is refused, nothing that is there suffers, controls have their reserve. */
static void
test_full (Fixture *fixture, gconstpointer data)
{
  gint64 next = 0, pushed = 0;
  guint n_controls = 0;

  while (push (fixture->journal, pushed))
    pushed++;
  g_assert_cmpint (pushed, >, 2700);
  g_assert_cmpint (pushed, <, JKB_JOURNAL_SIZE / sizeof (JkbRecord));
  for (; push_control (fixture->journal, pushed); pushed++)
    n_controls++;
  g_assert_cmpuint (n_controls, >=, JKB_JOURNAL_RESERVE / JKB_RECORD_CONTROL_SIZE - 1);
  g_assert_cmpuint (jkb_journal_fill (fixture->journal), <=, JKB_JOURNAL_SIZE);
  take_all (fixture->journal, &next);
  g_assert_cmpint (next, ==, pushed);
  g_assert_true (push (fixture->journal, pushed));
}

static void
test_kept_over_reopening (Fixture *fixture, gconstpointer data)
{
  guint64 id = jkb_journal_get_id (fixture->journal), era = jkb_journal_get_era (fixture->journal);
  gint64 next = 0;

  for (gint64 i = 0; i < 10; i++)
    push (fixture->journal, i);
  reopen (fixture);
  g_assert_cmpuint (jkb_journal_get_id (fixture->journal), ==, id);
  g_assert_cmpuint (jkb_journal_get_era (fixture->journal), ==, era);
  g_assert_false (jkb_journal_is_foreign (fixture->journal, jkb_journal_tail (fixture->journal)));
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 10);
}

static void
test_file_is_private_and_locked (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  GStatBuf info;

  g_assert_cmpint (g_stat (fixture->path, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0600);
  g_assert_cmpint (info.st_size, ==, JKB_JOURNAL_FILE_SIZE);
  g_assert_null (jkb_journal_open (fixture->path, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_EXISTS);
}

/* A record that was being written when the process died was never published. */
static void
test_torn (Fixture *fixture, gconstpointer data)
{
  gint64 next = 0;
  JkbRecord *record;

  push (fixture->journal, 0);
  record = jkb_journal_reserve (fixture->journal, sizeof *record);
  memset (record, 0xa5, sizeof *record / 2);
  reopen (fixture);
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 1);
  g_assert_true (push (fixture->journal, 1));
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 1);
}

/* ---- damage ---- */

static void
scribble (Fixture *fixture, gsize at, const char *bytes, gsize n)
{
  int fd = open (fixture->path, O_WRONLY);

  g_assert_cmpint (pwrite (fd, bytes, n, (off_t) at), ==, (gssize) n);
  close (fd);
}

static gboolean
was_set_aside (Fixture *fixture)
{
  g_autofree char *aside = g_strconcat (fixture->path, ".set-aside", NULL);

  return g_file_test (aside, G_FILE_TEST_EXISTS);
}

/* The good ones before it stay, and none comes twice. */
static void
test_damaged_record (Fixture *fixture, gconstpointer data)
{
  gint64 next = 0;

  for (gint64 i = 0; i < 10; i++)
    push (fixture->journal, i);
  scribble (fixture, JKB_JOURNAL_HEADER_SIZE + 6 * sizeof (JkbRecord) + 100, "damage", 6);
  reopen (fixture);
  g_assert_true (was_set_aside (fixture));
  g_assert_cmpuint (jkb_journal_get_cut (fixture->journal), ==, 4);
  reopen (fixture);
  g_assert_cmpuint (jkb_journal_get_cut (fixture->journal), ==, 0);
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 6);
  g_assert_true (push (fixture->journal, 6));
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 1);
}

/* Its check is right, but nobody can reckon with such a time. */
static void
test_time_beyond_all (Fixture *fixture, gconstpointer data)
{
  gint64 next = 0;

  for (gint64 i = 0; i < 3; i++)
    push (fixture->journal, i);
  push (fixture->journal, G_MININT64 + 3);
  reopen (fixture);
  g_assert_true (was_set_aside (fixture));
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 3);
}

typedef struct
{
  const char *name;
  gsize at;
  const char *bytes;
  gsize n;
} Header;

static const Header headers[] = {
  { "/journal/no-magic", 0, "something", 9 },
  { "/journal/newer-format", G_STRUCT_OFFSET (JkbJournalHeader, format), "\x03", 1 },
  { "/journal/no-format", G_STRUCT_OFFSET (JkbJournalHeader, format), "\x00", 1 },
  { "/journal/other-size", G_STRUCT_OFFSET (JkbJournalHeader, size), "\x01", 1 },
  { "/journal/head-far-away", G_STRUCT_OFFSET (JkbJournalHeader, head), "\0\0\0\x70", 4 },
  { "/journal/odd-tail", G_STRUCT_OFFSET (JkbJournalHeader, tail), "\x03", 1 },
};

static void
test_bad_header (Fixture *fixture, gconstpointer data)
{
  const Header *header = data;
  guint64 id = jkb_journal_get_id (fixture->journal);
  gint64 next = 0;

  push (fixture->journal, 0);
  scribble (fixture, header->at, header->bytes, header->n);
  reopen (fixture);
  g_assert_true (was_set_aside (fixture));
  g_assert_cmpuint (jkb_journal_get_id (fixture->journal), !=, id);
  g_assert_cmpuint (jkb_journal_fill (fixture->journal), ==, 0);
  g_assert_true (push (fixture->journal, 0));
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 1);
}

/* Any one byte of header or records changed: never a crash, never a record that was not pushed. */
static void
test_any_byte (Fixture *fixture, gconstpointer data)
{
  for (gint64 i = 0; i < 5; i++)
    push (fixture->journal, i);
  for (gsize at = 0; at < JKB_JOURNAL_HEADER_SIZE + 5 * sizeof (JkbRecord); at += 29)
    {
      g_autofree char *bytes = NULL;
      gsize size;
      guint32 position;
      const JkbRecord *record;
      gint64 next = 0;

      g_assert_true (g_file_get_contents (fixture->path, &bytes, &size, NULL));
      scribble (fixture, at, (const char[]){ (char) ~bytes[at] }, 1);
      reopen (fixture);
      position = jkb_journal_tail (fixture->journal);
      while ((record = jkb_journal_next (fixture->journal, &position,
                                         jkb_journal_head (fixture->journal)))
             != NULL)
        g_assert_cmpint (record->realtime_us, ==, next++);
      g_clear_pointer (&fixture->journal, jkb_journal_close);
      g_assert_true (g_file_set_contents (fixture->path, bytes, (gssize) size, NULL));
      reopen (fixture);
    }
}

static void
test_other_boot (Fixture *fixture, gconstpointer data)
{
  guint64 era = jkb_journal_get_era (fixture->journal);
  guint32 position = jkb_journal_tail (fixture->journal);

  push (fixture->journal, 0);
  scribble (fixture, G_STRUCT_OFFSET (JkbJournalHeader, boot), "another boot", 12);
  reopen (fixture);
  push (fixture->journal, 1);
  g_assert_cmpuint (jkb_journal_get_era (fixture->journal), !=, era);
  g_assert_true (jkb_journal_is_foreign (fixture->journal, position));
  g_assert_false (
      jkb_journal_is_foreign (fixture->journal, position + (guint32) sizeof (JkbRecord)));
}

/* The head reached the disk and the record before it did not: what lies there is whole, and of the
 * lap before. */
static void
test_former_lap (Fixture *fixture, gconstpointer data)
{
  const guint n_lap = JKB_JOURNAL_SIZE / sizeof (JkbRecord);
  gint64 next = 0, pushed = 0;

  while (pushed < n_lap + 5)
    {
      g_assert_true (push (fixture->journal, pushed++));
      if (pushed % 100 == 0)
        take_all (fixture->journal, &next);
    }
  atomic_fetch_add (&fixture->journal->header->head, (guint32) sizeof (JkbRecord));
  reopen (fixture);
  g_assert_true (was_set_aside (fixture));
  take_all (fixture->journal, &next);
  g_assert_cmpint (next, ==, pushed);
}

/* As format 1 did: the check covers the content only. */
static void
make_former (JkbJournal *journal, guint n)
{
  guint32 position = jkb_journal_tail (journal);

  for (guint i = 0; i < n; i++)
    {
      JkbRecord *record
          = (JkbRecord *) (journal->data + (position & (JKB_JOURNAL_SIZE - 1)));
      guint32 size = record->kind == JKB_RECORD_PAD ? 8 : record->size;

      record->check = jkb_crc16 ((const guint8 *) &record->kind, size - 6);
      position += record->size;
    }
  journal->header->format = 1;
}

/* Nothing of a journal of the format before is lost, nor of one whose upgrade was interrupted: it
 * goes over the end of the ring, so that there is a record of each kind. */
static void
test_former_format (Fixture *fixture, gconstpointer data)
{
  guint64 id = jkb_journal_get_id (fixture->journal);
  guint32 position = 3 * JKB_JOURNAL_SIZE - 4 * (guint32) sizeof (JkbRecord) - 64;
  gint64 next = 0;

  atomic_store (&fixture->journal->header->head, position);
  atomic_store (&fixture->journal->header->tail, position);
  fixture->journal->tail_seen = position;
  for (gint64 i = 0; i < 10; i++)
    g_assert_true (i % 3 == 1 ? push_control (fixture->journal, i) : push (fixture->journal, i));
  make_former (fixture->journal, GPOINTER_TO_UINT (data));
  reopen (fixture);
  g_assert_false (was_set_aside (fixture));
  g_assert_cmpuint (fixture->journal->header->format, ==, 2);
  g_assert_cmpuint (jkb_journal_get_id (fixture->journal), ==, id);
  g_assert_cmpuint (take_all (fixture->journal, &next), ==, 10);
}

/* ---- killed ---- */

/* A child pushes as fast as it can and tells each number that it has published; it is killed at
 * some moment. All it told must be there. */
static void
push_until_killed (const char *path, int fd)
{
  JkbJournal *journal = jkb_journal_open (path, NULL);

  for (gint64 i = 0; push (journal, i); i++)
    if (write (fd, &i, sizeof i) != sizeof i)
      break;
  pause ();
  _exit (0);
}

static void
test_killed (Fixture *fixture, gconstpointer data)
{
  for (guint round = 0; round < 20; round++)
    {
      gint64 told = -1, next = 0;
      int fds[2];
      pid_t child;

      g_clear_pointer (&fixture->journal, jkb_journal_close);
      g_unlink (fixture->path);
      g_assert_cmpint (pipe (fds), ==, 0);
      child = fork ();
      if (child == 0)
        push_until_killed (fixture->path, fds[1]);
      close (fds[1]);
      for (guint i = 0; i < 1 + round * 60; i++)
        g_assert_cmpint (read (fds[0], &told, sizeof told), ==, sizeof told);
      kill (child, SIGKILL);
      waitpid (child, NULL, 0);
      while (read (fds[0], &told, sizeof told) == sizeof told)
        continue;
      close (fds[0]);
      reopen (fixture);
      take_all (fixture->journal, &next);
      g_assert_cmpint (next, >, told);
      g_assert_cmpint (next, <=, told + 2);
      g_assert_false (was_set_aside (fixture));
    }
}

/* ---- pages ---- */

/* madvise() takes nothing but the beginning of a page; what is given back is whole, and over a lap
 * all is, but for what the header shares. */
static void
test_pages (gconstpointer data)
{
  gsize page = GPOINTER_TO_SIZE (data), step = 32 << 10, covered = JKB_JOURNAL_HEADER_SIZE;
  gsize from, to;

  for (gsize begin = 0; begin < JKB_JOURNAL_SIZE; begin += step)
    {
      gsize at = begin > page ? begin - page : 0;

      if (!jkb_journal_pages (at, begin + step, page, &from, &to))
        continue;
      g_assert_cmpuint (from % page, ==, 0);
      g_assert_cmpuint (from, <=, covered);
      g_assert_cmpuint (to, <=, begin + step + JKB_JOURNAL_HEADER_SIZE);
      g_assert_true (to % page == 0 || to == JKB_JOURNAL_FILE_SIZE);
      covered = to;
    }
  g_assert_cmpuint (covered, ==, JKB_JOURNAL_FILE_SIZE);
  g_assert_false (jkb_journal_pages (page, page + 8, page, &from, &to));
}

/* How much of the map is in this process: the kernel adds neighbours of what is read. */
static gsize
count_resident (void)
{
  g_autofree char *maps = NULL;
  const char *at;
  guint64 kib = 0;

  g_assert_true (g_file_get_contents ("/proc/self/smaps", &maps, NULL, NULL));
  at = strstr (maps, "/history.journal\n");
  g_assert_nonnull (at);
  at = strstr (at, "Rss:");
  g_assert_cmpint (sscanf (at, "Rss: %" G_GUINT64_FORMAT, &kib), ==, 1);
  return kib << 10;
}

/* On a machine with larger pages as well. */
static void
test_pages_are_given_back (Fixture *fixture, gconstpointer data)
{
  gsize page = MAX (GPOINTER_TO_SIZE (data), (gsize) sysconf (_SC_PAGESIZE));
  gint64 next = 0, pushed = 0;

  fixture->journal->page_size = (guint32) page;
  while (pushed < 5000)
    {
      for (guint i = 0; i < 1000; i++)
        g_assert_true (push (fixture->journal, pushed++));
      take_all (fixture->journal, &next);
      g_assert_cmpuint (count_resident (), <=, JKB_JOURNAL_FILE_SIZE / 2);
    }
}

/* ---- two threads ---- */

#define N_STRESS 60000

static gpointer
producer (gpointer data)
{
  JkbJournal *journal = data;

  for (gint64 i = 0; i < N_STRESS;)
    if (i % 11 == 5 ? push_control (journal, i) : push (journal, i))
      i++;
    else
      g_usleep (200);
  return NULL;
}

static void
test_stress (Fixture *fixture, gconstpointer data)
{
  GThread *thread = g_thread_new ("producer", producer, fixture->journal);
  gint64 next = 0;

  while (next < N_STRESS)
    if (take_all (fixture->journal, &next) == 0)
      g_usleep (200);
  g_thread_join (thread);
  g_assert_cmpint (next, ==, N_STRESS);
}

#define ADD(path, func) g_test_add (path, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_log_set_level ("error"); /* what is set aside is warned of */
  ADD ("/journal/order", test_order);
  ADD ("/journal/wrap", test_wrap);
  ADD ("/journal/position-wraps", test_position_wraps);
  ADD ("/journal/full", test_full);
  ADD ("/journal/kept-over-reopening", test_kept_over_reopening);
  ADD ("/journal/private-and-locked", test_file_is_private_and_locked);
  ADD ("/journal/torn", test_torn);
  ADD ("/journal/damaged-record", test_damaged_record);
  ADD ("/journal/time-beyond-all", test_time_beyond_all);
  for (guint i = 0; i < G_N_ELEMENTS (headers); i++)
    g_test_add (headers[i].name, Fixture, &headers[i], set_up, test_bad_header, tear_down);
  ADD ("/journal/any-byte", test_any_byte);
  ADD ("/journal/other-boot", test_other_boot);
  ADD ("/journal/former-lap", test_former_lap);
  g_test_add ("/journal/former-format", Fixture, GUINT_TO_POINTER (11), set_up, test_former_format,
              tear_down);
  g_test_add ("/journal/former-format-in-part", Fixture, GUINT_TO_POINTER (4), set_up,
              test_former_format, tear_down);
  ADD ("/journal/killed", test_killed);
  for (gsize kib = 4; kib <= 64; kib *= 4)
    {
      g_autofree char *pure = g_strdup_printf ("/journal/pages/%zu", kib);
      g_autofree char *real = g_strdup_printf ("/journal/pages-are-given-back/%zu", kib);
      gpointer size = GSIZE_TO_POINTER (kib << 10);

      g_test_add_data_func (pure, size, test_pages);
      g_test_add (real, Fixture, size, set_up, test_pages_are_given_back, tear_down);
    }
  ADD ("/journal/stress", test_stress);
  return g_test_run ();
}
