/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The way to the daemon: connect, ask once, or keep watching. One thread.
 */
#pragma once

#include "ctl/jkb-ctl-model.h"
#include "ctl/jkb-ctl.h"

G_BEGIN_DECLS

/* Connects once; later calls find the connection in @ctl. Asking never starts a daemon that the
 * admin has stopped. */
gboolean jkb_ctl_connect (JkbCtl *ctl, GError **error);

/* Returns: (transfer full) (nullable): all objects of the daemon */
JkbCtlModel *jkb_ctl_fetch (JkbCtl *ctl, GError **error);

/**
 * jkb_ctl_fetch_bms:
 * @name: id, name or the beginning of one
 * @model: (out): owns the BMS; %NULL when it fails
 *
 * Returns: (nullable): the BMS with what is known of it now
 */
const JkbCtlBms *jkb_ctl_fetch_bms (JkbCtl *ctl, const char *name, JkbCtlModel **model,
                                    GError **error);

/* The same, of a BMS whose settings were heard. */
const JkbCtlBms *jkb_ctl_fetch_settings (JkbCtl *ctl, const char *name, JkbCtlModel **model,
                                         GError **error);

/* Returns: (transfer full) (nullable): a(st) of that BMS, name and realtime seconds */
GVariant *jkb_ctl_fetch_snapshots (JkbCtl *ctl, const JkbCtlBms *bms, GError **error);

/* As jkb_ctl_fetch_bms(), for a bus by its whole name. */
const JkbCtlObject *jkb_ctl_fetch_bus (JkbCtl *ctl, const char *name, JkbCtlModel **model,
                                       GError **error);

#define JKB_CTL_CALL_FLAGS                                                                         \
  (G_DBUS_CALL_FLAGS_NO_AUTO_START | G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION)

/* The time to wait for an answer that takes the daemon @needed_ms: where polkit may ask for a
 * password first, as long as people need to type it on top. */
int jkb_ctl_timeout (guint needed_ms);

/**
 * jkb_ctl_ask:
 * @interface: short name, "Bms"
 * @arguments: (nullable): floating; a tuple
 * @reply_type: (nullable): of the answer
 * @needed_ms: how long the daemon may take; 0: 5 s
 *
 * Calls a method that may ask for a password.
 *
 * Returns: (transfer full) (nullable): the answer
 */
GVariant *jkb_ctl_ask (JkbCtl *ctl, const char *path, const char *interface, const char *method,
                       GVariant *arguments, const char *reply_type, guint needed_ms,
                       GError **error);

/* The same for a method without an answer. */
gboolean jkb_ctl_call (JkbCtl *ctl, const char *path, const char *interface, const char *method,
                       GVariant *arguments, guint needed_ms, GError **error);

/* Properties.Set; @value is floating. */
gboolean jkb_ctl_set_property (JkbCtl *ctl, const char *path, const char *interface,
                               const char *property, GVariant *value, guint needed_ms,
                               GError **error);

/**
 * jkb_ctl_call_with_progress:
 *
 * As jkb_ctl_ask() for a method of Settings, and shows on a terminal how far it is.
 */
GVariant *jkb_ctl_call_with_progress (JkbCtl *ctl, const char *path, const char *method,
                                      GVariant *arguments, const char *reply_type,
                                      guint needed_ms, GError **error);

typedef enum
{
  JKB_CTL_EVENT_UP,      /* the daemon is there, the model is loaded */
  JKB_CTL_EVENT_DOWN,    /* the daemon is gone; the model is empty */
  JKB_CTL_EVENT_ADDED,   /* @path has appeared, or has got @interface where that is set */
  JKB_CTL_EVENT_REMOVED, /* @path is gone */
  JKB_CTL_EVENT_CHANGED, /* properties of @interface changed; @before is set for a BMS */
  JKB_CTL_EVENT_SIGNAL   /* @signal with @arguments */
} JkbCtlEventKind;

typedef struct
{
  JkbCtlEventKind kind;
  const char *path;
  const char *interface; /* short name */
  const char *signal;
  GVariant *changed;     /* a{sv} */
  GVariant *arguments;
  const JkbCtlBms *before; /* its values before the change; its strings are not set */
} JkbCtlEvent;

typedef struct _JkbCtlWatch JkbCtlWatch;
typedef void (*JkbCtlWatchFunc) (JkbCtlModel *model, const JkbCtlEvent *event, gpointer user_data);

/**
 * jkb_ctl_watch_new:
 *
 * Follows the daemon through its restarts and those of the D-Bus daemon. @func gets DOWN first when
 * there is no daemon yet.
 *
 * Returns: (nullable): %NULL when there is no such D-Bus daemon at all
 */
JkbCtlWatch *jkb_ctl_watch_new (JkbCtl *ctl, JkbCtlWatchFunc func, gpointer user_data,
                                GError **error);
void jkb_ctl_watch_free (JkbCtlWatch *watch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbCtlWatch, jkb_ctl_watch_free)

JkbCtlModel *jkb_ctl_watch_model (JkbCtlWatch *watch);

/* Asks for the counters and time stamps that no signal announces; the model has them when the
 * answers arrive. */
void jkb_ctl_watch_refresh (JkbCtlWatch *watch);

G_END_DECLS
