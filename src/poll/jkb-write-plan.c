/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * In which order several settings are written. Pure: any thread.
 *
 * The interlocks are inequalities between pairs of settings. Between a valid start and a valid end
 * only settings that move in the same direction constrain each other, and what may go first does not
 * depend on what went before; so taking any setting that is allowed now never leads into a dead end.
 */
#include "poll/jkb-write.h"

#include <string.h>

#include "wire/jkb-decode.h"

/* @frame as it would be with the item written; %FALSE: never written. */
static gboolean
frame_with (guint address, const JkbWriteItem *item, const guint8 *frame, guint8 *result)
{
  JkbCommand command;

  memcpy (result, frame, JKB_FRAME_SIZE);
  if (!jkb_encode_setting (&command, address, item->id, item->raw, frame))
    return FALSE;
  jkb_encode_apply (&command, result);
  return TRUE;
}

static gboolean
check_item (guint address, const JkbWriteItem *item, const guint8 *before, const guint8 *after,
            const JkbInterlockFacts *facts, GError **error)
{
  JkbValues old, new;
  g_autofree char *reason = NULL;

  jkb_decode (before, &old);
  jkb_decode (after, &new);
  if (jkb_values_get (&old, item->id) == JKB_UNKNOWN)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_READ_ONLY,
                   "The firmware of this BMS does not have the setting %s",
                   jkb_fields[item->id].key);
      return FALSE;
    }
  if (jkb_interlock_check (&old, &new, item->id, facts, &reason))
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_INTERLOCK, "%s", reason);
  return FALSE;
}

/* The state that is asked for, judged as a whole. */
static gboolean
check_goal (guint address, const JkbWriteItem *items, guint n_items, const JkbInterlockFacts *facts,
            const guint8 *settings, GError **error)
{
  guint8 goal[JKB_FRAME_SIZE], next[JKB_FRAME_SIZE];

  memcpy (goal, settings, JKB_FRAME_SIZE);
  for (guint i = 0; i < n_items; i++)
    {
      if (!frame_with (address, &items[i], goal, next))
        {
          g_set_error (error, JKB_ERROR, JKB_ERROR_READ_ONLY, "%s is never written",
                       jkb_fields[items[i].id].key);
          return FALSE;
        }
      memcpy (goal, next, JKB_FRAME_SIZE);
    }
  for (guint i = 0; i < n_items; i++)
    if (!check_item (address, &items[i], settings, goal, facts, error))
      return FALSE;
  return TRUE;
}

gboolean
jkb_write_plan (guint address, const JkbWriteItem *items, guint n_items,
                const JkbInterlockFacts *facts, const guint8 *settings, guint *order, GError **error)
{
  guint8 frame[JKB_FRAME_SIZE], next[JKB_FRAME_SIZE];
  gboolean taken[JKB_WRITE_MAX_ITEMS] = { FALSE };

  if (!check_goal (address, items, n_items, facts, settings, error))
    return FALSE;
  memcpy (frame, settings, JKB_FRAME_SIZE);
  for (guint done = 0; done < n_items; done++)
    {
      g_autoptr (GError) first_error = NULL;
      guint i;

      for (i = 0; i < n_items; i++)
        if (!taken[i] && frame_with (address, &items[i], frame, next)
            && check_item (address, &items[i], frame, next, facts,
                           first_error == NULL ? &first_error : NULL))
          break;
      if (i == n_items)
        {
          GError *stuck = g_steal_pointer (&first_error);

          g_propagate_error (error, stuck);
          return FALSE;
        }
      taken[i] = TRUE;
      order[done] = i;
      memcpy (frame, next, JKB_FRAME_SIZE);
    }
  return TRUE;
}
