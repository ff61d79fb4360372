/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a UART makes of a line that was driven at another speed, or with A and B swapped: the
 * sender's bits as levels over time, and a receiver that looks for the edge of a start bit, samples
 * in the middle of its own bit times and checks the stop bit.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  gdouble bit;      /* receiver's bit time, in bit times of the sender */
  gboolean invert;  /* A and B swapped */
  gint state;
  gint n_bits;      /* sampled of the present character */
  guint bits;
  gdouble now;      /* in bit times of the sender */
  gdouble sample_at;
  guint64 framing_errors;
} SimUart;

void sim_uart_init (SimUart *self, gdouble sender_baud, gdouble receiver_baud, gboolean invert);

/* The line rests, undriven (it reads as 1), for @bits bit times of the sender. */
void sim_uart_idle (SimUart *self, gdouble bits, GByteArray *out);

/* The line carries @bytes back to back; what the receiver reads is appended to @out. A character
 * without stop bit comes as 0x00, as from a Linux tty that checks. */
void sim_uart_bytes (SimUart *self, const guint8 *bytes, gsize n_bytes, GByteArray *out);

G_END_DECLS
