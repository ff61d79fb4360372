/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A private D-Bus daemon, a client on it, and a main loop that turns until something is true.
 * Everything happens in the test's one thread, so nothing here blocks on an answer of our own.
 */
#pragma once

#include <gio/gio.h>

#define TIMEOUT_S 10

typedef struct
{
  char *directory;
  char *address;
  GPid pid; /* 0: not running */
} PrivateBus;

void private_bus_start (PrivateBus *bus);
void private_bus_stop (PrivateBus *bus); /* the next start() uses the same address */
void private_bus_clear (PrivateBus *bus);

GDBusConnection *private_bus_connect (PrivateBus *bus);

/* Turns the main loop until @expression is true; fails the test after %TIMEOUT_S. */
#define wait_until(expression)                                                                     \
  G_STMT_START                                                                                     \
  {                                                                                                \
    gint64 wait_until_end = g_get_monotonic_time () + TIMEOUT_S * G_USEC_PER_SEC;                  \
                                                                                                   \
    while (!(expression))                                                                          \
      {                                                                                            \
        g_assert_cmpint (g_get_monotonic_time (), <, wait_until_end);                              \
        turn_loop ();                                                                              \
      }                                                                                            \
  }                                                                                                \
  G_STMT_END

/* One turn of the main loop, a few milliseconds at most. */
void turn_loop (void);

/* Turns until all that was sent before has arrived at @connection: a round trip through the bus. */
void settle (GDBusConnection *connection);

/* Calls a method and turns the loop until it is answered. @parameters is floating, NULL: (). */
GVariant *call (GDBusConnection *connection, const char *name, const char *path,
                const char *interface, const char *method, GVariant *parameters, GError **error);

/* The same; the test fails unless it succeeds. */
void call_well (GDBusConnection *connection, const char *name, const char *path,
                const char *interface, const char *method, GVariant *parameters);

/* Asks the D-Bus daemon for a name. */
void request_name (GDBusConnection *connection, const char *name);

/* Returns: (transfer full): the value of a property of io.github.jkbmsd1; @interface is its last
 * part. */
GVariant *get_property (GDBusConnection *connection, const char *path, const char *interface,
                        const char *property);

/* ---- signals ---- */

typedef struct
{
  char *path;
  char *interface;
  char *name;
  GVariant *parameters;
} Signal;

/* All signals below the object manager's path since the last clear. */
typedef struct
{
  GDBusConnection *connection;
  guint id;
  GPtrArray *list; /* (element-type Signal) */
} Signals;

void signals_watch (Signals *signals, GDBusConnection *connection);
void signals_clear (Signals *signals);
void signals_unwatch (Signals *signals);

/* How many of that name there are; NULL: any object. */
guint signals_count (Signals *signals, const char *path, const char *name);

/* Returns: (nullable) (transfer none): the @nth of them */
Signal *signals_find (Signals *signals, const char *path, const char *name, guint nth);

/* Returns: (transfer full): "Key Key …", sorted: what the @nth PropertiesChanged of an interface
 * holds; NULL when there is none. */
char *signals_changed_keys (Signals *signals, const char *path, const char *interface, guint nth);
