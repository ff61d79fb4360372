/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The numbers in simulated frames fit each other (protocol §5.5) and move as a battery's do. Read
 * by offsets typed in here, not through the simulator's table.
 */
#include "sim-fixture.h"

/* The checks of protocol §5.5 on one live frame. */
static void
check_arithmetic (const guint8 *f)
{
  guint32 mask = u32_at (f, 70);
  guint sum = 0, n = 0, highest = 0, lowest = 0xFFFF;
  gint64 voltage = u32_at (f, 150), current = (gint32) u32_at (f, 158);
  gint64 power = u32_at (f, 154), product;

  for (guint i = 0; i < 32; i++)
    {
      guint mv = u16_at (f, 6 + 2 * i);

      if (!(mask >> i & 1))
        {
          g_assert_cmpuint (mv, ==, 0);
          continue;
        }
      g_assert_cmpuint (mv, >=, 2000);
      g_assert_cmpuint (mv, <=, 3700);
      sum += mv;
      n++;
      highest = MAX (highest, mv);
      lowest = MIN (lowest, mv);
    }
  product = voltage * ABS (current) / 1000;
  g_assert_cmpint (ABS ((gint64) sum - voltage), <=, 30 + 2 * n);
  g_assert_cmpint (ABS ((gint) (sum / n) - (gint) u16_at (f, 74)), <=, 3);
  g_assert_cmpint (ABS ((gint) (highest - lowest) - (gint) u16_at (f, 76)), <=, 3);
  g_assert_cmpuint (u16_at (f, 6 + 2 * f[78]) + 3, >=, highest);
  g_assert_cmpuint (u16_at (f, 6 + 2 * f[79]), <=, lowest + 3);
  g_assert_cmpint (ABS ((gint64) u16_at (f, 234) * 10 - voltage), <=, 60);
  g_assert_cmpint (ABS (product - power), <=, 500 + product / 500);
  g_assert_cmpint (ABS ((gint64) u32_at (f, 174) * 100 / u32_at (f, 178) - f[173]), <=, 1);
  g_assert_cmpuint (u16_at (f, 254), ==, u16_at (f, 144));
  g_assert_cmpuint (f[173], <=, 100);
}

static void
test_arithmetic (void)
{
  static const guint cells[] = { 16, 8, 25, 32, 1 };

  for (guint i = 0; i < G_N_ELEMENTS (cells); i++)
    {
      /* 4 hours of life in each case, a frame every 2 s: charge, rest, discharge, rest */
      g_autoptr (SimBms) bms = sim_bms_new (i, cells[i], i % 3, 7 + i, 4);
      SimRecord record;
      guint least = 100, most = 0;

      for (guint t = 0; t < 1800; t++)
        {
          sim_bms_frame (bms, 2, FALSE, t * 2 * S, &record);
          check_arithmetic (record.bytes);
          least = MIN (least, record.bytes[173]);
          most = MAX (most, record.bytes[173]);
        }
      g_assert_cmpuint (most - least, >, 10);
    }
}

static void
test_counters (void)
{
  g_autoptr (SimBms) bms = sim_bms_new (3, 16, SIM_FIRMWARE_15, 1, 50);
  SimRecord first, second;
  guint changed = 0;

  sim_bms_frame (bms, 2, FALSE, 10 * S, &first);
  sim_bms_frame (bms, 2, FALSE, 110 * S, &second);
  /* time lapse moves the battery, not the clocks */
  g_assert_cmpuint (u32_at (second.bytes, 246) - u32_at (first.bytes, 246), ==, 1000);
  g_assert_cmpuint (u32_at (second.bytes, 194) - u32_at (first.bytes, 194), ==, 100);
  g_assert_cmpuint (u32_at (second.bytes, 262) - u32_at (first.bytes, 262), ==, 100);
  g_assert_cmpuint (u32_at (second.bytes, 186), >=, u32_at (first.bytes, 186));
  for (guint i = 0; i < 16; i++)
    changed += u16_at (first.bytes, 6 + 2 * i) != u16_at (second.bytes, 6 + 2 * i);
  g_assert_cmpuint (changed, >, 8);
}

/* Two packs are told apart by their ticks, minutes from each other. */
static void
test_packs_differ (void)
{
  guint32 ticks[16];

  for (guint i = 0; i < 16; i++)
    {
      g_autoptr (SimBms) bms = sim_bms_new (i, 16, SIM_FIRMWARE_15, 9, 1);
      SimRecord record;

      sim_bms_frame (bms, 2, FALSE, 0, &record);
      ticks[i] = u32_at (record.bytes, 246);
      for (guint j = 0; j < i; j++)
        g_assert_cmpint (ABS ((gint64) ticks[i] - ticks[j]), >, 600);
      sim_bms_frame (bms, 1, FALSE, 0, &record);
      g_assert_cmpuint (u32_at (record.bytes, 270), ==, i);
    }
}

/* An uneven pack is balanced while it is full enough. */
static void
test_balancing (void)
{
  g_autoptr (SimBms) bms = sim_bms_new (1, 16, SIM_FIRMWARE_15, 3, 1);
  guint seen[3] = { 0 };
  SimRecord record;

  sim_bms_set (bms, "soc", 97);
  for (guint t = 0; t < 400; t++)
    {
      sim_bms_frame (bms, 2, FALSE, t * S, &record);
      g_assert_cmpuint (record.bytes[172], <=, 2);
      seen[record.bytes[172]]++;
      g_assert_true ((record.bytes[172] == 0) == (u16_at (record.bytes, 170) == 0));
    }
  g_assert_cmpuint (seen[1], >, 0);
  g_assert_cmpuint (seen[2], >, 0);
  sim_bms_set (bms, "balancer", 0);
  sim_bms_frame (bms, 2, FALSE, 400 * S, &record);
  g_assert_cmpuint (record.bytes[172], ==, 0);
}

static void
test_switches (void)
{
  g_autoptr (SimBms) bms = sim_bms_new (1, 16, SIM_FIRMWARE_15, 3, 1);
  SimRecord record;

  sim_bms_set (bms, "charging_switch", 0);
  sim_bms_set (bms, "discharging_switch", 0);
  sim_bms_frame (bms, 2, FALSE, 600 * S, &record);
  g_assert_cmpuint (record.bytes[198], ==, 0);
  g_assert_cmpuint (record.bytes[199], ==, 0);
  g_assert_cmpuint (u32_at (record.bytes, 158), ==, 0);
}

static void
test_alarms (void)
{
  g_autoptr (SimBms) bms = sim_bms_new (1, 16, SIM_FIRMWARE_15, 3, 1);
  SimRecord record;

  sim_bms_frame (bms, 2, FALSE, 0, &record);
  g_assert_cmpuint (u32_at (record.bytes, 166), ==, 1u << 19);
  sim_bms_force_alarm (bms, 21, TRUE);
  sim_bms_set (bms, "cell_voltage_overvoltage_protection", 3000);
  sim_bms_frame (bms, 2, FALSE, S, &record);
  g_assert_cmpuint (u32_at (record.bytes, 166), ==, 1u << 19 | 1u << 21 | 1u << 4);
  sim_bms_force_alarm (bms, 21, FALSE);
  sim_bms_frame (bms, 2, FALSE, 2 * S, &record);
  g_assert_cmpuint (u32_at (record.bytes, 166), ==, 1u << 19 | 1u << 4);
}

static void
test_set (void)
{
  g_autoptr (SimBms) bms = sim_bms_new (1, 16, SIM_FIRMWARE_15, 3, 1);
  SimRecord record;

  g_assert_true (sim_bms_set (bms, "soc", 55));
  g_assert_true (sim_bms_set (bms, "temperature_sensor_1", -31));
  g_assert_true (sim_bms_set_text (bms, "user_data", "Left rack"));
  g_assert_false (sim_bms_set (bms, "soc", 101));
  g_assert_false (sim_bms_set (bms, "no_such_register", 1));
  g_assert_false (sim_bms_set_text (bms, "soc", "x"));
  sim_bms_frame (bms, 2, FALSE, S, &record);
  g_assert_cmpuint (record.bytes[173], ==, 55);
  g_assert_cmpint ((gint16) u16_at (record.bytes, 162), ==, -31);
  sim_bms_frame (bms, 3, FALSE, S, &record);
  g_assert_cmpstr ((char *) record.bytes + 102, ==, "Left rack");
}

/* Firmware shows in byte 5, the texts and the pair at 284. */
static void
test_firmware (void)
{
  static const char *const versions[] = { "14.20", "15.41", "19.31" };

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (SimBms) bms = sim_bms_new (1, 16, i, 3, 1);
      SimRecord record;

      sim_bms_frame (bms, 3, FALSE, 0, &record);
      g_assert_cmpstr ((char *) record.bytes + 30, ==, versions[i]);
      g_assert_cmpuint (record.bytes[5], ==, i == SIM_FIRMWARE_14 ? 5 : 0);
      g_assert_cmpstr ((char *) record.bytes + 62, ==, "CANARY-PIN");
      g_assert_cmpstr ((char *) record.bytes + 118, ==, "CANARY-PW");
      sim_bms_frame (bms, 1, TRUE, 0, &record);
      g_assert_cmpuint (record.bytes[5], ==, 0);
      g_assert_true (((gint8) record.bytes[284] > (gint8) record.bytes[285])
                     == (i == SIM_FIRMWARE_14));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/bms/arithmetic", test_arithmetic);
  g_test_add_func ("/sim/bms/counters", test_counters);
  g_test_add_func ("/sim/bms/packs-differ", test_packs_differ);
  g_test_add_func ("/sim/bms/balancing", test_balancing);
  g_test_add_func ("/sim/bms/switches", test_switches);
  g_test_add_func ("/sim/bms/alarms", test_alarms);
  g_test_add_func ("/sim/bms/set", test_set);
  g_test_add_func ("/sim/bms/firmware", test_firmware);
  return g_test_run ();
}
