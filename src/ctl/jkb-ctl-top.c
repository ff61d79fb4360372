/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl top: a live screen. Keys, time and the daemon's news meet in the main loop; the screen is
 * drawn at most four times a second.
 */
#include "config.h"

#include <curses.h>
#include <glib-unix.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl/jkb-ctl-client.h"
#include "ctl/jkb-ctl-top-view.h"

#define DRAW_MS 250
#define CLOCK_MS 1000
#define PAGE 10

typedef struct
{
  GMainLoop *loop;
  JkbCtlWatch *watch;
  JkbCtlTopView view;
  guint draw; /* source of the next drawing */
} Top;

static gboolean
on_draw (gpointer user_data)
{
  Top *top = user_data;

  top->draw = 0;
  jkb_ctl_top_view_draw (&top->view, jkb_ctl_watch_model (top->watch), g_get_real_time ());
  return G_SOURCE_REMOVE;
}

static void
draw_soon (Top *top, guint delay_ms)
{
  if (top->draw == 0)
    top->draw = g_timeout_add (delay_ms, on_draw, top);
}

/* What the daemon does not announce, as when a BMS was last heard, is asked for; the screen waits for
 * the answers. */
static gboolean
on_clock (gpointer user_data)
{
  Top *top = user_data;

  jkb_ctl_watch_refresh (top->watch);
  draw_soon (top, DRAW_MS);
  return G_SOURCE_CONTINUE;
}

static void
on_event (JkbCtlModel *model, const JkbCtlEvent *event, gpointer user_data)
{
  Top *top = user_data;

  if (event->kind == JKB_CTL_EVENT_UP || event->kind == JKB_CTL_EVENT_DOWN)
    top->view.up = event->kind == JKB_CTL_EVENT_UP;
  draw_soon (top, DRAW_MS);
}

static void
on_key (Top *top, int key)
{
  static const struct
  {
    int key, steps;
  } moves[] = { { KEY_UP, -1 },    { 'k', -1 },        { KEY_DOWN, 1 },      { 'j', 1 },
                { KEY_PPAGE, -PAGE }, { KEY_NPAGE, PAGE }, { KEY_HOME, -1000 }, { KEY_END, 1000 } };

  if (key == 'q' || key == 'Q')
    g_main_loop_quit (top->loop);
  for (gsize i = 0; i < G_N_ELEMENTS (moves); i++)
    if (key == moves[i].key)
      jkb_ctl_top_view_move (&top->view, jkb_ctl_watch_model (top->watch), moves[i].steps);
}

static gboolean
on_input (int fd, GIOCondition condition, gpointer user_data)
{
  Top *top = user_data;
  int key;

  if ((condition & (G_IO_HUP | G_IO_ERR)) != 0)
    {
      g_main_loop_quit (top->loop);
      return G_SOURCE_REMOVE;
    }
  while ((key = getch ()) != ERR)
    on_key (top, key);
  draw_soon (top, 0);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resize (gpointer user_data)
{
  struct winsize size;

  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
    resizeterm (size.ws_row, size.ws_col);
  clearok (curscr, TRUE);
  draw_soon (user_data, 0);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_stop (gpointer user_data)
{
  g_main_loop_quit (((Top *) user_data)->loop);
  return G_SOURCE_CONTINUE;
}

static void
run (Top *top)
{
  g_unix_signal_add (SIGINT, on_stop, top);
  g_unix_signal_add (SIGTERM, on_stop, top);
  g_unix_signal_add (SIGHUP, on_stop, top);
  g_unix_signal_add (SIGWINCH, on_resize, top);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, top);
  g_timeout_add (CLOCK_MS, on_clock, top);
  draw_soon (top, 0);
  g_main_loop_run (top->loop);
}

int
jkb_ctl_verb_top (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  g_autoptr(GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr(GError) error = NULL;
  Top top = { .loop = loop };
  int status;

  if (!jkb_ctl_parse (ctl, verb, NULL, &argc, &argv, &status))
    return status;
  top.watch = jkb_ctl_watch_new (ctl, on_event, &top, &error);
  if (top.watch == NULL)
    return jkb_ctl_fail (ctl, error);
  if (jkb_ctl_top_view_open (ctl))
    {
      run (&top);
      jkb_ctl_top_view_close ();
    }
  else
    {
      g_set_error (&error, JKB_CTL_ERROR, JKB_CTL_FAILED,
                   _("“top” needs a terminal; use “list” or “monitor” instead"));
      status = jkb_ctl_fail (ctl, error);
    }
  g_clear_handle_id (&top.draw, g_source_remove);
  jkb_ctl_watch_free (top.watch);
  g_free (top.view.selected);
  return error != NULL ? status : JKB_CTL_OK;
}
