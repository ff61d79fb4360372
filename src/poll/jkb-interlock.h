/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Which settings go together (protocol §6.5): the rules that keep a write from harming cells or from
 * blocking the pack. Pure functions on decoded values: any thread.
 *
 * A write is refused only if it breaks or worsens a rule that names its key: a BMS that came with a
 * broken pair can still be mended, and other settings can still be written.
 */
#pragma once

#include "wire/jkb-values.h"

G_BEGIN_DECLS

typedef struct
{
  gint64 cells;        /* cells that the live data shows, JKB_UNKNOWN: not known */
  gint64 battery_type; /* of the live data, JKB_UNKNOWN: not known */
  gint64 rated_ma;     /* continuous current of the model, JKB_UNKNOWN: not known */
} JkbInterlockFacts;

/**
 * jkb_interlock_check:
 * @before: settings as they are
 * @after: settings as they would be
 * @id: the setting that is written
 * @reason: (out) (optional): why not, with both names, values and units
 *
 * Returns: whether the write is allowed
 */
gboolean jkb_interlock_check (const JkbValues *before, const JkbValues *after, JkbFieldId id,
                              const JkbInterlockFacts *facts, char **reason);

/* Continuous current of a model by its name ("JK_PB2A16S20P" -> 200 A) in mA, or JKB_UNKNOWN. */
gint64 jkb_interlock_rated_current (const char *model);

G_END_DECLS
