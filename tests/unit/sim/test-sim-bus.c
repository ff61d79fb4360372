/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The master's cycle (protocol §1.3, §1.4), its timing, and that everything repeats for a seed.
 */
#include "sim-fixture.h"

/* The cycle as text: L0 and S0 for the master's own frames, l3/s3 for requests, with what came. */
static char *
describe (const GByteArray *bytes, guint *skipped)
{
  g_autoptr (GArray) records = read_records (bytes, skipped);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < records->len; i++)
    {
      const Found *found = &g_array_index (records, Found, i);

      switch (found->kind)
        {
        case SIM_RECORD_FRAME:
          g_string_append_c (text, found->type == 2 ? 'L' : 'S');
          break;
        case SIM_RECORD_ACK:
          g_string_append_printf (text, "%c%u ", found->reg == 0x1620 ? 'l' : 's',
                                  found->address);
          break;
        default:
          g_string_append_printf (text, "%c%u? ", found->reg == 0x1620 ? 'l' : 's',
                                  found->address);
        }
    }
  return g_string_free (text, FALSE);
}

static void
test_cycle_15 (void)
{
  LineOptions options = { .bms = "013", .firmware = SIM_FIRMWARE_15, .speed = 1, .slots = TRUE,
                          .master = TRUE };
  g_autoptr (Line) line = line_new (&options);
  g_autofree char *text = NULL;
  guint skipped;

  /* 2 + 15 + 2 slots of 0.40 s; stop inside the last, its request is out */
  line_run (line, 18 * 400 * MS + 100 * MS);
  text = describe (line->heard, &skipped);
  g_assert_cmpuint (skipped, ==, 0);
  g_assert_cmpstr (text, ==,
                   "Ll0 Ss0 l1? Ll1 s1? Ss1 l2? l3? Ll3 s3? Ss3 l4? l5? l6? l7? l8? l9? l10? l11? "
                   "l12? l13? l14? l15? ");
}

static void
test_cycle_19 (void)
{
  LineOptions options = { .bms = "01", .firmware = SIM_FIRMWARE_19, .speed = 1, .slots = TRUE,
                          .master = TRUE };
  g_autoptr (Line) line = line_new (&options);
  g_autofree char *text = NULL;
  guint skipped;

  /* 32 slots of 0.22 s, and the first of the next cycle */
  line_run (line, 32 * 220 * MS + 100 * MS);
  text = describe (line->heard, &skipped);
  g_assert_cmpuint (skipped, ==, 0);
  g_assert_true (g_str_has_prefix (text, "Ll0 Ss0 l1? Ll1 s1? Ss1 l2? s2? l3? s3? l4? "));
  g_assert_true (g_str_has_suffix (text, " l15? s15? Ll0 "));
}

/* The ticks in the master's frames show the period, as they did in the recordings. */
static void
check_period (SimFirmware firmware, const char *bms, guint expected)
{
  LineOptions options = { .bms = bms, .firmware = firmware, .speed = 1, .slots = TRUE,
                          .master = TRUE };
  g_autoptr (Line) line = line_new (&options);
  g_autoptr (GArray) records = NULL;
  guint skipped, n = 0;
  guint32 before = 0;

  line_run (line, 80 * S);
  records = read_records (line->heard, &skipped);
  for (guint i = 0; i + 1 < records->len; i++)
    {
      const Found *frame = &g_array_index (records, Found, i);
      const Found *ack = &g_array_index (records, Found, i + 1);
      guint32 ticks;

      if (frame->kind != SIM_RECORD_FRAME || frame->type != 2 || ack->address != 0)
        continue;
      ticks = u32_at (line->heard->data + frame->offset, 246);
      if (n++ > 0)
        {
          g_assert_cmpint (ticks - before, >=, expected - 1);
          g_assert_cmpint (ticks - before, <=, expected + 1);
        }
      before = ticks;
    }
  g_assert_cmpuint (n, >=, 6);
}

static void
test_period (void)
{
  check_period (SIM_FIRMWARE_14, "01", 72);
  check_period (SIM_FIRMWARE_15, "0", 68);
  check_period (SIM_FIRMWARE_15, "0123456789ABCDEF", 128);
  check_period (SIM_FIRMWARE_19, "01", 70);
}

/* A request that is answered: frame and ACK are over within 50 ms of its end. */
static void
test_answer_delay (void)
{
  LineOptions options = { .bms = "01", .firmware = SIM_FIRMWARE_15, .speed = 1, .slots = TRUE,
                          .master = TRUE };
  g_autoptr (Line) line = line_new (&options);
  gint64 *times;

  line_run (line, 2 * 400 * MS + 100 * MS);
  times = (gint64 *) (void *) line->times->data;
  g_assert_cmpuint (line->times->len, ==, 7); /* L l0 S s0 l1? L l1 */
  g_assert_cmpint (times[6] - times[4], >, 35 * MS);
  g_assert_cmpint (times[6] - times[4], <, 50 * MS);
}

static void
test_saturated (void)
{
  static const gdouble speeds[] = { 1, 20 };

  for (guint i = 0; i < G_N_ELEMENTS (speeds); i++)
    {
      LineOptions options = { .bms = "0123", .firmware = SIM_FIRMWARE_15, .speed = speeds[i],
                              .master = TRUE };
      g_autoptr (Line) line = line_new (&options);
      gdouble expected = 11520 * speeds[i] * 10;
      guint skipped;
      g_autoptr (GArray) records = NULL;

      line_run (line, 10 * S);
      g_assert_cmpfloat (line->heard->len, >, 0.99 * expected);
      g_assert_cmpfloat (line->heard->len, <, 1.01 * expected);
      records = read_records (line->heard, &skipped);
      g_assert_cmpuint (skipped, ==, 0);
    }
}

static GByteArray *
stream_of (guint32 seed)
{
  LineOptions options = { .bms = "0123", .firmware = SIM_FIRMWARE_15, .speed = 5, .master = TRUE,
                          .count = 300, .seed = seed };
  g_autoptr (Line) line = line_new (&options);

  sim_fault_set (line->fault, "corrupt=0.05", NULL);
  sim_fault_set (line->fault, "noise=0.05", NULL);
  sim_fault_set (line->fault, "split=0.1", NULL);
  line_run_dry (line);
  g_assert_true (sim_bus_is_done (line->bus));
  g_assert_cmpuint (sim_bus_counters (line->bus)->frames, ==, 300);
  return g_byte_array_ref (line->heard);
}

static void
test_deterministic (void)
{
  g_autoptr (GByteArray) a = stream_of (5), b = stream_of (5), c = stream_of (6);

  g_assert_cmpmem (a->data, a->len, b->data, b->len);
  g_assert_true (a->len != c->len || memcmp (a->data, c->data, a->len) != 0);
}

/* A slave that is gone is still asked, a master that is gone says nothing, and both come back. */
static void
test_offline (void)
{
  LineOptions options = { .bms = "01", .firmware = SIM_FIRMWARE_15, .speed = 1, .slots = TRUE,
                          .master = TRUE };
  g_autoptr (Line) line = line_new (&options);
  g_autofree char *first = NULL, *second = NULL;
  guint skipped;

  sim_bms_set_online (sim_bus_find (line->bus, 1), FALSE);
  line_run (line, 17 * 400 * MS);
  first = describe (line->heard, &skipped);
  g_assert_nonnull (strstr (first, "Ss0 l1? l2? "));
  sim_bms_set_online (sim_bus_find (line->bus, 1), TRUE);
  sim_bms_set_online (sim_bus_find (line->bus, 0), FALSE);
  line_run_dry (line);
  g_byte_array_set_size (line->heard, 0);
  sim_bus_run (line->bus, 60 * S);
  line_run (line, 60 * S);
  g_assert_cmpuint (line->heard->len, ==, 0);
  sim_bms_set_online (sim_bus_find (line->bus, 0), TRUE);
  line_run (line, 64 * S);
  second = describe (line->heard, &skipped);
  g_assert_true (g_str_has_prefix (second, "Ll0 Ss0 l1? Ll1 s1? Ss1 l2? "));
}

/* A step ends after so many frames, and the next goes on where it was. */
static void
test_step (void)
{
  LineOptions options = { .bms = "012", .firmware = SIM_FIRMWARE_15, .speed = 20, .master = TRUE };
  g_autoptr (Line) whole = line_new (&options);
  g_autoptr (Line) steps = line_new (&options);

  sim_bus_step (whole->bus, 60);
  line_run_dry (whole);
  for (guint i = 0; i < 60; i += 5)
    {
      sim_bus_step (steps->bus, 5);
      line_run_dry (steps);
      sim_bus_run (steps->bus, steps->now_ns);
      g_assert_cmpuint (sim_bus_counters (steps->bus)->frames, ==, i + 5);
    }
  g_assert_cmpuint (whole->heard->len, ==, steps->heard->len);
  g_assert_false (sim_bus_is_done (steps->bus));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/bus/cycle-15", test_cycle_15);
  g_test_add_func ("/sim/bus/cycle-19", test_cycle_19);
  g_test_add_func ("/sim/bus/period", test_period);
  g_test_add_func ("/sim/bus/answer-delay", test_answer_delay);
  g_test_add_func ("/sim/bus/saturated", test_saturated);
  g_test_add_func ("/sim/bus/deterministic", test_deterministic);
  g_test_add_func ("/sim/bus/offline", test_offline);
  g_test_add_func ("/sim/bus/step", test_step);
  return g_test_run ();
}
