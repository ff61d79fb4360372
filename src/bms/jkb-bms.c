/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One BMS: takes frames that are known to be its own, keeps the values that can be true, notes what
 * changed. It announces nothing: the registry does. Main thread only.
 */
#include "bms/jkb-bms-private.h"

#include <string.h>

#include "bms/jkb-cycle.h"
#include "wire/jkb-alarm.h"
#include "wire/jkb-decode.h"

/* Texts of device info that are kept over restarts, for the device block of discovery. */
typedef enum
{
  IDENTITY_MODEL,
  IDENTITY_HARDWARE,
  IDENTITY_SOFTWARE,
  IDENTITY_SERIAL,
  N_IDENTITY
} Identity;

static const JkbFieldId identity_fields[N_IDENTITY]
    = { JKB_FIELD_MODEL, JKB_FIELD_HARDWARE_VERSION, JKB_FIELD_SOFTWARE_VERSION,
        JKB_FIELD_SERIAL_NUMBER };

/* Live fields whose change is worth waking everybody for. Balancing is none: it comes and goes every
 * few seconds on a full battery. The reader has the same list (jkb-urgency.c). */
static const JkbFieldId urgent_fields[]
    = { JKB_FIELD_ERRORS_BITMASK, JKB_FIELD_CHARGING, JKB_FIELD_DISCHARGING, JKB_FIELD_PRECHARGING,
        JKB_FIELD_HEATING };

struct _JkbBms
{
  GObject parent_instance;

  char *id;
  char *bus_name;
  guint address;
  char *name;
  char *identity[N_IDENTITY];

  gboolean online;
  gint64 last_seen_us;      /* realtime of the last believed frame */
  gint64 last_monotonic_us; /* the same, monotonic */
  JkbCycle cycle;

  JkbValues *values[JKB_N_GROUPS]; /* NULL until the first frame of that type */
  gint64 realtime_us[JKB_N_GROUPS];
  gint64 monotonic_us[JKB_N_GROUPS];
  guint8 *settings_frame;     /* (nullable) 300 bytes */
  guint64 seen[JKB_N_GROUPS]; /* bit: field - first field of the group was known once */
  guint n_cells;

  guint changes;
  GArray *alarm_edges; /* (element-type JkbAlarmEdge) (nullable) */
  guint64 implausible_values;
  guint64 implausible_frames;
};

G_DEFINE_TYPE (JkbBms, jkb_bms, G_TYPE_OBJECT)

char *
jkb_bms_make_id (const char *bus_name, guint address)
{
  return g_strdup_printf ("%s_%u", bus_name, address);
}

JkbBms *
jkb_bms_new (const char *bus_name, guint address)
{
  JkbBms *self = g_object_new (JKB_TYPE_BMS, NULL);

  self->bus_name = g_strdup (bus_name);
  self->address = address;
  self->id = jkb_bms_make_id (bus_name, address);
  self->name = g_strdup (self->id);
  return self;
}

static void
jkb_bms_finalize (GObject *object)
{
  JkbBms *self = JKB_BMS (object);

  g_free (self->id);
  g_free (self->bus_name);
  g_free (self->name);
  for (guint i = 0; i < N_IDENTITY; i++)
    g_free (self->identity[i]);
  for (guint i = 0; i < JKB_N_GROUPS; i++)
    g_free (self->values[i]);
  g_free (self->settings_frame);
  g_clear_pointer (&self->alarm_edges, g_array_unref);
  G_OBJECT_CLASS (jkb_bms_parent_class)->finalize (object);
}

static void
jkb_bms_class_init (JkbBmsClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jkb_bms_finalize;
}

static void
jkb_bms_init (JkbBms *self)
{
  for (guint i = 0; i < N_IDENTITY; i++)
    self->identity[i] = g_strdup ("");
}

/* ---- taking frames ---- */

/* An alarm that is active when the BMS is first heard counts as raised, unless it is information
 * only: otherwise each start of the daemon would announce that the password was never changed. */
static void
note_alarm_edges (JkbBms *self, const JkbValues *old, const JkbValues *new, gint64 realtime_us)
{
  gint64 after = jkb_values_get (new, JKB_FIELD_ERRORS_BITMASK);
  gint64 before = old != NULL ? jkb_values_get (old, JKB_FIELD_ERRORS_BITMASK) : 0;
  guint32 changed;

  if (after == JKB_UNKNOWN || before == JKB_UNKNOWN)
    return;
  changed = (guint32) before ^ (guint32) after;
  if (old == NULL)
    changed = jkb_alarm_problems (changed);
  for (guint bit = 0; bit < JKB_N_ALARM_BITS && changed >> bit != 0; bit++)
    if ((changed & (1u << bit)) != 0)
      {
        JkbAlarmEdge edge = { bit, ((guint32) after & (1u << bit)) != 0, realtime_us };

        if (self->alarm_edges == NULL)
          self->alarm_edges = g_array_new (FALSE, FALSE, sizeof (JkbAlarmEdge));
        g_array_append_val (self->alarm_edges, edge);
      }
}

static gboolean
any_urgent (const JkbValues *old, const JkbValues *new)
{
  for (guint i = 0; old != NULL && i < G_N_ELEMENTS (urgent_fields); i++)
    if (!jkb_values_field_equal (old, new, urgent_fields[i]))
      return TRUE;
  return FALSE;
}

static void
note_seen (JkbBms *self, const JkbValues *values)
{
  JkbGroup group = values->group;
  JkbFieldId first = jkb_group_first (group);
  guint64 seen = self->seen[group];

  for (JkbFieldId id = first; id < jkb_group_end (group); id++)
    if ((seen & (G_GUINT64_CONSTANT (1) << (id - first))) == 0 && jkb_values_is_known (values, id))
      seen |= G_GUINT64_CONSTANT (1) << (id - first);
  if (seen != self->seen[group])
    {
      self->seen[group] = seen;
      self->changes |= JKB_CHANGED_LAYOUT;
    }
  if (group == JKB_GROUP_LIVE && values->n_cells > self->n_cells)
    {
      self->n_cells = values->n_cells;
      self->changes |= JKB_CHANGED_LAYOUT;
    }
}

static void
note_identity (JkbBms *self, const JkbValues *values)
{
  for (guint i = 0; i < N_IDENTITY; i++)
    {
      const char *text = jkb_values_get_text (values, identity_fields[i]);

      if (text == NULL || strcmp (text, self->identity[i]) == 0)
        continue;
      g_free (self->identity[i]);
      self->identity[i] = g_strdup (text);
      self->changes |= JKB_CHANGED_IDENTITY;
    }
}

/* The flag for a frame of @group: live frames always count, they move LastSeen and the state topic;
 * the others only when they tell something new. */
static guint
change_flag (const JkbValues *old, const JkbValues *new)
{
  static const guint flags[JKB_N_GROUPS]
      = { JKB_CHANGED_LIVE, JKB_CHANGED_SETTINGS, JKB_CHANGED_INFO };

  if (new->group != JKB_GROUP_LIVE && old != NULL)
    {
      JkbFieldId id = jkb_group_first (new->group), end = jkb_group_end (new->group);

      while (id < end && jkb_values_field_equal (old, new, id))
        id++;
      if (id == end)
        return 0;
    }
  return flags[new->group];
}

gboolean
jkb_bms_take_frame (JkbBms *self, const JkbFrame *frame)
{
  JkbGroup group = jkb_frame_group (frame->type);
  JkbValues values;
  JkbValues *old;

  if (group == JKB_N_GROUPS || !jkb_decode (frame->data, &values))
    return FALSE;
  if (!jkb_plausible_frame (frame->data, &values))
    {
      self->implausible_frames++;
      return FALSE;
    }
  self->implausible_values += jkb_plausible_values (frame->data, &values);

  old = self->values[group];
  self->changes |= change_flag (old, &values);
  if (group == JKB_GROUP_LIVE)
    {
      jkb_cycle_add (&self->cycle, frame->monotonic_us);
      note_alarm_edges (self, old, &values, frame->realtime_us);
      if (any_urgent (old, &values))
        self->changes |= JKB_CHANGED_URGENT;
    }
  else if (group == JKB_GROUP_INFO)
    note_identity (self, &values);
  else
    {
      if (self->settings_frame == NULL)
        self->settings_frame = g_malloc (JKB_FRAME_SIZE);
      memcpy (self->settings_frame, frame->data, JKB_FRAME_SIZE);
    }
  note_seen (self, &values);

  if (old == NULL)
    self->values[group] = jkb_values_dup (&values);
  else
    jkb_values_copy (old, &values);
  self->realtime_us[group] = self->last_seen_us = frame->realtime_us;
  self->monotonic_us[group] = self->last_monotonic_us = frame->monotonic_us;
  return TRUE;
}

GArray *
jkb_bms_steal_alarm_edges (JkbBms *self)
{
  return g_steal_pointer (&self->alarm_edges);
}

guint
jkb_bms_steal_changes (JkbBms *self)
{
  guint changes = self->changes;

  self->changes = 0;
  return changes;
}

/* ---- state ---- */

gboolean
jkb_bms_set_name (JkbBms *self, const char *name)
{
  if (name == NULL || *name == '\0')
    name = self->id;
  if (strcmp (name, self->name) == 0)
    return FALSE;
  g_free (self->name);
  self->name = g_strdup (name);
  self->changes |= JKB_CHANGED_IDENTITY;
  return TRUE;
}

gboolean
jkb_bms_set_online (JkbBms *self, gboolean online)
{
  if (self->online == online)
    return FALSE;
  self->online = online;
  self->changes |= JKB_CHANGED_ONLINE;
  return TRUE;
}

/* Live data decides; a BMS that has not sent any yet lives by whatever it sent. */
gint64
jkb_bms_get_deadline (JkbBms *self, double offline_after)
{
  gint64 last_us = self->monotonic_us[JKB_GROUP_LIVE];
  double allowed = MAX (offline_after, 3 * jkb_cycle_get (&self->cycle));

  if (last_us == 0)
    last_us = self->last_monotonic_us;
  return last_us + (gint64) (allowed * G_USEC_PER_SEC);
}

/* ---- kept over restarts ---- */

static char *
seen_fields_to_text (JkbBms *self, JkbGroup group)
{
  GString *text = g_string_new (NULL);
  JkbFieldId first = jkb_group_first (group);

  for (JkbFieldId id = first; id < jkb_group_end (group); id++)
    if ((self->seen[group] & (G_GUINT64_CONSTANT (1) << (id - first))) != 0)
      g_string_append_printf (text, "%s;", jkb_fields[id].key);
  return g_string_free (text, FALSE);
}

void
jkb_bms_save (JkbBms *self, GKeyFile *file)
{
  g_key_file_set_string (file, self->id, "bus", self->bus_name);
  g_key_file_set_integer (file, self->id, "address", (int) self->address);
  g_key_file_set_integer (file, self->id, "cells", (int) self->n_cells);
  for (guint i = 0; i < N_IDENTITY; i++)
    g_key_file_set_string (file, self->id, jkb_fields[identity_fields[i]].key, self->identity[i]);
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    {
      g_autofree char *fields = seen_fields_to_text (self, group);

      g_key_file_set_string (file, self->id, jkb_group_name (group), fields);
    }
}

void
jkb_bms_restore (JkbBms *self, GKeyFile *file)
{
  self->n_cells = CLAMP (g_key_file_get_integer (file, self->id, "cells", NULL), 0, JKB_MAX_CELLS);
  for (guint i = 0; i < N_IDENTITY; i++)
    {
      char *text
          = g_key_file_get_string (file, self->id, jkb_fields[identity_fields[i]].key, NULL);

      if (text == NULL)
        continue;
      g_free (self->identity[i]);
      self->identity[i] = text;
    }
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    {
      g_auto (GStrv) keys
          = g_key_file_get_string_list (file, self->id, jkb_group_name (group), NULL, NULL);

      for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
        {
          const JkbField *field = jkb_field_lookup (group, keys[i]);

          if (field != NULL)
            self->seen[group] |= G_GUINT64_CONSTANT (1)
                                 << (jkb_field_id (field) - jkb_group_first (group));
        }
    }
}

/* ---- what others may ask ---- */

const char *
jkb_bms_get_id (JkbBms *self)
{
  return self->id;
}

const char *
jkb_bms_get_bus_name (JkbBms *self)
{
  return self->bus_name;
}

guint
jkb_bms_get_address (JkbBms *self)
{
  return self->address;
}

const char *
jkb_bms_get_name (JkbBms *self)
{
  return self->name;
}

gboolean
jkb_bms_get_online (JkbBms *self)
{
  return self->online;
}

gint64
jkb_bms_get_last_seen (JkbBms *self)
{
  return self->last_seen_us;
}

const char *
jkb_bms_get_model (JkbBms *self)
{
  return self->identity[IDENTITY_MODEL];
}

const char *
jkb_bms_get_serial_number (JkbBms *self)
{
  return self->identity[IDENTITY_SERIAL];
}

const char *
jkb_bms_get_hardware_version (JkbBms *self)
{
  return self->identity[IDENTITY_HARDWARE];
}

const char *
jkb_bms_get_software_version (JkbBms *self)
{
  return self->identity[IDENTITY_SOFTWARE];
}

const JkbValues *
jkb_bms_peek_values (JkbBms *self, JkbGroup group)
{
  return self->values[group];
}

gint64
jkb_bms_get_realtime (JkbBms *self, JkbGroup group)
{
  return self->realtime_us[group];
}

gint64
jkb_bms_get_monotonic (JkbBms *self, JkbGroup group)
{
  return self->monotonic_us[group];
}

const guint8 *
jkb_bms_peek_settings_frame (JkbBms *self)
{
  return self->settings_frame;
}

gboolean
jkb_bms_has_field (JkbBms *self, JkbFieldId id)
{
  JkbGroup group = jkb_fields[id].group;

  return (self->seen[group] >> (id - jkb_group_first (group)) & 1) != 0;
}

guint
jkb_bms_get_n_cells (JkbBms *self)
{
  return self->n_cells;
}

guint32
jkb_bms_get_alarms (JkbBms *self)
{
  const JkbValues *live = self->values[JKB_GROUP_LIVE];
  gint64 mask = live != NULL ? jkb_values_get (live, JKB_FIELD_ERRORS_BITMASK) : JKB_UNKNOWN;

  return mask == JKB_UNKNOWN ? 0 : (guint32) mask;
}

double
jkb_bms_get_cycle (JkbBms *self)
{
  return jkb_cycle_get (&self->cycle);
}

guint64
jkb_bms_get_implausible_values (JkbBms *self)
{
  return self->implausible_values;
}

guint64
jkb_bms_get_implausible_frames (JkbBms *self)
{
  return self->implausible_frames;
}
