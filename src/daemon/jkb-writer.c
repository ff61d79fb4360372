/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The path of every write, main-thread half. Main thread only.
 */
#include "daemon/jkb-writer.h"

#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "daemon/jkb-daemon.h"
#include "daemon/jkb-snapshot.h"
#include "poll/jkb-setting.h"
#include "wire/jkb-decode.h"

/* A write on its way through a bus. */
typedef struct
{
  GTask *task;
  char *id;
  char *keys; /* for the log and the note */
} Running;

struct _JkbWriter
{
  GObject parent_instance;

  JkbDaemon *daemon; /* borrowed */
  char *state_dir;
  GHashTable *running; /* JkbWrite → Running */
};

G_DEFINE_TYPE (JkbWriter, jkb_writer, G_TYPE_OBJECT)

static guint progress_signal;

static void
running_free (Running *running)
{
  g_object_unref (running->task);
  g_free (running->id);
  g_free (running->keys);
  g_free (running);
}

void
jkb_write_problem_free (JkbWriteProblem *problem)
{
  g_free (problem->key);
  g_error_free (problem->error);
  g_free (problem);
}

/* ---- object ---- */

JkbWriter *
jkb_writer_new (JkbDaemon *daemon, const char *state_dir)
{
  JkbWriter *self = g_object_new (JKB_TYPE_WRITER, NULL);

  self->daemon = daemon;
  self->state_dir = g_strdup (state_dir);
  return self;
}

static void
jkb_writer_finalize (GObject *object)
{
  JkbWriter *self = JKB_WRITER (object);

  g_hash_table_unref (self->running);
  g_free (self->state_dir);
  G_OBJECT_CLASS (jkb_writer_parent_class)->finalize (object);
}

static void
jkb_writer_class_init (JkbWriterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jkb_writer_finalize;
  progress_signal = g_signal_new ("progress", JKB_TYPE_WRITER, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                  NULL, G_TYPE_NONE, 3, G_TYPE_STRING, G_TYPE_UINT, G_TYPE_UINT);
}

static void
jkb_writer_init (JkbWriter *self)
{
  self->running = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) running_free);
}

/* ---- what can be found without sending ---- */

static void
add_problem (GPtrArray *problems, const char *key, GError *error)
{
  JkbWriteProblem *problem = g_new0 (JkbWriteProblem, 1);

  problem->key = g_strdup (key);
  problem->error = error;
  g_ptr_array_add (problems, problem);
}

static JkbInterlockFacts
facts_of (JkbBms *bms)
{
  const JkbValues *live = jkb_bms_peek_values (bms, JKB_GROUP_LIVE);
  JkbInterlockFacts facts = { .cells = JKB_UNKNOWN,
                              .battery_type = JKB_UNKNOWN,
                              .rated_ma = jkb_interlock_rated_current (jkb_bms_get_model (bms)) };

  if (live != NULL)
    {
      facts.cells = jkb_values_get (live, JKB_FIELD_CELL_COUNT);
      facts.battery_type = jkb_values_get (live, JKB_FIELD_BATTERY_TYPE);
    }
  return facts;
}

static void
check_values (GVariant *values, JkbTier tier, JkbWriteItem *items, guint *n_items,
              GPtrArray *problems)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  *n_items = 0;
  g_variant_iter_init (&iter, values);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    {
      g_autoptr (GVariant) owned = value;
      GError *error = NULL;
      const JkbField *field = jkb_setting_find (key, &error);
      gint64 raw = 0;
      gboolean twice = FALSE;

      for (guint i = 0; field != NULL && i < *n_items; i++)
        twice = twice || items[i].id == jkb_field_id (field);
      if (twice)
        g_set_error (&error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "%s is given twice", key);
      if (field == NULL || twice || !jkb_setting_check_tier (field, tier, &error)
          || !jkb_setting_from_variant (field, owned, &raw, &error))
        add_problem (problems, key, error);
      else if (*n_items < JKB_WRITE_MAX_ITEMS)
        items[(*n_items)++] = (JkbWriteItem){ .id = jkb_field_id (field), .raw = raw };
    }
}

static JkbTier
allowed_tier (JkbWriter *self, JkbTier tier)
{
  return MIN (tier, jkb_daemon_peek_config (self->daemon)->writes.access);
}

/* The interlocks, as far as the settings are known; the bus checks again on fresh ones. */
static void
check_interlocks (JkbBms *bms, const JkbWriteItem *items, guint n_items, GPtrArray *problems)
{
  const guint8 *settings = jkb_bms_peek_settings_frame (bms);
  GError *errors[JKB_WRITE_MAX_ITEMS] = { NULL };
  JkbInterlockFacts facts = facts_of (bms);
  guint order[JKB_WRITE_MAX_ITEMS];

  if (settings == NULL)
    return;
  jkb_write_check (jkb_bms_get_address (bms), items, n_items, &facts, settings, order, errors);
  for (guint i = 0; i < n_items; i++)
    if (errors[i] != NULL)
      add_problem (problems, jkb_fields[items[i].id].key, errors[i]);
}

/* What stands in the way whatever is to be written. */
static void
check_way (JkbWriter *self, JkbBms *bms, GPtrArray *problems)
{
  JkbBus *bus = jkb_daemon_find_bus (self->daemon, jkb_bms_get_bus_name (bms));
  GError *error = NULL;

  if (bus == NULL)
    add_problem (problems, "",
                 g_error_new (JKB_ERROR, JKB_ERROR_OFFLINE, "Bus %s is not configured any more",
                              jkb_bms_get_bus_name (bms)));
  else if (!jkb_bus_check_writable (bus, &error))
    add_problem (problems, "", error);
  else if (!jkb_bms_get_online (bms))
    add_problem (problems, "",
                 g_error_new (JKB_ERROR, JKB_ERROR_OFFLINE,
                              "%s is offline: switch it on, or check its cable",
                              jkb_bms_get_id (bms)));
  if (self->state_dir == NULL)
    add_problem (problems, "",
                 g_error_new_literal (JKB_ERROR, JKB_ERROR_IO,
                                      "Settings cannot be saved before the write: there is no "
                                      "state directory"));
}

GPtrArray *
jkb_writer_validate (JkbWriter *self, JkbBms *bms, GVariant *values, JkbTier tier,
                     JkbWriteItem *items, guint *n_items)
{
  GPtrArray *problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_write_problem_free);
  JkbWriteItem own_items[JKB_WRITE_MAX_ITEMS];
  guint own_n = 0;

  items = items != NULL ? items : own_items;
  n_items = n_items != NULL ? n_items : &own_n;
  check_values (values, allowed_tier (self, tier), items, n_items, problems);
  if (*n_items == 0 && problems->len == 0)
    add_problem (problems, "",
                 g_error_new_literal (JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                                      "Nothing is to be written: give at least one setting"));
  check_interlocks (bms, items, *n_items, problems);
  check_way (self, bms, problems);
  return problems;
}

gboolean
jkb_writer_is_dangerous (GVariant *values)
{
  GVariantIter iter;
  const char *key;

  g_variant_iter_init (&iter, values);
  while (g_variant_iter_next (&iter, "{&sv}", &key, NULL))
    {
      const JkbField *field = jkb_field_lookup (JKB_GROUP_SETTINGS, key);

      if (field != NULL && jkb_setting_is_dangerous (field))
        return TRUE;
    }
  return FALSE;
}

/* ---- writing ---- */

static char *
list_keys (const JkbWriteItem *items, guint n_items)
{
  GString *keys = g_string_new (NULL);

  for (guint i = 0; i < n_items; i++)
    g_string_append_printf (keys, "%s%s", i > 0 ? ", " : "", jkb_fields[items[i].id].key);
  return g_string_free (keys, FALSE);
}

gboolean
jkb_writer_is_writing (JkbWriter *self, const char *bus_name)
{
  g_autofree char *prefix = bus_name != NULL ? g_strconcat (bus_name, "_", NULL) : g_strdup ("");
  GHashTableIter iter;
  Running *running;

  g_hash_table_iter_init (&iter, self->running);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &running))
    if (g_str_has_prefix (running->id, prefix))
      return TRUE;
  return FALSE;
}

static Running *
find_running (JkbWriter *self, const char *id)
{
  GHashTableIter iter;
  Running *running;

  g_hash_table_iter_init (&iter, self->running);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &running))
    if (strcmp (running->id, id) == 0)
      return running;
  return NULL;
}

void
jkb_writer_apply_async (JkbWriter *self, JkbBms *bms, GVariant *values, JkbTier tier,
                        GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  JkbWriteItem items[JKB_WRITE_MAX_ITEMS];
  guint n_items;
  g_autoptr (GPtrArray) problems
      = jkb_writer_validate (self, bms, values, tier, items, &n_items);
  JkbBus *bus = jkb_daemon_find_bus (self->daemon, jkb_bms_get_bus_name (bms));
  JkbInterlockFacts facts = facts_of (bms);
  JkbWrite *write;
  Running *running;

  if (problems->len > 0)
    {
      const JkbWriteProblem *first = problems->pdata[0];

      g_task_return_error (task, g_error_copy (first->error));
      return;
    }
  if (find_running (self, jkb_bms_get_id (bms)) != NULL)
    {
      g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY,
                               "%s is being written already; try again when that is done",
                               jkb_bms_get_id (bms));
      return;
    }
  write = jkb_write_new (jkb_bms_get_address (bms), items, n_items, &facts);
  running = g_new0 (Running, 1);
  running->id = g_strdup (jkb_bms_get_id (bms));
  running->keys = list_keys (items, n_items);
  running->task = g_steal_pointer (&task);
  g_hash_table_insert (self->running, write, running);
  jkb_log (G_LOG_LEVEL_MESSAGE, jkb_bus_get_name (bus), running->id, "writing %s", running->keys);
  jkb_bus_submit (bus, write);
}

GVariant *
jkb_writer_apply_finish (JkbWriter *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- what the bus says ---- */

typedef struct
{
  JkbWriter *writer;
  JkbBus *bus;
  guint address;
  char *id;
} Snapshot;

/* Too late for a write that did not wait so long: its note must not stay. */
static void
on_snapshot_saved (gboolean saved, gpointer user_data)
{
  Snapshot *snapshot = user_data;

  if (find_running (snapshot->writer, snapshot->id) != NULL)
    jkb_bus_snapshot_saved (snapshot->bus, snapshot->address, saved);
  else
    jkb_snapshot_write_ended (snapshot->writer->state_dir, snapshot->id);
  g_object_unref (snapshot->writer);
  g_object_unref (snapshot->bus);
  g_free (snapshot->id);
  g_free (snapshot);
}

static void
on_snapshot (JkbBus *bus, guint address, const guint8 *settings, gpointer user_data)
{
  JkbWriter *self = user_data;
  Snapshot *snapshot = g_new0 (Snapshot, 1);
  Running *running;

  snapshot->writer = g_object_ref (self);
  snapshot->bus = g_object_ref (bus);
  snapshot->address = address;
  snapshot->id = g_strdup_printf ("%s_%u", jkb_bus_get_name (bus), address);
  running = find_running (self, snapshot->id);
  jkb_snapshot_save (self->state_dir, snapshot->id, settings,
                     running != NULL ? running->keys : "", g_get_real_time (), on_snapshot_saved,
                     snapshot);
}

static void
on_progress (JkbBus *bus, guint address, guint done, guint total, gpointer user_data)
{
  JkbWriter *self = user_data;
  g_autofree char *id = g_strdup_printf ("%s_%u", jkb_bus_get_name (bus), address);

  g_signal_emit (self, progress_signal, 0, id, done, total);
}

static void
append_state (GString *text, const JkbWriteItem *items, guint n_items, JkbItemState state,
              const char *what)
{
  const char *separator = "; ";

  for (guint i = 0; i < n_items; i++)
    if (items[i].state == state)
      {
        g_string_append_printf (text, "%s%s%s", separator, separator[0] == ';' ? what : "",
                                jkb_fields[items[i].id].key);
        separator = ", ";
      }
}

/* The reason, and what became of each setting. */
static GError *
describe_failure (JkbWrite *write)
{
  const GError *error = jkb_write_peek_error (write);
  guint n_items;
  const JkbWriteItem *items = jkb_write_peek_items (write, &n_items);
  GString *text = g_string_new (error->message);

  append_state (text, items, n_items, JKB_ITEM_RESTORED, "put back: ");
  append_state (text, items, n_items, JKB_ITEM_WRITTEN, "changed and not put back: ");
  if (n_items > 1)
    append_state (text, items, n_items, JKB_ITEM_UNKNOWN, "unknown: ");
  {
    g_autofree char *message = g_string_free (text, FALSE);

    return g_error_new_literal (JKB_ERROR, error->code, message);
  }
}

static GVariant *
describe_result (JkbWrite *write)
{
  GVariantBuilder result = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  guint n_items;
  const JkbWriteItem *items = jkb_write_peek_items (write, &n_items);

  for (guint i = 0; i < n_items; i++)
    g_variant_builder_add (&result, "{sv}", jkb_fields[items[i].id].key,
                           jkb_setting_to_variant (&jkb_fields[items[i].id], items[i].after));
  return g_variant_ref_sink (g_variant_builder_end (&result));
}

static void
on_written (JkbBus *bus, JkbWrite *write, gpointer user_data)
{
  JkbWriter *self = user_data;
  Running *running = g_hash_table_lookup (self->running, write);
  g_autoptr (GTask) task = g_object_ref (running->task);

  jkb_snapshot_write_ended (self->state_dir, running->id);
  if (jkb_write_peek_error (write) == NULL)
    {
      jkb_log (G_LOG_LEVEL_MESSAGE, jkb_bus_get_name (bus), running->id, "wrote %s",
               running->keys);
      g_task_return_pointer (task, describe_result (write), (GDestroyNotify) g_variant_unref);
    }
  else
    {
      GError *error = describe_failure (write);

      jkb_log (G_LOG_LEVEL_WARNING, jkb_bus_get_name (bus), running->id, "could not write %s: %s",
               running->keys, error->message);
      g_task_return_error (task, error);
    }
  g_hash_table_remove (self->running, write);
  jkb_write_free (write);
}

void
jkb_writer_watch_bus (JkbWriter *self, JkbBus *bus)
{
  jkb_bus_set_write_funcs (bus, on_snapshot, on_progress, on_written, self);
}

void
jkb_writer_report_interrupted (JkbWriter *self)
{
  g_autoptr (GPtrArray) sentences = NULL;

  if (self->state_dir == NULL)
    return;
  sentences = jkb_snapshot_take_interrupted (self->state_dir);
  for (guint i = 0; i < sentences->len; i++)
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s", (const char *) sentences->pdata[i]);
}

/* ---- snapshots ---- */

GVariant *
jkb_writer_list_snapshots (JkbWriter *self, JkbBms *bms)
{
  if (self->state_dir == NULL)
    return g_variant_new ("a(st)", NULL);
  return jkb_snapshot_list (self->state_dir, jkb_bms_get_id (bms));
}

GVariant *
jkb_writer_load_snapshot (JkbWriter *self, JkbBms *bms, const char *name, GError **error)
{
  GVariantBuilder values = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const JkbValues *now = jkb_bms_peek_values (bms, JKB_GROUP_SETTINGS);
  guint8 frame[JKB_FRAME_SIZE];
  JkbValues then;

  if (self->state_dir == NULL)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "No snapshot is kept: there is no state "
                                                          "directory");
      return NULL;
    }
  if (!jkb_snapshot_load (self->state_dir, jkb_bms_get_id (bms), name, frame, error))
    return NULL;
  jkb_decode (frame, &then);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    {
      gint64 raw = jkb_fields[id].kind == JKB_KIND_LIST ? JKB_UNKNOWN : jkb_values_get (&then, id);

      if (raw != JKB_UNKNOWN && jkb_setting_tier (&jkb_fields[id]) != JKB_TIER_NONE
          && (now == NULL || !jkb_values_field_equal (now, &then, id)))
        g_variant_builder_add (&values, "{sv}", jkb_fields[id].key,
                               jkb_setting_to_variant (&jkb_fields[id], raw));
    }
  return g_variant_ref_sink (g_variant_builder_end (&values));
}
