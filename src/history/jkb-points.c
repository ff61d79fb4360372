/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Down-sampling that keeps the extremes.
 */
#include "history/jkb-points.h"

/* The extremes of one stretch; .used is how many of them there are. */
typedef struct
{
  JkbHistoryPoint smallest, largest;
  gboolean used;
} Stretch;

struct _JkbPoints
{
  gint64 from_us, to_us;
  guint max;
  GArray *all;        /* (element-type JkbHistoryPoint) as long as they are few, then NULL */
  Stretch *stretches; /* after that */
  guint n_stretches;
};

JkbPoints *
jkb_points_new (gint64 from_us, gint64 to_us, guint max)
{
  JkbPoints *self = g_new0 (JkbPoints, 1);

  self->from_us = from_us;
  self->to_us = to_us;
  self->max = max;
  self->n_stretches = MAX (max / 2, 1);
  self->all = g_array_new (FALSE, FALSE, sizeof (JkbHistoryPoint));
  return self;
}

static void
widen (JkbPoints *self, const JkbHistoryPoint *point)
{
  double share = ((double) point->stamp_us - (double) self->from_us)
                 / ((double) self->to_us - (double) self->from_us + 1);
  guint i = (guint) CLAMP (share * self->n_stretches, 0, self->n_stretches - 1);
  Stretch *stretch = &self->stretches[i];

  if (!stretch->used || point->value < stretch->smallest.value)
    stretch->smallest = *point;
  if (!stretch->used || point->value > stretch->largest.value)
    stretch->largest = *point;
  stretch->used = TRUE;
}

void
jkb_points_add (JkbPoints *self, gint64 stamp_us, double value)
{
  JkbHistoryPoint point = { stamp_us, value };

  if (self->all == NULL)
    {
      widen (self, &point);
      return;
    }
  g_array_append_val (self->all, point);
  if (self->all->len <= self->max)
    return;
  self->stretches = g_new0 (Stretch, self->n_stretches);
  for (guint i = 0; i < self->all->len; i++)
    widen (self, &g_array_index (self->all, JkbHistoryPoint, i));
  g_clear_pointer (&self->all, g_array_unref);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const JkbHistoryPoint *x = a, *y = b;

  return (x->stamp_us > y->stamp_us) - (x->stamp_us < y->stamp_us);
}

/* Where one value is both, it is told once; where only one point is wanted, it is the largest. */
static GArray *
collect (JkbPoints *self)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (JkbHistoryPoint));

  for (guint i = 0; i < self->n_stretches; i++)
    {
      const Stretch *stretch = &self->stretches[i];

      if (stretch->used && self->max > 1 && stretch->smallest.stamp_us != stretch->largest.stamp_us)
        g_array_append_val (points, stretch->smallest);
      if (stretch->used)
        g_array_append_val (points, stretch->largest);
    }
  return points;
}

GArray *
jkb_points_finish (JkbPoints *self)
{
  GArray *points = self->all != NULL ? g_steal_pointer (&self->all) : collect (self);

  g_array_sort (points, compare);
  g_free (self->stretches);
  g_free (self);
  return points;
}
