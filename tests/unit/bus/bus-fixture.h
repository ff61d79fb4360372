/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A bus under test with a real main loop, real ptys and sockets, and the records to send to it.
 */
#pragma once

#include "bus/jkb-bus.h"

G_BEGIN_DECLS

#define FRAME_AND_ACK (JKB_FRAME_SIZE + JKB_ACK_SIZE)

typedef struct
{
  JkbBusConfig config; /* to be adapted before fixture_start() */
  JkbBus *bus;
  guint n_frames;
  guint n_drained;
  guint n_changed;
  GString *states; /* "up", "down:error" and so on, each with a space behind */
  JkbFrame last;
  guint frames_of[256];
} Fixture;

/* Call first in main(): log lines are kept instead of printed. */
void fixture_init (int *argc, char ***argv);

/* Lines logged at warning or above since the test began that hold @text. */
guint fixture_count_log (const char *text);

void fixture_set_up (Fixture *f, gconstpointer data);
void fixture_tear_down (Fixture *f, gconstpointer data);
void fixture_start (Fixture *f, const char *uri);

/* Turns the main loop until @check says so; fails after ten seconds. */
typedef gboolean (*FixtureCheck) (Fixture *f);
void fixture_wait (Fixture *f, FixtureCheck check);
void fixture_run (guint ms);

/* What to wait for. */
gboolean fixture_is_up (Fixture *f);
gboolean fixture_is_down (Fixture *f);
gboolean fixture_is_faulty (Fixture *f);
gboolean fixture_is_good (Fixture *f);
gboolean fixture_has_frame (Fixture *f);
gboolean fixture_has_ten_frames (Fixture *f);

/* The last error of the bus holds @text. */
void fixture_assert_error (Fixture *f, const char *text);

/* A live frame of @address with its ACK; @n makes it differ from others. */
void fixture_make_frame (guint8 *bytes, guint8 address, guint32 n);

/* Writes everything to a blocking descriptor. */
void fixture_write (int fd, const guint8 *bytes, gsize size);
void fixture_write_frame (int fd, guint8 address, guint32 n);

/* Returns: the master of a new pty. @name: (out) (transfer full): its other side */
int fixture_make_pty (char **name);

/* Returns: a listening socket on a free loopback port. @uri: (out) (transfer full): for the bus */
int fixture_listen (int backlog, char **uri);
int fixture_accept (Fixture *f, int listener);

/* Starts the bus on a new pty or socket and waits until it is up. Returns: the other side */
int fixture_start_pty (Fixture *f);
int fixture_start_tcp (Fixture *f, int *listener);

guint fixture_count_fds (void);

G_END_DECLS
