/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The rules as tables: pairs of settings in order, limits by chemistry, limits by the pack itself.
 */
#include "poll/jkb-interlock.h"

#include <string.h>

#include "wire/jkb-text.h"

/* low < high, or low <= high where they may be equal. */
typedef struct
{
  JkbFieldId low, high;
  gboolean may_equal;
} OrderRule;

#define F(id) JKB_FIELD_##id
static const OrderRule order_rules[] = {
  /* 1 */
  { F (POWER_OFF_VOLTAGE), F (CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION), TRUE },
  { F (CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION), F (CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY), FALSE },
  { F (CELL_VOLTAGE_UNDERVOLTAGE_RECOVERY), F (CELL_VOLTAGE_OVERVOLTAGE_RECOVERY), FALSE },
  { F (CELL_VOLTAGE_OVERVOLTAGE_RECOVERY), F (CELL_VOLTAGE_OVERVOLTAGE_PROTECTION), FALSE },
  /* 2 */
  { F (CELL_SOC0_VOLTAGE), F (CELL_SOC100_VOLTAGE), FALSE },
  { F (POWER_OFF_VOLTAGE), F (CELL_SOC0_VOLTAGE), TRUE },
  { F (CELL_SOC100_VOLTAGE), F (CELL_VOLTAGE_OVERVOLTAGE_PROTECTION), TRUE },
  /* 3 */
  { F (CELL_REQUEST_FLOAT_VOLTAGE), F (CELL_REQUEST_CHARGE_VOLTAGE), TRUE },
  { F (CELL_REQUEST_CHARGE_VOLTAGE), F (CELL_VOLTAGE_OVERVOLTAGE_PROTECTION), TRUE },
  /* 4 */
  { F (BALANCING_START_VOLTAGE), F (CELL_VOLTAGE_OVERVOLTAGE_PROTECTION), TRUE },
  /* 5 */
  { F (CHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY), F (CHARGE_OVERTEMPERATURE_PROTECTION), FALSE },
  { F (DISCHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY), F (DISCHARGE_OVERTEMPERATURE_PROTECTION),
    FALSE },
  /* 6 */
  { F (CHARGE_UNDERTEMPERATURE_PROTECTION), F (CHARGE_UNDERTEMPERATURE_PROTECTION_RECOVERY),
    FALSE },
  { F (CHARGE_UNDERTEMPERATURE_PROTECTION_RECOVERY), F (CHARGE_OVERTEMPERATURE_PROTECTION_RECOVERY),
    FALSE },
  /* 7 */
  { F (MOSFET_OVERTEMPERATURE_PROTECTION_RECOVERY), F (MOSFET_OVERTEMPERATURE_PROTECTION), FALSE },
  /* 11 */
  { F (HEATING_START_TEMPERATURE), F (HEATING_STOP_TEMPERATURE), FALSE },
};

/* Rule 9: by battery_type, raw mV. */
typedef struct
{
  const char *name;
  gint64 undervoltage_min, overvoltage_max;
} Chemistry;
static const Chemistry chemistries[]
    = { { "LiFePO4", 2300, 3750 }, { "Li-ion", 2500, 4250 }, { "LTO", 1500, 2850 } };

static char *
value_text (const JkbValues *values, JkbFieldId id)
{
  GString *text = g_string_new (NULL);

  jkb_text_append_plain (text, values, id);
  if (jkb_fields[id].unit != NULL)
    g_string_append_printf (text, " %s", jkb_fields[id].unit);
  return g_string_free (text, FALSE);
}

static void
set_reason (char **reason, char *text)
{
  if (reason != NULL)
    *reason = text;
  else
    g_free (text);
}

/* By how much the rule is broken; 0 or less: it holds. Unknown values break nothing. */
static gint64
order_excess (const OrderRule *rule, const JkbValues *values)
{
  gint64 low = jkb_values_get (values, rule->low), high = jkb_values_get (values, rule->high);

  if (low == JKB_UNKNOWN || high == JKB_UNKNOWN)
    return 0;
  return low - high + (rule->may_equal ? 0 : 1);
}

static gboolean
check_order (const OrderRule *rule, const JkbValues *before, const JkbValues *after, char **reason)
{
  gint64 excess = order_excess (rule, after);
  g_autofree char *low = NULL, *high = NULL;

  if (excess <= 0 || excess < order_excess (rule, before))
    return TRUE;
  low = value_text (after, rule->low);
  high = value_text (after, rule->high);
  set_reason (reason, g_strdup_printf ("%s (%s) must stay %s %s (%s)", jkb_fields[rule->low].key,
                                       low, rule->may_equal ? "at or below" : "below",
                                       jkb_fields[rule->high].key, high));
  return FALSE;
}

/* @excess: by how much @id is outside a limit, before and after. */
static gboolean
check_limit (gint64 excess_before, gint64 excess_after)
{
  return excess_after <= 0 || excess_after < excess_before;
}

static gboolean
check_chemistry (const JkbValues *before, const JkbValues *after, JkbFieldId id,
                 const JkbInterlockFacts *facts, char **reason)
{
  const Chemistry *c;
  gint64 was = jkb_values_get (before, id), is = jkb_values_get (after, id);
  gboolean over = id == JKB_FIELD_CELL_VOLTAGE_OVERVOLTAGE_PROTECTION;
  gint64 limit;
  g_autofree char *text = NULL;

  if (facts->battery_type < 0 || facts->battery_type >= (gint64) G_N_ELEMENTS (chemistries))
    return TRUE;
  if (!over && id != JKB_FIELD_CELL_VOLTAGE_UNDERVOLTAGE_PROTECTION)
    return TRUE;
  c = &chemistries[facts->battery_type];
  limit = over ? c->overvoltage_max : c->undervoltage_min;
  if (over ? check_limit (was - limit, is - limit) : check_limit (limit - was, limit - is))
    return TRUE;
  text = value_text (after, id);
  set_reason (reason, g_strdup_printf ("%s of %s is %s %" G_GINT64_FORMAT ".%02" G_GINT64_FORMAT
                                       " V, the limit for %s cells",
                                       jkb_fields[id].key, text, over ? "above" : "below",
                                       limit / 1000, limit % 1000 / 10, c->name));
  return FALSE;
}

static gboolean
check_cell_count (const JkbValues *after, const JkbInterlockFacts *facts, char **reason)
{
  gint64 count = jkb_values_get (after, JKB_FIELD_CONFIGURED_CELL_COUNT);

  if (facts->cells == JKB_UNKNOWN || count == facts->cells)
    return TRUE;
  set_reason (reason, g_strdup_printf ("cell_count of %" G_GINT64_FORMAT
                                       " does not match the %" G_GINT64_FORMAT
                                       " cells that the BMS measures",
                                       count, facts->cells));
  return FALSE;
}

static gboolean
check_rating (const JkbValues *before, const JkbValues *after, JkbFieldId id,
              const JkbInterlockFacts *facts, char **reason)
{
  g_autofree char *text = NULL;

  if (facts->rated_ma == JKB_UNKNOWN
      || check_limit (jkb_values_get (before, id) - facts->rated_ma,
                      jkb_values_get (after, id) - facts->rated_ma))
    return TRUE;
  text = value_text (after, id);
  set_reason (reason, g_strdup_printf ("%s of %s is above %" G_GINT64_FORMAT
                                       " A, the rating of this model",
                                       jkb_fields[id].key, text, facts->rated_ma / 1000));
  return FALSE;
}

/* The two heating bytes mean alarm thresholds when the first is not below the second (protocol
 * §5.6): a pair in the wrong order would change its meaning. */
static gboolean
check_keeps_meaning (const JkbValues *after, JkbFieldId id, char **reason)
{
  if (jkb_values_get (after, id) != JKB_UNKNOWN)
    return TRUE;
  set_reason (reason, g_strdup_printf ("%s must stay below %s",
                                       jkb_fields[JKB_FIELD_HEATING_START_TEMPERATURE].key,
                                       jkb_fields[JKB_FIELD_HEATING_STOP_TEMPERATURE].key));
  return FALSE;
}

gboolean
jkb_interlock_check (const JkbValues *before, const JkbValues *after, JkbFieldId id,
                     const JkbInterlockFacts *facts, char **reason)
{
  if (!check_keeps_meaning (after, id, reason))
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (order_rules); i++)
    if ((order_rules[i].low == id || order_rules[i].high == id)
        && !check_order (&order_rules[i], before, after, reason))
      return FALSE;
  switch (id)
    {
    case JKB_FIELD_CONFIGURED_CELL_COUNT:
      return check_cell_count (after, facts, reason);
    case JKB_FIELD_MAX_CHARGE_CURRENT:
    case JKB_FIELD_MAX_DISCHARGE_CURRENT:
      return check_rating (before, after, id, facts, reason);
    default:
      return check_chemistry (before, after, id, facts, reason);
    }
}

/* "…S20P": 20 -> 200 A (protocol §8). */
gint64
jkb_interlock_rated_current (const char *model)
{
  const char *s = model != NULL ? strrchr (model, 'S') : NULL;
  char *end;
  guint64 tens;

  while (s != NULL && *++s == '-')
    ;
  if (s == NULL || !g_ascii_isdigit (*s))
    return JKB_UNKNOWN;
  tens = g_ascii_strtoull (s, &end, 10);
  if (*end != 'P' || tens < 4 || tens > 60)
    return JKB_UNKNOWN;
  return (gint64) tens * 10 * 1000;
}
