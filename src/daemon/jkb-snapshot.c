/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Snapshots and notes: STATE/snapshots/ID/20261122T081500Z.ini and STATE/snapshots/ID/pending.ini.
 * A snapshot holds the raw frame, which is what a restore uses, and the values for people to read.
 */
#include "daemon/jkb-snapshot.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "wire/jkb-crc.h"
#include "wire/jkb-decode.h"
#include "wire/jkb-text.h"

#define FORMAT 1
#define SUFFIX ".ini"
#define PENDING "pending.ini"
#define KEEP 20

static char *
directory_of (const char *state_dir, const char *id)
{
  return g_build_filename (state_dir, "snapshots", id, NULL);
}

/* ---- writing ---- */

typedef struct
{
  char *directory;
  char *name;
  char *snapshot;
  char *note;
  JkbSnapshotSavedFunc func;
  gpointer user_data;
} SaveJob;

static void
save_job_free (SaveJob *job)
{
  g_free (job->directory);
  g_free (job->name);
  g_free (job->snapshot);
  g_free (job->note);
  g_free (job);
}

static char *
frame_to_hex (const guint8 *frame)
{
  GString *hex = g_string_sized_new (2 * JKB_FRAME_SIZE);

  for (guint i = 0; i < JKB_FRAME_SIZE; i++)
    g_string_append_printf (hex, "%02x", frame[i]);
  return g_string_free (hex, FALSE);
}

static char *
snapshot_text (const guint8 *settings, gint64 realtime_us)
{
  g_autoptr (GKeyFile) file = g_key_file_new ();
  g_autofree char *hex = frame_to_hex (settings);
  JkbValues values;

  g_key_file_set_integer (file, "snapshot", "format", FORMAT);
  g_key_file_set_int64 (file, "snapshot", "time", realtime_us / G_USEC_PER_SEC);
  g_key_file_set_string (file, "snapshot", "frame", hex);
  jkb_decode (settings, &values);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      g_autoptr (GString) text = g_string_new (NULL);

      jkb_text_append_plain (text, &values, id);
      g_key_file_set_string (file, "values", jkb_fields[id].key, text->str);
    }
  return g_key_file_to_data (file, NULL, NULL);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* The names are times, so their order is that of time. */
static GPtrArray *
snapshot_names (const char *directory)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, SUFFIX) && strcmp (name, PENDING) != 0)
      g_ptr_array_add (names, g_strndup (name, strlen (name) - strlen (SUFFIX)));
  g_ptr_array_sort (names, compare_names);
  return names;
}

static void
drop_oldest (const char *directory)
{
  g_autoptr (GPtrArray) names = snapshot_names (directory);

  for (guint i = 0; i + KEEP < names->len; i++)
    {
      g_autofree char *file = g_strconcat (names->pdata[i], SUFFIX, NULL);
      g_autofree char *path = g_build_filename (directory, file, NULL);

      g_unlink (path);
    }
}

static gboolean
write_file (const char *directory, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  return g_file_set_contents_full (path, text, -1,
                                   G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE,
                                   0600, error);
}

/* Worker thread. */
static void
save_run (GTask *task, gpointer source, gpointer data, GCancellable *cancellable)
{
  SaveJob *job = data;
  g_autofree char *file = g_strconcat (job->name, SUFFIX, NULL);
  GError *error = NULL;

  g_mkdir_with_parents (job->directory, 0700);
  if (write_file (job->directory, file, job->snapshot, &error)
      && write_file (job->directory, PENDING, job->note, &error))
    {
      drop_oldest (job->directory);
      g_task_return_boolean (task, TRUE);
    }
  else
    g_task_return_error (task, error);
}

static void
on_saved (GObject *source, GAsyncResult *result, gpointer user_data)
{
  SaveJob *job = g_task_get_task_data (G_TASK (result));
  g_autoptr (GError) error = NULL;
  gboolean saved = g_task_propagate_boolean (G_TASK (result), &error);

  if (!saved)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "cannot save the settings before a write: %s",
             error->message);
  job->func (saved, job->user_data);
}

void
jkb_snapshot_save (const char *state_dir, const char *id, const guint8 *settings, const char *keys,
                   gint64 realtime_us, JkbSnapshotSavedFunc func, gpointer user_data)
{
  g_autoptr (GDateTime) time = g_date_time_new_from_unix_utc (realtime_us / G_USEC_PER_SEC);
  g_autoptr (GTask) task = g_task_new (NULL, NULL, on_saved, NULL);
  g_autofree char *second = g_date_time_format (time, "%Y%m%dT%H%M%S");
  SaveJob *job = g_new0 (SaveJob, 1);

  job->directory = directory_of (state_dir, id);
  job->name = g_strdup_printf ("%s.%03dZ", second, (int) (realtime_us / 1000 % 1000));
  job->snapshot = snapshot_text (settings, realtime_us);
  job->note = g_strdup_printf ("[pending]\nformat=%d\nsnapshot=%s\nkeys=%s\n", FORMAT, job->name,
                               keys);
  job->func = func;
  job->user_data = user_data;
  g_task_set_task_data (task, job, (GDestroyNotify) save_job_free);
  g_task_run_in_thread (task, save_run);
}

void
jkb_snapshot_write_ended (const char *state_dir, const char *id)
{
  g_autofree char *path = g_build_filename (state_dir, "snapshots", id, PENDING, NULL);

  g_unlink (path);
}

/* ---- reading ---- */

GPtrArray *
jkb_snapshot_take_interrupted (const char *state_dir)
{
  GPtrArray *sentences = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *top = g_build_filename (state_dir, "snapshots", NULL);
  g_autoptr (GDir) dir = g_dir_open (top, 0, NULL);
  const char *id;

  while (dir != NULL && (id = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (top, id, PENDING, NULL);
      g_autoptr (GKeyFile) file = g_key_file_new ();
      g_autofree char *keys = NULL, *name = NULL;

      if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL))
        continue;
      keys = g_key_file_get_string (file, "pending", "keys", NULL);
      name = g_key_file_get_string (file, "pending", "snapshot", NULL);
      g_ptr_array_add (sentences,
                       g_strdup_printf ("writing %s of %s was cut short by a stop of the daemon: "
                                        "compare its settings with snapshot %s",
                                        keys != NULL ? keys : "settings", id,
                                        name != NULL ? name : "(none)"));
      g_unlink (path);
    }
  return sentences;
}

static GKeyFile *
load_file (const char *directory, const char *name)
{
  g_autofree char *base = g_strconcat (name, SUFFIX, NULL);
  g_autofree char *path = g_build_filename (directory, base, NULL);
  g_autoptr (GKeyFile) file = g_key_file_new ();

  if (!g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL)
      || g_key_file_get_integer (file, "snapshot", "format", NULL) != FORMAT)
    return NULL;
  return g_steal_pointer (&file);
}

GVariant *
jkb_snapshot_list (const char *state_dir, const char *id)
{
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(st)"));
  g_autofree char *directory = directory_of (state_dir, id);
  g_autoptr (GPtrArray) names = snapshot_names (directory);

  for (guint i = 0; i < names->len; i++)
    {
      g_autoptr (GKeyFile) file = load_file (directory, names->pdata[i]);

      if (file != NULL)
        g_variant_builder_add (&list, "(st)", names->pdata[i],
                               (guint64) g_key_file_get_int64 (file, "snapshot", "time", NULL));
    }
  return g_variant_builder_end (&list);
}

static gboolean
frame_from_hex (const char *hex, guint8 *frame)
{
  if (hex == NULL || strlen (hex) != 2 * JKB_FRAME_SIZE)
    return FALSE;
  for (guint i = 0; i < JKB_FRAME_SIZE; i++)
    {
      int high = g_ascii_xdigit_value (hex[2 * i]), low = g_ascii_xdigit_value (hex[2 * i + 1]);

      if (high < 0 || low < 0)
        return FALSE;
      frame[i] = high << 4 | low;
    }
  return TRUE;
}

gboolean
jkb_snapshot_load (const char *state_dir, const char *id, const char *name,
                   guint8 settings[JKB_FRAME_SIZE], GError **error)
{
  g_autofree char *directory = directory_of (state_dir, id);
  /* The name comes from outside: it must not lead anywhere else. */
  g_autoptr (GKeyFile) file = strchr (name, '/') == NULL ? load_file (directory, name) : NULL;
  g_autofree char *hex
      = file != NULL ? g_key_file_get_string (file, "snapshot", "frame", NULL) : NULL;

  if (frame_from_hex (hex, settings)
      && jkb_sum8 (settings, JKB_FRAME_SIZE - 1) == settings[JKB_FRAME_SIZE - 1])
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "%s has no snapshot called '%s'", id, name);
  return FALSE;
}
