/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Troubles have sentences.
 */
#include "mqtt/jkb-mqtt-trouble.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct
{
  const char *name;
  const char *alert;
  gboolean by_us;
  JkbTlsFault fault;
} Alert;

static const Alert alerts[] = {
  { "expired", "SSL alert write:fatal:certificate expired", TRUE, JKB_TLS_EXPIRED },
  { "unknown-ca", "SSL alert write:fatal:unknown CA", TRUE, JKB_TLS_UNTRUSTED },
  { "bad", "SSL alert write:fatal:bad certificate", TRUE, JKB_TLS_BAD_CERTIFICATE },
  { "version", "SSL alert write:fatal:protocol version", TRUE, JKB_TLS_OTHER },
  { "theirs", "SSL alert read:fatal:bad certificate", FALSE, JKB_TLS_WANTS_CERTIFICATE },
  { "required", "SSL alert read:fatal:unknown", FALSE, JKB_TLS_WANTS_CERTIFICATE },
  { "theirs-version", "SSL alert read:fatal:protocol version", FALSE, JKB_TLS_OTHER },
};

static void
test_alert (gconstpointer data)
{
  const Alert *alert = data;
  g_autofree char *sentence = NULL;

  g_assert_cmpint (jkb_tls_fault_from_alert (alert->alert, alert->by_us), ==, alert->fault);
  sentence = jkb_mqtt_trouble_tls (alert->fault, "broker");
  g_assert_true (g_str_has_prefix (sentence, "TLS: "));
}

static void
test_connack (void)
{
  for (int code = 1; code <= 5; code++)
    {
      g_autofree char *sentence = jkb_mqtt_trouble_connack (code, "us");

      g_assert_nonnull (sentence);
    }
  g_assert_null (jkb_mqtt_trouble_connack (0, "us"));
  g_assert_null (jkb_mqtt_trouble_connack (-1, "us"));
}

static void
test_diagnose (void)
{
  struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl (INADDR_LOOPBACK) };
  socklen_t size = sizeof address;
  int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  g_autofree char *refused = NULL;
  g_autofree char *fine = NULL;

  g_assert_cmpint (bind (fd, (struct sockaddr *) &address, size), ==, 0);
  getsockname (fd, (struct sockaddr *) &address, &size);
  refused = jkb_mqtt_trouble_diagnose ("127.0.0.1", ntohs (address.sin_port), 1000);
  g_assert_nonnull (strstr (refused, "Nothing listens on port"));
  listen (fd, 1);
  fine = jkb_mqtt_trouble_diagnose ("127.0.0.1", ntohs (address.sin_port), 1000);
  g_assert_null (fine);
  close (fd);
}

static void
test_file (void)
{
  g_autofree char *sentence = jkb_mqtt_trouble_file ("ca-file", "/no/such/file");

  g_assert_cmpstr (sentence, ==, "ca-file=/no/such/file cannot be read: No such file or directory");
  g_assert_null (jkb_mqtt_trouble_file ("ca-file", ""));
  g_assert_null (jkb_mqtt_trouble_file ("ca-file", NULL));
  g_assert_null (jkb_mqtt_trouble_file ("ca-file", "/dev/null"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (alerts); i++)
    {
      g_autofree char *path = g_strdup_printf ("/mqtt/trouble/alert/%s", alerts[i].name);

      g_test_add_data_func (path, &alerts[i], test_alert);
    }
  g_test_add_func ("/mqtt/trouble/connack", test_connack);
  g_test_add_func ("/mqtt/trouble/diagnose", test_diagnose);
  g_test_add_func ("/mqtt/trouble/file", test_file);
  return g_test_run ();
}
