/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What was asked by name, as what the store thread looks for. Pure function: any thread.
 */
#pragma once

#include "history/jkb-history-read.h"

G_BEGIN_DECLS

/* The arguments are those of jkb_history_query_async(). @question: (out). Returns: %FALSE with
 * %JKB_ERROR_INVALID_ARGUMENT or %JKB_ERROR_NOT_FOUND */
gboolean jkb_history_question_make (const char *id, const char *key, gint64 from_us, gint64 to_us,
                                    guint points, JkbHistoryQuestion *question, GError **error);

G_END_DECLS
