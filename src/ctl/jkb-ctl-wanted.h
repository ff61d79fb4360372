/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What somebody wants to see of all changes: which BMS, and which keys. Nothing named is everything.
 * One thread.
 */
#pragma once

#include "ctl/jkb-ctl-model.h"
#include "ctl/jkb-ctl.h"

G_BEGIN_DECLS

typedef struct _JkbCtlWanted JkbCtlWanted;

JkbCtlWanted *jkb_ctl_wanted_new (void);
void jkb_ctl_wanted_free (JkbCtlWanted *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbCtlWanted, jkb_ctl_wanted_free)

/**
 * jkb_ctl_wanted_add:
 * @word: an id or name, a key, "cell_voltage_3", or the beginning of an id or name; what comes first
 *   in this list counts
 *
 * Adds what @word means with the BMS of @model; complains about a word that means nothing.
 *
 * Returns: the exit code
 */
int jkb_ctl_wanted_add (JkbCtlWanted *self, JkbCtl *ctl, JkbCtlModel *model,
                        const char *word);

/* Whether everything is wanted, also what is no value of a BMS. */
gboolean jkb_ctl_wanted_all (const JkbCtlWanted *self);

/* Whether it matters that a BMS appears or goes: yes, unless keys were named. */
gboolean jkb_ctl_wanted_presence (const JkbCtlWanted *self);

gboolean jkb_ctl_wanted_bms (const JkbCtlWanted *self, const char *id);

/* A key in snake_case; of values that are no fields of a BMS, too. */
gboolean jkb_ctl_wanted_key (const JkbCtlWanted *self, const char *key);

#define JKB_CTL_WANTED_WHOLE G_MAXUINT32

/* JKB_CTL_WANTED_WHOLE, 0, or a bit for each cell of a list that is wanted. */
guint32 jkb_ctl_wanted_items (const JkbCtlWanted *self, JkbFieldId id);

G_END_DECLS
