/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * wire-dump FILE: what `jkbmsctl decode --json FILE` prints, without the rest of the client.
 */
#include <string.h>

#include "ctl/jkb-ctl-decode.h"

int
main (int argc, char **argv)
{
  if (argc == 3 && strcmp (argv[1], "--text") == 0)
    return jkb_ctl_decode (argv[2], FALSE);
  return argc == 2 ? jkb_ctl_decode (argv[1], TRUE) : 2;
}
