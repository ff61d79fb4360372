/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl complete: a word per line for the shells' completions. Not in --help; never fails aloud.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"

static void
put_keys (void)
{
  for (JkbFieldId id = 0; id < JKB_N_FIELDS; id++)
    if (jkb_fields[id].group == JKB_GROUP_LIVE
        || jkb_field_lookup (JKB_GROUP_LIVE, jkb_fields[id].key) == NULL)
      puts (jkb_fields[id].key);
    else
      printf ("%s.%s\n", jkb_group_name (jkb_fields[id].group), jkb_fields[id].key);
}

static void
put_objects (JkbCtl *ctl, gboolean buses)
{
  g_autoptr(JkbCtlModel) model = jkb_ctl_fetch (ctl, NULL);
  g_autoptr(GPtrArray) objects = NULL;
  const char *name;

  if (model == NULL)
    return;
  objects = buses ? jkb_ctl_model_buses (model) : g_ptr_array_ref (jkb_ctl_model_bms (model));
  for (guint i = 0; i < objects->len; i++)
    if (!buses)
      puts (((JkbCtlBms *) objects->pdata[i])->id);
    else if (jkb_ctl_path_is_bus (((JkbCtlObject *) objects->pdata[i])->path, &name))
      puts (name);
}

int
jkb_ctl_verb_complete (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gsize n_verbs;
  const JkbCtlVerb *verbs = jkb_ctl_verbs (&n_verbs);
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  for (gsize i = 0; strcmp (argv[0], "verbs") == 0 && i < n_verbs; i++)
    if (verbs[i].summary != NULL)
      puts (verbs[i].name);
  if (strcmp (argv[0], "keys") == 0)
    put_keys ();
  else if (strcmp (argv[0], "ids") == 0 || strcmp (argv[0], "buses") == 0)
    put_objects (ctl, strcmp (argv[0], "buses") == 0);
  return JKB_CTL_OK;
}
