/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The history as the daemon uses it: main loop and store thread together, with real clocks.
 */
#pragma once

#include "core/jkb-error.h"
#include "history-fixture.h"

typedef struct
{
  char *directory;
  JkbHistory *history;
  GAsyncResult *result;
} Fixture;

extern const JkbHistoryConfig standard;

/* What the daemon does. */
void start (Fixture *f);
void stop (Fixture *f);
void set_up (Fixture *f, gconstpointer data);
void tear_down (Fixture *f, gconstpointer data);
/* Samples of now; the first cell has 3.000 V, then 1 mV more each. */
void add (Fixture *f, const char *id, guint n);
/* For f->result, once. */
void on_result (GObject *source, GAsyncResult *result, gpointer user_data);
/* Asks and waits for the answer: (element-type JkbHistoryPoint) (nullable) */
GArray *ask_of (Fixture *f, const char *id, const char *key, gint64 from_us, gint64 to_us,
                GError **error);
/* Of garage_1. */
GArray *ask (Fixture *f, const char *key, gint64 from_us, gint64 to_us, GError **error);
/* All samples there are; of garage_1. */
guint count_of (Fixture *f, const char *id);
guint count (Fixture *f);
JkbHistoryBatch *read_missed (Fixture *f);
