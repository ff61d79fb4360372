/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A capture in two halves: the reader thread's pushes, and the thread that writes. The latter may be
 * held up by the file for any time, so nobody joins it: the last reference frees all.
 */
#include "bus/jkb-capture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue/jkb-spsc.h"
#include "queue/jkb-wake.h"
#include "wire/jkb-secret.h"

/* A chunk fits into what a pipe takes whole once it is writable (PIPE_BUF). */
#define CHUNK_SIZE 510
#define N_CHUNKS 1024

typedef struct
{
  guint16 n_bytes;
  guint8 bytes[CHUNK_SIZE];
} Chunk;

struct _JkbCapture
{
  JkbSpsc ring; /* of Chunk; aligned */
  atomic_int references;
  atomic_bool finished; /* no push comes any more */
  atomic_int error;
  atomic_uint_fast64_t written;
  atomic_uint_fast64_t dropped;
  int wake_fd;
  int done_fd;

  /* reader thread */
  JkbSecretFilter filter;

  /* writing thread */
  int fd;
};

JkbCapture *
jkb_capture_ref (JkbCapture *self)
{
  atomic_fetch_add (&self->references, 1);
  return self;
}

void
jkb_capture_unref (JkbCapture *self)
{
  if (atomic_fetch_sub (&self->references, 1) != 1)
    return;
  jkb_spsc_clear (&self->ring);
  close (self->wake_fd);
  close (self->done_fd);
  free (self);
}

/* ---- reader thread ---- */

gboolean
jkb_capture_push (JkbCapture *self, const guint8 *bytes, gsize n_bytes)
{
  if (atomic_load_explicit (&self->error, memory_order_relaxed) != 0)
    return FALSE;
  while (n_bytes > 0)
    {
      Chunk *chunk = jkb_spsc_reserve (&self->ring);
      Chunk unseen;
      gsize n = MIN (n_bytes, CHUNK_SIZE);

      /* The filter must see the bytes that are dropped, too. */
      if (chunk == NULL)
        atomic_fetch_add (&self->dropped, n);
      memcpy ((chunk != NULL ? chunk : &unseen)->bytes, bytes, n);
      jkb_secret_filter (&self->filter, (chunk != NULL ? chunk : &unseen)->bytes, n);
      if (chunk != NULL)
        {
          chunk->n_bytes = (guint16) n;
          jkb_spsc_publish (&self->ring);
        }
      bytes += n;
      n_bytes -= n;
    }
  eventfd_write (self->wake_fd, 1);
  return TRUE;
}

void
jkb_capture_finish (JkbCapture *self)
{
  atomic_store (&self->finished, true);
  eventfd_write (self->wake_fd, 1);
}

/* ---- writing thread ---- */

/* A pipe or a socket is waited for; one that is full when the capture ends gets a moment. */
static gboolean
wait_writable (JkbCapture *self)
{
  struct pollfd fds = { self->fd, POLLOUT, 0 };
  int waited = 0;

  while (poll (&fds, 1, 100) == 0)
    if (atomic_load (&self->finished) && ++waited > 10)
      return FALSE;
  return TRUE;
}

static gboolean
write_chunk (JkbCapture *self, const Chunk *chunk)
{
  gsize done = 0;

  while (done < chunk->n_bytes)
    {
      gssize n;

      if (!wait_writable (self))
        errno = ETIMEDOUT, n = -1;
      else
        n = write (self->fd, chunk->bytes + done, chunk->n_bytes - done);
      if (n < 0 && (errno == EINTR || errno == EAGAIN))
        continue;
      if (n <= 0)
        {
          atomic_store (&self->error, n < 0 ? errno : EIO);
          return FALSE;
        }
      done += (gsize) n;
      atomic_fetch_add (&self->written, (guint64) n);
    }
  return TRUE;
}

static gboolean
write_all (JkbCapture *self)
{
  const Chunk *chunk;

  while ((chunk = jkb_spsc_peek (&self->ring)) != NULL)
    {
      if (!write_chunk (self, chunk))
        return FALSE;
      jkb_spsc_release (&self->ring);
    }
  return TRUE;
}

static gpointer
capture_thread (gpointer data)
{
  JkbCapture *self = data;
  gboolean finished = FALSE;
  sigset_t broken_pipe;

  sigemptyset (&broken_pipe);
  sigaddset (&broken_pipe, SIGPIPE);
  pthread_sigmask (SIG_BLOCK, &broken_pipe, NULL);
  while (!finished)
    {
      struct pollfd fds = { self->wake_fd, POLLIN, 0 };
      eventfd_t count;

      poll (&fds, 1, -1);
      /* Clear, look whether more can come, then drain. */
      eventfd_read (self->wake_fd, &count);
      finished = atomic_load (&self->finished);
      if (!write_all (self))
        break;
    }
  close (self->fd);
  eventfd_write (self->done_fd, 1);
  jkb_capture_unref (self);
  return NULL;
}

/* ---- main thread ---- */

JkbCapture *
jkb_capture_new (const char *bus, int fd)
{
  JkbCapture *self = aligned_alloc (64, (sizeof *self + 63) / 64 * 64);
  g_autofree char *name = g_strconcat ("cap-", bus, NULL);

  memset (self, 0, sizeof *self);
  if (!jkb_wake_open_pair (&self->wake_fd, &self->done_fd))
    {
      free (self);
      return NULL;
    }
  jkb_spsc_init (&self->ring, N_CHUNKS, sizeof (Chunk));
  self->fd = fd;
  atomic_init (&self->references, 2);
  g_thread_unref (g_thread_new (name, capture_thread, self));
  return self;
}

int
jkb_capture_get_done_fd (JkbCapture *self)
{
  return self->done_fd;
}

gboolean
jkb_capture_wait (JkbCapture *self, int timeout_ms)
{
  struct pollfd fds = { self->done_fd, POLLIN, 0 };

  return poll (&fds, 1, timeout_ms) > 0;
}

guint64
jkb_capture_get_written (JkbCapture *self)
{
  return atomic_load (&self->written);
}

guint64
jkb_capture_get_dropped (JkbCapture *self)
{
  return atomic_load (&self->dropped);
}

int
jkb_capture_get_error (JkbCapture *self)
{
  return atomic_load (&self->error);
}
