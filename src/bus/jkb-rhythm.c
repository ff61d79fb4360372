/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * See the header. Pure; reader thread.
 */
#include "bus/jkb-rhythm.h"

#define PAUSE_US 5000 /* longer than a BMS master takes between two records without a pause */
#define UNIT_MIN 300  /* a frame at least: shorter ones are requests that nobody answers */

void
jkb_rhythm_note (JkbRhythm *self, gsize n_bytes, gboolean at_rest, gboolean foretold,
                 gint64 now_us)
{
  if (n_bytes == 0)
    {
      self->busy = FALSE;
      return;
    }
  if (self->unit == 0)
    self->busy = foretold || now_us - self->rest_us < PAUSE_US;
  self->unit += n_bytes;
  if (!at_rest)
    return;
  self->before = self->last;
  self->last = self->unit;
  self->unit = 0;
  self->rest_us = now_us;
}

gsize
jkb_rhythm_foretell (const JkbRhythm *self)
{
  if (!self->busy || self->unit != 0 || self->last < UNIT_MIN || self->last != self->before)
    return 0;
  return self->last;
}
