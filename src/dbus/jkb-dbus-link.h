/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The connection to the D-Bus daemon and the name on it: connects, has the objects exported, asks
 * for the name, and does all of it again when the D-Bus daemon went away. Main thread only.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _JkbDbusLink JkbDbusLink;

/* @connection: export the objects on it now; NULL: the connection is gone, take them off. */
typedef void (*JkbDbusLinkFunc) (GDBusConnection *connection, gpointer user_data);

/**
 * jkb_dbus_link_new:
 * @type: session or system bus, or %G_BUS_TYPE_NONE with @address
 * @connected: called before the name is asked for, so that clients find whole trees
 * @on_ready: called once, when the name is owned or cannot be had now
 *
 * Never gives up and never ends the process.
 */
JkbDbusLink *jkb_dbus_link_new (GBusType type, const char *address, const char *name,
                                JkbDbusLinkFunc connected, GSourceFunc on_ready,
                                gpointer ready_data, gpointer user_data);

/* Closes the connection without waiting; @connected is not called any more. */
void jkb_dbus_link_free (JkbDbusLink *link);

G_END_DECLS
