/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 */
#include "ctl/jkb-ctl-model.h"

#include <math.h>

#include "ctl/jkb-ctl.h"

static JkbCtlModel *
model_of (const char *text)
{
  JkbCtlModel *model = jkb_ctl_model_new ();
  g_autoptr(GError) error = NULL;
  g_autoptr(GVariant) objects
    = g_variant_parse (G_VARIANT_TYPE ("a{oa{sa{sv}}}"), text, NULL, NULL, &error);

  g_assert_no_error (error);
  jkb_ctl_model_load (model, objects);
  return model;
}

static JkbCtlModel *
model_of_bms (const char *telemetry)
{
  g_autofree char *text = g_strdup_printf (
    "{'/io/github/jkbmsd1/bms/garage_1': {'io.github.jkbmsd1.Bms': "
    "{'Bus': <objectpath '/io/github/jkbmsd1/bus/garage'>, 'Address': <uint32 1>, "
    "'Id': <'garage_1'>, 'Name': <'Left'>, 'Online': <true>, 'LastSeen': <uint64 5>}, "
    "'io.github.jkbmsd1.Telemetry': %s}}",
    telemetry);

  return model_of (text);
}

static void
change (JkbCtlModel *model, const char *properties)
{
  g_autoptr(GVariant) changed
    = g_variant_parse (G_VARIANT_TYPE_VARDICT, properties, NULL, NULL, NULL);

  jkb_ctl_model_change (model, "/io/github/jkbmsd1/bms/garage_1", "io.github.jkbmsd1.Telemetry",
                        changed);
}

static const JkbValues *
live_of (JkbCtlModel *model)
{
  const JkbCtlBms *bms = jkb_ctl_model_bms_at (model, "/io/github/jkbmsd1/bms/garage_1");

  g_assert_nonnull (bms);
  g_assert_true (bms->heard[JKB_GROUP_LIVE]);
  return &bms->values[JKB_GROUP_LIVE];
}

static void
test_values (void)
{
  g_autoptr(JkbCtlModel) model = model_of_bms (
    "{'TotalVoltage': <52.63>, 'Current': <-12.3>, 'ChargingCycles': <uint32 41>, "
    "'TotalRuntime': <uint64 12345678901>, 'Charging': <true>, 'Discharging': <false>, "
    "'ChargeStatus': <'float'>, 'Errors': <['cell_overvoltage', 'bit_30']>, "
    "'CellVoltages': <[3.3069999, 3.2]>, 'Unavailable': <@as []>}");
  const JkbValues *live = live_of (model);
  const JkbCtlBms *bms = jkb_ctl_model_bms_at (model, "/io/github/jkbmsd1/bms/garage_1");

  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_TOTAL_VOLTAGE), ==, 52630);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_CURRENT), ==, -12300);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_CHARGING_CYCLES), ==, 41);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_TOTAL_RUNTIME), ==, 12345678901);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_CHARGING), ==, 1);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_DISCHARGING), ==, 0);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_CHARGE_STATUS), ==, 2);
  g_assert_cmpint (jkb_values_get (live, JKB_FIELD_ERRORS), ==, 1 << 4 | 1 << 30);
  g_assert_cmpint (jkb_values_get_item (live, JKB_FIELD_CELL_VOLTAGES, 0), ==, 3307);
  g_assert_cmpint (live->n_cells, ==, 2);
  g_assert_false (jkb_values_is_known (live, JKB_FIELD_POWER));
  g_assert_cmpstr (bms->bus, ==, "garage");
  g_assert_cmpstr (bms->name, ==, "Left");
  g_assert_null (bms->model);
  g_assert_false (bms->heard[JKB_GROUP_SETTINGS]);
}

/* NaN, what is listed as unavailable, and what has another type than it should. */
static void
test_unknown (void)
{
  g_autoptr(JkbCtlModel) model = model_of_bms (
    "{'TotalVoltage': <'much'>, 'Current': <1e300>, 'Charging': <false>, "
    "'ChargeStatus': <'resting'>, 'CellVoltages': <['a']>, 'CellResistances': <@ad []>, "
    "'ChargingCycles': <uint32 0>, 'Unavailable': <['charging', 'charging_cycles']>}");
  const JkbValues *live = live_of (model);

  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE); id < jkb_group_end (JKB_GROUP_LIVE); id++)
    g_assert_false (jkb_values_is_known (live, id));
}

/* A value that is what it was before it was unknown is not announced again. */
static void
test_back_again (void)
{
  g_autoptr(JkbCtlModel) model
    = model_of_bms ("{'Charging': <true>, 'Unavailable': <@as []>}");

  g_assert_cmpint (jkb_values_get (live_of (model), JKB_FIELD_CHARGING), ==, 1);
  change (model, "{'Unavailable': <['charging']>}");
  g_assert_false (jkb_values_is_known (live_of (model), JKB_FIELD_CHARGING));
  change (model, "{'Unavailable': <@as []>}");
  g_assert_cmpint (jkb_values_get (live_of (model), JKB_FIELD_CHARGING), ==, 1);
}

static void
test_forty_cells (void)
{
  g_autoptr(JkbCtlModel) model = model_of_bms (
    "{'CellVoltages': <[1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,"
    "9.0,10.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0]>}");

  g_assert_cmpint (live_of (model)->n_cells, ==, JKB_MAX_CELLS);
}

#define NAMED(id, address, name)                                                                   \
  "'/io/github/jkbmsd1/bms/" id "': {'io.github.jkbmsd1.Bms': {'Address': <uint32 " address ">, "  \
  "'Name': <'" name "'>}}"

static void
test_find (void)
{
  static const struct
  {
    const char *name, *id;
  } cases[] = {
    { "garage_1", "garage_1" }, { "garage_10", "garage_10" }, { "garage", NULL },
    { "shed", "shed_0" },       { "Left rack", "garage_2" },  { "Le", "garage_2" },
    { "twin", NULL },           { "garage_3", "garage_3" },   { "", NULL },
    { "left", NULL },
  };
  g_autoptr(JkbCtlModel) model
    = model_of ("{" NAMED ("garage_1", "1", "") "," NAMED ("garage_10", "10", "twin") ","
                NAMED ("garage_2", "2", "Left rack") "," NAMED ("shed_0", "0", "garage_3") ","
                NAMED ("garage_3", "3", "twin") "}");
  GPtrArray *all = jkb_ctl_model_bms (model);
  const char *const order[] = { "garage_1", "garage_2", "garage_3", "garage_10", "shed_0" };

  g_assert_cmpint (all->len, ==, G_N_ELEMENTS (order));
  for (guint i = 0; i < all->len; i++)
    g_assert_cmpstr (((JkbCtlBms *) all->pdata[i])->id, ==, order[i]);
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr(GError) error = NULL;
      const JkbCtlBms *bms = jkb_ctl_model_find (model, cases[i].name, &error);

      g_assert_cmpstr (bms != NULL ? bms->id : NULL, ==, cases[i].id);
      if (bms == NULL)
        g_assert_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND);
    }
}

static void
test_add_and_remove (void)
{
  const char *path = "/io/github/jkbmsd1/bms/garage_1";
  g_autoptr(JkbCtlModel) model = model_of_bms ("{'Charging': <true>}");
  g_autoptr(GVariant) settings = g_variant_parse (
    G_VARIANT_TYPE ("a{sa{sv}}"), "{'io.github.jkbmsd1.Settings': {'CellCount': <uint32 8>}}", NULL,
    NULL, NULL);
  g_autoptr(GVariant) names = g_variant_parse (
    G_VARIANT_TYPE ("as"), "['io.github.jkbmsd1.Bms', 'io.github.jkbmsd1.Telemetry']", NULL, NULL,
    NULL);
  g_autoptr(GVariant) rest
    = g_variant_parse (G_VARIANT_TYPE ("as"), "['io.github.jkbmsd1.Settings']", NULL, NULL, NULL);

  jkb_ctl_model_add (model, path, settings);
  g_assert_true (jkb_ctl_model_bms_at (model, path)->heard[JKB_GROUP_SETTINGS]);
  g_assert_true (jkb_ctl_model_bms_at (model, path)->heard[JKB_GROUP_LIVE]);
  jkb_ctl_model_remove (model, path, names);
  g_assert_null (jkb_ctl_model_bms_at (model, path));
  jkb_ctl_model_remove (model, path, rest);
  g_assert_null (jkb_ctl_model_object (model, path));
  jkb_ctl_model_remove (model, path, rest);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl/model/values", test_values);
  g_test_add_func ("/ctl/model/unknown", test_unknown);
  g_test_add_func ("/ctl/model/back-again", test_back_again);
  g_test_add_func ("/ctl/model/forty-cells", test_forty_cells);
  g_test_add_func ("/ctl/model/find", test_find);
  g_test_add_func ("/ctl/model/add-and-remove", test_add_and_remove);
  return g_test_run ();
}
