/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a BMS answers to a master: triggers, reads, writes and their read-back, and the ways in
 * which a device can misbehave. Constants are those of protocol §2.2, §6.
 */
#include "sim-fixture.h"

static const LineOptions slaves
    = { .bms = "1235", .firmware = SIM_FIRMWARE_15, .speed = 1, .slots = TRUE };

#define assert_own(line, bytes)                                                                    \
  g_assert_cmpmem ((line)->own->data, (line)->own->len, bytes, sizeof bytes - 1)

static void
test_triggers (void)
{
  static const struct
  {
    const char *request;
    guint8 type;
    const char *ack;
  } cases[] = {
    { "01 10 1620 0001 02 0000", 2, "\x01\x10\x16\x20\x00\x01\x04\x4B" },
    { "01 10 161E 0001 02 0000", 1, "\x01\x10\x16\x1E\x00\x01\x65\x87" },
    { "01 10 161C 0001 02 0000", 3, "\x01\x10\x16\x1C\x00\x01\xC4\x47" },
  };
  g_autoptr (Line) line = line_new (&slaves);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint skipped;
      g_autoptr (GArray) records = NULL;

      line_ask (line, cases[i].request);
      records = read_records (line->own, &skipped);
      g_assert_cmpuint (skipped, ==, 0);
      g_assert_cmpuint (records->len, ==, 2);
      g_assert_cmpuint (g_array_index (records, Found, 0).type, ==, cases[i].type);
      g_assert_cmpmem (line->own->data + 300, 8, cases[i].ack, 8);
    }
  line_ask (line, "04 10 1620 0001 02 0000"); /* nobody there */
  g_assert_cmpuint (line->own->len, ==, 0);
}

/* A wrong CRC gets silence; a request in pieces an answer; an old piece is forgotten. */
static void
test_framing (void)
{
  g_autoptr (Line) line = line_new (&slaves);
  g_autoptr (GByteArray) request = with_crc ("02 10 1620 0001 02 0000");

  request->data[10] ^= 1;
  line_send (line, request->data, 11);
  line_run_dry (line);
  g_assert_cmpuint (line->own->len, ==, 0);
  request->data[10] ^= 1;
  line_run (line, line->now_ns + 30 * MS);
  line_send (line, request->data, 5);
  line_run (line, line->now_ns + MS);
  line_send (line, request->data + 5, 6);
  line_run_dry (line);
  g_assert_cmpuint (line->own->len, ==, 308);
  g_byte_array_set_size (line->own, 0);
  line_run (line, line->now_ns + 100 * MS);
  line_send (line, request->data, 5);
  line_run (line, line->now_ns + 100 * MS);
  line_send (line, request->data, 11);
  line_run_dry (line);
  g_assert_cmpuint (line->own->len, ==, 308);
}

static void
test_read (void)
{
  g_autoptr (Line) line = line_new (&slaves);
  guint mv;

  line_ask (line, "01 10 1620 0001 02 0000");
  mv = u32_at (line->own->data, 150);
  line_ask (line, "01 03 1108 0002");
  assert_own (line, "\x01\x03\x04\x00\x00\x00\x01\x3B\xF3");
  line_ask (line, "01 03 1290 0002");
  g_assert_cmpuint (line->own->len, ==, 9);
  g_assert_cmpint (ABS ((line->own->data[5] << 8 | line->own->data[6]) - (gint) mv), <, 400);
  line_ask (line, "01 03 0500 0002");
  assert_own (line, "\x01\x83\x02\xC0\xF1");
}

static void
test_write (void)
{
  g_autoptr (Line) line = line_new (&slaves);
  gint64 sent_ns;

  line_ask (line, "01 10 1070 0002 04 00000000");
  assert_own (line, "\x01\x10\x10\x70\x00\x02\x44\xD3");
  /* deaf for 300 ms */
  line_ask (line, "01 10 161E 0001 02 0000");
  g_assert_cmpuint (line->own->len, ==, 0);
  line_run (line, line->now_ns + 400 * MS);
  line_ask (line, "01 10 161E 0001 02 0000");
  g_assert_cmpuint (line->own->len, ==, 308);
  g_assert_cmpuint (u32_at (line->own->data, 118), ==, 0);
  /* the ACK of a plain write comes 10 to 16 ms after it */
  sent_ns = line->now_ns;
  line_ask (line, "03 10 100C 0002 04 00000E42");
  g_assert_cmpint (line->now_ns - sent_ns, >, 10 * MS);
  g_assert_cmpint (line->now_ns - sent_ns, <, 18 * MS);
  g_assert_cmpint (ABS (sim_registers_get (sim_bms_registers (sim_bus_find (line->bus, 3)),
                                           SIM_CELL_OVP) - 3650), <=, 1);
  line_run (line, line->now_ns + 400 * MS);
  line_ask (line, "01 10 1290 0002 04 00000000");
  g_assert_cmpuint (line->own->len, ==, 5);
  g_assert_cmpuint (line->own->data[1], ==, 0x90);
}

static void
test_preset (void)
{
  g_autoptr (Line) line = line_new (&slaves);
  guint skipped;
  g_autoptr (GArray) records = NULL;

  line_ask (line, "02 10 160C 0001 02 0000");
  records = read_records (line->own, &skipped);
  g_assert_cmpuint (records->len, ==, 2);
  g_assert_cmpuint (g_array_index (records, Found, 0).type, ==, 1);
  g_assert_cmpuint (g_array_index (records, Found, 1).reg, ==, 0x160C);
  g_assert_cmpuint (u32_at (line->own->data, 130), ==, 40000);
  g_assert_cmpuint (u32_at (line->own->data, 10), ==, 2580);
}

static guint32
held (Line *line, guint8 address, guint16 reg)
{
  return sim_registers_get (sim_bms_registers (sim_bus_find (line->bus, address)), reg);
}

static void
test_write_faults (void)
{
  static const struct
  {
    const char *fault;
    gboolean acked;
    guint value, neighbour; /* of 0x107C (Ah), 0x1080 (µs) */
  } cases[] = {
    { "none", TRUE, 99999, 1500 },
    { "ack-lost-before", FALSE, 0, 1500 },
    { "ack-lost-after", FALSE, 99999, 1500 },
    { "ignore-write", TRUE, 0, 1500 },
    { "clamp", TRUE, 99984, 1500 },
    { "neighbour-write", TRUE, 99999, 99999 },
    { "deaf", FALSE, 0, 1500 },
    { "collide", FALSE, 0, 1500 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Line) line = line_new (&slaves);
      guint32 before = held (line, 2, SIM_TOTAL_CAPACITY), after;
      guint skipped;
      g_autoptr (GArray) records = NULL;

      g_assert_true (sim_fault_set (line->fault, cases[i].fault, NULL));
      line_ask (line, "02 10 107C 0002 04 0001869F");
      records = read_records (line->own, &skipped);
      after = held (line, 2, SIM_TOTAL_CAPACITY);
      g_test_message ("%s", cases[i].fault);
      g_assert_cmpuint (records->len, ==, cases[i].acked);
      g_assert_cmpint (ABS ((gint64) after - (cases[i].value ? cases[i].value : before)), <=, 1);
      g_assert_cmpuint (held (line, 2, SIM_SCP_DELAY), ==, cases[i].neighbour);
      g_assert_cmpuint (held (line, 1, SIM_SCP_DELAY), ==, 1500); /* nobody else's */
    }
}

static void
test_readdress (void)
{
  g_autoptr (Line) line = line_new (&slaves);

  sim_fault_set (line->fault, "readdress", NULL);
  line_ask (line, "05 10 1078 0002 04 00000001");
  g_assert_cmpuint (line->own->data[0], ==, 5);
  sim_fault_set (line->fault, "none", NULL);
  line_run (line, line->now_ns + S);
  line_ask (line, "05 10 161E 0001 02 0000");
  g_assert_cmpuint (line->own->len, ==, 0);
  line_ask (line, "06 10 161E 0001 02 0000");
  g_assert_cmpuint (line->own->len, ==, 308);
  g_assert_cmpuint (u32_at (line->own->data, 270), ==, 6);
}

/* Who speaks while another speaks is not understood, and spoils what the other says. */
static void
test_collision (void)
{
  g_autoptr (Line) line = line_new (&slaves);
  g_autoptr (GByteArray) first = with_crc ("01 10 1620 0001 02 0000");
  g_autoptr (GByteArray) second = with_crc ("02 10 1620 0001 02 0000");
  guint skipped;
  g_autoptr (GArray) records = NULL;

  line_send (line, first->data, first->len);
  line_run (line, 25 * MS); /* in the middle of the frame */
  line_send (line, second->data, second->len);
  line_run_dry (line);
  records = read_records (line->own, &skipped);
  g_assert_cmpuint (records->len, ==, 1); /* the ACK */
  g_assert_cmpuint (skipped, ==, 300);
  g_assert_cmpuint (sim_bus_counters (line->bus)->collisions, ==, 1);
}

/* Others hear what one sends; the sender only with an echo. */
static void
test_echo (void)
{
  g_autoptr (Line) line = line_new (&slaves);

  line_ask (line, "01 10 1078 0002 04 00000001");
  g_assert_cmpuint (line->own->len, ==, 8);
  g_assert_cmpuint (line->heard->len, ==, 13 + 8);
  line_run (line, line->now_ns + S);
  sim_fault_set (line->fault, "echo=1", NULL);
  line_ask (line, "01 10 1078 0002 04 00000001");
  g_assert_cmpuint (line->own->len, ==, 13 + 8);
}

/* Slaves answer in a gap between two slots of a master; the master itself does not. */
static void
test_beside_master (void)
{
  LineOptions options = { .bms = "01", .firmware = SIM_FIRMWARE_15, .speed = 1, .slots = TRUE,
                          .master = TRUE };
  g_autoptr (Line) line = line_new (&options);
  g_autoptr (GByteArray) slave = with_crc ("01 10 161C 0001 02 0000");
  g_autoptr (GByteArray) master = with_crc ("00 10 161C 0001 02 0000");

  line_run (line, 600 * MS);
  g_byte_array_set_size (line->own, 0);
  line_send (line, slave->data, slave->len);
  line_run (line, 700 * MS);
  g_assert_cmpuint (line->own->len, ==, 308);
  g_assert_cmpuint (line->own->data[4], ==, 3);
  g_byte_array_set_size (line->own, 0);
  line_send (line, master->data, master->len);
  line_run (line, 790 * MS);
  g_assert_cmpuint (line->own->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/device/triggers", test_triggers);
  g_test_add_func ("/sim/device/framing", test_framing);
  g_test_add_func ("/sim/device/read", test_read);
  g_test_add_func ("/sim/device/write", test_write);
  g_test_add_func ("/sim/device/preset", test_preset);
  g_test_add_func ("/sim/device/write-faults", test_write_faults);
  g_test_add_func ("/sim/device/readdress", test_readdress);
  g_test_add_func ("/sim/device/collision", test_collision);
  g_test_add_func ("/sim/device/echo", test_echo);
  g_test_add_func ("/sim/device/beside-master", test_beside_master);
  return g_test_run ();
}
