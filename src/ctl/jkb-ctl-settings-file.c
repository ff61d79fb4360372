/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A file of settings: written by "settings --export", read by "apply". It may come from anybody.
 */
#include "config.h"

#include "ctl/jkb-ctl-settings-file.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-print.h"
#include "poll/jkb-setting.h"
#include "wire/jkb-text.h"

#define FILE_MAX_BYTES 65536

static void
append_header (GString *out, const JkbCtlBms *bms)
{
  const char *software = jkb_values_get_text (&bms->values[JKB_GROUP_INFO],
                                              JKB_FIELD_SOFTWARE_VERSION);
  g_autofree char *name = jkb_ctl_text_safe (bms->name);
  g_autofree char *model = jkb_ctl_text_safe (bms->model != NULL ? bms->model : "unknown");
  g_autofree char *firmware = jkb_ctl_text_safe (software != NULL ? software : "unknown");
  g_autofree char *now = jkb_ctl_time_text (g_get_real_time ());

  g_string_append_printf (out,
                          "# Settings of a JK BMS; write them with: jkbmsctl apply ID FILE\n"
                          "# id: %s\n# name: %s\n# model: %s\n# software: %s\n# time: %s\n",
                          bms->id, name, model, firmware, now);
}

GString *
jkb_ctl_settings_file_text (const JkbCtlBms *bms)
{
  GString *out = g_string_new (NULL);
  const JkbValues *values = &bms->values[JKB_GROUP_SETTINGS];

  append_header (out, bms);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      gboolean writable = jkb_setting_tier (&jkb_fields[id]) != JKB_TIER_NONE;

      if (!jkb_values_is_known (values, id))
        continue;
      g_string_append_printf (out, "%s%s=", writable ? "" : "# ", jkb_fields[id].key);
      jkb_text_append_plain (out, values, id);
      g_string_append_c (out, '\n');
    }
  return out;
}

char *
jkb_ctl_settings_file_read (const char *path, GError **error)
{
  gboolean is_stdin = strcmp (path, "-") == 0;
  g_autofree char *text = g_malloc (FILE_MAX_BYTES + 2);
  FILE *file = is_stdin ? stdin : g_fopen (path, "re");
  int problem = errno;
  gsize n = 0;

  if (file != NULL)
    {
      n = fread (text, 1, FILE_MAX_BYTES + 1, file);
      problem = ferror (file) ? errno : n > FILE_MAX_BYTES ? EFBIG : 0;
      if (!is_stdin)
        fclose (file);
    }
  if (file == NULL || problem != 0)
    {
      g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED, _("cannot read %s: %s"), path,
                   g_strerror (problem));
      return NULL;
    }
  text[n] = '\0';
  if (strlen (text) == n && g_utf8_validate (text, n, NULL))
    return g_steal_pointer (&text);
  g_set_error (error, JKB_CTL_ERROR, JKB_CTL_FAILED, _("%s is not a text of KEY=VALUE lines"),
               path);
  return NULL;
}

void
jkb_ctl_settings_file_add (JkbCtlPlan *plan, const char *path, const char *text)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *where = g_strdup_printf ("%s:%u", path, i + 1);
      const char *line = g_strstrip (lines[i]);

      if (*line != '\0' && *line != '#')
        jkb_ctl_plan_add (plan, line, where, TRUE);
    }
}
