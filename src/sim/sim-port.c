/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Sockets and the pty, all non-blocking, in the main loop's thread. The slave side of the pty stays
 * open here, so that it stays raw; inotify tells when a reader opens and closes it.
 */
#include "config.h"

#include "sim/sim-port.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define MAX_CLIENTS 64
/* a reader with more than this unread is too slow */
#define TCP_BACKLOG_MAX (1024 * 1024)
#define PTY_BACKLOG_MAX (64 * 1024)
/* with less than this unread there is room for more */
#define ROOM (16 * 1024)

typedef struct
{
  gint fd;
  gint source;
  GByteArray *out;
  SimInput input;
} Reader;

struct _SimPort
{
  gint listen_fd; /* -1: pty */
  gint slave_fd, inotify_fd;
  gint n_openers; /* readers of the pty; 1 for ever without inotify */
  char *link, *pty_name, *description;
  GPtrArray *readers; /* Reader */
  gint next_source;
  SimPortFunc func;
  gpointer user_data;
  SimPortCounters counters;
};

static void
reader_free (gpointer data)
{
  Reader *reader = data;

  close (reader->fd);
  g_byte_array_unref (reader->out);
  g_free (reader);
}

static SimPort *
port_new (void)
{
  SimPort *self = g_new0 (SimPort, 1);

  self->listen_fd = self->slave_fd = self->inotify_fd = -1;
  self->readers = g_ptr_array_new_with_free_func (reader_free);
  return self;
}

static void
add_reader (SimPort *self, gint fd)
{
  Reader *reader = g_new0 (Reader, 1);

  reader->fd = fd;
  reader->source = self->next_source++;
  reader->out = g_byte_array_new ();
  g_ptr_array_add (self->readers, reader);
}

void
sim_port_free (SimPort *self)
{
  g_autofree char *target = self->link ? g_file_read_link (self->link, NULL) : NULL;

  /* only what is still ours */
  if (target != NULL && g_str_equal (target, self->pty_name))
    unlink (self->link);
  g_ptr_array_unref (self->readers);
  if (self->listen_fd >= 0)
    close (self->listen_fd);
  if (self->slave_fd >= 0)
    close (self->slave_fd);
  if (self->inotify_fd >= 0)
    close (self->inotify_fd);
  g_free (self->link);
  g_free (self->pty_name);
  g_free (self->description);
  g_free (self);
}

G_GNUC_PRINTF (2, 3)
static gpointer
fail (GError **error, const char *format, ...)
{
  int saved = errno;
  va_list args;

  va_start (args, format);
  g_propagate_error (error, g_error_new_valist (G_FILE_ERROR, g_file_error_from_errno (saved),
                                                format, args));
  va_end (args);
  return NULL;
}

/* ---- TCP ---- */

static gint
listen_on (const struct addrinfo *address)
{
  int one = 1;
  gint fd = socket (address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

  if (fd < 0)
    return -1;
  setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind (fd, address->ai_addr, address->ai_addrlen) == 0 && listen (fd, 16) == 0)
    return fd;
  close (fd);
  return -1;
}

static guint16
bound_port (gint fd)
{
  struct sockaddr_storage name;
  socklen_t length = sizeof name;

  if (getsockname (fd, (struct sockaddr *) &name, &length) < 0)
    return 0;
  return ntohs (name.ss_family == AF_INET6 ? ((struct sockaddr_in6 *) &name)->sin6_port
                                           : ((struct sockaddr_in *) &name)->sin_port);
}

SimPort *
sim_port_new_tcp (const char *host, guint16 port, GError **error)
{
  struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
  g_autofree char *service = g_strdup_printf ("%u", port);
  g_autofree char *subject = g_strdup_printf ("tcp:%s:%u", host, port);
  struct addrinfo *list = NULL;
  SimPort *self;
  int code = getaddrinfo (*host ? host : NULL, service, &hints, &list);
  gint fd = -1;

  if (code != 0)
    {
      g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_FAILED, _("Cannot listen on %s: %s."), subject,
                   gai_strerror (code));
      return NULL;
    }
  for (struct addrinfo *each = list; each != NULL && fd < 0; each = each->ai_next)
    fd = listen_on (each);
  freeaddrinfo (list);
  if (fd < 0)
    return fail (error, _("Cannot listen on %s: %s."), subject, g_strerror (errno));
  self = port_new ();
  self->listen_fd = fd;
  self->description = g_strdup_printf (strchr (host, ':') ? "listening on tcp:[%s]:%u"
                                                          : "listening on tcp:%s:%u",
                                       host, bound_port (fd));
  return self;
}

static void
accept_clients (SimPort *self)
{
  int one = 1;
  gint fd;

  while ((fd = accept4 (self->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
    {
      if (self->readers->len >= MAX_CLIENTS)
        {
          close (fd);
          continue;
        }
      setsockopt (fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
      add_reader (self, fd);
      self->counters.connects++;
    }
}

/* ---- pty ---- */

static gboolean
make_raw (gint fd)
{
  struct termios options;

  if (tcgetattr (fd, &options) < 0)
    return FALSE;
  cfmakeraw (&options);
  cfsetspeed (&options, B115200);
  return tcsetattr (fd, TCSANOW, &options) == 0;
}

static gboolean
make_link (const char *target, const char *link)
{
  g_autofree char *old = g_file_read_link (link, NULL);

  if (old != NULL)
    unlink (link);
  return symlink (target, link) == 0;
}

/* Begins before the link exists: a daemon that waits for it opens at once, and an opening that is not
 * counted leaves it in silence. */
static void
watch_openers (SimPort *self)
{
  self->inotify_fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  if (self->inotify_fd >= 0
      && inotify_add_watch (self->inotify_fd, self->pty_name, IN_OPEN | IN_CLOSE) >= 0)
    return;
  self->n_openers = 1;
}

SimPort *
sim_port_new_pty (const char *link, GError **error)
{
  g_autoptr (SimPort) self = port_new ();
  char name[128];
  gint fd = posix_openpt (O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0)
    return fail (error, _("Cannot make a pseudo terminal for %s: %s."), link, g_strerror (errno));
  add_reader (self, fd);
  if (grantpt (fd) < 0 || unlockpt (fd) < 0 || ptsname_r (fd, name, sizeof name) != 0)
    return fail (error, _("Cannot unlock the pseudo terminal for %s: %s."), link, g_strerror (errno));
  self->pty_name = g_strdup (name);
  self->slave_fd = open (name, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
  if (self->slave_fd < 0 || !make_raw (self->slave_fd))
    return fail (error, _("Cannot open the pseudo terminal %s: %s."), name, g_strerror (errno));
  watch_openers (self);
  if (!make_link (name, link))
    return fail (error, _("Cannot make the symbolic link %s: %s."), link, g_strerror (errno));
  self->link = g_strdup (link);
  self->description = g_strdup_printf ("pty %s -> %s", link, name);
  return g_steal_pointer (&self);
}

static gboolean
is_pty (SimPort *self)
{
  return self->listen_fd < 0;
}

/* The last reader is gone: the next one shall find an open door and nothing stale behind it. */
static void
on_last_close (SimPort *self)
{
  Reader *reader = g_ptr_array_index (self->readers, 0);

  ioctl (self->slave_fd, TIOCNXCL);
  make_raw (self->slave_fd);
  tcflush (self->slave_fd, TCIFLUSH);
  self->counters.bytes_lost += reader->out->len;
  g_byte_array_set_size (reader->out, 0);
}

static void
count_openers (SimPort *self)
{
  char buffer[4096] __attribute__ ((aligned (__alignof__ (struct inotify_event))));
  gssize n;

  while ((n = read (self->inotify_fd, buffer, sizeof buffer)) > 0)
    for (char *at = buffer; at < buffer + n;)
      {
        const struct inotify_event *event = (const void *) at;

        if (event->mask & IN_OPEN)
          self->n_openers++, self->counters.connects++;
        else if (event->mask & IN_CLOSE && self->n_openers > 0)
          {
            self->counters.disconnects++;
            if (--self->n_openers == 0)
              on_last_close (self);
          }
        at += sizeof *event + event->len;
      }
}

/* ---- both ---- */

void
sim_port_set_func (SimPort *self, SimPortFunc func, gpointer user_data)
{
  self->func = func;
  self->user_data = user_data;
}

const char *
sim_port_description (SimPort *self)
{
  return self->description;
}

const SimPortCounters *
sim_port_counters (SimPort *self)
{
  return &self->counters;
}

static void
add_fd (GArray *fds, gint fd, gushort events)
{
  GPollFD each = { .fd = fd, .events = events };

  g_array_append_val (fds, each);
}

void
sim_port_prepare (SimPort *self, GArray *fds)
{
  if (self->listen_fd >= 0)
    add_fd (fds, self->listen_fd, G_IO_IN);
  if (self->inotify_fd >= 0)
    add_fd (fds, self->inotify_fd, G_IO_IN);
  for (guint i = 0; i < self->readers->len; i++)
    {
      const Reader *reader = g_ptr_array_index (self->readers, i);

      add_fd (fds, reader->fd, G_IO_IN | (reader->out->len > 0 ? G_IO_OUT : 0));
    }
}

static void
remove_reader (SimPort *self, guint index)
{
  const Reader *reader = g_ptr_array_index (self->readers, index);

  self->counters.disconnects++;
  self->counters.bytes_lost += reader->out->len;
  g_ptr_array_remove_index (self->readers, index);
}

/* Returns %FALSE when the peer is gone. */
static gboolean
read_from (SimPort *self, Reader *reader)
{
  guint8 buffer[1024];
  gssize n;

  while ((n = read (reader->fd, buffer, sizeof buffer)) > 0)
    {
      self->counters.bytes_in += n;
      if (self->func != NULL)
        self->func (reader->source, &reader->input, buffer, n, self->user_data);
    }
  return is_pty (self) || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static gboolean
write_to (SimPort *self, Reader *reader)
{
  while (reader->out->len > 0)
    {
      gssize n = is_pty (self) ? write (reader->fd, reader->out->data, reader->out->len)
                               : send (reader->fd, reader->out->data, reader->out->len,
                                       MSG_NOSIGNAL);

      if (n < 0)
        return is_pty (self) || errno == EAGAIN || errno == EINTR;
      self->counters.bytes_out += n;
      g_byte_array_remove_range (reader->out, 0, n);
    }
  return TRUE;
}

void
sim_port_dispatch (SimPort *self)
{
  if (self->listen_fd >= 0)
    accept_clients (self);
  if (self->inotify_fd >= 0)
    count_openers (self);
  for (guint i = self->readers->len; i-- > 0;)
    if (!read_from (self, g_ptr_array_index (self->readers, i)))
      remove_reader (self, i);
}

void
sim_port_flush (SimPort *self)
{
  for (guint i = self->readers->len; i-- > 0;)
    if (!write_to (self, g_ptr_array_index (self->readers, i)))
      remove_reader (self, i);
}

/* Too much unread: a pty loses the old bytes, as a UART's buffer would; a TCP client is let go and
 * may come again. Returns whether the reader remains. */
static gboolean
limit_backlog (SimPort *self, guint index)
{
  Reader *reader = g_ptr_array_index (self->readers, index);

  if (reader->out->len <= (is_pty (self) ? PTY_BACKLOG_MAX : TCP_BACKLOG_MAX))
    return TRUE;
  if (is_pty (self))
    {
      self->counters.bytes_lost += reader->out->len;
      g_byte_array_set_size (reader->out, 0);
      return TRUE;
    }
  self->counters.overruns++;
  remove_reader (self, index);
  return FALSE;
}

void
sim_port_send (SimPort *self, const guint8 *bytes, gsize n_bytes, gint except)
{
  if (is_pty (self) && self->n_openers == 0)
    {
      self->counters.bytes_lost += n_bytes;
      return;
    }
  for (guint i = self->readers->len; i-- > 0;)
    {
      Reader *reader = g_ptr_array_index (self->readers, i);

      if (reader->source == except || !limit_backlog (self, i))
        continue;
      g_byte_array_append (reader->out, bytes, n_bytes);
    }
}

gboolean
sim_port_has_reader (SimPort *self)
{
  return is_pty (self) ? self->n_openers > 0 : self->readers->len > 0;
}

gboolean
sim_port_has_room (SimPort *self)
{
  if (!sim_port_has_reader (self))
    return FALSE;
  for (guint i = 0; i < self->readers->len; i++)
    if (((Reader *) g_ptr_array_index (self->readers, i))->out->len < ROOM)
      return TRUE;
  return FALSE;
}

gboolean
sim_port_is_drained (SimPort *self)
{
  int unread = 0;

  if (!sim_port_has_reader (self))
    return TRUE;
  if (is_pty (self) && ioctl (self->slave_fd, FIONREAD, &unread) == 0 && unread > 0)
    return FALSE; /* closing a pty throws away what was not read */
  for (guint i = 0; i < self->readers->len; i++)
    if (((Reader *) g_ptr_array_index (self->readers, i))->out->len > 0)
      return FALSE;
  return TRUE;
}
