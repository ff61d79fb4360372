/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A table of commands with the number of their words; each does one thing.
 */
#include "sim/sim-events.h"

typedef char *(*CommandFunc) (SimEvents *self, char **words);

static char *
ok (void)
{
  return g_strdup ("ok");
}

static SimBms *
find_bms (SimEvents *self, const char *text)
{
  guint64 address;

  if (!g_ascii_string_to_unsigned (text, 10, 0, 247, &address, NULL))
    return NULL;
  return sim_bus_find (self->bus, address);
}

static char *
no_bms (const char *text)
{
  return g_strdup_printf ("error: there is no BMS %s on this bus", text);
}

static char *
do_pause (SimEvents *self, char **words)
{
  self->paused = TRUE;
  return ok ();
}

static char *
do_resume (SimEvents *self, char **words)
{
  self->paused = FALSE;
  sim_bus_step (self->bus, 0);
  return ok ();
}

static char *
do_step (SimEvents *self, char **words)
{
  guint64 n;

  if (!g_ascii_string_to_unsigned (words[1], 10, 1, G_MAXINT64, &n, NULL))
    return g_strdup ("error: a step is a number of frames from 1");
  self->paused = FALSE;
  sim_bus_step (self->bus, n);
  return ok ();
}

static char *
do_quit (SimEvents *self, char **words)
{
  self->quit = TRUE;
  return ok ();
}

static char *
do_online (SimEvents *self, char **words)
{
  SimBms *bms = find_bms (self, words[1]);

  if (bms == NULL)
    return no_bms (words[1]);
  sim_bms_set_online (bms, g_str_equal (words[0], "online"));
  return ok ();
}

static char *
do_alarm (SimEvents *self, char **words)
{
  SimBms *bms = find_bms (self, words[1]);
  guint64 bit;

  if (bms == NULL)
    return no_bms (words[1]);
  if (!g_ascii_string_to_unsigned (words[2], 10, 0, 31, &bit, NULL))
    return g_strdup ("error: an alarm bit is a number from 0 to 31");
  if (!g_str_equal (words[3], "on") && !g_str_equal (words[3], "off"))
    return g_strdup ("error: say on or off");
  sim_bms_force_alarm (bms, bit, g_str_equal (words[3], "on"));
  return ok ();
}

static char *
do_fault (SimEvents *self, char **words)
{
  g_autofree char *spec
      = words[2] ? g_strdup_printf ("%s=%s", words[1], words[2]) : g_strdup (words[1]);
  g_autoptr (GError) error = NULL;

  if (!sim_fault_set (self->fault, spec, &error))
    return g_strdup_printf ("error: %s", error->message);
  return ok ();
}

static char *
do_set (SimEvents *self, char **words)
{
  SimBms *bms = find_bms (self, words[1]);
  gint64 raw;

  if (bms == NULL)
    return no_bms (words[1]);
  if (sim_bms_set_text (bms, words[2], words[3]))
    return ok ();
  if (!g_ascii_string_to_signed (words[3], 10, G_MININT32, G_MAXUINT32, &raw, NULL)
      || !sim_bms_set (bms, words[2], raw))
    return g_strdup_printf ("error: %s cannot be set to %s", words[2], words[3]);
  return ok ();
}

static char *
do_get (SimEvents *self, char **words)
{
  SimBms *bms = find_bms (self, words[1]);
  const SimRegister *row = sim_register_find_name (words[2]);

  if (bms == NULL)
    return no_bms (words[1]);
  if (row == NULL || row->type == SIM_TYPE_TEXT)
    return g_strdup_printf ("error: there is no register %s with a number", words[2]);
  return g_strdup_printf ("ok %" G_GINT64_FORMAT,
                          sim_registers_get (sim_bms_registers (bms), row->reg));
}

static char *
do_readdress (SimEvents *self, char **words)
{
  SimBms *bms = find_bms (self, words[1]);
  guint64 address;

  if (bms == NULL)
    return no_bms (words[1]);
  if (!g_ascii_string_to_unsigned (words[2], 10, 0, 247, &address, NULL))
    return g_strdup ("error: an address is a number from 0 to 247");
  sim_bms_set_address (bms, address);
  return ok ();
}

static char *
do_stats (SimEvents *self, char **words)
{
  const SimBusCounters *bus = sim_bus_counters (self->bus);
  const SimPortCounters *port = sim_port_counters (self->port);
  GString *text = g_string_new ("ok {");

#define NUMBER(from, key)                                                                          \
  g_string_append_printf (text, "\"" #key "\":%" G_GUINT64_FORMAT ",", from->key)
  NUMBER (bus, frames);
  NUMBER (bus, records);
  NUMBER (bus, bytes);
  NUMBER (bus, damaged);
  NUMBER (bus, dropped);
  NUMBER (bus, requests_heard);
  NUMBER (bus, writes);
  NUMBER (bus, collisions);
  NUMBER (port, bytes_out);
  NUMBER (port, bytes_in);
  NUMBER (port, bytes_lost);
  NUMBER (port, connects);
  NUMBER (port, disconnects);
  NUMBER (port, overruns);
#undef NUMBER
  g_string_append (text, "\"faults\":{");
  for (guint i = 0; i < SIM_N_FAULTS; i++)
    g_string_append_printf (text, "%s\"%s\":%" G_GUINT64_FORMAT, i ? "," : "", sim_fault_name (i),
                            sim_fault_hits (self->fault, i));
  g_string_append (text, "}}");
  if (self->truth != NULL)
    sim_truth_flush (self->truth);
  return g_string_free (text, FALSE);
}

static const struct
{
  const char *name;
  guint min_words, max_words;
  CommandFunc func;
} commands[] = {
  { "pause", 1, 1, do_pause },   { "resume", 1, 1, do_resume },
  { "step", 2, 2, do_step },
  { "offline", 2, 2, do_online }, { "online", 2, 2, do_online },
  { "alarm", 4, 4, do_alarm },   { "fault", 2, 3, do_fault },
  { "set", 4, 4, do_set },       { "get", 3, 3, do_get },
  { "readdress", 3, 3, do_readdress }, { "stats", 1, 1, do_stats },
  { "quit", 1, 1, do_quit },
};

char *
sim_events_run (SimEvents *self, const char *line)
{
  g_auto (GStrv) words = NULL;
  gint n_words;

  if (!g_shell_parse_argv (line, &n_words, &words, NULL))
    return g_strdup ("error: there is no command on this line");
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    {
      if (!g_str_equal (commands[i].name, words[0]))
        continue;
      if (n_words < (gint) commands[i].min_words || n_words > (gint) commands[i].max_words)
        return g_strdup_printf ("error: %s takes %u word(s) more", words[0],
                                commands[i].min_words - 1);
      return commands[i].func (self, words);
    }
  return g_strdup_printf ("error: there is no command %s", words[0]);
}
