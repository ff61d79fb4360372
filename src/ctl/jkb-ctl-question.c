/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Questions to the person at the terminal: on stderr, so that stdout holds results only.
 */
#include "config.h"

#include "ctl/jkb-ctl-question.h"

#include <glib/gi18n.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

/* Without the newline; %FALSE at the end of input. */
static gboolean
read_line (char *line, gsize size)
{
  gsize n;

  fflush (stdout);
  if (fgets (line, size, stdin) == NULL)
    return FALSE;
  n = strcspn (line, "\r\n");
  line[n] = '\0';
  return TRUE;
}

static gboolean
somebody_is_there (int *status)
{
  if (isatty (STDIN_FILENO) && isatty (STDERR_FILENO))
    return TRUE;
  *status = jkb_ctl_fail_usage (_("nothing was written: there is no terminal to ask; say --yes"));
  return FALSE;
}

static gboolean
refused (int *status)
{
  g_printerr (_("jkbmsctl: nothing was written\n"));
  *status = JKB_CTL_FAILED;
  return FALSE;
}

gboolean
jkb_ctl_question (const char *question, int *status)
{
  char line[LINE_MAX_BYTES];

  if (!somebody_is_there (status))
    return FALSE;
  fflush (stdout);
  /* Translators: the letters are those that the locale takes for yes and no */
  g_printerr (_("%s [y/N] "), question);
  return (read_line (line, sizeof line) && rpmatch (line) == 1) || refused (status);
}

gboolean
jkb_ctl_question_dangerous (const char *warning, const char *word, int *status)
{
  char line[LINE_MAX_BYTES];

  if (!somebody_is_there (status))
    return FALSE;
  fflush (stdout);
  /* Translators: a warning, and the id that is to be typed */
  g_printerr (_("%s\nType %s to write it: "), warning, word);
  return (read_line (line, sizeof line) && strcmp (line, word) == 0) || refused (status);
}

char *
jkb_ctl_read_password (const char *prompt)
{
  struct termios shown, hidden;
  char line[LINE_MAX_BYTES];
  char *password = NULL;
  gboolean terminal = tcgetattr (STDIN_FILENO, &shown) == 0;

  if (terminal)
    {
      hidden = shown;
      hidden.c_lflag &= ~ECHO;
      tcsetattr (STDIN_FILENO, TCSAFLUSH, &hidden);
      g_printerr ("%s", prompt);
    }
  if (read_line (line, sizeof line))
    password = g_strdup (line);
  if (terminal)
    {
      tcsetattr (STDIN_FILENO, TCSAFLUSH, &shown);
      g_printerr ("\n");
    }
  explicit_bzero (line, sizeof line);
  return password;
}
