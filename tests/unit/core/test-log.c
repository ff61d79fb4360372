/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What goes to the log and what does not; the writer itself runs in a process of its own.
 */
#include <string.h>

#include "core/jkb-log-line.h"
#include "core/jkb-log.h"

typedef struct
{
  const char *name, *text, *clean;
} Case;

static const Case cases[] = {
  { "plain", "12.5 °C 電池", "12.5 °C 電池" },
  { "line-feed", "a\nb\tc", "a b c" },
  { "escape", "\033[2Jx\007\177", "?[2Jx??" },
  { "c1", "a\302\233m", "a?m" },
  { "direction", "a\342\200\256b", "a?b" },
  { "broken", "a\xff", "a\357\277\275" },
};

static void
test_clean (gconstpointer data)
{
  const Case *c = data;
  g_autofree char *clean = jkb_log_clean (c->text);

  g_assert_cmpstr (clean, ==, c->clean);
}

static void
test_long (void)
{
  g_autofree char *text = g_strnfill (100000, 'x');
  g_autofree char *clean = jkb_log_clean (text);

  g_assert_cmpuint (strlen (clean), <, JKB_LOG_MAX_LINE);
  g_assert_true (g_str_has_suffix (clean, "…"));
}

static void
test_format (void)
{
  g_autofree char *plain = jkb_log_format (G_LOG_LEVEL_INFO, NULL, "text", TRUE);
  g_autofree char *subject = jkb_log_format (G_LOG_LEVEL_WARNING, "garage_1", "text", FALSE);
  g_autofree char *colour = jkb_log_format (G_LOG_LEVEL_CRITICAL, NULL, "text", TRUE);

  g_assert_cmpstr (plain, ==, "info: text");
  g_assert_cmpstr (subject, ==, "warning: garage_1: text");
  g_assert_cmpstr (colour, ==, "\033[1;31merror:\033[0m text");
}

static void
test_repeat (void)
{
  JkbLogRepeat repeat = { "" };
  guint n;

  g_assert_true (jkb_log_repeat (&repeat, "a", 0, &n));
  g_assert_false (jkb_log_repeat (&repeat, "a", 1, &n));
  g_assert_false (jkb_log_repeat (&repeat, "a", JKB_LOG_REPEAT_US - 1, &n));
  g_assert_true (jkb_log_repeat (&repeat, "a", JKB_LOG_REPEAT_US, &n));
  g_assert_cmpuint (n, ==, 2);
  g_assert_true (jkb_log_repeat (&repeat, "b", JKB_LOG_REPEAT_US, &n));
  g_assert_cmpuint (n, ==, 0);
  g_assert_true (jkb_log_repeat (&repeat, "a", JKB_LOG_REPEAT_US, &n));
}

static gpointer
log_thread (gpointer data)
{
  for (guint i = 0; i < 200; i++)
    jkb_log (G_LOG_LEVEL_INFO, "attic", NULL, "thread %u line %u", GPOINTER_TO_UINT (data), i);
  return NULL;
}

static void
write_lines (void)
{
  GThread *threads[4];

  jkb_log_init ();
  g_assert_false (jkb_log_set_level ("loud"));
  g_assert_true (jkb_log_set_level ("info"));
  jkb_log (G_LOG_LEVEL_DEBUG, NULL, NULL, "hidden");
  g_debug ("hidden");
  jkb_log (G_LOG_LEVEL_WARNING, "garage", NULL, "line\nbroken");
  for (guint i = 0; i < 5; i++)
    jkb_log (G_LOG_LEVEL_INFO, "garage", "garage_1", "again");
  g_message ("plain");
  g_log_structured ("Other", G_LOG_LEVEL_INFO, "MESSAGE", "hidden");
  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("log", log_thread, GUINT_TO_POINTER (i));
  for (guint i = 0; i < 4; i++)
    g_thread_join (threads[i]);
}

static void
test_writer (void)
{
  if (g_test_subprocess ())
    {
      write_lines ();
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("warning: garage: line broken\n"
                             "info: garage_1: again\n"
                             "info: the line before was repeated 4 times\n"
                             "message: plain\n"
                             "info: attic: thread *\n");
  g_test_trap_assert_stderr ("*info: attic: thread 3 line 199\n*");
  g_test_trap_assert_stderr_unmatched ("*hidden*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *path = g_strconcat ("/log/clean/", cases[i].name, NULL);

      g_test_add_data_func (path, &cases[i], test_clean);
    }
  g_test_add_func ("/log/long", test_long);
  g_test_add_func ("/log/format", test_format);
  g_test_add_func ("/log/repeat", test_repeat);
  g_test_add_func ("/log/writer", test_writer);
  return g_test_run ();
}
