/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Arithmetic of stretches of time.
 */
#include "history/jkb-outages.h"

/* Farther from what was missed so far, and it is a stretch of its own: the clock was set meanwhile, or
 * there was silence. One stretch over both would take in what was heard, and what is still to come. */
#define FAR_US ((gint64) 3600 * G_USEC_PER_SEC)

#define AT(outages, i) (&g_array_index (outages, JkbOutage, i))

GArray *
jkb_outages_new (void)
{
  return g_array_new (FALSE, FALSE, sizeof (JkbOutage));
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const JkbOutage *x = a, *y = b;

  if (x->dated != y->dated)
    return x->dated ? -1 : 1;
  return (x->begin_us > y->begin_us) - (x->begin_us < y->begin_us);
}

/* Too many: the two with the least time between them become one. What lies between was heard, and
 * is told twice, which does no harm. */
static void
limit (GArray *outages)
{
  guint best = 0;
  gint64 best_us = G_MAXINT64;

  if (outages->len <= JKB_OUTAGES_MAX)
    return;
  g_array_sort (outages, compare);
  for (guint i = 0; i + 1 < outages->len; i++)
    {
      const JkbOutage *a = AT (outages, i), *b = AT (outages, i + 1);

      if (a->dated == b->dated && a->end_us != JKB_OUTAGE_OPEN && b->end_us != JKB_OUTAGE_OPEN
          && b->begin_us - a->end_us < best_us)
        {
          best = i;
          best_us = b->begin_us - a->end_us;
        }
    }
  AT (outages, best)->end_us = MAX (AT (outages, best)->end_us, AT (outages, best + 1)->end_us);
  g_array_remove_index (outages, best + 1);
}

/* Two can go on: one of an earlier boot, and one that is not dated yet. */
static JkbOutage *
find_open (GArray *outages, gboolean dated)
{
  for (guint i = 0; i < outages->len; i++)
    if (AT (outages, i)->end_us == JKB_OUTAGE_OPEN && AT (outages, i)->dated == dated)
      return AT (outages, i);
  return NULL;
}

static void
add_open (GArray *outages, gint64 at_us, gboolean dated)
{
  JkbOutage outage = { at_us, JKB_OUTAGE_OPEN, dated, at_us };

  g_array_append_val (outages, outage);
  limit (outages);
}

void
jkb_outages_begin (GArray *outages, gint64 at_us, gboolean dated)
{
  if (find_open (outages, dated) != NULL)
    jkb_outages_miss (outages, at_us, dated);
  else
    add_open (outages, at_us, dated);
}

void
jkb_outages_miss (GArray *outages, gint64 at_us, gboolean dated)
{
  JkbOutage *open = find_open (outages, dated);

  if (open == NULL)
    return;
  if (at_us < open->begin_us - FAR_US || at_us > open->last_us + FAR_US)
    {
      open->end_us = open->last_us;
      add_open (outages, at_us, dated);
      return;
    }
  open->begin_us = MIN (open->begin_us, at_us);
  open->last_us = MAX (open->last_us, at_us);
}

void
jkb_outages_end (GArray *outages, gint64 at_us, gboolean dated)
{
  for (guint i = 0; i < outages->len; i++)
    {
      JkbOutage *outage = AT (outages, i);

      if (outage->end_us != JKB_OUTAGE_OPEN)
        continue;
      outage->end_us = outage->last_us;
      if (outage->dated == dated)
        outage->end_us = MAX (outage->end_us, MIN (at_us, outage->last_us + FAR_US));
    }
}

void
jkb_outages_confirm (GArray *outages, gint64 from_us, gint64 to_us)
{
  guint n = outages->len;

  for (guint i = n; i > 0; i--)
    {
      JkbOutage *outage = AT (outages, i - 1);
      JkbOutage rest = { to_us + 1, outage->end_us, TRUE, outage->last_us };

      if (!outage->dated || outage->begin_us > to_us || outage->end_us < from_us)
        continue;
      if (outage->begin_us < from_us && rest.begin_us <= rest.end_us)
        {
          outage->end_us = from_us - 1;
          g_array_append_val (outages, rest);
        }
      else if (outage->begin_us < from_us)
        outage->end_us = from_us - 1;
      else if (rest.begin_us <= rest.end_us)
        outage->begin_us = rest.begin_us;
      else
        g_array_remove_index (outages, i - 1);
    }
  limit (outages);
}

void
jkb_outages_date (GArray *outages, gint64 shift_us)
{
  for (guint i = 0; i < outages->len; i++)
    {
      JkbOutage *outage = AT (outages, i);

      if (outage->dated)
        continue;
      outage->dated = TRUE;
      outage->begin_us += shift_us;
      outage->last_us += shift_us;
      if (outage->end_us != JKB_OUTAGE_OPEN)
        outage->end_us += shift_us;
    }
}

void
jkb_outages_drop_undated (GArray *outages)
{
  for (guint i = outages->len; i > 0; i--)
    if (!AT (outages, i - 1)->dated)
      g_array_remove_index (outages, i - 1);
}

GArray *
jkb_outages_missed (const GArray *outages, gint64 after_us)
{
  g_autoptr (GArray) sorted = jkb_outages_new ();
  GArray *missed = jkb_outages_new ();

  for (guint i = 0; i < outages->len; i++)
    {
      JkbOutage outage = *AT (outages, i);

      outage.begin_us = MAX (outage.begin_us, after_us + 1);
      if (outage.dated && outage.end_us != JKB_OUTAGE_OPEN && outage.begin_us <= outage.end_us)
        g_array_append_val (sorted, outage);
    }
  g_array_sort (sorted, compare);
  for (guint i = 0; i < sorted->len; i++)
    {
      const JkbOutage *next = AT (sorted, i);
      JkbOutage *last = missed->len > 0 ? AT (missed, missed->len - 1) : NULL;

      if (last != NULL && next->begin_us <= last->end_us + 1)
        last->end_us = MAX (last->end_us, next->end_us);
      else
        g_array_append_val (missed, *next);
    }
  return missed;
}
