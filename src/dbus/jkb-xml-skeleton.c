/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Interfaces from XML and rows. A method runs after its caller was found to be authorised, and its
 * answer is sent in one place. Main thread only.
 */
#include "dbus/jkb-xml-skeleton.h"

#include <string.h>

#include "core/jkb-error.h"
#include "daemon/jkb-reconfigure.h"
#include "jkb-dbus-resources.h"

struct _JkbXmlSkeleton
{
  JkbSkeleton parent_instance;
  const JkbXmlInterface *interface;
  const JkbXmlProperty **rows; /* by index of the property */
  GVariant **known;            /* by index: what readers were told last; NULL: not announced */
  guint n_properties;
  JkbAuthPolicy policy;
  JkbDaemon *daemon;
  GObject *object;
};

G_DEFINE_TYPE (JkbXmlSkeleton, jkb_xml_skeleton, JKB_TYPE_SKELETON)

GDBusInterfaceInfo *
jkb_xml_interface_info (const char *interface)
{
  static GHashTable *infos;
  g_autofree char *path = g_strdup_printf ("/io/github/jkbmsd1/%s.xml", interface);
  g_autoptr (GDBusNodeInfo) node = NULL;
  g_autoptr (GBytes) xml = NULL;
  g_autoptr (GError) error = NULL;
  GDBusInterfaceInfo *info;

  if (infos == NULL)
    infos = g_hash_table_new (g_str_hash, g_str_equal);
  info = g_hash_table_lookup (infos, interface);
  if (info != NULL)
    return info;
  xml = g_resource_lookup_data (jkb_dbus_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE,
                                &error);
  if (xml != NULL)
    node = g_dbus_node_info_new_for_xml (g_bytes_get_data (xml, NULL), &error);
  if (node == NULL)
    g_error ("%s: %s", path, error->message);
  info = g_dbus_interface_info_ref (g_dbus_node_info_lookup_interface (node, interface));
  g_hash_table_insert (infos, (gpointer) interface, info);
  return info;
}

static const JkbXmlProperty *
find_property (const JkbXmlInterface *interface, const char *name)
{
  for (const JkbXmlProperty *row = interface->properties; row->name != NULL; row++)
    if (strcmp (row->name, name) == 0)
      return row;
  g_error ("%s.%s is described but not served", interface->interface, name);
}

static GVariant *
jkb_xml_skeleton_read (JkbSkeleton *skeleton, guint index)
{
  JkbXmlSkeleton *self = JKB_XML_SKELETON (skeleton);
  const JkbXmlProperty *row = self->rows[index];

  return row->read (row, self->daemon, self->object);
}

static gboolean
jkb_xml_skeleton_differs (JkbSkeleton *skeleton, guint index)
{
  JkbXmlSkeleton *self = JKB_XML_SKELETON (skeleton);
  g_autoptr (GVariant) value = g_variant_ref_sink (jkb_xml_skeleton_read (skeleton, index));

  return self->known[index] != NULL && !g_variant_equal (value, self->known[index]);
}

static void
jkb_xml_skeleton_settle (JkbSkeleton *skeleton)
{
  JkbXmlSkeleton *self = JKB_XML_SKELETON (skeleton);
  GDBusInterfaceInfo *info = jkb_skeleton_get_info (skeleton);

  for (guint i = 0; i < self->n_properties; i++)
    if (jkb_property_is_announced (info->properties[i]))
      {
        g_clear_pointer (&self->known[i], g_variant_unref);
        self->known[i] = g_variant_ref_sink (jkb_xml_skeleton_read (skeleton, i));
      }
}

/* ---- methods: authorise, do, answer ---- */

struct _JkbXmlCall
{
  JkbXmlSkeleton *self;
  JkbDaemon *daemon; /* may have let go of the skeleton meanwhile */
  const JkbXmlMethod *method; /* NULL: a property is to be set */
  const JkbXmlProperty *property;
  GVariant *value; /* for the property */
  GDBusMethodInvocation *invocation;
};

static JkbXmlCall *
call_new (JkbXmlSkeleton *self, GDBusMethodInvocation *invocation)
{
  JkbXmlCall *call = g_new0 (JkbXmlCall, 1);

  call->self = g_object_ref (self);
  call->daemon = g_object_ref (self->daemon);
  call->invocation = invocation;
  return call;
}

JkbDaemon *
jkb_xml_call_get_daemon (JkbXmlCall *call)
{
  return call->daemon;
}

gpointer
jkb_xml_call_get_object (JkbXmlCall *call)
{
  return call->self->object;
}

GDBusMethodInvocation *
jkb_xml_call_get_invocation (JkbXmlCall *call)
{
  return call->invocation;
}

void
jkb_xml_call_answer (JkbXmlCall *call, GVariant *reply, const GError *error)
{
  if (error == NULL)
    g_dbus_method_invocation_return_value (call->invocation, reply);
  else if (error->domain == JKB_ERROR)
    g_dbus_method_invocation_return_gerror (call->invocation, error);
  else
    g_dbus_method_invocation_return_error_literal (call->invocation, JKB_ERROR, JKB_ERROR_IO,
                                                   error->message);
  g_clear_pointer (&call->value, g_variant_unref);
  g_object_unref (call->daemon);
  g_object_unref (call->self);
  g_free (call);
}

void
jkb_xml_call_on_reconfigured (GObject *source, GAsyncResult *result, gpointer call)
{
  g_autoptr (GError) error = NULL;

  jkb_reconfigure_finish (result, &error);
  jkb_xml_call_answer (call, NULL, error);
}

/* A new value of a property is a change of the configuration. */
static void
begin_set (JkbXmlCall *call)
{
  const JkbXmlProperty *row = call->property;
  const JkbOption *option = jkb_section_find_option (row->section, row->key);
  const char *section = jkb_section_name (row->section);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = jkb_option_text_from_variant (option, call->value, &error);
  g_autofree char *group
      = jkb_section_has_name (row->section)
            ? g_strjoin (" ", section, call->self->interface->get_name (call->self->object), NULL)
            : g_strdup (section);

  if (text == NULL)
    jkb_xml_call_answer (call, NULL, error);
  else
    jkb_reconfigure_set_async (jkb_daemon_get_reconfigure (call->daemon), group, row->key, text,
                               jkb_xml_call_on_reconfigured, call);
}

static void
perform (JkbXmlCall *call)
{
  GVariant *parameters = g_dbus_method_invocation_get_parameters (call->invocation);
  g_autoptr (GError) error = NULL;
  GVariant *reply = NULL;

  if (call->method == NULL)
    begin_set (call);
  else if (call->method->begin != NULL)
    call->method->begin (call, parameters);
  else
    {
      call->method->call (call->daemon, call->self->object, parameters, &reply, &error);
      jkb_xml_call_answer (call, reply, error);
    }
}

static void
on_authorized (GObject *source, GAsyncResult *result, gpointer user_data)
{
  JkbXmlCall *call = user_data;
  g_autoptr (GError) error = NULL;

  if (jkb_auth_check_finish (result, &error))
    perform (call);
  else
    jkb_xml_call_answer (call, NULL, error);
}

static void
jkb_xml_skeleton_call (JkbSkeleton *skeleton, GDBusMethodInvocation *invocation)
{
  JkbXmlSkeleton *self = JKB_XML_SKELETON (skeleton);
  const char *name = g_dbus_method_invocation_get_method_name (invocation);
  const JkbXmlMethod *method = self->interface->methods;
  JkbXmlCall *call;

  while (method->name != NULL && strcmp (method->name, name) != 0)
    method++;
  if (method->name == NULL)
    {
      g_dbus_method_invocation_return_error (invocation, JKB_ERROR, JKB_ERROR_NOT_FOUND,
                                             "There is no method '%s'", name);
      return;
    }
  call = call_new (self, invocation);
  call->method = method;
  if (method->action == NULL)
    perform (call);
  else
    jkb_auth_check_async (self->policy, invocation, method->action, NULL, NULL, on_authorized,
                          call);
}

static void
jkb_xml_skeleton_set (JkbSkeleton *skeleton, guint index, GVariant *value,
                      GDBusMethodInvocation *invocation)
{
  JkbXmlSkeleton *self = JKB_XML_SKELETON (skeleton);
  JkbXmlCall *call = call_new (self, invocation);

  call->property = self->rows[index];
  call->value = g_variant_ref (value);
  jkb_auth_check_async (self->policy, invocation, JKB_ACTION_CONFIGURE, NULL, NULL, on_authorized,
                        call);
}

static void
jkb_xml_skeleton_finalize (GObject *object)
{
  JkbXmlSkeleton *self = JKB_XML_SKELETON (object);

  for (guint i = 0; i < self->n_properties; i++)
    g_clear_pointer (&self->known[i], g_variant_unref);
  g_free (self->known);
  g_free (self->rows);
  g_object_unref (self->object);
  G_OBJECT_CLASS (jkb_xml_skeleton_parent_class)->finalize (object);
}

static void
jkb_xml_skeleton_class_init (JkbXmlSkeletonClass *klass)
{
  JkbSkeletonClass *skeleton_class = JKB_SKELETON_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = jkb_xml_skeleton_finalize;
  skeleton_class->read = jkb_xml_skeleton_read;
  skeleton_class->differs = jkb_xml_skeleton_differs;
  skeleton_class->settle = jkb_xml_skeleton_settle;
  skeleton_class->call = jkb_xml_skeleton_call;
  skeleton_class->set = jkb_xml_skeleton_set;
}

static void
jkb_xml_skeleton_init (JkbXmlSkeleton *self)
{
}

JkbSkeleton *
jkb_xml_skeleton_new (const JkbXmlInterface *interface, JkbAuthPolicy policy, JkbDaemon *daemon,
                      GObject *object)
{
  JkbXmlSkeleton *self = g_object_new (JKB_TYPE_XML_SKELETON, NULL);
  GDBusInterfaceInfo *info = jkb_xml_interface_info (interface->interface);

  self->interface = interface;
  self->policy = policy;
  self->daemon = daemon;
  self->object = g_object_ref (object);
  while (info->properties[self->n_properties] != NULL)
    self->n_properties++;
  self->rows = g_new0 (const JkbXmlProperty *, self->n_properties);
  self->known = g_new0 (GVariant *, self->n_properties);
  for (guint i = 0; i < self->n_properties; i++)
    {
      self->rows[i] = find_property (interface, info->properties[i]->name);
      if (((info->properties[i]->flags & G_DBUS_PROPERTY_INFO_FLAGS_WRITABLE) != 0)
          != (self->rows[i]->key != NULL))
        g_error ("%s.%s is not described as it is served", info->name, info->properties[i]->name);
    }
  jkb_skeleton_set_info (JKB_SKELETON (self), info);
  jkb_skeleton_settle (JKB_SKELETON (self));
  return JKB_SKELETON (self);
}

JkbAuthPolicy
jkb_xml_skeleton_get_policy (JkbXmlSkeleton *self)
{
  return self->policy;
}

JkbDaemon *
jkb_xml_skeleton_get_daemon (JkbXmlSkeleton *self)
{
  return self->daemon;
}
