/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * An interface that is described by its XML file (dbus/, built into the program) and served by one
 * row of C per property and per method. Main thread only.
 */
#pragma once

#include "daemon/jkb-daemon.h"
#include "dbus/jkb-auth.h"
#include "dbus/jkb-skeleton.h"

G_BEGIN_DECLS

#define JKB_TYPE_XML_SKELETON (jkb_xml_skeleton_get_type ())
G_DECLARE_FINAL_TYPE (JkbXmlSkeleton, jkb_xml_skeleton, JKB, XML_SKELETON, JkbSkeleton)

typedef struct _JkbXmlProperty JkbXmlProperty;

struct _JkbXmlProperty
{
  const char *name;

  /* Its value of now. @object is what the skeleton was made for. (transfer floating) */
  GVariant *(*read) (const JkbXmlProperty *row, JkbDaemon *daemon, gpointer object);

  gsize offset; /* for readers that serve several rows: of the member in their struct */
};

typedef struct
{
  const char *name;
  const char *action; /* the caller must be allowed this (jkb-auth.h) */

  /* Does it. @reply: (out) (nullable) (transfer floating): the tuple to answer with; NULL: () */
  gboolean (*call) (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
                    GError **error);
} JkbXmlMethod;

/* A row per property and per method of the file, in any order; ended by a row without a name. */
typedef struct
{
  const char *interface;
  const JkbXmlProperty *properties;
  const JkbXmlMethod *methods; /* (nullable): none */
} JkbXmlInterface;

/**
 * jkb_xml_skeleton_new:
 * @interface: lives for ever
 * @daemon: outlives the skeleton
 * @object: (transfer none): a reference is kept
 */
JkbSkeleton *jkb_xml_skeleton_new (const JkbXmlInterface *interface, JkbAuthPolicy policy,
                                   JkbDaemon *daemon, GObject *object);

/* What it was made with, for the other interfaces of its object. */
JkbAuthPolicy jkb_xml_skeleton_get_policy (JkbXmlSkeleton *self);
JkbDaemon *jkb_xml_skeleton_get_daemon (JkbXmlSkeleton *self);

G_END_DECLS
