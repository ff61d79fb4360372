/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The URIs of buses and of the MQTT broker. No I/O; any thread.
 */
#include "core/jkb-forms.h"

#include <string.h>

#include "core/jkb-error.h"
#include "core/jkb-suggest.h"

#define BUS_FORMS "serial:/dev/serial/by-id/NAME, tcp:HOST:PORT or replay:FILE"

static const char *const bus_schemes[] = { "serial", "tcp", "replay", NULL };

static gboolean fail (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

static gboolean
fail (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, format, args);
  va_end (args);
  return FALSE;
}

static gboolean
refuse_userinfo (const char *text, const char *remedy, GError **error)
{
  return strchr (text, '@') == NULL
         || fail (error, "holds a user or a password, which has no place in a URI; %s", remedy);
}

static gboolean
is_host_name (const char *host)
{
  gsize n = strlen (host);

  if (n == 0 || n > 253 || host[0] == '-' || host[0] == '.')
    return FALSE;
  for (const char *p = host; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p) && strchr ("-._", *p) == NULL)
      return FALSE;
  return strstr (host, "..") == NULL;
}

/* Splits "HOST", "HOST:PORT", "[ADDRESS]" and "[ADDRESS]:PORT"; *port: what follows the colon, or
 * NULL. */
static gboolean
split_host (const char *text, char **host, const char **port)
{
  const char *end;

  if (text[0] == '[')
    {
      end = strchr (text, ']');
      if (end == NULL || (end[1] != ':' && end[1] != '\0'))
        return FALSE;
      *host = g_strndup (text + 1, end - text - 1);
      *port = end[1] == ':' ? end + 2 : NULL;
      return strchr (*host, ':') != NULL && strspn (*host, "0123456789abcdefABCDEF:.%") > 1;
    }
  end = strchr (text, ':');
  if (end != NULL && strchr (end + 1, ':') != NULL)
    return FALSE; /* an IPv6 address without brackets */
  *host = end != NULL ? g_strndup (text, end - text) : g_strdup (text);
  *port = end != NULL ? end + 1 : NULL;
  return is_host_name (*host);
}

static gboolean
parse_port (const char *text, guint *port, GError **error)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, 1, 65535, &value, NULL))
    return fail (error, "has a port outside 1..65535; correct the number behind the last colon");
  *port = (guint) value;
  return TRUE;
}

/* ---- bus ------------------------------------------------------------------------------------ */

static gboolean
parse_tcp (const char *rest, JkbBusUri *uri, GError **error)
{
  const char *port = NULL;

  if (g_str_has_prefix (rest, "//"))
    return fail (error, "has slashes behind tcp:; write tcp:HOST:PORT");
  if (!refuse_userinfo (rest, "write tcp:HOST:PORT", error))
    return FALSE;
  if (!split_host (rest, &uri->host, &port))
    return fail (error, "names no host; write tcp:HOST:PORT, an IPv6 address in brackets");
  if (port == NULL)
    return fail (error, "has no port; write tcp:HOST:PORT with that of the gateway");
  return parse_port (port, &uri->port, error);
}

static gboolean
parse_serial (const char *rest, JkbBusUri *uri, GError **error)
{
  if (rest[0] != '/' || rest[1] == '/')
    return fail (error, "is not the path of a device; write serial:/dev/serial/by-id/NAME");
  if (!jkb_form_printable (rest, error))
    return FALSE;
  uri->path = g_strdup (rest);
  return TRUE;
}

static gboolean
check_replay_option (const char *option, GError **error)
{
  double speed;

  if (g_str_equal (option, "loop=true") || g_str_equal (option, "loop=false"))
    return TRUE;
  if (!g_str_has_prefix (option, "speed="))
    return fail (error, "has an unknown option behind the ?; write speed=N, loop=true or both "
                        "with & between them");
  speed = jkb_form_is_decimal (option + 6) ? g_ascii_strtod (option + 6, NULL) : -1;
  if (speed < 0 || speed > 1e6)
    return fail (error, "has a speed outside 0..1000000; 1 is the pace of the bus, 0 is no pause");
  return TRUE;
}

static gboolean
parse_replay (const char *rest, JkbBusUri *uri, GError **error)
{
  const char *query = strrchr (rest, '?');
  g_auto(GStrv) options = g_strsplit (query != NULL ? query + 1 : "", "&", -1);

  uri->path = query != NULL ? g_strndup (rest, query - rest) : g_strdup (rest);
  if (uri->path[0] != '/' || uri->path[1] == '/')
    return fail (error, "is not an absolute path; write replay:/DIRECTORY/FILE");
  if (!jkb_form_printable (rest, error))
    return FALSE;
  for (char **option = options; *option != NULL; option++)
    if (!check_replay_option (*option, error))
      return FALSE;
  return TRUE;
}

JkbBusUri *
jkb_bus_uri_parse (const char *text, GError **error)
{
  static gboolean (*const parsers[]) (const char *, JkbBusUri *, GError **)
      = { parse_serial, parse_tcp, parse_replay };
  const char *colon = strchr (text, ':');
  g_autofree char *scheme = colon != NULL ? g_strndup (text, colon - text) : NULL;
  g_autofree char *shown = jkb_form_show (text);
  g_autofree char *hint = NULL;
  g_autoptr(JkbBusUri) uri = g_new0 (JkbBusUri, 1);

  if (scheme == NULL && text[0] == '/')
    {
      fail (error, "has no scheme; write serial:%s", shown);
      return NULL;
    }
  for (guint i = 0; scheme != NULL && bus_schemes[i] != NULL; i++)
    if (g_str_equal (scheme, bus_schemes[i]))
      {
        uri->scheme = (JkbScheme) i;
        return parsers[i](colon + 1, uri, error) ? g_steal_pointer (&uri) : NULL;
      }
  hint = jkb_suggest_text (scheme != NULL ? scheme : "", bus_schemes);
  fail (error, "is none of " BUS_FORMS "%s", hint);
  return NULL;
}

void
jkb_bus_uri_free (JkbBusUri *uri)
{
  if (uri == NULL)
    return;
  g_free (uri->path);
  g_free (uri->host);
  g_free (uri);
}

gboolean
jkb_form_bus_uri (const char *text, GError **error)
{
  g_autoptr(JkbBusUri) uri = jkb_bus_uri_parse (text, error);

  return uri != NULL;
}

/* ---- broker --------------------------------------------------------------------------------- */

gboolean
jkb_mqtt_uri_parse (const char *text, gboolean *tls, char **host, guint *port, GError **error)
{
  gboolean secure = g_str_has_prefix (text, "mqtts://");
  const char *rest, *port_text = NULL;
  g_autofree char *name = NULL;
  guint number = secure ? 8883 : 1883;

  if (!secure && !g_str_has_prefix (text, "mqtt://"))
    return fail (error, "is neither mqtt://HOST[:PORT] nor mqtts://HOST[:PORT]");
  rest = strstr (text, "://") + 3;
  if (!refuse_userinfo (rest, "use username= and password-file=", error))
    return FALSE;
  if (strchr (rest, '/') != NULL)
    return fail (error, "goes on behind the host; end it with HOST or HOST:PORT");
  if (!split_host (rest, &name, &port_text))
    return fail (error, "names no host; write mqtt://HOST[:PORT], an IPv6 address in brackets");
  if (port_text != NULL && !parse_port (port_text, &number, error))
    return FALSE;
  if (tls != NULL)
    *tls = secure;
  if (port != NULL)
    *port = number;
  if (host != NULL)
    *host = g_steal_pointer (&name);
  return TRUE;
}

gboolean
jkb_form_mqtt_uri (const char *text, GError **error)
{
  return jkb_mqtt_uri_parse (text, NULL, NULL, NULL, error);
}
