/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Down-sampling that keeps the extremes.
 */
#include "history/jkb-points.h"

/* Time is cut into so many cells at least; 30 days into some of 3 minutes. */
#define MIN_CELLS 16384

/* The extremes of one stretch of time; .used: there is one. */
typedef struct
{
  JkbHistoryPoint smallest, largest;
  gboolean used;
} Stretch;

struct _JkbPoints
{
  gint64 from_us, to_us;
  guint max;
  guint n_stretches; /* of the answer, at most */
  GArray *all;    /* (element-type JkbHistoryPoint) as long as they are few, then NULL */
  Stretch *cells; /* after that: equally long, and many more than are wanted */
  guint n_cells;
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
widen (Stretch *stretch, const JkbHistoryPoint *point)
{
  if (!stretch->used || point->value < stretch->smallest.value)
    stretch->smallest = *point;
  if (!stretch->used || point->value > stretch->largest.value)
    stretch->largest = *point;
  stretch->used = TRUE;
}

static void
put (JkbPoints *self, const JkbHistoryPoint *point)
{
  double share = ((double) point->stamp_us - (double) self->from_us)
                 / ((double) self->to_us - (double) self->from_us + 1);

  widen (&self->cells[(guint) CLAMP (share * self->n_cells, 0, self->n_cells - 1)], point);
}

void
jkb_points_add (JkbPoints *self, gint64 stamp_us, double value)
{
  JkbHistoryPoint point = { stamp_us, value };

  if (self->all == NULL)
    {
      put (self, &point);
      return;
    }
  g_array_append_val (self->all, point);
  if (self->all->len <= self->max)
    return;
  self->n_cells = self->n_stretches * MAX (MIN_CELLS / self->n_stretches, 2);
  self->cells = g_new0 (Stretch, self->n_cells);
  for (guint i = 0; i < self->all->len; i++)
    put (self, &g_array_index (self->all, JkbHistoryPoint, i));
  g_clear_pointer (&self->all, g_array_unref);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const JkbHistoryPoint *x = a, *y = b;

  return (x->stamp_us > y->stamp_us) - (x->stamp_us < y->stamp_us);
}

/* Where one value is both, it is told once; where only one point is wanted, it is the largest. */
static void
append (const JkbPoints *self, GArray *points, const Stretch *stretch)
{
  if (self->max > 1 && stretch->smallest.stamp_us != stretch->largest.stamp_us)
    g_array_append_val (points, stretch->smallest);
  g_array_append_val (points, stretch->largest);
}

/* Cells in which something is are joined to stretches, as many to each. */
static GArray *
collect (const JkbPoints *self)
{
  GArray *points = g_array_new (FALSE, FALSE, sizeof (JkbHistoryPoint));
  Stretch stretch = { .used = FALSE };
  guint64 n_used = 0, n_seen = 0, n_stretches;

  for (guint i = 0; i < self->n_cells; i++)
    n_used += self->cells[i].used;
  n_stretches = MIN (self->n_stretches, n_used);
  for (guint i = 0; i < self->n_cells; i++)
    {
      if (!self->cells[i].used)
        continue;
      widen (&stretch, &self->cells[i].smallest);
      widen (&stretch, &self->cells[i].largest);
      n_seen++;
      if (n_seen * n_stretches / n_used == (n_seen - 1) * n_stretches / n_used)
        continue;
      append (self, points, &stretch);
      stretch.used = FALSE;
    }
  return points;
}

GArray *
jkb_points_finish (JkbPoints *self)
{
  GArray *points = self->all != NULL ? g_steal_pointer (&self->all) : collect (self);

  g_array_sort (points, compare);
  g_free (self->cells);
  g_free (self);
  return points;
}
