/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl doctor at a port that it opens itself: listens, asks where it was told to, and says why
 * a port cannot be opened.
 */
#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <grp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bus/jkb-transport.h"
#include "ctl/jkb-ctl-doctor.h"
#include "ctl/jkb-ctl-ports.h"
#include "wire/jkb-crc.h"

#define ASK_GAP_US 150000
#define ASK_ROUNDS 3
#define PROBE_WAIT_US (2 * G_USEC_PER_SEC)

typedef struct
{
  const JkbTransportClass *class;
  const char *rest; /* of the URI */
  JkbTransport *transport;
  JkbCtlHearing *hearing;
  gboolean closed; /* the peer hung up */
  char *reason;    /* why it could not be opened, or ended */
} Patient;

/* Reads what arrives until @until_us or the end. */
static void
listen_until (Patient *patient, gint64 until_us)
{
  while (!patient->closed)
    {
      struct pollfd poller = { .fd = patient->class->get_fd (patient->transport),
                               .events = POLLIN };
      gint64 left_us = until_us - g_get_monotonic_time ();
      guint8 buffer[4096];
      gssize n;

      if (left_us <= 0)
        return;
      if (poll (&poller, 1, (int) (left_us / 1000 + 1)) <= 0)
        continue;
      n = patient->class->read (patient->transport, buffer, sizeof buffer);
      if (n > 0)
        jkb_ctl_hearing_take (patient->hearing, buffer, n, g_get_monotonic_time ());
      else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        {
          patient->closed = TRUE;
          patient->reason
            = g_strdup (patient->class->describe_end (patient->transport, n == 0 ? 0 : errno));
        }
    }
}

static gboolean
ask (Patient *patient, guint8 address)
{
  guint8 request[JKB_REQUEST_SIZE] = { address, 0x10, 0x16, 0x20, 0x00, 0x01, 0x02 };

  jkb_crc16_store (request, sizeof request);
  jkb_ctl_hearing_ask (patient->hearing, address, g_get_monotonic_time ());
  if (patient->class->write (patient->transport, request, sizeof request) < 0)
    return FALSE;
  listen_until (patient, g_get_monotonic_time () + ASK_GAP_US);
  return !patient->closed;
}

/* Reading live data changes nothing in a BMS. Where an answer cannot be read, a second and a third
 * question tell chance from two BMS that answer at once. */
static void
ask_everybody (Patient *patient)
{
  JkbCtlHeard heard = { 0 };

  for (int round = 0; round < ASK_ROUNDS; round++)
    {
      for (guint8 address = 0; address < JKB_N_ADDRESSES; address++)
        if ((round == 0 || heard.bad_by_address[address] > 0) && !ask (patient, address))
          return;
      jkb_ctl_hearing_ask (patient->hearing, -1, g_get_monotonic_time ());
      jkb_ctl_hearing_judge (patient->hearing, &heard);
    }
}

/* A gateway that translates stays silent until it is asked in its own protocol. */
static void
probe_modbus_tcp (Patient *patient)
{
  static const guint8 request[] = { 0x4a, 0x4b, 0, 0, 0, 6, 1, 3, 0x12, 0x00, 0, 1 };

  if (patient->class->write (patient->transport, request, sizeof request) > 0)
    listen_until (patient, g_get_monotonic_time () + PROBE_WAIT_US);
}

/* "dialout", or whatever has the port on this system. */
static char *
group_of (const char *path)
{
  struct stat status;
  const struct group *group = stat (path, &status) == 0 ? getgrgid (status.st_gid) : NULL;

  return g_strdup (group != NULL && status.st_gid != 0 ? group->gr_name : "dialout");
}

static void
add_permission (JkbCtlFinding *finding, const char *path, const char *user, gboolean service)
{
  g_autofree char *group = group_of (path);

  finding->verdict = JKB_VERDICT_NO_PERMISSION;
  if (!service) /* the sentence is about the daemon's user */
    g_clear_pointer (&finding->detail, g_free);
  finding->command = g_strdup_printf ("sudo usermod -aG %s %s%s", group, user,
                                      service ? " && sudo systemctl restart jkbmsd" : "");
}

static void
add_holder (JkbCtlFinding *finding, const char *path)
{
  g_autofree char *holder = jkb_ctl_port_holder ("", path);

  finding->verdict = JKB_VERDICT_HELD;
  g_free (finding->detail);
  finding->detail = holder != NULL ? g_strdup_printf (_("It is %s."), holder)
                                   : g_strdup (_("Only root can see who it is: try with sudo."));
}

JkbCtlFinding
jkb_ctl_refused_port (const char *uri, const char *reason, const char *user, gboolean service)
{
  JkbCtlFinding finding = { .verdict = JKB_VERDICT_FAILED, .detail = g_strdup (reason) };
  const char *path = g_str_has_prefix (uri, "serial:") ? uri + strlen ("serial:") : NULL;

  if (path == NULL)
    finding.verdict = g_str_has_prefix (uri, "tcp:") ? JKB_VERDICT_NOT_THERE : JKB_VERDICT_FAILED;
  else if (strstr (reason, JKB_TRANSPORT_NOT_THERE) != NULL)
    finding.verdict = JKB_VERDICT_NOT_THERE;
  else if (strstr (reason, JKB_TRANSPORT_DENIED) != NULL)
    add_permission (&finding, path, user, service);
  else if (strstr (reason, JKB_TRANSPORT_IN_USE) != NULL)
    add_holder (&finding, path);
  return finding;
}

void
jkb_ctl_finding_clear (JkbCtlFinding *finding)
{
  g_free (finding->what);
  g_free (finding->detail);
  g_free (finding->command);
  g_strfreev (finding->next);
}

static void
hear_out (Patient *patient, const JkbCtlExam *exam)
{
  JkbCtlHeard heard;
  JkbVerdict verdict;

  listen_until (patient, g_get_monotonic_time () + (gint64) (exam->seconds * G_USEC_PER_SEC));
  verdict = jkb_ctl_hearing_judge (patient->hearing, &heard);
  if (verdict == JKB_VERDICT_SILENCE && exam->ask)
    ask_everybody (patient);
  verdict = jkb_ctl_hearing_judge (patient->hearing, &heard);
  if (verdict == JKB_VERDICT_SILENCE && strcmp (patient->class->scheme, "tcp") == 0)
    probe_modbus_tcp (patient);
  jkb_ctl_hearing_end (patient->hearing);
}

JkbCtlFinding
jkb_ctl_examine_port (const char *uri, const JkbCtlExam *exam, GError **error)
{
  JkbBusConfig config = { .name = (char *)"doctor",
                          .uri = (char *)uri,
                          .baud = exam->baud,
                          .mode = JKB_MODE_LISTEN,
                          .no_data_timeout = 3600 };
  Patient patient = { 0 };
  JkbCtlFinding finding = { 0 };
  g_autoptr(GError) reason = NULL;
  int stop_fd;

  patient.class = jkb_transport_find (uri, &patient.rest, error);
  if (patient.class == NULL)
    return finding;
  stop_fd = eventfd (0, EFD_CLOEXEC); /* never readable: Ctrl-C ends the program itself */
  patient.transport = patient.class->open (patient.rest, &config, stop_fd, &reason);
  close (stop_fd);
  if (patient.transport == NULL)
    return jkb_ctl_refused_port (uri, reason->message, g_get_user_name (), FALSE);
  patient.hearing = jkb_ctl_hearing_new (patient.class->timing);
  hear_out (&patient, exam);
  finding.verdict = jkb_ctl_hearing_judge (patient.hearing, &finding.heard);
  if (patient.closed && finding.verdict == JKB_VERDICT_SILENCE)
    finding.verdict = JKB_VERDICT_CLOSED;
  finding.detail = g_steal_pointer (&patient.reason);
  jkb_ctl_hearing_free (patient.hearing);
  patient.class->close (patient.transport);
  return finding;
}
