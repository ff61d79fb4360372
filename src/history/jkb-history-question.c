/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Keys and times of a question, checked.
 */
#include "history/jkb-history-question.h"

#include <string.h>

#include "core/jkb-error.h"

static gboolean
find_item (const char *key, JkbHistoryQuestion *question)
{
  char item_key[64];

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE); id < jkb_group_end (JKB_GROUP_LIVE); id++)
    for (guint item = 0; jkb_fields[id].kind == JKB_KIND_LIST && item < JKB_MAX_CELLS; item++)
      {
        jkb_field_item_key (&jkb_fields[id], item, item_key, sizeof item_key);
        if (strcmp (item_key, key) == 0)
          {
            question->field = id;
            question->item = item;
            return TRUE;
          }
      }
  return FALSE;
}

static gboolean
find_key (const char *key, JkbHistoryQuestion *question, GError **error)
{
  const JkbField *field = jkb_field_lookup (JKB_GROUP_LIVE, key);

  if (field == NULL)
    {
      if (find_item (key, question))
        return TRUE;
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_NOT_FOUND,
                           "There is no live value of that name: give a key of the Telemetry "
                           "interface, such as total_voltage, or cell_voltage_1");
      return FALSE;
    }
  question->field = jkb_field_id (field);
  if (field->kind == JKB_KIND_NUMBER || field->kind == JKB_KIND_BOOL)
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
               field->kind == JKB_KIND_LIST ? "%s is a list: give one cell, such as cell_voltage_1"
                                            : "%s is no number: its history cannot be asked for",
               key);
  return FALSE;
}

gboolean
jkb_history_question_make (const char *id, const char *key, gint64 from_us, gint64 to_us,
                           guint points, JkbHistoryQuestion *question, GError **error)
{
  if (from_us > to_us)
    {
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                           "from lies behind to: give the earlier time first");
      return FALSE;
    }
  g_strlcpy (question->id, id, sizeof question->id);
  question->from_us = from_us;
  question->to_us = to_us;
  question->points = points == 0 ? JKB_HISTORY_MAX_POINTS : MIN (points, JKB_HISTORY_MAX_POINTS);
  question->max_samples = JKB_HISTORY_MAX_SAMPLES;
  return find_key (key, question, error);
}
