/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A way to reach an RS485 bus. One class struct per kind; the array of all of them is in
 * jkb-transport.c. A transport is opened, used and closed by one reader thread.
 */
#pragma once

#include <glib.h>

#include "core/jkb-config.h"
#include "wire/jkb-stream.h"

G_BEGIN_DECLS

typedef struct _JkbTransport JkbTransport;

/* What the sentences of open() hold where a serial port is refused: clients read from LastError of a
 * bus which it is. */
#define JKB_TRANSPORT_DENIED "permission denied"
#define JKB_TRANSPORT_IN_USE "is in use by another program"
#define JKB_TRANSPORT_NOT_THERE "is not there"

typedef struct
{
  const char *scheme; /* "serial", "tcp", "replay" */
  JkbTiming timing;
  double reply_timeout; /* s, for reply-timeout=auto */

  /* The bytes lie in a file: the reader waits for the main loop rather than lose frames, silence is
   * no fault, and the end is no reason to open it again. */
  gboolean recorded;

  /* Whether the part behind "scheme:" can be understood. No I/O. */
  gboolean (*check) (const char *rest, GError **error);

  /* Opens and configures it. May block no longer than 5 s and gives up at once, with
   * G_IO_ERROR_CANCELLED, when @stop_fd becomes readable. Other errors are JKB_ERROR_IO and say
   * what to do, in one English sentence that names the port. */
  JkbTransport *(*open) (const char *rest, const JkbBusConfig *config, int stop_fd, GError **error);

  /* What to poll() for input; the same until close. */
  int (*get_fd) (JkbTransport *transport);

  /* read(2) semantics, non-blocking: 0 is the end, -1 with errno EAGAIN is nothing now. */
  gssize (*read) (JkbTransport *transport, guint8 *buffer, gsize size);
  gssize (*write) (JkbTransport *transport, const guint8 *bytes, gsize size);

  /* Nullable. The next @n_bytes are wanted together: input need not be signalled before. Cheap when
   * @n_bytes is what it was. */
  void (*set_low_water) (JkbTransport *transport, gsize n_bytes);

  /* Nullable. Existing directories whose changes may mean that the device is back (hot-plug). */
  char **(*watch_directories) (const char *rest);

  /* Text for the end of input, @errsv 0, or for an error of read(): "peer closed the connection",
   * "adapter unplugged". */
  const char *(*describe_end) (JkbTransport *transport, int errsv);

  /* Nullable. The timing of what was opened, where it differs from .timing (a file's speed). */
  JkbTiming (*get_timing) (JkbTransport *transport);

  void (*close) (JkbTransport *transport);
} JkbTransportClass;

extern const JkbTransportClass jkb_transport_serial;
extern const JkbTransportClass jkb_transport_tcp;
extern const JkbTransportClass jkb_transport_replay;

/**
 * jkb_transport_find:
 * @uri: "serial:/dev/…", "tcp:HOST:PORT", "replay:FILE?…"
 * @rest: (out): the part behind the colon, inside @uri
 *
 * Any thread, no I/O. Texts of errors never hold the URI: a password may be in it.
 *
 * Returns: (nullable): the class; %NULL with %JKB_ERROR_INVALID_ARGUMENT when the scheme is unknown
 *   or check() says no
 */
const JkbTransportClass *jkb_transport_find (const char *uri, const char **rest, GError **error);

G_END_DECLS
