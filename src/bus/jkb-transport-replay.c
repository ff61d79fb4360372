/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * "replay:FILE?speed=N&loop=true": the raw bytes of a file as if they came from a bus. speed=1 is
 * the line's own 11,520 bytes a second, without speed the file comes as fast as it is taken. Runs
 * on the reader thread.
 */
#include "bus/jkb-transport.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/jkb-error.h"

#define LINE_RATE 11520.0 /* bytes a second at 115200 baud */
#define TICK_MS 10
#define MIN_SPEED 0.001
#define MAX_SPEED 100000.0
#define FORM "use replay:FILE, replay:FILE?speed=N or replay:FILE?speed=N&loop=true"

typedef struct
{
  char *file;
  double speed; /* 0: as fast as possible */
  gboolean loop;
} Options;

struct _JkbTransport
{
  int file_fd;
  int ready_fd; /* timerfd with a speed, else an eventfd that is always readable */
  double rate;  /* bytes a second, 0: as fast as possible */
  gboolean loop;
  gint64 started_us;
  double sent;
  JkbTiming timing;
};

static void
options_clear (Options *options)
{
  g_free (options->file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static gboolean
parse_option (Options *options, const char *text)
{
  if (g_str_equal (text, "loop=true"))
    options->loop = TRUE;
  else if (g_str_equal (text, "loop=false"))
    options->loop = FALSE;
  else if (g_str_has_prefix (text, "speed="))
    {
      const char *number = text + strlen ("speed=");
      char *end;

      options->speed = g_ascii_strtod (number, &end);
      return g_ascii_isdigit (*number) && *end == '\0' && options->speed >= MIN_SPEED
             && options->speed <= MAX_SPEED;
    }
  else
    return FALSE;
  return TRUE;
}

static gboolean
parse (const char *rest, Options *options, GError **error)
{
  g_auto(GStrv) parts = g_strsplit (rest, "?", 2);
  g_auto(GStrv) list = NULL;

  if (parts[0] == NULL || parts[0][0] == '\0')
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                   "The name of the file is missing: " FORM);
      return FALSE;
    }
  list = g_strsplit (parts[1] != NULL ? parts[1] : "", "&", -1);
  for (char **text = list; *text != NULL; text++)
    if (!parse_option (options, *text))
      {
        g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                     "Unknown option '%s' (speed is %g to %.0f): " FORM, *text, MIN_SPEED,
                     MAX_SPEED);
        return FALSE;
      }
  options->file = g_strdup (parts[0]);
  return TRUE;
}

static gboolean
replay_check (const char *rest, GError **error)
{
  g_auto(Options) options = { NULL };

  return parse (rest, &options, error);
}

static int
open_file (const char *file, GError **error)
{
  int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat st;

  if (fd < 0)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "Cannot open %s: %s", file, g_strerror (errno));
      return -1;
    }
  if (fstat (fd, &st) == 0 && S_ISREG (st.st_mode) && st.st_size > 0)
    return fd;
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "%s is empty or no plain file: name a raw capture",
               file);
  close (fd);
  return -1;
}

/* Returns: what to poll for. */
static int
make_ready_fd (double rate)
{
  const struct itimerspec tick = { { 0, TICK_MS * 1000000 }, { 0, TICK_MS * 1000000 } };
  int fd;

  if (rate == 0)
    return eventfd (1, EFD_CLOEXEC | EFD_NONBLOCK);
  fd = timerfd_create (CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
  if (fd >= 0)
    timerfd_settime (fd, 0, &tick, NULL);
  return fd;
}

static JkbTransport *
replay_open (const char *rest, const JkbBusConfig *config, int stop_fd, GError **error)
{
  g_auto(Options) options = { NULL };
  JkbTransport *transport;
  int fd;

  if (!parse (rest, &options, error) || (fd = open_file (options.file, error)) < 0)
    return NULL;
  transport = g_new0 (JkbTransport, 1);
  transport->file_fd = fd;
  transport->rate = options.speed * LINE_RATE;
  transport->loop = options.loop;
  transport->timing = options.speed == 1.0 ? JKB_TIMING_SERIAL : JKB_TIMING_UNKNOWN;
  transport->started_us = g_get_monotonic_time ();
  transport->ready_fd = make_ready_fd (transport->rate);
  if (transport->ready_fd >= 0)
    return transport;
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "Cannot replay %s: %s", options.file,
               g_strerror (errno));
  jkb_transport_replay.close (transport);
  return NULL;
}

static int
replay_get_fd (JkbTransport *transport)
{
  return transport->ready_fd;
}

/* Returns: how many of @size bytes the line would have brought by now. */
static gsize
allowed (JkbTransport *transport, gsize size)
{
  double seconds = (double) (g_get_monotonic_time () - transport->started_us) / G_USEC_PER_SEC;
  double bytes = floor (seconds * transport->rate - transport->sent);

  if (transport->rate == 0)
    return size;
  return (gsize) CLAMP (bytes, 0, (double) size);
}

static gssize
replay_read (JkbTransport *transport, guint8 *buffer, gsize size)
{
  gsize wanted = allowed (transport, size);
  guint64 ticks;
  gssize n;

  if (wanted == 0)
    {
      n = read (transport->ready_fd, &ticks, sizeof ticks);
      errno = EAGAIN;
      return -1;
    }
  n = read (transport->file_fd, buffer, wanted);
  if (n == 0 && transport->loop && lseek (transport->file_fd, 0, SEEK_SET) == 0)
    n = read (transport->file_fd, buffer, wanted);
  if (n > 0)
    transport->sent += (double) n;
  return n;
}

static gssize
replay_write (JkbTransport *transport, const guint8 *bytes, gsize size)
{
  errno = EROFS;
  return -1;
}

static const char *
replay_describe_end (JkbTransport *transport, int errsv)
{
  return errsv == 0 ? "replay finished" : g_strerror (errsv);
}

static JkbTiming
replay_get_timing (JkbTransport *transport)
{
  return transport->timing;
}

static void
replay_close (JkbTransport *transport)
{
  close (transport->file_fd);
  if (transport->ready_fd >= 0)
    close (transport->ready_fd);
  g_free (transport);
}

const JkbTransportClass jkb_transport_replay = {
  .scheme = "replay",
  .timing = JKB_TIMING_UNKNOWN,
  .reply_timeout = 0.15,
  .recorded = TRUE,
  .check = replay_check,
  .open = replay_open,
  .get_fd = replay_get_fd,
  .read = replay_read,
  .write = replay_write,
  .describe_end = replay_describe_end,
  .get_timing = replay_get_timing,
  .close = replay_close,
};
