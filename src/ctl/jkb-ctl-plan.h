/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What is to be written to one BMS: read from KEY=VALUE, judged here and by the daemon, shown,
 * asked about, written. Used by set, apply and restore.
 */
#pragma once

#include "ctl/jkb-ctl-client.h"

G_BEGIN_DECLS

typedef struct _JkbCtlPlan JkbCtlPlan;

/* @bms: with settings; outlives it */
JkbCtlPlan *jkb_ctl_plan_new (const JkbCtlBms *bms);
void jkb_ctl_plan_free (JkbCtlPlan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbCtlPlan, jkb_ctl_plan_free)

/**
 * jkb_ctl_plan_add:
 * @pair: "KEY=VALUE"
 * @where: (nullable): "FILE:LINE", for the message
 * @only_changes: leave out what the BMS has already
 *
 * What is wrong with it becomes a problem of the plan.
 */
void jkb_ctl_plan_add (JkbCtlPlan *plan, const char *pair, const char *where,
                       gboolean only_changes);

/* How many settings it writes. */
guint jkb_ctl_plan_get_size (const JkbCtlPlan *plan);

/* Asks the daemon, which knows the interlocks, then prints all problems to stderr. Returns: %FALSE
 * with the exit code in @status when there are any */
gboolean jkb_ctl_plan_check (JkbCtlPlan *plan, JkbCtl *ctl, int *status);

/* Key, value now, new value. */
void jkb_ctl_plan_print (const JkbCtlPlan *plan, const JkbCtl *ctl);

/* The same with what goes to the bus. */
void jkb_ctl_plan_print_requests (const JkbCtlPlan *plan, const JkbCtl *ctl);

/**
 * jkb_ctl_plan_confirm:
 * @always: ask about harmless settings, too
 * @yes: the user has said so already
 *
 * Returns: %FALSE with the exit code in @status when it must not go on
 */
gboolean jkb_ctl_plan_confirm (const JkbCtlPlan *plan, const JkbCtl *ctl, gboolean always,
                               gboolean yes, int *status);

/* Writes and prints what was read back. Returns: the exit code */
int jkb_ctl_plan_write (const JkbCtlPlan *plan, JkbCtl *ctl);

/* Prints the error of a write; one that got no answer may have happened all the same. */
int jkb_ctl_fail_write (JkbCtl *ctl, const JkbCtlBms *bms, const GError *error);

/* Time that the daemon may take for that many settings. */
guint jkb_ctl_write_ms (guint n_settings);

/* "garage_1  key  old → new"; @before, @after: NULL: unknown */
void jkb_ctl_print_change (const JkbCtlBms *bms, const JkbField *field, const char *before,
                           const char *after);

G_END_DECLS
