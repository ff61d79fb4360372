/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl doctor: listens to a port, or asks the daemon about a bus, and says in a sentence what is
 * wrong and what to do. The judgement is in jkb-ctl-hearing.c; here are the ports and the words.
 */
#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/jkb-transport.h"
#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-hearing.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-ports.h"
#include "ctl/jkb-ctl-print.h"
#include "wire/jkb-crc.h"

#define ASK_GAP_US 150000
#define PROBE_WAIT_US (2 * G_USEC_PER_SEC)

typedef struct
{
  const JkbTransportClass *class;
  const char *rest; /* of the URI */
  JkbTransport *transport;
  JkbCtlHearing *hearing;
  gboolean closed;  /* the peer hung up */
  char *reason;     /* why it could not be opened, or ended */
} Patient;

typedef struct
{
  JkbVerdict verdict;
  JkbCtlHeard heard;
  char *what;   /* the port or bus */
  char *detail; /* an error text, a holder; nullable */
} Finding;

/* ---- words -------------------------------------------------------------------------------- */

static const char *const sentences[JKB_N_VERDICTS] = {
  [JKB_VERDICT_OK] = N_("All is well."),
  [JKB_VERDICT_NOISE] = N_("Many frames arrive damaged."),
  [JKB_VERDICT_COLLISION] = N_("Two BMS seem to have the same address: their answers collide."),
  [JKB_VERDICT_NO_ACK]
  = N_("Frames arrive, but without the acknowledgement that says which BMS they come from."),
  [JKB_VERDICT_NO_ANSWER] = N_("Somebody asks on this bus, but no BMS answers."),
  [JKB_VERDICT_INVERTED] = N_("The wires A and B are swapped."),
  [JKB_VERDICT_BLUETOOTH] = N_("This is the port of the BMS's Bluetooth module."),
  [JKB_VERDICT_OTHER_MODBUS] = N_("Other Modbus devices talk here, but no JK BMS."),
  [JKB_VERDICT_MODBUS_TCP] = N_("The gateway speaks Modbus TCP instead of passing bytes through."),
  [JKB_VERDICT_OTHER_PROTOCOL] = N_("Something here speaks another protocol, in plain text."),
  [JKB_VERDICT_WRONG_SPEED]
  = N_("Bytes arrive, but they make no sense: the speed is wrong, or it is another protocol."),
  [JKB_VERDICT_SILENCE] = N_("Nothing is heard."),
  [JKB_VERDICT_CLOSED] = N_("The gateway closed the connection."),
  [JKB_VERDICT_HELD] = N_("Another process has this port."),
  [JKB_VERDICT_NO_PERMISSION] = N_("You may not open this port."),
  [JKB_VERDICT_NOT_THERE] = N_("There is no such port, or nobody answers there."),
  [JKB_VERDICT_FAILED] = N_("The port cannot be used."),
};

static const char *const advices[JKB_N_VERDICTS] = {
  [JKB_VERDICT_NOISE]
  = N_("Connect GND as well, put 120 Ω at both ends of the line only, keep stubs short, and use an "
       "isolated adapter."),
  [JKB_VERDICT_COLLISION]
  = N_("Give each BMS its own DIP setting (switch 1 = 1, 2 = 2, 3 = 4, 4 = 8); only one master may "
       "be on the bus."),
  [JKB_VERDICT_NO_ACK]
  = N_("The adapter or gateway cuts records apart: raise its packing time or length (308 bytes "
       "belong together)."),
  [JKB_VERDICT_NO_ANSWER]
  = N_("Check that the BMS are on, that UART1 has protocol 001 (JK RS485 Modbus, 115200), and that "
       "the addresses that are asked for are set by the DIP switches."),
  [JKB_VERDICT_INVERTED] = N_("Exchange the two wires at the adapter: nothing can break."),
  [JKB_VERDICT_BLUETOOTH]
  = N_("Use RS485-1 (beside CAN) or RS485-2 (the two parallel jacks) instead."),
  [JKB_VERDICT_OTHER_MODBUS]
  = N_("Use a bus of its own for the BMS, or set protocol 001 on the BMS's port."),
  [JKB_VERDICT_MODBUS_TCP]
  = N_("Set the gateway to transparent mode (“raw TCP server”), 115200 8N1."),
  [JKB_VERDICT_OTHER_PROTOCOL]
  = N_("Set protocol 001 (JK RS485 Modbus) on the BMS's port, or use another port."),
  [JKB_VERDICT_WRONG_SPEED]
  = N_("JK BMS use 115200 baud, 8N1. A gateway has a speed setting of its own; protocol 013 on "
       "UART1 is 9600 baud: use 001, or baud=9600."),
  [JKB_VERDICT_SILENCE]
  = N_("BMS only speak when asked, or when one of them is master (all DIP switches off). Check "
       "power, the jack and the wires; “--ask” asks the addresses 0 to 15."),
  [JKB_VERDICT_CLOSED]
  = N_("Most gateways serve one client at a time: end the other one, or allow more."),
  [JKB_VERDICT_HELD] = N_("Stop that process, or ask the daemon: “jkbmsctl doctor BUS”."),
  [JKB_VERDICT_NOT_THERE] = N_("“jkbmsctl ports” lists the serial ports of this machine."),
};

/* Where the wiring can be the reason. */
static gboolean
needs_wiring (JkbVerdict verdict)
{
  return verdict == JKB_VERDICT_SILENCE || verdict == JKB_VERDICT_INVERTED
         || verdict == JKB_VERDICT_NOISE || verdict == JKB_VERDICT_BLUETOOTH;
}

static void
print_wiring (void)
{
  g_print (_("\nWiring of the RJ45 jacks:\n"
             "  A: pins 2 and 7 (second jack of the parallel port: 10 and 15)\n"
             "  B: pins 1 and 8 (9 and 16)    GND: pins 3 and 6 (11 and 14)\n"
             "  RS485-1 (beside CAN) is always a slave; RS485-2 (two parallel jacks) is the\n"
             "  bus between the batteries, where the one with DIP 0 is master.\n"));
}

static void
print_counts (const JkbCtlHeard *heard)
{
  g_autoptr(GString) who = g_string_new (NULL);

  if (heard->bytes == 0)
    return;
  for (guint address = 0; address < G_N_ELEMENTS (heard->good_by_address); address++)
    if (heard->good_by_address[address] > 0)
      g_string_append_printf (who, "%s%u%s", who->len > 0 ? ", " : "", address,
                              address == 0 ? _(" (master)") : "");
  /* Translators: numbers stand behind what they count, so that no plural is needed */
  g_print (_("Heard: bytes %u, good frames %u, damaged frames %u, requests %u.\n"),
           (guint) heard->bytes, (guint) heard->frames, (guint) heard->bad_frames,
           (guint) heard->requests);
  if (who->len > 0)
    g_print (_("BMS at these addresses: %s\n"), who->str);
}

static void
print_permission (void)
{
  g_print (_("To allow it: sudo usermod -aG dialout %s, then log in again.\n"),
           g_get_user_name ());
}

static void
print_finding (const JkbCtl *ctl, const Finding *finding)
{
  JkbCtlStyle style = finding->verdict == JKB_VERDICT_OK ? JKB_CTL_GOOD : JKB_CTL_BAD;
  g_autofree char *detail
    = finding->detail != NULL ? jkb_ctl_text_safe (finding->detail) : NULL;

  g_print ("%s%s: %s%s\n", jkb_ctl_style_on (ctl, style), finding->what,
           _(sentences[finding->verdict]), jkb_ctl_style_off (ctl, style));
  if (detail != NULL && *detail != '\0')
    g_print ("%s\n", detail);
  if (finding->verdict == JKB_VERDICT_COLLISION)
    g_print (_("It is address %d.\n"), finding->heard.collision);
  print_counts (&finding->heard);
  if (advices[finding->verdict] != NULL)
    jkb_ctl_print_wrapped (ctl, _(advices[finding->verdict]));
  if (finding->verdict == JKB_VERDICT_NO_PERMISSION)
    print_permission ();
  if (needs_wiring (finding->verdict))
    print_wiring ();
}

static void
append_json (GString *out, const Finding *finding)
{
  g_string_append_c (out, '{');
  jkb_ctl_json_text (out, "what", finding->what);
  jkb_ctl_json_text (out, "verdict", jkb_verdict_name (finding->verdict));
  jkb_ctl_json_text (out, "sentence", sentences[finding->verdict]);
  jkb_ctl_json_text (out, "detail", finding->detail);
  jkb_ctl_json_key (out, "bytes");
  g_string_append_printf (out, "%" G_GUINT64_FORMAT, finding->heard.bytes);
  jkb_ctl_json_key (out, "frames");
  g_string_append_printf (out, "%" G_GUINT64_FORMAT, finding->heard.frames);
  jkb_ctl_json_key (out, "damaged");
  g_string_append_printf (out, "%" G_GUINT64_FORMAT, finding->heard.bad_frames);
  jkb_ctl_json_key (out, "addresses");
  g_string_append_c (out, '[');
  for (guint address = 0; address < 256; address++)
    if (finding->heard.good_by_address[address] > 0)
      g_string_append_printf (out, "%s%u", out->str[out->len - 1] == '[' ? "" : ",", address);
  g_string_append (out, "]}");
}

/* ---- a port ------------------------------------------------------------------------------- */

/* Reads what arrives until @until_us or the end. */
static void
listen_until (Patient *patient, gint64 until_us)
{
  while (!patient->closed)
    {
      struct pollfd poller = { .fd = patient->class->get_fd (patient->transport), .events = POLLIN };
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
          patient->reason = g_strdup (
            patient->class->describe_end (patient->transport, n == 0 ? 0 : errno));
        }
    }
}

/* Reading live data changes nothing in a BMS. */
static void
ask_everybody (Patient *patient)
{
  for (guint8 address = 0; address < JKB_N_ADDRESSES && !patient->closed; address++)
    {
      guint8 request[JKB_REQUEST_SIZE] = { address, 0x10, 0x16, 0x20, 0x00, 0x01, 0x02 };

      jkb_crc16_store (request, sizeof request);
      if (patient->class->write (patient->transport, request, sizeof request) < 0)
        return;
      listen_until (patient, g_get_monotonic_time () + ASK_GAP_US);
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

static Finding
finding_of_error (const Patient *patient, const GError *error)
{
  Finding finding = { .verdict = JKB_VERDICT_FAILED };
  gboolean serial = strcmp (patient->class->scheme, "serial") == 0;

  finding.detail = g_strdup (error->message);
  if (serial && access (patient->rest, F_OK) != 0)
    finding.verdict = JKB_VERDICT_NOT_THERE;
  else if (serial && access (patient->rest, R_OK | W_OK) != 0)
    finding.verdict = JKB_VERDICT_NO_PERMISSION;
  else if (serial && strstr (error->message, "in use") != NULL)
    {
      g_autofree char *holder = jkb_ctl_port_holder ("", patient->rest);

      finding.verdict = JKB_VERDICT_HELD;
      g_free (finding.detail);
      finding.detail = holder != NULL
                         ? g_strdup_printf (_("It is %s."), holder)
                         : g_strdup (_("Only root can see who it is: try with sudo."));
    }
  else if (strcmp (patient->class->scheme, "tcp") == 0)
    finding.verdict = JKB_VERDICT_NOT_THERE;
  return finding;
}

static void
hear_out (Patient *patient, double seconds, gboolean ask)
{
  JkbCtlHeard heard;
  JkbVerdict verdict;

  listen_until (patient, g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC));
  verdict = jkb_ctl_hearing_judge (patient->hearing, &heard);
  if (verdict == JKB_VERDICT_SILENCE && ask)
    ask_everybody (patient);
  verdict = jkb_ctl_hearing_judge (patient->hearing, &heard);
  if (verdict == JKB_VERDICT_SILENCE && strcmp (patient->class->scheme, "tcp") == 0)
    probe_modbus_tcp (patient);
  jkb_ctl_hearing_end (patient->hearing);
}

static Finding
examine_port (const char *uri, guint baud, double seconds, gboolean ask, GError **error)
{
  JkbBusConfig config = { .name = (char *) "doctor", .uri = (char *) uri, .baud = baud,
                          .mode = JKB_MODE_LISTEN, .no_data_timeout = 3600 };
  Patient patient = { 0 };
  Finding finding = { 0 };
  g_autoptr(GError) reason = NULL;
  int stop_fd;

  patient.class = jkb_transport_find (uri, &patient.rest, error);
  if (patient.class == NULL)
    return finding;
  stop_fd = eventfd (0, EFD_CLOEXEC); /* never readable: Ctrl-C ends the program itself */
  patient.transport = patient.class->open (patient.rest, &config, stop_fd, &reason);
  close (stop_fd);
  if (patient.transport == NULL)
    return finding_of_error (&patient, reason);
  patient.hearing = jkb_ctl_hearing_new (patient.class->timing);
  hear_out (&patient, seconds, ask);
  finding.verdict = jkb_ctl_hearing_judge (patient.hearing, &finding.heard);
  if (patient.closed && finding.verdict == JKB_VERDICT_SILENCE)
    finding.verdict = JKB_VERDICT_CLOSED;
  finding.detail = g_steal_pointer (&patient.reason);
  jkb_ctl_hearing_free (patient.hearing);
  patient.class->close (patient.transport);
  return finding;
}

/* ---- a bus of the daemon ------------------------------------------------------------------ */

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
static Finding
examine_bus (JkbCtl *ctl, JkbCtlModel *before, const char *path, double seconds, GError **error)
{
  const JkbCtlObject *bus = jkb_ctl_model_object (before, path);
  g_autoptr(JkbCtlModel) after = NULL;
  Finding finding = { .verdict = JKB_VERDICT_FAILED };

  if (g_strcmp0 (jkb_ctl_object_text (bus, "Bus", "State"), "up") != 0)
    {
      finding.detail = g_strdup (jkb_ctl_object_text (bus, "Bus", "LastError"));
      return finding;
    }
  count_bus (&finding.heard, bus, -1);
  g_usleep ((gulong) (seconds * G_USEC_PER_SEC));
  after = jkb_ctl_fetch (ctl, error);
  bus = after != NULL ? jkb_ctl_model_object (after, path) : NULL;
  if (bus == NULL)
    return finding;
  count_bus (&finding.heard, bus, 1);
  finding.heard.attributed += finding.heard.frames;
  finding.verdict = judge_counts (&finding.heard);
  if (finding.verdict != JKB_VERDICT_OK)
    finding.detail = g_strdup (jkb_ctl_object_text (bus, "Bus", "HealthReason"));
  return finding;
}

/* ---- the verb ----------------------------------------------------------------------------- */

static void
finding_clear (gpointer data)
{
  Finding *finding = data;

  g_free (finding->what);
  g_free (finding->detail);
}

/* @name NULL: every bus. */
static gboolean
examine_buses (JkbCtl *ctl, const char *name, double seconds, GArray *findings, GError **error)
{
  g_autoptr(JkbCtlModel) model = jkb_ctl_fetch (ctl, error);
  g_autoptr(GPtrArray) buses = model != NULL ? jkb_ctl_model_buses (model) : NULL;

  for (guint i = 0; buses != NULL && i < buses->len && *error == NULL; i++)
    {
      const JkbCtlObject *bus = buses->pdata[i];
      const char *bus_name;
      Finding finding;

      jkb_ctl_path_is_bus (bus->path, &bus_name);
      if (name != NULL && strcmp (name, bus_name) != 0)
        continue;
      finding = examine_bus (ctl, model, bus->path, seconds, error);
      finding.what = g_strdup (bus_name);
      g_array_append_val (findings, finding);
    }
  if (*error == NULL && findings->len == 0)
    g_set_error (error, JKB_CTL_ERROR, JKB_CTL_NOT_FOUND,
                 name != NULL ? _("the daemon has no bus “%s”; a port begins with / or tcp:")
                              : _("the daemon has no bus; say which port to examine"),
                 name);
  return *error == NULL;
}

/* "/dev/ttyUSB0" is a port, "garage" a bus. */
static char *
uri_of_port (const char *text)
{
  if (text[0] == '/' || text[0] == '.')
    {
      g_autofree char *path = g_canonicalize_filename (text, NULL);

      return g_strconcat ("serial:", path, NULL);
    }
  return strchr (text, ':') != NULL ? g_strdup (text) : NULL;
}

static int
report (const JkbCtl *ctl, const GArray *findings, gboolean json)
{
  g_autoptr(GString) out = g_string_new ("[");
  int status = JKB_CTL_OK;

  for (guint i = 0; i < findings->len; i++)
    {
      const Finding *finding = &g_array_index (findings, Finding, i);

      if (finding->verdict != JKB_VERDICT_OK)
        status = JKB_CTL_FAILED;
      if (i > 0)
        g_string_append_c (out, ',');
      append_json (out, finding);
      if (!json)
        print_finding (ctl, finding);
    }
  if (json)
    printf ("%s]\n", out->str);
  return status;
}

int
jkb_ctl_verb_doctor (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE, ask = FALSE;
  double seconds = 10;
  int baud = 115200, status;
  const GOptionEntry options[]
    = { { "time", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, N_("Listen for SECONDS (default 10)"),
          N_("SECONDS") },
        { "baud", 0, 0, G_OPTION_ARG_INT, &baud, N_("Listen at BAUD (default 115200)"),
          N_("BAUD") },
        { "ask", 0, 0, G_OPTION_ARG_NONE, &ask,
          N_("When nobody speaks, ask the addresses 0 to 15"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL } };
  g_autoptr(GArray) findings = g_array_new (FALSE, FALSE, sizeof (Finding));
  g_autoptr(GError) error = NULL;
  g_autofree char *uri = NULL;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (json) /* the same for every reader */
    setlocale (LC_MESSAGES, "C");
  if (seconds <= 0 || seconds > 3600 || baud < 300)
    return jkb_ctl_fail_usage (_("--time is from 0 to 3600 seconds, --baud from 300 on"));
  g_array_set_clear_func (findings, finding_clear);
  uri = argc > 0 ? uri_of_port (argv[0]) : NULL;
  if (ctl->tty && !json)
    g_print (ngettext ("Listening for %.0f second …\n", "Listening for %.0f seconds …\n",
                       (gulong) ceil (seconds)),
             seconds);
  if (uri != NULL)
    {
      Finding finding = examine_port (uri, baud, seconds, ask, &error);

      finding.what = g_strdup (argv[0]);
      g_array_append_val (findings, finding);
    }
  else
    examine_buses (ctl, argc > 0 ? argv[0] : NULL, seconds, findings, &error);
  if (error != NULL)
    return jkb_ctl_fail (ctl, error);
  return report (ctl, findings, json);
}
