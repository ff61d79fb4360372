/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Two queues: transmissions wait for the line to be free, deliveries for their last bit to pass.
 * Single-threaded.
 */
#include "sim/sim-bus.h"

#include <string.h>

#define MS G_GINT64_CONSTANT (1000000)
/* protocol §1.5 */
#define FRAME_DELAY_NS (11 * MS)
#define DEAF_NS (300 * MS)
/* an unfinished request is forgotten after this */
#define REQUEST_GAP_NS (20 * MS)
/* a gateway that merges records does not wait for ever */
#define HOLD_NS (200 * MS)

typedef struct
{
  gint64 at_ns; /* not before */
  gint except;
  SimRecord record;
} Transmission;

typedef struct
{
  gint64 start_ns, end_ns;
  gint except;
  gboolean first; /* piece of its record */
  gboolean hold;
  GByteArray *bytes;
  guint lead;
  SimFate fate;
  guint32 faults;
  SimRecord record;
} Heard;

struct _SimBus
{
  SimBusOptions options;
  SimFault *fault;
  SimTruth *truth;
  SimBusSink sink;
  gpointer user_data;
  GPtrArray *bms;
  gboolean has_master;
  SimMaster master;
  gboolean answered;     /* the slot before */
  gint64 slot_ns;        /* next turn of the master */
  gint64 byte_ns;
  gint64 line_free_ns;
  GQueue transmissions;  /* Transmission, by at_ns */
  GQueue deliveries;     /* Heard, by end_ns */
  GByteArray *held;      /* bytes of records that wait for their successor */
  gint64 held_until_ns;  /* or for this moment */
  guint64 limit;         /* frames after which the master is silent; 0: none */
  SimBusCounters counters;
};

static void
heard_free (gpointer data)
{
  Heard *heard = data;

  g_byte_array_unref (heard->bytes);
  g_free (heard);
}

SimBus *
sim_bus_new (const SimBusOptions *options, SimFault *fault, SimTruth *truth, SimBusSink sink,
             gpointer user_data)
{
  SimBus *self = g_new0 (SimBus, 1);

  self->options = *options;
  self->limit = options->count;
  self->fault = fault;
  self->truth = truth;
  self->sink = sink;
  self->user_data = user_data;
  self->bms = g_ptr_array_new_with_free_func ((GDestroyNotify) sim_bms_free);
  self->byte_ns = options->speed > 0 ? MAX (1, (gint64) (SIM_LINE_BYTE_NS / options->speed))
                                     : SIM_LINE_BYTE_NS;
  self->held = g_byte_array_new ();
  g_queue_init (&self->transmissions);
  g_queue_init (&self->deliveries);
  return self;
}

void
sim_bus_free (SimBus *self)
{
  g_queue_clear_full (&self->transmissions, g_free);
  g_queue_clear_full (&self->deliveries, heard_free);
  g_ptr_array_unref (self->bms);
  g_byte_array_unref (self->held);
  g_free (self);
}

void
sim_bus_add (SimBus *self, SimBms *bms)
{
  g_ptr_array_add (self->bms, bms);
}

SimBms *
sim_bus_find (SimBus *self, guint8 address)
{
  for (guint i = 0; i < self->bms->len; i++)
    if (sim_bms_address (g_ptr_array_index (self->bms, i)) == address)
      return g_ptr_array_index (self->bms, i);
  return NULL;
}

void
sim_bus_start_master (SimBus *self)
{
  self->has_master = TRUE;
  sim_master_init (&self->master, self->options.firmware);
}

void
sim_bus_step (SimBus *self, guint64 n_frames)
{
  guint64 limit = n_frames > 0 ? self->counters.frames + n_frames : self->options.count;

  self->limit = self->options.count > 0 ? MIN (limit, self->options.count) : limit;
}

const SimBusCounters *
sim_bus_counters (SimBus *self)
{
  return &self->counters;
}

/* ---- on the line ---- */

/* At a faster line everything is faster. */
static gint64
device_delay (SimBus *self, gint64 delay_ns)
{
  if (self->options.speed == 0)
    return 0;
  return self->options.speed > 1 ? (gint64) (delay_ns / self->options.speed) : delay_ns;
}

static void
enqueue (SimBus *self, const SimRecord *record, gint64 at_ns, gint except)
{
  Transmission *transmission = g_new (Transmission, 1);
  GList *after = self->transmissions.tail;

  *transmission = (Transmission) { at_ns, except, *record };
  while (after != NULL && ((Transmission *) after->data)->at_ns > at_ns)
    after = after->prev;
  if (after != NULL)
    g_queue_insert_after (&self->transmissions, after, transmission);
  else
    g_queue_push_head (&self->transmissions, transmission);
}

void
sim_bus_send (SimBus *self, const SimRecord *record, gint64 at_ns)
{
  enqueue (self, record, at_ns, SIM_NOBODY);
}

static void
deliver_later (SimBus *self, Heard *heard)
{
  GList *after = self->deliveries.tail;

  while (after != NULL && ((Heard *) after->data)->end_ns > heard->end_ns)
    after = after->prev;
  if (after != NULL)
    g_queue_insert_after (&self->deliveries, after, heard);
  else
    g_queue_push_head (&self->deliveries, heard);
}

/* The second piece stays behind in the adapter for a while. Later records cannot overtake it. */
static void
split (SimBus *self, Heard *heard, guint at)
{
  Heard *rest = g_new (Heard, 1);
  gint64 pause_ns = (2 + sim_fault_random (self->fault, 38)) * MS;

  *rest = *heard;
  rest->bytes = g_byte_array_new ();
  g_byte_array_append (rest->bytes, heard->bytes->data + at, heard->bytes->len - at);
  g_byte_array_set_size (heard->bytes, at);
  rest->first = FALSE;
  pause_ns = device_delay (self, pause_ns);
  rest->end_ns += pause_ns;
  self->line_free_ns += pause_ns;
  deliver_later (self, rest);
}

/* The line takes @transmission now. */
static void
transmit (SimBus *self, const Transmission *transmission)
{
  const SimRecord *record = &transmission->record;
  gint64 start_ns = MAX (transmission->at_ns, self->line_free_ns);
  SimDelivery delivery = { .bytes = g_byte_array_new () };
  Heard *heard = g_new (Heard, 1);
  gint64 end_ns;

  sim_fault_apply (self->fault, record, start_ns, self->byte_ns, &delivery);
  /* what the reader does not hear was on the line all the same */
  end_ns = start_ns + MAX (record->n_bytes, delivery.bytes->len) * self->byte_ns;
  self->line_free_ns = MAX (self->line_free_ns, end_ns);
  *heard = (Heard) { start_ns, end_ns, transmission->except, TRUE, delivery.hold, delivery.bytes,
                     delivery.lead, delivery.fate, delivery.faults, *record };
  deliver_later (self, heard);
  if (delivery.split_at > 0)
    split (self, heard, delivery.split_at);
  self->counters.records++;
  self->counters.frames += record->kind == SIM_RECORD_FRAME;
  self->counters.damaged += delivery.fate == SIM_FATE_DAMAGED;
  self->counters.dropped += delivery.fate == SIM_FATE_DROPPED;
}

static void
flush_held (SimBus *self, gint except)
{
  if (self->held->len == 0)
    return;
  self->sink (self->held->data, self->held->len, except, self->user_data);
  g_byte_array_set_size (self->held, 0);
}

static void
deliver (SimBus *self, const Heard *heard)
{
  if (heard->first && self->truth != NULL)
    sim_truth_note (self->truth, self->counters.bytes + heard->lead, &heard->record, heard->fate,
                    heard->faults);
  self->counters.bytes += heard->bytes->len;
  g_byte_array_append (self->held, heard->bytes->data, heard->bytes->len);
  if (heard->hold)
    self->held_until_ns = heard->end_ns + device_delay (self, HOLD_NS);
  else
    flush_held (self, heard->except);
}

static void
deliver_next (SimBus *self, gint64 now_ns)
{
  Heard *heard = g_queue_peek_head (&self->deliveries);

  if (heard == NULL || heard->end_ns > now_ns)
    {
      flush_held (self, SIM_NOBODY);
      return;
    }
  deliver (self, heard);
  heard_free (g_queue_pop_head (&self->deliveries));
}

/* ---- slaves ---- */

/* Frame and ACK, one directly behind the other. */
static gint64
answer_frame (SimBus *self, SimBms *bms, guint8 type, guint16 reg, gboolean broadcast,
              gint64 at_ns)
{
  SimRecord record;

  sim_bms_frame (bms, type, broadcast, at_ns, &record);
  enqueue (self, &record, at_ns, SIM_NOBODY);
  at_ns += SIM_FRAME_SIZE * self->byte_ns;
  sim_record_ack (&record, sim_bms_address (bms), reg, 1);
  enqueue (self, &record, at_ns, SIM_NOBODY);
  return at_ns + record.n_bytes * self->byte_ns;
}

static SimModbusCode
write_registers (SimBus *self, SimBms *bms, const SimRecord *request)
{
  guint8 data[256];
  guint count = request->bytes[5];
  guint8 address = request->address;
  SimRegisters *registers = sim_bms_registers (bms);

  memcpy (data, request->bytes + 7, 2 * count);
  if (sim_fault_strikes (self->fault, SIM_FAULT_IGNORE_WRITE, address))
    return SIM_MODBUS_OK;
  if (sim_fault_strikes (self->fault, SIM_FAULT_CLAMP, address))
    data[2 * count - 1] &= 0xF0;
  if (sim_fault_strikes (self->fault, SIM_FAULT_NEIGHBOUR_WRITE, address))
    sim_registers_write (registers, request->reg + 2 * count, count, data);
  return sim_registers_write (registers, request->reg, count, data);
}

static SimModbusCode
control (SimBms *bms, const SimRecord *request)
{
  guint32 value = 0;

  for (guint i = 0; i < 2u * request->bytes[5] && i < 4; i++)
    value = value << 8 | request->bytes[7 + i];
  return sim_bms_control (bms, request->reg, value) ? SIM_MODBUS_OK : SIM_MODBUS_ADDRESS;
}

static void
answer_write (SimBus *self, SimBms *bms, const SimRecord *request, gint64 at_ns)
{
  guint8 address = request->address;
  SimRecord reply;
  SimModbusCode code;

  if (sim_fault_strikes (self->fault, SIM_FAULT_ACK_LOST_BEFORE, address))
    return;
  sim_bms_advance (bms, at_ns);
  code = request->reg >= 0x1600 ? control (bms, request) : write_registers (self, bms, request);
  self->counters.writes++;
  if (code == SIM_MODBUS_OK)
    sim_record_ack (&reply, address, request->reg, request->bytes[5]);
  else
    sim_record_exception (&reply, address, 0x10, code);
  at_ns += device_delay (self, (10 + sim_fault_random (self->fault, 6)) * MS);
  sim_bms_set_deaf (bms, at_ns + device_delay (self, DEAF_NS));
  if (sim_fault_strikes (self->fault, SIM_FAULT_READDRESS, address))
    sim_bms_set_address (bms, (address + 1) % 16);
  if (sim_fault_strikes (self->fault, SIM_FAULT_ACK_LOST_AFTER, address))
    return;
  enqueue (self, &reply, at_ns, SIM_NOBODY);
}

static void
answer_read (SimBus *self, SimBms *bms, const SimRecord *request, gint64 at_ns)
{
  g_autoptr (GByteArray) data = g_byte_array_new ();
  guint count = request->bytes[4] << 8 | request->bytes[5];
  SimRecord reply;
  SimModbusCode code;

  sim_bms_advance (bms, at_ns);
  code = sim_registers_read (sim_bms_registers (bms), request->reg, count, data);
  if (code == SIM_MODBUS_OK)
    sim_record_read_response (&reply, request->address, request->reg, data->data, data->len);
  else
    sim_record_exception (&reply, request->address, 0x03, code);
  enqueue (self, &reply, at_ns + device_delay (self, FRAME_DELAY_NS), SIM_NOBODY);
}

/* A request has ended on the line at @end_ns. Whether somebody answers. */
static gboolean
answer (SimBus *self, const SimRecord *request, gint64 end_ns, gint64 delay_ns)
{
  SimBms *bms = sim_bus_find (self, request->address);
  guint8 type = sim_trigger_type (request->reg);

  /* the master speaks on the shared port and is not spoken to there */
  if (bms == NULL || !sim_bms_is_online (bms) || sim_bms_is_deaf (bms, end_ns)
      || (self->has_master && request->address == 0)
      || sim_fault_strikes (self->fault, SIM_FAULT_DEAF, request->address))
    return FALSE;
  if (request->kind == SIM_RECORD_READ_REQUEST)
    answer_read (self, bms, request, end_ns);
  else if (type == 0)
    answer_write (self, bms, request, end_ns);
  else
    {
      if (request->reg < 0x161C)
        sim_bms_control (bms, request->reg, 0);
      answer_frame (self, bms, type, request->reg, FALSE, end_ns + delay_ns);
    }
  return TRUE;
}

/* ---- masters ---- */

static gboolean
is_at_limit (SimBus *self)
{
  return self->limit > 0 && self->counters.frames >= self->limit;
}

/* The BMS at address 0 lives and has something to say. */
static gboolean
master_speaks (SimBus *self)
{
  SimBms *bms = self->has_master ? sim_bus_find (self, 0) : NULL;

  return bms != NULL && sim_bms_is_online (bms) && !is_at_limit (self);
}

static void
master_turn (SimBus *self)
{
  SimSlot slot = sim_master_next (&self->master, self->answered);
  gint64 at_ns = MAX (self->slot_ns, self->line_free_ns);
  SimRecord request;

  self->answered = FALSE;
  if (slot.broadcast)
    answer_frame (self, sim_bus_find (self, 0), sim_trigger_type (slot.reg), slot.reg, TRUE,
                  at_ns);
  else
    {
      sim_record_trigger (&request, slot.address, slot.reg);
      enqueue (self, &request, at_ns, SIM_NOBODY);
      self->answered = answer (self, &request, at_ns + request.n_bytes * self->byte_ns,
                               self->options.slots ? device_delay (self, FRAME_DELAY_NS) : 0);
    }
  self->slot_ns = self->options.slots ? at_ns + sim_master_slot_ns (&self->master) : at_ns;
}

/* Somebody speaks while the line is taken: neither is understood. */
static gboolean
collides (SimBus *self, gint64 now_ns)
{
  gboolean busy = FALSE;

  for (GList *link = self->deliveries.head; link != NULL; link = link->next)
    {
      Heard *heard = link->data;
      gint64 from_ns = MAX (now_ns, heard->start_ns);

      if (heard->start_ns > now_ns || heard->end_ns <= now_ns || heard->bytes->len == 0)
        continue;
      sim_fault_collide (self->fault, heard->bytes,
                         MIN (heard->bytes->len - 1, (from_ns - heard->start_ns) / self->byte_ns));
      heard->fate = SIM_FATE_DAMAGED;
      busy = TRUE;
    }
  self->counters.collisions += busy;
  return busy;
}

static void
raw_record (SimRecord *record, const guint8 *bytes, gsize n_bytes)
{
  *record = (SimRecord) { .kind = SIM_RECORD_RAW, .n_bytes = MIN (n_bytes, SIM_RECORD_MAX) };
  memcpy (record->bytes, bytes, record->n_bytes);
}

/* The other adapters hear what @source sent, and with an echo so does @source. */
static void
overhear (SimBus *self, gint source, const guint8 *bytes, gsize n_bytes, gint64 now_ns)
{
  gint except = sim_fault_strikes (self->fault, SIM_FAULT_ECHO, 0) ? SIM_NOBODY : source;

  for (gsize at = 0; at < n_bytes; at += SIM_RECORD_MAX)
    {
      SimRecord record;

      raw_record (&record, bytes + at, MIN (n_bytes - at, SIM_RECORD_MAX));
      enqueue (self, &record, now_ns, except);
    }
}

static void
second_master (SimBus *self, gint64 now_ns)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  SimRecord record;

  sim_record_trigger (&record, sim_fault_random (self->fault, 16), 0x1620);
  g_byte_array_append (bytes, record.bytes, record.n_bytes);
  sim_fault_collide (self->fault, bytes, sim_fault_random (self->fault, 4));
  raw_record (&record, bytes->data, bytes->len);
  enqueue (self, &record, now_ns, SIM_NOBODY);
  self->counters.collisions++;
}

/* Takes the requests out of @input, in order. */
static void
understand (SimBus *self, SimInput *input, gint64 end_ns)
{
  guint at = 0;

  while (at < input->n_bytes)
    {
      SimRecord request;
      gint used = sim_record_parse_request (input->bytes + at, input->n_bytes - at, &request);

      if (used == 0)
        break;
      at += MAX (used, 1);
      if (used < 0)
        continue;
      self->counters.requests_heard++;
      if (sim_fault_strikes (self->fault, SIM_FAULT_COLLIDE, request.address))
        second_master (self, end_ns);
      else
        answer (self, &request, end_ns, device_delay (self, FRAME_DELAY_NS));
    }
  input->n_bytes -= at;
  memmove (input->bytes, input->bytes + at, input->n_bytes);
}

void
sim_bus_receive (SimBus *self, gint source, SimInput *input, const guint8 *bytes, gsize n_bytes,
                 gint64 now_ns)
{
  gsize room;

  if (now_ns - input->last_ns > REQUEST_GAP_NS)
    input->n_bytes = 0;
  input->last_ns = now_ns;
  if (collides (self, now_ns))
    {
      input->n_bytes = 0;
      return;
    }
  overhear (self, source, bytes, n_bytes, now_ns);
  room = MIN (n_bytes, sizeof input->bytes - input->n_bytes);
  memcpy (input->bytes + input->n_bytes, bytes, room);
  input->n_bytes += room;
  understand (self, input, now_ns + (gint64) n_bytes * self->byte_ns);
  if (input->n_bytes == sizeof input->bytes)
    input->n_bytes = 0;
}

/* ---- time ---- */

static gint64
next_transmission_ns (SimBus *self)
{
  const Transmission *first = g_queue_peek_head (&self->transmissions);

  return first ? MAX (first->at_ns, self->line_free_ns) : G_MAXINT64;
}

static gint64
next_delivery_ns (SimBus *self)
{
  const Heard *first = g_queue_peek_head (&self->deliveries);
  gint64 held_ns = self->held->len > 0 ? self->held_until_ns : G_MAXINT64;

  return first ? MIN (first->end_ns, held_ns) : held_ns;
}

/* The master waits for the answers to what it asked. */
static gint64
next_turn_ns (SimBus *self)
{
  if (!g_queue_is_empty (&self->transmissions) || !master_speaks (self))
    return G_MAXINT64;
  return MAX (self->slot_ns, self->line_free_ns);
}

gint64
sim_bus_next_ns (SimBus *self)
{
  gint64 line_ns = MIN (next_transmission_ns (self), next_turn_ns (self));

  return MIN (line_ns, next_delivery_ns (self));
}

gboolean
sim_bus_is_done (SimBus *self)
{
  return self->options.count > 0 && self->counters.frames >= self->options.count
         && g_queue_is_empty (&self->transmissions) && g_queue_is_empty (&self->deliveries)
         && self->held->len == 0;
}

void
sim_bus_run (SimBus *self, gint64 now_ns)
{
  /* a master that was away begins anew, and not with the slots that it missed */
  if (self->has_master && !master_speaks (self))
    {
      if (!is_at_limit (self))
        sim_master_init (&self->master, self->options.firmware);
      self->slot_ns = MAX (self->slot_ns, now_ns);
    }
  for (;;)
    {
      gint64 delivery_ns = next_delivery_ns (self);
      gint64 transmission_ns = next_transmission_ns (self);
      gint64 turn_ns = next_turn_ns (self);
      gint64 first_ns = MIN (delivery_ns, MIN (transmission_ns, turn_ns));

      if (first_ns > now_ns)
        break;
      if (delivery_ns == first_ns)
        deliver_next (self, first_ns);
      else if (transmission_ns == first_ns)
        {
          g_autofree Transmission *transmission = g_queue_pop_head (&self->transmissions);

          transmit (self, transmission);
        }
      else
        master_turn (self);
    }
}
