/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Runs on the reader thread.
 */
#include "bus/jkb-link.h"

#include "core/jkb-log.h"

void
jkb_link_init (JkbLink *link, const char *bus, JkbInbox *inbox)
{
  *link = (JkbLink){ .bus = bus, .inbox = inbox, .status = { .state = JKB_LINK_DOWN } };
}

void
jkb_link_clear (JkbLink *link)
{
  g_clear_pointer (&link->fault, g_free);
}

static void
set_error_text (JkbLinkStatus *status, const char *text)
{
  const char *end;

  g_strlcpy (status->error, text, sizeof status->error);
  if (!g_utf8_validate (status->error, -1, &end)) /* cut within a character */
    status->error[end - status->error] = '\0';
}

void
jkb_link_set (JkbLink *link, JkbLinkState state, JkbRole role, gboolean heard_foreign,
              guint32 reconnects, const char *error)
{
  JkbLinkStatus status = { .state = state,
                           .role = state == JKB_LINK_UP ? role : JKB_ROLE_IDLE,
                           .writable = state == JKB_LINK_UP && role == JKB_ROLE_POLLING,
                           .heard_foreign = heard_foreign,
                           .reconnects = reconnects };

  set_error_text (&status, error);
  if (status.state == link->status.state && status.role == link->status.role
      && status.heard_foreign == link->status.heard_foreign
      && g_str_equal (status.error, link->status.error))
    return;
  link->status = status;
  jkb_inbox_push_status (link->inbox, &status);
}

void
jkb_link_fault (JkbLink *link, const char *text)
{
  if (g_strcmp0 (link->fault, text) == 0)
    return;
  g_free (link->fault);
  link->fault = g_strdup (text);
  jkb_log (G_LOG_LEVEL_WARNING, link->bus, NULL, "%s", text);
}

gboolean
jkb_link_recover (JkbLink *link)
{
  gboolean was_faulty = link->fault != NULL;

  if (was_faulty)
    jkb_log (G_LOG_LEVEL_MESSAGE, link->bus, NULL, "frames arrive again");
  g_clear_pointer (&link->fault, g_free);
  return was_faulty || link->status.error[0] != '\0';
}
