/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What somebody wants to see of all changes.
 */
#include "config.h"

#include "ctl/jkb-ctl-wanted.h"

#include <string.h>

#include "ctl/jkb-ctl-key.h"

G_STATIC_ASSERT (JKB_MAX_CELLS <= 32);

struct _JkbCtlWanted
{
  GHashTable *ids;
  GHashTable *keys;
  guint32 items[JKB_N_FIELDS];
};

JkbCtlWanted *
jkb_ctl_wanted_new (void)
{
  JkbCtlWanted *self = g_new0 (JkbCtlWanted, 1);

  self->ids = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
jkb_ctl_wanted_free (JkbCtlWanted *self)
{
  g_hash_table_unref (self->ids);
  g_hash_table_unref (self->keys);
  g_free (self);
}

/* Of the properties that are no fields, those that are announced. */
static gboolean
add_key (JkbCtlWanted *self, const char *word)
{
  guint item;
  const JkbField *field = jkb_ctl_key_find (word);
  const JkbField *list = field == NULL ? jkb_ctl_key_find_item (word, &item) : NULL;

  if (field != NULL)
    self->items[field - jkb_fields] = JKB_CTL_WANTED_WHOLE;
  else if (list != NULL)
    self->items[list - jkb_fields] |= 1u << item;
  else if (strcmp (word, "online") != 0 && strcmp (word, "name") != 0)
    return FALSE;
  g_hash_table_add (self->keys, g_strdup (field != NULL ? field->key : word));
  return TRUE;
}

static gboolean
begins_a_name (JkbCtlModel *model, const char *word)
{
  GPtrArray *all = jkb_ctl_model_bms (model);

  for (guint i = 0; i < all->len; i++)
    {
      const JkbCtlBms *bms = all->pdata[i];

      if (g_str_has_prefix (bms->id, word) || g_str_has_prefix (bms->name, word))
        return TRUE;
    }
  return FALSE;
}

int
jkb_ctl_wanted_add (JkbCtlWanted *self, JkbCtl *ctl, JkbCtlModel *model, const char *word)
{
  g_autoptr(GError) error = NULL;
  const JkbCtlBms *bms = jkb_ctl_model_find (model, word, &error);
  gboolean exact = bms != NULL && (strcmp (bms->id, word) == 0 || strcmp (bms->name, word) == 0);

  if (!exact && add_key (self, word))
    return JKB_CTL_OK;
  if (bms != NULL)
    g_hash_table_add (self->ids, g_strdup (bms->id));
  else if (!begins_a_name (model, word) && jkb_ctl_key_guess (word, JKB_N_GROUPS) != NULL)
    return jkb_ctl_key_fail (word, JKB_N_GROUPS);
  return error != NULL ? jkb_ctl_fail (ctl, error) : JKB_CTL_OK;
}

gboolean
jkb_ctl_wanted_all (const JkbCtlWanted *self)
{
  return g_hash_table_size (self->ids) == 0 && g_hash_table_size (self->keys) == 0;
}

gboolean
jkb_ctl_wanted_presence (const JkbCtlWanted *self)
{
  return g_hash_table_size (self->keys) == 0;
}

gboolean
jkb_ctl_wanted_bms (const JkbCtlWanted *self, const char *id)
{
  return g_hash_table_size (self->ids) == 0 || g_hash_table_contains (self->ids, id);
}

gboolean
jkb_ctl_wanted_key (const JkbCtlWanted *self, const char *key)
{
  return g_hash_table_size (self->keys) == 0 || g_hash_table_contains (self->keys, key);
}

guint32
jkb_ctl_wanted_items (const JkbCtlWanted *self, JkbFieldId id)
{
  return g_hash_table_size (self->keys) == 0 ? JKB_CTL_WANTED_WHOLE : self->items[id];
}
