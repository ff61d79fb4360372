/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Reads options and refuses nonsense with a sentence; nothing is started here.
 */
#include "config.h"

#include "sim/sim-options.h"

#include <glib/gi18n.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_LISTEN "tcp:127.0.0.1:15020"

/* Options as they were typed. */
typedef struct
{
  char *listen, *pty, *bms, *rate, *cells, *firmware, *replay, *truth;
  char **faults, **alarms;
  gboolean master, echo, loop, stay, wait, events, version;
  gint64 seed, count;
  gdouble duration, time_lapse;
} Typed;

static const char *const description[] = {
  /* Translators: words in lower case outside of parentheses are typed: they stay */
  N_("Faults (RATE is a fraction of the records unless said otherwise; KIND@ADDRESS=RATE only for "
     "that BMS):\n"
     "  on the way to the reader: corrupt (one wrong byte), bitrate (fraction of all bytes\n"
     "    damaged), drop, truncate, split, merge, echo (0 or 1), noise (junk between records),\n"
     "    silence (fraction of time), crosstalk, invert (0 or 1: A and B swapped),\n"
     "    baud (the reader's speed, e.g. baud=9600)\n"
     "  of the device: deaf, ack-lost-before, ack-lost-after, clamp, ignore-write,\n"
     "    neighbour-write, readdress, collide\n"),
  N_("Commands on standard input with --events, each answered with “ok” or “error: …”:\n"
     "  pause, resume, step FRAMES (the master sends so many more),\n"
     "  offline ADDRESS, online ADDRESS, readdress ADDRESS NEW,\n"
     "  alarm ADDRESS BIT on|off, fault KIND RATE, fault none, set ADDRESS soc PERCENT,\n"
     "  set ADDRESS REGISTER RAW, get ADDRESS REGISTER, stats, quit\n"),
  N_("Exit status: 0 done, 1 failed, 2 wrong usage.\n"),
};

static gboolean
refuse (GError **error, const char *format, const char *text)
{
  g_autofree char *message = NULL;

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  message = g_strdup_printf (format, text);
#pragma GCC diagnostic pop
  g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, message);
  return FALSE;
}

/* "0,1,5-7" or "all the same" values within @min and @max, appended to @numbers. */
static gboolean
parse_numbers (const char *text, guint64 min, guint64 max, gboolean unique, GByteArray *numbers)
{
  g_auto (GStrv) items = g_strsplit (text, ",", -1);

  for (guint i = 0; items[i] != NULL; i++)
    {
      g_auto (GStrv) ends = g_strsplit (g_strstrip (items[i]), "-", 2);
      guint64 first, last;

      if (ends[0] == NULL || !g_ascii_string_to_unsigned (ends[0], 10, min, max, &first, NULL))
        return FALSE;
      last = first;
      if (ends[1] != NULL && !g_ascii_string_to_unsigned (ends[1], 10, first, max, &last, NULL))
        return FALSE;
      for (guint64 each = first; each <= last; each++)
        {
          guint8 byte = each;

          if (!unique || numbers->len == 0 || !memchr (numbers->data, byte, numbers->len))
            g_byte_array_append (numbers, &byte, 1);
        }
    }
  return numbers->len > 0;
}

static gboolean
parse_place (SimOptions *self, const Typed *typed, GError **error)
{
  const char *listen = typed->listen ? typed->listen : DEFAULT_LISTEN;
  const char *colon = strrchr (listen, ':');
  const char *host = listen + strlen ("tcp:");
  guint64 port;

  if (typed->listen != NULL && typed->pty != NULL)
    return refuse (error, "%s", _("Give --listen or --pty, not both."));
  if (typed->pty != NULL)
    {
      self->pty = g_strdup (typed->pty);
      return TRUE;
    }
  if (!g_str_has_prefix (listen, "tcp:") || colon < host
      || !g_ascii_string_to_unsigned (colon + 1, 10, 0, 65535, &port, NULL))
    return refuse (error, _("“%s” is no place to listen on; write it as tcp:HOST:PORT."), listen);
  if (host[0] == '[' && colon > host + 1 && colon[-1] == ']') /* an IPv6 address */
    self->host = g_strndup (host + 1, colon - host - 2);
  else
    self->host = g_strndup (host, colon - host);
  self->port = port;
  return TRUE;
}

static gboolean
parse_bms (SimOptions *self, const Typed *typed, GError **error)
{
  const char *bms = typed->bms ? typed->bms : typed->master ? "0,1,2,3" : "1,2,3";
  GByteArray *addresses = g_byte_array_new ();
  GByteArray *cells = g_byte_array_new ();
  guint8 master = 0;
  gboolean good = parse_numbers (bms, 0, 247, TRUE, addresses);
  gboolean good_cells = parse_numbers (typed->cells ? typed->cells : "16", 1, 32, FALSE, cells);

  if (typed->master && (addresses->len == 0 || !memchr (addresses->data, 0, addresses->len)))
    g_byte_array_prepend (addresses, &master, 1);
  self->n_addresses = addresses->len;
  self->addresses = g_byte_array_free (addresses, FALSE);
  self->n_cells = cells->len;
  self->cells = g_byte_array_free (cells, FALSE);
  self->master = typed->master;
  if (!good)
    return refuse (error, _("“%s” is no list of addresses; write it as 0,1,5 or 0-15."), bms);
  if (!good_cells)
    return refuse (error, _("“%s” is no number of cells from 1 to 32, nor a list of them."),
                   typed->cells);
  return TRUE;
}

static gboolean
parse_rate (SimOptions *self, const Typed *typed, GError **error)
{
  const char *rate = typed->rate ? typed->rate : "real";
  char *end;

  self->bus.speed = 1;
  self->bus.slots = g_str_equal (rate, "real");
  if (self->bus.slots || g_str_equal (rate, "line"))
    return TRUE;
  self->bus.speed = g_ascii_strtod (rate, &end);
  if (end == rate || *end != '\0' || !isfinite (self->bus.speed) || self->bus.speed < 0
      || self->bus.speed > 100000)
    return refuse (error, _("“%s” is no rate; write real, line, or a factor such as 20."), rate);
  return TRUE;
}

static gboolean
parse_firmware (SimOptions *self, const Typed *typed, GError **error)
{
  const char *firmware = typed->firmware ? typed->firmware : "15.41";
  static const char *const known[] = { "14.20", "15.41", "19.31" };

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    if (g_str_equal (firmware, known[i]))
      {
        self->bus.firmware = i;
        return TRUE;
      }
  return refuse (error, _("Firmware “%s” is not known here; there are 14.20, 15.41 and 19.31."),
                 firmware);
}

static gint
compare_alarms (gconstpointer a, gconstpointer b)
{
  const SimAlarm *first = a, *second = b;

  return first->at_ns < second->at_ns ? -1 : first->at_ns > second->at_ns;
}

/* "ADDRESS:BIT@SECONDS" */
static gboolean
parse_alarm (const char *text, SimAlarm *alarm)
{
  g_auto (GStrv) words = g_strsplit_set (text, ":@", 4);
  guint64 address, bit;
  double seconds;
  char *end;

  if (g_strv_length (words) != 3 || text[strlen (words[0])] != ':'
      || !g_ascii_string_to_unsigned (words[0], 10, 0, 247, &address, NULL)
      || !g_ascii_string_to_unsigned (words[1], 10, 0, 31, &bit, NULL) || words[2][0] == '\0')
    return FALSE;
  seconds = g_ascii_strtod (words[2], &end);
  if (*end != '\0' || !(seconds >= 0) || seconds > 1e8)
    return FALSE;
  *alarm = (SimAlarm) { (guint) address, (guint) bit, (gint64) (seconds * 1e9) };
  return TRUE;
}

static gboolean
parse_alarms (SimOptions *self, const Typed *typed, GError **error)
{
  for (guint i = 0; typed->alarms != NULL && typed->alarms[i] != NULL; i++)
    {
      SimAlarm alarm;

      if (!parse_alarm (typed->alarms[i], &alarm))
        return refuse (error, _("“%s” is no alarm; write it as ADDRESS:BIT@SECONDS."),
                       typed->alarms[i]);
      g_array_append_val (self->alarms, alarm);
    }
  g_array_sort (self->alarms, compare_alarms);
  return TRUE;
}

static gboolean
parse_rest (SimOptions *self, Typed *typed, GError **error)
{
  if (typed->seed < 0 || typed->seed > G_MAXUINT32)
    return refuse (error, "%s", _("The seed is a number from 0 to 4294967295."));
  if (typed->count < 0 || !(typed->duration >= 0) || typed->duration > 1e8)
    return refuse (error, "%s", _("--count and --duration cannot be negative."));
  if (!(typed->time_lapse >= 0 && typed->time_lapse <= 10000))
    return refuse (error, "%s", _("--time-lapse is a factor from 0 to 10000."));
  if (typed->replay != NULL && typed->master)
    return refuse (error, "%s", _("A replay has its own master: leave out --master."));
  self->seed = (guint32) typed->seed;
  self->bus.count = (guint64) typed->count;
  self->duration = typed->duration;
  self->time_lapse = typed->time_lapse;
  self->replay = g_strdup (typed->replay);
  self->truth = g_strdup (typed->truth);
  self->faults = g_strdupv (typed->faults);
  if (typed->echo)
    {
      GStrv more = self->faults;
      guint n = more ? g_strv_length (more) : 0;

      self->faults = g_new0 (char *, n + 2);
      for (guint i = 0; i < n; i++)
        self->faults[i] = g_strdup (more[i]);
      self->faults[n] = g_strdup ("echo=1");
      g_strfreev (more);
    }
  self->loop = typed->loop;
  self->stay = typed->stay;
  self->wait = typed->wait;
  self->events = typed->events;
  return TRUE;
}

static gboolean
parse_line (Typed *typed, int *argc, char ***argv, GError **error)
{
  g_autofree char *listen_help = g_strdup_printf (
      _("Listen for readers (default %s; port 0: any free one)"), DEFAULT_LISTEN);
  const GOptionEntry entries[] = {
    { "listen", 0, 0, G_OPTION_ARG_STRING, &typed->listen, listen_help, N_("tcp:HOST:PORT") },
    { "pty", 0, 0, G_OPTION_ARG_FILENAME, &typed->pty,
      N_("Be a serial port instead: a pseudo terminal with a symbolic link"), N_("LINK") },
    { "bms", 0, 0, G_OPTION_ARG_STRING, &typed->bms,
      N_("Addresses on the bus, e.g. 0,1,2,5 or 0-15 (default 1,2,3; with --master 0,1,2,3)"),
      N_("LIST") },
    { "master", 0, 0, G_OPTION_ARG_NONE, &typed->master,
      N_("BMS 0 polls the bus (else a reader has to)"), NULL },
    { "firmware", 0, 0, G_OPTION_ARG_STRING, &typed->firmware,
      N_("Firmware of all BMS: 14.20, 15.41 or 19.31 (default 15.41)"), N_("VERSION") },
    { "cells", 0, 0, G_OPTION_ARG_STRING, &typed->cells,
      N_("Cells of each BMS (default 16); a list gives each its own"), "N" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &typed->seed, N_("Seed of all chance (default 1)"), "N" },
    { "rate", 0, 0, G_OPTION_ARG_STRING, &typed->rate,
      N_("real: the device's timing (default); line: no pauses at 115200 baud; FACTOR: times that; "
         "0: as fast as the reader takes"),
      N_("line|real|FACTOR") },
    { "time-lapse", 0, 0, G_OPTION_ARG_DOUBLE, &typed->time_lapse,
      N_("Charge and discharge FACTOR times faster than the clock (default 1)"), N_("FACTOR") },
    { "fault", 0, 0, G_OPTION_ARG_STRING_ARRAY, &typed->faults, N_("What goes wrong (see below)"),
      N_("KIND=RATE") },
    { "echo", 0, 0, G_OPTION_ARG_NONE, &typed->echo, N_("The same as --fault echo=1"), NULL },
    { "alarm", 0, 0, G_OPTION_ARG_STRING_ARRAY, &typed->alarms,
      N_("Raise an alarm bit some time after the start"), N_("ADDRESS:BIT@SECONDS") },
    { "replay", 0, 0, G_OPTION_ARG_FILENAME, &typed->replay,
      N_("Send this file of raw bytes instead of own BMS"), N_("FILE") },
    { "loop", 0, 0, G_OPTION_ARG_NONE, &typed->loop, N_("Replay again and again"), NULL },
    { "truth", 0, 0, G_OPTION_ARG_FILENAME, &typed->truth,
      N_("Write what was really sent: a JSON line per record"), N_("FILE") },
    { "count", 0, 0, G_OPTION_ARG_INT64, &typed->count, N_("End after N frames"), "N" },
    { "duration", 0, 0, G_OPTION_ARG_DOUBLE, &typed->duration, N_("End after so many seconds"),
      N_("SECONDS") },
    { "stay", 0, 0, G_OPTION_ARG_NONE, &typed->stay,
      N_("After --count or a replay be silent instead of ending"), NULL },
    { "wait", 0, 0, G_OPTION_ARG_NONE, &typed->wait, N_("Begin when the first reader is there"),
      NULL },
    { "events", 0, 0, G_OPTION_ARG_NONE, &typed->events,
      N_("Take commands from standard input (see below)"), NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &typed->version, N_("Print the version"), NULL },
    { NULL }
  };
  g_autoptr (GString) all = g_string_new (NULL);
  g_autoptr (GOptionContext) context = g_option_context_new (_("- a simulated JK BMS RS485 bus"));

  g_option_context_add_main_entries (context, entries, PACKAGE);
  for (guint i = 0; i < G_N_ELEMENTS (description); i++)
    g_string_append_printf (all, "%s%s", i > 0 ? "\n" : "", _(description[i]));
  g_option_context_set_description (context, all->str);
  if (!g_option_context_parse (context, argc, argv, error))
    return FALSE;
  return *argc == 1 || refuse (error, _("“%s” is not an option."), (*argv)[1]);
}

static void
typed_clear (Typed *typed)
{
  g_free (typed->listen);
  g_free (typed->pty);
  g_free (typed->bms);
  g_free (typed->rate);
  g_free (typed->cells);
  g_free (typed->firmware);
  g_free (typed->replay);
  g_free (typed->truth);
  g_strfreev (typed->faults);
  g_strfreev (typed->alarms);
}

int
sim_options_parse (SimOptions *self, int argc, char **argv)
{
  Typed typed = { .seed = 1, .time_lapse = 1 };
  g_autoptr (GError) error = NULL;
  int status = -1;

  self->alarms = g_array_new (FALSE, FALSE, sizeof (SimAlarm));
  if (!parse_line (&typed, &argc, &argv, &error)
      || (!typed.version
          && !(parse_place (self, &typed, &error) && parse_bms (self, &typed, &error)
               && parse_rate (self, &typed, &error) && parse_firmware (self, &typed, &error)
               && parse_alarms (self, &typed, &error) && parse_rest (self, &typed, &error))))
    {
      fprintf (stderr, "jkbms-sim: %s\n", error->message);
      status = 2;
    }
  else if (typed.version)
    {
      printf ("jkbms-sim %s\n", VERSION);
      status = 0;
    }
  typed_clear (&typed);
  return status;
}

void
sim_options_clear (SimOptions *self)
{
  g_free (self->host);
  g_free (self->pty);
  g_free (self->addresses);
  g_free (self->cells);
  g_strfreev (self->faults);
  g_array_unref (self->alarms);
  g_free (self->replay);
  g_free (self->truth);
}

void
sim_options_populate (const SimOptions *self, SimBus *bus)
{
  if (self->replay != NULL)
    return;
  for (guint i = 0; i < self->n_addresses; i++)
    sim_bus_add (bus, sim_bms_new (self->addresses[i],
                                   self->cells[MIN (i, self->n_cells - 1)], self->bus.firmware,
                                   self->seed, self->time_lapse));
  if (self->master)
    sim_bus_start_master (bus);
}
