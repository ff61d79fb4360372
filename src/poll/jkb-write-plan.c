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
            const guint8 *settings, GError **errors)
{
  guint8 goal[JKB_FRAME_SIZE], next[JKB_FRAME_SIZE];
  gboolean good = TRUE;

  memcpy (goal, settings, JKB_FRAME_SIZE);
  for (guint i = 0; i < n_items; i++)
    if (frame_with (address, &items[i], goal, next))
      memcpy (goal, next, JKB_FRAME_SIZE);
    else
      g_set_error (&errors[i], JKB_ERROR, JKB_ERROR_READ_ONLY, "%s is never written",
                   jkb_fields[items[i].id].key);
  for (guint i = 0; i < n_items; i++)
    {
      if (errors[i] == NULL)
        check_item (address, &items[i], settings, goal, facts, &errors[i]);
      good = good && errors[i] == NULL;
    }
  return good;
}

/* Of the items that are left, one that may be written now; n_items: none, and @errors say why. */
static guint
find_next (guint address, const JkbWriteItem *items, guint n_items, const gboolean *taken,
           const JkbInterlockFacts *facts, const guint8 *frame, guint8 *next, GError **errors)
{
  for (guint i = 0; i < n_items; i++)
    {
      if (taken[i])
        continue;
      g_clear_error (&errors[i]);
      if (frame_with (address, &items[i], frame, next)
          && check_item (address, &items[i], frame, next, facts, &errors[i]))
        {
          for (guint j = 0; j < i; j++)
            g_clear_error (&errors[j]);
          return i;
        }
    }
  return n_items;
}

gboolean
jkb_write_check (guint address, const JkbWriteItem *items, guint n_items,
                 const JkbInterlockFacts *facts, const guint8 *settings, guint *order,
                 GError **errors)
{
  guint8 frame[JKB_FRAME_SIZE], next[JKB_FRAME_SIZE];
  gboolean taken[JKB_WRITE_MAX_ITEMS] = { FALSE };

  if (!check_goal (address, items, n_items, facts, settings, errors))
    return FALSE;
  memcpy (frame, settings, JKB_FRAME_SIZE);
  for (guint done = 0; done < n_items; done++)
    {
      guint i = find_next (address, items, n_items, taken, facts, frame, next, errors);

      if (i == n_items)
        return FALSE;
      taken[i] = TRUE;
      order[done] = i;
      memcpy (frame, next, JKB_FRAME_SIZE);
    }
  return TRUE;
}

gboolean
jkb_write_plan (guint address, const JkbWriteItem *items, guint n_items,
                const JkbInterlockFacts *facts, const guint8 *settings, guint *order, GError **error)
{
  GError *errors[JKB_WRITE_MAX_ITEMS] = { NULL };
  gboolean good = jkb_write_check (address, items, n_items, facts, settings, order, errors);
  gboolean told = FALSE;

  for (guint i = 0; i < n_items; i++)
    if (errors[i] != NULL && !told)
      {
        g_propagate_error (error, g_steal_pointer (&errors[i]));
        told = TRUE;
      }
    else
      g_clear_error (&errors[i]);
  return good;
}
