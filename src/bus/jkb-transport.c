/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The array of all transports, and what holds for the URI of each of them. Any thread.
 */
#include "bus/jkb-transport.h"

#include <string.h>

#include "core/jkb-error.h"

#define FORMS "use serial:/dev/serial/by-id/NAME, tcp:HOST:PORT or replay:FILE"

static const JkbTransportClass *const classes[] = {
  &jkb_transport_serial,
  &jkb_transport_tcp,
  &jkb_transport_replay,
};

static const JkbTransportClass *
find_scheme (const char *uri, gsize length)
{
  for (guint i = 0; i < G_N_ELEMENTS (classes); i++)
    if (strlen (classes[i]->scheme) == length && memcmp (classes[i]->scheme, uri, length) == 0)
      return classes[i];
  return NULL;
}

static gboolean
check_text (const char *uri, GError **error)
{
  if (!g_utf8_validate (uri, -1, NULL))
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "The URI is not UTF-8: " FORMS);
      return FALSE;
    }
  for (const char *c = uri; *c != '\0'; c++)
    if (g_ascii_iscntrl (*c))
      {
        g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                     "The URI holds a control character: " FORMS);
        return FALSE;
      }
  return TRUE;
}

const JkbTransportClass *
jkb_transport_find (const char *uri, const char **rest, GError **error)
{
  const char *colon = strchr (uri, ':');
  const JkbTransportClass *klass;

  if (!check_text (uri, error))
    return NULL;
  klass = colon == NULL ? NULL : find_scheme (uri, (gsize) (colon - uri));
  if (klass == NULL)
    {
      g_set_error (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, "Unknown kind of bus: " FORMS);
      return NULL;
    }
  if (!klass->check (colon + 1, error))
    return NULL;
  *rest = colon + 1;
  return klass;
}
