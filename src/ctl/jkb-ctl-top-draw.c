/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Drawing with ncurses.
 */
#include "config.h"

#include "ctl/jkb-ctl-top-draw.h"

#include <math.h>

#include "wire/jkb-alarm.h"

static const guint pairs[] = { [JKB_CTL_GOOD] = 1, [JKB_CTL_WARN] = 2, [JKB_CTL_BAD] = 3 };

void
jkb_ctl_top_colors (gboolean color)
{
  if (!color || start_color () != OK)
    return;
  use_default_colors ();
  init_pair (1, COLOR_GREEN, -1);
  init_pair (2, COLOR_YELLOW, -1);
  init_pair (3, COLOR_RED, -1);
}

attr_t
jkb_ctl_top_attribute (JkbCtlStyle style)
{
  static const attr_t plain[] = {
    [JKB_CTL_BOLD] = A_BOLD, [JKB_CTL_DIM] = A_DIM, [JKB_CTL_WARN] = A_BOLD, [JKB_CTL_BAD] = A_BOLD
  };
  attr_t attribute = style < G_N_ELEMENTS (plain) ? plain[style] : A_NORMAL;

  if (has_colors () && style < G_N_ELEMENTS (pairs) && pairs[style] != 0)
    attribute |= COLOR_PAIR (pairs[style]);
  return attribute;
}

int
jkb_ctl_top_put (int line, int column, int width, gboolean right, attr_t attribute,
                 const char *text)
{
  g_autofree char *safe = jkb_ctl_text_safe (text != NULL ? text : "–");
  g_autoptr(GString) out = g_string_new (NULL);

  width = MIN (width, COLS - column);
  if (width <= 0 || line < 0 || line >= LINES)
    return column;
  jkb_ctl_text_pad (out, safe, width, right, TRUE);
  attrset (attribute);
  mvaddstr (line, column, out->str);
  attrset (A_NORMAL);
  return column + width;
}

void
jkb_ctl_top_put_line (int line, attr_t attribute, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  jkb_ctl_top_put (line, 0, COLS, FALSE, attribute, text);
}

char *
jkb_ctl_top_bar (double share, int width)
{
  int full = (int) lround (CLAMP (share, 0, 1) * width);
  GString *out = g_string_new (NULL);

  for (int i = 0; i < width; i++)
    g_string_append (out, i < full ? "█" : "·");
  return g_string_free (out, FALSE);
}

guint32
jkb_ctl_top_problems (const JkbValues *live)
{
  gint64 mask = jkb_values_get (live, JKB_FIELD_ERRORS);

  return mask != JKB_UNKNOWN ? jkb_alarm_problems ((guint32) mask) : 0;
}
