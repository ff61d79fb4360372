/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Whose turn it is on a polled bus: writes that queue, BMS that are asked while a write pauses, a
 * port that answers nothing any more, echoes that come late. The BMS here answer at once.
 */
#include <string.h>

#include "poll/jkb-poller.h"

#define SECOND ((gint64) G_USEC_PER_SEC)
#define ANSWER_US (40 * 1000)

typedef struct
{
  JkbPoller *poller;
  gint64 now_us, until_us;
  guint16 present;       /* bit n: address n answers */
  gboolean hold_snapshots;
  guint8 settings[JKB_N_ADDRESSES][JKB_FRAME_SIZE];
  guint n_live[JKB_N_ADDRESSES], n_written[JKB_N_ADDRESSES], n_reopened, n_snapshots;
  gint64 heard_us;       /* last answer */
  GPtrArray *finished;   /* (element-type JkbWrite) */
} Line;

static void
put (guint8 *frame, JkbFieldId id, guint32 raw)
{
  for (guint i = 0; i < 4; i++)
    frame[jkb_fields[id].offset + i] = raw >> (8 * i) & 0xff;
}

static Line *
line_new (guint16 present)
{
  JkbPollerConfig config = { .mode = JKB_MODE_POLL,
                             .listen_before_talk = 1,
                             .command_gap = 0.05,
                             .reply_timeout = 0.15,
                             .baud = 115200,
                             .timing = JKB_TIMING_SERIAL,
                             .seed = 1,
                             .schedule = { .addresses = 0xfffe,
                                           .poll_interval = 0.5,
                                           .settings_interval = 60,
                                           .info_interval = 3600,
                                           .probe_cost = 0.2 } };
  Line *line = g_new0 (Line, 1);

  line->poller = jkb_poller_new (&config);
  line->present = present;
  line->finished = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_write_free);
  for (guint address = 0; address < JKB_N_ADDRESSES; address++)
    {
      memcpy (line->settings[address], "\x55\xAA\xEB\x90\x01", 5);
      put (line->settings[address], JKB_FIELD_BALANCE_TRIGGER_VOLTAGE, 10);
    }
  jkb_poller_set_link (line->poller, TRUE, 0);
  return line;
}

static void
line_free (Line *line)
{
  jkb_poller_free (line->poller);
  g_ptr_array_unref (line->finished);
  g_free (line);
}

static void
answer (Line *line, const JkbCommand *command)
{
  guint8 frame[JKB_FRAME_SIZE] = { 0x55, 0xAA, 0xEB, 0x90 };
  JkbEvent event = { .address = command->address, .evidence = JKB_EVIDENCE_ACK, .bytes = frame,
                     .reg = command->reg, .count = command->count };

  line->heard_us = line->now_us + ANSWER_US;
  event.kind = command->reg < 0x1600 ? JKB_EVENT_ACK : JKB_EVENT_FRAME;
  event.type = command->reg == 0x1620 ? 2 : command->reg == 0x161E ? 1 : 3;
  if (event.type == 1)
    event.bytes = line->settings[command->address];
  jkb_poller_take_event (line->poller, &event, line->heard_us);
}

static void
take_command (Line *line, const JkbCommand *command)
{
  if (command->reg == 0x1620)
    line->n_live[command->address]++;
  if (command->reg < 0x1600)
    {
      g_assert_cmpint (line->now_us - line->heard_us, >=, 100 * 1000); /* silence before a write */
      line->n_written[command->address]++;
      jkb_encode_apply (command, line->settings[command->address]);
    }
  if ((line->present & 1u << command->address) != 0)
    {
      answer (line, command);
      line->now_us = line->heard_us;
    }
}

/* Returns: whether there was something to do. */
static gboolean
turn (Line *line)
{
  JkbCommand command;
  JkbWrite *write;

  switch (jkb_poller_next (line->poller, line->now_us, &command, &write, &line->until_us))
    {
    case JKB_POLLER_NOTHING:
      g_assert_cmpint (line->until_us, >, line->now_us);
      return FALSE;
    case JKB_POLLER_SEND:
      take_command (line, &command);
      break;
    case JKB_POLLER_REOPEN:
      line->n_reopened++;
      jkb_poller_port_reopened (line->poller, line->now_us);
      break;
    case JKB_POLLER_SNAPSHOT:
      line->n_snapshots++;
      if (!line->hold_snapshots)
        jkb_poller_snapshot_saved (line->poller, jkb_write_get_address (write), TRUE,
                                   line->now_us);
      break;
    case JKB_POLLER_PROGRESS:
      break;
    case JKB_POLLER_FINISHED:
      g_ptr_array_add (line->finished, write);
      break;
    }
  return TRUE;
}

static void
run_to (Line *line, gint64 end_us)
{
  while (line->now_us < end_us)
    if (!turn (line))
      line->now_us = MIN (line->until_us, end_us);
}

static void
submit (Line *line, guint address, const JkbWriteItem *items, guint n_items)
{
  const JkbInterlockFacts no_facts = { JKB_UNKNOWN, JKB_UNKNOWN, JKB_UNKNOWN };

  jkb_poller_submit (line->poller, jkb_write_new (address, items, n_items, &no_facts),
                     line->now_us);
}

static const GError *
error_of (Line *line, guint n)
{
  g_assert_cmpuint (line->finished->len, >, n);
  return jkb_write_peek_error (line->finished->pdata[n]);
}

static const JkbWriteItem one[] = { { .id = JKB_FIELD_BALANCE_TRIGGER_VOLTAGE, .raw = 20 } };
static const JkbWriteItem many[] = { { .id = JKB_FIELD_BALANCE_TRIGGER_VOLTAGE, .raw = 20 },
                                     { .id = JKB_FIELD_SMART_SLEEP_VOLTAGE, .raw = 3400 },
                                     { .id = JKB_FIELD_MAX_BALANCE_CURRENT, .raw = 1000 },
                                     { .id = JKB_FIELD_TOTAL_BATTERY_CAPACITY, .raw = 280000 },
                                     { .id = JKB_FIELD_BALANCING_START_VOLTAGE, .raw = 0 },
                                     { .id = JKB_FIELD_DISCHARGE_PRECHARGE_TIME, .raw = 5 },
                                     { .id = JKB_FIELD_CHARGING_SWITCH, .raw = 1 },
                                     { .id = JKB_FIELD_BALANCER, .raw = 1 },
                                     { .id = JKB_FIELD_CHARGE_OVERCURRENT_PROTECTION_RECOVERY_TIME,
                                       .raw = 60 },
                                     { .id = JKB_FIELD_DISCHARGE_OVERCURRENT_PROTECTION_RECOVERY_TIME,
                                       .raw = 60 } };

/* While settings are written one per second, nobody's live data waits for all of them. */
static void
test_others_are_asked_meanwhile (void)
{
  Line *line = line_new (1u << 1 | 1u << 2);
  guint before;
  gint64 begin_us;

  run_to (line, 20 * SECOND);
  begin_us = line->now_us;
  before = line->n_live[2];
  submit (line, 1, many, G_N_ELEMENTS (many));
  while (line->finished->len == 0)
    run_to (line, line->now_us + SECOND / 10);
  g_assert_no_error (error_of (line, 0));
  g_assert_cmpuint (line->n_written[1], ==, G_N_ELEMENTS (many) - 1); /* one is 0 already */
  g_assert_cmpuint (line->n_live[2] - before, >=, (line->now_us - begin_us) / SECOND);
  line_free (line);
}

/* A write behind a long one says Busy in time, and nothing of it was sent. */
static void
test_queue_expires (void)
{
  Line *line = line_new (1u << 1 | 1u << 2);

  run_to (line, 10 * SECOND);
  submit (line, 1, many, G_N_ELEMENTS (many));
  submit (line, 2, one, 1);
  run_to (line, line->now_us + 5 * SECOND);
  g_assert_cmpuint (line->finished->len, ==, 0);
  run_to (line, line->now_us + 2 * SECOND);
  g_assert_error (error_of (line, 0), JKB_ERROR, JKB_ERROR_BUSY);
  g_assert_cmpuint (line->n_written[2], ==, 0);
  run_to (line, line->now_us + 10 * SECOND);
  g_assert_no_error (error_of (line, 1));
  line_free (line);
}

/* "Saved" counts only for the BMS that it was said of. */
static void
test_snapshot_of_another (void)
{
  Line *line = line_new (1u << 1 | 1u << 2);

  run_to (line, 10 * SECOND);
  line->hold_snapshots = TRUE;
  submit (line, 1, one, 1);
  run_to (line, line->now_us + SECOND);
  g_assert_cmpuint (line->n_snapshots, ==, 1);
  jkb_poller_snapshot_saved (line->poller, 2, TRUE, line->now_us);
  run_to (line, line->now_us + SECOND);
  g_assert_cmpuint (line->n_written[1], ==, 0);
  run_to (line, line->now_us + 2 * SECOND); /* not kept in time: nothing is sent */
  g_assert_error (error_of (line, 0), JKB_ERROR, JKB_ERROR_IO);
  g_assert_cmpuint (line->n_written[1], ==, 0);
  line_free (line);
}

static void
test_flash_wear (void)
{
  Line *line = line_new (1u << 1);
  JkbWriteItem item = one[0];

  run_to (line, 10 * SECOND);
  for (guint i = 0; i < 61; i++)
    {
      item.raw = 11 + i;
      submit (line, 1, &item, 1);
      run_to (line, line->now_us + 3 * SECOND);
      g_assert_cmpuint (line->finished->len, ==, i + 1);
    }
  g_assert_no_error (error_of (line, 59));
  g_assert_error (error_of (line, 60), JKB_ERROR, JKB_ERROR_BUSY);
  g_assert_cmpuint (line->n_written[1], ==, 60);
  run_to (line, line->now_us + 3600 * SECOND);
  submit (line, 1, &item, 1);
  run_to (line, line->now_us + 3 * SECOND);
  g_assert_no_error (error_of (line, 61));
  line_free (line);
}

/* All answers end at once, of many BMS or of a single one: the port may hang. Opened again once; if
 * that does not help, the BMS are off. */
static void
test_reopens_port (void)
{
  const guint16 buses[] = { 1u << 1, 1u << 1 | 1u << 2 | 1u << 3 };

  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    {
      Line *line = line_new (buses[i]);

      run_to (line, 10 * SECOND);
      line->present = 0;
      run_to (line, 40 * SECOND);
      g_assert_cmpuint (line->n_reopened, ==, 1);
      run_to (line, 400 * SECOND);
      g_assert_cmpuint (line->n_reopened, <=, 2);
      line->present = buses[i];
      run_to (line, 440 * SECOND);
      g_assert_cmpuint (line->n_live[1], >, 20);
      line_free (line);
    }
}

/* One of several that goes is no fault of the port, and its new number is found soon. */
static void
test_new_address_is_found (void)
{
  Line *line = line_new (1u << 1 | 1u << 2);

  run_to (line, 30 * SECOND);
  g_assert_cmpuint (line->n_live[14], <, 10);
  line->n_live[14] = 0;
  line->present = 1u << 1 | 1u << 14;
  run_to (line, 50 * SECOND);
  g_assert_cmpuint (line->n_live[14], >, 10);
  g_assert_cmpuint (line->n_reopened, ==, 0);
  line_free (line);
}

static void
send_one (Line *line, JkbCommand *command)
{
  JkbWrite *write;

  while (jkb_poller_next (line->poller, line->now_us, command, &write, &line->until_us)
         != JKB_POLLER_SEND)
    line->now_us = line->until_us;
}

static void
echo (Line *line, const JkbCommand *command, gint64 after_us)
{
  JkbEvent event = { .kind = JKB_EVENT_REQUEST, .address = command->address, .reg = command->reg,
                     .count = command->count, .bytes = command->bytes,
                     .n_bytes = command->n_bytes };

  jkb_poller_take_event (line->poller, &event, line->now_us + after_us);
}

/* An echo is no other master, late or not once the adapter is known for it; a second copy is. */
static void
test_echo (void)
{
  Line *line = line_new (0);
  JkbCommand command;

  line->now_us = 10 * SECOND;
  send_one (line, &command);
  echo (line, &command, 2000);
  send_one (line, &command);
  echo (line, &command, 120 * 1000); /* the machine was busy */
  g_assert_cmpint (jkb_poller_get_role (line->poller), ==, JKB_ROLE_POLLING);
  send_one (line, &command);
  echo (line, &command, 2000);
  echo (line, &command, 3000);
  g_assert_cmpint (jkb_poller_get_role (line->poller), ==, JKB_ROLE_YIELDING);
  line_free (line);
}

static void
test_late_copy_is_foreign (void)
{
  Line *line = line_new (0);
  JkbCommand command;

  line->now_us = 10 * SECOND;
  send_one (line, &command);
  echo (line, &command, 120 * 1000);
  g_assert_cmpint (jkb_poller_get_role (line->poller), ==, JKB_ROLE_YIELDING);
  g_assert_true (jkb_poller_heard_foreign (line->poller));
  line_free (line);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/turns/others-are-asked-meanwhile", test_others_are_asked_meanwhile);
  g_test_add_func ("/turns/queue-expires", test_queue_expires);
  g_test_add_func ("/turns/snapshot-of-another", test_snapshot_of_another);
  g_test_add_func ("/turns/flash-wear", test_flash_wear);
  g_test_add_func ("/turns/reopens-port", test_reopens_port);
  g_test_add_func ("/turns/new-address-is-found", test_new_address_is_found);
  g_test_add_func ("/turns/echo", test_echo);
  g_test_add_func ("/turns/late-copy-is-foreign", test_late_copy_is_foreign);
  return g_test_run ();
}
