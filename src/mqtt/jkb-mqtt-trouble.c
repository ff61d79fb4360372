/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Broker troubles as sentences. Any thread.
 */
#include "mqtt/jkb-mqtt-trouble.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

JkbTlsFault
jkb_tls_fault_from_alert (const char *alert, gboolean by_us)
{
  if (!by_us)
    {
      /* OpenSSL has no name for "certificate required" of TLS 1.3 and calls it unknown. */
      if (strstr (alert, "certificate") != NULL || strstr (alert, "unknown") != NULL
          || strstr (alert, "handshake failure") != NULL)
        return JKB_TLS_WANTS_CERTIFICATE;
      return JKB_TLS_OTHER;
    }
  if (strstr (alert, "certificate expired") != NULL)
    return JKB_TLS_EXPIRED;
  if (strstr (alert, "unknown CA") != NULL)
    return JKB_TLS_UNTRUSTED;
  if (strstr (alert, "certificate") != NULL)
    return JKB_TLS_BAD_CERTIFICATE;
  return JKB_TLS_OTHER;
}

char *
jkb_mqtt_trouble_connack (int code, const char *client_id)
{
  switch (code)
    {
    case 1:
      return g_strdup ("The broker does not speak MQTT 3.1.1; use another broker or update it");
    case 2:
      return g_strdup_printf ("The broker refused the client id '%s'; set another client-id",
                              client_id);
    case 3:
      return g_strdup ("The broker says that it is not available now; it will be tried again");
    case 4:
      return g_strdup ("The broker refused the user name or password; check username and "
                       "password-file");
    case 5:
      return g_strdup ("The broker did not authorise us; check username, password-file and the "
                       "broker's access rules");
    default:
      return NULL;
    }
}

char *
jkb_mqtt_trouble_tls (JkbTlsFault fault, const char *host)
{
  switch (fault)
    {
    case JKB_TLS_EXPIRED:
      return g_strdup ("TLS: the broker's certificate has expired; renew it, and check the clock of "
                       "this machine");
    case JKB_TLS_UNTRUSTED:
      return g_strdup ("TLS: the broker's certificate is signed by nobody we trust; set ca-file to "
                       "the certificate of its authority");
    case JKB_TLS_WRONG_NAME:
      return g_strdup_printf ("TLS: the broker's certificate is not for the name '%s'; use the name "
                              "in the certificate in uri",
                              host);
    case JKB_TLS_BAD_CERTIFICATE:
      return g_strdup ("TLS: the broker's certificate is not valid (not yet, revoked or damaged); "
                       "check it, and the clock of this machine");
    case JKB_TLS_WANTS_CERTIFICATE:
      return g_strdup ("TLS: the broker refused our certificate or wants one; check cert-file and "
                       "key-file");
    case JKB_TLS_FINE: /* its last word can be lost when it closes the connection */
      return g_strdup ("TLS: the broker closed the connection without a reason; check cert-file and "
                       "key-file if it wants a certificate, that its port speaks TLS 1.2 or later, "
                       "and its log");
    case JKB_TLS_OTHER:
    default:
      return g_strdup ("TLS: no common language with the broker; check that its port speaks TLS "
                       "1.2 or later");
    }
}

static int
connect_within (const struct addrinfo *address, int timeout_ms)
{
  int fd = socket (address->ai_family, address->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                   address->ai_protocol);
  int error = 0;
  socklen_t size = sizeof error;

  if (fd < 0)
    return errno;
  if (connect (fd, address->ai_addr, address->ai_addrlen) != 0)
    {
      struct pollfd fds = { fd, POLLOUT, 0 };

      error = errno;
      if (error == EINPROGRESS)
        error = poll (&fds, 1, timeout_ms) <= 0
                    ? ETIMEDOUT
                    : getsockopt (fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 ? errno : error;
    }
  close (fd);
  return error;
}

char *
jkb_mqtt_trouble_diagnose (const char *host, guint port, int timeout_ms)
{
  struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
  struct addrinfo *addresses = NULL;
  char service[8];
  int rc, error = 0;

  g_snprintf (service, sizeof service, "%u", port);
  rc = getaddrinfo (host, service, &hints, &addresses);
  if (rc != 0)
    return g_strdup_printf ("The broker's name '%s' cannot be found (%s); check uri and the network",
                            host, gai_strerror (rc));
  for (struct addrinfo *address = addresses; address != NULL; address = address->ai_next)
    {
      error = connect_within (address, timeout_ms);
      if (error == 0)
        break;
    }
  freeaddrinfo (addresses);
  switch (error)
    {
    case 0:
      return NULL;
    case ECONNREFUSED:
      return g_strdup_printf ("Nothing listens on port %u of %s; check that the broker runs, and "
                              "the port in uri",
                              port, host);
    case ETIMEDOUT:
      return g_strdup_printf ("%s does not answer on port %u; check the network and firewalls", host,
                              port);
    default:
      return g_strdup_printf ("%s cannot be reached: %s", host, g_strerror (error));
    }
}

char *
jkb_mqtt_trouble_file (const char *key, const char *file)
{
  if (file == NULL || file[0] == '\0' || access (file, R_OK) == 0)
    return NULL;
  return g_strdup_printf ("%s=%s cannot be read: %s", key, file, g_strerror (errno));
}
