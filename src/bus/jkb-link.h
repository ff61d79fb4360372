/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a reader thread tells of its link: the status to the main loop, faults and recovery to the
 * log. Both only when something is other than before.
 */
#pragma once

#include "queue/jkb-inbox.h"

G_BEGIN_DECLS

typedef struct
{
  const char *bus; /* name, for the log */
  JkbInbox *inbox;
  JkbLinkStatus status; /* as last handed over */
  char *fault;          /* that the log knows of, NULL: none */
} JkbLink;

/* @bus, @inbox: must outlive the link */
void jkb_link_init (JkbLink *link, const char *bus, JkbInbox *inbox);
void jkb_link_clear (JkbLink *link);

/* @role: what it is while the link is up */
void jkb_link_set (JkbLink *link, JkbLinkState state, JkbRole role, gboolean heard_foreign,
                   guint32 reconnects, const char *error);

/* One line in the log; the same fault again is no news. */
void jkb_link_fault (JkbLink *link, const char *text);

/* A good frame came. Returns: whether something was wrong before */
gboolean jkb_link_recover (JkbLink *link);

G_END_DECLS
