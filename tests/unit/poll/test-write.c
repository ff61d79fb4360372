/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The write sequence against a BMS that may do anything wrong: what is reported as success must be
 * what the BMS holds, and everything else must be reported.
 */
#include <string.h>

#include "poll/jkb-write.h"
#include "wire/jkb-decode.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

static const JkbInterlockFacts no_facts = { JKB_UNKNOWN, JKB_UNKNOWN, JKB_UNKNOWN };

typedef enum
{
  GOOD,
  LOSE_REQUEST,    /* never arrives */
  LOSE_ACK,        /* applied, not told */
  IGNORE,          /* told, not applied */
  CLAMP,           /* another value */
  NEIGHBOUR,       /* changes the next setting as well */
  SWITCH,          /* changes a control switch as well */
  ROUND,           /* one raw step off */
  DEAF             /* no settings frames any more */
} Fault;

typedef struct
{
  guint8 frame[JKB_FRAME_SIZE];
  Fault fault;
  guint fault_at;    /* strikes at the n-th command, from 0 */
  guint fault_times;
  guint n_commands;
  gint64 now_us;
  gint64 last_command_us;
  guint n_snapshots;
} Device;

static void
put32 (guint8 *at, guint32 value)
{
  for (guint i = 0; i < 4; i++)
    at[i] = value >> (8 * i) & 0xff;
}

static void
put (Device *d, JkbFieldId id, guint32 raw)
{
  put32 (d->frame + jkb_fields[id].offset, raw);
}

static gint64
held (Device *d, JkbFieldId id)
{
  JkbValues values;

  jkb_decode (d->frame, &values);
  return jkb_values_get (&values, id);
}

static Device
device (Fault fault, guint at, guint times)
{
  Device d = { .fault = fault, .fault_at = at, .fault_times = times };

  memcpy (d.frame, "\x55\xAA\xEB\x90\x01", 5);
  put (&d, JKB_FIELD_POWER_OFF_VOLTAGE, 2500);
  put (&d, JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION, 2580);
  put (&d, JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY, 2620);
  put (&d, JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_RECOVERY, 3580);
  put (&d, JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3650);
  put (&d, JKB_FIELD_CELL_SOC0_VOLTAGE, 2600);
  put (&d, JKB_FIELD_CELL_SOC100_VOLTAGE, 3590);
  put (&d, JKB_FIELD_CELL_REQUEST_CHARGE_VOLTAGE, 3600);
  put (&d, JKB_FIELD_CELL_REQUEST_FLOAT_VOLTAGE, 3500);
  put (&d, JKB_FIELD_BALANCING_START_VOLTAGE, 3000);
  put (&d, JKB_FIELD_CHARGING_SWITCH, 1);
  d.frame[284] = 60;
  d.frame[285] = 50;
  return d;
}

static gboolean
strikes (Device *d)
{
  return d->n_commands >= d->fault_at && d->n_commands < d->fault_at + d->fault_times;
}

/* Returns: whether it answers. */
static gboolean
device_takes (Device *d, const JkbCommand *command)
{
  Fault fault = strikes (d) ? d->fault : GOOD;
  JkbCommand changed = *command;

  /* Never two writes within a second. */
  g_assert_true (d->n_commands == 0 || d->now_us - d->last_command_us >= SECOND);
  d->last_command_us = d->now_us;
  d->n_commands++;
  if (fault == LOSE_REQUEST)
    return FALSE;
  if (fault == CLAMP)
    changed.bytes[10] ^= 0x20;
  if (fault == ROUND)
    changed.bytes[10] += 1;
  if (fault != IGNORE)
    jkb_encode_apply (&changed, d->frame);
  if (fault == NEIGHBOUR)
    d->frame[50] ^= 0x10; /* max_charge_current */
  if (fault == SWITCH)
    d->frame[282] ^= 0x10; /* display_always_on */
  return fault != LOSE_ACK;
}

/* No command that is sent may break the interlocks, seen from what the BMS holds. */
static void
assert_interlocks (Device *d, const JkbCommand *command)
{
  guint8 next[JKB_FRAME_SIZE];
  JkbValues before, after;

  memcpy (next, d->frame, sizeof next);
  jkb_encode_apply (command, next);
  jkb_decode (d->frame, &before);
  jkb_decode (next, &after);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS); id < JKB_FIRST_INFO; id++)
    if (!jkb_values_field_equal (&before, &after, id))
      g_assert_true (jkb_interlock_check (&before, &after, id, &no_facts, NULL));
}

static void
run (JkbWrite *write, Device *d)
{
  for (guint turn = 0;; turn++)
    {
      JkbCommand command;
      gint64 until_us = 0;

      g_assert_cmpuint (turn, <, 2000);
      switch (jkb_write_next (write, d->now_us, &command, &until_us))
        {
        case JKB_STEP_WAIT:
        case JKB_STEP_PAUSE:
          g_assert_cmpint (until_us, >, d->now_us);
          d->now_us = until_us;
          break;
        case JKB_STEP_READ:
          d->now_us += 60 * 1000;
          g_assert_true (d->n_commands == 0 || d->now_us - d->last_command_us >= 300 * 1000);
          jkb_write_take_settings (write, d->fault == DEAF && strikes (d) ? NULL : d->frame,
                                   d->now_us);
          break;
        case JKB_STEP_SNAPSHOT:
          d->n_snapshots++;
          g_assert_cmpmem (jkb_write_peek_snapshot (write), JKB_FRAME_SIZE, d->frame,
                           JKB_FRAME_SIZE);
          jkb_write_take_saved (write, TRUE, d->now_us);
          break;
        case JKB_STEP_COMMAND:
          {
            gboolean acked;

            assert_interlocks (d, &command);
            acked = device_takes (d, &command);
            d->now_us += acked ? 12 * 1000 : 300 * 1000;
            jkb_write_take_ack (write, acked, d->now_us);
            break;
          }
        case JKB_STEP_DONE:
          return;
        }
    }
}

static JkbWrite *
write_one (JkbFieldId id, gint64 raw)
{
  JkbWriteItem item = { .id = id, .raw = raw };

  return jkb_write_new (1, &item, 1, &no_facts);
}

static const JkbWriteItem *
item_of (JkbWrite *write, guint n)
{
  guint n_items;
  const JkbWriteItem *items = jkb_write_peek_items (write, &n_items);

  g_assert_cmpuint (n, <, n_items);
  return &items[n];
}

typedef struct
{
  const char *name;
  Fault fault;
  guint times;
  JkbItemState state;
  int error;       /* -1: success */
  gint64 holds;
  guint commands;
} Case;

#define OVP JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION
static const Case cases[] = {
  { "good", GOOD, 0, JKB_ITEM_WRITTEN, -1, 3640, 1 },
  { "request-lost-once", LOSE_REQUEST, 1, JKB_ITEM_WRITTEN, -1, 3640, 2 },
  { "request-lost-always", LOSE_REQUEST, 9, JKB_ITEM_PENDING, JKB_ERROR_TIMEOUT, 3650, 2 },
  { "ack-lost", LOSE_ACK, 9, JKB_ITEM_WRITTEN, -1, 3640, 1 },
  { "ignored", IGNORE, 9, JKB_ITEM_PENDING, JKB_ERROR_VERIFY_FAILED, 3650, 1 },
  { "clamped", CLAMP, 1, JKB_ITEM_RESTORED, JKB_ERROR_VERIFY_FAILED, 3650, 2 },
  { "rounded", ROUND, 1, JKB_ITEM_WRITTEN, -1, 3641, 1 },
  { "neighbour-changed", NEIGHBOUR, 1, JKB_ITEM_RESTORED, JKB_ERROR_VERIFY_FAILED, 3650, 3 },
  { "deaf-afterwards", DEAF, 9, JKB_ITEM_UNKNOWN, JKB_ERROR_TIMEOUT, 3640, 1 },
};

static void
test_fault (gconstpointer data)
{
  const Case *c = data;
  Device d = device (c->fault, c->fault == DEAF ? 1 : 0, c->times);
  g_autoptr (JkbWrite) write = write_one (OVP, 3640);
  const GError *error;

  run (write, &d);
  error = jkb_write_peek_error (write);
  if (c->error < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, JKB_ERROR, c->error);
  g_assert_cmpint (item_of (write, 0)->state, ==, c->state);
  g_assert_cmpint (held (&d, OVP), ==, c->holds);
  g_assert_cmpuint (d.n_commands, ==, c->commands);
  g_assert_cmpuint (d.n_snapshots, ==, 1);
  g_assert_cmpint (held (&d, JKB_FIELD_MAX_CHARGE_CURRENT), ==, 0);
  if (c->error < 0)
    g_assert_cmpint (item_of (write, 0)->after, ==, held (&d, OVP));
}

/* One raw step is rounding, but not when nothing has moved. */
static void
test_one_step_ignored_is_no_success (void)
{
  Device d = device (IGNORE, 0, 9);
  g_autoptr (JkbWrite) write = write_one (OVP, 3651);

  run (write, &d);
  g_assert_error (jkb_write_peek_error (write), JKB_ERROR, JKB_ERROR_VERIFY_FAILED);
  g_assert_cmpint (item_of (write, 0)->state, ==, JKB_ITEM_PENDING);
}

/* Each command changes the neighbour, so it cannot be put back: that is told. */
static void
test_lasting_side_effect_is_told (void)
{
  Device d = device (NEIGHBOUR, 0, 3);
  g_autoptr (JkbWrite) write = write_one (OVP, 3640);

  run (write, &d);
  g_assert_error (jkb_write_peek_error (write), JKB_ERROR, JKB_ERROR_VERIFY_FAILED);
  if (held (&d, JKB_FIELD_MAX_CHARGE_CURRENT) != 0)
    g_assert_nonnull (strstr (jkb_write_peek_error (write)->message,
                              "max_charge_current could not be put back"));
}

/* One register holds all control switches: the sentence names the one that changed. */
static void
test_changed_switch_has_its_name (void)
{
  Device d = device (SWITCH, 0, 1);
  g_autoptr (JkbWrite) write = write_one (OVP, 3640);

  run (write, &d);
  g_assert_error (jkb_write_peek_error (write), JKB_ERROR, JKB_ERROR_VERIFY_FAILED);
  g_assert_nonnull (strstr (jkb_write_peek_error (write)->message,
                            "changed display_always_on as well"));
}

static void
test_no_op_sends_nothing (void)
{
  Device d = device (GOOD, 0, 0);
  g_autoptr (JkbWrite) write = write_one (OVP, 3650);

  run (write, &d);
  g_assert_no_error (jkb_write_peek_error (write));
  g_assert_cmpint (item_of (write, 0)->state, ==, JKB_ITEM_UNCHANGED);
  g_assert_cmpuint (d.n_commands, ==, 0);
  g_assert_cmpuint (d.n_snapshots, ==, 0);
}

static void
test_interlock_sends_nothing (void)
{
  Device d = device (GOOD, 0, 0);
  g_autoptr (JkbWrite) write = write_one (OVP, 3400);

  run (write, &d);
  g_assert_error (jkb_write_peek_error (write), JKB_ERROR, JKB_ERROR_INTERLOCK);
  g_assert_cmpuint (d.n_commands, ==, 0);
}

static void
test_absent_setting_is_read_only (void)
{
  Device d = device (GOOD, 0, 0); /* 284 > 285: no heating thresholds */
  g_autoptr (JkbWrite) write = write_one (JKB_FIELD_HEATING_START_TEMPERATURE, 1);

  run (write, &d);
  g_assert_error (jkb_write_peek_error (write), JKB_ERROR, JKB_ERROR_READ_ONLY);
  g_assert_cmpuint (d.n_commands, ==, 0);
}

static void
test_unsaved_snapshot_sends_nothing (void)
{
  Device d = device (GOOD, 0, 0);
  g_autoptr (JkbWrite) write = write_one (OVP, 3640);
  JkbCommand command;
  gint64 until_us;

  g_assert_cmpint (jkb_write_next (write, 0, &command, &until_us), ==, JKB_STEP_READ);
  jkb_write_take_settings (write, d.frame, 1000);
  g_assert_cmpint (jkb_write_next (write, 1000, &command, &until_us), ==, JKB_STEP_SNAPSHOT);
  g_assert_cmpint (jkb_write_next (write, 2000, &command, &until_us), ==, JKB_STEP_PAUSE);
  g_assert_cmpint (jkb_write_next (write, until_us, &command, &until_us), ==, JKB_STEP_DONE);
  g_assert_error (jkb_write_peek_error (write), JKB_ERROR, JKB_ERROR_IO);
}

/* Everything moves up by 0.3 V: written in the given order it would cross itself. */
static const JkbWriteItem move_up[] = {
  { .id = JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION, .raw = 2880 },
  { .id = JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY, .raw = 2920 },
  { .id = JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_RECOVERY, .raw = 3880 },
  { .id = JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, .raw = 3950 },
  { .id = JKB_FIELD_CELL_REQUEST_FLOAT_VOLTAGE, .raw = 3800 },
  { .id = JKB_FIELD_CELL_REQUEST_CHARGE_VOLTAGE, .raw = 3900 },
};

static void
test_apply_in_safe_order (void)
{
  Device d = device (GOOD, 0, 0);
  g_autoptr (JkbWrite) write = jkb_write_new (1, move_up, G_N_ELEMENTS (move_up), &no_facts);

  run (write, &d); /* asserts the interlocks at each command */
  g_assert_no_error (jkb_write_peek_error (write));
  for (guint i = 0; i < G_N_ELEMENTS (move_up); i++)
    g_assert_cmpint (held (&d, move_up[i].id), ==, move_up[i].raw);
  g_assert_cmpuint (jkb_write_get_progress (write), ==, G_N_ELEMENTS (move_up));
}

/* All or nothing, wherever it fails, whatever fails. */
static void
test_apply_is_all_or_nothing (void)
{
  const Fault faults[] = { LOSE_REQUEST, IGNORE, CLAMP, NEIGHBOUR };

  for (guint f = 0; f < G_N_ELEMENTS (faults); f++)
    for (guint at = 0; at < G_N_ELEMENTS (move_up); at++)
      {
        Device d = device (faults[f], at, faults[f] == LOSE_REQUEST ? 2 : 1);
        Device original = d;
        g_autoptr (JkbWrite) write = jkb_write_new (1, move_up, G_N_ELEMENTS (move_up), &no_facts);

        run (write, &d);
        g_assert_nonnull (jkb_write_peek_error (write));
        g_assert_cmpmem (d.frame, JKB_FRAME_SIZE, original.frame, JKB_FRAME_SIZE);
        for (guint i = 0; i < G_N_ELEMENTS (move_up); i++)
          {
            JkbItemState state = item_of (write, i)->state;

            g_assert_true (state == JKB_ITEM_PENDING || state == JKB_ITEM_RESTORED);
          }
      }
}

static void
test_abort_says_unknown_only_if_sent (void)
{
  Device d = device (GOOD, 0, 0);
  g_autoptr (JkbWrite) before = write_one (OVP, 3640);
  g_autoptr (JkbWrite) after = write_one (OVP, 3640);
  JkbCommand command;
  gint64 until_us;

  jkb_write_next (before, 0, &command, &until_us);
  jkb_write_abort (before, JKB_ERROR_READ_ONLY, "another master");
  g_assert_error (jkb_write_peek_error (before), JKB_ERROR, JKB_ERROR_READ_ONLY);
  g_assert_cmpint (item_of (before, 0)->state, ==, JKB_ITEM_PENDING);

  jkb_write_next (after, 0, &command, &until_us);
  jkb_write_take_settings (after, d.frame, 1);
  jkb_write_next (after, 1, &command, &until_us);
  jkb_write_take_saved (after, TRUE, 2);
  g_assert_cmpint (jkb_write_next (after, 2, &command, &until_us), ==, JKB_STEP_COMMAND);
  jkb_write_abort (after, JKB_ERROR_READ_ONLY, "another master");
  g_assert_cmpint (item_of (after, 0)->state, ==, JKB_ITEM_UNKNOWN);
  g_assert_cmpint (jkb_write_next (after, 3, &command, &until_us), ==, JKB_STEP_DONE);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strdup_printf ("/write/fault/%s", cases[i].name);

      g_test_add_data_func (path, &cases[i], test_fault);
    }
  g_test_add_func ("/write/one-step-ignored-is-no-success", test_one_step_ignored_is_no_success);
  g_test_add_func ("/write/lasting-side-effect-is-told", test_lasting_side_effect_is_told);
  g_test_add_func ("/write/changed-switch-has-its-name", test_changed_switch_has_its_name);
  g_test_add_func ("/write/no-op-sends-nothing", test_no_op_sends_nothing);
  g_test_add_func ("/write/interlock-sends-nothing", test_interlock_sends_nothing);
  g_test_add_func ("/write/absent-setting-is-read-only", test_absent_setting_is_read_only);
  g_test_add_func ("/write/unsaved-snapshot-sends-nothing", test_unsaved_snapshot_sends_nothing);
  g_test_add_func ("/write/apply-in-safe-order", test_apply_in_safe_order);
  g_test_add_func ("/write/apply-is-all-or-nothing", test_apply_is_all_or_nothing);
  g_test_add_func ("/write/abort-says-unknown-only-if-sent", test_abort_says_unknown_only_if_sent);
  return g_test_run ();
}
