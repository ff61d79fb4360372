/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Every fault does what its name says, as often as its rate says.
 */
#include <math.h>

#include "sim-fixture.h"

#define N 20000

/* Feeds N records through @spec; @count sees every delivery. */
typedef void (*CountFunc) (const SimRecord *record, const SimDelivery *delivery, guint *counts);

static void
feed (const char *spec, guint n, CountFunc count, guint *counts)
{
  g_autoptr (SimFault) fault = sim_fault_new (3);
  SimRecord record;
  gint64 now_ns = 0;

  g_assert_true (sim_fault_set (fault, spec, NULL));
  sim_record_trigger (&record, 3, 0x1620);
  for (guint i = 0; i < n; i++)
    {
      SimDelivery delivery = { .bytes = g_byte_array_new () };

      sim_fault_apply (fault, &record, now_ns, 86805, &delivery);
      count (&record, &delivery, counts);
      g_byte_array_unref (delivery.bytes);
      now_ns += 10 * MS;
    }
}

enum
{
  STRUCK,     /* marked with a fault */
  WRONG,      /* bytes that differ, at equal length */
  SHORTER,
  LONGER,
  NOTHING,
  SPLIT,
  HELD,
  JUNK,
  LYING,      /* fate does not fit the bytes */
  N_COUNTS
};

static void
count_all (const SimRecord *record, const SimDelivery *delivery, guint *counts)
{
  guint n = delivery->bytes->len - delivery->lead;
  gboolean same = n >= record->n_bytes
                  && memcmp (delivery->bytes->data + delivery->lead, record->bytes,
                             record->n_bytes) == 0;

  counts[STRUCK] += delivery->faults != 0;
  counts[SHORTER] += n > 0 && n < record->n_bytes;
  counts[LONGER] += n > record->n_bytes;
  counts[NOTHING] += n == 0;
  counts[SPLIT] += delivery->split_at > 0;
  counts[HELD] += delivery->hold;
  counts[JUNK] += delivery->lead > 0;
  if (n == record->n_bytes)
    for (guint i = 0; i < n; i++)
      counts[WRONG] += delivery->bytes->data[delivery->lead + i] != record->bytes[i];
  counts[LYING] += n == 0 ? delivery->fate != SIM_FATE_DROPPED
                          : same != (delivery->fate == SIM_FATE_GOOD);
}

/* Within 5 standard deviations of @n * @rate. */
static void
assert_rate (guint seen, gdouble n, gdouble rate)
{
  gdouble slack = 5 * sqrt (n * rate * (1 - rate)) + 1;

  g_assert_cmpfloat (seen, >, n * rate - slack);
  g_assert_cmpfloat (seen, <, n * rate + slack);
}

static void
test_rates (void)
{
  static const struct
  {
    const char *spec;
    gint what;
    gdouble rate;
  } cases[] = {
    { "corrupt=0.01", WRONG, 0.01 },   { "corrupt=0.3", WRONG, 0.3 },
    { "drop=0.01", NOTHING, 0.01 },    { "truncate=0.05", SHORTER, 0.05 },
    { "split=0.1", SPLIT, 0.1 },       { "merge=0.1", HELD, 0.1 },
    { "noise=0.1", JUNK, 0.1 },        { "bitrate=0.01", WRONG, 0.01 * 11 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint counts[N_COUNTS] = { 0 };

      g_test_message ("%s", cases[i].spec);
      feed (cases[i].spec, N, count_all, counts);
      assert_rate (counts[cases[i].what], N, cases[i].rate);
      g_assert_cmpuint (counts[LYING], ==, 0);
    }
}

static void
test_corrupt_is_one_byte (void)
{
  guint counts[N_COUNTS] = { 0 };

  feed ("corrupt=1", N, count_all, counts);
  g_assert_cmpuint (counts[WRONG], ==, N);
  g_assert_cmpuint (counts[SHORTER] + counts[LONGER] + counts[NOTHING], ==, 0);
}

static void
test_silence (void)
{
  guint counts[N_COUNTS] = { 0 };

  feed ("silence=0.2", 100000, count_all, counts); /* 1000 s */
  g_assert_cmpfloat (counts[NOTHING] / 100000.0, >, 0.17);
  g_assert_cmpfloat (counts[NOTHING] / 100000.0, <, 0.23);
}

static void
test_crosstalk (void)
{
  guint counts[N_COUNTS] = { 0 };

  feed ("crosstalk=1", N, count_all, counts);
  g_assert_cmpuint (counts[LONGER], >, N / 2);
  g_assert_cmpuint (counts[LYING], ==, 0);
}

static void
test_echo_of_requests (void)
{
  guint counts[N_COUNTS] = { 0 };

  feed ("echo=1", 100, count_all, counts);
  g_assert_cmpuint (counts[LONGER], ==, 100);
  g_assert_cmpuint (counts[LYING], ==, 0);
}

static void
test_one_address (void)
{
  guint counts[N_COUNTS] = { 0 };

  feed ("drop@4=1", 100, count_all, counts);
  g_assert_cmpuint (counts[NOTHING], ==, 0);
  feed ("drop@3=1", 100, count_all, counts);
  g_assert_cmpuint (counts[NOTHING], ==, 100);
}

static void
test_spec (void)
{
  static const char *const bad[]
      = { "", "corrupt=", "corrupt=x", "corrupt=1.5", "corrupt=-0.1", "corrupt=nan", "typo=1",
          "corrupt@300=1", "corrupt@=1", "baud", "baud=7", "baud=inf", "none=1", "=1" };
  g_autoptr (SimFault) fault = sim_fault_new (1);

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_false (sim_fault_set (fault, bad[i], &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
    }
  g_assert_true (sim_fault_set (fault, "baud=9600", NULL));
  g_assert_true (sim_fault_is_on (fault, SIM_FAULT_BAUD));
  g_assert_true (sim_fault_set (fault, "none", NULL));
  g_assert_false (sim_fault_is_on (fault, SIM_FAULT_BAUD));
}

/* ---- the line as a UART samples it ---- */

static GByteArray *
sample (gdouble baud, gboolean invert, const guint8 *bytes, gsize n)
{
  GByteArray *out = g_byte_array_new ();
  SimUart uart;

  sim_uart_init (&uart, 115200, baud, invert);
  sim_uart_idle (&uart, 100, out);
  sim_uart_bytes (&uart, bytes, n, out);
  sim_uart_idle (&uart, 1000, out);
  return out;
}

static void
test_uart_same_speed (void)
{
  static const gdouble speeds[] = { 115200, 115200 * 1.03, 115200 * 0.97 };
  guint8 bytes[256];

  for (guint i = 0; i < 256; i++)
    bytes[i] = i;
  for (guint i = 0; i < G_N_ELEMENTS (speeds); i++) /* a UART tolerates some percent */
    {
      g_autoptr (GByteArray) out = sample (speeds[i], FALSE, bytes, sizeof bytes);

      g_assert_cmpmem (out->data, out->len, bytes, sizeof bytes);
    }
}

/* Worked out by hand: 00 is nine low bits, of which a receiver at half the speed sees four and a
 * half; FF is one, which a receiver at twice the speed takes for two. */
static void
test_uart_by_hand (void)
{
  g_autoptr (GByteArray) half = sample (57600, FALSE, (const guint8 *) "\x00", 1);
  g_autoptr (GByteArray) twice = sample (230400, FALSE, (const guint8 *) "\xFF", 1);
  /* swapped: idle is high all the same, FF is low for eight bits behind a high start bit, and low
   * in its stop bit: a start bit at its first data bit, then zeros, then rest */
  g_autoptr (GByteArray) swapped = sample (115200, TRUE, (const guint8 *) "\xFF", 1);

  g_assert_cmpmem (half->data, half->len, "\xF8", 1);
  g_assert_cmpmem (twice->data, twice->len, "\xFE", 1);
  g_assert_cmpmem (swapped->data, swapped->len, "\x00", 1);
}

static void
test_uart_other_speeds (void)
{
  static const gdouble speeds[] = { 9600, 19200, 38400, 57600, 230400, 250000 };
  LineOptions options = { .bms = "012", .firmware = SIM_FIRMWARE_15, .speed = 1, .master = TRUE,
                          .count = 60 };

  for (guint i = 0; i < G_N_ELEMENTS (speeds); i++)
    {
      g_autoptr (Line) line = line_new (&options);
      g_autofree char *spec = g_strdup_printf ("baud=%g", speeds[i]);
      g_autoptr (GArray) records = NULL;
      guint skipped;

      sim_fault_set (line->fault, spec, NULL);
      line_run_dry (line);
      records = read_records (line->heard, &skipped);
      g_assert_cmpuint (line->heard->len, >, 100); /* something is heard, and nothing of use */
      g_assert_cmpuint (records->len, ==, 0);
    }
}

static void
test_invert (void)
{
  LineOptions options = { .bms = "012", .firmware = SIM_FIRMWARE_15, .speed = 1, .master = TRUE,
                          .count = 60 };
  g_autoptr (Line) line = line_new (&options);
  g_autoptr (GArray) records = NULL;
  guint skipped, zeros = 0;

  sim_fault_set (line->fault, "invert=1", NULL);
  line_run_dry (line);
  records = read_records (line->heard, &skipped);
  g_assert_cmpuint (records->len, ==, 0);
  g_assert_cmpuint (line->heard->len, >, 1000);
  for (guint i = 0; i < line->heard->len; i++)
    zeros += line->heard->data[i] == 0;
  g_assert_cmpuint (zeros, >, line->heard->len / 20); /* framing errors */
}

/* ---- on a whole bus ---- */

static guint
frames_of (gdouble speed, const char *first, const char *second, gboolean *all_else)
{
  LineOptions options = { .bms = "0123", .firmware = SIM_FIRMWARE_15, .speed = speed,
                          .master = TRUE, .count = 400 };
  g_autoptr (Line) line = line_new (&options);
  g_autoptr (GArray) records = NULL;
  guint skipped, frames = 0;

  sim_fault_set (line->fault, first, NULL);
  if (second != NULL)
    sim_fault_set (line->fault, second, NULL);
  line_run_dry (line);
  records = read_records (line->heard, &skipped);
  for (guint i = 0; i < records->len; i++)
    frames += g_array_index (records, Found, i).kind == SIM_RECORD_FRAME;
  *all_else = skipped == 0;
  return frames;
}

/* Split and merged records lose no byte, junk costs none. */
static void
test_bus_keeps_bytes (void)
{
  static const gdouble speeds[] = { 1, 20, 0 };
  gboolean clean;

  for (guint i = 0; i < G_N_ELEMENTS (speeds); i++)
    {
      g_assert_cmpuint (frames_of (speeds[i], "split=0.5", NULL, &clean), ==, 400);
      g_assert_true (clean);
      g_assert_cmpuint (frames_of (speeds[i], "merge=0.5", "split=0.2", &clean), ==, 400);
      g_assert_true (clean);
      g_assert_cmpuint (frames_of (speeds[i], "noise=0.5", NULL, &clean), ==, 400);
      g_assert_false (clean);
    }
  assert_rate (frames_of (1, "corrupt=0.1", NULL, &clean), 400, 0.9);
  assert_rate (frames_of (1, "drop=0.1", NULL, &clean), 400, 0.9);
}

static void
test_merge_and_split_deliveries (void)
{
  LineOptions options = { .bms = "01", .firmware = SIM_FIRMWARE_15, .speed = 1, .master = TRUE,
                          .count = 40 };
  g_autoptr (Line) plain = line_new (&options);
  g_autoptr (Line) merged = line_new (&options);
  g_autoptr (Line) split = line_new (&options);

  sim_fault_set (merged->fault, "merge=0.7", NULL);
  sim_fault_set (split->fault, "split=0.7", NULL);
  line_run_dry (plain);
  line_run_dry (merged);
  line_run_dry (split);
  g_assert_cmpuint (merged->lengths->len, <, plain->lengths->len * 6 / 10);
  g_assert_cmpuint (split->lengths->len, >, plain->lengths->len * 14 / 10);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/fault/rates", test_rates);
  g_test_add_func ("/sim/fault/corrupt-is-one-byte", test_corrupt_is_one_byte);
  g_test_add_func ("/sim/fault/silence", test_silence);
  g_test_add_func ("/sim/fault/crosstalk", test_crosstalk);
  g_test_add_func ("/sim/fault/echo", test_echo_of_requests);
  g_test_add_func ("/sim/fault/one-address", test_one_address);
  g_test_add_func ("/sim/fault/spec", test_spec);
  g_test_add_func ("/sim/fault/uart-same-speed", test_uart_same_speed);
  g_test_add_func ("/sim/fault/uart-by-hand", test_uart_by_hand);
  g_test_add_func ("/sim/fault/uart-other-speeds", test_uart_other_speeds);
  g_test_add_func ("/sim/fault/invert", test_invert);
  g_test_add_func ("/sim/fault/bus-keeps-bytes", test_bus_keeps_bytes);
  g_test_add_func ("/sim/fault/deliveries", test_merge_and_split_deliveries);
  return g_test_run ();
}
