/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl doctor: listens to a port, or asks the daemon about a bus, and says in a sentence what is
 * wrong and what to do. The judgement is in jkb-ctl-hearing.c; here are the words.
 */
#include "config.h"

#include <glib/gi18n.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-doctor.h"
#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"

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
  [JKB_VERDICT_NO_PERMISSION] = N_("Who is added to a group belongs to it from the next login on."),
  [JKB_VERDICT_HELD] = N_("Stop that process, or ask the daemon: “jkbmsctl doctor BUS”."),
  [JKB_VERDICT_NOT_THERE] = N_("Serial ports: “jkbmsctl ports” lists those of this machine."),
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
print_next (const JkbCtl *ctl, char **commands)
{
  jkb_ctl_print_wrapped (ctl, _("Two BMS with one address look the same here, where the daemon asks. "
                                "These commands name it:"));
  for (; *commands != NULL; commands++)
    {
      g_autofree char *safe = jkb_ctl_text_safe (*commands);

      g_print ("  %s\n", safe);
    }
}

static void
print_finding (const JkbCtl *ctl, const JkbCtlFinding *finding)
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
  if (finding->command != NULL)
    g_print (_("To allow it: %s\n"), finding->command);
  if (finding->next != NULL)
    print_next (ctl, finding->next);
  if (needs_wiring (finding->verdict))
    print_wiring ();
}

static void
append_json (GString *out, const JkbCtlFinding *finding)
{
  g_autofree char *next = finding->next != NULL ? g_strjoinv ("; ", finding->next) : NULL;

  g_string_append_c (out, '{');
  jkb_ctl_json_text (out, "what", finding->what);
  jkb_ctl_json_text (out, "verdict", jkb_verdict_name (finding->verdict));
  jkb_ctl_json_text (out, "sentence", sentences[finding->verdict]);
  jkb_ctl_json_text (out, "detail", finding->detail);
  jkb_ctl_json_text (out, "command", finding->command);
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
  g_string_append_c (out, ']');
  jkb_ctl_json_text (out, "next", next);
  g_string_append_c (out, '}');
}

/* ---- the verb ----------------------------------------------------------------------------- */

/* @name NULL: every bus. */
static gboolean
examine_buses (JkbCtl *ctl, const char *name, const JkbCtlExam *exam, GArray *findings,
               GError **error)
{
  g_autoptr(JkbCtlModel) model = jkb_ctl_fetch (ctl, error);
  g_autoptr(GPtrArray) buses = model != NULL ? jkb_ctl_model_buses (model) : NULL;

  for (guint i = 0; buses != NULL && i < buses->len && *error == NULL; i++)
    {
      const JkbCtlObject *bus = buses->pdata[i];
      const char *bus_name;
      JkbCtlFinding finding;

      jkb_ctl_path_is_bus (bus->path, &bus_name);
      if (name != NULL && strcmp (name, bus_name) != 0)
        continue;
      finding = jkb_ctl_examine_bus (ctl, bus, exam, error);
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
      const JkbCtlFinding *finding = &g_array_index (findings, JkbCtlFinding, i);

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
  JkbCtlExam exam = { .seconds = 10 };
  gboolean json = FALSE;
  int baud = 115200, status;
  const GOptionEntry options[]
    = { { "time", 0, 0, G_OPTION_ARG_DOUBLE, &exam.seconds, N_("Listen for SECONDS (default 10)"),
          N_("SECONDS") },
        { "baud", 0, 0, G_OPTION_ARG_INT, &baud, N_("Listen at BAUD (default 115200)"),
          N_("BAUD") },
        { "ask", 0, 0, G_OPTION_ARG_NONE, &exam.ask,
          N_("When nobody speaks, ask the addresses 0 to 15"), NULL },
        { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { NULL } };
  g_autoptr(GArray) findings = g_array_new (FALSE, FALSE, sizeof (JkbCtlFinding));
  g_autoptr(GError) error = NULL;
  g_autofree char *uri = NULL;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  if (json) /* the same for every reader */
    setlocale (LC_MESSAGES, "C");
  if (exam.seconds <= 0 || exam.seconds > 3600 || baud < 300)
    return jkb_ctl_fail_usage (_("--time is from 0 to 3600 seconds, --baud from 300 on"));
  exam.baud = (guint) baud;
  g_array_set_clear_func (findings, (GDestroyNotify) jkb_ctl_finding_clear);
  uri = argc > 0 ? uri_of_port (argv[0]) : NULL;
  if (ctl->tty && !json)
    g_print (ngettext ("Listening for %.0f second …\n", "Listening for %.0f seconds …\n",
                       (gulong) ceil (exam.seconds)),
             exam.seconds);
  if (uri != NULL)
    {
      JkbCtlFinding finding = jkb_ctl_examine_port (uri, &exam, &error);

      finding.what = g_strdup (argv[0]);
      g_array_append_val (findings, finding);
    }
  else
    examine_buses (ctl, argc > 0 ? argv[0] : NULL, &exam, findings, &error);
  if (error != NULL)
    return jkb_ctl_fail (ctl, error);
  return report (ctl, findings, json);
}
