/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Layers, defaults, the example file, passwords, and the option table itself.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "core-fixture.h"
#include "core/jkb-error.h"
#include "core/jkb-options.h"

static JkbConfig *
load_good (const char *directory)
{
  g_autoptr(GPtrArray) problems = NULL;
  JkbConfig *config = fixture_load (directory, &problems);
  g_autofree char *found = fixture_describe (problems);

  g_assert_cmpstr (found, ==, "");
  return config;
}

/* ---- values --------------------------------------------------------------------------------- */

static void
test_defaults (void)
{
  char *directory = fixture_new_with ("[bus a]\nuri=tcp:h:1\n");
  g_autoptr(JkbConfig) config = load_good (directory);
  const JkbBusConfig *bus = jkb_config_find_bus (config, "a");

  g_assert_cmpstr (config->daemon.log_level, ==, "info");
  g_assert_cmpstr (config->daemon.language, ==, "en");
  g_assert_cmpfloat (config->daemon.dbus_interval, ==, 1);
  g_assert_cmpstr (config->daemon.instance, ==, "");
  g_assert_cmpuint (bus->baud, ==, 115200);
  g_assert_cmpint (bus->mode, ==, JKB_MODE_AUTO);
  g_assert_cmpuint (bus->address_mask, ==, 0xFFFF);
  g_assert_cmpfloat (bus->reply_timeout, ==, JKB_AUTO_SECONDS);
  g_assert_cmpfloat (bus->command_gap, ==, 0.12);
  g_assert_true (bus->enabled);
  g_assert_false (config->mqtt.enabled);
  g_assert_cmpint (config->mqtt.commands, ==, JKB_TIER_NONE);
  g_assert_cmpuint (config->mqtt.queue_max, ==, 1000);
  g_assert_cmpint (config->homeassistant.entities, ==, JKB_ENTITIES_STANDARD);
  g_assert_cmpint (config->writes.access, ==, JKB_TIER_NONE);
  g_assert_null (jkb_config_find_bms (config, "a_1"));
  fixture_free (directory);
}

static const char everything[]
    = "\xef\xbb\xbf[daemon]\r\nlog-level = debug\r\n"
      "[bus garage]\nuri=tcp:[fe80::1%eth0]:502\nmode=listen\naddresses=0, 2,4-6\n"
      "reply-timeout=1.5\nenabled=0\n"
      "[bms garage_1]\nname=Left rack \\\\ 左\ninclude-in-bank=false\n"
      "[mqtt]\nuri=mqtts://broker:8884\nusername=me\ncommands=switches\n"
      "[bank house]\nmembers=garage_2; garage_4;\nrequire=quorum\n"
      "[writes]\naccess=basic\n";

static void
test_values (void)
{
  char *directory = fixture_new_with (everything);
  g_autoptr(GPtrArray) problems = NULL;
  g_autoptr(JkbConfig) config = fixture_load (directory, &problems);
  const JkbBusConfig *bus = jkb_config_find_bus (config, "garage");
  const JkbBmsConfig *bms = jkb_config_find_bms (config, "garage_1");
  const JkbBankConfig *bank = g_ptr_array_index (config->banks, 0);
  g_autoptr(JkbBusConfig) copy = NULL;

  g_assert_cmpuint (problems->len, ==, 1); /* garage_1 is not among the addresses */
  g_assert_cmpstr (config->daemon.log_level, ==, "debug");
  g_assert_cmpuint (bus->address_mask, ==, 0x75);
  g_assert_cmpfloat (bus->reply_timeout, ==, 1.5);
  g_assert_false (bus->enabled);
  g_assert_cmpstr (bms->name, ==, "Left rack \\ 左");
  g_assert_cmpint (bms->include_in_bank, ==, JKB_AUTO_FALSE);
  g_assert_true (config->mqtt.enabled);
  g_assert_cmpint (config->mqtt.commands, ==, JKB_TIER_SWITCHES);
  g_assert_cmpstr (bank->members[0], ==, "garage_2");
  g_assert_cmpstr (bank->members[1], ==, "garage_4");
  g_assert_null (bank->members[2]);
  g_assert_cmpint (bank->require, ==, JKB_REQUIRE_QUORUM);

  copy = jkb_bus_config_copy (bus);
  g_assert_cmpstr (copy->name, ==, "garage");
  g_assert_cmpstr (copy->uri, ==, "tcp:[fe80::1%eth0]:502");
  g_assert_true (copy->uri != bus->uri);
  g_assert_cmpuint (copy->address_mask, ==, 0x75);
  g_assert_cmpint (copy->mode, ==, JKB_MODE_LISTEN);
  fixture_free (directory);
}

/* A mistake never lets the daemon do more than was meant. */
static void
test_safe (void)
{
  char *directory = fixture_new_with ("[bus a]\nuri=tcp:h:1\nmode=lisen\nenabled=no\n"
                                      "[mqtt]\nuri=mqtt://h\nenabled=off\ncommands=protection\n"
                                      "[writes]\naccess=all\n");
  g_autoptr(GPtrArray) problems = NULL;
  g_autoptr(JkbConfig) config = fixture_load (directory, &problems);
  const JkbBusConfig *bus = jkb_config_find_bus (config, "a");

  g_assert_cmpuint (problems->len, ==, 5);
  g_assert_cmpint (bus->mode, ==, JKB_MODE_LISTEN);
  g_assert_false (bus->enabled);
  g_assert_false (config->mqtt.enabled);
  g_assert_cmpint (config->mqtt.commands, ==, JKB_TIER_NONE);
  g_assert_cmpint (config->writes.access, ==, JKB_TIER_NONE);
  fixture_free (directory);
}

/* What GKeyFile reads, we read. */
static void
test_same_as_key_file (void)
{
  char *directory = fixture_new ();
  g_autofree char *path = fixture_write (directory, "jkbmsd.conf",
                                         "  [bms a_1]\n\tname \t=  a\\sb=c[d]#e ; f\n# c\n\n"
                                         "[bus a]\nuri=tcp:h:1\n");
  g_autoptr(GKeyFile) file = g_key_file_new ();
  g_autoptr(JkbConfig) config = load_good (directory);
  g_autofree char *expected = NULL;

  g_assert_true (g_key_file_load_from_file (file, path, G_KEY_FILE_NONE, NULL));
  expected = g_key_file_get_string (file, "bms a_1", "name", NULL);
  g_assert_cmpstr (jkb_config_find_bms (config, "a_1")->name, ==, expected);
  fixture_free (directory);
}

/* ---- layers --------------------------------------------------------------------------------- */

static const char *
origin (JkbConfig *config, const char *group, const char *key)
{
  static char *text = NULL;
  g_autoptr(GVariant) origins = g_variant_ref_sink (jkb_config_get_origins (config));
  g_autoptr(GVariant) keys = g_variant_lookup_value (origins, group, G_VARIANT_TYPE ("a{ss}"));

  g_clear_pointer (&text, g_free);
  g_assert_true (g_variant_lookup (keys, key, "s", &text));
  return text;
}

static void
test_layers (void)
{
  char *directory = fixture_new_with ("[bus a]\nuri=tcp:h:1\nbaud=9600\npoll-interval=3\n");
  g_autofree char *second = fixture_write (directory, "conf.d/20.conf", "[bus a]\nbaud=19200\n");
  fixture_put (directory, "conf.d/10.conf", "[bus a]\nbaud=1200\nmode=poll\n");
  fixture_put (
      directory, "state/overrides.conf",
      "[overrides]\nformat=1\n[bus a]\npoll-interval=5\n[replaced bus a]\npoll-interval=3\n"
      "[bus b]\nuri=tcp:h:2\n");
  g_autoptr(JkbConfig) config = load_good (directory);
  const JkbBusConfig *bus = jkb_config_find_bus (config, "a");
  g_autofree char *expected = g_strconcat (second, ":2", NULL);

  g_assert_cmpuint (bus->baud, ==, 19200);
  g_assert_cmpint (bus->mode, ==, JKB_MODE_POLL);
  g_assert_cmpfloat (bus->poll_interval, ==, 5);
  g_assert_nonnull (jkb_config_find_bus (config, "b"));
  g_assert_cmpstr (origin (config, "bus a", "baud"), ==, expected);
  g_assert_cmpstr (origin (config, "bus a", "poll-interval"), ==, "runtime");
  g_assert_cmpstr (origin (config, "bus a", "enabled"), ==, "default");
  fixture_free (directory);
}

typedef struct
{
  const char *name, *overlay, *message;
  double poll_interval;
} OverlayCase;

static const OverlayCase overlays[] = {
  { "newer-format", "[overrides]\nformat=2\n[bus a]\npoll-interval=5\n",
    "2: the runtime changes have a format other than 1, of a newer jkbmsd perhaps; they are set "
    "aside",
    3 },
  { "no-format", "[bus a]\npoll-interval=5\n",
    "0: the runtime changes do not tell their format; they are set aside", 3 },
  { "admin-changed", "[overrides]\nformat=1\n[bus a]\npoll-interval=5\n[replaced bus a]\n"
                     "poll-interval=4\n",
    "4: poll-interval in [bus a] was changed at runtime, but the configuration files have changed "
    "since; the files count",
    3 },
  { "admin-set-it-since", "[overrides]\nformat=1\n[bus a]\npoll-interval=5\n",
    "4: poll-interval in [bus a] was changed at runtime, but the configuration files have changed "
    "since; the files count",
    3 },
  { "files-only", "[overrides]\nformat=1\n[writes]\naccess=protection\n",
    "4: access is set in configuration files only; the override is left out", 3 },
  { "bad-value", "[overrides]\nformat=1\n[bus a]\npoll-interval=-5\n[replaced bus a]\n"
                 "poll-interval=3\n",
    "4: poll-interval=-5 is outside 0.1..3600 seconds; the default is 2", 3 },
  { "bus-gone", "[overrides]\nformat=1\n[bus b]\nbaud=9600\n",
    "3: [bus b] has no uri; add uri=serial:/dev/serial/by-id/NAME or uri=tcp:HOST:PORT", 3 },
};

/* Nobody wrote the overlay by hand: what is wrong with it never stops the daemon. */
static void
test_overlay (gconstpointer data)
{
  const OverlayCase *c = data;
  char *directory = fixture_new_with ("[bus a]\nuri=tcp:h:1\npoll-interval=3\n");
  g_autofree char *overlay = fixture_write (directory, "state/overrides.conf", c->overlay);
  g_autoptr(GPtrArray) problems = NULL;
  g_autoptr(JkbConfig) config = fixture_load (directory, &problems);
  g_autofree char *found = fixture_describe (problems);
  const JkbProblem *problem = g_ptr_array_index (problems, 0);

  g_assert_cmpstr (found, ==, c->message);
  g_assert_cmpint (problem->level, ==, JKB_PROBLEM_WARNING);
  g_assert_cmpstr (problem->file, ==, overlay);
  g_assert_cmpfloat (jkb_config_find_bus (config, "a")->poll_interval, ==, c->poll_interval);
  g_assert_cmpint (config->writes.access, ==, JKB_TIER_NONE);
  fixture_free (directory);
}

static void
test_absent_default (void)
{
  char *directory = fixture_new ();
  g_autofree char *path = g_build_filename (directory, "jkbmsd.conf", NULL);
  g_autoptr(GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr(JkbConfig) config = jkb_config_load (path, FALSE, NULL, problems);

  g_assert_cmpuint (problems->len, ==, 0);
  g_assert_cmpuint (config->buses->len, ==, 0);
  fixture_free (directory);
}

/* ---- the check ------------------------------------------------------------------------------ */

static char *
run_check (const char *directory, int *status)
{
  g_autofree char *file = g_build_filename (directory, "jkbmsd.conf", NULL);
  char *text = NULL;
  gsize length = 0;
  FILE *out = open_memstream (&text, &length);

  *status = jkb_config_check (file, TRUE, NULL, out);
  fclose (out);
  return text;
}

static void
test_check (void)
{
  char *directory = fixture_new ();
  g_autofree char *path = fixture_write (directory, "jkbmsd.conf",
                                         "[bus a]\nuri=tcp:h:1\n[mqtt]\nuri=mqtt://b\n");
  g_autofree char *good = g_strdup_printf ("%s: all is well; 1 bus, MQTT mqtt://b\n", path);
  g_autofree char *bad = g_strdup_printf ("%s:2: unknown key lanuage in [daemon]; did you mean "
                                          "language?\n",
                                          path);
  int status;
  char *text = run_check (directory, &status);

  g_assert_cmpstr (text, ==, good);
  g_assert_cmpint (status, ==, 0);
  free (text);
  g_free (fixture_write (directory, "jkbmsd.conf", "[daemon]\nlanuage=de\n"));
  text = run_check (directory, &status);
  g_assert_cmpstr (text, ==, bad);
  g_assert_cmpint (status, ==, 1);
  free (text);
  fixture_free (directory);
}

/* ---- the example file ----------------------------------------------------------------------- */

/* Finds "#key=value" below "[group" in the example. */
static char *
find_in_example (const char *example, const JkbOption *option)
{
  g_auto(GStrv) lines = g_strsplit (example, "\n", -1);
  g_autofree char *prefix = g_strdup_printf ("#%s=", option->key);
  g_autofree char *group = g_strdup_printf ("[%s", jkb_section_name (option->section));
  gboolean inside = FALSE;

  for (char **line = lines; *line != NULL; line++)
    {
      if ((*line)[0] == '[' || g_str_has_prefix (*line, "#["))
        inside = g_str_has_prefix (*line + ((*line)[0] == '#'), group);
      else if (inside && g_str_has_prefix (*line, prefix))
        return g_strdup (*line + strlen (prefix));
    }
  return NULL;
}

static char *
read_example (void)
{
  g_autofree char *path
      = g_build_filename (g_getenv ("JKB_SOURCE_ROOT"), "data", "jkbmsd.conf", NULL);
  char *text = NULL;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  return text;
}

static void
test_example_has_all (void)
{
  g_autofree char *example = read_example ();
  guint n;
  const JkbOption *options = jkb_options (&n);

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *value = find_in_example (example, &options[i]);
      gboolean illustrates = g_str_equal (options[i].key, "uri")
                             || g_str_equal (options[i].key, "name")
                             || options[i].fallback == NULL;

      if (value == NULL || !(illustrates || g_str_equal (value, options[i].fallback)))
        g_error ("the example has %s=%s in [%s]", options[i].key, value,
                 jkb_section_name (options[i].section));
    }
}

static void
test_example_is_good (void)
{
  char *directory = fixture_new ();
  g_autofree char *example = read_example ();
  fixture_put (directory, "jkbmsd.conf", example);
  g_autoptr(JkbConfig) config = load_good (directory);
  g_autoptr(GRegex) comment = g_regex_new ("^#(?=[a-z\\[])", G_REGEX_MULTILINE, 0, NULL);
  g_autofree char *open = g_regex_replace_literal (comment, example, -1, 0, "", 0, NULL);
  fixture_put (directory, "jkbmsd.conf", open);
  g_autoptr(JkbConfig) all = load_good (directory);

  g_assert_cmpuint (config->buses->len, ==, 0);
  g_assert_false (config->mqtt.enabled);
  g_assert_cmpuint (all->buses->len, ==, 1);
  g_assert_cmpuint (all->bms->len, ==, 1);
  g_assert_cmpuint (all->banks->len, ==, 1);
  fixture_free (directory);
}

/* ---- the table ------------------------------------------------------------------------------ */

static void
check_row (const JkbOption *option)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *range = jkb_option_describe_range (option);
  g_autofree char *property = jkb_option_property_name (option);

  g_assert_true (option->help != NULL && strchr (option->help, '\n') == NULL);
  g_assert_nonnull (jkb_option_describe_default (option));
  g_assert_true (g_ascii_isupper (property[0]) && strchr (property, '-') == NULL);
  g_assert_cmpint (strlen (range), >, 0);
  if (option->type == JKB_OPTION_UINT || option->type == JKB_OPTION_SECONDS)
    g_assert_cmpfloat (option->min, <, option->max);
  if (option->fallback != NULL)
    g_assert_true (jkb_option_set (option, NULL, option->fallback, &error));
  g_assert_no_error (error);
}

static void
test_table (void)
{
  guint n;
  const JkbOption *options = jkb_options (&n);

  for (guint i = 0; i < n; i++)
    {
      check_row (&options[i]);
      g_assert_true (jkb_section_find_option (options[i].section, options[i].key) == &options[i]);
    }
  g_assert_nonnull (jkb_option_find ("bus garage", "baud"));
  g_assert_null (jkb_option_find ("bus garage", "access"));
  g_assert_null (jkb_option_find ("nonsense", "baud"));
}

static void
test_value_and_text (void)
{
  JkbBusConfig *bus = g_new0 (JkbBusConfig, 1);
  const JkbOption *gap = jkb_option_find ("bus a", "command-gap");
  const JkbOption *timeout = jkb_option_find ("bus a", "reply-timeout");
  g_autoptr(GError) error = NULL;
  g_autofree char *text = NULL;
  g_autofree char *automatic = NULL;
  g_autoptr(GVariant) value = NULL;

  jkb_section_init (JKB_SECTION_BUS, bus);
  g_assert_true (jkb_option_set (gap, bus, "0.25", NULL));
  text = jkb_option_get (gap, bus);
  g_assert_cmpstr (text, ==, "0.25");
  automatic = jkb_option_get (timeout, bus);
  g_assert_cmpstr (automatic, ==, "auto");
  value = g_variant_ref_sink (jkb_option_to_variant (gap, bus));
  g_assert_cmpstr (g_variant_get_type_string (value), ==, jkb_option_signature (gap));
  g_assert_false (jkb_option_set (gap, bus, "11", &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_OUT_OF_RANGE);
  g_assert_cmpfloat (bus->command_gap, ==, 0.25);
  jkb_bus_config_free (bus);
}

/* ---- passwords ------------------------------------------------------------------------------ */

typedef struct
{
  const char *name, *text, *password, *message;
  int mode;
} PasswordCase;

static const PasswordCase passwords[] = {
  { "newline", "s3cret\n", "s3cret", NULL, 0600 },
  { "plain", "s3cret", "s3cret", NULL, 0640 },
  { "two-newlines", "s3cret\n\n", "s3cret\n", NULL, 0600 },
  { "empty", "\n", NULL, "password-file=@DIR@/password is empty; write the password into it", 0600 },
  { "open", "s3cret", NULL,
    "password-file=@DIR@/password is open to every user (mode 0604); run: chmod o= @DIR@/password",
    0604 },
};

static void
test_password (gconstpointer data)
{
  const PasswordCase *c = data;
  char *directory = fixture_new ();
  g_autofree char *file = fixture_write (directory, "password", c->text);
  g_autofree char *message = c->message ? fixture_expand (directory, c->message) : NULL;
  JkbMqttConfig *mqtt = g_new0 (JkbMqttConfig, 1);
  g_autoptr(GError) error = NULL;
  g_autofree char *password = NULL;

  g_assert_cmpint (g_chmod (file, c->mode), ==, 0);
  jkb_section_init (JKB_SECTION_MQTT, mqtt);
  g_assert_true (jkb_option_set (jkb_option_find ("mqtt", "password-file"), mqtt, file, NULL));
  password = jkb_mqtt_config_load_password (mqtt, &error);
  g_assert_cmpstr (password, ==, c->password);
  g_assert_cmpstr (error != NULL ? error->message : NULL, ==, message);
  jkb_mqtt_config_free (mqtt);
  fixture_free (directory);
}

static void
test_long_password (void)
{
  char *directory = fixture_new ();
  g_autofree char *text = g_strnfill (4097, 'x');
  g_autofree char *file = fixture_write (directory, "password", text);
  JkbMqttConfig mqtt = { .password_file = file };
  g_autoptr(GError) error = NULL;
  char *password;

  g_assert_cmpint (g_chmod (file, 0600), ==, 0);
  g_assert_null (jkb_mqtt_config_load_password (&mqtt, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT);
  text[4096] = '\n';
  g_assert_true (g_file_set_contents_full (file, text, 4097, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
  password = jkb_mqtt_config_load_password (&mqtt, NULL);
  g_assert_cmpuint (strlen (password), ==, 4096);
  g_free (password);
  fixture_free (directory);
}

static void
test_credential (void)
{
  char *directory = fixture_new ();
  fixture_put (directory, JKB_DEFAULT_CREDENTIAL, "usual\n");
  fixture_put (directory, "broker", "named");
  JkbMqttConfig mqtt = { .password_file = (char *) "", .password_credential = (char *) "" };
  g_autoptr(GError) error = NULL;
  g_autoptr(GError) outside = NULL;
  char *password;

  g_setenv ("CREDENTIALS_DIRECTORY", directory, TRUE);
  password = jkb_mqtt_config_load_password (&mqtt, &error);
  g_assert_cmpstr (password, ==, "usual");
  g_free (password);
  mqtt.password_credential = (char *) "broker";
  password = jkb_mqtt_config_load_password (&mqtt, &error);
  g_assert_cmpstr (password, ==, "named");
  g_free (password);
  mqtt.password_credential = (char *) "absent";
  g_assert_null (jkb_mqtt_config_load_password (&mqtt, &error));
  g_assert_error (error, JKB_ERROR, JKB_ERROR_IO);
  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (jkb_mqtt_config_load_password (&mqtt, &outside));
  g_assert_error (outside, JKB_ERROR, JKB_ERROR_NOT_FOUND);
  fixture_free (directory);
}

/* SetCredential= without a file behind it gives a newline: no password. */
static void
test_no_credential (void)
{
  char *directory = fixture_new ();
  fixture_put (directory, JKB_DEFAULT_CREDENTIAL, "\n");
  JkbMqttConfig mqtt = { .password_file = (char *) "", .password_credential = (char *) "" };
  g_autoptr(GError) error = NULL;

  g_setenv ("CREDENTIALS_DIRECTORY", directory, TRUE);
  g_assert_null (jkb_mqtt_config_load_password (&mqtt, &error));
  g_assert_no_error (error);
  g_unsetenv ("CREDENTIALS_DIRECTORY");
  g_assert_null (jkb_mqtt_config_load_password (&mqtt, &error));
  g_assert_no_error (error);
  fixture_free (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/config/defaults", test_defaults);
  g_test_add_func ("/config/values", test_values);
  g_test_add_func ("/config/safe", test_safe);
  g_test_add_func ("/config/same-as-key-file", test_same_as_key_file);
  g_test_add_func ("/config/layers", test_layers);
  for (guint i = 0; i < G_N_ELEMENTS (overlays); i++)
    {
      g_autofree char *path = g_strconcat ("/config/overlay/", overlays[i].name, NULL);

      g_test_add_data_func (path, &overlays[i], test_overlay);
    }
  g_test_add_func ("/config/absent-default", test_absent_default);
  g_test_add_func ("/config/check", test_check);
  g_test_add_func ("/config/example/has-all", test_example_has_all);
  g_test_add_func ("/config/example/is-good", test_example_is_good);
  g_test_add_func ("/options/table", test_table);
  g_test_add_func ("/options/value-and-text", test_value_and_text);
  for (guint i = 0; i < G_N_ELEMENTS (passwords); i++)
    {
      g_autofree char *path = g_strconcat ("/password/", passwords[i].name, NULL);

      g_test_add_data_func (path, &passwords[i], test_password);
    }
  g_test_add_func ("/password/long", test_long_password);
  g_test_add_func ("/password/credential", test_credential);
  g_test_add_func ("/password/no-credential", test_no_credential);
  return g_test_run ();
}
