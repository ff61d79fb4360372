/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * "serial:/dev/serial/by-id/NAME": a serial port, raw, 8N1, at any speed, for us alone. Runs on the
 * reader thread.
 */
#include "bus/jkb-transport.h"

#include <asm/termbits.h> /* struct termios2; excludes <termios.h> */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jkb-error.h"

#define MAX_LINKS 16
#define SPEED_TOLERANCE 3 /* %, what a UART forgives over ten bits */

struct _JkbTransport
{
  int fd;
};

static gboolean
serial_check (const char *rest, GError **error)
{
  if (rest[0] == '/' && rest[1] != '/' && rest[1] != '\0')
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
               "A serial port is named by its path: use serial:/dev/serial/by-id/NAME");
  return FALSE;
}

static char *
describe_denied (const char *path)
{
  struct stat st;
  struct group group, *found = NULL;
  char buffer[4096];

  if (stat (path, &st) == 0 && st.st_gid != 0)
    getgrgid_r (st.st_gid, &group, buffer, sizeof buffer, &found);
  return g_strdup_printf ("%s: " JKB_TRANSPORT_DENIED ": add the daemon's user to the group %s", path,
                          found != NULL ? found->gr_name : "dialout");
}

static void
set_open_error (GError **error, const char *path, int errsv)
{
  g_autofree char *denied = NULL;

  switch (errsv)
    {
    case EACCES:
    case EPERM:
      denied = describe_denied (path);
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_IO, denied);
      break;
    case EBUSY:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s " JKB_TRANSPORT_IN_USE " (TIOCEXCL): stop that program", path);
      break;
    case EWOULDBLOCK:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s " JKB_TRANSPORT_IN_USE " (flock): stop that program", path);
      break;
    case ENOENT:
    case ENODEV:
    case ENXIO:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "%s " JKB_TRANSPORT_NOT_THERE ": plug the adapter in",
                   path);
      break;
    case ENOTTY:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "%s is not a serial port", path);
      break;
    default:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "%s: %s", path, g_strerror (errsv));
      break;
    }
}

/* Frames contain 0x0D, 0x11 and 0x13: nothing may be interpreted. VMIN 1 makes an empty read() say
 * EAGAIN, so that 0 means hang-up. */
static gboolean
set_raw (int fd, guint baud)
{
  struct termios2 tio;

  if (ioctl (fd, TCGETS2, &tio) < 0)
    return FALSE;
  tio.c_iflag = 0;
  tio.c_oflag = 0;
  tio.c_lflag = 0;
  tio.c_cflag = CS8 | CREAD | CLOCAL | BOTHER; /* speed of input: as output */
  tio.c_ispeed = baud;
  tio.c_ospeed = baud;
  tio.c_cc[VMIN] = 1;
  tio.c_cc[VTIME] = 0;
  return ioctl (fd, TCSETS2, &tio) == 0;
}

/* TCSETS2 succeeds when any part of it could be done: only reading back tells. */
static gboolean
check_settings (int fd, guint baud, const char *path, GError **error)
{
  const guint char_flags = CSIZE | PARENB | CSTOPB | CRTSCTS;
  struct termios2 tio;

  if (ioctl (fd, TCGETS2, &tio) < 0)
    {
      set_open_error (error, path, errno);
      return FALSE;
    }
  if (tio.c_ospeed * 100ull < baud * (100ull - SPEED_TOLERANCE)
      || tio.c_ospeed * 100ull > baud * (100ull + SPEED_TOLERANCE))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s cannot do %u baud, it offers %u: use another adapter or set baud", path,
                   baud, tio.c_ospeed);
      return FALSE;
    }
  if ((tio.c_cflag & char_flags) != CS8 || tio.c_iflag != 0 || tio.c_oflag != 0 || tio.c_lflag != 0)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s does not accept 8 data bits without parity, raw: use another adapter", path);
      return FALSE;
    }
  return TRUE;
}

/* Returns: 0 or an errno. */
static int
claim (int fd)
{
  if (!isatty (fd))
    return ENOTTY;
  if (flock (fd, LOCK_EX | LOCK_NB) < 0)
    return errno;
  if (ioctl (fd, TIOCEXCL) < 0)
    return errno;
  return 0;
}

static JkbTransport *
serial_open (const char *rest, const JkbBusConfig *config, int stop_fd, GError **error)
{
  JkbTransport *transport;
  int errsv;
  int fd = open (rest, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);

  if (fd < 0)
    {
      set_open_error (error, rest, errno);
      return NULL;
    }
  errsv = claim (fd);
  if (errsv != 0)
    {
      set_open_error (error, rest, errsv);
      close (fd);
      return NULL;
    }
  transport = g_new0 (JkbTransport, 1);
  transport->fd = fd;
  if (!set_raw (fd, config->baud))
    set_open_error (error, rest, errno);
  else if (check_settings (fd, config->baud, rest, error))
    {
      ioctl (fd, TCFLSH, TCIOFLUSH); /* what lay there is older than now */
      return transport;
    }
  jkb_transport_serial.close (transport);
  return NULL;
}

static int
serial_get_fd (JkbTransport *transport)
{
  return transport->fd;
}

static gssize
serial_read (JkbTransport *transport, guint8 *buffer, gsize size)
{
  return read (transport->fd, buffer, size);
}

static gssize
serial_write (JkbTransport *transport, const guint8 *bytes, gsize size)
{
  return write (transport->fd, bytes, size);
}

static const char *
serial_describe_end (JkbTransport *transport, int errsv)
{
  return errsv == 0 || errsv == EIO || errsv == ENXIO || errsv == ENODEV ? "adapter unplugged"
                                                                         : g_strerror (errsv);
}

static char *
nearest_directory (const char *path)
{
  char *directory = g_path_get_dirname (path);

  while (!g_file_test (directory, G_FILE_TEST_IS_DIR) && !g_str_equal (directory, "/")
         && !g_str_equal (directory, "."))
    {
      char *parent = g_path_get_dirname (directory);

      g_free (directory);
      directory = parent;
    }
  return directory;
}

/* Both the link may come back (by-id) and what it points to (an admin's own to /dev/ttyUSB0). */
static char **
serial_watch_directories (const char *rest)
{
  GPtrArray *directories = g_ptr_array_new ();
  g_autofree char *path = g_strdup (rest);

  for (guint i = 0; i < MAX_LINKS; i++)
    {
      g_autofree char *target = g_file_read_link (path, NULL);
      char *directory = nearest_directory (path);

      if (g_ptr_array_find_with_equal_func (directories, directory, g_str_equal, NULL))
        g_free (directory);
      else
        g_ptr_array_add (directories, directory);
      if (target == NULL)
        break;
      directory = g_path_get_dirname (path);
      g_free (path);
      path = g_canonicalize_filename (target, directory);
      g_free (directory);
    }
  g_ptr_array_add (directories, NULL);
  return (char **) g_ptr_array_free (directories, FALSE);
}

/* TIOCEXCL outlives the descriptor while somebody else holds the port (a pty's master does). What an
 * adapter that hangs has not sent would keep close() waiting for half a minute. */
static void
serial_close (JkbTransport *transport)
{
  ioctl (transport->fd, TIOCNXCL);
  ioctl (transport->fd, TCFLSH, TCOFLUSH);
  close (transport->fd);
  g_free (transport);
}

const JkbTransportClass jkb_transport_serial = {
  .scheme = "serial",
  .timing = JKB_TIMING_SERIAL,
  .reply_timeout = 0.15,
  .check = serial_check,
  .open = serial_open,
  .get_fd = serial_get_fd,
  .read = serial_read,
  .write = serial_write,
  .watch_directories = serial_watch_directories,
  .describe_end = serial_describe_end,
  .close = serial_close,
};
