/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl monitor: a line for every change, for people or as JSON, through restarts of the daemon.
 */
#include "config.h"

#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"
#include "ctl/jkb-ctl-wanted.h"
#include "wire/jkb-text.h"

typedef struct
{
  JkbCtl *ctl;
  GMainLoop *loop;
  char **words;         /* ids and keys as given, NULL-terminated */
  JkbCtlWanted *wanted; /* what they mean; NULL: not known yet */
  gboolean json;
  int status;
} Monitor;

/* One line, in both forms: what it is about, and what is new. */
typedef struct
{
  const char *event; /* "changed", "added", "removed", "alarm", "daemon" */
  const char *kind;  /* "id" for a BMS, "bus", "object" */
  const char *name;
} Line;

static void
put_line (GString *text)
{
  g_print ("%s\n", text->str);
  fflush (stdout);
}

static GString *
begin_json (const Line *line)
{
  GString *out = g_string_new ("{");
  g_autofree char *now = jkb_ctl_time_text (g_get_real_time ());

  jkb_ctl_json_text (out, "time", now);
  jkb_ctl_json_text (out, "event", line->event);
  if (line->kind != NULL)
    jkb_ctl_json_text (out, line->kind, line->name);
  return out;
}

static void
end_json (GString *out)
{
  g_string_append (out, "}\n");
  fputs (out->str, stdout);
  fflush (stdout);
  g_string_free (out, TRUE);
}

static GString *
begin_text (const Line *line)
{
  GString *out = g_string_new (NULL);
  g_autoptr(GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");

  g_string_append_printf (out, "%s  ", time);
  if (line->name != NULL)
    g_string_append_printf (out, "%s  ", line->name);
  return out;
}

/* ---- values of a BMS ---------------------------------------------------------------------- */

static void
print_change_json (const Line *line, JkbFieldId id, const JkbValues *before, const JkbValues *after)
{
  GString *out = begin_json (line);

  jkb_ctl_json_text (out, "group", jkb_group_name (jkb_fields[id].group));
  jkb_ctl_json_text (out, "key", jkb_fields[id].key);
  jkb_ctl_json_value (out, "value", after, id);
  jkb_ctl_json_value (out, "previous", before, id);
  end_json (out);
}

static void
append_item (GString *out, const JkbValues *values, JkbFieldId id, guint item, const char *unknown)
{
  gint32 raw = jkb_values_get_item (values, id, item);

  if (raw == JKB_UNKNOWN_ITEM)
    g_string_append (out, unknown);
  else
    jkb_text_append_fixed (out, raw, jkb_fields[id].scale);
}

/* Single cells were asked for: each is a key of its own. */
static void
print_item_json (const Line *line, JkbFieldId id, guint item, const JkbValues *before,
                 const JkbValues *after)
{
  GString *out = begin_json (line);
  char key[64];

  jkb_field_item_key (&jkb_fields[id], item, key, sizeof key);
  jkb_ctl_json_text (out, "group", jkb_group_name (jkb_fields[id].group));
  jkb_ctl_json_text (out, "key", key);
  jkb_ctl_json_key (out, "value");
  append_item (out, after, id, item, "null");
  jkb_ctl_json_key (out, "previous");
  append_item (out, before, id, item, "null");
  end_json (out);
}

static void
append_plain (GString *out, const JkbValues *values, JkbFieldId id)
{
  if (!jkb_values_is_known (values, id))
    g_string_append (out, "–");
  else if (jkb_fields[id].kind == JKB_KIND_FLAGS && jkb_values_get (values, id) == 0)
    g_string_append (out, _("none"));
  else
    jkb_text_append_plain (out, values, id);
}

static void
end_text (GString *out, const JkbField *field)
{
  if (field != NULL && field->unit != NULL)
    g_string_append_printf (out, " %s", field->unit);
  put_line (out);
  g_string_free (out, TRUE);
}

static void
print_change_text (const Line *line, JkbFieldId id, const JkbValues *before, const JkbValues *after)
{
  GString *out = begin_text (line);

  g_string_append_printf (out, "%s  ", jkb_fields[id].key);
  append_plain (out, before, id);
  g_string_append (out, " → ");
  append_plain (out, after, id);
  end_text (out, &jkb_fields[id]);
}

static void
print_item_text (const Line *line, JkbFieldId id, guint item, const JkbValues *before,
                 const JkbValues *after)
{
  GString *out = begin_text (line);
  char key[64];

  jkb_field_item_key (&jkb_fields[id], item, key, sizeof key);
  g_string_append_printf (out, "%s  ", key);
  append_item (out, before, id, item, "–");
  g_string_append (out, " → ");
  append_item (out, after, id, item, "–");
  end_text (out, &jkb_fields[id]);
}

/* @wanted: a bit for each cell */
static void
print_items (const Monitor *monitor, const Line *line, JkbFieldId id, guint32 wanted,
             const JkbValues *before, const JkbValues *after)
{
  for (guint item = 0; item < MAX (before->n_cells, after->n_cells); item++)
    if ((wanted >> item & 1) == 0
        || jkb_values_get_item (before, id, item) == jkb_values_get_item (after, id, item))
      continue;
    else if (monitor->json)
      print_item_json (line, id, item, before, after);
    else
      print_item_text (line, id, item, before, after);
}

static void
print_values (const Monitor *monitor, const Line *line, const JkbValues *before,
              const JkbValues *after)
{
  JkbGroup group = (JkbGroup) after->group;

  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    {
      guint32 items = jkb_ctl_wanted_items (monitor->wanted, id);
      gboolean list = jkb_fields[id].kind == JKB_KIND_LIST;

      if (items == 0 || jkb_values_field_equal (before, after, id))
        continue;
      if (list && (!monitor->json || items != JKB_CTL_WANTED_WHOLE))
        print_items (monitor, line, id, items, before, after);
      else if (monitor->json)
        print_change_json (line, id, before, after);
      else
        print_change_text (line, id, before, after);
    }
}

/* ---- everything else ---------------------------------------------------------------------- */

/* Properties that are no values of a BMS: online, name, state of a bus … */
static void
print_properties (const Monitor *monitor, const Line *line, GVariant *changed)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_next (&iter, "{&sv}", &name, &value))
    {
      g_autofree char *key = jkb_ctl_snake_case (name);
      g_autofree char *safe = NULL;
      g_autoptr(GString) text = g_string_new (NULL);
      GString *out;

      jkb_ctl_json_variant (text, value);
      g_variant_unref (value);
      if (!jkb_ctl_wanted_key (monitor->wanted, key))
        continue;
      if (monitor->json)
        {
          out = begin_json (line);
          jkb_ctl_json_text (out, "key", key);
          jkb_ctl_json_key (out, "value");
          g_string_append (out, text->str);
          end_json (out);
          continue;
        }
      safe = jkb_ctl_text_safe (text->str);
      out = begin_text (line);
      g_string_append_printf (out, "%s  %s", key, safe);
      end_text (out, NULL);
    }
}

/* Whose line it is; FALSE when it is not asked for. */
static gboolean
name_object (const Monitor *monitor, const char *path, Line *line)
{
  if (monitor->wanted == NULL)
    return FALSE;
  if (jkb_ctl_path_is_bms (path, &line->name))
    {
      line->kind = "id";
      return jkb_ctl_wanted_bms (monitor->wanted, line->name);
    }
  if (jkb_ctl_path_is_bus (path, &line->name))
    line->kind = "bus";
  else
    {
      line->kind = "object";
      line->name = strcmp (path, JKB_CTL_ROOT_PATH) == 0 ? "manager" : strrchr (path, '/') + 1;
    }
  return jkb_ctl_wanted_all (monitor->wanted);
}

static void
on_changed (Monitor *monitor, JkbCtlModel *model, const JkbCtlEvent *event)
{
  static const char *const interfaces[JKB_N_GROUPS] = { "Telemetry", "Settings", "Info" };
  const JkbCtlBms *after = jkb_ctl_model_bms_at (model, event->path);
  Line line = { .event = "changed" };

  if (!name_object (monitor, event->path, &line))
    return;
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    if (strcmp (event->interface, interfaces[group]) == 0)
      {
        if (after != NULL && event->before != NULL)
          print_values (monitor, &line, &event->before->values[group], &after->values[group]);
        return;
      }
  print_properties (monitor, &line, event->changed);
}

static void
on_presence (Monitor *monitor, const JkbCtlEvent *event)
{
  gboolean added = event->kind == JKB_CTL_EVENT_ADDED;
  Line line = { .event = added ? "added" : "removed" };
  GString *out;

  if (!name_object (monitor, event->path, &line) || !jkb_ctl_wanted_presence (monitor->wanted))
    return;
  if (monitor->json)
    {
      out = begin_json (&line);
      if (event->interface != NULL)
        {
          g_autofree char *interface = jkb_ctl_snake_case (event->interface);

          jkb_ctl_json_text (out, "interface", interface);
        }
      end_json (out);
      return;
    }
  out = begin_text (&line);
  if (event->interface != NULL)
    g_string_append_printf (out, _("%s heard for the first time"), event->interface);
  else
    g_string_append (out, added ? _("is there") : _("is gone"));
  end_text (out, NULL);
}

static void
on_alarm (Monitor *monitor, const JkbCtlEvent *event)
{
  gboolean raised = strcmp (event->signal, "AlarmRaised") == 0;
  Line line = { .event = "alarm" };
  const char *key, *severity = NULL;
  GString *out;

  if (!name_object (monitor, event->path, &line)
      || !jkb_ctl_wanted_key (monitor->wanted, "errors"))
    return;
  if (raised && g_variant_is_of_type (event->arguments, G_VARIANT_TYPE ("(ss)")))
    g_variant_get (event->arguments, "(&s&s)", &key, &severity);
  else if (strcmp (event->signal, "AlarmCleared") == 0
           && g_variant_is_of_type (event->arguments, G_VARIANT_TYPE ("(s)")))
    g_variant_get (event->arguments, "(&s)", &key);
  else
    return;
  if (monitor->json)
    {
      out = begin_json (&line);
      jkb_ctl_json_text (out, "event_type", raised ? "raised" : "cleared");
      jkb_ctl_json_text (out, "alarm", key);
      jkb_ctl_json_text (out, "severity", severity);
      end_json (out);
      return;
    }
  out = begin_text (&line);
  /* Translators: the alarm's key, and how grave it is */
  if (raised)
    g_string_append_printf (out, _("ALARM %s (%s)"), key, jkb_ctl_word (severity));
  else
    g_string_append_printf (out, _("alarm %s is over"), key);
  end_text (out, NULL);
}

static void
on_daemon (Monitor *monitor, JkbCtlModel *model, gboolean up)
{
  Line line = { .event = "daemon" };
  g_autoptr(GPtrArray) buses = jkb_ctl_model_buses (model);
  guint n_bms = jkb_ctl_model_bms (model)->len;
  GString *out;

  if (monitor->json)
    {
      out = begin_json (&line);
      jkb_ctl_json_bool (out, "running", up);
      end_json (out);
      return;
    }
  out = begin_text (&line);
  if (up)
    g_string_append_printf (out, _("jkbmsd is there (buses: %u, BMS: %u)"), buses->len, n_bms);
  else
    g_string_append (out, _("jkbmsd is gone; waiting for it"));
  end_text (out, NULL);
}

/* With the first model: what the words on the command line mean. */
static gboolean
resolve_words (Monitor *monitor, JkbCtlModel *model)
{
  if (monitor->wanted != NULL)
    return TRUE;
  monitor->wanted = jkb_ctl_wanted_new ();
  for (guint i = 0; monitor->words[i] != NULL && monitor->status == JKB_CTL_OK; i++)
    monitor->status
      = jkb_ctl_wanted_add (monitor->wanted, monitor->ctl, model, monitor->words[i]);
  if (monitor->status != JKB_CTL_OK)
    g_main_loop_quit (monitor->loop);
  return monitor->status == JKB_CTL_OK;
}

static void
on_event (JkbCtlModel *model, const JkbCtlEvent *event, gpointer user_data)
{
  Monitor *monitor = user_data;

  switch (event->kind)
    {
    case JKB_CTL_EVENT_UP:
      if (resolve_words (monitor, model))
        on_daemon (monitor, model, TRUE);
      break;
    case JKB_CTL_EVENT_DOWN:
      on_daemon (monitor, model, FALSE);
      break;
    case JKB_CTL_EVENT_ADDED:
    case JKB_CTL_EVENT_REMOVED:
      on_presence (monitor, event);
      break;
    case JKB_CTL_EVENT_CHANGED:
      on_changed (monitor, model, event);
      break;
    case JKB_CTL_EVENT_SIGNAL:
      on_alarm (monitor, event);
      break;
    }
}

static gboolean
on_stop (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_CONTINUE;
}

int
jkb_ctl_verb_monitor (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  Monitor monitor = { .ctl = ctl };
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &monitor.json, N_("Print a JSON object per line"),
          NULL },
        { NULL } };
  g_autoptr(GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr(JkbCtlWatch) watch = NULL;
  g_autoptr(GError) error = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  monitor.loop = loop;
  monitor.words = argv;
  watch = jkb_ctl_watch_new (ctl, on_event, &monitor, &error);
  if (watch == NULL)
    return jkb_ctl_fail (ctl, error);
  g_unix_signal_add (SIGINT, on_stop, loop);
  g_unix_signal_add (SIGTERM, on_stop, loop);
  g_main_loop_run (loop);
  g_clear_pointer (&monitor.wanted, jkb_ctl_wanted_free);
  return monitor.status;
}
