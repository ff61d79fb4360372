/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Tables of start values. The secret fields of the device info carry the word CANARY, so that a
 * leak shows wherever it happens.
 */
#include "sim/sim-defaults.h"

#include <string.h>

typedef struct
{
  guint16 reg;
  gint32 raw;
} Value;

static const Value settings[] = {
  { SIM_SMART_SLEEP_VOLTAGE, 3500 }, { SIM_CELL_UVP, 2600 }, { SIM_CELL_UVPR, 2650 },
  { SIM_CELL_OVP, 3650 }, { SIM_CELL_OVPR, 3550 }, { SIM_BALANCE_TRIGGER, 10 },
  { SIM_CELL_SOC100, 3590 }, { SIM_CELL_SOC0, 2610 }, { SIM_CELL_REQUEST_CHARGE, 3550 },
  { SIM_CELL_REQUEST_FLOAT, 3400 }, { SIM_POWER_OFF_VOLTAGE, 2500 },
  { SIM_MAX_CHARGE_CURRENT, 120000 }, { SIM_CHARGE_OCP_DELAY, 3 }, { SIM_CHARGE_OCP_RECOVERY, 60 },
  { SIM_MAX_DISCHARGE_CURRENT, 150000 }, { SIM_DISCHARGE_OCP_DELAY, 300 },
  { SIM_DISCHARGE_OCP_RECOVERY, 60 }, { SIM_SCP_RECOVERY, 5 }, { SIM_MAX_BALANCE_CURRENT, 2000 },
  { SIM_CHARGE_OTP, 550 }, { SIM_CHARGE_OTPR, 500 }, { SIM_DISCHARGE_OTP, 600 },
  { SIM_DISCHARGE_OTPR, 550 }, { SIM_CHARGE_UTP, -200 }, { SIM_CHARGE_UTPR, -100 },
  { SIM_MOSFET_OTP, 900 }, { SIM_MOSFET_OTPR, 750 }, { SIM_CHARGING_SWITCH, 1 },
  { SIM_DISCHARGING_SWITCH, 1 }, { SIM_BALANCER, 1 }, { SIM_SCP_DELAY, 1500 },
  { SIM_BALANCE_START, 3300 }, { SIM_PRECHARGE_TIME, 5 }, { SIM_CURRENT_RANGE, 1500000 },
  { SIM_SMART_SLEEP_DELAY, 24 },
};

static const Value live[] = {
  { SIM_SOH, 100 }, { SIM_SENSOR_MASK, 0xFF }, { SIM_RESERVED_216, 1 },
  { SIM_VOLTAGE_CORRECTION, 2998 }, { SIM_STARTUP_FLAG, 1 }, { SIM_MCU_ID, 5 },
  { SIM_LOG_COUNT, 42 }, { SIM_SLEEP_COUNTDOWN, 86400 },
};

static const Value info[] = {
  { SIM_POWER_ON_COUNT, 7 }, { SIM_UART1_PROTOCOL, 1 }, { SIM_CAN_PROTOCOL, 4 },
  { SIM_UART1_MASK, 0x1FFFF }, { SIM_CAN_MASK, 0x3FFF }, { SIM_UART2_PROTOCOL, 1 },
  { SIM_UART2_MASK, 0x1FFFF }, { SIM_BUZZER_TRIGGER, 1 }, { SIM_DRY1_TRIGGER, 1 },
  { SIM_DRY2_TRIGGER, 0 }, { SIM_BUZZER_VALUE, 5 }, { SIM_BUZZER_RELEASE, 10 },
  { SIM_DRY1_VALUE, 20 }, { SIM_DRY1_RELEASE, 30 }, { SIM_STORE_PERIOD, 3600 },
  { SIM_REQUEST_CHARGE_TIME, 5 }, { SIM_REQUEST_FLOAT_TIME, 60 }, { SIM_EMERGENCY_DURATION, 30 },
  { SIM_RE_BULK_SOC, 20 }, { SIM_PROTOCOL_VERSION, 2 },
};

static void
put_all (SimRegisters *registers, const Value *values, gsize n_values)
{
  for (gsize i = 0; i < n_values; i++)
    sim_registers_put (registers, values[i].reg, values[i].raw);
}

/* The byte pair 284/285 is an alarm threshold before 15.41 and heating from then on. */
static void
put_firmware (SimRegisters *r, SimFirmware firmware)
{
  static const char *const hardware[] = { "14.XA", "15A", "19A" };
  static const char *const software[] = { "14.20", "15.41", "19.31" };
  static const guint16 masks[] = { 0x0210, 0x1210, 0x1210 };

  sim_registers_put_text (r, SIM_HARDWARE_VERSION, hardware[firmware]);
  sim_registers_put_text (r, SIM_SOFTWARE_VERSION, software[firmware]);
  sim_registers_put (r, SIM_CONTROL_MASK, masks[firmware]);
  sim_registers_put (r, SIM_HEATING_START, firmware == SIM_FIRMWARE_14 ? 60 : 5);
  sim_registers_put (r, SIM_HEATING_STOP, firmware == SIM_FIRMWARE_14 ? 50 : 12);
  sim_registers_put (r, SIM_ENABLE_FLAGS, 0xFE);
  sim_registers_put (r, SIM_ENABLE_FLAGS + 1, 0xFF);
  if (firmware == SIM_FIRMWARE_19)
    {
      sim_registers_put (r, SIM_DISCHARGE_UTP, -20);
      sim_registers_put (r, SIM_DISCHARGE_UTPR, -10);
      sim_registers_put (r, SIM_MAX_CELLS, 16);
    }
}

static void
put_identity (SimRegisters *r, guint n_cells, guint8 address)
{
  g_autofree char *model = g_strdup_printf ("JK_PB2A%uS20P", MAX (n_cells, 16));
  g_autofree char *serial = g_strdup_printf ("40321%06u", 100000u + address);
  g_autofree char *user = g_strdup_printf ("Simulated %u", address);

  sim_registers_put_text (r, SIM_MODEL, model);
  sim_registers_put_text (r, SIM_SERIAL_NUMBER, serial);
  sim_registers_put_text (r, SIM_BLUETOOTH_NAME, "CANARY-BT");
  sim_registers_put_text (r, SIM_BLUETOOTH_PIN, "CANARY-PIN");
  sim_registers_put_text (r, SIM_PASSWORD, "CANARY-PW");
  sim_registers_put_text (r, SIM_MANUFACTURING_DATE, "240315");
  sim_registers_put_text (r, SIM_USER_DATA, user);
  sim_registers_put_text (r, SIM_HARDWARE_OPTION, "");
}

void
sim_defaults_apply (SimRegisters *r, SimFirmware firmware, guint n_cells, gdouble capacity,
                    guint8 address, GRand *rand)
{
  memset (r, 0, sizeof *r);
  put_all (r, settings, G_N_ELEMENTS (settings));
  put_all (r, live, G_N_ELEMENTS (live));
  put_all (r, info, G_N_ELEMENTS (info));
  put_firmware (r, firmware);
  put_identity (r, n_cells, address);
  sim_registers_put (r, SIM_CELL_COUNT, n_cells);
  sim_registers_put (r, SIM_TOTAL_CAPACITY, (gint64) (capacity * 1000));
  sim_registers_put (r, SIM_CELL_MASK, n_cells == 32 ? G_MAXUINT32 : (1u << n_cells) - 1);
  for (guint i = 0; i < n_cells; i++)
    sim_registers_put (r, SIM_CELL_RESISTANCES + 2 * i, g_rand_int_range (rand, 50, 120));
}

void
sim_defaults_preset (SimRegisters *r, guint16 reg)
{
  static const guint16 at[] = { SIM_POWER_OFF_VOLTAGE, SIM_CELL_UVP, SIM_CELL_UVPR, SIM_CELL_OVPR,
                                SIM_CELL_OVP, SIM_CELL_SOC0, SIM_CELL_SOC100,
                                SIM_CELL_REQUEST_CHARGE, SIM_CELL_REQUEST_FLOAT,
                                SIM_SMART_SLEEP_VOLTAGE, SIM_BALANCE_START };
  static const guint16 mv[3][G_N_ELEMENTS (at)] = {
    { 2800, 2820, 2850, 4170, 4200, 2840, 4180, 4190, 4100, 4150, 3000 },
    { 2500, 2580, 2620, 3580, 3650, 2600, 3590, 3600, 3500, 3500, 3000 },
    { 1700, 1800, 1850, 2640, 2700, 1840, 2650, 2680, 2550, 2500, 2000 },
  };
  static const Value common[] = {
    { SIM_BALANCE_TRIGGER, 10 }, { SIM_TOTAL_CAPACITY, 40000 }, { SIM_MAX_CHARGE_CURRENT, 40000 },
    { SIM_MAX_DISCHARGE_CURRENT, 150000 }, { SIM_MAX_BALANCE_CURRENT, 1000 },
    { SIM_CHARGE_UTP, 20 }, { SIM_CHARGE_UTPR, 70 }, { SIM_CHARGE_OTP, 700 },
    { SIM_CHARGE_OTPR, 600 }, { SIM_DISCHARGE_OTP, 700 }, { SIM_DISCHARGE_OTPR, 600 },
    { SIM_MOSFET_OTP, 800 }, { SIM_MOSFET_OTPR, 700 }, { SIM_SCP_DELAY, 1500 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (at); i++)
    sim_registers_put (r, at[i], mv[(reg - 0x160A) / 2][i]);
  put_all (r, common, G_N_ELEMENTS (common));
  sim_registers_put (r, SIM_CONTROL_MASK, sim_registers_get (r, SIM_CONTROL_MASK) | 0x10);
}
