/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Reads and writes the file of remembered BMS. Called on the main thread; the slow part of a write
 * runs on a worker, and jobs of one process follow each other.
 */
#include "bms/jkb-registry-store.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/jkb-log.h"

#define FILE_NAME "known-bms.ini"
#define FORMAT 1

static void
set_aside (const char *path, const char *why)
{
  g_autofree char *aside = g_strdup_printf ("%s.set-aside", path);

  jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s %s: kept as %s, starting with no remembered BMS",
           path, why, aside);
  if (rename (path, aside) != 0)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "cannot rename %s: %s", path, g_strerror (errno));
}

GKeyFile *
jkb_registry_store_read (const char *state_dir)
{
  g_autofree char *path = g_build_filename (state_dir, FILE_NAME, NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autoptr (GError) error = NULL;

  if (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, &error))
    {
      int format = g_key_file_get_integer (file, "format", "version", NULL);

      if (format == FORMAT)
        return g_steal_pointer (&file);
      set_aside (path, format > FORMAT ? "was written by a newer version" : "has no known format");
    }
  else if (!g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    set_aside (path, "cannot be read");
  return g_key_file_new ();
}

/* One thread for the process, so that writes keep their order. */
static GThreadPool *worker;
static atomic_uint n_jobs; /* that are not written yet */
static int written_fd;     /* readable after each of them */

typedef struct
{
  char *path;
  char *text;
} WriteJob;

static void
write_job_free (WriteJob *job)
{
  g_free (job->path);
  g_free (job->text);
  g_free (job);
}

static void
write_job_run (gpointer data, gpointer unused)
{
  WriteJob *job = data;
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents_full (job->path, job->text, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &error))
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "cannot remember the BMS: %s", error->message);
  write_job_free (job);
  atomic_fetch_sub (&n_jobs, 1);
  eventfd_write (written_fd, 1);
}

void
jkb_registry_store_write (const char *state_dir, GKeyFile *file)
{
  WriteJob *job = g_new0 (WriteJob, 1);

  g_key_file_set_integer (file, "format", "version", FORMAT);
  job->path = g_build_filename (state_dir, FILE_NAME, NULL);
  job->text = g_key_file_to_data (file, NULL, NULL);
  g_key_file_unref (file);
  if (worker == NULL)
    {
      written_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      worker = g_thread_pool_new (write_job_run, NULL, 1, FALSE, NULL);
    }
  atomic_fetch_add (&n_jobs, 1);
  g_thread_pool_push (worker, job, NULL);
}

gboolean
jkb_registry_store_wait (int timeout_ms)
{
  gint64 until_us = g_get_monotonic_time () + (gint64) timeout_ms * 1000;

  if (worker == NULL)
    return TRUE;
  while (atomic_load (&n_jobs) > 0)
    {
      struct pollfd fd = { .fd = written_fd, .events = POLLIN };
      gint64 left_us = until_us - g_get_monotonic_time ();
      eventfd_t count;

      if (left_us <= 0)
        return FALSE;
      poll (&fd, 1, (int) (left_us / 1000) + 1);
      eventfd_read (written_fd, &count);
    }
  g_thread_pool_free (g_steal_pointer (&worker), FALSE, TRUE);
  close (written_fd);
  return TRUE;
}
