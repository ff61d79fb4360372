/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * A call that writes goes: what can be found wrong without sending, authorisation, the writer, what
 * changed is announced, the answer. A Set is answered within 10 s whatever happens; the write itself
 * goes on, as it does when the caller leaves. Main thread only.
 */
#include "dbus/jkb-settings-interface.h"

#include <string.h>

#include "core/jkb-error.h"
#include "daemon/jkb-writer.h"
#include "dbus/jkb-caller.h"
#include "dbus/jkb-object.h"
#include "poll/jkb-setting.h"

#define SET_LIMIT_US (10 * G_USEC_PER_SEC)

/* polkit answers at once unless it asks the user. Leaves time for a write to begin (the bus gives it
 * 6 s) within the limit of a Set. */
#define AUTH_LIMIT_US (3 * G_USEC_PER_SEC)

#define CHANGES_SHOWN 6 /* in a dialogue */

typedef struct
{
  JkbAuthPolicy policy;
  JkbDaemon *daemon; /* borrowed */
  JkbBms *bms;       /* borrowed: the skeleton has a reference */
} Interface;

typedef enum
{
  CALL_SET,
  CALL_APPLY,
  CALL_RESTORE
} CallKind;

typedef struct
{
  CallKind kind;
  Interface interface; /* with references of its own */
  JkbSkeleton *skeleton;
  GDBusMethodInvocation *invocation; /* NULL: answered */
  GVariant *values;
  GCancellable *cancellable;
  gint64 began_us; /* behind the question to a user, if there was one */
  gboolean writing;
  guint timeout; /* 0: none */
} Call;

/* ---- the life of a call ---- */

static Call *
call_new (CallKind kind, JkbSkeleton *skeleton, Interface *interface,
          GDBusMethodInvocation *invocation, GVariant *values)
{
  Call *call = g_new0 (Call, 1);

  call->kind = kind;
  call->interface = *interface;
  g_object_ref (call->interface.daemon);
  g_object_ref (call->interface.bms);
  call->skeleton = g_object_ref (skeleton);
  call->invocation = invocation;
  call->values = g_variant_ref_sink (values);
  call->cancellable = g_cancellable_new ();
  call->began_us = g_get_monotonic_time ();
  return call;
}

static void
call_free (Call *call)
{
  g_clear_handle_id (&call->timeout, g_source_remove);
  g_object_unref (call->interface.daemon);
  g_object_unref (call->interface.bms);
  g_object_unref (call->skeleton);
  g_object_unref (call->cancellable);
  g_variant_unref (call->values);
  g_free (call);
}

static void
answer (Call *call, GVariant *reply, const GError *error)
{
  GDBusMethodInvocation *invocation = call->invocation;

  call->invocation = NULL;
  g_clear_handle_id (&call->timeout, g_source_remove);
  if (invocation == NULL)
    {
      if (reply != NULL)
        g_variant_unref (g_variant_ref_sink (reply));
    }
  else if (error == NULL)
    g_dbus_method_invocation_return_value (invocation, reply);
  else if (error->domain == JKB_ERROR)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else
    g_dbus_method_invocation_return_error_literal (invocation, JKB_ERROR, JKB_ERROR_IO,
                                                   error->message);
}

static gboolean
on_timeout (gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GError) error = NULL;

  call->timeout = 0;
  if (call->writing)
    error = g_error_new_literal (JKB_ERROR, JKB_ERROR_TIMEOUT,
                                 "Not confirmed within 10 s: whether the BMS took the value is "
                                 "unknown, and the write is still going on; read the property later");
  else
    error = g_error_new_literal (JKB_ERROR, JKB_ERROR_BUSY,
                                 "polkit does not answer; nothing was sent to the BMS, try again");
  answer (call, NULL, error);
  g_cancellable_cancel (call->cancellable); /* ends the question to polkit; the call goes with it */
  return G_SOURCE_REMOVE;
}

static void
limit_time (Call *call, gint64 limit_us)
{
  gint64 left_us = call->began_us + limit_us - g_get_monotonic_time ();

  g_clear_handle_id (&call->timeout, g_source_remove);
  call->timeout = g_timeout_add (left_us > 0 ? left_us / 1000 : 0, on_timeout, call);
}

/* ---- what polkit shows ---- */

static void
append_change (GString *text, const JkbValues *now, const char *key, GVariant *value)
{
  const JkbField *field = jkb_field_lookup (JKB_GROUP_SETTINGS, key);
  gint64 raw, before = JKB_UNKNOWN;
  g_autofree char *wanted = NULL;
  const char *unit;

  if (field == NULL || !jkb_setting_from_variant (field, value, &raw, NULL))
    return;
  unit = field->unit != NULL ? field->unit : "";
  wanted = jkb_setting_to_text (field, raw);
  if (now != NULL)
    before = jkb_values_get (now, jkb_field_id (field));
  g_string_append_printf (text, "%s%s", text->len > 0 ? ", " : "", key);
  if (before != JKB_UNKNOWN)
    {
      g_autofree char *old = jkb_setting_to_text (field, before);

      g_string_append_printf (text, " from %s", old);
    }
  g_string_append_printf (text, " to %s%s%s", wanted, unit[0] != '\0' ? " " : "", unit);
}

/* "balancer from true to false, max_charge_current from 100.000 to 120.000 A" */
static char *
describe_change (JkbBms *bms, GVariant *values)
{
  GString *text = g_string_new (NULL);
  gsize n = g_variant_n_children (values);

  for (gsize i = 0; i < MIN (n, CHANGES_SHOWN); i++)
    {
      g_autoptr (GVariant) value = NULL;
      const char *key;

      g_variant_get_child (values, i, "{&sv}", &key, &value);
      append_change (text, jkb_bms_peek_values (bms, JKB_GROUP_SETTINGS), key, value);
    }
  if (n > CHANGES_SHOWN)
    g_string_append_printf (text, " and %" G_GSIZE_FORMAT " more", n - CHANGES_SHOWN);
  return g_string_free (text, FALSE);
}

static GVariant *
describe_for_polkit (JkbBms *bms, GVariant *values, gboolean dangerous)
{
  GVariantBuilder details = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));
  g_autofree char *change = describe_change (bms, values);
  g_autofree char *name
      = strcmp (jkb_bms_get_name (bms), jkb_bms_get_id (bms)) == 0
            ? g_strdup (jkb_bms_get_id (bms))
            : g_strdup_printf ("%s (%s)", jkb_bms_get_id (bms), jkb_bms_get_name (bms));

  g_variant_builder_add (&details, "{ss}", "bms", name);
  g_variant_builder_add (&details, "{ss}", "change", change);
  g_variant_builder_add (&details, "{ss}", "polkit.message",
                         dangerous
                             ? "Authentication is required to change settings of the battery "
                               "management system $(bms): $(change). A wrong value can damage the "
                               "battery or cut the power."
                             : "Authentication is required to change settings of the battery "
                               "management system $(bms): $(change).");
  return g_variant_builder_end (&details);
}

/* ---- writing ---- */

/* Whoever reads after the answer finds the new values, and was told of them. */
static void
announce (Call *call)
{
  GDBusObject *object = g_dbus_interface_get_object (G_DBUS_INTERFACE (call->skeleton));

  jkb_registry_flush (jkb_daemon_get_registry (call->interface.daemon));
  if (object != NULL)
    jkb_object_flush (JKB_OBJECT (object), g_get_monotonic_time ());
}

static void
on_applied (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) values = jkb_writer_apply_finish (JKB_WRITER (source), result, &error);

  announce (call);
  if (values == NULL)
    answer (call, NULL, error);
  else
    answer (call, call->kind == CALL_APPLY ? g_variant_new ("(@a{sv})", values) : NULL, NULL);
  call_free (call);
}

static void
on_authorized (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Call *call = user_data;
  Interface *interface = &call->interface;
  g_autoptr (GError) error = NULL;

  g_clear_handle_id (&call->timeout, g_source_remove);
  if (!jkb_auth_check_finish (result, &error) || call->invocation == NULL)
    {
      answer (call, NULL, error);
      call_free (call);
      return;
    }
  call->writing = TRUE;
  if (jkb_caller_is_interactive (call->invocation))
    call->began_us = g_get_monotonic_time ();
  if (call->kind == CALL_SET)
    limit_time (call, SET_LIMIT_US);
  jkb_writer_apply_async (jkb_daemon_get_writer (interface->daemon), interface->bms, call->values,
                          JKB_TIER_PROTECTION, on_applied, call);
}

/* Consumes @call. Nobody is asked for a password for what would be refused anyway. */
static void
write_settings (Call *call)
{
  Interface *interface = &call->interface;
  gboolean dangerous = jkb_writer_is_dangerous (call->values);
  g_autoptr (GPtrArray) problems
      = jkb_writer_validate (jkb_daemon_get_writer (interface->daemon), interface->bms,
                             call->values, JKB_TIER_PROTECTION, NULL, NULL);

  if (problems->len > 0)
    {
      const JkbWriteProblem *first = problems->pdata[0];

      answer (call, NULL, first->error);
      call_free (call);
      return;
    }
  /* A user who types a password takes his time, and the limit begins behind that. */
  if (!jkb_caller_is_interactive (call->invocation))
    limit_time (call, AUTH_LIMIT_US);
  jkb_auth_check_async (interface->policy, call->invocation,
                        dangerous ? JKB_ACTION_WRITE_PROTECTION : JKB_ACTION_WRITE_SETTINGS,
                        describe_for_polkit (interface->bms, call->values, dangerous),
                        call->cancellable, on_authorized, call);
}

/* ---- the calls ---- */

/* GDBus and the guard have checked that the property exists, is written and has this type. */
static void
call_set (JkbSkeleton *skeleton, Interface *interface, GDBusMethodInvocation *invocation)
{
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  GDBusInterfaceInfo *info = jkb_skeleton_get_info (skeleton);
  GVariantBuilder values = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) value = NULL;
  const char *name;

  g_variant_get (parameters, "(&s&sv)", NULL, &name, &value);
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_SETTINGS);
       id < jkb_group_end (JKB_GROUP_SETTINGS); id++)
    if (strcmp (info->properties[id - jkb_group_first (JKB_GROUP_SETTINGS)]->name, name) == 0)
      g_variant_builder_add (&values, "{sv}", jkb_fields[id].key, value);
  write_settings (call_new (CALL_SET, skeleton, interface, invocation,
                            g_variant_builder_end (&values)));
}

static void
call_apply (JkbSkeleton *skeleton, Interface *interface, GDBusMethodInvocation *invocation)
{
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  g_autoptr (GVariant) values = g_variant_get_child_value (parameters, 0);

  write_settings (call_new (CALL_APPLY, skeleton, interface, invocation, values));
}

static void
call_validate (JkbSkeleton *skeleton, Interface *interface, GDBusMethodInvocation *invocation)
{
  GVariant *parameters = g_dbus_method_invocation_get_parameters (invocation);
  g_autoptr (GVariant) values = g_variant_get_child_value (parameters, 0);
  g_autoptr (GPtrArray) problems
      = jkb_writer_validate (jkb_daemon_get_writer (interface->daemon), interface->bms, values,
                             JKB_TIER_PROTECTION, NULL, NULL);
  GVariantBuilder list = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sss)"));

  for (guint i = 0; i < problems->len; i++)
    {
      const JkbWriteProblem *problem = problems->pdata[i];

      g_variant_builder_add (&list, "(sss)", problem->key,
                             jkb_error_dbus_name (problem->error->code), problem->error->message);
    }
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(a(sss))", &list));
}

static void
call_snapshots (JkbSkeleton *skeleton, Interface *interface, GDBusMethodInvocation *invocation)
{
  GVariant *list = jkb_writer_list_snapshots (jkb_daemon_get_writer (interface->daemon),
                                              interface->bms);

  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a(st))", list));
}

static void
call_restore (JkbSkeleton *skeleton, Interface *interface, GDBusMethodInvocation *invocation)
{
  g_autoptr (GVariant) values = NULL;
  g_autoptr (GError) error = NULL;
  const char *name;

  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(&s)", &name);
  values = jkb_writer_load_snapshot (jkb_daemon_get_writer (interface->daemon), interface->bms,
                                     name, &error);
  if (values == NULL)
    g_dbus_method_invocation_return_gerror (invocation, error);
  else if (g_variant_n_children (values) == 0)
    g_dbus_method_invocation_return_value (invocation, NULL);
  else
    write_settings (call_new (CALL_RESTORE, skeleton, interface, invocation, values));
}

static const struct
{
  const char *name;
  void (*call) (JkbSkeleton *skeleton, Interface *interface, GDBusMethodInvocation *invocation);
} calls[] = {
  { "Set", call_set }, /* of org.freedesktop.DBus.Properties */
  { "Apply", call_apply },
  { "Validate", call_validate },
  { "Snapshots", call_snapshots },
  { "Restore", call_restore },
};

static void
on_call (JkbSkeleton *skeleton, GDBusMethodInvocation *invocation, gpointer user_data)
{
  const char *name = g_dbus_method_invocation_get_method_name (invocation);

  for (guint i = 0; i < G_N_ELEMENTS (calls); i++)
    if (strcmp (calls[i].name, name) == 0)
      {
        calls[i].call (skeleton, user_data, invocation);
        return;
      }
  g_dbus_method_invocation_return_error (invocation, JKB_ERROR, JKB_ERROR_NOT_FOUND,
                                         "There is no method '%s'", name);
}

/* ---- progress ---- */

static void
on_progress (JkbWriter *writer, const char *id, guint done, guint total, JkbSkeleton *skeleton)
{
  if (strcmp (id, jkb_bms_get_id (jkb_table_skeleton_get_source (skeleton))) == 0)
    jkb_skeleton_emit (skeleton, "WriteProgress", g_variant_new ("(uu)", done, total));
}

void
jkb_settings_interface_serve (JkbSkeleton *skeleton, JkbAuthPolicy policy, JkbDaemon *daemon,
                              JkbBms *bms)
{
  Interface *interface = g_new0 (Interface, 1);

  interface->policy = policy;
  interface->daemon = daemon;
  interface->bms = bms;
  jkb_table_skeleton_set_call (JKB_TABLE_SKELETON (skeleton), on_call, interface, g_free);
  g_signal_connect_object (jkb_daemon_get_writer (daemon), "progress", G_CALLBACK (on_progress),
                           skeleton, 0);
}
