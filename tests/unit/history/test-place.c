/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Where the journal of a daemon lies that was started by hand.
 */
#include <glib/gstdio.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "history/jkb-history-place.h"

#define MEMORY "/dev/shm"

typedef struct
{
  char *memory; /* a place in memory that is the test's alone */
  char *state;  /* a state directory */
} Fixture;

static gboolean
is_memory (const char *path)
{
  struct statfs info;

  return statfs (path, &info) == 0 && info.f_type == TMPFS_MAGIC;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->memory = g_strdup (MEMORY "/jkbtest-place-XXXXXX");
  if (!is_memory (MEMORY) || g_mkdtemp (f->memory) == NULL)
    g_clear_pointer (&f->memory, g_free);
  f->state = g_dir_make_tmp ("jkbtest-state-XXXXXX", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  if (f->memory != NULL)
    g_assert_cmpint (g_rmdir (f->memory), ==, 0);
  g_assert_cmpint (g_rmdir (f->state), ==, 0);
  g_free (f->memory);
  g_free (f->state);
}

static gboolean
has_memory (Fixture *f)
{
  if (f->memory == NULL)
    g_test_skip (MEMORY " is no file system in memory that can be written to here");
  return f->memory != NULL;
}

static char *
find (const char *place, const char *state_dir)
{
  const char *places[] = { place, NULL };

  return jkb_history_place_find (places, state_dir);
}

/* Private, the same for the same state directory by whatever name, another one for another. */
static void
test_found (Fixture *f, gconstpointer data)
{
  g_autofree char *link = g_strdup_printf ("%s-link", f->state);
  g_autofree char *first = NULL, *again = NULL, *other = NULL;
  struct stat info;

  if (!has_memory (f))
    return;
  g_assert_cmpint (symlink (f->state, link), ==, 0);
  first = find (f->memory, f->state);
  again = find (f->memory, link);
  other = find (f->memory, "/var/lib/another");
  g_assert_true (g_str_has_prefix (first, f->memory));
  g_assert_cmpstr (again, ==, first);
  g_assert_cmpstr (other, !=, first);
  g_assert_cmpint (lstat (first, &info), ==, 0);
  g_assert_cmpuint (info.st_mode, ==, S_IFDIR | 0700);
  g_rmdir (first);
  g_rmdir (other);
  g_unlink (link);
}

/* What somebody else has put there is not touched, and the next place is taken. */
static void
test_squatters (Fixture *f, gconstpointer data)
{
  g_autofree char *good = NULL, *name = NULL, *bad_place = NULL, *squatter = NULL;

  if (!has_memory (f))
    return;
  bad_place = g_build_filename (f->memory, "bad", NULL);
  g_assert_cmpint (g_mkdir (bad_place, 0755), ==, 0);
  good = find (f->memory, f->state);
  name = g_path_get_basename (good);
  squatter = g_build_filename (bad_place, name, NULL);

  g_assert_cmpint (symlink (f->state, squatter), ==, 0);
  g_assert_null (find (bad_place, f->state));
  g_unlink (squatter);

  g_assert_cmpint (g_mkdir (squatter, 0700) | chmod (squatter, 0755), ==, 0);
  g_assert_null (find (bad_place, f->state));
  g_rmdir (squatter);

  g_assert_true (g_file_set_contents (squatter, "", 0, NULL));
  g_assert_null (find (bad_place, f->state));
  {
    const char *places[] = { "/nonexistent", bad_place, f->memory, NULL };
    g_autofree char *next = jkb_history_place_find (places, f->state);

    g_assert_cmpstr (next, ==, good);
  }
  g_unlink (squatter);
  g_rmdir (bad_place);
  g_rmdir (good);
}

/* A disk is no place. */
static void
test_disk (Fixture *f, gconstpointer data)
{
  if (is_memory (f->state))
    g_test_skip ("temporary files lie in memory here");
  else
    g_assert_null (find (f->state, f->state));
  g_assert_null (find ("/proc", f->state));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)
  ADD ("/history/place/found", test_found);
  ADD ("/history/place/squatters", test_squatters);
  ADD ("/history/place/disk", test_disk);
  return g_test_run ();
}
