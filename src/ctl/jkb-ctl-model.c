/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The daemon's objects and what can be asked of them. The values of a group are made anew from all
 * its properties after each change: a value that stayed the same while it was unknown is then right
 * too.
 */
#include "config.h"

#include "ctl/jkb-ctl-model.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

#include "ctl/jkb-ctl.h"
#include "wire/jkb-alarm.h"

#define BMS_PREFIX JKB_CTL_ROOT_PATH "/bms/"
#define BUS_PREFIX JKB_CTL_ROOT_PATH "/bus/"

struct _JkbCtlModel
{
  GHashTable *objects; /* path -> JkbCtlObject */
  GPtrArray *bms;      /* JkbCtlBms, sorted; made when asked for */
  gboolean stale;      /* @bms is to be made anew */
};

static const char *const group_interfaces[JKB_N_GROUPS] = { "Telemetry", "Settings", "Info" };

static void
object_free (gpointer data)
{
  JkbCtlObject *object = data;

  g_free (object->path);
  g_hash_table_unref (object->interfaces);
  g_free (object);
}

static void
bms_free (gpointer data)
{
  JkbCtlBms *bms = data;

  g_free (bms->id);
  g_free (bms->name);
  g_free (bms->bus);
  g_free (bms->model);
  g_free (bms->serial_number);
  g_free (bms);
}

JkbCtlModel *
jkb_ctl_model_new (void)
{
  JkbCtlModel *model = g_new0 (JkbCtlModel, 1);

  model->objects = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, object_free);
  model->bms = g_ptr_array_new_with_free_func (bms_free);
  return model;
}

void
jkb_ctl_model_free (JkbCtlModel *model)
{
  g_hash_table_unref (model->objects);
  g_ptr_array_unref (model->bms);
  g_free (model);
}

gboolean
jkb_ctl_path_is_bms (const char *path, const char **id)
{
  if (!g_str_has_prefix (path, BMS_PREFIX))
    return FALSE;
  *id = path + strlen (BMS_PREFIX);
  return TRUE;
}

gboolean
jkb_ctl_path_is_bus (const char *path, const char **name)
{
  if (!g_str_has_prefix (path, BUS_PREFIX))
    return FALSE;
  *name = path + strlen (BUS_PREFIX);
  return TRUE;
}

GVariant *
jkb_ctl_object_peek (const JkbCtlObject *object, const char *interface, const char *key)
{
  GHashTable *properties
    = object != NULL ? g_hash_table_lookup (object->interfaces, interface) : NULL;

  return properties != NULL ? g_hash_table_lookup (properties, key) : NULL;
}

const char *
jkb_ctl_object_text (const JkbCtlObject *object, const char *interface, const char *key)
{
  GVariant *value = jkb_ctl_object_peek (object, interface, key);

  if (value == NULL
      || (!g_variant_is_of_type (value, G_VARIANT_TYPE_STRING)
          && !g_variant_is_of_type (value, G_VARIANT_TYPE_OBJECT_PATH)))
    return NULL;
  return g_variant_get_string (value, NULL);
}

gint64
jkb_ctl_object_number (const JkbCtlObject *object, const char *interface, const char *key,
                       gint64 otherwise)
{
  GVariant *value = jkb_ctl_object_peek (object, interface, key);

  if (value == NULL)
    return otherwise;
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      return g_variant_get_boolean (value);
    case G_VARIANT_CLASS_UINT32:
      return g_variant_get_uint32 (value);
    case G_VARIANT_CLASS_UINT64:
      return (gint64) g_variant_get_uint64 (value);
    case G_VARIANT_CLASS_DOUBLE:
      return isfinite (g_variant_get_double (value)) ? llround (g_variant_get_double (value))
                                                     : otherwise;
    default:
      return otherwise;
    }
}

/* ---- properties to values ----------------------------------------------------------------- */

static gint64
raw_of_double (double value, const JkbField *field)
{
  double raw = value * (field->scale > 0 ? field->scale : 1);

  return isfinite (raw) && fabs (raw) < 9e15 ? llround (raw) : JKB_UNKNOWN;
}

static gint64
raw_of_flags (GVariant *value)
{
  GVariantIter iter;
  const char *key;
  gint64 mask = 0;

  g_variant_iter_init (&iter, value);
  while (g_variant_iter_next (&iter, "&s", &key))
    for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
      if (strcmp (key, jkb_alarm_key (bit)) == 0)
        mask |= G_GINT64_CONSTANT (1) << bit;
  return mask;
}

static gint64
raw_of_name (const JkbField *field, const char *name)
{
  for (guint i = 0; field->names != NULL && field->names[i] != NULL; i++)
    if (strcmp (field->names[i], name) == 0)
      return i;
  return JKB_UNKNOWN;
}

static gint64
raw_of_variant (const JkbField *field, GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_BOOLEAN:
      return g_variant_get_boolean (value);
    case G_VARIANT_CLASS_UINT32:
      return raw_of_double (g_variant_get_uint32 (value), field);
    case G_VARIANT_CLASS_UINT64:
      return raw_of_double ((double) g_variant_get_uint64 (value), field);
    case G_VARIANT_CLASS_DOUBLE:
      return raw_of_double (g_variant_get_double (value), field);
    case G_VARIANT_CLASS_STRING:
      return raw_of_name (field, g_variant_get_string (value, NULL));
    case G_VARIANT_CLASS_ARRAY:
      return g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY) ? raw_of_flags (value)
                                                                       : JKB_UNKNOWN;
    default:
      return JKB_UNKNOWN;
    }
}

static void
take_list (JkbValues *values, const JkbField *field, GVariant *value)
{
  gsize n;
  const double *items;

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE ("ad")))
    return;
  items = g_variant_get_fixed_array (value, &n, sizeof *items);
  n = MIN (n, JKB_MAX_CELLS);
  for (gsize i = 0; i < n; i++)
    {
      gint64 raw = raw_of_double (items[i], field);

      if (raw > G_MININT32 && raw <= G_MAXINT32)
        values->list[field->slot][i] = (gint32) raw;
    }
  values->n_cells = MAX (values->n_cells, n);
}

static void
take_value (JkbValues *values, JkbFieldId id, GVariant *value)
{
  const JkbField *field = &jkb_fields[id];

  if (field->kind == JKB_KIND_LIST)
    take_list (values, field, value);
  else if (field->kind != JKB_KIND_TEXT)
    jkb_values_set (values, id, raw_of_variant (field, value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    {
      g_strlcpy (values->text[field->slot], g_variant_get_string (value, NULL), JKB_TEXT_SIZE);
      values->text_known |= 1u << field->slot;
    }
}

static gboolean
is_unavailable (GHashTable *properties, const char *key)
{
  GVariant *list = g_hash_table_lookup (properties, "Unavailable");
  g_autofree const char **keys = NULL;

  if (list == NULL || !g_variant_is_of_type (list, G_VARIANT_TYPE_STRING_ARRAY))
    return FALSE;
  keys = g_variant_get_strv (list, NULL);
  return g_strv_contains (keys, key);
}

static void
make_values (JkbCtlBms *bms, const JkbCtlObject *object, JkbGroup group)
{
  JkbValues *values = &bms->values[group];
  GHashTable *properties = g_hash_table_lookup (object->interfaces, group_interfaces[group]);

  jkb_values_init (values, group);
  bms->heard[group] = properties != NULL;
  if (properties == NULL)
    return;
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    {
      char name[JKB_DBUS_NAME_MAX];
      GVariant *value;

      jkb_field_dbus_name (&jkb_fields[id], name);
      value = g_hash_table_lookup (properties, name);
      if (value != NULL && !is_unavailable (properties, jkb_fields[id].key))
        take_value (values, id, value);
    }
}

static char *
known_text (const JkbCtlObject *object, const char *key)
{
  const char *text = jkb_ctl_object_text (object, "Bms", key);

  return text != NULL && *text != '\0' ? g_strdup (text) : NULL;
}

static JkbCtlBms *
make_bms (const JkbCtlObject *object, const char *id)
{
  JkbCtlBms *bms = g_new0 (JkbCtlBms, 1);
  const char *bus = jkb_ctl_object_text (object, "Bms", "Bus");
  const char *underscore = strrchr (id, '_');

  bms->id = g_strdup (id);
  bms->name = known_text (object, "Name");
  if (bms->name == NULL)
    bms->name = g_strdup (id);
  if (bus == NULL || !jkb_ctl_path_is_bus (bus, &bus))
    bus = NULL;
  bms->bus = bus != NULL          ? g_strdup (bus)
             : underscore != NULL ? g_strndup (id, underscore - id)
                                  : g_strdup ("");
  bms->address = jkb_ctl_object_number (object, "Bms", "Address", 0);
  bms->online = jkb_ctl_object_number (object, "Bms", "Online", FALSE) != 0;
  bms->last_seen_us = jkb_ctl_object_number (object, "Bms", "LastSeen", 0);
  bms->model = known_text (object, "Model");
  bms->serial_number = known_text (object, "SerialNumber");
  for (JkbGroup group = 0; group < JKB_N_GROUPS; group++)
    make_values (bms, object, group);
  return bms;
}

/* ---- changes ------------------------------------------------------------------------------ */

static void
take_properties (GHashTable *properties, GVariant *changed)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &value))
    g_hash_table_replace (properties, g_strdup (key), value);
}

static const char *
short_name (const char *interface)
{
  return g_str_has_prefix (interface, JKB_CTL_BUS_NAME ".")
           ? interface + strlen (JKB_CTL_BUS_NAME ".")
           : NULL;
}

void
jkb_ctl_model_add (JkbCtlModel *model, const char *path, GVariant *interfaces)
{
  JkbCtlObject *object = g_hash_table_lookup (model->objects, path);
  GVariantIter iter;
  const char *interface;
  GVariant *properties;

  model->stale = TRUE;
  if (object == NULL)
    {
      object = g_new0 (JkbCtlObject, 1);
      object->path = g_strdup (path);
      object->interfaces = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                                  (GDestroyNotify) g_hash_table_unref);
      g_hash_table_insert (model->objects, object->path, object);
    }
  g_variant_iter_init (&iter, interfaces);
  while (g_variant_iter_next (&iter, "{&s@a{sv}}", &interface, &properties))
    {
      GHashTable *table;

      if (short_name (interface) != NULL)
        {
          table = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify) g_variant_unref);
          take_properties (table, properties);
          g_hash_table_replace (object->interfaces, g_strdup (short_name (interface)), table);
        }
      g_variant_unref (properties);
    }
}

void
jkb_ctl_model_remove (JkbCtlModel *model, const char *path, GVariant *interfaces)
{
  JkbCtlObject *object = g_hash_table_lookup (model->objects, path);
  GVariantIter iter;
  const char *interface;

  if (object == NULL)
    return;
  model->stale = TRUE;
  g_variant_iter_init (&iter, interfaces);
  while (g_variant_iter_next (&iter, "&s", &interface))
    if (short_name (interface) != NULL)
      g_hash_table_remove (object->interfaces, short_name (interface));
  if (g_hash_table_size (object->interfaces) == 0)
    g_hash_table_remove (model->objects, path);
}

void
jkb_ctl_model_change (JkbCtlModel *model, const char *path, const char *interface,
                      GVariant *changed)
{
  JkbCtlObject *object = g_hash_table_lookup (model->objects, path);
  const char *name = short_name (interface);
  GHashTable *properties
    = object != NULL && name != NULL ? g_hash_table_lookup (object->interfaces, name) : NULL;

  if (properties == NULL)
    return;
  model->stale = TRUE;
  take_properties (properties, changed);
}

void
jkb_ctl_model_load (JkbCtlModel *model, GVariant *objects)
{
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  g_hash_table_remove_all (model->objects);
  model->stale = TRUE;
  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_next (&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      jkb_ctl_model_add (model, path, interfaces);
      g_variant_unref (interfaces);
    }
}

/* ---- questions ---------------------------------------------------------------------------- */

static int
compare_bms (gconstpointer a, gconstpointer b)
{
  const JkbCtlBms *left = *(JkbCtlBms *const *) a;
  const JkbCtlBms *right = *(JkbCtlBms *const *) b;
  int order = strcmp (left->bus, right->bus);

  if (order == 0)
    order = (left->address > right->address) - (left->address < right->address);
  return order != 0 ? order : strcmp (left->id, right->id);
}

static int
compare_objects (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(JkbCtlObject *const *) a)->path, (*(JkbCtlObject *const *) b)->path);
}

GPtrArray *
jkb_ctl_model_bms (JkbCtlModel *model)
{
  GHashTableIter iter;
  gpointer value;
  const char *id;

  if (!model->stale)
    return model->bms;
  g_ptr_array_set_size (model->bms, 0);
  g_hash_table_iter_init (&iter, model->objects);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      JkbCtlObject *object = value;

      if (jkb_ctl_path_is_bms (object->path, &id)
          && g_hash_table_contains (object->interfaces, "Bms"))
        g_ptr_array_add (model->bms, make_bms (object, id));
    }
  g_ptr_array_sort (model->bms, compare_bms);
  model->stale = FALSE;
  return model->bms;
}

GPtrArray *
jkb_ctl_model_buses (JkbCtlModel *model)
{
  GPtrArray *buses = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer value;
  const char *name;

  g_hash_table_iter_init (&iter, model->objects);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (jkb_ctl_path_is_bus (((JkbCtlObject *) value)->path, &name))
      g_ptr_array_add (buses, value);
  g_ptr_array_sort (buses, compare_objects);
  return buses;
}

const JkbCtlObject *
jkb_ctl_model_object (JkbCtlModel *model, const char *path)
{
  return g_hash_table_lookup (model->objects, path);
}

const JkbCtlBms *
jkb_ctl_model_bms_at (JkbCtlModel *model, const char *path)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  const char *id;

  if (!jkb_ctl_path_is_bms (path, &id))
    return NULL;
  for (guint i = 0; i < all->len; i++)
    if (strcmp (((JkbCtlBms *) all->pdata[i])->id, id) == 0)
      return all->pdata[i];
  return NULL;
}

static gboolean
matches (const JkbCtlBms *bms, const char *name, gboolean whole)
{
  if (whole)
    return strcmp (bms->id, name) == 0 || strcmp (bms->name, name) == 0;
  return g_str_has_prefix (bms->id, name) || g_str_has_prefix (bms->name, name);
}

/* How many BMS match; @found is the last of them, @names lists them. */
static guint
match_all (GPtrArray *all, const char *name, gboolean whole, const JkbCtlBms **found,
           GString *names)
{
  guint n = 0;

  g_string_truncate (names, 0);
  for (guint i = 0; i < all->len; i++)
    {
      const JkbCtlBms *bms = all->pdata[i];

      if (!matches (bms, name, whole))
        continue;
      g_string_append_printf (names, "%s%s", names->len > 0 ? ", " : "", bms->id);
      *found = bms;
      n++;
    }
  return n;
}

const JkbCtlBms *
jkb_ctl_model_find (JkbCtlModel *model, const char *name, GError **error)
{
  GPtrArray *all = jkb_ctl_model_bms (model);
  g_autoptr(GString) names = g_string_new (NULL);
  const JkbCtlBms *found = NULL;
  guint n;

  for (guint i = 0; i < all->len; i++)
    if (strcmp (((JkbCtlBms *) all->pdata[i])->id, name) == 0)
      return all->pdata[i];
  n = match_all (all, name, TRUE, &found, names);
  if (n == 0 && *name != '\0')
    n = match_all (all, name, FALSE, &found, names);
  if (n == 1)
    return found;
  if (n > 1)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND, _("“%s” can be any of %s; say which"),
                 name, names->str);
  else if (all->len == 0)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND,
                 _("no BMS “%s”: jkbmsd has not heard any yet"), name);
  else
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND,
                 _("no BMS “%s”; “jkbmsctl list” shows those that are there"), name);
  return NULL;
}
