/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The poller against the simulator, in virtual time, with every fault the simulator has. Whatever
 * happens:
 *   - a write goes only to the BMS and register that was asked for (or back to what was there);
 *   - a reported success is what the simulated BMS holds, anything else is reported;
 *   - no write that is sent breaks an interlock, seen from the settings that were read last;
 *   - a BMS gets at most one write per second, whichever call it belongs to;
 *   - not a byte is sent before listen-before-talk is over or while another master was heard within
 *     the guard time.
 * JKB_OPERATIONS says how many random operations, JKB_SEED which: by default 1,000,000; under a
 * sanitizer (JKB_TEST_FACTOR) without JKB_TEST_LONG 250,000 others, which take long enough there.
 */
#include <stdlib.h>
#include <string.h>

#include "poll/jkb-poller.h"
#include "sim/sim-bus.h"
#include "wire/jkb-decode.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define LISTEN_S 2

typedef struct
{
  GRand *rand;
  SimFault *fault;
  SimBus *bus;
  SimInput input;
  JkbStream *stream;
  JkbPoller *poller;
  guint16 addresses;
  gint64 now_us;
  gint64 poll_until_us;

  gint64 silent_since_us;  /* link up, or another master heard */
  gboolean foreign_pending;
  guint8 foreign[11];

  gboolean has_settings[JKB_N_ADDRESSES];
  guint8 settings[JKB_N_ADDRESSES][JKB_FRAME_SIZE]; /* read last */
  gint64 written_us[JKB_N_ADDRESSES]; /* last, 0: never */

  gboolean writing;
  guint write_address;
  JkbWriteItem asked[JKB_WRITE_MAX_ITEMS];
  guint n_asked;
  gboolean has_snapshot;
  guint8 snapshot[JKB_FRAME_SIZE];

  guint64 operations, commands, successes, failures, unknowns, yields, frames[JKB_N_ADDRESSES];
} World;

/* ---- what must hold ---- */

static SimBms *
find_bms (World *w, guint address)
{
  return sim_bus_find (w->bus, address);
}

static gint64
device_holds (World *w, guint address, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];
  SimBms *bms = find_bms (w, address);
  gint64 raw;

  if (bms == NULL)
    return JKB_UNKNOWN;
  raw = sim_registers_get (sim_bms_registers (bms), jkb_field_register (field));
  if (field->bit != 0)
    return raw >> (field->bit - 1) & 1;
  return field->kind == JKB_KIND_BOOL ? raw != 0 : raw;
}

static gboolean
command_is_for (const JkbCommand *command, JkbFieldId id)
{
  guint16 reg = jkb_field_register (&jkb_fields[id]);

  return jkb_fields[id].kind != JKB_KIND_LIST && reg >= command->reg
         && reg < command->reg + 2 * command->count;
}

/* The register was asked for, or differs from the snapshot and is put back. */
static void
assert_wanted (World *w, const JkbCommand *command)
{
  guint begin = command->reg - 0x1000 + JKB_FRAME_PAYLOAD;
  guint8 next[JKB_FRAME_SIZE];

  g_assert_true (w->writing);
  g_assert_cmpuint (command->address, ==, w->write_address);
  g_assert_true (w->has_snapshot);
  for (guint i = 0; i < w->n_asked; i++)
    if (command_is_for (command, w->asked[i].id))
      return;
  memcpy (next, w->settings[command->address], sizeof next);
  g_assert_cmpint (memcmp (next + begin, w->snapshot + begin, 2u * command->count), !=, 0);
  jkb_encode_apply (command, next);
  g_assert_cmpmem (next + begin, 2u * command->count, w->snapshot + begin, 2u * command->count);
}

static void
assert_interlocks (World *w, const JkbCommand *command)
{
  const JkbInterlockFacts no_facts = { JKB_UNKNOWN, JKB_UNKNOWN, JKB_UNKNOWN };
  guint8 next[JKB_FRAME_SIZE];
  JkbValues before, after;

  g_assert_true (w->has_settings[command->address]);
  memcpy (next, w->settings[command->address], sizeof next);
  jkb_encode_apply (command, next);
  jkb_decode (w->settings[command->address], &before);
  jkb_decode (next, &after);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS); id < JKB_FIRST_INFO; id++)
    if (command_is_for (command, id) && jkb_fields[id].write_class != JKB_CLASS_X
        && !jkb_values_field_equal (&before, &after, id))
      g_assert_true (jkb_interlock_check (&before, &after, id, &no_facts, NULL));
}

static void
assert_spacing (World *w, const JkbCommand *command)
{
  gint64 before_us = w->written_us[command->address];

  g_assert_true (before_us == 0 || w->now_us - before_us >= SECOND);
  w->written_us[command->address] = w->now_us;
}

static void
assert_may_send (World *w)
{
  g_assert_cmpint (w->now_us - w->silent_since_us, >=, LISTEN_S * SECOND);
  g_assert_cmpint (jkb_poller_get_role (w->poller), ==, JKB_ROLE_POLLING);
}

static gboolean
readdressed (World *w)
{
  return sim_fault_is_on (w->fault, SIM_FAULT_READDRESS);
}

static void
take_result (World *w, JkbWrite *write)
{
  guint n_items;
  const JkbWriteItem *items = jkb_write_peek_items (write, &n_items);
  const GError *error = jkb_write_peek_error (write);

  gboolean lost = FALSE; /* a last command may have done anything, to neighbours as well */

  g_assert_true (w->writing);
  w->writing = FALSE;
  for (guint i = 0; i < n_items; i++)
    lost = lost || items[i].state == JKB_ITEM_UNKNOWN;
  g_assert_true (error != NULL || !lost);
  for (guint i = 0; i < n_items; i++)
    {
      gint64 holds = device_holds (w, w->write_address, items[i].id);

      w->unknowns += items[i].state == JKB_ITEM_UNKNOWN;
      if (error == NULL)
        {
          g_assert_true (items[i].state == JKB_ITEM_WRITTEN
                         || items[i].state == JKB_ITEM_UNCHANGED);
          g_assert_cmpint (ABS (items[i].after - items[i].raw), <=, 1);
          g_assert_true (items[i].after == items[i].raw || items[i].after != items[i].before);
        }
      if (readdressed (w) || lost || items[i].after == JKB_UNKNOWN)
        continue;
      g_assert_cmpint (items[i].after, ==, holds);
      if (items[i].state == JKB_ITEM_RESTORED || items[i].state == JKB_ITEM_UNCHANGED)
        g_assert_cmpint (items[i].before, ==, holds);
    }
  if (error == NULL)
    w->successes++;
  else
    w->failures++;
  jkb_write_free (write);
}

/* ---- the bus ---- */

static void
take_events (World *w)
{
  JkbEvent event;

  while (jkb_stream_next (w->stream, w->now_us, &event))
    {
      if (event.kind == JKB_EVENT_REQUEST && w->foreign_pending && event.n_bytes == 11
          && memcmp (event.bytes, w->foreign, 11) == 0)
        {
          w->foreign_pending = FALSE;
          w->silent_since_us = w->now_us;
          w->yields++;
        }
      if (event.kind == JKB_EVENT_FRAME && event.drop == JKB_DROP_NONE && event.address >= 0
          && event.address < JKB_N_ADDRESSES)
        {
          w->frames[event.address]++;
          if (event.type == JKB_FRAME_SETTINGS && jkb_evidence_is_sure (event.evidence))
            {
              memcpy (w->settings[event.address], event.bytes, JKB_FRAME_SIZE);
              w->has_settings[event.address] = TRUE;
            }
        }
      jkb_poller_take_event (w->poller, &event, w->now_us);
    }
}

static void
on_bytes (const guint8 *bytes, gsize n_bytes, gint except, gpointer user_data)
{
  World *w = user_data;

  if (except == 0)
    return;
  while (n_bytes > 0)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (w->stream, &room);
      gsize n = MIN (room, n_bytes);

      memcpy (place, bytes, n);
      jkb_stream_commit (w->stream, n, w->now_us);
      jkb_poller_hear_bytes (w->poller, w->now_us);
      take_events (w);
      bytes += n;
      n_bytes -= n;
    }
}

static void
send_command (World *w, const JkbCommand *command)
{
  assert_may_send (w);
  if (command->reg < 0x1600)
    {
      assert_wanted (w, command);
      assert_interlocks (w, command);
      assert_spacing (w, command);
      w->commands++;
    }
  sim_bus_receive (w->bus, 0, &w->input, command->bytes, command->n_bytes, w->now_us * 1000);
}

static void
run_poller (World *w)
{
  for (guint turn = 0; turn < 100; turn++)
    {
      JkbCommand command;
      JkbWrite *write = NULL;

      switch (jkb_poller_next (w->poller, w->now_us, &command, &write, &w->poll_until_us))
        {
        case JKB_POLLER_NOTHING:
          return;
        case JKB_POLLER_SEND:
          send_command (w, &command);
          break;
        case JKB_POLLER_REOPEN:
          jkb_poller_set_link (w->poller, FALSE, w->now_us);
          jkb_poller_set_link (w->poller, TRUE, w->now_us);
          jkb_stream_reset (w->stream);
          w->silent_since_us = w->now_us;
          break;
        case JKB_POLLER_SNAPSHOT:
          memcpy (w->snapshot, jkb_write_peek_snapshot (write), JKB_FRAME_SIZE);
          w->has_snapshot = TRUE;
          jkb_poller_snapshot_saved (w->poller, w->write_address,
                                     g_rand_int_range (w->rand, 0, 50) != 0, w->now_us);
          break;
        case JKB_POLLER_PROGRESS:
          g_assert_true (w->writing);
          break;
        case JKB_POLLER_FINISHED:
          take_result (w, write);
          break;
        }
    }
  g_assert_not_reached ();
}

static void
step_to (World *w, gint64 end_us)
{
  for (;;)
    {
      gint64 next_us = MIN (jkb_stream_deadline (w->stream), w->poll_until_us);
      gint64 bus_ns = sim_bus_next_ns (w->bus);

      if (bus_ns != G_MAXINT64)
        next_us = MIN (next_us, bus_ns / 1000 + 1);
      w->now_us = MAX (w->now_us, MIN (next_us, end_us));
      sim_bus_run (w->bus, w->now_us * 1000);
      take_events (w);
      run_poller (w);
      if (w->now_us >= end_us)
        return;
    }
}

/* ---- what happens ---- */

static JkbFieldId
random_setting (World *w)
{
  return g_rand_int_range (w->rand, JKB_FIRST_SETTING, JKB_FIRST_INFO);
}

static gint64
random_value (World *w, JkbFieldId id, guint address)
{
  const JkbField *field = &jkb_fields[id];
  gint64 now = device_holds (w, address, id);

  /* Mostly a small move, which the interlocks tend to allow. */
  if (field->kind == JKB_KIND_NUMBER && g_rand_int_range (w->rand, 0, 4) != 0 && now != JKB_UNKNOWN)
    {
      gint64 moved = now + g_rand_int_range (w->rand, -30, 31);

      return CLAMP (moved, field->write_min, field->write_max);
    }
  return field->write_min
         + (gint64) (g_rand_double (w->rand) * (double) (field->write_max - field->write_min + 1));
}

static gboolean
is_asked (World *w, JkbFieldId id)
{
  for (guint i = 0; i < w->n_asked; i++)
    if (w->asked[i].id == id)
      return TRUE;
  return FALSE;
}

static void
submit_write (World *w)
{
  const JkbInterlockFacts no_facts = { JKB_UNKNOWN, JKB_UNKNOWN, JKB_UNKNOWN };
  guint n = g_rand_int_range (w->rand, 0, 4) == 0 ? g_rand_int_range (w->rand, 2, 6) : 1;

  do
    w->write_address = g_rand_int_range (w->rand, 0, JKB_N_ADDRESSES);
  while ((w->addresses & (1u << w->write_address)) == 0);
  w->n_asked = 0;
  for (guint i = 0; i < n; i++)
    {
      JkbFieldId id = random_setting (w);

      if (jkb_fields[id].kind == JKB_KIND_LIST || is_asked (w, id))
        continue;
      w->asked[w->n_asked++]
          = (JkbWriteItem){ .id = id, .raw = random_value (w, id, w->write_address) };
    }
  if (w->n_asked == 0)
    return;
  w->writing = TRUE;
  w->has_snapshot = FALSE;
  jkb_poller_submit (w->poller,
                     jkb_write_new (w->write_address, w->asked, w->n_asked, &no_facts), w->now_us);
}

static void
speak_as_another_master (World *w)
{
  SimRecord record;

  /* An address that nobody of ours has: never the same bytes as our own command. */
  sim_record_trigger (&record, 200 + g_rand_int_range (w->rand, 0, 40), 0x1620);
  memcpy (w->foreign, record.bytes, sizeof w->foreign);
  w->foreign_pending = TRUE;
  sim_bus_send (w->bus, &record, w->now_us * 1000);
}

static void
change_faults (World *w)
{
  static const char *const faults[]
      = { "corrupt", "bitrate", "drop", "truncate", "split", "merge", "noise", "silence",
          "crosstalk", "deaf", "ack-lost-before", "ack-lost-after", "clamp", "ignore-write",
          "neighbour-write", "collide" };
  guint n = g_rand_int_range (w->rand, 0, 4);
  gboolean echo = g_rand_boolean (w->rand);

  g_assert_true (sim_fault_set (w->fault, "none", NULL));
  if (echo)
    g_assert_true (sim_fault_set (w->fault, "echo=1", NULL));
  for (guint i = 0; i < n; i++)
    {
      const char *kind = faults[g_rand_int_range (w->rand, 0, G_N_ELEMENTS (faults))];
      double rate = g_rand_double (w->rand) * (strcmp (kind, "bitrate") == 0 ? 0.001 : 0.3);
      char number[G_ASCII_DTOSTR_BUF_SIZE];
      g_autofree char *spec
          = g_strdup_printf ("%s=%s", kind, g_ascii_formatd (number, sizeof number, "%.6f", rate));
      g_autoptr (GError) error = NULL;

      sim_fault_set (w->fault, spec, &error);
      g_assert_no_error (error);
    }
}

static void
one_operation (World *w)
{
  guint dice = g_rand_int_range (w->rand, 0, 1000);

  w->operations++;
  if (dice < 3)
    change_faults (w);
  else if (dice < 6)
    speak_as_another_master (w);
  else if (dice < 8)
    {
      jkb_poller_set_link (w->poller, FALSE, w->now_us);
      jkb_stream_reset (w->stream);
      jkb_poller_set_link (w->poller, TRUE, w->now_us);
      w->silent_since_us = w->now_us;
    }
  else if (dice < 12)
    jkb_poller_scan (w->poller, w->now_us);
  else if (dice < 30)
    jkb_poller_refresh (w->poller, g_rand_int_range (w->rand, 0, JKB_N_ADDRESSES), w->now_us);
  else if (!w->writing)
    submit_write (w);
  step_to (w, w->now_us + g_rand_int_range (w->rand, 1, 400) * 1000);
  /* An hour passes now and then: the limit on flash wear would refuse nearly everything else. */
  if (!w->writing && g_rand_int_range (w->rand, 0, 60) == 0)
    step_to (w, w->now_us + 3600 * SECOND);
}

static World *
world_new (guint32 seed, double poll_interval)
{
  World *w = g_new0 (World, 1);
  SimBusOptions options = { .speed = 1, .firmware = SIM_FIRMWARE_15 };
  JkbPollerConfig config = { .mode = JKB_MODE_AUTO,
                             .listen_before_talk = LISTEN_S,
                             .command_gap = 0.12,
                             .reply_timeout = 0.15,
                             .baud = 115200,
                             .timing = JKB_TIMING_SERIAL,
                             .seed = seed,
                             .schedule = { .poll_interval = poll_interval,
                                           .settings_interval = 10 * poll_interval,
                                           .info_interval = 100 * poll_interval,
                                           .probe_cost = 0.27 } };

  w->rand = g_rand_new_with_seed (seed);
  w->fault = sim_fault_new (seed);
  w->bus = sim_bus_new (&options, w->fault, NULL, on_bytes, w);
  for (guint i = 0; i < 5; i++)
    {
      guint address = 1 + g_rand_int_range (w->rand, 0, 15);

      if ((w->addresses & (1u << address)) == 0)
        sim_bus_add (w->bus, sim_bms_new (address, 16, SIM_FIRMWARE_15, seed + i, 1));
      w->addresses |= 1u << address;
    }
  config.schedule.addresses = w->addresses;
  config.schedule.listed = TRUE;
  w->stream = jkb_stream_new (JKB_TIMING_SERIAL);
  w->poller = jkb_poller_new (&config);
  jkb_poller_set_link (w->poller, TRUE, 0);
  w->poll_until_us = 0;
  return w;
}

static void
world_free (World *w)
{
  jkb_poller_free (w->poller);
  jkb_stream_free (w->stream);
  sim_bus_free (w->bus);
  sim_fault_free (w->fault);
  g_rand_free (w->rand);
  g_free (w);
}

static guint64
number_from (const char *variable, guint64 otherwise)
{
  const char *text = g_getenv (variable);

  return text != NULL ? g_ascii_strtoull (text, NULL, 10) : otherwise;
}

static void
test_random_operations (void)
{
  gboolean is_short = number_from ("JKB_TEST_FACTOR", 1) > 1 && g_getenv ("JKB_TEST_LONG") == NULL;
  guint64 wanted = number_from ("JKB_OPERATIONS", is_short ? 250000 : 1000000), done = 0;
  guint64 commands = 0, successes = 0, failures = 0, unknowns = 0, yields = 0;
  guint32 seed = (guint32) number_from ("JKB_SEED", is_short ? 1000 : 1);

  for (; done < wanted; seed++)
    {
      World *w = world_new (seed, 600);

      while (w->operations < 20000 && done + w->operations < wanted)
        one_operation (w);
      done += w->operations;
      commands += w->commands;
      successes += w->successes;
      failures += w->failures;
      unknowns += w->unknowns;
      yields += w->yields;
      world_free (w);
    }
  g_test_message ("%" G_GUINT64_FORMAT " operations: %" G_GUINT64_FORMAT " writes sent, %"
                  G_GUINT64_FORMAT " succeeded, %" G_GUINT64_FORMAT " refused or failed, %"
                  G_GUINT64_FORMAT " values unknown, %" G_GUINT64_FORMAT " yields",
                  done, commands, successes, failures, unknowns, yields);
  g_assert_cmpuint (successes, >, wanted / 200);
  g_assert_cmpuint (failures, >, wanted / 200);
}

static void
test_polls_a_clean_bus (void)
{
  World *w = world_new (42, 2);

  step_to (w, 70 * SECOND);
  for (guint address = 0; address < JKB_N_ADDRESSES; address++)
    if ((w->addresses & (1u << address)) != 0)
      g_assert_cmpuint (w->frames[address], >=, 30);
    else
      g_assert_cmpuint (w->frames[address], ==, 0);
  world_free (w);
}

static void
test_yields_and_comes_back (void)
{
  World *w = world_new (43, 2);
  gint64 heard_us;

  step_to (w, 10 * SECOND);
  g_assert_cmpint (jkb_poller_get_role (w->poller), ==, JKB_ROLE_POLLING);
  speak_as_another_master (w);
  step_to (w, 11 * SECOND);
  heard_us = w->silent_since_us;
  g_assert_cmpint (heard_us, >, 10 * SECOND - 1);
  g_assert_cmpint (jkb_poller_get_role (w->poller), ==, JKB_ROLE_YIELDING);
  step_to (w, heard_us + 4 * SECOND); /* assert_may_send() watches */
  g_assert_cmpint (jkb_poller_get_role (w->poller), ==, JKB_ROLE_POLLING);
  world_free (w);
}

/* A real BMS master on the bus: for three days nothing is sent. */
static void
test_silent_beside_a_master (void)
{
  World *w = g_new0 (World, 1);
  SimBusOptions options = { .speed = 1, .slots = TRUE, .firmware = SIM_FIRMWARE_14 };
  JkbPollerConfig config = { .mode = JKB_MODE_AUTO,
                             .listen_before_talk = LISTEN_S,
                             .command_gap = 0.12,
                             .reply_timeout = 0.15,
                             .baud = 115200,
                             .timing = JKB_TIMING_SERIAL,
                             .seed = 5,
                             .schedule = { .addresses = 0xffff,
                                           .poll_interval = 2,
                                           .settings_interval = 60,
                                           .info_interval = 3600,
                                           .probe_cost = 0.27 } };
  gint64 hours = (gint64) number_from ("JKB_MASTER_HOURS", 2);

  w->rand = g_rand_new_with_seed (1);
  w->fault = sim_fault_new (1);
  w->bus = sim_bus_new (&options, w->fault, NULL, on_bytes, w);
  for (guint address = 0; address < 3; address++)
    sim_bus_add (w->bus, sim_bms_new (address, 16, SIM_FIRMWARE_14, address, 1));
  sim_bus_start_master (w->bus);
  w->stream = jkb_stream_new (JKB_TIMING_SERIAL);
  w->poller = jkb_poller_new (&config);
  jkb_poller_set_link (w->poller, TRUE, 0);
  for (gint64 minute = 1; minute <= hours * 60; minute++)
    {
      w->silent_since_us = w->now_us; /* any send now fails assert_may_send() */
      step_to (w, minute * 60 * SECOND);
      g_assert_cmpint (jkb_poller_get_role (w->poller), ==, JKB_ROLE_LISTENING);
    }
  world_free (w);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/poller/polls-a-clean-bus", test_polls_a_clean_bus);
  g_test_add_func ("/poller/yields-and-comes-back", test_yields_and_comes_back);
  g_test_add_func ("/poller/silent-beside-a-master", test_silent_beside_a_master);
  g_test_add_func ("/poller/random-operations", test_random_operations);
  return g_test_run ();
}
