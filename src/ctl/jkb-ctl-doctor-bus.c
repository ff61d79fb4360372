/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl doctor at a bus of the daemon.
 */
#include "config.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <poll.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-doctor.h"

#define CALL_MS 5000
#define USUAL_BAUD 115200
#define GATEWAY_S 0.5
#define DRAIN_S 1 /* for what is still in the pipe; the daemon closes its end behind it */

static gboolean
is_polled (const JkbCtlObject *bus)
{
  return g_strcmp0 (jkb_ctl_object_text (bus, "Bus", "Role"), "polling") == 0;
}

static void
count_bus (JkbCtlHeard *heard, const JkbCtlObject *bus, int sign)
{
  heard->bytes += sign * jkb_ctl_object_number (bus, "Bus", "BytesReceived", 0);
  heard->frames += sign * jkb_ctl_object_number (bus, "Bus", "FramesReceived", 0);
  heard->bad_frames += sign * jkb_ctl_object_number (bus, "Bus", "ChecksumErrors", 0);
  heard->requests += sign * jkb_ctl_object_number (bus, "Bus", "RequestsSeen", 0);
  heard->attributed -= sign * jkb_ctl_object_number (bus, "Bus", "UnattributedFrames", 0);
}

static JkbVerdict
judge_counts (const JkbCtlHeard *heard)
{
  if (heard->bytes == 0)
    return JKB_VERDICT_SILENCE;
  if (heard->frames > 0 && heard->attributed == 0)
    return JKB_VERDICT_NO_ACK;
  if (heard->bad_frames >= 2 && heard->bad_frames * 10 > heard->frames)
    return JKB_VERDICT_NOISE;
  if (heard->frames > 0)
    return JKB_VERDICT_OK;
  return heard->requests > 0 ? JKB_VERDICT_NO_ANSWER : JKB_VERDICT_WRONG_SPEED;
}

/* Two looks at the counters of a bus that the daemon has open. */
static gboolean
compare_counters (JkbCtl *ctl, const JkbCtlObject *bus, double seconds, JkbCtlFinding *finding,
                  GError **error)
{
  g_autoptr(JkbCtlModel) after = NULL;
  const JkbCtlObject *later;

  count_bus (&finding->heard, bus, -1);
  g_usleep ((gulong)(seconds * G_USEC_PER_SEC));
  after = jkb_ctl_fetch (ctl, error);
  if (after == NULL)
    return FALSE;
  later = jkb_ctl_model_object (after, bus->path);
  if (later != NULL)
    {
      count_bus (&finding->heard, later, 1);
      finding->heard.attributed += finding->heard.frames;
      finding->heard.collision = -1;
      finding->verdict = judge_counts (&finding->heard);
    }
  return TRUE;
}

/* Returns: the reading end of a pipe that the daemon fills with what it hears; -1: it may not.
 * Nobody is asked for a password. */
static int
start_capture (JkbCtl *ctl, const JkbCtlObject *bus)
{
  g_autoptr(GUnixFDList) fds = NULL;
  g_autoptr(GVariant) reply = NULL;
  int ends[2];

  if (!g_unix_open_pipe (ends, FD_CLOEXEC, NULL))
    return -1;
  fds = g_unix_fd_list_new_from_array (&ends[1], 1);
  reply = g_dbus_connection_call_with_unix_fd_list_sync (
      ctl->connection, JKB_CTL_BUS_NAME, bus->path, JKB_CTL_BUS_NAME ".Bus", "StartCapture",
      g_variant_new ("(h)", 0), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, CALL_MS, fds, NULL, NULL,
      NULL);
  if (reply != NULL)
    return ends[0];
  close (ends[0]);
  return -1;
}

static void
read_until (int fd, JkbCtlHearing *hearing, gint64 until_us)
{
  struct pollfd poller = { .fd = fd, .events = POLLIN };
  guint8 buffer[4096];

  for (gint64 now_us; (now_us = g_get_monotonic_time ()) < until_us;)
    {
      gssize n;

      if (poll (&poller, 1, (int) ((until_us - now_us) / 1000 + 1)) <= 0)
        continue;
      n = read (fd, buffer, sizeof buffer);
      if (n <= 0)
        return;
      jkb_ctl_hearing_take (hearing, buffer, (gsize) n, g_get_monotonic_time ());
    }
}

/* Hears everything that the daemon hears. The pipe has its own pace: when something was said it
 * does not tell. */
static gboolean
hear_along (JkbCtl *ctl, const JkbCtlObject *bus, double seconds, JkbCtlFinding *finding)
{
  int fd = start_capture (ctl, bus);
  g_autoptr(JkbCtlHearing) hearing = NULL;

  if (fd < 0)
    return FALSE;
  hearing = jkb_ctl_hearing_new (JKB_TIMING_UNKNOWN);
  read_until (fd, hearing, g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC));
  jkb_ctl_call (ctl, bus->path, "Bus", "StopCapture", NULL, 0, NULL);
  read_until (fd, hearing, g_get_monotonic_time () + DRAIN_S * G_USEC_PER_SEC);
  close (fd);
  jkb_ctl_hearing_end (hearing);
  finding->verdict = is_polled (bus) ? jkb_ctl_hearing_judge_answers (hearing, &finding->heard)
                                     : jkb_ctl_hearing_judge (hearing, &finding->heard);
  return TRUE;
}

/* A silent gateway may be one that translates, which only a question of its own kind shows. One
 * that serves a single client at a time loses nothing by it: nothing is heard. */
static void
try_gateway (const char *uri, JkbCtlFinding *finding)
{
  const JkbCtlExam brief = { .seconds = GATEWAY_S };
  JkbCtlFinding own = jkb_ctl_examine_port (uri, &brief, NULL);

  if (own.verdict == JKB_VERDICT_MODBUS_TCP)
    {
      finding->verdict = own.verdict;
      finding->heard = own.heard;
    }
  jkb_ctl_finding_clear (&own);
}

/* The user that the daemon runs as. */
static char *
user_of_daemon (JkbCtl *ctl)
{
  g_autoptr(GVariant) reply = g_dbus_connection_call_sync (
      ctl->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "GetConnectionUnixUser", g_variant_new ("(s)", JKB_CTL_BUS_NAME), G_VARIANT_TYPE ("(u)"),
      G_DBUS_CALL_FLAGS_NONE, CALL_MS, NULL, NULL);
  const struct passwd *entry = NULL;
  guint32 uid;

  if (reply != NULL)
    {
      g_variant_get (reply, "(u)", &uid);
      entry = getpwuid (uid);
    }
  return g_strdup (entry != NULL ? entry->pw_name : "jkbmsd");
}

/* The daemon has not got the port; what it says about that is known. */
static JkbCtlFinding
examine_closed (JkbCtl *ctl, const JkbCtlObject *bus)
{
  const char *reason = jkb_ctl_object_text (bus, "Bus", "LastError");
  const char *uri = jkb_ctl_object_text (bus, "Bus", "Uri");
  g_autofree char *user = user_of_daemon (ctl);

  if (jkb_ctl_object_number (bus, "Bus", "Enabled", TRUE) == 0)
    return (JkbCtlFinding){ .verdict = JKB_VERDICT_FAILED,
                            .detail = g_strdup (_("The bus is switched off (enabled=false).")) };
  if (reason == NULL || *reason == '\0')
    return (JkbCtlFinding){ .verdict = JKB_VERDICT_FAILED,
                            .detail = g_strdup (_("The daemon has only begun to open it; ask again "
                                                  "in a few seconds.")) };
  return jkb_ctl_refused_port (uri != NULL ? uri : "", reason != NULL ? reason : "", user, TRUE);
}

static char *
daemons_opinion (const JkbCtlObject *bus)
{
  const char *error = jkb_ctl_object_text (bus, "Bus", "LastError");
  const char *reason = jkb_ctl_object_text (bus, "Bus", "HealthReason");

  if (error != NULL && *error != '\0')
    return g_strdup (error);
  /* Translators: what the daemon itself says of the health of a bus, in English */
  return reason != NULL && *reason != '\0'
             ? g_strdup_printf (_("The daemon's own counters: %s"), reason)
             : NULL;
}

static char *
shell_word (const char *text)
{
  gsize plain = strspn (text, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "/:._-");

  return text[plain] == '\0' ? g_strdup (text) : g_shell_quote (text);
}

/* The daemon's own questions are not among what it hears, so that nothing tells whose an answer was
 * that cannot be read. Who asks at the port itself knows it. */
static char **
commands_that_ask (const JkbCtlObject *bus)
{
  const char *uri = jkb_ctl_object_text (bus, "Bus", "Uri");
  guint baud = (guint) jkb_ctl_object_number (bus, "Bus", "Baud", USUAL_BAUD);
  g_autofree char *speed = baud != USUAL_BAUD ? g_strdup_printf (" --baud %u", baud) : g_strdup ("");
  g_autofree char *port = NULL;
  const char *name;
  char **commands;

  if (uri == NULL || !is_polled (bus))
    return NULL;
  port = shell_word (g_str_has_prefix (uri, "serial:/") ? uri + strlen ("serial:") : uri);
  jkb_ctl_path_is_bus (bus->path, &name);
  commands = g_new0 (char *, 4);
  commands[0] = g_strdup_printf ("jkbmsctl bus set %s enabled=false", name);
  commands[1] = g_strdup_printf ("jkbmsctl doctor %s --ask%s", port, speed);
  commands[2] = g_strdup_printf ("jkbmsctl bus set %s enabled=true", name);
  return commands;
}

JkbCtlFinding
jkb_ctl_examine_bus (JkbCtl *ctl, const JkbCtlObject *bus, const JkbCtlExam *exam, GError **error)
{
  const char *uri = jkb_ctl_object_text (bus, "Bus", "Uri");
  JkbCtlFinding finding = { .verdict = JKB_VERDICT_FAILED };
  gboolean heard;

  if (g_strcmp0 (jkb_ctl_object_text (bus, "Bus", "State"), "up") != 0)
    return examine_closed (ctl, bus);
  heard = hear_along (ctl, bus, exam->seconds, &finding);
  if (!heard && !compare_counters (ctl, bus, exam->seconds, &finding, error))
    return finding;
  if (finding.verdict == JKB_VERDICT_SILENCE && uri != NULL && g_str_has_prefix (uri, "tcp:"))
    try_gateway (uri, &finding);
  if (finding.verdict != JKB_VERDICT_OK)
    finding.detail = heard ? daemons_opinion (bus)
                           : g_strdup (_("Only the daemon's counters could be compared; with sudo "
                                          "the bytes are looked at."));
  if (finding.verdict == JKB_VERDICT_NOISE || finding.verdict == JKB_VERDICT_WRONG_SPEED)
    finding.next = commands_that_ask (bus);
  return finding;
}
