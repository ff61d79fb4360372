/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What can only be judged when the whole configuration is known. Main thread only.
 */
#pragma once

#include "core/jkb-config-store.h"

G_BEGIN_DECLS

/**
 * jkb_config_validate:
 * @lenient: what was changed at run time is only warned of: the daemon must start with it
 *
 * Appends what does not fit together, or not with the devices and files of this machine.
 */
void jkb_config_validate (const JkbConfig *config, gboolean lenient, GPtrArray *problems);

G_END_DECLS
