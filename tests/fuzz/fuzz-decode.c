/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * "jkbmsctl decode" of any file, and what "jkbmsctl doctor" makes of the same bytes. Each line of
 * JSON is one, in the order of the offsets; each line for people is text.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/jkb-ctl-decode.h"
#include "ctl/jkb-ctl-hearing.h"
#include "fuzz-input.h"
#include "strict-json.h"

static char *file;

int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  file = g_build_filename (fuzz_directory (), "raw.bin", NULL);
  return 0;
}

/* What it writes to stdout; glibc lets that be any stream. */
static char *
decode (gboolean json)
{
  FILE *before = stdout;
  char *text = NULL;
  size_t length = 0;
  int status;

  stdout = open_memstream (&text, &length);
  status = jkb_ctl_decode (file, json);
  fclose (stdout);
  stdout = before;
  g_assert_cmpint (status, ==, 0);
  g_assert_cmpuint (strlen (text), ==, length);
  return text;
}

static void
check_json (char *text)
{
  gint64 last = -1;

  for (char *line = text, *end; (end = strchr (line, '\n')) != NULL; line = end + 1)
    {
      gint64 offset;

      g_assert_true (strict_json_is_good (line, (gsize) (end - line)));
      g_assert_true (g_str_has_prefix (line, "{\"offset\":"));
      offset = g_ascii_strtoll (line + strlen ("{\"offset\":"), NULL, 10);
      g_assert_cmpint (offset, >, last);
      last = offset;
    }
}

static void
check_text (const char *text)
{
  g_assert_true (g_utf8_validate (text, -1, NULL));
  for (const char *c = text; *c != '\0'; c = g_utf8_next_char (c))
    g_assert_true (*c == '\n' || !g_unichar_iscntrl (g_utf8_get_char (c)));
}

static void
check_hearing (const guint8 *data, size_t size)
{
  g_autoptr (JkbCtlHearing) hearing = jkb_ctl_hearing_new (data[0] % 3);
  JkbCtlHeard heard = { 0 };
  JkbVerdict verdict;
  gint64 now_us = 1000;

  for (size_t at = 0; at < size; at += 100)
    {
      jkb_ctl_hearing_take (hearing, data + at, MIN (100, size - at), now_us);
      now_us += 8700 * (1 + data[at] % 4);
    }
  jkb_ctl_hearing_end (hearing);
  verdict = jkb_ctl_hearing_judge (hearing, &heard);
  g_assert_cmpint (verdict, <, JKB_N_VERDICTS);
  g_assert_nonnull (jkb_verdict_name (verdict));
  g_assert_cmpuint (heard.bytes, ==, size);
  g_assert_cmpint (heard.collision, >=, -1);
  g_assert_cmpint (heard.collision, <=, 255);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  char *json, *text;

  if (size < 1)
    return 0;
  fuzz_write_file (file, data, size);
  json = decode (TRUE);
  check_json (json);
  free (json);
  text = decode (FALSE);
  check_text (text);
  free (text);
  check_hearing (data, size);
  return 0;
}
