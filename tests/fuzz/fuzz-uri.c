/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Texts in forms: URIs of buses and brokers, ids, lists of addresses, names. Nothing is opened. What
 * is refused has a sentence; what is taken keeps the promises of its form.
 */
#include <stdint.h>
#include <string.h>

#include "bus/jkb-transport.h"
#include "core/jkb-forms.h"
#include "fuzz-input.h"

static void
check_error (gboolean good, const GError *error)
{
  g_assert_true (good == (error == NULL));
  if (error == NULL)
    return;
  g_assert_cmpuint (strlen (error->message), >, 3);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

typedef gboolean (*Form) (const char *text, GError **error);

static const Form forms[] = {
  jkb_form_bus_name, jkb_form_bus_uri, jkb_form_mqtt_uri,  jkb_form_addresses,
  jkb_form_members,  jkb_form_topic,   jkb_form_instance,  jkb_form_name,
  jkb_form_client_id, jkb_form_printable, jkb_form_path,   jkb_form_credential,
};

static void
check_bus_uri (const char *text)
{
  g_autoptr (JkbBusUri) uri = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) transport_error = NULL;
  const char *rest = NULL;

  uri = jkb_bus_uri_parse (text, &error);
  check_error (uri != NULL, error);
  if (uri != NULL && uri->scheme == JKB_SCHEME_TCP)
    {
      g_assert_nonnull (uri->host);
      g_assert_cmpuint (uri->port, >=, 1);
      g_assert_cmpuint (uri->port, <=, 65535);
    }
  else if (uri != NULL)
    g_assert_cmpint (uri->path[0], ==, '/');
  check_error (jkb_transport_find (text, &rest, &transport_error) != NULL, transport_error);
}

static void
check_mqtt_uri (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *host = NULL;
  gboolean tls, good;
  guint port = 0;

  good = jkb_mqtt_uri_parse (text, &tls, &host, &port, &error);
  check_error (good, error);
  if (!good)
    return;
  g_assert_cmpuint (strlen (host), >, 0);
  g_assert_cmpuint (port, >=, 1);
  g_assert_cmpuint (port, <=, 65535);
}

static void
check_id (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *bus = NULL;
  guint address = 0;
  gboolean good = jkb_bms_id_parse (text, &bus, &address, &error);

  check_error (good, error);
  if (!good)
    return;
  g_assert_cmpuint (address, <=, JKB_MAX_ADDRESS);
  g_assert_true (jkb_form_bus_name (bus, NULL));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autofree char *shown = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autoptr (GError) error = NULL;

      check_error (forms[i](text, &error), error);
    }
  check_bus_uri (text);
  check_mqtt_uri (text);
  check_id (text);
  shown = jkb_form_show (text);
  g_assert_true (g_utf8_validate (shown, -1, NULL));
  return 0;
}
