/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The broker's password: from a file that others cannot read or from a systemd credential, read when
 * it is needed and wiped by whoever asked. Main thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/jkb-config.h"
#include "core/jkb-error.h"

#define MAX_PASSWORD 4096

static gboolean
fail (GError **error, JkbError code, const char *message)
{
  g_set_error_literal (error, JKB_ERROR, code, message);
  return FALSE;
}

static gboolean
check_mode (int fd, const char *file, GError **error)
{
  struct stat st;

  if (fstat (fd, &st) != 0 || !S_ISREG (st.st_mode))
    return fail (error, JKB_ERROR_INVALID_ARGUMENT, "is not a file; name a file that holds the "
                                                    "password in one line");
  if ((st.st_mode & 0007) == 0)
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_NOT_AUTHORIZED,
               "is open to every user (mode %04o); run: chmod o= %s", st.st_mode & 07777, file);
  return FALSE;
}

static int
open_file (const char *file, gboolean check, GError **error)
{
  int fd = open (file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

  if (fd < 0)
    g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
                 "cannot be read (%s); correct the path, the owner or the mode",
                 g_strerror (errno));
  else if (check && !check_mode (fd, file, error))
    {
      close (fd);
      fd = -1;
    }
  return fd;
}

gboolean
jkb_password_file_check (const char *file, GError **error)
{
  int fd = open_file (file, TRUE, error);

  if (fd < 0)
    return FALSE;
  close (fd);
  return TRUE;
}

/* Bytes of the file, one newline at the end less; wiped when it cannot be a password. */
static char *
read_password (int fd, GError **error)
{
  char *text = g_malloc0 (MAX_PASSWORD + 3);
  gsize length = 0;
  gssize n = 1;

  while (n > 0 && length < MAX_PASSWORD + 2)
    {
      n = read (fd, text + length, MAX_PASSWORD + 2 - length);
      length += MAX (n, 0);
    }
  if (n >= 0 && length > 0 && text[length - 1] == '\n')
    text[--length] = '\0';
  if (n >= 0 && length <= MAX_PASSWORD && strlen (text) == length)
    return text;
  if (n < 0)
    fail (error, JKB_ERROR_IO, "cannot be read");
  else
    fail (error, JKB_ERROR_INVALID_ARGUMENT, "is longer than 4096 bytes or holds a zero byte; write "
                                             "the password alone into it");
  explicit_bzero (text, MAX_PASSWORD + 3);
  g_free (text);
  return NULL;
}

static char *
load_file (const char *file, GError **error)
{
  int fd = open_file (file, TRUE, error);
  char *password = NULL;

  if (fd >= 0)
    {
      password = read_password (fd, error);
      close (fd);
    }
  if (password != NULL && password[0] == '\0')
    {
      g_clear_pointer (&password, g_free);
      fail (error, JKB_ERROR_INVALID_ARGUMENT, "is empty; write the password into it");
    }
  g_prefix_error (error, "password-file=%s ", file);
  return password;
}

/* systemd keeps the directory closed; an empty credential is none. */
static char *
load_credential (const char *name, gboolean required, GError **error)
{
  const char *directory = g_getenv ("CREDENTIALS_DIRECTORY");
  g_autofree char *file = directory != NULL ? g_build_filename (directory, name, NULL) : NULL;
  g_autoptr(GError) reason = NULL;
  char *password = NULL;
  int fd;

  if (file == NULL && required)
    fail (&reason, JKB_ERROR_NOT_FOUND,
          "needs a start by systemd; add LoadCredential= to the unit, or use password-file");
  if (file != NULL)
    {
      fd = open_file (file, FALSE, required ? &reason : NULL);
      if (fd >= 0)
        {
          password = read_password (fd, &reason);
          close (fd);
        }
    }
  if (password != NULL && password[0] == '\0')
    g_clear_pointer (&password, g_free);
  if (reason != NULL)
    g_propagate_prefixed_error (error, g_steal_pointer (&reason), "password-credential=%s ", name);
  return password;
}

char *
jkb_mqtt_config_load_password (const JkbMqttConfig *config, GError **error)
{
  if (config->password_file[0] != '\0')
    return load_file (config->password_file, error);
  if (config->password_credential[0] != '\0')
    return load_credential (config->password_credential, TRUE, error);
  return load_credential (JKB_DEFAULT_CREDENTIAL, FALSE, error);
}
