/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * "tcp:HOST:PORT": a transparent serial gateway. Runs on the reader thread.
 */
#include "bus/jkb-transport.h"

#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bus/jkb-resolve.h"
#include "core/jkb-error.h"

#define CONNECT_TIMEOUT_US (5 * G_USEC_PER_SEC)
#define FORM "use tcp:HOST:PORT or tcp:[IPV6-ADDRESS]:PORT"

/* Left to itself the kernel keeps megabytes for a sender that does not stop, and what is read is
 * old then. This is over ten seconds of a bus, and some milliseconds of a flood. */
#define RECEIVE_BUFFER (128 * 1024)

/* A peer without power is noticed after 10 + 3 × 5 s, one that takes nothing after 20 s. */
#define KEEPALIVE_IDLE_S 10
#define KEEPALIVE_INTERVAL_S 5
#define KEEPALIVE_COUNT 3
#define USER_TIMEOUT_MS 20000

struct _JkbTransport
{
  int fd;
  int low_water; /* what SO_RCVLOWAT is */
};

typedef struct
{
  char *host;
  char *port;
} Endpoint;

static void
endpoint_clear (Endpoint *endpoint)
{
  g_free (endpoint->host);
  g_free (endpoint->port);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Endpoint, endpoint_clear)

static gboolean
refuse (GError **error, const char *what)
{
  g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "%s: " FORM, what);
  return FALSE;
}

static gboolean
parse (const char *rest, Endpoint *endpoint, GError **error)
{
  const char *port = strrchr (rest, ':');
  const char *bracket = strchr (rest, ']');
  guint64 number;

  if (strchr (rest, '@') != NULL)
    return refuse (error, "A user or a password has no place in the URI of a bus");
  if (strchr (rest, '/') != NULL || strchr (rest, '?') != NULL || strchr (rest, ' ') != NULL)
    return refuse (error, "Only a host and a port are wanted");
  if (port == NULL || port == rest)
    return refuse (error, "Host or port is missing");
  if (!g_ascii_string_to_unsigned (port + 1, 10, 1, 65535, &number, NULL))
    return refuse (error, "The port is a number from 1 to 65535");
  if (rest[0] == '[' ? bracket != port - 1 || bracket == rest + 1 : strchr (rest, ':') != port)
    return refuse (error, "An IPv6 address stands in brackets");
  endpoint->host = rest[0] == '[' ? g_strndup (rest + 1, (gsize) (bracket - rest - 1))
                                  : g_strndup (rest, (gsize) (port - rest));
  endpoint->port = g_strdup (port + 1);
  return TRUE;
}

static gboolean
tcp_check (const char *rest, GError **error)
{
  g_auto(Endpoint) endpoint = { NULL, NULL };

  return parse (rest, &endpoint, error);
}

static void
set_option (int fd, int level, int name, int value)
{
  setsockopt (fd, level, name, &value, sizeof value);
}

/* Before connect(), which tells the other end. */
static void
configure (int fd)
{
  set_option (fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
  set_option (fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option (fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
  set_option (fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
  set_option (fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
  set_option (fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
  set_option (fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/* Returns: 0, an errno, or -1 when stopped. */
static int
wait_connected (int fd, int stop_fd, gint64 deadline_us)
{
  int errsv = 0;
  socklen_t size = sizeof errsv;

  switch (jkb_wait_fd (fd, POLLOUT, stop_fd, deadline_us))
    {
    case -1:
      return -1;
    case 0:
      return ETIMEDOUT;
    default:
      return getsockopt (fd, SOL_SOCKET, SO_ERROR, &errsv, &size) == 0 ? errsv : errno;
    }
}

/* Knocking for long enough at a closed port of this machine that the system also hands out to
 * clients, a socket can meet itself, and would keep the gateway's program from its port. */
static gboolean
is_own_end (int fd)
{
  struct sockaddr_storage own = { 0 }, peer = { 0 };
  socklen_t own_size = sizeof own, peer_size = sizeof peer;

  return getsockname (fd, (struct sockaddr *) &own, &own_size) == 0
         && getpeername (fd, (struct sockaddr *) &peer, &peer_size) == 0
         && own_size == peer_size && memcmp (&own, &peer, own_size) == 0;
}

/* Returns: a connected socket, or -1 with @errsv as of wait_connected(). */
static int
connect_one (const struct addrinfo *address, int stop_fd, gint64 deadline_us, int *errsv)
{
  int fd = socket (address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

  if (fd < 0)
    {
      *errsv = errno;
      return -1;
    }
  configure (fd);
  *errsv = connect (fd, address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
  if (*errsv == EINPROGRESS)
    *errsv = wait_connected (fd, stop_fd, deadline_us);
  if (*errsv == 0 && is_own_end (fd))
    *errsv = ECONNREFUSED;
  if (*errsv == 0)
    return fd;
  close (fd);
  return -1;
}

/* Each address gets an equal share of the time that is left. */
static int
connect_any (const struct addrinfo *addresses, int stop_fd, gint64 deadline_us, int *errsv)
{
  guint left = 0;

  for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next)
    left++;
  for (const struct addrinfo *a = addresses; a != NULL; a = a->ai_next, left--)
    {
      gint64 now_us = g_get_monotonic_time ();
      int fd = connect_one (a, stop_fd, now_us + (deadline_us - now_us) / left, errsv);

      if (fd >= 0 || *errsv == -1)
        return fd;
    }
  return -1;
}

static void
set_connect_error (GError **error, const Endpoint *endpoint, int errsv)
{
  const char *host = endpoint->host, *port = endpoint->port;

  switch (errsv)
    {
    case -1:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "Stopped");
      break;
    case ECONNREFUSED:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "%s refuses connections to port %s: check the port and how many clients the "
                   "gateway allows", host, port);
      break;
    case ETIMEDOUT:
    case EHOSTUNREACH:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "No answer from %s port %s: check that the gateway has power and this address",
                   host, port);
      break;
    default:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "Cannot connect to %s port %s: %s", host, port,
                   g_strerror (errsv));
      break;
    }
}

static JkbTransport *
tcp_open (const char *rest, const JkbBusConfig *config, int stop_fd, GError **error)
{
  gint64 deadline_us = g_get_monotonic_time () + CONNECT_TIMEOUT_US;
  g_auto(Endpoint) endpoint = { NULL, NULL };
  struct addrinfo *addresses;
  JkbTransport *transport;
  int fd, errsv = 0;

  if (!parse (rest, &endpoint, error))
    return NULL;
  addresses = jkb_resolve (endpoint.host, endpoint.port, stop_fd, deadline_us, error);
  if (addresses == NULL)
    return NULL;
  fd = connect_any (addresses, stop_fd, deadline_us, &errsv);
  freeaddrinfo (addresses);
  if (fd < 0)
    {
      set_connect_error (error, &endpoint, errsv);
      return NULL;
    }
  transport = g_new0 (JkbTransport, 1);
  transport->fd = fd;
  transport->low_water = 1;
  return transport;
}

static int
tcp_get_fd (JkbTransport *transport)
{
  return transport->fd;
}

static gssize
tcp_read (JkbTransport *transport, guint8 *buffer, gsize size)
{
  return recv (transport->fd, buffer, size, 0);
}

static gssize
tcp_write (JkbTransport *transport, const guint8 *bytes, gsize size)
{
  return send (transport->fd, bytes, size, MSG_NOSIGNAL);
}

static void
tcp_set_low_water (JkbTransport *transport, gsize n_bytes)
{
  if (transport->low_water == (int) n_bytes)
    return;
  transport->low_water = (int) n_bytes;
  set_option (transport->fd, SOL_SOCKET, SO_RCVLOWAT, transport->low_water);
}

static const char *
tcp_describe_end (JkbTransport *transport, int errsv)
{
  switch (errsv)
    {
    case 0:
      return "peer closed the connection";
    case ECONNRESET:
      return "peer reset the connection";
    case ETIMEDOUT:
    case EHOSTUNREACH:
      return "peer no longer answers";
    default:
      return g_strerror (errsv);
    }
}

static void
tcp_close (JkbTransport *transport)
{
  close (transport->fd);
  g_free (transport);
}

const JkbTransportClass jkb_transport_tcp = {
  .scheme = "tcp",
  .timing = JKB_TIMING_TCP,
  .reply_timeout = 2.0,
  .check = tcp_check,
  .open = tcp_open,
  .get_fd = tcp_get_fd,
  .read = tcp_read,
  .write = tcp_write,
  .set_low_water = tcp_set_low_water,
  .describe_end = tcp_describe_end,
  .close = tcp_close,
};
