/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Decoded values as D-Bus properties. Compares integers, makes variants only of what is read or
 * announced. Main thread only.
 */
#include "dbus/jkb-table-skeleton.h"

#include <math.h>

#include "core/jkb-error.h"
#include "dbus/jkb-table-info.h"
#include "wire/jkb-alarm.h"

struct _JkbTableSkeleton
{
  JkbSkeleton parent_instance;
  JkbGroup group;
  JkbPeekValuesFunc peek;
  GObject *source;
  JkbTableCallFunc call; /* NULL: the interface can only be read */
  gpointer call_data;
  GDestroyNotify call_destroy;
  JkbValues *known; /* what readers were told last */
};

G_DEFINE_TYPE (JkbTableSkeleton, jkb_table_skeleton, JKB_TYPE_SKELETON)

static const JkbValues *
peek_values (JkbTableSkeleton *self)
{
  static JkbValues nothing[JKB_N_GROUPS];
  const JkbValues *values = self->peek (self->source, self->group);

  if (values != NULL)
    return values;
  jkb_values_init (&nothing[self->group], self->group);
  return &nothing[self->group];
}

static GVariant *
read_number (const JkbValues *values, JkbFieldId id)
{
  gint64 raw = jkb_values_get (values, id);

  switch (jkb_fields[id].dbus[0])
    {
    case 'u':
      return g_variant_new_uint32 (raw == JKB_UNKNOWN ? 0 : (guint32) raw);
    case 't':
      return g_variant_new_uint64 (raw == JKB_UNKNOWN ? 0 : (guint64) raw);
    default:
      return g_variant_new_double (jkb_values_get_double (values, id));
    }
}

static GVariant *
read_enum (const JkbValues *values, JkbFieldId id)
{
  const char *const *names = jkb_fields[id].names;
  gint64 raw = jkb_values_get (values, id);

  if (raw < 0 || raw >= g_strv_length ((char **) names))
    return g_variant_new_string ("");
  return g_variant_new_string (names[raw]);
}

static GVariant *
read_flags (const JkbValues *values, JkbFieldId id)
{
  gint64 raw = jkb_values_get (values, id);
  guint32 mask = raw == JKB_UNKNOWN ? 0 : (guint32) raw;
  GVariantBuilder keys;

  g_variant_builder_init (&keys, G_VARIANT_TYPE_STRING_ARRAY);
  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if ((mask & (1u << bit)) != 0)
      g_variant_builder_add (&keys, "s", jkb_alarm_key (bit));
  return g_variant_builder_end (&keys);
}

static GVariant *
read_list (const JkbValues *values, JkbFieldId id)
{
  double cells[JKB_MAX_CELLS];

  for (guint i = 0; i < values->n_cells; i++)
    {
      gint32 raw = jkb_values_get_item (values, id, i);

      cells[i] = raw == JKB_UNKNOWN_ITEM ? NAN : (double) raw / jkb_fields[id].scale;
    }
  return g_variant_new_fixed_array (G_VARIANT_TYPE_DOUBLE, cells, values->n_cells, sizeof (double));
}

static GVariant *
read_unavailable (JkbTableSkeleton *self, const JkbValues *values)
{
  GVariantBuilder keys;

  g_variant_builder_init (&keys, G_VARIANT_TYPE_STRING_ARRAY);
  for (JkbFieldId id = jkb_group_first (self->group); id < jkb_group_end (self->group); id++)
    if (!jkb_values_is_known (values, id))
      g_variant_builder_add (&keys, "s", jkb_fields[id].key);
  return g_variant_builder_end (&keys);
}

/* The id of the property @index, the end of the group for Unavailable. */
static JkbFieldId
field_at (JkbTableSkeleton *self, guint index)
{
  return jkb_group_first (self->group) + index;
}

static GVariant *
jkb_table_skeleton_read (JkbSkeleton *skeleton, guint index)
{
  JkbTableSkeleton *self = JKB_TABLE_SKELETON (skeleton);
  const JkbValues *values = peek_values (self);
  JkbFieldId id = field_at (self, index);
  const char *text;

  if (id == jkb_group_end (self->group))
    return read_unavailable (self, values);
  switch (jkb_fields[id].kind)
    {
    case JKB_KIND_BOOL:
      return g_variant_new_boolean (jkb_values_get (values, id) == 1);
    case JKB_KIND_ENUM:
      return read_enum (values, id);
    case JKB_KIND_FLAGS:
      return read_flags (values, id);
    case JKB_KIND_LIST:
      return read_list (values, id);
    case JKB_KIND_TEXT:
      text = jkb_values_get_text (values, id);
      return g_variant_new_string (text != NULL ? text : "");
    default:
      return read_number (values, id);
    }
}

static gboolean
jkb_table_skeleton_differs (JkbSkeleton *skeleton, guint index)
{
  JkbTableSkeleton *self = JKB_TABLE_SKELETON (skeleton);
  const JkbValues *values = peek_values (self);
  JkbFieldId id = field_at (self, index);

  if (id != jkb_group_end (self->group))
    return !jkb_values_field_equal (values, self->known, id);
  for (id = jkb_group_first (self->group); id < jkb_group_end (self->group); id++)
    if (jkb_values_is_known (values, id) != jkb_values_is_known (self->known, id))
      return TRUE;
  return FALSE;
}

static void
jkb_table_skeleton_settle (JkbSkeleton *skeleton)
{
  JkbTableSkeleton *self = JKB_TABLE_SKELETON (skeleton);

  if (self->known == NULL)
    self->known = jkb_values_dup (peek_values (self));
  else
    jkb_values_copy (self->known, peek_values (self));
}

gpointer
jkb_table_skeleton_get_source (JkbSkeleton *self)
{
  return JKB_TABLE_SKELETON (self)->source;
}

static void
jkb_table_skeleton_call (JkbSkeleton *skeleton, GDBusMethodInvocation *invocation)
{
  JkbTableSkeleton *self = JKB_TABLE_SKELETON (skeleton);

  if (self->call != NULL)
    self->call (skeleton, invocation, self->call_data);
  else
    g_dbus_method_invocation_return_error (invocation, JKB_ERROR, JKB_ERROR_READ_ONLY,
                                           "%s can only be read",
                                           jkb_skeleton_get_info (skeleton)->name);
}

void
jkb_table_skeleton_set_call (JkbTableSkeleton *self, JkbTableCallFunc call, gpointer user_data,
                             GDestroyNotify destroy)
{
  self->call = call;
  self->call_data = user_data;
  self->call_destroy = destroy;
}

static void
jkb_table_skeleton_finalize (GObject *object)
{
  JkbTableSkeleton *self = JKB_TABLE_SKELETON (object);

  if (self->call_destroy != NULL)
    self->call_destroy (self->call_data);
  g_object_unref (self->source);
  g_free (self->known);
  G_OBJECT_CLASS (jkb_table_skeleton_parent_class)->finalize (object);
}

static void
jkb_table_skeleton_class_init (JkbTableSkeletonClass *klass)
{
  JkbSkeletonClass *skeleton_class = JKB_SKELETON_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = jkb_table_skeleton_finalize;
  skeleton_class->read = jkb_table_skeleton_read;
  skeleton_class->differs = jkb_table_skeleton_differs;
  skeleton_class->settle = jkb_table_skeleton_settle;
  skeleton_class->call = jkb_table_skeleton_call;
}

static void
jkb_table_skeleton_init (JkbTableSkeleton *self)
{
}

JkbSkeleton *
jkb_table_skeleton_new (JkbGroup group, JkbPeekValuesFunc peek, GObject *source)
{
  JkbTableSkeleton *self = g_object_new (JKB_TYPE_TABLE_SKELETON, NULL);

  self->group = group;
  self->peek = peek;
  self->source = g_object_ref (source);
  jkb_skeleton_set_info (JKB_SKELETON (self), jkb_table_info (group));
  jkb_skeleton_settle (JKB_SKELETON (self));
  return JKB_SKELETON (self);
}
