/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * All BMS of all buses. A new address must be heard three times within ten minutes before anybody
 * is told, so that a corrupt id never becomes a device; a remembered one comes back with one surely
 * attributed frame. Main thread only.
 */
#include "bms/jkb-registry.h"

#include "bms/jkb-bms-private.h"
#include "bms/jkb-registry-store.h"
#include "core/jkb-earlier.h"
#include "core/jkb-log.h"
#include "wire/jkb-alarm.h"

#define FRAMES_TO_CONFIRM 3
#define CONFIRM_WINDOW_US (600 * G_USEC_PER_SEC)
#define DEFAULT_OFFLINE_AFTER 30.0
#define SAVE_PAUSE_US (5 * G_USEC_PER_SEC) /* hundreds that appear together are saved together */

/* An address that was heard but not often enough yet, or not surely: where acknowledgements and
 * requests get lost, the master's frames look as if an absent address had sent them. */
typedef struct
{
  JkbBms *bms;
  guint n_frames;
  gboolean sure;
  gint64 first_us;
} Candidate;

/* A group of the file that is no BMS: it has no bus. */
#define FORGOTTEN "forgotten"

/* What a bus's configuration says to the registry. */
typedef struct
{
  double offline_after;
  guint16 address_mask;
} BusRule;

struct _JkbRegistry
{
  GObject parent_instance;

  char *state_dir;           /* (nullable) */
  GPtrArray *list;           /* (element-type JkbBms) confirmed, sorted by id */
  GHashTable *by_id;         /* id → JkbBms, borrowed from list */
  GHashTable *candidates;    /* id → Candidate */
  GHashTable *bus_rules;     /* bus name → BusRule */
  GHashTable *names;         /* id → display name */
  GHashTable *ignored;       /* set of ids */
  GHashTable *forgotten;     /* set of ids whose samples are to go */
  GHashTable *dirty;         /* set of JkbBms with something to emit at the next flush */
  gboolean save_needed;
  gint64 saved_us; /* 0: never */
  JkbRegistryLiveFunc live_func; /* (nullable) */
  gpointer live_data;
};

G_DEFINE_TYPE (JkbRegistry, jkb_registry, G_TYPE_OBJECT)

enum
{
  SIGNAL_ADDED,
  SIGNAL_REMOVED,
  SIGNAL_CHANGED,
  SIGNAL_ALARM,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void
candidate_free (Candidate *candidate)
{
  g_object_unref (candidate->bms);
  g_free (candidate);
}

/* ---- object ---- */

JkbRegistry *
jkb_registry_new (const char *state_dir)
{
  JkbRegistry *self = g_object_new (JKB_TYPE_REGISTRY, NULL);

  self->state_dir = g_strdup (state_dir);
  return self;
}

static void
jkb_registry_finalize (GObject *object)
{
  JkbRegistry *self = JKB_REGISTRY (object);

  g_hash_table_unref (self->dirty);
  g_hash_table_unref (self->candidates);
  g_hash_table_unref (self->by_id);
  g_ptr_array_unref (self->list);
  g_hash_table_unref (self->bus_rules);
  g_hash_table_unref (self->names);
  g_hash_table_unref (self->ignored);
  g_hash_table_unref (self->forgotten);
  g_free (self->state_dir);
  G_OBJECT_CLASS (jkb_registry_parent_class)->finalize (object);
}

static void
jkb_registry_class_init (JkbRegistryClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = jkb_registry_finalize;
  signals[SIGNAL_ADDED] = g_signal_new ("bms-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 1, JKB_TYPE_BMS);
  signals[SIGNAL_REMOVED] = g_signal_new ("bms-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                          NULL, G_TYPE_NONE, 1, JKB_TYPE_BMS);
  signals[SIGNAL_CHANGED] = g_signal_new ("bms-changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                          NULL, G_TYPE_NONE, 2, JKB_TYPE_BMS, G_TYPE_UINT);
  signals[SIGNAL_ALARM]
      = g_signal_new ("alarm", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 4,
                      JKB_TYPE_BMS, G_TYPE_UINT, G_TYPE_BOOLEAN, G_TYPE_INT64);
}

static void
jkb_registry_init (JkbRegistry *self)
{
  self->list = g_ptr_array_new_with_free_func (g_object_unref);
  self->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  self->candidates
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) candidate_free);
  self->bus_rules = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->ignored = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->forgotten = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->dirty = g_hash_table_new (NULL, NULL);
}

void
jkb_registry_set_live_func (JkbRegistry *self, JkbRegistryLiveFunc func, gpointer user_data)
{
  self->live_func = func;
  self->live_data = user_data;
}

/* ---- the list ---- */

static int
compare_bms (gconstpointer a, gconstpointer b)
{
  JkbBms *x = *(JkbBms *const *) a, *y = *(JkbBms *const *) b;
  int by_bus = g_strcmp0 (jkb_bms_get_bus_name (x), jkb_bms_get_bus_name (y));

  if (by_bus != 0)
    return by_bus;
  return (int) jkb_bms_get_address (x) - (int) jkb_bms_get_address (y);
}

static void
list_add (JkbRegistry *self, JkbBms *bms)
{
  jkb_bms_set_name (bms, g_hash_table_lookup (self->names, jkb_bms_get_id (bms)));
  g_ptr_array_add (self->list, g_object_ref (bms));
  g_ptr_array_sort (self->list, compare_bms);
  g_hash_table_insert (self->by_id, (gpointer) jkb_bms_get_id (bms), bms);
}

static void
list_remove (JkbRegistry *self, JkbBms *bms)
{
  g_autoptr (JkbBms) keep = g_object_ref (bms);

  g_hash_table_remove (self->dirty, bms);
  g_hash_table_remove (self->by_id, jkb_bms_get_id (bms));
  g_ptr_array_remove (self->list, bms);
  self->save_needed = TRUE;
  self->saved_us = 0; /* with the next tick: somebody wants it gone */
  g_signal_emit (self, signals[SIGNAL_REMOVED], 0, keep);
}

GPtrArray *
jkb_registry_list (JkbRegistry *self)
{
  return self->list;
}

JkbBms *
jkb_registry_find (JkbRegistry *self, const char *id)
{
  return g_hash_table_lookup (self->by_id, id);
}

/* ---- configuration ---- */

static void
remove_where (JkbRegistry *self, gboolean (*match) (JkbRegistry *, JkbBms *, gpointer), gpointer data)
{
  for (guint i = self->list->len; i > 0; i--)
    {
      JkbBms *bms = g_ptr_array_index (self->list, i - 1);

      if (match (self, bms, data))
        list_remove (self, bms);
    }
}

static gboolean is_wanted (JkbRegistry *self, const char *bus_name, guint address, const char *id);

static gboolean
is_unwanted (JkbRegistry *self, JkbBms *bms, gpointer unused)
{
  return !is_wanted (self, jkb_bms_get_bus_name (bms), jkb_bms_get_address (bms),
                     jkb_bms_get_id (bms));
}

void
jkb_registry_configure (JkbRegistry *self, const JkbConfig *config)
{
  g_hash_table_remove_all (self->bus_rules);
  for (guint i = 0; i < config->buses->len; i++)
    {
      const JkbBusConfig *bus = g_ptr_array_index (config->buses, i);
      BusRule rule = { bus->offline_after, bus->address_mask };

      g_hash_table_insert (self->bus_rules, g_strdup (bus->name), g_memdup2 (&rule, sizeof rule));
    }

  g_hash_table_remove_all (self->names);
  g_hash_table_remove_all (self->ignored);
  for (guint i = 0; i < config->bms->len; i++)
    {
      const JkbBmsConfig *bms = g_ptr_array_index (config->bms, i);

      g_hash_table_insert (self->names, g_strdup (bms->id), g_strdup (bms->name));
      if (bms->ignore)
        g_hash_table_add (self->ignored, g_strdup (bms->id));
    }

  remove_where (self, is_unwanted, NULL);
  for (guint i = 0; i < self->list->len; i++)
    {
      JkbBms *bms = g_ptr_array_index (self->list, i);

      if (jkb_bms_set_name (bms, g_hash_table_lookup (self->names, jkb_bms_get_id (bms))))
        g_hash_table_add (self->dirty, bms);
    }
}

/* ---- frames ---- */

static gboolean
is_wanted (JkbRegistry *self, const char *bus_name, guint address, const char *id)
{
  const BusRule *rule = g_hash_table_lookup (self->bus_rules, bus_name);

  if (address > JKB_MAX_ADDRESS || g_hash_table_contains (self->ignored, id))
    return FALSE;
  return rule == NULL || (rule->address_mask & (1u << address)) != 0;
}

static Candidate *
candidate_for (JkbRegistry *self, const char *bus_name, const char *id, const JkbFrame *frame)
{
  Candidate *candidate = g_hash_table_lookup (self->candidates, id);

  if (candidate != NULL && frame->monotonic_us - candidate->first_us > CONFIRM_WINDOW_US)
    {
      g_hash_table_remove (self->candidates, id);
      candidate = NULL;
    }
  if (candidate == NULL)
    {
      candidate = g_new0 (Candidate, 1);
      candidate->bms = jkb_bms_new (bus_name, frame->address);
      candidate->first_us = frame->monotonic_us;
      g_hash_table_insert (self->candidates, g_strdup (id), candidate);
    }
  return candidate;
}

/* What guesses said may be another BMS's: a serial number, alarms, or more cells than this one has,
 * which would stay in discovery for good. */
static void
forget_guesses (Candidate *candidate)
{
  JkbBms *bms = jkb_bms_new (jkb_bms_get_bus_name (candidate->bms),
                             jkb_bms_get_address (candidate->bms));

  g_object_unref (candidate->bms);
  candidate->bms = bms;
}

static void
confirm (JkbRegistry *self, Candidate *candidate)
{
  g_autoptr (JkbBms) bms = g_object_ref (candidate->bms);

  g_hash_table_remove (self->candidates, jkb_bms_get_id (bms));
  list_add (self, bms);
  jkb_bms_set_online (bms, TRUE);
  g_hash_table_add (self->dirty, bms);
  self->save_needed = TRUE;
  jkb_log (G_LOG_LEVEL_MESSAGE, jkb_bms_get_bus_name (bms), jkb_bms_get_id (bms),
           "BMS found at address %u", jkb_bms_get_address (bms));
  /* It appears whole: what the frames changed so far is part of the news. */
  g_signal_emit (self, signals[SIGNAL_ADDED], 0, bms);
}

static double
offline_after (JkbRegistry *self, JkbBms *bms)
{
  const BusRule *rule = g_hash_table_lookup (self->bus_rules, jkb_bms_get_bus_name (bms));

  return rule != NULL ? rule->offline_after : DEFAULT_OFFLINE_AFTER;
}

static void
tell_live (JkbRegistry *self, JkbBms *bms, const JkbFrame *frame)
{
  if (self->live_func != NULL && frame->type == JKB_FRAME_LIVE)
    self->live_func (bms, frame, self->live_data);
}

static void
feed_known (JkbRegistry *self, JkbBms *bms, const JkbFrame *frame)
{
  /* Offline is left only on sure evidence: a guess must not bring back a BMS that is gone. */
  if (!jkb_bms_get_online (bms) && !jkb_evidence_is_sure (frame->evidence))
    return;
  if (!jkb_bms_take_frame (bms, frame))
    return;
  tell_live (self, bms, frame);
  g_hash_table_add (self->dirty, bms);
  /* Settings alone, while no live frame is good, would bring it back for a moment each time. */
  if (jkb_bms_get_deadline (bms, offline_after (self, bms)) > frame->monotonic_us
      && jkb_bms_set_online (bms, TRUE))
    jkb_log (G_LOG_LEVEL_MESSAGE, jkb_bms_get_bus_name (bms), jkb_bms_get_id (bms), "online");
}

void
jkb_registry_feed (JkbRegistry *self, const char *bus_name, const JkbFrame *frame)
{
  char id[64];
  JkbBms *bms;

  g_snprintf (id, sizeof id, "%s_%u", bus_name, frame->address);
  bms = jkb_registry_find (self, id);
  if (bms != NULL)
    feed_known (self, bms, frame);
  else if (is_wanted (self, bus_name, frame->address, id))
    {
      Candidate *candidate = candidate_for (self, bus_name, id, frame);

      if (jkb_evidence_is_sure (frame->evidence) && !candidate->sure)
        forget_guesses (candidate);
      if (!jkb_bms_take_frame (candidate->bms, frame))
        return;
      candidate->sure = candidate->sure || jkb_evidence_is_sure (frame->evidence);
      if (++candidate->n_frames >= FRAMES_TO_CONFIRM && candidate->sure)
        {
          bms = candidate->bms;
          confirm (self, candidate);
          tell_live (self, bms, frame);
        }
    }
}

static void
emit_alarms (JkbRegistry *self, JkbBms *bms)
{
  g_autoptr (GArray) edges = jkb_bms_steal_alarm_edges (bms);

  for (guint i = 0; edges != NULL && i < edges->len; i++)
    {
      const JkbAlarmEdge *edge = &g_array_index (edges, JkbAlarmEdge, i);

      jkb_log (jkb_alarm_severity (edge->bit) == JKB_SEVERITY_INFO ? G_LOG_LEVEL_INFO
               : edge->raised                                      ? G_LOG_LEVEL_WARNING
                                                                   : G_LOG_LEVEL_MESSAGE,
               jkb_bms_get_bus_name (bms), jkb_bms_get_id (bms), "alarm %s: %s",
               edge->raised ? "raised" : "cleared", jkb_alarm_key (edge->bit));
      g_signal_emit (self, signals[SIGNAL_ALARM], 0, bms, (guint) edge->bit, edge->raised,
                     edge->realtime_us);
    }
}

void
jkb_registry_flush (JkbRegistry *self)
{
  /* Listeners may remove BMS: work on a list of our own. */
  g_autoptr (GPtrArray) changed = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < self->list->len; i++)
    if (g_hash_table_contains (self->dirty, self->list->pdata[i]))
      g_ptr_array_add (changed, g_object_ref (self->list->pdata[i]));
  g_hash_table_remove_all (self->dirty);

  for (guint i = 0; i < changed->len; i++)
    {
      JkbBms *bms = g_ptr_array_index (changed, i);
      guint changes;

      if (jkb_registry_find (self, jkb_bms_get_id (bms)) != bms)
        continue;
      emit_alarms (self, bms);
      changes = jkb_bms_steal_changes (bms);
      if ((changes & (JKB_CHANGED_IDENTITY | JKB_CHANGED_LAYOUT)) != 0)
        self->save_needed = TRUE;
      if (changes != 0)
        g_signal_emit (self, signals[SIGNAL_CHANGED], 0, bms, changes);
    }
}

/* ---- time ---- */

static gint64
save_when_due (JkbRegistry *self, gint64 monotonic_us)
{
  gint64 due_us = self->saved_us == 0 ? 0 : self->saved_us + SAVE_PAUSE_US;

  if (!self->save_needed)
    return G_MAXINT64;
  if (monotonic_us < due_us)
    return due_us;
  self->saved_us = monotonic_us;
  jkb_registry_save (self);
  return G_MAXINT64;
}

gint64
jkb_registry_tick (JkbRegistry *self, gint64 monotonic_us)
{
  gint64 next_us = G_MAXINT64;
  gboolean any = FALSE;

  for (guint i = 0; i < self->list->len; i++)
    {
      JkbBms *bms = g_ptr_array_index (self->list, i);
      gint64 deadline_us;

      if (!jkb_bms_get_online (bms))
        continue;
      deadline_us = jkb_bms_get_deadline (bms, offline_after (self, bms));
      if (deadline_us > monotonic_us)
        {
          next_us = MIN (next_us, deadline_us);
          continue;
        }
      jkb_bms_set_online (bms, FALSE);
      g_hash_table_add (self->dirty, bms);
      any = TRUE;
      jkb_log (G_LOG_LEVEL_WARNING, jkb_bms_get_bus_name (bms), jkb_bms_get_id (bms),
               "offline: no frame for %.0f s",
               (double) (monotonic_us - jkb_bms_get_monotonic (bms, JKB_GROUP_LIVE))
                   / G_USEC_PER_SEC);
    }
  if (any)
    jkb_registry_flush (self);
  return jkb_earlier (next_us, save_when_due (self, monotonic_us));
}

/* ---- leaving ---- */

gboolean
jkb_registry_forget (JkbRegistry *self, const char *id, GError **error)
{
  JkbBms *bms = jkb_registry_find (self, id);

  if (bms == NULL)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND, "There is no BMS called '%s'", id);
      return FALSE;
    }
  jkb_log (G_LOG_LEVEL_MESSAGE, jkb_bms_get_bus_name (bms), id, "forgotten");
  g_hash_table_add (self->forgotten, g_strdup (id));
  list_remove (self, bms);
  return TRUE;
}

GStrv
jkb_registry_list_forgotten (JkbRegistry *self)
{
  GPtrArray *ids = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, self->forgotten);
  while (g_hash_table_iter_next (&iter, &id, NULL))
    g_ptr_array_add (ids, g_strdup (id));
  g_ptr_array_add (ids, NULL);
  return (GStrv) g_ptr_array_free (ids, FALSE);
}

/* Written with the next tick: told once more, it would take what came since. */
void
jkb_registry_end_forgetting (JkbRegistry *self, const char *id)
{
  if (!g_hash_table_remove (self->forgotten, id))
    return;
  self->save_needed = TRUE;
  self->saved_us = 0;
}

static gboolean
is_on_bus (JkbRegistry *self, JkbBms *bms, gpointer bus_name)
{
  return g_strcmp0 (jkb_bms_get_bus_name (bms), bus_name) == 0;
}

static gboolean
candidate_is_on_bus (gpointer id, gpointer candidate, gpointer bus_name)
{
  return g_strcmp0 (jkb_bms_get_bus_name (((Candidate *) candidate)->bms), bus_name) == 0;
}

void
jkb_registry_remove_bus (JkbRegistry *self, const char *bus_name)
{
  g_hash_table_foreach_remove (self->candidates, candidate_is_on_bus, (gpointer) bus_name);
  remove_where (self, is_on_bus, (gpointer) bus_name);
}

/* ---- kept over restarts ---- */

static void
load_forgotten (JkbRegistry *self, GKeyFile *file)
{
  g_auto (GStrv) ids = g_key_file_get_string_list (file, FORGOTTEN, "ids", NULL, NULL);

  for (guint i = 0; ids != NULL && ids[i] != NULL; i++)
    g_hash_table_add (self->forgotten, g_strdup (ids[i]));
}

static void
save_forgotten (JkbRegistry *self, GKeyFile *file)
{
  g_auto (GStrv) ids = jkb_registry_list_forgotten (self);

  if (ids[0] != NULL)
    g_key_file_set_string_list (file, FORGOTTEN, "ids", (const char *const *) ids,
                                g_strv_length (ids));
}

void
jkb_registry_load (JkbRegistry *self)
{
  g_autoptr (GKeyFile) file = NULL;
  g_auto (GStrv) groups = NULL;

  if (self->state_dir == NULL)
    return;
  file = jkb_registry_store_read (self->state_dir);
  load_forgotten (self, file);
  groups = g_key_file_get_groups (file, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    {
      g_autofree char *bus_name = g_key_file_get_string (file, groups[i], "bus", NULL);
      int address = g_key_file_get_integer (file, groups[i], "address", NULL);
      g_autoptr (JkbBms) bms = NULL;

      if (bus_name == NULL || address < 0 || !g_hash_table_contains (self->bus_rules, bus_name))
        continue;
      bms = jkb_bms_new (bus_name, (guint) address);
      if (g_strcmp0 (jkb_bms_get_id (bms), groups[i]) != 0
          || jkb_registry_find (self, groups[i]) != NULL
          || !is_wanted (self, bus_name, (guint) address, groups[i]))
        continue;
      jkb_bms_restore (bms, file);
      list_add (self, bms);
      g_signal_emit (self, signals[SIGNAL_ADDED], 0, bms);
    }
}

void
jkb_registry_save (JkbRegistry *self)
{
  g_autoptr (GKeyFile) file = NULL;

  self->save_needed = FALSE;
  if (self->state_dir == NULL)
    return;
  file = g_key_file_new ();
  for (guint i = 0; i < self->list->len; i++)
    jkb_bms_save (g_ptr_array_index (self->list, i), file);
  save_forgotten (self, file);
  jkb_registry_store_write (self->state_dir, g_steal_pointer (&file));
}

void
jkb_registry_close (JkbRegistry *self, int timeout_ms)
{
  if (!jkb_registry_store_wait (timeout_ms))
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s could not be written in time", self->state_dir);
}
