/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The daemon's objects as jkbmsctl sees them: filled from GetManagedObjects, kept up with signals.
 * Telemetry, Settings and Info become JkbValues, so that text and JSON are made by the same code
 * as in the daemon. Unknown stays unknown. No I/O; one thread.
 */
#pragma once

#include <gio/gio.h>

#include "wire/jkb-values.h"

G_BEGIN_DECLS

typedef struct
{
  char *path;
  GHashTable *interfaces; /* short name ("Telemetry") -> GHashTable: property -> GVariant */
} JkbCtlObject;

typedef struct
{
  char *id;    /* "garage_1" */
  char *name;  /* as the user calls it; the id when there is none */
  char *bus;   /* "garage" */
  char *model; /* NULL: unknown */
  char *serial_number;
  guint address;
  gboolean online;
  gint64 last_seen_us; /* realtime, 0: never */
  gboolean heard[JKB_N_GROUPS]; /* the interface exists */
  JkbValues values[JKB_N_GROUPS];
} JkbCtlBms;

typedef struct _JkbCtlModel JkbCtlModel;

JkbCtlModel *jkb_ctl_model_new (void);
void jkb_ctl_model_free (JkbCtlModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbCtlModel, jkb_ctl_model_free)

/* Forgets everything, then takes a{oa{sa{sv}}}. */
void jkb_ctl_model_load (JkbCtlModel *model, GVariant *objects);
/* InterfacesAdded: a{sa{sv}}. */
void jkb_ctl_model_add (JkbCtlModel *model, const char *path, GVariant *interfaces);
/* InterfacesRemoved: as. */
void jkb_ctl_model_remove (JkbCtlModel *model, const char *path, GVariant *interfaces);
/* PropertiesChanged: a{sv}. */
void jkb_ctl_model_change (JkbCtlModel *model, const char *path, const char *interface,
                           GVariant *changed);

/* Returns: (element-type JkbCtlBms): in the order of bus and address; owned by the model, valid
 * until the model changes. */
GPtrArray *jkb_ctl_model_bms (JkbCtlModel *model);

/* Returns: (element-type JkbCtlObject) (transfer container): the bus objects by name */
GPtrArray *jkb_ctl_model_buses (JkbCtlModel *model);

/* Returns: (nullable): the object at @path */
const JkbCtlObject *jkb_ctl_model_object (JkbCtlModel *model, const char *path);

/**
 * jkb_ctl_model_find:
 * @name: an id, a name, or the beginning of one that only one BMS has
 *
 * Returns: (nullable): the BMS, or %NULL with JKB_CTL_NOT_FOUND
 */
const JkbCtlBms *jkb_ctl_model_find (JkbCtlModel *model, const char *name, GError **error);

/* Returns: (nullable): the BMS at that object path */
const JkbCtlBms *jkb_ctl_model_bms_at (JkbCtlModel *model, const char *path);

/* Whether @path is that of a BMS; @id points into it. */
gboolean jkb_ctl_path_is_bms (const char *path, const char **id);
gboolean jkb_ctl_path_is_bus (const char *path, const char **name);

/* Properties of an object; NULL or the given default when absent or of another type. */
GVariant *jkb_ctl_object_peek (const JkbCtlObject *object, const char *interface, const char *key);
const char *jkb_ctl_object_text (const JkbCtlObject *object, const char *interface,
                                 const char *key);
gint64 jkb_ctl_object_number (const JkbCtlObject *object, const char *interface, const char *key,
                              gint64 otherwise);

G_END_DECLS
