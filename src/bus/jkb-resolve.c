/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Name lookup that can be abandoned. Called on a reader thread; a lookup that asks the network runs
 * on a short-lived thread of its own. What both know of is counted by references: the last one who
 * lets go frees it.
 */
#include "bus/jkb-resolve.h"

#include <errno.h>
#include <gio/gio.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/jkb-error.h"

typedef struct
{
  _Atomic int n_references;
  char *host;
  char *port;
  int done_fd; /* eventfd: readable when the answer is there */
  int code;    /* of getaddrinfo() */
  struct addrinfo *answer;
} Lookup;

/* One reference for each of the two threads. */
static Lookup *
lookup_new (const char *host, const char *port)
{
  Lookup *lookup = g_new0 (Lookup, 1);

  lookup->n_references = 2;
  lookup->host = g_strdup (host);
  lookup->port = g_strdup (port);
  lookup->done_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  return lookup;
}

static void
lookup_unref (Lookup *lookup)
{
  if (atomic_fetch_sub_explicit (&lookup->n_references, 1, memory_order_acq_rel) > 1)
    return;
  if (lookup->answer != NULL)
    freeaddrinfo (lookup->answer);
  if (lookup->done_fd >= 0)
    close (lookup->done_fd);
  g_free (lookup->host);
  g_free (lookup->port);
  g_free (lookup);
}

static int
ask (const char *host, const char *port, int flags, struct addrinfo **answer)
{
  const struct addrinfo hints = { .ai_family = AF_UNSPEC,
                                  .ai_socktype = SOCK_STREAM,
                                  .ai_flags = flags | AI_NUMERICSERV };

  return getaddrinfo (host, port, &hints, answer);
}

static gpointer
lookup_thread (gpointer data)
{
  Lookup *lookup = data;

  lookup->code = ask (lookup->host, lookup->port, AI_ADDRCONFIG, &lookup->answer);
  eventfd_write (lookup->done_fd, 1);
  lookup_unref (lookup);
  return NULL;
}

int
jkb_wait_fd (int fd, short events, int stop_fd, gint64 deadline_us)
{
  struct pollfd fds[] = { { .fd = fd, .events = events }, { .fd = stop_fd, .events = POLLIN } };

  for (;;)
    {
      gint64 left_us = MAX (deadline_us - g_get_monotonic_time (), 0);
      int n = poll (fds, G_N_ELEMENTS (fds), (int) ((left_us + 999) / 1000));

      if (fds[1].revents != 0 && n > 0)
        return -1;
      if (n > 0)
        return 1;
      if (n == 0 && left_us == 0)
        return 0;
    }
}

static struct addrinfo *
lookup_wait (Lookup *lookup, int stop_fd, gint64 deadline_us, GError **error)
{
  struct addrinfo *answer;
  eventfd_t count;

  if (lookup->done_fd < 0)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "Cannot resolve %s: out of file descriptors",
                   lookup->host);
      return NULL;
    }
  switch (jkb_wait_fd (lookup->done_fd, POLLIN, stop_fd, deadline_us))
    {
    case -1:
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "Stopped");
      return NULL;
    case 0:
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                   "The name %s was not resolved in time: check the DNS or use a number",
                   lookup->host);
      return NULL;
    default:
      eventfd_read (lookup->done_fd, &count);
      break;
    }
  if (lookup->code != 0)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_IO, "Cannot resolve %s: %s", lookup->host,
                   gai_strerror (lookup->code));
      return NULL;
    }
  answer = lookup->answer;
  lookup->answer = NULL;
  return answer;
}

struct addrinfo *
jkb_resolve (const char *host, const char *port, int stop_fd, gint64 deadline_us, GError **error)
{
  struct addrinfo *answer = NULL;
  g_autoptr(GThread) thread = NULL;
  Lookup *lookup;

  if (ask (host, port, AI_NUMERICHOST, &answer) == 0)
    return answer;
  lookup = lookup_new (host, port);
  thread = g_thread_try_new ("jkb-resolve", lookup_thread, lookup, error);
  if (thread == NULL)
    lookup_unref (lookup);
  else
    answer = lookup_wait (lookup, stop_fd, deadline_us, error);
  lookup_unref (lookup);
  return answer;
}
