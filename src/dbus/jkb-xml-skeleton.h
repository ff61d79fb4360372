/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * An interface that is described by its XML file (dbus/, built into the program) and served by one
 * row of C per property and per method. Main thread only.
 */
#pragma once

#include "core/jkb-options.h"
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

  /* What a writable one is in the configuration; NULL: it is read-only. */
  const char *key;
  JkbSection section; /* with the name that .get_name of the interface tells, where it has names */
};

/* A method call that waits for its answer. */
typedef struct _JkbXmlCall JkbXmlCall;

JkbDaemon *jkb_xml_call_get_daemon (JkbXmlCall *call);
gpointer jkb_xml_call_get_object (JkbXmlCall *call);
GDBusMethodInvocation *jkb_xml_call_get_invocation (JkbXmlCall *call);

/* Consumes @call. @reply: (transfer floating) (nullable): the tuple to answer with; NULL: (). Errors
 * of other domains than ours do not reach a client. */
void jkb_xml_call_answer (JkbXmlCall *call, GVariant *reply, const GError *error);

/* A GAsyncReadyCallback for jkb_reconfigure_*_async(), with the call as user data: answers it. */
void jkb_xml_call_on_reconfigured (GObject *source, GAsyncResult *result, gpointer call);

typedef struct
{
  const char *name;
  const char *action; /* the caller must be allowed this (jkb-auth.h); NULL: everybody may */

  /* Does it. @reply: (out) (nullable) (transfer floating): the tuple to answer with; NULL: () */
  gboolean (*call) (JkbDaemon *daemon, gpointer object, GVariant *parameters, GVariant **reply,
                    GError **error);

  /* Instead of it, where the answer takes time: consumes @call with jkb_xml_call_answer(). */
  void (*begin) (JkbXmlCall *call, GVariant *parameters);
} JkbXmlMethod;

/* A row per property and per method of the file, in any order; ended by a row without a name. */
typedef struct
{
  const char *interface;
  const JkbXmlProperty *properties;
  const JkbXmlMethod *methods; /* (nullable): none */

  /* The name of the object's group in the configuration. (nullable): no writable property has one */
  const char *(*get_name) (gpointer object);
} JkbXmlInterface;

/* Its description, from dbus/INTERFACE.xml; lives for ever. @interface: does, too */
GDBusInterfaceInfo *jkb_xml_interface_info (const char *interface);

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
