/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The overlay as a file: its text is made on the main thread, the disk is waited for on a worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "core/jkb-config-edit.h"
#include "core/jkb-config-store.h"
#include "core/jkb-error.h"

#define PASSWORD_NAME "mqtt-password"

/* ---- text ---- */

static gboolean
is_edge_space (const char *text, const char *p)
{
  return *p == ' ' && (p == text || p[1] == '\0');
}

/* With the escapes of GKeyFile, which reads it. */
static void
append_value (GString *out, const char *text)
{
  for (const char *p = text; *p != '\0'; p++)
    switch (*p)
      {
      case '\\':
        g_string_append (out, "\\\\");
        break;
      case '\n':
        g_string_append (out, "\\n");
        break;
      case '\r':
        g_string_append (out, "\\r");
        break;
      case '\t':
        g_string_append (out, "\\t");
        break;
      default:
        if (is_edge_space (text, p))
          g_string_append (out, "\\s");
        else
          g_string_append_c (out, *p);
      }
}

static void
append_entry (GString *out, const JkbConfigEntry *entry)
{
  g_string_append_printf (out, "%s=", entry->option->key);
  append_value (out, entry->value);
  g_string_append_c (out, '\n');
}

static void
append_replaced (GString *out, const JkbConfigGroup *group)
{
  const GPtrArray *entries = group->entries[JKB_LAYER_OVERLAY];
  g_autoptr (GString) lines = g_string_new (NULL);

  for (guint i = 0; i < entries->len; i++)
    {
      const JkbConfigEntry *entry = g_ptr_array_index (entries, i);
      const JkbConfigEntry *admin
          = jkb_config_group_find_in (group, entry->option->key, JKB_LAYER_ADMIN);
      const JkbConfigEntry *also
          = (entry->option->flags & JKB_OPTION_STORED) != 0
                ? jkb_config_group_find_in (group, JKB_OVERLAY_STORED_ALSO, JKB_LAYER_ADMIN)
                : NULL;

      if (admin != NULL)
        append_entry (lines, admin);
      if (also != NULL)
        append_entry (lines, also);
    }
  if (lines->len > 0)
    g_string_append_printf (out, "\n[" JKB_OVERLAY_REPLACED "%s]\n%s", group->group, lines->str);
}

char *
jkb_overlay_to_text (const JkbConfig *config)
{
  const GPtrArray *groups = jkb_config_store_get_groups (config->store);
  const GPtrArray *removed = jkb_config_store_get_removed (config->store);
  GString *out = g_string_new ("# Changes made over D-Bus, written by jkbmsd. \"jkbmsctl config "
                               "reset\" undoes them.\n[overrides]\nformat=" G_STRINGIFY (
                                   JKB_OVERLAY_FORMAT) "\n");

  for (guint i = 0; i < groups->len; i++)
    {
      const JkbConfigGroup *group = g_ptr_array_index (groups, i);
      const GPtrArray *entries = group->entries[JKB_LAYER_OVERLAY];

      if (entries->len == 0)
        continue;
      g_string_append_printf (out, "\n[%s]\n", group->group);
      for (guint n = 0; n < entries->len; n++)
        append_entry (out, g_ptr_array_index (entries, n));
      append_replaced (out, group);
    }
  for (guint i = 0; i < removed->len; i++)
    {
      const JkbConfigGroup *group = g_ptr_array_index (removed, i);
      const GPtrArray *entries = group->entries[JKB_LAYER_ADMIN];

      g_string_append_printf (out, "\n[" JKB_OVERLAY_REMOVED "%s]\n", group->group);
      for (guint n = 0; n < entries->len; n++)
        append_entry (out, g_ptr_array_index (entries, n));
    }
  return g_string_free (out, FALSE);
}

gboolean
jkb_overlay_is_stale (const JkbConfig *config)
{
  return jkb_config_store_get_fate (config->store) == JKB_OVERLAY_STALE;
}

gboolean
jkb_overlay_is_set_aside (const JkbConfig *config)
{
  return jkb_config_store_get_fate (config->store) == JKB_OVERLAY_SET_ASIDE;
}

void
jkb_overlay_note_written (JkbConfig *config)
{
  jkb_config_store_set_fate (config->store, JKB_OVERLAY_GOOD);
}

/* ---- disk ---- */

/* The rename itself must survive a power cut, too. */
static void
sync_directory (const char *directory)
{
  int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    return;
  fsync (fd);
  close (fd);
}

static gboolean
write_file (const char *state_dir, const char *name, const char *text, GError **error)
{
  g_autofree char *path = g_build_filename (state_dir, name, NULL);
  g_autoptr (GError) reason = NULL;

  if (!g_file_set_contents_full (path, text, -1,
                                 G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &reason))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "the change cannot be kept, so it was not made; make room or correct the owner "
                   "of the state directory: %s",
                   reason->message);
      return FALSE;
    }
  sync_directory (state_dir);
  return TRUE;
}

gboolean
jkb_overlay_write (const char *state_dir, const char *text, gboolean set_aside, GError **error)
{
  g_autofree char *path = g_build_filename (state_dir, JKB_OVERLAY_NAME, NULL);
  g_autofree char *aside = g_strconcat (path, ".set-aside", NULL);

  if (set_aside && g_rename (path, aside) != 0 && errno != ENOENT)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s cannot be kept as %s (%s); move it away and try again", path, aside,
                   g_strerror (errno));
      return FALSE;
    }
  return write_file (state_dir, JKB_OVERLAY_NAME, text, error);
}

/* g_file_set_contents_full() adds a point and six random characters. */
static gboolean
is_left_over (const char *name)
{
  static const char *const written[] = { JKB_OVERLAY_NAME, PASSWORD_NAME };

  for (guint i = 0; i < G_N_ELEMENTS (written); i++)
    {
      gsize length = strlen (written[i]);

      if (g_str_has_prefix (name, written[i]) && name[length] == '.'
          && strlen (name + length + 1) == 6)
        return TRUE;
    }
  return FALSE;
}

void
jkb_overlay_clean (const char *state_dir)
{
  g_autoptr (GDir) dir = g_dir_open (state_dir, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (is_left_over (name))
      {
        g_autofree char *path = g_build_filename (state_dir, name, NULL);

        g_unlink (path);
      }
}

/* ---- the password ---- */

char *
jkb_password_store_path (const char *state_dir)
{
  g_autofree char *path = g_build_filename (state_dir, PASSWORD_NAME, NULL);

  return g_canonicalize_filename (path, NULL);
}

gboolean
jkb_password_store_write (const char *state_dir, const char *password, GError **error)
{
  return write_file (state_dir, PASSWORD_NAME, password, error);
}

void
jkb_password_store_remove (const char *state_dir)
{
  g_autofree char *path = jkb_password_store_path (state_dir);

  g_unlink (path);
}
