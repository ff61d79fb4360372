/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header. Everybody can write into some of the places, so nothing that is found there is
 * believed.
 */
#include "history/jkb-history-place.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define KEY_SIZE 12 /* digits that tell state directories apart */

static gboolean
is_in_memory (const char *place)
{
  struct statfs info;

  return statfs (place, &info) == 0
         && (info.f_type == TMPFS_MAGIC || info.f_type == RAMFS_MAGIC);
}

static gboolean
is_ours_alone (const char *directory)
{
  struct stat info;

  return lstat (directory, &info) == 0 && S_ISDIR (info.st_mode) && info.st_uid == geteuid ()
         && (info.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static char *
name_for (const char *state_dir)
{
  char *real = realpath (state_dir, NULL);
  g_autofree char *path = g_canonicalize_filename (real != NULL ? real : state_dir, NULL);
  g_autofree char *sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, path, -1);

  free (real);
  return g_strdup_printf ("jkbmsd-%.*s", KEY_SIZE, sum);
}

char *
jkb_history_place_find (const char *const *places, const char *state_dir)
{
  g_autofree char *name = name_for (state_dir);

  for (guint i = 0; places[i] != NULL; i++)
    {
      g_autofree char *directory = g_build_filename (places[i], name, NULL);

      if (is_in_memory (places[i]) && (mkdir (directory, S_IRWXU) == 0 || errno == EEXIST)
          && is_ours_alone (directory))
        return g_steal_pointer (&directory);
    }
  return NULL;
}

char *
jkb_history_place_find_usual (const char *state_dir)
{
  const char *user = g_getenv ("XDG_RUNTIME_DIR");
  const char *places[] = { user != NULL ? user : "/run", "/run", "/dev/shm", NULL };

  return jkb_history_place_find (places, state_dir);
}
