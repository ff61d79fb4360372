/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbms-sim: options, clock and main loop. One thread, one poll; time on the simulated bus is the
 * monotonic clock, so a faster line has more bytes per second and the batteries age no faster.
 */
#include "config.h"

#include <errno.h>
#include <glib/gi18n.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "sim/sim-events.h"
#include "sim/sim-options.h"
#include "sim/sim-replay.h"

#define SECOND_NS G_GINT64_CONSTANT (1000000000)
/* after a longer stop of the program the bus does not catch up */
#define LAG_NS SECOND_NS
/* how long the end waits for readers to take the last bytes */
#define DRAIN_NS (2 * SECOND_NS)

typedef struct
{
  SimOptions options;
  SimFault *fault;
  SimTruth *truth;
  SimBus *bus;
  SimPort *port;
  SimReplay *replay;
  SimEvents events;
  GArray *fds;
  GString *command; /* unfinished line of standard input */
  gint signal_fd;
  gboolean watch_input;
  gboolean started;
  gint64 origin_ns; /* monotonic clock at bus time 0 */
  gint64 bus_ns;    /* bus time up to which all has happened */
  gint64 done_ns;   /* clock when there was nothing more to send; 0: not yet */
  guint next_alarm;
} Sim;

static gint64
clock_ns (void)
{
  return g_get_monotonic_time () * 1000;
}

static void
on_bus_bytes (const guint8 *bytes, gsize n_bytes, gint except, gpointer user_data)
{
  Sim *self = user_data;

  sim_port_send (self->port, bytes, n_bytes, except);
}

static void
on_port_bytes (gint source, SimInput *input, const guint8 *bytes, gsize n_bytes,
               gpointer user_data)
{
  Sim *self = user_data;

  if (self->started && !self->events.paused)
    sim_bus_receive (self->bus, source, input, bytes, n_bytes, self->bus_ns);
}

static void
run_commands (Sim *self)
{
  char buffer[4096];
  gssize n = read (STDIN_FILENO, buffer, sizeof buffer);
  char *end;

  if (n <= 0)
    {
      self->watch_input = n < 0 && (errno == EINTR || errno == EAGAIN);
      return;
    }
  g_string_append_len (self->command, buffer, n);
  while ((end = memchr (self->command->str, '\n', self->command->len)) != NULL)
    {
      gsize length = end - self->command->str;
      g_autofree char *line = g_strndup (self->command->str, length);
      g_autofree char *answer = sim_events_run (&self->events, line);

      g_string_erase (self->command, 0, length + 1);
      printf ("%s\n", answer);
      fflush (stdout);
    }
  if (self->command->len > sizeof buffer)
    g_string_truncate (self->command, 0);
}

static void
raise_alarms (Sim *self)
{
  while (self->next_alarm < self->options.alarms->len)
    {
      const SimAlarm *alarm = &g_array_index (self->options.alarms, SimAlarm, self->next_alarm);
      SimBms *bms = sim_bus_find (self->bus, alarm->address);

      if (alarm->at_ns > self->bus_ns)
        break;
      if (bms != NULL)
        sim_bms_force_alarm (bms, alarm->bit, TRUE);
      self->next_alarm++;
    }
}

/* What the bus does next, a replay's bytes included. */
static gint64
next_due_ns (Sim *self)
{
  gint64 due_ns = sim_bus_next_ns (self->bus);

  if (self->replay != NULL)
    due_ns = MIN (due_ns, sim_replay_next_ns (self->replay));
  return due_ns;
}

static void
run_until (Sim *self, gint64 bus_ns)
{
  SimRecord record;
  gint64 at_ns;

  self->bus_ns = bus_ns;
  raise_alarms (self);
  while (self->replay != NULL && sim_replay_next_ns (self->replay) <= bus_ns
         && sim_replay_take (self->replay, &record, &at_ns))
    sim_bus_send (self->bus, &record, at_ns);
  sim_bus_run (self->bus, bus_ns);
}

/* As fast as the reader takes it: bus time jumps from one event to the next. */
static void
run_unpaced (Sim *self)
{
  for (guint i = 0; i < 256 && sim_port_has_room (self->port); i++)
    {
      gint64 due_ns = next_due_ns (self);

      if (due_ns == G_MAXINT64)
        return;
      run_until (self, MAX (due_ns, self->bus_ns));
    }
}

static void
run_paced (Sim *self)
{
  gint64 now_ns = clock_ns () - self->origin_ns;
  gint64 due_ns = next_due_ns (self);

  if (due_ns != G_MAXINT64 && now_ns - due_ns > LAG_NS)
    {
      self->origin_ns += now_ns - due_ns;
      now_ns = due_ns;
    }
  run_until (self, MAX (now_ns, self->bus_ns));
}

static void
run_bus (Sim *self)
{
  if (!self->started)
    {
      if (self->options.wait && !sim_port_has_reader (self->port))
        return;
      self->started = TRUE;
      self->origin_ns = clock_ns ();
    }
  if (self->events.paused)
    self->origin_ns = clock_ns () - self->bus_ns; /* bus time stands still */
  else if (self->options.bus.speed == 0)
    run_unpaced (self);
  else
    run_paced (self);
  sim_port_flush (self->port);
}

/* Nothing more will be sent, and the readers have it. */
static gboolean
is_over (Sim *self, gint64 start_ns)
{
  gint64 now_ns = clock_ns ();
  gboolean done = sim_bus_is_done (self->bus)
                  || (self->replay != NULL && sim_replay_is_done (self->replay)
                      && sim_bus_next_ns (self->bus) == G_MAXINT64);

  if (self->options.duration > 0
      && now_ns - start_ns >= (gint64) (self->options.duration * SECOND_NS))
    return TRUE;
  if (!done || self->options.stay)
    return FALSE;
  if (self->done_ns == 0)
    self->done_ns = now_ns;
  return sim_port_is_drained (self->port) || now_ns - self->done_ns > DRAIN_NS;
}

/* How long poll may sleep; ns, -1: for ever. */
static gint64
sleep_ns (Sim *self, gint64 start_ns)
{
  gint64 now_ns = clock_ns ();
  gint64 wake_ns = G_MAXINT64;
  gint64 due_ns = next_due_ns (self);

  if (self->started && !self->events.paused && due_ns != G_MAXINT64)
    {
      if (self->options.bus.speed > 0)
        wake_ns = self->origin_ns + due_ns;
      else if (sim_port_has_room (self->port))
        wake_ns = now_ns;
    }
  if (self->options.duration > 0)
    wake_ns = MIN (wake_ns, start_ns + (gint64) (self->options.duration * SECOND_NS));
  if (self->done_ns != 0)
    wake_ns = MIN (wake_ns, now_ns + SECOND_NS / 50);
  return wake_ns == G_MAXINT64 ? -1 : MAX (0, wake_ns - now_ns);
}

static void
wait_for_event (Sim *self, gint64 timeout_ns)
{
  struct timespec timeout = { timeout_ns / SECOND_NS, timeout_ns % SECOND_NS };
  GPollFD signals = { .fd = self->signal_fd, .events = G_IO_IN };
  GPollFD input = { .fd = self->watch_input ? STDIN_FILENO : -1, .events = G_IO_IN };
  GPollFD *fds;

  g_array_set_size (self->fds, 0);
  g_array_append_val (self->fds, signals);
  g_array_append_val (self->fds, input);
  sim_port_prepare (self->port, self->fds);
  /* GPollFD is struct pollfd here, as GLib says for systems that have poll() */
  if (ppoll ((struct pollfd *) (void *) self->fds->data, self->fds->len,
             timeout_ns < 0 ? NULL : &timeout, NULL)
      <= 0)
    return;
  fds = (GPollFD *) (void *) self->fds->data;
  if (fds[0].revents)
    self->events.quit = TRUE;
  if (fds[1].revents)
    run_commands (self);
  /* bytes that come in now come in now, not when the bus was last looked at */
  if (self->options.bus.speed > 0 && self->started && !self->events.paused)
    run_until (self, MAX (self->bus_ns, clock_ns () - self->origin_ns));
  sim_port_dispatch (self->port);
}

static void
main_loop (Sim *self)
{
  gint64 start_ns = clock_ns ();

  run_bus (self);
  while (!self->events.quit && !is_over (self, start_ns))
    {
      wait_for_event (self, sleep_ns (self, start_ns));
      run_bus (self);
    }
}

static gint
block_signals (void)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGTERM);
  sigaddset (&set, SIGINT);
  sigprocmask (SIG_BLOCK, &set, NULL);
  signal (SIGPIPE, SIG_IGN);
  return signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static gboolean
set_up (Sim *self, GError **error)
{
  const SimOptions *options = &self->options;

  self->fault = sim_fault_new (options->seed);
  for (guint i = 0; options->faults != NULL && options->faults[i] != NULL; i++)
    if (!sim_fault_set (self->fault, options->faults[i], error))
      return FALSE;
  if (options->truth != NULL && !(self->truth = sim_truth_new (options->truth, error)))
    return FALSE;
  if (options->replay != NULL
      && !(self->replay = sim_replay_new (options->replay, options->loop, options->bus.speed,
                                          error)))
    return FALSE;
  self->port = options->pty ? sim_port_new_pty (options->pty, error)
                            : sim_port_new_tcp (options->host, options->port, error);
  if (self->port == NULL)
    return FALSE;
  self->bus = sim_bus_new (&options->bus, self->fault, self->truth, on_bus_bytes, self);
  sim_port_set_func (self->port, on_port_bytes, self);
  sim_options_populate (options, self->bus);
  self->events = (SimEvents) { self->bus, self->fault, self->port, self->truth, FALSE, FALSE };
  self->watch_input = options->events;
  return TRUE;
}

static void
tear_down (Sim *self)
{
  g_clear_pointer (&self->bus, sim_bus_free);
  g_clear_pointer (&self->port, sim_port_free);
  g_clear_pointer (&self->replay, sim_replay_free);
  g_clear_pointer (&self->truth, sim_truth_free);
  g_clear_pointer (&self->fault, sim_fault_free);
  g_array_unref (self->fds);
  g_string_free (self->command, TRUE);
  sim_options_clear (&self->options);
  close (self->signal_fd);
}

/* Texts only: numbers are read and written alike everywhere. */
static void
set_language (void)
{
  const char *directory = g_getenv ("JKBMSD_LOCALEDIR");

  setlocale (LC_CTYPE, "");
  setlocale (LC_MESSAGES, "");
  bindtextdomain (PACKAGE, directory != NULL ? directory : LOCALEDIR);
  bind_textdomain_codeset (PACKAGE, "UTF-8");
  textdomain (PACKAGE);
}

int
main (int argc, char **argv)
{
  Sim self = { .fds = g_array_new (FALSE, FALSE, sizeof (GPollFD)),
               .command = g_string_new (NULL),
               .signal_fd = block_signals () };
  g_autoptr (GError) error = NULL;
  int status;

  set_language ();
  status = sim_options_parse (&self.options, argc, argv);
  if (status >= 0)
    {
      tear_down (&self);
      return status;
    }
  if (!set_up (&self, &error))
    {
      fprintf (stderr, "jkbms-sim: %s\n", error->message);
      tear_down (&self);
      return g_error_matches (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE) ? 2 : 1;
    }
  printf ("%s\n", sim_port_description (self.port));
  fflush (stdout);
  main_loop (&self);
  tear_down (&self);
  return 0;
}
