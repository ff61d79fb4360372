/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Registry and BMS under a virtual clock: confirmation, offline by the measured cycle, alarms,
 * plausibility, memory over restarts.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "bms/jkb-cycle.h"
#include "bms/jkb-registry.h"

#define SECOND ((gint64) G_USEC_PER_SEC)

/* ---- frames by hand ---- */

static void
put16 (guint8 *at, guint16 value)
{
  at[0] = value & 0xff;
  at[1] = value >> 8;
}

static void
put32 (guint8 *at, guint32 value)
{
  put16 (at, value & 0xffff);
  put16 (at + 2, value >> 16);
}

static JkbFrame
frame_at (guint8 type, guint address, gint64 monotonic_us)
{
  JkbFrame frame = { .monotonic_us = monotonic_us,
                     .realtime_us = G_GINT64_CONSTANT (1700000000) * SECOND + monotonic_us,
                     .address = address,
                     .evidence = JKB_EVIDENCE_ACK,
                     .type = type };

  memcpy (frame.data, "\x55\xAA\xEB\x90", 4);
  frame.data[4] = type;
  return frame;
}

static JkbFrame
live_at (guint address, gint64 monotonic_us)
{
  JkbFrame frame = frame_at (JKB_FRAME_LIVE, address, monotonic_us);

  for (guint cell = 0; cell < 4; cell++)
    put16 (frame.data + 6 + 2 * cell, 3300);
  put32 (frame.data + 70, 0x0f);
  put32 (frame.data + 150, 13200);
  put16 (frame.data + 144, 250);
  put16 (frame.data + 162, 200);
  put16 (frame.data + 164, 210);
  put16 (frame.data + 256, (guint16) -2000);
  put16 (frame.data + 258, (guint16) -2000);
  frame.data[173] = 50;
  put32 (frame.data + 174, 50000);
  put32 (frame.data + 178, 100000);
  frame.data[214] = 0xff;
  return frame;
}

/* ---- a listener ---- */

typedef struct
{
  JkbRegistry *registry;
  JkbConfig config;
  guint added, removed, changed, alarms;
  guint last_changes;
  char *last_alarm;
} Fixture;

static void
on_added (JkbRegistry *registry, JkbBms *bms, Fixture *f)
{
  f->added++;
}

static void
on_removed (JkbRegistry *registry, JkbBms *bms, Fixture *f)
{
  f->removed++;
}

static void
on_changed (JkbRegistry *registry, JkbBms *bms, guint changes, Fixture *f)
{
  f->changed++;
  f->last_changes = changes;
}

static void
on_alarm (JkbRegistry *registry, JkbBms *bms, guint bit, gboolean raised, gint64 realtime_us,
          Fixture *f)
{
  f->alarms++;
  g_free (f->last_alarm);
  f->last_alarm = g_strdup_printf ("%s %u %s", jkb_bms_get_id (bms), bit, raised ? "on" : "off");
}

static void
attach (Fixture *f, const char *state_dir)
{
  f->registry = jkb_registry_new (state_dir);
  g_signal_connect (f->registry, "bms-added", G_CALLBACK (on_added), f);
  g_signal_connect (f->registry, "bms-removed", G_CALLBACK (on_removed), f);
  g_signal_connect (f->registry, "bms-changed", G_CALLBACK (on_changed), f);
  g_signal_connect (f->registry, "alarm", G_CALLBACK (on_alarm), f);
  jkb_registry_configure (f->registry, &f->config);
}

static JkbBusConfig bus_config
    = { .name = (char *) "garage", .address_mask = 0xffff, .offline_after = 30 };

static void
set_up (Fixture *f, gconstpointer unused)
{
  f->config.buses = g_ptr_array_new ();
  f->config.bms = g_ptr_array_new ();
  f->config.banks = g_ptr_array_new ();
  bus_config.address_mask = 0xffff;
  g_ptr_array_add (f->config.buses, &bus_config);
  attach (f, NULL);
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  g_object_unref (f->registry);
  g_ptr_array_unref (f->config.buses);
  g_ptr_array_unref (f->config.bms);
  g_ptr_array_unref (f->config.banks);
  g_free (f->last_alarm);
}

static void
feed (Fixture *f, JkbFrame frame)
{
  jkb_registry_feed (f->registry, "garage", &frame);
  jkb_registry_flush (f->registry);
}

static JkbBms *
make_known (Fixture *f, guint address, gint64 last_us, gint64 cycle_us)
{
  for (int i = 2; i >= 0; i--)
    feed (f, live_at (address, last_us - i * cycle_us));
  return g_ptr_array_index (jkb_registry_list (f->registry), 0);
}

/* ---- tests ---- */

static void
test_three_frames (Fixture *f, gconstpointer unused)
{
  feed (f, live_at (3, 1 * SECOND));
  feed (f, live_at (3, 2 * SECOND));
  g_assert_cmpuint (f->added, ==, 0);
  feed (f, live_at (3, 3 * SECOND));
  g_assert_cmpuint (f->added, ==, 1);
  g_assert_nonnull (jkb_registry_find (f->registry, "garage_3"));
  g_assert_true (jkb_bms_get_online (jkb_registry_find (f->registry, "garage_3")));
  g_assert_cmpuint (f->last_changes & JKB_CHANGED_LIVE, !=, 0);
}

/* A corrupt id now and then must never add up to a device. */
static void
test_rare_frames_never_confirm (Fixture *f, gconstpointer unused)
{
  for (int i = 1; i <= 20; i++)
    feed (f, live_at (9, i * 400 * SECOND));
  g_assert_cmpuint (f->added, ==, 0);
}

/* Three frames behind requests that nobody answered, their acknowledgements lost. */
static void
test_guesses_never_confirm (Fixture *f, gconstpointer unused)
{
  JkbFrame frame;

  for (int i = 1; i <= 5; i++)
    {
      frame = live_at (14, i * SECOND);
      frame.evidence = JKB_EVIDENCE_REQUEST;
      feed (f, frame);
    }
  g_assert_cmpuint (f->added, ==, 0);
  feed (f, live_at (14, 6 * SECOND));
  g_assert_cmpuint (f->added, ==, 1);
}

/* Nothing of the guesses in front of the proof stays: they may have been another BMS's. */
static void
test_guesses_leave_nothing (Fixture *f, gconstpointer unused)
{
  JkbFrame live = live_at (14, SECOND), info = frame_at (JKB_FRAME_INFO, 14, 2 * SECOND);
  JkbBms *bms;

  put32 (live.data + 166, 1 << 4);
  for (guint cell = 4; cell < 8; cell++)
    put16 (live.data + 6 + 2 * cell, 3300);
  put32 (live.data + 70, 0xff);
  put32 (live.data + 150, 26400);
  memcpy (info.data + 6, "JK_PB2A16S20P", 13);
  live.evidence = info.evidence = JKB_EVIDENCE_REQUEST;
  feed (f, live);
  feed (f, info);
  feed (f, live_at (14, 3 * SECOND));
  bms = jkb_registry_find (f->registry, "garage_14");
  g_assert_nonnull (bms);
  g_assert_cmpuint (jkb_bms_get_n_cells (bms), ==, 4);
  g_assert_cmpstr (jkb_bms_get_model (bms), ==, "");
  g_assert_null (jkb_bms_peek_values (bms, JKB_GROUP_INFO));
  g_assert_null (f->last_alarm);
}

static void
test_address_outside (Fixture *f, gconstpointer unused)
{
  for (int i = 1; i <= 5; i++)
    feed (f, live_at (16, i * SECOND));
  bus_config.address_mask = 1 << 1;
  jkb_registry_configure (f->registry, &f->config);
  for (int i = 6; i <= 10; i++)
    feed (f, live_at (2, i * SECOND));
  g_assert_cmpuint (f->added, ==, 0);
}

static void
test_implausible_frame_is_no_proof (Fixture *f, gconstpointer unused)
{
  for (int i = 1; i <= 5; i++)
    {
      JkbFrame frame = live_at (1, i * SECOND);

      put32 (frame.data + 150, 26400); /* twice the cell sum */
      feed (f, frame);
    }
  g_assert_cmpuint (f->added, ==, 0);
}

static void
test_offline_after (Fixture *f, gconstpointer unused)
{
  JkbBms *bms = make_known (f, 1, 100 * SECOND, SECOND);

  g_assert_cmpint (jkb_registry_tick (f->registry, 101 * SECOND), ==, 130 * SECOND);
  jkb_registry_tick (f->registry, 130 * SECOND - 1);
  g_assert_true (jkb_bms_get_online (bms));
  g_assert_cmpint (jkb_registry_tick (f->registry, 130 * SECOND), ==, G_MAXINT64);
  g_assert_false (jkb_bms_get_online (bms));
  g_assert_cmpuint (f->last_changes, ==, JKB_CHANGED_ONLINE);
  g_assert_cmpuint (f->removed, ==, 0);
}

/* Protocol §4.2.6: a slow master makes all its slaves slow, not absent. */
static void
test_offline_by_measured_cycle (Fixture *f, gconstpointer unused)
{
  make_known (f, 1, 100 * SECOND, 20 * SECOND);
  g_assert_cmpint (jkb_registry_tick (f->registry, 101 * SECOND), ==, 160 * SECOND);
}

static void
test_back_only_on_sure_evidence (Fixture *f, gconstpointer unused)
{
  JkbBms *bms = make_known (f, 1, 100 * SECOND, SECOND);
  JkbFrame guess = live_at (1, 200 * SECOND);

  jkb_registry_tick (f->registry, 150 * SECOND);
  guess.evidence = JKB_EVIDENCE_REQUEST;
  feed (f, guess);
  g_assert_false (jkb_bms_get_online (bms));
  feed (f, live_at (1, 201 * SECOND));
  g_assert_true (jkb_bms_get_online (bms));
}

/* Its settings arrive, its live frames do not, or cannot be true: it is away, and stays so. */
static void
test_settings_do_not_bring_back (Fixture *f, gconstpointer unused)
{
  JkbBms *bms = make_known (f, 1, 100 * SECOND, SECOND);
  JkbFrame settings = frame_at (JKB_FRAME_SETTINGS, 1, 0);

  put32 (settings.data + 270, 1);
  jkb_registry_tick (f->registry, 150 * SECOND);
  g_assert_false (jkb_bms_get_online (bms));
  for (int i = 0; i < 3; i++)
    {
      settings.monotonic_us = (151 + i) * SECOND;
      feed (f, settings);
      g_assert_cmpint (jkb_bms_get_monotonic (bms, JKB_GROUP_SETTINGS), ==, settings.monotonic_us);
      g_assert_false (jkb_bms_get_online (bms));
    }
  feed (f, live_at (1, 160 * SECOND));
  g_assert_true (jkb_bms_get_online (bms));
}

static void
test_alarm_edges (Fixture *f, gconstpointer unused)
{
  JkbFrame frame;

  make_known (f, 1, 3 * SECOND, SECOND);
  frame = live_at (1, 4 * SECOND);
  put32 (frame.data + 166, 1 << 4);
  feed (f, frame);
  g_assert_cmpstr (f->last_alarm, ==, "garage_1 4 on");
  g_assert_cmpuint (f->last_changes & JKB_CHANGED_URGENT, !=, 0);
  frame.monotonic_us++;
  feed (f, frame);
  g_assert_cmpuint (f->alarms, ==, 1);
  feed (f, live_at (1, 5 * SECOND));
  g_assert_cmpstr (f->last_alarm, ==, "garage_1 4 off");
  g_assert_cmpuint (f->alarms, ==, 2);
}

/* Firmware to come, or a frame of noise: also the last bit is one. */
static void
test_alarm_of_every_bit (Fixture *f, gconstpointer unused)
{
  JkbFrame frame;

  make_known (f, 1, 3 * SECOND, SECOND);
  frame = live_at (1, 4 * SECOND);
  put32 (frame.data + 166, G_MAXUINT32);
  feed (f, frame);
  g_assert_cmpuint (f->alarms, ==, 32);
  g_assert_cmpstr (f->last_alarm, ==, "garage_1 31 on");
}

/* Between two flushes an alarm may come and go: both are told. */
static void
test_alarm_within_one_flush (Fixture *f, gconstpointer unused)
{
  JkbFrame on, off;

  make_known (f, 1, 3 * SECOND, SECOND);
  on = live_at (1, 4 * SECOND);
  put32 (on.data + 166, 1 << 14);
  off = live_at (1, 5 * SECOND);
  jkb_registry_feed (f->registry, "garage", &on);
  jkb_registry_feed (f->registry, "garage", &off);
  jkb_registry_flush (f->registry);
  g_assert_cmpuint (f->alarms, ==, 2);
}

/* The permanent "password was never changed" is no event at each start; a real alarm is. */
static void
test_alarms_at_first_sight (Fixture *f, gconstpointer unused)
{
  for (int i = 1; i <= 3; i++)
    {
      JkbFrame frame = live_at (1, i * SECOND);

      put32 (frame.data + 166, 1 << 19 | 1 << 9);
      feed (f, frame);
    }
  g_assert_cmpuint (f->alarms, ==, 1);
  g_assert_cmpstr (f->last_alarm, ==, "garage_1 9 on");
}

static void
test_impossible_value_is_unknown (Fixture *f, gconstpointer unused)
{
  JkbBms *bms = make_known (f, 1, 3 * SECOND, SECOND);
  JkbFrame frame = live_at (1, 4 * SECOND);

  frame.data[173] = 250; /* % */
  feed (f, frame);
  g_assert_cmpint (jkb_values_get (jkb_bms_peek_values (bms, JKB_GROUP_LIVE),
                                   JKB_FIELD_STATE_OF_CHARGE),
                   ==, JKB_UNKNOWN);
  g_assert_cmpint (jkb_values_get (jkb_bms_peek_values (bms, JKB_GROUP_LIVE),
                                   JKB_FIELD_TOTAL_VOLTAGE),
                   ==, 13200);
  g_assert_cmpuint (jkb_bms_get_implausible_values (bms), ==, 1);
}

static void
test_layout_is_what_was_seen (Fixture *f, gconstpointer unused)
{
  JkbBms *bms = make_known (f, 1, 3 * SECOND, SECOND);

  g_assert_cmpuint (jkb_bms_get_n_cells (bms), ==, 4);
  g_assert_true (jkb_bms_has_field (bms, JKB_FIELD_TEMPERATURE_SENSOR_1));
  g_assert_false (jkb_bms_has_field (bms, JKB_FIELD_TEMPERATURE_SENSOR_4));
  g_assert_false (jkb_bms_has_field (bms, JKB_FIELD_CELL_RESISTANCES));
  g_assert_null (jkb_bms_peek_values (bms, JKB_GROUP_SETTINGS));
}

static void
test_forget_and_ignore (Fixture *f, gconstpointer unused)
{
  g_autoptr (GError) error = NULL;
  JkbBmsConfig ignored = { .id = (char *) "garage_1", .name = (char *) "", .ignore = TRUE };

  make_known (f, 1, 3 * SECOND, SECOND);
  g_assert_true (jkb_registry_forget (f->registry, "garage_1", NULL));
  g_assert_cmpuint (f->removed, ==, 1);
  g_assert_false (jkb_registry_forget (f->registry, "garage_1", &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_NOT_FOUND);

  make_known (f, 1, 13 * SECOND, SECOND);
  g_assert_cmpuint (f->added, ==, 2);
  g_ptr_array_add (f->config.bms, &ignored);
  jkb_registry_configure (f->registry, &f->config);
  g_assert_cmpuint (f->removed, ==, 2);
  for (int i = 0; i < 5; i++)
    feed (f, live_at (1, (20 + i) * SECOND));
  g_assert_cmpuint (f->added, ==, 2);
}

static void
test_remembered_over_restart (Fixture *f, gconstpointer unused)
{
  g_autofree char *dir = g_dir_make_tmp ("jkbmsd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "known-bms.ini", NULL);
  GStatBuf status;
  JkbBms *bms;

  g_object_unref (f->registry);
  attach (f, dir);
  make_known (f, 7, 3 * SECOND, SECOND);
  jkb_registry_save (f->registry);
  jkb_registry_close (f->registry, 60000);
  g_assert_cmpint (g_stat (path, &status), ==, 0);
  g_assert_cmpint (status.st_mode & 0777, ==, 0600);

  g_object_unref (f->registry);
  f->added = 0;
  attach (f, dir);
  jkb_registry_load (f->registry);
  bms = jkb_registry_find (f->registry, "garage_7");
  g_assert_nonnull (bms);
  g_assert_cmpuint (f->added, ==, 1);
  g_assert_false (jkb_bms_get_online (bms));
  g_assert_cmpuint (jkb_bms_get_n_cells (bms), ==, 4);
  g_assert_true (jkb_bms_has_field (bms, JKB_FIELD_STATE_OF_CHARGE));
  feed (f, live_at (7, 10 * SECOND));
  g_assert_true (jkb_bms_get_online (bms));

  g_unlink (path);
  g_rmdir (dir);
}

/* It is remembered until the history has it, over restarts; and no BMS of its own. */
static void
test_forgotten_over_restart (Fixture *f, gconstpointer unused)
{
  g_autofree char *dir = g_dir_make_tmp ("jkbmsd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "known-bms.ini", NULL);

  g_object_unref (f->registry);
  attach (f, dir);
  make_known (f, 1, 3 * SECOND, SECOND);
  make_known (f, 7, 6 * SECOND, SECOND);
  g_assert_true (jkb_registry_forget (f->registry, "garage_7", NULL));
  for (guint round = 0; round < 2; round++)
    {
      g_auto (GStrv) ids = jkb_registry_list_forgotten (f->registry);

      g_assert_cmpuint (g_strv_length (ids), ==, 1);
      g_assert_cmpstr (ids[0], ==, "garage_7");
      jkb_registry_save (f->registry);
      jkb_registry_close (f->registry, 60000);
      g_object_unref (f->registry);
      attach (f, dir);
      jkb_registry_load (f->registry);
      g_assert_cmpuint (jkb_registry_list (f->registry)->len, ==, 1);
    }
  jkb_registry_end_forgetting (f->registry, "garage_7");
  jkb_registry_tick (f->registry, 20 * SECOND); /* at once */
  jkb_registry_close (f->registry, 60000);
  g_object_unref (f->registry);
  attach (f, dir);
  jkb_registry_load (f->registry);
  {
    g_auto (GStrv) ids = jkb_registry_list_forgotten (f->registry);

    g_assert_cmpuint (g_strv_length (ids), ==, 0);
  }
  g_unlink (path);
  g_rmdir (dir);
}

/* One file holds all of them: to write it for each that appears would take a hundred times as long
 * for a hundred. */
static void
test_saved_together (Fixture *f, gconstpointer unused)
{
  g_autofree char *dir = g_dir_make_tmp ("jkbmsd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "known-bms.ini", NULL);
  gint64 offline_us = 130 * SECOND;

  g_object_unref (f->registry);
  attach (f, dir);
  make_known (f, 1, 100 * SECOND, SECOND);
  g_assert_cmpint (jkb_registry_tick (f->registry, 100 * SECOND), ==, offline_us);
  make_known (f, 2, 101 * SECOND, SECOND);
  g_assert_cmpint (jkb_registry_tick (f->registry, 101 * SECOND), ==, 105 * SECOND);
  make_known (f, 3, 102 * SECOND, SECOND);
  g_assert_cmpint (jkb_registry_tick (f->registry, 104 * SECOND), ==, 105 * SECOND);
  g_assert_cmpint (jkb_registry_tick (f->registry, 105 * SECOND), ==, offline_us);
  g_assert_true (jkb_registry_forget (f->registry, "garage_1", NULL));
  g_assert_cmpint (jkb_registry_tick (f->registry, 106 * SECOND), ==, 131 * SECOND);

  jkb_registry_save (f->registry);
  jkb_registry_close (f->registry, 60000);
  g_unlink (path);
  g_rmdir (dir);
}

static void
test_newer_store_is_set_aside (Fixture *f, gconstpointer unused)
{
  g_autofree char *dir = g_dir_make_tmp ("jkbmsd-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "known-bms.ini", NULL);
  g_autofree char *aside = g_strdup_printf ("%s.set-aside", path);

  g_assert_true (g_file_set_contents (path, "[format]\nversion=99\n", -1, NULL));
  g_object_unref (f->registry);
  attach (f, dir);
  jkb_registry_load (f->registry);
  g_assert_cmpuint (jkb_registry_list (f->registry)->len, ==, 0);
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
  g_unlink (aside);
  g_rmdir (dir);
}

static void
test_cycle_median (void)
{
  JkbCycle cycle = { 0 };
  const int seconds[] = { 10, 17, 24, 38, 45, 52 }; /* one frame lost between 24 and 38 */

  g_assert_cmpfloat (jkb_cycle_get (&cycle), ==, 0);
  for (guint i = 0; i < G_N_ELEMENTS (seconds); i++)
    jkb_cycle_add (&cycle, seconds[i] * SECOND);
  g_assert_cmpfloat (jkb_cycle_get (&cycle), ==, 7);
  jkb_cycle_add (&cycle, 1000 * SECOND); /* an outage says nothing about the cycle */
  g_assert_cmpfloat (jkb_cycle_get (&cycle), ==, 7);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL); /* "offline" is a warning */
#define ADD(name, func) g_test_add ("/registry/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("three-frames-announce", test_three_frames);
  ADD ("rare-frames-never-confirm", test_rare_frames_never_confirm);
  ADD ("guesses-never-confirm", test_guesses_never_confirm);
  ADD ("guesses-leave-nothing", test_guesses_leave_nothing);
  ADD ("address-outside-is-ignored", test_address_outside);
  ADD ("implausible-frame-is-no-proof", test_implausible_frame_is_no_proof);
  ADD ("offline-after", test_offline_after);
  ADD ("offline-by-measured-cycle", test_offline_by_measured_cycle);
  ADD ("back-only-on-sure-evidence", test_back_only_on_sure_evidence);
  ADD ("settings-do-not-bring-back", test_settings_do_not_bring_back);
  ADD ("alarm-edges", test_alarm_edges);
  ADD ("alarm-of-every-bit", test_alarm_of_every_bit);
  ADD ("alarm-within-one-flush", test_alarm_within_one_flush);
  ADD ("alarms-at-first-sight", test_alarms_at_first_sight);
  ADD ("impossible-value-is-unknown", test_impossible_value_is_unknown);
  ADD ("layout-is-what-was-seen", test_layout_is_what_was_seen);
  ADD ("forget-and-ignore", test_forget_and_ignore);
  ADD ("remembered-over-restart", test_remembered_over_restart);
  ADD ("forgotten-over-restart", test_forgotten_over_restart);
  ADD ("saved-together", test_saved_together);
  ADD ("newer-store-is-set-aside", test_newer_store_is_set_aside);
  g_test_add_func ("/cycle/median", test_cycle_median);
  return g_test_run ();
}
