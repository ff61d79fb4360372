/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What goes wrong. Two sorts: damage on the way to the reader (the bus itself is fine), and
 * misbehaviour of a device (deaf, loses its answer, writes something else). Deterministic: an own
 * random generator, asked in the order of the records.
 */
#pragma once

#include "sim/sim-record.h"
#include "sim/sim-uart.h"

G_BEGIN_DECLS

typedef enum
{
  /* on the way to the reader */
  SIM_FAULT_CORRUPT,   /* one wrong byte */
  SIM_FAULT_BITRATE,   /* fraction of all bytes damaged */
  SIM_FAULT_DROP,      /* record not heard */
  SIM_FAULT_TRUNCATE,  /* end of the record not heard */
  SIM_FAULT_SPLIT,     /* comes in two pieces with a pause */
  SIM_FAULT_MERGE,     /* comes together with the next record */
  SIM_FAULT_ECHO,      /* the adapter hears what it sends */
  SIM_FAULT_NOISE,     /* junk in front of the record */
  SIM_FAULT_SILENCE,   /* fraction of time in which nothing is heard */
  SIM_FAULT_CROSSTALK, /* another BMS's frame on top of it */
  SIM_FAULT_INVERT,    /* A and B swapped */
  SIM_FAULT_BAUD,      /* the reader's speed */
  /* of the device */
  SIM_FAULT_DEAF,            /* request not heard */
  SIM_FAULT_ACK_LOST_BEFORE, /* a write is neither done nor answered */
  SIM_FAULT_ACK_LOST_AFTER,  /* a write is done and not answered */
  SIM_FAULT_CLAMP,           /* another value is written than sent */
  SIM_FAULT_IGNORE_WRITE,    /* answered and not done */
  SIM_FAULT_NEIGHBOUR_WRITE, /* the next register gets it too */
  SIM_FAULT_READDRESS,       /* answers under another address from now on */
  SIM_FAULT_COLLIDE,         /* a second master speaks at the same moment */
  SIM_N_FAULTS
} SimFaultKind;

typedef enum
{
  SIM_FATE_GOOD,
  SIM_FATE_DAMAGED, /* heard, but not as it was sent */
  SIM_FATE_DROPPED
} SimFate;

/* How a record reaches the reader. */
typedef struct
{
  GByteArray *bytes;
  guint lead;        /* bytes of junk before the record */
  guint split_at;    /* 0: in one piece */
  gboolean hold;     /* wait for the next record */
  SimFate fate;
  guint32 faults;    /* bit per SimFaultKind that struck */
} SimDelivery;

typedef struct _SimFault SimFault;

SimFault *sim_fault_new (guint32 seed);
void sim_fault_free (SimFault *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimFault, sim_fault_free)

/**
 * sim_fault_set:
 * @spec: "KIND=RATE", "KIND@ADDRESS=RATE" (only for that BMS), "KIND" (rate 1) or "none"
 *
 * Returns: %FALSE with @error (%G_OPTION_ERROR_BAD_VALUE) when @spec is none of these
 */
gboolean sim_fault_set (SimFault *self, const char *spec, GError **error);

gboolean sim_fault_is_on (const SimFault *self, SimFaultKind kind);

/* Whether @kind happens now, to @address; counted. */
gboolean sim_fault_strikes (SimFault *self, SimFaultKind kind, guint8 address);
guint64 sim_fault_hits (const SimFault *self, SimFaultKind kind);
const char *sim_fault_name (SimFaultKind kind);
/* 0 <= result < @limit */
guint32 sim_fault_random (SimFault *self, guint32 limit);

/**
 * sim_fault_apply:
 * @start_ns: when its first bit is on the line; @byte_ns: time of one byte
 * @delivery: (inout): its @bytes must be an empty array
 *
 * What the reader hears of @record.
 */
void sim_fault_apply (SimFault *self, const SimRecord *record, gint64 start_ns, gint64 byte_ns,
                      SimDelivery *delivery);

/* Two senders at once: from @from on, @bytes are what the line makes of both. */
void sim_fault_collide (SimFault *self, GByteArray *bytes, guint from);

G_END_DECLS
