/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The register table as a reviewer would read it, and what FC 0x03 and FC 0x10 do with it.
 */
#include "sim-fixture.h"

static void
test_table (void)
{
  gsize n;
  const SimRegister *table = sim_register_table (&n);
  static const guint sizes[] = { 1, 1, 2, 2, 4, 4, 4, 1 };
  guint free_from = 0x1000;

  for (gsize i = 0; i < n; i++)
    {
      guint end = table[i].reg + table[i].count * sizes[table[i].type];

      g_assert_cmpuint (table[i].reg, >=, free_from);
      g_assert_cmpuint (table[i].reg % 0x200 + end - table[i].reg, <=, SIM_AREA_SIZE);
      g_assert_true (sim_register_find (table[i].reg) == &table[i]);
      g_assert_true (sim_register_find (end - 1) == &table[i]);
      g_assert_true (sim_register_find_name (table[i].name) == &table[i]);
      free_from = end;
    }
  g_assert_null (sim_register_find (0x0FFF));
  g_assert_null (sim_register_find (0x12E8)); /* reserved */
  g_assert_null (sim_register_find (0x1525));
}

/* Offsets in the frame that captures have proven, typed in again by hand. */
static void
test_offsets (void)
{
  static const struct
  {
    guint offset, reg;
    guint area;
  } cases[] = {
    { 6, SIM_CELL_VOLTAGES, 0x1200 },    { 70, SIM_CELL_MASK, 0x1200 },
    { 78, SIM_MAX_CELL_INDEX, 0x1200 },  { 80, SIM_CELL_RESISTANCES, 0x1200 },
    { 144, SIM_MOSFET_TEMPERATURE, 0x1200 }, { 150, SIM_TOTAL_VOLTAGE, 0x1200 },
    { 154, SIM_POWER_MAGNITUDE, 0x1200 }, { 158, SIM_CURRENT, 0x1200 },
    { 162, SIM_TEMPERATURE_1, 0x1200 },  { 166, SIM_ERRORS, 0x1200 },
    { 170, SIM_BALANCING_CURRENT, 0x1200 }, { 173, SIM_SOC, 0x1200 },
    { 174, SIM_CAPACITY_REMAINING, 0x1200 }, { 178, SIM_FULL_CAPACITY, 0x1200 },
    { 182, SIM_CYCLES, 0x1200 },         { 186, SIM_CYCLE_CAPACITY, 0x1200 },
    { 190, SIM_SOH, 0x1200 },            { 194, SIM_RUNTIME, 0x1200 },
    { 198, SIM_CHARGING, 0x1200 },       { 214, SIM_SENSOR_MASK, 0x1200 },
    { 234, SIM_VOLTAGE_10MV, 0x1200 },   { 246, SIM_SYS_TICKS, 0x1200 },
    { 254, SIM_TEMPERATURE_3, 0x1200 },  { 258, SIM_TEMPERATURE_5, 0x1200 },
    { 262, SIM_RTC, 0x1200 },            { 270, SIM_SLEEP_COUNTDOWN, 0x1200 },
    { 278, SIM_CHARGE_STATUS_TIME, 0x1200 }, { 280, SIM_CHARGE_STATUS, 0x1200 },
    { 6, SIM_SMART_SLEEP_VOLTAGE, 0x1000 }, { 50, SIM_MAX_CHARGE_CURRENT, 0x1000 },
    { 114, SIM_CELL_COUNT, 0x1000 },     { 130, SIM_TOTAL_CAPACITY, 0x1000 },
    { 142, SIM_WIRE_RESISTANCES, 0x1000 }, { 270, SIM_DEVICE_ADDRESS, 0x1000 },
    { 282, SIM_CONTROL_MASK, 0x1000 },   { 284, SIM_HEATING_START, 0x1000 },
    { 286, SIM_SMART_SLEEP_DELAY, 0x1000 }, { 296, SIM_DISCHARGE_UTP, 0x1000 },
    { 6, SIM_MODEL, 0x1400 },            { 30, SIM_SOFTWARE_VERSION, 0x1400 },
    { 62, SIM_BLUETOOTH_PIN, 0x1400 },   { 86, SIM_SERIAL_NUMBER, 0x1400 },
    { 118, SIM_PASSWORD, 0x1400 },       { 184, SIM_UART1_PROTOCOL, 0x1400 },
    { 219, SIM_UART2_MASK, 0x1400 },     { 262, SIM_STORE_PERIOD, 0x1400 },
    { 278, SIM_RE_BULK_SOC, 0x1400 },    { 298, SIM_PROTOCOL_VERSION, 0x1400 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    g_assert_cmpuint (cases[i].offset - 6 + cases[i].area, ==, cases[i].reg);
}

static void
test_get_put (void)
{
  SimRegisters r = { 0 };

  sim_registers_put (&r, SIM_CURRENT, -7980);
  g_assert_cmpint (sim_registers_get (&r, SIM_CURRENT), ==, -7980);
  g_assert_cmpmem (r.area[1] + 152, 4, "\xD4\xE0\xFF\xFF", 4);
  sim_registers_put (&r, SIM_TEMPERATURE_1, -31);
  g_assert_cmpmem (r.area[1] + 156, 2, "\xE1\xFF", 2);
  sim_registers_put (&r, SIM_SOC, 300);
  g_assert_cmpint (sim_registers_get (&r, SIM_SOC), ==, 255);
  sim_registers_put (&r, SIM_HEATING_START, -10);
  g_assert_cmpint (sim_registers_get (&r, SIM_HEATING_START), ==, -10);
  sim_registers_put_text (&r, SIM_MODEL, "0123456789abcdefgh"); /* 15 fit */
  g_assert_cmpmem (r.area[2], 16, "0123456789abcde\0", 16);
}

static void
test_read (void)
{
  SimRegisters r = { 0 };
  g_autoptr (GByteArray) out = g_byte_array_new ();

  sim_registers_put (&r, SIM_SMART_SLEEP_VOLTAGE, 3540);
  sim_registers_put (&r, SIM_CELL_UVP, 2830);
  g_assert_cmpint (sim_registers_read (&r, 0x1000, 4, out), ==, SIM_MODBUS_OK);
  g_assert_cmpmem (out->data, out->len, "\x00\x00\x0D\xD4\x00\x00\x0B\x0E", 8);

  /* pairs keep their order, the flags are not told */
  g_byte_array_set_size (out, 0);
  sim_registers_put (&r, SIM_HEATING_START, 60);
  sim_registers_put (&r, SIM_HEATING_STOP, 50);
  sim_registers_put (&r, SIM_SMART_SLEEP_DELAY, 24);
  sim_registers_put (&r, SIM_ENABLE_FLAGS, 0xFE);
  g_assert_cmpint (sim_registers_read (&r, 0x1116, 2, out), ==, SIM_MODBUS_OK);
  g_assert_cmpmem (out->data, out->len, "\x3C\x32\x18\x00", 4);

  g_assert_cmpint (sim_registers_read (&r, 0x0800, 1, out), ==, SIM_MODBUS_ADDRESS);
  g_assert_cmpint (sim_registers_read (&r, 0x1000, 126, out), ==, SIM_MODBUS_VALUE);
}

static void
test_write (void)
{
  SimRegisters r = { 0 }, before;

  g_assert_cmpint (sim_registers_write (&r, 0x105C, 2, (const guint8 *) "\xFF\xFF\xFF\x06"), ==,
                   SIM_MODBUS_OK);
  g_assert_cmpint (sim_registers_get (&r, SIM_CHARGE_UTP), ==, -250);
  g_assert_cmpint (sim_registers_write (&r, 0x1116, 1, (const guint8 *) "\xF6\x0A"), ==,
                   SIM_MODBUS_OK);
  g_assert_cmpint (sim_registers_get (&r, SIM_HEATING_START), ==, -10);
  g_assert_cmpint (sim_registers_get (&r, SIM_HEATING_STOP), ==, 10);
  /* volts and amperes come back with at most one unit less */
  for (guint raw = 1; raw < 300000; raw += 97)
    {
      guint8 data[] = { raw >> 24, raw >> 16, raw >> 8, raw };

      sim_registers_write (&r, 0x107C, 2, data);
      g_assert_cmpint (ABS (sim_registers_get (&r, SIM_TOTAL_CAPACITY) - raw), <=, 1);
    }
  before = r;
  g_assert_cmpint (sim_registers_write (&r, 0x1000, 1, (const guint8 *) "\x0D\xD4"), ==,
                   SIM_MODBUS_VALUE);
  g_assert_cmpint (sim_registers_write (&r, 0x1002, 2, (const guint8 *) "\x00\x00\x0D\xD4"), ==,
                   SIM_MODBUS_VALUE);
  g_assert_cmpint (sim_registers_write (&r, 0x1290, 2, (const guint8 *) "\x00\x00\x0D\xD4"), ==,
                   SIM_MODBUS_ADDRESS);
  g_assert_cmpint (sim_registers_write (&r, 0x1700, 2, (const guint8 *) "\x00\x00\x0D\xD4"), ==,
                   SIM_MODBUS_ADDRESS);
  g_assert_cmpmem (&r, sizeof r, &before, sizeof before);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/registers/table", test_table);
  g_test_add_func ("/sim/registers/offsets", test_offsets);
  g_test_add_func ("/sim/registers/get-put", test_get_put);
  g_test_add_func ("/sim/registers/read", test_read);
  g_test_add_func ("/sim/registers/write", test_write);
  return g_test_run ();
}
