/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * "jkbmsctl apply": a BMS with any settings up to the first separator, then a file of settings from
 * anybody. What a BMS's own export says changes nothing; what is taken from the file can be shown.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/jkb-ctl-settings-file.h"
#include "fuzz-input.h"
#include "made-frame.h"
#include "wire/jkb-decode.h"

static JkbCtlBms bms
    = { .id = (char *) "garage_1", .name = (char *) "Rack", .bus = (char *) "garage" };
static JkbCtl ctl = { .bus_type = G_BUS_TYPE_NONE, .address = (char *) "unix:path=/nowhere" };
static char *file;
static const char *numbers;
static gsize numbers_left;

static void
print_nothing (const char *text)
{
  g_assert_true (g_utf8_validate (text, -1, NULL));
}

/* One line each, and nothing that a terminal obeys. */
static void
print_problem (const char *text)
{
  const char *end = strchr (text, '\n');

  g_assert_true (g_utf8_validate (text, -1, NULL));
  g_assert_true (end != NULL && end[1] == '\0');
  for (const char *c = text; c < end; c = g_utf8_next_char (c))
    g_assert_false (g_unichar_iscntrl (g_utf8_get_char (c)));
}

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  file = g_build_filename (fuzz_directory (), "settings.conf", NULL);
  g_set_print_handler (print_nothing);
  g_set_printerr_handler (print_problem);
  return 0;
}

static guint32
next_number (void)
{
  guint32 number = 0;
  gsize n = MIN (numbers_left, sizeof number);

  memcpy (&number, numbers, n);
  numbers += n;
  numbers_left -= n;
  return number;
}

static void
make_bms (const char *text, gsize length)
{
  guint8 frame[JKB_FRAME_SIZE];
  JkbValues wanted;

  numbers = text;
  numbers_left = length;
  made_frame_fill (JKB_GROUP_SETTINGS, frame, &wanted, next_number);
  bms.heard[JKB_GROUP_SETTINGS] = jkb_decode (frame, &bms.values[JKB_GROUP_SETTINGS]);
  jkb_plausible_values (frame, &bms.values[JKB_GROUP_SETTINGS]);
}

static void
check_own_export (void)
{
  g_autoptr (GString) text = jkb_ctl_settings_file_text (&bms);
  g_autoptr (JkbCtlPlan) plan = jkb_ctl_plan_new (&bms);
  int status = 0;

  jkb_ctl_settings_file_add (plan, "export", text->str);
  if (jkb_ctl_plan_get_size (plan) != 0 || !jkb_ctl_plan_check (plan, &ctl, &status))
    g_error ("its own settings would be changed (%u of them, status %d):\n%s",
             jkb_ctl_plan_get_size (plan), status, text->str);
}

static void
check_file (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = jkb_ctl_settings_file_read (file, &error);
  g_autoptr (JkbCtlPlan) plan = jkb_ctl_plan_new (&bms);
  int status = 0;

  g_assert_true ((text == NULL) == (error != NULL));
  if (text == NULL)
    return;
  jkb_ctl_settings_file_add (plan, file, text);
  jkb_ctl_plan_print (plan, &ctl);
  jkb_ctl_plan_print_requests (plan, &ctl);
  if (jkb_ctl_plan_get_size (plan) == 0 && !jkb_ctl_plan_check (plan, &ctl, &status))
    g_assert_cmpint (status, >, 0);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  gsize n_numbers;
  g_autofree char *settings = fuzz_take_part (&data, &size, &n_numbers);

  make_bms (settings, n_numbers);
  fuzz_write_file (file, data, size);
  check_own_export ();
  check_file ();
  return 0;
}
