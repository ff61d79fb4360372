/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Every rule of protocol §6.5: held, broken, already broken and not made worse.
 */
#include <string.h>

#include "poll/jkb-interlock.h"

static const JkbInterlockFacts no_facts = { JKB_UNKNOWN, JKB_UNKNOWN, JKB_UNKNOWN };

/* A LiFePO4 pack as it comes from the shop. */
static JkbValues
ordinary (void)
{
  static const struct
  {
    JkbFieldId id;
    gint64 raw;
  } rows[] = {
    { JKB_FIELD_POWER_OFF_VOLTAGE, 2500 },
    { JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION, 2580 },
    { JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY, 2620 },
    { JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_RECOVERY, 3580 },
    { JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3650 },
    { JKB_FIELD_CELL_SOC0_VOLTAGE, 2600 },
    { JKB_FIELD_CELL_SOC100_VOLTAGE, 3590 },
    { JKB_FIELD_CELL_REQUEST_FLOAT_VOLTAGE, 3500 },
    { JKB_FIELD_CELL_REQUEST_CHARGE_VOLTAGE, 3600 },
    { JKB_FIELD_BALANCING_START_VOLTAGE, 3000 },
    { JKB_FIELD_CHARGE_OVERTEMPERATURE_PROTECTION, 700 },
    { JKB_FIELD_CHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY, 600 },
    { JKB_FIELD_DISCHARGE_OVERTEMPERATURE_PROTECTION, 700 },
    { JKB_FIELD_DISCHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY, 600 },
    { JKB_FIELD_CHARGE_UNDERTEMPERATURE_PROTECTION, 20 },
    { JKB_FIELD_CHARGE_UNDERTEMPERATURE_PROTECTION_RECOVERY, 70 },
    { JKB_FIELD_MOSFET_OVERTEMPERATURE_PROTECTION, 1000 },
    { JKB_FIELD_MOSFET_OVERTEMPERATURE_PROTECTION_RECOVERY, 800 },
    { JKB_FIELD_CONFIGURED_CELL_COUNT, 16 },
    { JKB_FIELD_MAX_CHARGE_CURRENT, 100000 },
    { JKB_FIELD_MAX_DISCHARGE_CURRENT, 150000 },
    { JKB_FIELD_HEATING_START_TEMPERATURE, 0 },
    { JKB_FIELD_HEATING_STOP_TEMPERATURE, 10 },
  };
  JkbValues values;

  jkb_values_init (&values, JKB_GROUP_SETTINGS);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    jkb_values_set (&values, rows[i].id, rows[i].raw);
  return values;
}

static gboolean
allowed (JkbFieldId id, gint64 raw, const JkbInterlockFacts *facts, char **reason)
{
  JkbValues before = ordinary (), after = before;

  jkb_values_set (&after, id, raw);
  return jkb_interlock_check (&before, &after, id, facts, reason);
}

typedef struct
{
  JkbFieldId id;
  gint64 last_good, first_bad;
} Edge;

static void
test_edges (void)
{
  static const Edge edges[] = {
    { JKB_FIELD_POWER_OFF_VOLTAGE, 2580, 2581 },
    { JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION, 2500, 2499 },
    { JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION, 2619, 2620 },
    { JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY, 2581, 2580 },
    { JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY, 3579, 3580 },
    { JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_RECOVERY, 3649, 3650 },
    { JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3600, 3599 },
    { JKB_FIELD_CELL_SOC0_VOLTAGE, 2500, 2499 },
    { JKB_FIELD_CELL_SOC0_VOLTAGE, 3589, 3590 },
    { JKB_FIELD_CELL_SOC100_VOLTAGE, 3650, 3651 },
    { JKB_FIELD_CELL_REQUEST_FLOAT_VOLTAGE, 3600, 3601 },
    { JKB_FIELD_CELL_REQUEST_CHARGE_VOLTAGE, 3650, 3651 },
    { JKB_FIELD_BALANCING_START_VOLTAGE, 3650, 3651 },
    { JKB_FIELD_CHARGE_OVERTEMPERATURE_PROTECTION, 601, 600 },
    { JKB_FIELD_CHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY, 71, 70 },
    { JKB_FIELD_DISCHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY, 699, 700 },
    { JKB_FIELD_CHARGE_UNDERTEMPERATURE_PROTECTION, 69, 70 },
    { JKB_FIELD_MOSFET_OVERTEMPERATURE_PROTECTION_RECOVERY, 999, 1000 },
    { JKB_FIELD_HEATING_START_TEMPERATURE, 9, 10 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (edges); i++)
    {
      g_autofree char *reason = NULL;

      g_assert_true (allowed (edges[i].id, edges[i].last_good, &no_facts, NULL));
      g_assert_false (allowed (edges[i].id, edges[i].first_bad, &no_facts, &reason));
      g_assert_nonnull (strstr (reason, jkb_fields[edges[i].id].key));
    }
}

static void
test_sentence_names_both (void)
{
  g_autofree char *reason = NULL;

  g_assert_false (allowed (JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3400, &no_facts, &reason));
  g_assert_cmpstr (reason, ==,
                   "cell_voltage_overvoltage_recovery (3.580 V) must stay below "
                   "cell_voltage_overvoltage_protection (3.400 V)");
}

static void
test_chemistry (void)
{
  JkbInterlockFacts lfp = no_facts, li_ion = no_facts;

  lfp.battery_type = 0;
  li_ion.battery_type = 1;
  g_assert_true (allowed (JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3750, &lfp, NULL));
  g_assert_false (allowed (JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3751, &lfp, NULL));
  g_assert_true (allowed (JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 4200, &li_ion, NULL));
}

static void
test_cells_and_rating (void)
{
  JkbInterlockFacts facts = { .cells = 16, .battery_type = JKB_UNKNOWN, .rated_ma = 150000 };

  g_assert_true (allowed (JKB_FIELD_CONFIGURED_CELL_COUNT, 16, &facts, NULL));
  g_assert_false (allowed (JKB_FIELD_CONFIGURED_CELL_COUNT, 15, &facts, NULL));
  g_assert_true (allowed (JKB_FIELD_MAX_CHARGE_CURRENT, 150000, &facts, NULL));
  g_assert_false (allowed (JKB_FIELD_MAX_CHARGE_CURRENT, 150100, &facts, NULL));
}

/* A BMS that came with a broken pair can be mended, step by step, but not made worse. */
static void
test_broken_pair_can_be_mended (void)
{
  JkbValues before = ordinary (), after;

  jkb_values_set (&before, JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3400);
  after = before;
  jkb_values_set (&after, JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3500);
  g_assert_true (jkb_interlock_check (&before, &after,
                                      JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, &no_facts,
                                      NULL));
  jkb_values_set (&after, JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, 3300);
  g_assert_false (jkb_interlock_check (&before, &after,
                                       JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION, &no_facts,
                                       NULL));
  after = before;
  jkb_values_set (&after, JKB_FIELD_MAX_CHARGE_CURRENT, 50000);
  g_assert_true (
      jkb_interlock_check (&before, &after, JKB_FIELD_MAX_CHARGE_CURRENT, &no_facts, NULL));
}

/* The heating bytes in the wrong order would be read as alarm thresholds. */
static void
test_heating_pair_keeps_its_meaning (void)
{
  JkbValues before = ordinary (), after = before;
  g_autofree char *reason = NULL;

  jkb_values_set (&after, JKB_FIELD_HEATING_START_TEMPERATURE, JKB_UNKNOWN);
  g_assert_false (jkb_interlock_check (&before, &after, JKB_FIELD_HEATING_START_TEMPERATURE,
                                       &no_facts, &reason));
  g_assert_cmpstr (reason, ==,
                   "heating_start_temperature must stay below heating_stop_temperature");
}

static void
test_rated_current (void)
{
  g_assert_cmpint (jkb_interlock_rated_current ("JK_PB2A16S20P"), ==, 200000);
  g_assert_cmpint (jkb_interlock_rated_current ("JK-PB2A16S-20P"), ==, 200000);
  g_assert_cmpint (jkb_interlock_rated_current ("JK_PB1A16S10P"), ==, 100000);
  g_assert_cmpint (jkb_interlock_rated_current ("JK_B2A25SRP"), ==, JKB_UNKNOWN);
  g_assert_cmpint (jkb_interlock_rated_current (""), ==, JKB_UNKNOWN);
  g_assert_cmpint (jkb_interlock_rated_current (NULL), ==, JKB_UNKNOWN);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/interlock/edges", test_edges);
  g_test_add_func ("/interlock/sentence-names-both", test_sentence_names_both);
  g_test_add_func ("/interlock/chemistry", test_chemistry);
  g_test_add_func ("/interlock/cells-and-rating", test_cells_and_rating);
  g_test_add_func ("/interlock/broken-pair-can-be-mended", test_broken_pair_can_be_mended);
  g_test_add_func ("/interlock/heating-pair-keeps-its-meaning",
                   test_heating_pair_keeps_its_meaning);
  g_test_add_func ("/interlock/rated-current", test_rated_current);
  return g_test_run ();
}
