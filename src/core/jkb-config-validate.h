/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What can only be judged when the whole configuration is known. Main thread only.
 */
#pragma once

#include "core/jkb-config-store.h"

G_BEGIN_DECLS

/* Appends what does not fit together, or not with the devices and files of this machine. */
void jkb_config_validate (const JkbConfig *config, GPtrArray *problems);

G_END_DECLS
