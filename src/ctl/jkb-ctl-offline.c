/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl decode: needs no daemon. The work is in jkb-ctl-decode.c.
 */
#include "config.h"

#include <glib/gi18n.h>

#include "ctl/jkb-ctl-decode.h"
#include "ctl/jkb-ctl.h"

int
jkb_ctl_verb_decode (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE;
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print a JSON object per record"), NULL },
        { NULL } };
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  return jkb_ctl_decode (argv[0], json);
}
