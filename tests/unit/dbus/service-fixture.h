/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A service on a private D-Bus daemon, with a JkbDaemon behind it that has no ports: frames are
 * made by hand.
 */
#pragma once

#include "dbus-fixture.h"
#include "dbus/jkb-service.h"
#include "wire/jkb-frame.h"

#define NAME "io.github.jkbmsd1"
#define ROOT "/io/github/jkbmsd1"
#define BMS ROOT "/bms/garage_1"
#define SECOND G_GINT64_CONSTANT (1000000)

typedef struct
{
  PrivateBus bus;
  char *config_file;
  JkbDaemon *daemon;
  JkbRegistry *registry;
  JkbMqtt *mqtt;
  JkbService *service;
  GDBusConnection *client;
  Signals signals;
  guint ready;
  gint64 now_us; /* the tick's clock */
} ServiceFixture;

/* A D-Bus daemon, a client, and a service that owns its name; @interval: dbus-interval= */
void service_set_up (ServiceFixture *f, gconstpointer interval);
void service_tear_down (ServiceFixture *f, gconstpointer interval);

/* The steps of set_up(), for tests that take another order. */
void make_daemon (ServiceFixture *f, const char *interval);
void start_service (ServiceFixture *f);
void connect_client (ServiceFixture *f);
void drop_client (ServiceFixture *f);
gboolean name_is_owned (ServiceFixture *f);

/* ---- frames ---- */

JkbFrame frame_of (JkbFrameType type, guint8 address);
JkbFrame live_frame (guint8 address); /* a healthy pack of four cells */
void put (JkbFrame *frame, JkbFieldId id, gint64 raw);

void feed (ServiceFixture *f, const JkbFrame *frame);
void feed_current (ServiceFixture *f, guint8 address, gint64 milliamperes);

/* What the daemon does with a batch of frames. Returns: when the service wants the next tick. */
gint64 flush (ServiceFixture *f);

/* Three frames; then the interval passes and what was signalled is forgotten. */
void make_known (ServiceFixture *f, guint8 address);

/* ---- reading ---- */

/* Returns: (transfer full): in GVariant's text form */
char *get_text (ServiceFixture *f, const char *path, const char *interface, const char *property);
void assert_property (ServiceFixture *f, const char *path, const char *interface,
                      const char *property, const char *expected);

/* That the @nth PropertiesChanged of an interface of the BMS holds these keys; NULL: it does not
 * exist. */
void assert_changed (ServiceFixture *f, const char *interface, guint nth, const char *expected);

/* Whether the object manager lists it. */
gboolean has_interface (ServiceFixture *f, const char *path, const char *interface);
