/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Files of the state directory as a start finds them: remembered BMS, a snapshot, the note of a write
 * that was cut short; each behind a separator. What is read must be possible, and what was read is
 * written and read again as the same.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "bms/jkb-registry.h"
#include "daemon/jkb-snapshot.h"
#include "fuzz-input.h"
#include "wire/jkb-crc.h"

#define SNAPSHOT "20261122T081500.000Z"

static char *known_file, *snapshot_file, *note_file;
static JkbBusConfig buses[2];
static JkbConfig config;

/* Files are written by threads of GLib that come and go: while one is born or dies, what it holds looks
 * like a leak. So leaks are looked for at the end only. */
static void
look_for_leaks_at_the_end (int *argc, char ***argv)
{
  char **more = g_new0 (char *, (gsize) *argc + 2);

  memcpy (more, *argv, (gsize) *argc * sizeof *more);
  more[(*argc)++] = (char *) "-detect_leaks=0";
  *argv = more;
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_autofree char *directory
      = g_build_filename (fuzz_directory (), "snapshots", "garage_1", NULL);

  look_for_leaks_at_the_end (argc, argv);
  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  known_file = g_build_filename (fuzz_directory (), "known-bms.ini", NULL);
  snapshot_file = g_build_filename (directory, SNAPSHOT ".ini", NULL);
  note_file = g_build_filename (directory, "pending.ini", NULL);
  config.buses = g_ptr_array_new ();
  config.bms = g_ptr_array_new ();
  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    {
      buses[i].name = (char *) (i == 0 ? "garage" : "shed");
      buses[i].address_mask = 0xffff;
      buses[i].offline_after = 30;
      g_ptr_array_add (config.buses, &buses[i]);
    }
  return 0;
}

static void
write_part (const char *path, const guint8 **data, size_t *size)
{
  gsize length;
  g_autofree char *text = fuzz_take_part (data, size, &length);

  fuzz_write_file (path, text, length);
}

/* All that the registry knows, one BMS a line. */
static char *
describe (JkbRegistry *registry)
{
  GPtrArray *list = jkb_registry_list (registry);
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < list->len; i++)
    {
      JkbBms *bms = g_ptr_array_index (list, i);
      const char *model = jkb_bms_get_model (bms);
      const char *serial = jkb_bms_get_serial_number (bms);

      g_assert_cmpuint (jkb_bms_get_address (bms), <=, JKB_MAX_ADDRESS);
      g_assert_cmpuint (jkb_bms_get_n_cells (bms), <=, 32);
      g_assert_false (jkb_bms_get_online (bms));
      g_assert_true (model == NULL || g_utf8_validate (model, -1, NULL));
      g_assert_true (serial == NULL || g_utf8_validate (serial, -1, NULL));
      g_string_append_printf (out, "%s %u %s %s\n", jkb_bms_get_id (bms),
                              jkb_bms_get_n_cells (bms), model, serial);
    }
  return g_string_free (out, FALSE);
}

static void
check_known (void)
{
  g_autoptr (JkbRegistry) registry = jkb_registry_new (fuzz_directory ());
  g_autoptr (JkbRegistry) again = jkb_registry_new (fuzz_directory ());
  g_autofree char *found = NULL, *found_again = NULL;

  jkb_registry_configure (registry, &config);
  jkb_registry_load (registry);
  found = describe (registry);
  jkb_registry_save (registry);
  jkb_registry_close (registry, 60000);
  jkb_registry_configure (again, &config);
  jkb_registry_load (again);
  found_again = describe (again);
  g_assert_cmpstr (found, ==, found_again);
}

static void
check_snapshots (void)
{
  g_autoptr (GVariant) list
      = g_variant_ref_sink (jkb_snapshot_list (fuzz_directory (), "garage_1"));
  g_autoptr (GError) error = NULL;
  guint8 frame[JKB_FRAME_SIZE];

  g_assert_true (g_variant_is_normal_form (list));
  g_assert_cmpuint (g_variant_n_children (list), <=, 1);
  if (jkb_snapshot_load (fuzz_directory (), "garage_1", SNAPSHOT, frame, &error))
    g_assert_cmpuint (jkb_sum8 (frame, 299), ==, frame[299]);
  else
    g_assert_nonnull (error);
}

static void
check_note (void)
{
  g_autoptr (GPtrArray) sentences = jkb_snapshot_take_interrupted (fuzz_directory ());

  g_assert_cmpuint (sentences->len, <=, 1);
  for (guint i = 0; i < sentences->len; i++)
    g_message ("%s", (const char *) sentences->pdata[i]);
  if (sentences->len > 0)
    g_assert_false (g_file_test (note_file, G_FILE_TEST_EXISTS));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  write_part (known_file, &data, &size);
  write_part (snapshot_file, &data, &size);
  write_part (note_file, &data, &size);
  check_known ();
  check_snapshots ();
  check_note ();
  return 0;
}
