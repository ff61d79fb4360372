/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Rates, dice and the damage itself.
 */
#include "config.h"

#include "sim/sim-fault.h"

#include <glib/gi18n.h>
#include <math.h>
#include <string.h>

static const char *const names[SIM_N_FAULTS] = {
  "corrupt",         "bitrate",        "drop",   "truncate", "split",
  "merge",           "echo",           "noise",  "silence",  "crosstalk",
  "invert",          "baud",           "deaf",   "ack-lost-before", "ack-lost-after",
  "clamp",           "ignore-write",   "neighbour-write",    "readdress", "collide",
};

struct _SimFault
{
  GRand *rand;
  gdouble rate[SIM_N_FAULTS];
  gint address[SIM_N_FAULTS]; /* -1: all */
  guint64 hits[SIM_N_FAULTS];
  gint64 silence_from_ns, silence_until_ns;
  SimUart uart;
  gint64 line_end_ns; /* of the last record, for the UART's idle time */
};

SimFault *
sim_fault_new (guint32 seed)
{
  SimFault *self = g_new0 (SimFault, 1);

  self->rand = g_rand_new_with_seed (seed * 747796405u + 2891336453u);
  sim_fault_set (self, "none", NULL);
  return self;
}

void
sim_fault_free (SimFault *self)
{
  g_rand_free (self->rand);
  g_free (self);
}

const char *
sim_fault_name (SimFaultKind kind)
{
  return names[kind];
}

static gint
find_kind (const char *name)
{
  for (gint i = 0; i < SIM_N_FAULTS; i++)
    if (g_str_equal (names[i], name))
      return i;
  return -1;
}

static void
refuse (GError **error, const char *spec, const char *why)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, _("Fault “%s”: %s"), spec, why);
}

static void
restart_line (SimFault *self)
{
  gdouble baud = self->rate[SIM_FAULT_BAUD] > 0 ? self->rate[SIM_FAULT_BAUD] : 115200;

  sim_uart_init (&self->uart, 115200, baud, self->rate[SIM_FAULT_INVERT] > 0);
  self->silence_until_ns = 0;
}

gboolean
sim_fault_set (SimFault *self, const char *spec, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (spec, "=", 2);
  g_auto (GStrv) target = g_strsplit (parts[0] ? parts[0] : "", "@", 2);
  gint kind = find_kind (target[0] ? target[0] : "");
  guint64 address = 0;
  gdouble rate = 1;
  char *end = NULL;

  if (g_str_equal (spec, "none"))
    {
      memset (self->rate, 0, sizeof self->rate);
      for (guint i = 0; i < SIM_N_FAULTS; i++)
        self->address[i] = -1;
      restart_line (self);
      return TRUE;
    }
  if (kind < 0)
    {
      refuse (error, spec, _("no such kind; --help lists them."));
      return FALSE;
    }
  if (parts[1] != NULL)
    rate = g_ascii_strtod (parts[1], &end);
  if ((end != NULL && (*end != '\0' || end == parts[1])) || !isfinite (rate) || rate < 0)
    {
      refuse (error, spec, _("give a number, as in corrupt=0.01."));
      return FALSE;
    }
  if (kind == SIM_FAULT_BAUD ? parts[1] == NULL || (rate != 0 && (rate < 300 || rate > 4e6))
                             : rate > 1)
    {
      refuse (error, spec,
              kind == SIM_FAULT_BAUD ? _("give a speed from 300 to 4000000, or 0.")
                                     : _("a rate is a fraction from 0 to 1."));
      return FALSE;
    }
  if (target[1] != NULL && !g_ascii_string_to_unsigned (target[1], 10, 0, 247, &address, NULL))
    {
      refuse (error, spec, _("an address is a number from 0 to 247."));
      return FALSE;
    }
  self->rate[kind] = rate;
  self->address[kind] = target[1] ? (gint) address : -1;
  if (kind == SIM_FAULT_BAUD || kind == SIM_FAULT_INVERT || kind == SIM_FAULT_SILENCE)
    restart_line (self);
  return TRUE;
}

gboolean
sim_fault_is_on (const SimFault *self, SimFaultKind kind)
{
  return self->rate[kind] > 0;
}

guint64
sim_fault_hits (const SimFault *self, SimFaultKind kind)
{
  return self->hits[kind];
}

guint32
sim_fault_random (SimFault *self, guint32 limit)
{
  return limit < 2 ? 0 : (guint32) g_rand_int_range (self->rand, 0, (gint32) limit);
}

gboolean
sim_fault_strikes (SimFault *self, SimFaultKind kind, guint8 address)
{
  if (self->rate[kind] <= 0 || (self->address[kind] >= 0 && self->address[kind] != address))
    return FALSE;
  if (self->rate[kind] < 1 && g_rand_double (self->rand) >= self->rate[kind])
    return FALSE;
  self->hits[kind]++;
  return TRUE;
}

/* Spells of silence of 0.2 to 2 s, and so much sound between them that the fraction is right. */
static gboolean
is_silent (SimFault *self, gint64 now_ns)
{
  gdouble rate = self->rate[SIM_FAULT_SILENCE];

  if (rate <= 0)
    return FALSE;
  while (now_ns >= self->silence_until_ns)
    {
      gdouble spell = g_rand_double_range (self->rand, 0.2, 2.0) * 1e9;

      self->silence_from_ns = self->silence_until_ns + (gint64) (spell * (1 - rate) / rate);
      self->silence_until_ns = self->silence_from_ns + (gint64) spell;
    }
  return now_ns >= self->silence_from_ns;
}

static void
damage_byte (SimFault *self, guint8 *byte)
{
  *byte ^= g_rand_int_range (self->rand, 1, 256);
}

/* Junk that sometimes begins like a frame. */
static void
append_noise (SimFault *self, GByteArray *bytes)
{
  static const guint8 header[] = { 0x55, 0xAA, 0xEB, 0x90 };
  guint n = g_rand_int_range (self->rand, 1, 41);

  for (guint i = 0; i < n; i++)
    {
      guint8 byte = g_rand_int_range (self->rand, 0, 256);

      g_byte_array_append (bytes, &byte, 1);
    }
  if (sim_fault_random (self, 4) == 0)
    g_byte_array_append (bytes, header, g_rand_int_range (self->rand, 1, 5));
}

/* Where both drive the line and differ, one of them wins, bit by bit. */
void
sim_fault_collide (SimFault *self, GByteArray *bytes, guint from)
{
  for (guint i = from; i < bytes->len; i++)
    {
      guint8 other = g_rand_int_range (self->rand, 0, 256);
      guint8 winner = g_rand_int_range (self->rand, 0, 256);

      bytes->data[i] = (bytes->data[i] & winner) | (other & ~winner);
    }
}

/* A frame of another BMS starts somewhere in this record and goes on behind it. */
static void
add_crosstalk (SimFault *self, GByteArray *bytes, guint lead)
{
  guint from = lead + sim_fault_random (self, bytes->len - lead);
  guint overlap = bytes->len - from;
  guint tail = overlap < SIM_FRAME_SIZE ? sim_fault_random (self, SIM_FRAME_SIZE - overlap) : 0;

  sim_fault_collide (self, bytes, from);
  for (guint i = 0; i < tail; i++)
    {
      guint8 byte = g_rand_int_range (self->rand, 0, 256);

      g_byte_array_append (bytes, &byte, 1);
    }
}

static void
mark (SimDelivery *delivery, SimFaultKind kind)
{
  delivery->faults |= 1u << kind;
}

static void
damage_record (SimFault *self, const SimRecord *record, SimDelivery *delivery)
{
  GByteArray *bytes = delivery->bytes;
  guint lead = delivery->lead;

  if (sim_fault_strikes (self, SIM_FAULT_CORRUPT, record->address))
    {
      damage_byte (self, &bytes->data[lead + sim_fault_random (self, record->n_bytes)]);
      mark (delivery, SIM_FAULT_CORRUPT);
    }
  if (record->n_bytes > 1 && sim_fault_strikes (self, SIM_FAULT_TRUNCATE, record->address))
    {
      g_byte_array_set_size (bytes, lead + 1 + sim_fault_random (self, record->n_bytes - 1));
      mark (delivery, SIM_FAULT_TRUNCATE);
    }
  if (sim_fault_strikes (self, SIM_FAULT_CROSSTALK, record->address))
    {
      add_crosstalk (self, bytes, lead);
      mark (delivery, SIM_FAULT_CROSSTALK);
    }
  if (self->rate[SIM_FAULT_BITRATE] > 0)
    for (guint i = lead; i < bytes->len; i++)
      if (sim_fault_strikes (self, SIM_FAULT_BITRATE, record->address))
        {
          damage_byte (self, &bytes->data[i]);
          mark (delivery, SIM_FAULT_BITRATE);
        }
}

/* The line as another UART reads it; the record is then no record any more. */
static void
sample_line (SimFault *self, gint64 start_ns, gint64 byte_ns, SimDelivery *delivery)
{
  g_autoptr (GByteArray) line = g_byte_array_new ();
  SimFaultKind kind
      = self->rate[SIM_FAULT_INVERT] > 0 ? SIM_FAULT_INVERT : SIM_FAULT_BAUD;
  gint64 gap_ns = start_ns - self->line_end_ns;

  g_byte_array_append (line, delivery->bytes->data, delivery->bytes->len);
  g_byte_array_set_size (delivery->bytes, 0);
  self->line_end_ns = start_ns + line->len * byte_ns;
  /* senders take turns: there is always at least a moment of rest between them */
  sim_uart_idle (&self->uart, CLAMP (gap_ns * 10.0 / byte_ns, 2, 1000), delivery->bytes);
  sim_uart_bytes (&self->uart, line->data, line->len, delivery->bytes);
  delivery->lead = 0;
  delivery->fate = SIM_FATE_DAMAGED;
  self->hits[kind]++;
  mark (delivery, kind);
}

void
sim_fault_apply (SimFault *self, const SimRecord *record, gint64 start_ns, gint64 byte_ns,
                 SimDelivery *delivery)
{
  if (is_silent (self, start_ns))
    {
      self->hits[SIM_FAULT_SILENCE]++;
      mark (delivery, SIM_FAULT_SILENCE);
      delivery->fate = SIM_FATE_DROPPED;
      return;
    }
  if (sim_fault_strikes (self, SIM_FAULT_NOISE, record->address))
    {
      append_noise (self, delivery->bytes);
      mark (delivery, SIM_FAULT_NOISE);
    }
  delivery->lead = delivery->bytes->len;
  if (sim_fault_strikes (self, SIM_FAULT_DROP, record->address))
    {
      mark (delivery, SIM_FAULT_DROP);
      delivery->fate = SIM_FATE_DROPPED;
      return;
    }
  g_byte_array_append (delivery->bytes, record->bytes, record->n_bytes);
  damage_record (self, record, delivery);
  if (delivery->bytes->len < delivery->lead + record->n_bytes
      || memcmp (delivery->bytes->data + delivery->lead, record->bytes, record->n_bytes) != 0)
    delivery->fate = SIM_FATE_DAMAGED;
  if (record->kind == SIM_RECORD_REQUEST && sim_fault_strikes (self, SIM_FAULT_ECHO, 0))
    {
      g_byte_array_append (delivery->bytes, record->bytes, record->n_bytes);
      mark (delivery, SIM_FAULT_ECHO);
    }
  if (sim_fault_is_on (self, SIM_FAULT_INVERT) || sim_fault_is_on (self, SIM_FAULT_BAUD))
    sample_line (self, start_ns, byte_ns, delivery);
  if (delivery->bytes->len > 1 && sim_fault_strikes (self, SIM_FAULT_SPLIT, record->address))
    {
      delivery->split_at = 1 + sim_fault_random (self, delivery->bytes->len - 1);
      mark (delivery, SIM_FAULT_SPLIT);
    }
  if (sim_fault_strikes (self, SIM_FAULT_MERGE, record->address))
    {
      delivery->hold = TRUE;
      mark (delivery, SIM_FAULT_MERGE);
    }
}
