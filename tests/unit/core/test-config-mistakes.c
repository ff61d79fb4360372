/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Every kind of mistake, with the exact message. Each configuration holds one mistake; @DIR@ is a
 * directory with a few files of the kinds that are needed.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "core-fixture.h"

typedef struct
{
  const char *name;
  JkbProblemLevel level;
  const char *text;
  const char *message; /* LINE: what is wrong and what to do */
} Case;

#define E JKB_PROBLEM_ERROR
#define W JKB_PROBLEM_WARNING
#define BUS "[bus garage]\nuri=tcp:gateway:502\n"
#define MQTT "[mqtt]\nuri=mqtt://broker\n"
#define MQTTS "[mqtt]\nuri=mqtts://broker\n"

static const Case cases[] = {
  /* lines */
  { "outside-group", E, "baud=9600\n",
    "1: baud is outside a group; put it below a line such as [daemon]" },
  { "no-equals", E, "[daemon]\nlog-level debug\n",
    "2: this is no KEY=VALUE; a line without = must be [GROUP] or begin with #" },
  { "no-key", E, "[daemon]\n=debug\n", "2: there is no key before the =; write KEY=VALUE" },
  { "semicolon-comment", E, "[daemon]\n; a comment\n",
    "2: this is no KEY=VALUE; a line without = must be [GROUP] or begin with #" },
  { "no-bracket", E, "[daemon\nlog-level=debug\n",
    "1: a group has no closing bracket; write [GROUP]" },
  { "behind-bracket", E, "[daemon] # all\nlog-level=debug\n",
    "1: something stands behind a group; give it a line of its own" },
  { "empty-group", E, "[]\nlog-level=debug\n",
    "1: a group has no name; write, for example, [mqtt]" },
  { "twice-group", E, "[daemon]\nlog-level=debug\n\n[daemon]\ninstance=a\n",
    "4: group [daemon] is in line 1 already; put its keys together there" },
  { "twice-key", E, "[daemon]\nlog-level=debug\nlog-level=info\n",
    "3: log-level is in line 2 of [daemon] already; keep one of the two" },
  { "latin-1", E, "[bms garage_1]\nname=K\xfc"
                  "che\n" BUS,
    "2: this line is not UTF-8; save the file in that encoding" },
  { "bad-escape", E, "[bms garage_1]\nname=a\\\n" BUS,
    "2: the value of name holds a bad escape; write \\\\ for a backslash" },

  /* names */
  { "unknown-group", W, "[logging]\nlevel=debug\n",
    "1: unknown group [logging]; the groups are [daemon], [bus NAME], [bms ID], [mqtt], "
    "[homeassistant], [bank NAME], [writes] and [history]" },
  { "near-group", W, "[homeasistant]\ndiscovery=true\n",
    "1: unknown group [homeasistant]; did you mean [homeassistant]?" },
  { "near-group-with-name", W, "[Bus garage]\nuri=tcp:gateway:502\n",
    "1: unknown group [Bus garage]; did you mean [bus garage]?" },
  { "unknown-key", W, "[daemon]\nthreads=4\n",
    "2: unknown key threads in [daemon]; remove it, or see jkbmsd.conf(5) for the keys" },
  { "near-key", W, BUS "pollinterval=5\n",
    "3: unknown key pollinterval in [bus garage]; did you mean poll-interval?" },
  { "underscore-key", W, MQTT "topic_prefix=a\n",
    "3: unknown key topic_prefix in [mqtt]; did you mean topic-prefix?" },
  { "key-of-another-group", W, "[daemon]\nbaud=9600\n",
    "2: unknown key baud in [daemon]; remove it, or see jkbmsd.conf(5) for the keys" },
  { "group-needs-name", E, "[bus]\nuri=tcp:gateway:502\n",
    "1: [bus] needs a name; write, for example, [bus garage]" },
  { "group-takes-no-name", E, "[mqtt main]\nuri=mqtt://broker\n",
    "1: [mqtt main] takes no name; write [mqtt]" },
  { "capital-bus", E, "[bus Garage]\nuri=tcp:gateway:502\n",
    "1: [bus Garage]: the name must begin with a small letter, then only a-z and 0-9, 16 at most; "
    "write, for example, [bus garage]" },
  { "long-bus", E, "[bus abcdefghijklmnopq]\nuri=tcp:gateway:502\n",
    "1: [bus abcdefghijklmnopq]: the name must begin with a small letter, then only a-z and 0-9, 16 "
    "at most; write, for example, [bus garage]" },
  { "bms-id", E, "[bms garage]\nname=Left\n",
    "1: [bms garage]: the name is not BUS_ADDRESS, the name of a bus and an address 0..15, such as "
    "garage_1; write, for example, [bms garage_1]" },
  { "bms-address", E, BUS "[bms garage_16]\nname=Left\n",
    "3: [bms garage_16]: the name is not BUS_ADDRESS, the name of a bus and an address 0..15, such "
    "as garage_1; write, for example, [bms garage_1]" },
  { "bank-name", E, "[bank my-house]\nrequire=all\n",
    "1: [bank my-house]: the name must begin with a small letter, then only a-z and 0-9, 16 at most; "
    "write, for example, [bank garage]" },

  /* values */
  { "no-value", E, BUS "baud=\n",
    "3: baud has no value; write one, or remove the line for the default: 115200" },
  { "no-value-of-none", E, MQTT "enabled=\n",
    "3: enabled has no value; write one, or remove the line for the default: true when uri is set" },
  { "baud-low", E, BUS "baud=1\n", "3: baud=1 is outside 1200..4000000 Bd; the default is 115200" },
  { "baud-high", E, BUS "baud=4000001\n",
    "3: baud=4000001 is outside 1200..4000000 Bd; the default is 115200" },
  { "baud-negative", E, BUS "baud=-9600\n",
    "3: baud=-9600 is outside 1200..4000000 Bd; the default is 115200" },
  { "baud-huge", E, BUS "baud=99999999999999999999\n",
    "3: baud=99999999999999999999 is outside 1200..4000000 Bd; the default is 115200" },
  { "baud-decimals", E, BUS "baud=9600.5\n",
    "3: baud=9600.5 is not a whole number; write 1200..4000000 Bd; the default is 115200" },
  { "baud-word", E, BUS "baud=fast\n",
    "3: baud=fast is not a number; write 1200..4000000 Bd; the default is 115200" },
  { "baud-hex", E, BUS "baud=0x2580\n",
    "3: baud=0x2580 has a unit behind the number; write the number of Bd alone" },
  { "seconds-unit", E, BUS "offline-after=30s\n",
    "3: offline-after=30s has a unit behind the number; write the number of seconds alone" },
  { "seconds-comma", E, BUS "command-gap=0,12\n",
    "3: command-gap=0,12 has a comma; write a point before the decimals" },
  { "seconds-comment", E, BUS "poll-interval=2 # fast\n",
    "3: poll-interval=2 # fast has a comment behind the number; give the comment a line of its own" },
  { "seconds-low", E, BUS "poll-interval=0\n",
    "3: poll-interval=0 is outside 0.1..3600 seconds; the default is 2" },
  { "seconds-high", E, "[daemon]\ndbus-interval=4000\n",
    "2: dbus-interval=4000 is outside 0..3600 seconds; the default is 1" },
  { "seconds-infinite", E, MQTT "interval=inf\n",
    "3: interval=inf is not a number; write 0..86400 seconds; the default is 5" },
  { "seconds-auto", E, BUS "reply-timeout=100\n",
    "3: reply-timeout=100 is outside auto or 0.02..60 seconds; the default is auto" },
  { "bool", E, BUS "enabled=yes\n",
    "3: enabled=yes is neither true nor false (1 and 0 mean the same); the default is true" },
  { "bool-capital", E, "[homeassistant]\ndiscovery=True\n",
    "2: discovery=True is neither true nor false (1 and 0 mean the same); the default is true" },
  { "choice", E, BUS "mode=passive\n", "3: mode=passive is not one of auto, listen, poll" },
  { "choice-near", E, BUS "mode=lisen\n",
    "3: mode=lisen is not one of auto, listen, poll; did you mean listen?" },
  { "choice-longer", E, BUS "mode=automatic\n",
    "3: mode=automatic is not one of auto, listen, poll; did you mean auto?" },
  { "log-level", E, "[daemon]\nlog-level=warn\n",
    "2: log-level=warn is not one of error, warning, message, info, debug" },
  { "language", E, "[daemon]\nlanguage=pt_PT\n",
    "2: language=pt_PT is not one of en, zh_TW, zh_CN, de, fr, es, it, pl, nl, pt_BR, uk" },
  { "tier", E, "[writes]\naccess=all\n",
    "2: access=all is not one of none, switches, basic, protection" },
  { "instance", E, "[daemon]\ninstance=My House\n",
    "2: instance=My House is not 1 to 16 small letters and digits; shorten or respell it" },
  { "addresses", E, BUS "addresses=0-16\n",
    "3: addresses=0-16 is not auto and not a list of addresses 0..15 such as 0,1,4-7" },
  { "addresses-backwards", E, BUS "addresses=4-1\n",
    "3: addresses=4-1 is not auto and not a list of addresses 0..15 such as 0,1,4-7" },
  { "name-control", E, "[bms garage_1]\nname=a\\nb\n" BUS,
    "2: name=a?b holds a control character; remove it" },
  { "topic-wildcard", E, MQTT "topic-prefix=jk/#\n",
    "3: topic-prefix=jk/# holds a wildcard; + and # cannot be part of a topic" },
  { "topic-slash", E, MQTT "topic-prefix=/jkbms\n",
    "3: topic-prefix=/jkbms begins or ends with a slash; leave it out" },
  { "topic-level", E, "[homeassistant]\nprefix=home//assistant\n",
    "2: prefix=home//assistant holds an empty level; write one slash between two levels" },
  { "topic-dollar", E, "[homeassistant]\nstatus-topic=$SYS/status\n",
    "2: status-topic=$SYS/status begins with $, which brokers keep for themselves; leave it out" },
  { "relative-path", E, MQTTS "ca-file=ca.pem\n",
    "3: ca-file=ca.pem is not an absolute path; begin it with /" },
  { "credential-path", E, MQTT "username=me\npassword-credential=/etc/secret\n",
    "4: password-credential=/etc/secret is not the name of a credential; write the name of "
    "LoadCredential=, made of letters, digits and . _ -" },
  { "queue-max", E, MQTT "queue-max=5\n",
    "3: queue-max=5 is outside 10..100000 messages; the default is 1000" },

  /* URIs */
  { "no-uri", E, "[bus garage]\nbaud=9600\n",
    "1: [bus garage] has no uri; add uri=serial:/dev/serial/by-id/NAME or uri=tcp:HOST:PORT" },
  { "no-scheme", E, "[bus garage]\nuri=/dev/ttyUSB0\n",
    "2: uri=/dev/ttyUSB0 has no scheme; write serial:/dev/ttyUSB0" },
  { "scheme", E, "[bus garage]\nuri=udp:gateway:502\n",
    "2: uri=udp:gateway:502 is none of serial:/dev/serial/by-id/NAME, tcp:HOST:PORT or replay:FILE" },
  { "near-scheme", E, "[bus garage]\nuri=seral:/dev/ttyUSB0\n",
    "2: uri=seral:/dev/ttyUSB0 is none of serial:/dev/serial/by-id/NAME, tcp:HOST:PORT or "
    "replay:FILE; did you mean serial?" },
  { "serial-name", E, "[bus garage]\nuri=serial:ttyUSB0\n",
    "2: uri=serial:ttyUSB0 is not the path of a device; write serial:/dev/serial/by-id/NAME" },
  { "serial-file", E, "[bus garage]\nuri=serial:@DIR@/file\n",
    "2: uri=serial:@DIR@/file is not a serial port; write serial:/dev/serial/by-id/NAME, or "
    "replay:@DIR@/file for a recorded file" },
  { "tcp-slashes", E, "[bus garage]\nuri=tcp://gateway:502\n",
    "2: uri=tcp://gateway:502 has slashes behind tcp:; write tcp:HOST:PORT" },
  { "tcp-no-port", E, "[bus garage]\nuri=tcp:gateway\n",
    "2: uri=tcp:gateway has no port; write tcp:HOST:PORT with that of the gateway" },
  { "tcp-port", E, "[bus garage]\nuri=tcp:gateway:65536\n",
    "2: uri=tcp:gateway:65536 has a port outside 1..65535; correct the number behind the last "
    "colon" },
  { "tcp-host", E, "[bus garage]\nuri=tcp::502\n",
    "2: uri=tcp::502 names no host; write tcp:HOST:PORT, an IPv6 address in brackets" },
  { "tcp-ipv6", E, "[bus garage]\nuri=tcp:fe80::1:502\n",
    "2: uri=tcp:fe80::1:502 names no host; write tcp:HOST:PORT, an IPv6 address in brackets" },
  { "tcp-user", E, "[bus garage]\nuri=tcp:me:CANARY@gateway:502\n",
    "2: uri=tcp:…@gateway:502 holds a user or a password, which has no place in a URI; write "
    "tcp:HOST:PORT" },
  { "replay-absent", E, "[bus garage]\nuri=replay:@DIR@/absent\n",
    "2: uri=replay:@DIR@/absent names no file that can be read; correct the path or the file's "
    "mode" },
  { "replay-relative", E, "[bus garage]\nuri=replay:capture.bin\n",
    "2: uri=replay:capture.bin is not an absolute path; write replay:/DIRECTORY/FILE" },
  { "replay-speed", E, "[bus garage]\nuri=replay:@DIR@/file?speed=-1\n",
    "2: uri=replay:@DIR@/file?speed=-1 has a speed outside 0..1000000; 1 is the pace of the bus, 0 "
    "is no pause" },
  { "replay-option", E, "[bus garage]\nuri=replay:@DIR@/file?repeat=true\n",
    "2: uri=replay:@DIR@/file?repeat=true has an unknown option behind the ?; write speed=N, "
    "loop=true or both with & between them" },
  { "mqtt-scheme", E, "[mqtt]\nuri=tcp://broker\n",
    "2: uri=tcp://broker is neither mqtt://HOST[:PORT] nor mqtts://HOST[:PORT]" },
  { "mqtt-user", E, "[mqtt]\nuri=mqtt://me:CANARY@broker\n",
    "2: uri=mqtt:…@broker holds a user or a password, which has no place in a URI; use username= "
    "and password-file=" },
  { "mqtt-path", E, "[mqtt]\nuri=mqtt://broker/jk\n",
    "2: uri=mqtt://broker/jk goes on behind the host; end it with HOST or HOST:PORT" },
  { "mqtt-host", E, "[mqtt]\nuri=mqtt://\n",
    "2: uri=mqtt:// names no host; write mqtt://HOST[:PORT], an IPv6 address in brackets" },
  { "mqtt-port", E, "[mqtt]\nuri=mqtt://broker:0\n",
    "2: uri=mqtt://broker:0 has a port outside 1..65535; correct the number behind the last colon" },

  /* things that do not fit together */
  { "same-device", E,
    "[bus garage]\nuri=serial:/dev/null\n[bus attic]\nuri=serial:/dev/../dev/null\n",
    "4: uri=serial:/dev/../dev/null is the same port as that of [bus garage]; give each bus its "
    "own, or set enabled=false in one of them" },
  { "same-device-by-link", E,
    "[bus garage]\nuri=serial:/dev/null\n[bus attic]\nuri=serial:@DIR@/link\n",
    "4: uri=serial:@DIR@/link is the same port as that of [bus garage]; give each bus its own, or "
    "set enabled=false in one of them" },
  { "same-absent-device", E,
    "[bus garage]\nuri=serial:@DIR@/no\n[bus attic]\nuri=serial:@DIR@/./no\n",
    "4: uri=serial:@DIR@/./no is the same port as that of [bus garage]; give each bus its own, or "
    "set enabled=false in one of them" },
  { "same-gateway", E, BUS "[bus attic]\nuri=tcp:Gateway:502\n",
    "4: uri=tcp:Gateway:502 is the same gateway as that of [bus garage]; give each bus its own, or "
    "set enabled=false in one of them" },
  { "reconnect", E, BUS "reconnect-min=60\n",
    "3: reconnect-min=60 is above reconnect-max=30; raise the latter or lower the former" },
  { "reconnect-max", E, BUS "reconnect-max=0.5\n",
    "3: reconnect-min=1 is above reconnect-max=0.5; raise the latter or lower the former" },
  { "poll-a-replay", E, "[bus garage]\nuri=replay:@DIR@/file\nmode=poll\n",
    "3: mode=poll does not go with a replay, which cannot answer; write mode=listen" },
  { "bms-without-bus", W, "[bms attic_1]\nname=Left\n",
    "1: attic_1 is on a bus that is not configured; add [bus attic] or correct the id" },
  { "bms-not-among-addresses", W, BUS "addresses=1-4\n[bms garage_5]\nname=Left\n",
    "4: garage_5 is not among addresses=1-4 of [bus garage]; add the address there or correct the "
    "id" },
  { "members", E, "[bank house]\nmembers=garage_1,garage_2\n",
    "2: members=garage_1,garage_2 is not auto and not a list of ids such as garage_1;garage_2" },
  { "members-twice", E, BUS "[bank house]\nmembers=garage_1;garage_1\n",
    "4: members=garage_1;garage_1 names a BMS twice; remove one" },
  { "members-unknown", W, BUS "[bank house]\nmembers=garage_1;attic_2\n",
    "4: attic_2 is on a bus that is not configured; add [bus attic] or correct the id" },
  { "enabled-without-broker", E, "[mqtt]\nenabled=true\n",
    "2: enabled=true without a broker; add uri=mqtt://HOST" },
  { "commands-above-access", E, "[writes]\naccess=switches\n" MQTT "commands=basic\n",
    "5: commands=basic is above access=switches of [writes]; lower it or raise access" },
  { "cert-without-key", E, MQTTS "cert-file=@DIR@/file\n",
    "3: cert-file is set without its key; add key-file=" },
  { "key-without-cert", E, MQTTS "key-file=@DIR@/file\n",
    "3: key-file is set without its certificate; add cert-file=" },
  { "ca-absent", W, MQTTS "ca-file=@DIR@/absent\n",
    "3: ca-file=@DIR@/absent is no file that can be read; correct the path or the file's mode" },
  { "ca-without-tls", W, MQTT "ca-file=@DIR@/file\n",
    "3: ca-file is of no use without TLS; write uri=mqtts://HOST or remove it" },

  /* secrets */
  { "password", E, MQTT "username=me\npassword=CANARY\n",
    "4: password does not belong here, where others may read it; put the password into a file of "
    "mode 0600 and name that with password-file= in [mqtt]" },
  { "password-open", E, MQTT "username=me\npassword-file=@DIR@/open\n",
    "4: password-file=@DIR@/open is open to every user (mode 0644); run: chmod o= @DIR@/open" },
  { "password-absent", W, MQTT "username=me\npassword-file=@DIR@/absent\n",
    "4: password-file=@DIR@/absent cannot be read (No such file or directory); correct the path, "
    "the owner or the mode" },
  { "password-directory", E, MQTT "username=me\npassword-file=@DIR@\n",
    "4: password-file=@DIR@ is not a file; name a file that holds the password in one line" },
  { "password-without-user", E, MQTT "password-file=@DIR@/file\n",
    "3: password-file is set without a username, which brokers refuse; add username=" },
  { "password-twice", E,
    MQTT "username=me\npassword-file=@DIR@/file\npassword-credential=broker\n",
    "5: password-credential and password-file are both set; remove one" },
};

static void
prepare (const char *directory)
{
  g_autofree char *file = fixture_write (directory, "file", "text\n");
  g_autofree char *closed = fixture_write (directory, "open", "CANARY\n");
  g_autofree char *link = g_build_filename (directory, "link", NULL);

  g_assert_cmpint (g_chmod (file, 0600), ==, 0);
  g_assert_cmpint (g_chmod (closed, 0644), ==, 0);
  g_assert_cmpint (symlink ("/dev/null", link), ==, 0);
}

static void
test_mistake (gconstpointer data)
{
  const Case *c = data;
  char *directory = fixture_new ();
  g_autofree char *expected = fixture_expand (directory, c->message);
  g_autofree char *path = fixture_write (directory, "jkbmsd.conf", c->text);
  g_autofree char *found = NULL;
  g_autoptr(GPtrArray) problems = NULL;
  g_autoptr(JkbConfig) config = NULL;
  const JkbProblem *problem;

  prepare (directory);
  config = fixture_load (directory, &problems);
  found = fixture_describe (problems);
  g_assert_cmpstr (found, ==, expected);
  problem = g_ptr_array_index (problems, 0);
  g_assert_cmpint (problem->level, ==, c->level);
  g_assert_cmpstr (problem->file, ==, path);
  g_assert_null (strstr (found, "CANARY"));
  fixture_free (directory);
}

/* What cannot be said in a line of text. */

static void
test_zero_byte (void)
{
  char *directory = fixture_new ();
  g_autofree char *found = NULL;
  g_autoptr(GPtrArray) problems = NULL;

  fixture_write_bytes (directory, "jkbmsd.conf", "[daemon]\ninst\0ance=a\n", 21);
  jkb_config_free (fixture_load (directory, &problems));
  found = fixture_describe (problems);
  g_assert_cmpstr (found, ==, "2: this line holds a zero byte; write the line again");
  fixture_free (directory);
}

static void
test_too_large (void)
{
  char *directory = fixture_new ();
  g_autofree char *text = g_strnfill (300000, '\n');
  fixture_put (directory, "jkbmsd.conf", text);
  g_autofree char *found = NULL;
  g_autoptr(GPtrArray) problems = NULL;
  jkb_config_free (fixture_load (directory, &problems));

  found = fixture_describe (problems);
  g_assert_cmpstr (found, ==,
                   "0: the file is larger than 256 KiB; split it or name the right one");
  fixture_free (directory);
}

static void
test_absent_and_directory (void)
{
  char *directory = fixture_new ();
  g_autofree char *path = g_build_filename (directory, "jkbmsd.conf", NULL);
  g_autoptr(GPtrArray) absent = NULL, folder = NULL;
  g_autofree char *found = NULL;
  g_autofree char *found_folder = NULL;

  jkb_config_free (fixture_load (directory, &absent));
  found = fixture_describe (absent);
  g_assert_cmpstr (found, ==, "0: cannot be read: No such file or directory");
  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  jkb_config_free (fixture_load (directory, &folder));
  found_folder = fixture_describe (folder);
  g_assert_cmpstr (found_folder, ==, "0: this is not a file; name a configuration file");
  fixture_free (directory);
}

static void
test_order (void)
{
  char *directory = fixture_new ();
  g_autofree char *main_file = fixture_write (directory, "jkbmsd.conf",
                                              "[bus a]\nbaud=1\n[mqtt]\nenabled=true\nx=1\n");
  g_autofree char *second = fixture_write (directory, "conf.d/10.conf", "[mqtt]\ninterval=-1\n");
  fixture_put (directory, "conf.d/.20.conf", "nonsense\n");
  fixture_put (directory, "conf.d/10.conf~", "nonsense\n");
  g_autoptr(GPtrArray) problems = NULL;
  jkb_config_free (fixture_load (directory, &problems));
  const guint lines[] = { 1, 2, 4, 5, 2 };

  g_assert_cmpuint (problems->len, ==, G_N_ELEMENTS (lines));
  for (guint i = 0; i < problems->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (problems, i);

      g_assert_cmpuint (problem->line, ==, lines[i]);
      g_assert_cmpstr (problem->file, ==, i < 4 ? main_file : second);
    }
  fixture_free (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/config/mistake/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_mistake);
    }
  g_test_add_func ("/config/mistake/zero-byte", test_zero_byte);
  g_test_add_func ("/config/mistake/too-large", test_too_large);
  g_test_add_func ("/config/mistake/absent-and-directory", test_absent_and_directory);
  g_test_add_func ("/config/mistake/order", test_order);
  return g_test_run ();
}
