/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A receiver at the level of bits. The start edge is seen on a clock of 16 ticks per bit, as UARTs
 * do; after a framing error the receiver waits for the line to rest.
 */
#include "sim/sim-uart.h"

#include <math.h>

enum
{
  WAIT_HIGH, /* after a framing error */
  HUNT,      /* for the falling edge of a start bit */
  SAMPLE
};

#define DATA_BITS 8

void
sim_uart_init (SimUart *self, gdouble sender_baud, gdouble receiver_baud, gboolean invert)
{
  *self = (SimUart) { .bit = sender_baud / receiver_baud, .invert = invert, .state = HUNT };
}

static void
begin_character (SimUart *self)
{
  gdouble tick = self->bit / 16;
  gdouble edge = ceil (self->now / tick) * tick;

  self->state = SAMPLE;
  self->n_bits = 0;
  self->bits = 0;
  self->sample_at = edge + self->bit / 2;
}

static void
take_sample (SimUart *self, gboolean level, GByteArray *out)
{
  guint8 byte;

  self->n_bits++;
  if (self->n_bits == 1)
    {
      if (level)
        self->state = HUNT; /* a spike, no start bit */
    }
  else if (self->n_bits <= 1 + DATA_BITS)
    self->bits |= (guint) level << (self->n_bits - 2);
  else
    {
      byte = level ? self->bits : 0x00;
      self->framing_errors += !level;
      self->state = level ? HUNT : WAIT_HIGH;
      g_byte_array_append (out, &byte, 1);
    }
}

/* The line is at @level for @bits more bit times of the sender. */
static void
hold (SimUart *self, gboolean level, gdouble bits, GByteArray *out)
{
  gdouble end = self->now + bits;

  while (self->now < end)
    {
      if (self->state == WAIT_HIGH && level)
        self->state = HUNT;
      if (self->state == HUNT && !level)
        begin_character (self);
      if (self->state != SAMPLE || self->sample_at >= end)
        break;
      self->now = self->sample_at;
      self->sample_at += self->bit;
      take_sample (self, level, out);
    }
  self->now = end;
}

void
sim_uart_idle (SimUart *self, gdouble bits, GByteArray *out)
{
  hold (self, TRUE, bits, out);
}

void
sim_uart_bytes (SimUart *self, const guint8 *bytes, gsize n_bytes, GByteArray *out)
{
  for (gsize i = 0; i < n_bytes; i++)
    {
      guint frame = (guint) bytes[i] << 1 | 0x200; /* start 0, eight bits, stop 1 */

      for (guint bit = 0; bit < 10; bit++)
        hold (self, (frame >> bit & 1) != (guint) self->invert, 1, out);
    }
}
