/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The battery model. Deterministic: one random generator per BMS, seeded from the bus's seed and the
 * address; nothing here looks at a clock. Single-threaded.
 */
#include "sim/sim-bms.h"

#include <math.h>
#include <string.h>

#include "sim/sim-defaults.h"

/* s of battery time from one charge to the next */
#define CYCLE_SECONDS 5400.0
/* a register that the user holds at a value */
typedef struct
{
  guint16 reg;
  gint64 raw;
} Pin;

struct _SimBms
{
  SimRegisters registers;
  guint8 address;
  gboolean online;
  SimFirmware firmware;
  guint n_cells;
  gdouble time_lapse;
  GRand *rand;
  gint64 last_ns;
  gint64 deaf_until_ns;
  guint32 forced_alarms;
  GArray *pins; /* Pin */

  /* the battery */
  gdouble capacity;  /* Ah, full */
  gdouble remaining; /* Ah */
  gdouble current;   /* A, + charging */
  gdouble phase;     /* of the cycle, 0..1 */
  gdouble charged;   /* Ah, all its life */
  gdouble offset[SIM_CELL_SLOTS];     /* V */
  gdouble resistance[SIM_CELL_SLOTS]; /* Ω */
  gdouble warmth[5]; /* °C: MOSFET, 1, 2, 4, 5 */
  gdouble seconds;   /* of life since the simulation began */
  guint32 runtime_base, ticks_base, rtc_base;
  gdouble phase_began; /* when charge_status changed last, in seconds */
};

SimBms *
sim_bms_new (guint8 address, guint n_cells, SimFirmware firmware, guint32 seed, gdouble time_lapse)
{
  static const guint16 capacities[] = { 280, 314, 100, 230 };
  SimBms *self = g_new0 (SimBms, 1);

  self->online = TRUE;
  self->firmware = firmware;
  self->n_cells = n_cells;
  self->time_lapse = time_lapse;
  self->rand = g_rand_new_with_seed (seed * 2654435761u + address * 40503u + 1);
  self->pins = g_array_new (FALSE, FALSE, sizeof (Pin));
  self->capacity = capacities[address % G_N_ELEMENTS (capacities)];
  self->remaining = self->capacity * g_rand_double_range (self->rand, 0.35, 0.85);
  self->phase = g_rand_double_range (self->rand, 0.02, 0.12);
  self->charged = g_rand_double_range (self->rand, 500, 40000);
  for (guint i = 0; i < n_cells; i++)
    {
      self->offset[i] = g_rand_double_range (self->rand, -0.006, 0.006);
      self->resistance[i] = g_rand_double_range (self->rand, 0.00018, 0.00028);
    }
  for (guint i = 0; i < G_N_ELEMENTS (self->warmth); i++)
    self->warmth[i] = g_rand_double_range (self->rand, 17, 24);
  /* Every pack was built and started at another time: minutes apart, as in life. */
  self->runtime_base = 1000000 + address * 400000 + g_rand_int_range (self->rand, 0, 100000);
  self->ticks_base = 36000 + address * 90000 + g_rand_int_range (self->rand, 0, 30000);
  self->rtc_base = 170000000 + g_rand_int_range (self->rand, 0, 60);
  sim_defaults_apply (&self->registers, firmware, n_cells, self->capacity, address, self->rand);
  sim_bms_set_address (self, address);
  sim_bms_advance (self, 0);
  return self;
}

void
sim_bms_free (SimBms *self)
{
  g_rand_free (self->rand);
  g_array_unref (self->pins);
  g_free (self);
}

guint8
sim_bms_address (const SimBms *self)
{
  return self->address;
}

void
sim_bms_set_address (SimBms *self, guint8 address)
{
  self->address = address;
  sim_registers_put (&self->registers, SIM_DEVICE_ADDRESS, address);
}

gboolean
sim_bms_is_online (const SimBms *self)
{
  return self->online;
}

void
sim_bms_set_online (SimBms *self, gboolean online)
{
  self->online = online;
}

SimRegisters *
sim_bms_registers (SimBms *self)
{
  return &self->registers;
}

void
sim_bms_force_alarm (SimBms *self, guint bit, gboolean on)
{
  if (on)
    self->forced_alarms |= 1u << bit;
  else
    self->forced_alarms &= ~(1u << bit);
}

void
sim_bms_set_deaf (SimBms *self, gint64 until_ns)
{
  self->deaf_until_ns = until_ns;
}

gboolean
sim_bms_is_deaf (const SimBms *self, gint64 now_ns)
{
  return now_ns < self->deaf_until_ns;
}

/* Open-circuit voltage of an LFP cell. */
static gdouble
cell_ocv (gdouble soc)
{
  static const gdouble at[][2] = { { 0.0, 2.80 },  { 0.05, 3.08 }, { 0.1, 3.19 },  { 0.2, 3.24 },
                                   { 0.4, 3.285 }, { 0.6, 3.305 }, { 0.8, 3.33 },  { 0.9, 3.345 },
                                   { 0.97, 3.39 }, { 1.0, 3.48 },  { 1.01, 3.50 } };
  guint i = 1;

  while (i + 1 < G_N_ELEMENTS (at) && soc > at[i][0])
    i++;
  return at[i - 1][1]
         + (at[i][1] - at[i - 1][1]) * (soc - at[i - 1][0]) / (at[i][0] - at[i - 1][0]);
}

static gboolean
switched_on (const SimBms *self, guint16 reg)
{
  return sim_registers_get (&self->registers, reg) != 0;
}

/* A day in small: charge, rest, discharge, rest; less at the ends of the battery. */
static gdouble
wanted_current (SimBms *self, gdouble soc)
{
  gdouble wave = sin (2 * G_PI * self->phase);
  gdouble current = fabs (wave) < 0.1 ? 0 : wave * 0.3 * self->capacity;
  gdouble most = sim_registers_get (&self->registers, SIM_MAX_CHARGE_CURRENT) / 1000.0;
  gdouble least = -sim_registers_get (&self->registers, SIM_MAX_DISCHARGE_CURRENT) / 1000.0;

  if (current > 0 && soc > 0.95)
    current *= MAX (0, (1.0 - soc) / 0.05);
  if (current < 0 && soc < 0.15)
    current *= MAX (0, (soc - 0.10) / 0.05);
  current = CLAMP (current, least, most);
  if (current > 0 && !switched_on (self, SIM_CHARGING_SWITCH))
    current = 0;
  if (current < 0 && !switched_on (self, SIM_DISCHARGING_SWITCH))
    current = 0;
  return current;
}

static void
move_battery (SimBms *self, gdouble dt)
{
  gdouble lapse = dt * self->time_lapse;
  gdouble soc = self->remaining / self->capacity;
  gdouble moved;

  self->phase = fmod (self->phase + lapse / CYCLE_SECONDS, 1.0);
  self->current = wanted_current (self, soc);
  if (self->current != 0)
    self->current *= 1 + g_rand_double_range (self->rand, -0.003, 0.003);
  moved = self->current * lapse / 3600;
  self->remaining = CLAMP (self->remaining + moved, 0, self->capacity);
  if (moved > 0)
    self->charged += moved;
  for (guint i = 0; i < G_N_ELEMENTS (self->warmth); i++)
    {
      gdouble load = fabs (self->current) / self->capacity;
      gdouble goal = 18 + i + load * (i == 0 ? 60 : 25);

      self->warmth[i] += (goal - self->warmth[i]) * (1 - exp (-lapse / 400));
    }
}

/* Cells drift apart by chance and are brought together by the balancer; which way it works now. */
static guint
move_cells (SimBms *self, gdouble dt, const guint16 *mv, guint highest, guint lowest)
{
  gdouble lapse = dt * self->time_lapse;
  gboolean works = switched_on (self, SIM_BALANCER)
                   && mv[highest] >= sim_registers_get (&self->registers, SIM_BALANCE_START)
                   && mv[highest] - mv[lowest]
                          >= sim_registers_get (&self->registers, SIM_BALANCE_TRIGGER);

  for (guint i = 0; i < self->n_cells; i++)
    self->offset[i] += g_rand_double_range (self->rand, -1, 1) * 1e-5 * MIN (lapse, 10);
  if (!works)
    return 0;
  self->offset[highest] -= 4e-6 * MIN (lapse, 60);
  self->offset[lowest] += 4e-6 * MIN (lapse, 60);
  return fmod (self->seconds, 8) < 4 ? 1 : 2;
}

static void
show_cells (SimBms *self, gdouble dt)
{
  SimRegisters *r = &self->registers;
  gdouble ocv = cell_ocv (self->remaining / self->capacity);
  guint16 mv[SIM_CELL_SLOTS] = { 0 };
  guint highest = 0, lowest = 0, sum = 0, state;

  for (guint i = 0; i < self->n_cells; i++)
    {
      gdouble volts = ocv + self->offset[i] + self->current * self->resistance[i];

      mv[i] = (guint16) lround (volts * 1000) + g_rand_int_range (self->rand, -1, 2);
      sim_registers_put (r, SIM_CELL_VOLTAGES + 2 * i, mv[i]);
      sum += mv[i];
      highest = mv[i] > mv[highest] ? i : highest;
      lowest = mv[i] < mv[lowest] ? i : lowest;
    }
  sim_registers_put (r, SIM_CELL_AVERAGE, (sum + self->n_cells / 2) / self->n_cells);
  sim_registers_put (r, SIM_CELL_DELTA, mv[highest] - mv[lowest]);
  sim_registers_put (r, SIM_MAX_CELL_INDEX, highest);
  sim_registers_put (r, SIM_MIN_CELL_INDEX, lowest);
  sim_registers_put (r, SIM_TOTAL_VOLTAGE, sum + g_rand_int_range (self->rand, -4, 5));
  state = move_cells (self, dt, mv, highest, lowest);
  sim_registers_put (r, SIM_BALANCING_DIRECTION, state);
  sim_registers_put (r, SIM_BALANCING_CURRENT,
                     state == 0 ? 0
                                : (state == 1 ? 1 : -1)
                                      * sim_registers_get (r, SIM_MAX_BALANCE_CURRENT) * 9 / 10);
}

static void
show_power (SimBms *self)
{
  SimRegisters *r = &self->registers;
  gint64 mv = sim_registers_get (r, SIM_TOTAL_VOLTAGE);
  gint64 ma = lround (self->current * 1000);

  sim_registers_put (r, SIM_CURRENT, ma);
  sim_registers_put (r, SIM_POWER_MAGNITUDE, (mv * ABS (ma) + 500) / 1000);
  sim_registers_put (r, SIM_VOLTAGE_10MV, (mv + 5) / 10);
  sim_registers_put (r, SIM_CAPACITY_REMAINING, lround (self->remaining * 1000));
  sim_registers_put (r, SIM_FULL_CAPACITY, lround (self->capacity * 1000));
  sim_registers_put (r, SIM_SOC, lround (100 * self->remaining / self->capacity));
  sim_registers_put (r, SIM_CYCLE_CAPACITY, (gint64) (self->charged * 1000));
  sim_registers_put (r, SIM_CYCLES, (gint64) (self->charged / self->capacity));
}

static void
show_temperatures (SimBms *self)
{
  static const guint16 at[] = { SIM_MOSFET_TEMPERATURE, SIM_TEMPERATURE_1, SIM_TEMPERATURE_2,
                                SIM_TEMPERATURE_4, SIM_TEMPERATURE_5 };

  for (guint i = 0; i < G_N_ELEMENTS (at); i++)
    sim_registers_put (&self->registers, at[i],
                       lround (self->warmth[i] * 10) + g_rand_int_range (self->rand, -1, 2));
  sim_registers_put (&self->registers, SIM_TEMPERATURE_3,
                     sim_registers_get (&self->registers, SIM_MOSFET_TEMPERATURE));
}

/* Alarms that follow from the settings, as the device would raise them. */
static guint32
natural_alarms (SimBms *self)
{
  const SimRegisters *r = &self->registers;
  guint highest = sim_registers_get (r, SIM_MAX_CELL_INDEX);
  guint lowest = sim_registers_get (r, SIM_MIN_CELL_INDEX);
  guint32 alarms = 1u << 19; /* the factory password was never changed */

  if (sim_registers_get (r, SIM_CELL_VOLTAGES + 2 * highest) > sim_registers_get (r, SIM_CELL_OVP))
    alarms |= 1u << 4;
  if (sim_registers_get (r, SIM_CELL_VOLTAGES + 2 * lowest) < sim_registers_get (r, SIM_CELL_UVP))
    alarms |= 1u << 11;
  if (sim_registers_get (r, SIM_TEMPERATURE_1) > sim_registers_get (r, SIM_CHARGE_OTP))
    alarms |= 1u << 8;
  if (sim_registers_get (r, SIM_TEMPERATURE_1) < sim_registers_get (r, SIM_CHARGE_UTP))
    alarms |= 1u << 9;
  if (sim_registers_get (r, SIM_CELL_COUNT) != self->n_cells)
    alarms |= 1u << 2;
  return alarms;
}

static void
show_state (SimBms *self)
{
  SimRegisters *r = &self->registers;
  gdouble soc = self->remaining / self->capacity;
  guint status = soc > 0.99 ? 2 : soc > 0.95 && self->current > 0 ? 1 : 0;
  guint32 alarms = natural_alarms (self) | self->forced_alarms;
  gboolean blocked = (alarms & (1u << 2 | 1u << 4 | 1u << 8 | 1u << 9)) != 0;

  sim_registers_put (r, SIM_ERRORS, alarms);
  sim_registers_put (r, SIM_CHARGING, switched_on (self, SIM_CHARGING_SWITCH) && !blocked);
  sim_registers_put (r, SIM_DISCHARGING,
                     switched_on (self, SIM_DISCHARGING_SWITCH) && !(alarms & 1u << 11));
  if (status != sim_registers_get (r, SIM_CHARGE_STATUS))
    self->phase_began = self->seconds;
  sim_registers_put (r, SIM_CHARGE_STATUS, status);
  sim_registers_put (r, SIM_CHARGE_STATUS_TIME, (gint64) (self->seconds - self->phase_began));
  sim_registers_put (r, SIM_RUNTIME, self->runtime_base + (gint64) self->seconds);
  sim_registers_put (r, SIM_SYS_TICKS, self->ticks_base + (gint64) (self->seconds * 10));
  sim_registers_put (r, SIM_RTC, self->rtc_base + (gint64) self->seconds);
  sim_registers_put (r, SIM_UPTIME, self->ticks_base / 10 + (gint64) self->seconds);
}

void
sim_bms_advance (SimBms *self, gint64 now_ns)
{
  gdouble dt = MAX (0, now_ns - self->last_ns) / 1e9;

  self->last_ns = MAX (self->last_ns, now_ns);
  self->seconds += dt;
  move_battery (self, dt);
  show_cells (self, dt);
  show_power (self);
  show_temperatures (self);
  show_state (self);
  for (guint i = 0; i < self->pins->len; i++)
    {
      const Pin *pin = &g_array_index (self->pins, Pin, i);

      sim_registers_put (&self->registers, pin->reg, pin->raw);
    }
}

void
sim_bms_frame (SimBms *self, guint8 type, gboolean broadcast, gint64 now_ns, SimRecord *record)
{
  guint8 origin = !broadcast && self->firmware == SIM_FIRMWARE_14 ? 0x05 : 0x00;

  sim_bms_advance (self, now_ns);
  sim_record_frame (record, self->address, type, origin, self->registers.area[type - 1]);
}

gboolean
sim_bms_set (SimBms *self, const char *name, gint64 raw)
{
  const SimRegister *row = sim_register_find_name (name);
  Pin pin;

  if (g_str_equal (name, "soc"))
    {
      if (raw < 0 || raw > 100)
        return FALSE;
      self->remaining = self->capacity * raw / 100;
      return TRUE;
    }
  if (row == NULL || row->type == SIM_TYPE_TEXT)
    return FALSE;
  sim_registers_put (&self->registers, row->reg, raw);
  if (row->reg < 0x1200 || row->reg >= 0x1400)
    return TRUE; /* only live data would move on by itself */
  pin = (Pin) { row->reg, raw };
  g_array_append_val (self->pins, pin);
  return TRUE;
}

gboolean
sim_bms_set_text (SimBms *self, const char *name, const char *text)
{
  const SimRegister *row = sim_register_find_name (name);

  if (row == NULL || row->type != SIM_TYPE_TEXT)
    return FALSE;
  sim_registers_put_text (&self->registers, row->reg, text);
  return TRUE;
}

gboolean
sim_bms_control (SimBms *self, guint16 reg, guint32 value)
{
  switch (reg)
    {
    case 0x160A:
    case 0x160C:
    case 0x160E:
      sim_defaults_preset (&self->registers, reg);
      return TRUE;
    case 0x1610:
      sim_bms_set (self, "emergency_time", 1800);
      return TRUE;
    case 0x1612:
      self->rtc_base = value - (guint32) self->seconds;
      return TRUE;
    case 0x1600:
    case 0x1606:
      return TRUE; /* calibrations: accepted, nothing to see */
    case 0x1604:
      self->online = FALSE;
      return TRUE;
    default:
      return FALSE;
    }
}
