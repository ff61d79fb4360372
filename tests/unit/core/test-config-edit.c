/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Changes at run time: what they make of the configuration, what is kept of them, what undoes them.
 * A restart is a load of what was written.
 */
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "core-fixture.h"
#include "core/jkb-config-edit.h"
#include "core/jkb-error.h"
#include "core/jkb-options.h"

#define ADMIN                                                                                      \
  "[daemon]\nlog-level=warning\n"                                                                  \
  "[bus a]\nuri=tcp:h:1\npoll-interval=3\n"                                                        \
  "[mqtt]\nuri=mqtt://broker\nusername=me\n"
#define OVERLAY "state/overrides.conf"

typedef struct
{
  char *directory;
  JkbConfig *config;
} Fixture;

static void
load (Fixture *f, const char *expected)
{
  g_autoptr (GPtrArray) problems = NULL;
  g_autofree char *found = NULL;

  jkb_config_free (f->config);
  f->config = fixture_load (f->directory, &problems);
  found = fixture_describe (problems);
  g_assert_cmpstr (found, ==, expected);
}

static void
set_up (Fixture *f, gconstpointer unused)
{
  f->directory = fixture_new_with (ADMIN);
  load (f, "");
}

static void
tear_down (Fixture *f, gconstpointer unused)
{
  jkb_config_free (f->config);
  fixture_free (f->directory);
}

/* ---- steps ---- */

static JkbConfigEdit *
begin (Fixture *f)
{
  return jkb_config_edit_new (f->config);
}

/* Takes @edit: its outcome is the configuration from now on, and on the disk. */
static void
keep (Fixture *f, JkbConfigEdit *edit)
{
  g_autofree char *state = g_build_filename (f->directory, "state", NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  JkbConfig *config = jkb_config_edit_finish (edit, &error);

  g_assert_no_error (error);
  jkb_config_edit_free (edit);
  text = jkb_overlay_to_text (config);
  g_mkdir_with_parents (state, 0700);
  g_assert_true (jkb_overlay_write (state, text, jkb_overlay_is_set_aside (f->config), &error));
  jkb_overlay_note_written (config);
  jkb_config_free (f->config);
  f->config = config;
}

static void
set (Fixture *f, const char *group, const char *key, const char *text)
{
  JkbConfigEdit *edit = begin (f);
  g_autoptr (GError) error = NULL;

  jkb_config_edit_set (edit, group, key, text, &error);
  g_assert_no_error (error);
  keep (f, edit);
}

static void
reset (Fixture *f, const char *group, const char *key)
{
  JkbConfigEdit *edit = begin (f);
  g_autoptr (GError) error = NULL;

  jkb_config_edit_reset (edit, group, key, &error);
  g_assert_no_error (error);
  keep (f, edit);
}

static void
remove_bus (Fixture *f, const char *name)
{
  JkbConfigEdit *edit = begin (f);
  g_autoptr (GError) error = NULL;

  jkb_config_edit_remove_bus (edit, name, &error);
  g_assert_no_error (error);
  keep (f, edit);
}

static void
add_bus (Fixture *f, const char *name, const char *uri)
{
  g_autofree char *group = g_strconcat ("bus ", name, NULL);
  JkbConfigEdit *edit = begin (f);
  g_autoptr (GError) error = NULL;

  jkb_config_edit_add_bus (edit, name, &error);
  g_assert_no_error (error);
  jkb_config_edit_set (edit, group, "uri", uri, &error);
  g_assert_no_error (error);
  keep (f, edit);
}

static char *
look_up (GVariant *all, const char *group, const char *key)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (all);
  g_autoptr (GVariant) keys = g_variant_lookup_value (dict, group, G_VARIANT_TYPE ("a{ss}"));
  char *text = NULL;

  if (keys != NULL)
    g_variant_lookup (keys, key, "s", &text);
  return text != NULL ? text : g_strdup ("absent");
}

static void
assert_value (Fixture *f, const char *group, const char *key, const char *value,
              const char *origin)
{
  g_autofree char *found = look_up (jkb_config_get_values (f->config), group, key);
  g_autofree char *from = look_up (jkb_config_get_origins (f->config), group, key);

  g_assert_cmpstr (found, ==, value);
  if (g_str_equal (origin, "file"))
    g_assert_nonnull (strstr (from, "jkbmsd.conf:"));
  else
    g_assert_cmpstr (from, ==, origin);
}

/* ---- what is changed ---- */

static void
test_set (Fixture *f, gconstpointer unused)
{
  set (f, "bus a", "poll-interval", "5");
  set (f, "mqtt", "topic-prefix", "shed");
  set (f, "bms a_1", "name", " Left \\ rack ");
  for (guint restart = 0; restart < 2; restart++)
    {
      assert_value (f, "bus a", "poll-interval", "5", "runtime");
      assert_value (f, "bus a", "uri", "tcp:h:1", "file");
      assert_value (f, "mqtt", "topic-prefix", "shed", "runtime");
      assert_value (f, "mqtt", "interval", "5", "default");
      assert_value (f, "bms a_1", "name", " Left \\ rack ", "runtime");
      load (f, "");
    }
}

static void
test_back_to_what_was (Fixture *f, gconstpointer unused)
{
  set (f, "bus a", "poll-interval", "5");
  set (f, "bus a", "poll-interval", "3");
  set (f, "mqtt", "interval", "7");
  set (f, "mqtt", "interval", "5");
  assert_value (f, "bus a", "poll-interval", "3", "file");
  assert_value (f, "mqtt", "interval", "5", "default");
}

static void
test_reset (Fixture *f, gconstpointer unused)
{
  set (f, "bus a", "poll-interval", "5");
  set (f, "bus a", "baud", "9600");
  set (f, "bms a_1", "name", "Left");
  reset (f, "bus a", "poll-interval");
  assert_value (f, "bus a", "poll-interval", "3", "file");
  assert_value (f, "bus a", "baud", "9600", "runtime");
  reset (f, "bus a", "");
  assert_value (f, "bus a", "baud", "115200", "default");
  reset (f, "bms a_1", "name");
  assert_value (f, "bms a_1", "name", "absent", "absent");
  reset (f, "mqtt", "interval"); /* nothing to drop */

  set (f, "bus a", "baud", "9600");
  add_bus (f, "b", "tcp:h:2");
  remove_bus (f, "a");
  reset (f, "", "");
  load (f, "");
  assert_value (f, "bus a", "baud", "115200", "default");
  assert_value (f, "bus b", "uri", "absent", "absent");
}

static void
test_add_bus (Fixture *f, gconstpointer unused)
{
  add_bus (f, "b", "tcp:h:2");
  set (f, "bus b", "mode", "poll");
  set (f, "bms b_1", "name", "Roof");
  load (f, "");
  assert_value (f, "bus b", "uri", "tcp:h:2", "runtime");
  assert_value (f, "bus b", "mode", "poll", "runtime");
  remove_bus (f, "b");
  load (f, "");
  assert_value (f, "bus b", "uri", "absent", "absent");
  assert_value (f, "bms b_1", "name", "absent", "absent");
}

static void
test_remove_admin_bus (Fixture *f, gconstpointer unused)
{
  set (f, "bus a", "poll-interval", "5");
  remove_bus (f, "a");
  load (f, "");
  assert_value (f, "bus a", "uri", "absent", "absent");

  /* A new one of that name is a new one. */
  add_bus (f, "a", "tcp:h:9");
  load (f, "");
  assert_value (f, "bus a", "uri", "tcp:h:9", "runtime");
  assert_value (f, "bus a", "poll-interval", "2", "runtime");
  remove_bus (f, "a");
  reset (f, "bus a", "");
  assert_value (f, "bus a", "uri", "tcp:h:1", "file");
  assert_value (f, "bus a", "poll-interval", "3", "file");
}

static void
test_removed_bus_is_edited (Fixture *f, gconstpointer unused)
{
  remove_bus (f, "a");
  fixture_put (f->directory, "jkbmsd.conf", "[bus a]\nuri=tcp:h:1\npoll-interval=4\n");
  load (f, "5: [bus a] was removed at runtime, but the configuration files have changed since; the "
           "files count");
  assert_value (f, "bus a", "poll-interval", "4", "file");
  g_assert_true (jkb_overlay_is_stale (f->config));
}

static void
test_admin_edit_wins_once (Fixture *f, gconstpointer unused)
{
  set (f, "bus a", "poll-interval", "5");
  set (f, "bus a", "baud", "9600");
  fixture_put (f->directory, "jkbmsd.conf", "[bus a]\nuri=tcp:h:1\npoll-interval=4\n");
  load (f, "6: poll-interval in [bus a] was changed at runtime, but the configuration files have "
           "changed since; the files count");
  assert_value (f, "bus a", "poll-interval", "4", "file");
  assert_value (f, "bus a", "baud", "9600", "runtime");
  g_assert_true (jkb_overlay_is_stale (f->config));
  keep (f, begin (f));
  load (f, "");
  assert_value (f, "bus a", "poll-interval", "4", "file");
  assert_value (f, "bus a", "baud", "9600", "runtime");
}

/* A mistake in the files may hide what an override was made for: nothing is given up for good. */
static void
test_broken_files_cost_nothing (Fixture *f, gconstpointer unused)
{
  set (f, "bus a", "poll-interval", "5");
  fixture_put (f->directory, "jkbmsd.conf", "[bus a]\nuri=tcp:h:1\npoll-interval 3\n");
  {
    g_autoptr (GPtrArray) problems = NULL;

    jkb_config_free (f->config);
    f->config = fixture_load (f->directory, &problems);
    g_assert_true (jkb_problems_have_error (problems));
  }
  g_assert_false (jkb_overlay_is_stale (f->config));
  fixture_put (f->directory, "jkbmsd.conf", ADMIN);
  load (f, "");
  assert_value (f, "bus a", "poll-interval", "5", "runtime");
}

/* ---- what is set aside ---- */

typedef struct
{
  const char *name, *overlay, *message;
} AsideCase;

static const AsideCase aside_cases[] = {
  { "newer", "[overrides]\nformat=2\n[bus a]\npoll-interval=5\n",
    "2: the runtime changes have a format other than 1, of a newer jkbmsd perhaps; they are set "
    "aside" },
  { "no-format", "[bus a]\npoll-interval=5\n",
    "0: the runtime changes do not tell their format; they are set aside" },
  { "empty", "", "0: the runtime changes do not tell their format; they are set aside" },
  { "damaged", "[overrides]\nformat=1\n[bus a]\npoll-interval=5\nbau",
    "5: the runtime changes are damaged and are set aside: this is no KEY=VALUE; a line without = "
    "must be [GROUP] or begin with #" },
};

static void
test_set_aside (gconstpointer data)
{
  const AsideCase *c = data;
  Fixture f = { 0 };
  g_autofree char *kept = NULL, *path = NULL;

  set_up (&f, NULL);
  fixture_put (f.directory, OVERLAY, c->overlay);
  load (&f, c->message);
  assert_value (&f, "bus a", "poll-interval", "3", "file");

  set (&f, "bus a", "baud", "9600");
  path = g_build_filename (f.directory, OVERLAY ".set-aside", NULL);
  g_assert_true (g_file_get_contents (path, &kept, NULL, NULL));
  g_assert_cmpstr (kept, ==, c->overlay);
  load (&f, "");
  assert_value (&f, "bus a", "baud", "9600", "runtime");
  tear_down (&f, NULL);
}

/* ---- what is refused ---- */

typedef struct
{
  const char *name, *group, *key, *text;
  JkbError code;
  const char *message;
} RefusedCase;

static const RefusedCase refused_cases[] = {
  { "range", "bus a", "poll-interval", "0", JKB_ERROR_OUT_OF_RANGE,
    "poll-interval=0 is outside 0.1..3600 seconds; the default is 2" },
  { "number", "bus a", "baud", "fast", JKB_ERROR_INVALID_ARGUMENT,
    "baud=fast is not a number; write 1200..4000000 Bd; the default is 115200" },
  { "key", "bus a", "pol-interval", "5", JKB_ERROR_NOT_FOUND,
    "unknown key pol-interval in [bus a]; did you mean poll-interval?" },
  { "group", "bus c", "baud", "9600", JKB_ERROR_NOT_FOUND,
    "there is no [bus c]; add the bus first, or correct the name" },
  { "kind", "busses", "baud", "9600", JKB_ERROR_NOT_FOUND, NULL },
  { "access", "writes", "access", "protection", JKB_ERROR_READ_ONLY,
    "access in [writes] is set in configuration files only; write it there and reload" },
  { "commands", "mqtt", "commands", "switches", JKB_ERROR_READ_ONLY, NULL },
  { "password-file", "mqtt", "password-file", "/x", JKB_ERROR_READ_ONLY, NULL },
  { "no-uri", "bus a", "uri", "", JKB_ERROR_INVALID_ARGUMENT,
    "[bus a] has no uri; add uri=serial:/dev/serial/by-id/NAME or uri=tcp:HOST:PORT" },
  { "user-in-uri", "mqtt", "uri", "mqtt://me:CANARY@broker", JKB_ERROR_INVALID_ARGUMENT, NULL },
  { "user-in-bus", "bus a", "uri", "tcp:me:CANARY@h:1", JKB_ERROR_INVALID_ARGUMENT, NULL },
  { "pair", "bus a", "reconnect-min", "60", JKB_ERROR_INVALID_ARGUMENT,
    "reconnect-min=60 is above reconnect-max=30; raise the latter or lower the former" },
  { "no-broker", "mqtt", "uri", "", JKB_ERROR_INVALID_ARGUMENT,
    "enabled=true without a broker; add uri=mqtt://HOST" },
};

static void
test_refused (gconstpointer data)
{
  const RefusedCase *c = data;
  g_autoptr (JkbConfig) config = NULL;
  g_autoptr (JkbConfigEdit) edit = NULL;
  g_autoptr (GError) error = NULL;
  Fixture f = { 0 };

  set_up (&f, NULL);
  set (&f, "mqtt", "enabled", "true");
  edit = begin (&f);
  if (jkb_config_edit_set (edit, c->group, c->key, c->text, &error))
    config = jkb_config_edit_finish (edit, &error);
  g_assert_null (config);
  g_assert_error (error, JKB_ERROR, (int) c->code);
  g_assert_null (strstr (error->message, "CANARY"));
  if (c->message != NULL)
    g_assert_cmpstr (error->message, ==, c->message);
  tear_down (&f, NULL);
}

static void
test_refused_bus (Fixture *f, gconstpointer unused)
{
  g_autoptr (JkbConfigEdit) edit = begin (f);
  g_autoptr (JkbConfigEdit) other = begin (f);
  g_autoptr (GError) exists = NULL, name = NULL, absent = NULL, same = NULL, no_uri = NULL;

  g_assert_false (jkb_config_edit_add_bus (edit, "a", &exists));
  g_assert_error (exists, JKB_ERROR, JKB_ERROR_EXISTS);
  g_assert_false (jkb_config_edit_add_bus (edit, "Shed 2", &name));
  g_assert_error (name, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
  g_assert_false (jkb_config_edit_remove_bus (edit, "shed", &absent));
  g_assert_error (absent, JKB_ERROR, JKB_ERROR_NOT_FOUND);
  g_assert_true (jkb_config_edit_add_bus (edit, "shed", NULL));
  g_assert_true (jkb_config_edit_set (edit, "bus shed", "uri", "tcp:H:1", NULL));
  g_assert_null (jkb_config_edit_finish (edit, &same));
  g_assert_error (same, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (same->message, "is the same gateway as that of [bus a]"));
  g_assert_true (jkb_config_edit_add_bus (other, "shed", NULL));
  g_assert_null (jkb_config_edit_finish (other, &no_uri));
  g_assert_error (no_uri, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
}

/* What was wrong before does not stand in the way of other changes. */
static void
test_old_mistakes (Fixture *f, gconstpointer unused)
{
  fixture_put (f->directory, "jkbmsd.conf", "[bus a]\nuri=tcp:h:1\nreconnect-min=90\n");
  load (f, "3: reconnect-min=90 is above reconnect-max=30; raise the latter or lower the former");
  set (f, "bus a", "baud", "9600");
  set (f, "bus a", "reconnect-max", "100");
  load (f, "");
}

/* Keys that need each other come one by one. */
static void
test_pairs (Fixture *f, gconstpointer unused)
{
  set (f, "mqtt", "cert-file", "/nonexistent/cert.pem");
  set (f, "mqtt", "key-file", "/nonexistent/key.pem");
  assert_value (f, "mqtt", "cert-file", "/nonexistent/cert.pem", "runtime");
}

/* ---- the password ---- */

static void
test_password (Fixture *f, gconstpointer unused)
{
  g_autofree char *state = g_build_filename (f->directory, "state", NULL);
  g_autofree char *path = jkb_password_store_path (state);
  g_autofree char *overlay = NULL;
  JkbConfigEdit *edit = begin (f);
  g_autoptr (GError) error = NULL;
  char *password;
  struct stat st;

  g_mkdir_with_parents (state, 0700);
  g_assert_true (jkb_password_store_write (state, "CANARY", &error));
  jkb_config_edit_set_password_file (edit, path);
  keep (f, edit);
  g_assert_cmpint (stat (path, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 07777, ==, 0600);
  load (f, "");
  password = jkb_mqtt_config_load_password (&f->config->mqtt, &error);
  g_assert_cmpstr (password, ==, "CANARY");
  g_free (password);
  assert_value (f, "mqtt", "password-file", path, "runtime");
  overlay = jkb_overlay_to_text (f->config);
  g_assert_null (strstr (overlay, "CANARY"));

  /* The admin's credential counts again when it is changed. */
  fixture_put (f->directory, "jkbmsd.conf", ADMIN "password-credential=broker\n");
  load (f, "6: password-file in [mqtt] was changed at runtime, but the configuration files have "
           "changed since; the files count");
  g_assert_cmpstr (f->config->mqtt.password_file, ==, "");
}

static void
test_clean (Fixture *f, gconstpointer unused)
{
  g_autofree char *state = g_build_filename (f->directory, "state", NULL);
  g_autofree char *left = g_build_filename (state, "overrides.conf.A1B2C3", NULL);
  g_autofree char *aside = g_build_filename (state, "overrides.conf.set-aside", NULL);

  fixture_put (f->directory, "state/overrides.conf.A1B2C3", "half");
  fixture_put (f->directory, "state/overrides.conf.set-aside", "whole");
  jkb_overlay_clean (state);
  g_assert_false (g_file_test (left, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_test (aside, G_FILE_TEST_EXISTS));
}

/* ---- D-Bus values ---- */

static void
assert_text (const char *group, const char *key, GVariant *value, const char *expected)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autoptr (GError) error = NULL;
  g_autofree char *text
      = jkb_option_text_from_variant (jkb_option_find (group, key), owned, &error);

  g_assert_cmpstr (text, ==, expected);
  if (expected == NULL)
    g_assert_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
}

static void
test_from_variant (void)
{
  assert_text ("bus a", "baud", g_variant_new_uint32 (9600), "9600");
  assert_text ("bus a", "baud", g_variant_new_double (9600), "9600");
  assert_text ("bus a", "poll-interval", g_variant_new_double (0.12), "0.12");
  assert_text ("bus a", "poll-interval", g_variant_new_double (1e12), "1000000000000");
  assert_text ("bus a", "poll-interval", g_variant_new_double (-1), "-1");
  assert_text ("bus a", "poll-interval", g_variant_new_double (NAN), NULL);
  assert_text ("bus a", "poll-interval", g_variant_new_double (INFINITY), NULL);
  assert_text ("bus a", "poll-interval", g_variant_new_string ("4"), "4");
  assert_text ("bus a", "reply-timeout", g_variant_new_double (-1), "auto");
  assert_text ("bus a", "reply-timeout", g_variant_new_double (0), "auto");
  assert_text ("bus a", "enabled", g_variant_new_boolean (FALSE), "false");
  assert_text ("bus a", "enabled", g_variant_new_uint32 (1), "true");
  assert_text ("bus a", "enabled", g_variant_new_string ("maybe"), "maybe");
  assert_text ("bus a", "mode", g_variant_new_variant (g_variant_new_string ("poll")), "poll");
  assert_text ("bus a", "mode", g_variant_new_strv (NULL, 0), NULL);
}

#define ADD(name, func) g_test_add ("/edit/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  jkb_error_quark ();
  ADD ("set", test_set);
  ADD ("back", test_back_to_what_was);
  ADD ("reset", test_reset);
  ADD ("add-bus", test_add_bus);
  ADD ("remove-bus", test_remove_admin_bus);
  ADD ("removed-bus-edited", test_removed_bus_is_edited);
  ADD ("admin-wins", test_admin_edit_wins_once);
  ADD ("broken-files", test_broken_files_cost_nothing);
  ADD ("refused-bus", test_refused_bus);
  ADD ("old-mistakes", test_old_mistakes);
  ADD ("pairs", test_pairs);
  ADD ("password", test_password);
  ADD ("clean", test_clean);
  g_test_add_func ("/edit/from-variant", test_from_variant);
  for (guint i = 0; i < G_N_ELEMENTS (aside_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/edit/aside/", aside_cases[i].name, NULL);

      g_test_add_data_func (path, &aside_cases[i], test_set_aside);
    }
  for (guint i = 0; i < G_N_ELEMENTS (refused_cases); i++)
    {
      g_autofree char *path = g_strconcat ("/edit/refused/", refused_cases[i].name, NULL);

      g_test_add_data_func (path, &refused_cases[i], test_refused);
    }
  return g_test_run ();
}
