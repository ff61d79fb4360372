/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What was really sent: a JSON line per record, so that a test can hold what a daemon published
 * against it.
 */
#pragma once

#include <stdio.h>

#include "sim/sim-fault.h"
#include "sim/sim-record.h"

G_BEGIN_DECLS

typedef struct _SimTruth SimTruth;

SimTruth *sim_truth_new (const char *path, GError **error);
void sim_truth_free (SimTruth *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimTruth, sim_truth_free)

/* @offset: of the record in the stream as it was delivered. */
void sim_truth_note (SimTruth *self, guint64 offset, const SimRecord *record, SimFate fate,
                     guint32 faults);
void sim_truth_flush (SimTruth *self);

/* The same line as text. */
void sim_truth_append (GString *line, guint64 offset, const SimRecord *record, SimFate fate,
                       guint32 faults);

G_END_DECLS
