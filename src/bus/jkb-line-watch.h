/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Notices that an open port brings no frames, and tells the kinds apart. No clock of its own.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  JKB_LINE_GOOD,       /* or too early to say */
  JKB_LINE_SILENT,     /* no bytes, or a few stray ones */
  JKB_LINE_UNANSWERED, /* requests, but no BMS answers */
  JKB_LINE_GARBAGE,    /* bytes, but no frames: begin anew within the stream */
  JKB_LINE_STILL_GARBAGE
} JkbLineVerdict;

typedef struct
{
  gint64 timeout_us; /* 0: never complains */
  gint64 since_us;   /* beginning of the window: last frame, last verdict or opening */
  guint64 bytes;     /* counters at that time */
  guint64 frames;
  guint64 requests;
  gboolean was_garbage;
} JkbLineWatch;

/* The counters only grow: bytes, frames with a good sum, requests. */
void jkb_line_watch_start (JkbLineWatch *watch, gint64 timeout_us, gint64 now_us, guint64 bytes,
                           guint64 frames, guint64 requests);
JkbLineVerdict jkb_line_watch_check (JkbLineWatch *watch, gint64 now_us, guint64 bytes,
                                     guint64 frames, guint64 requests);

/* One sentence for a verdict that is not good; @polling: it is us who asks. */
void jkb_line_verdict_describe (JkbLineVerdict verdict, double timeout_s, guint baud,
                                gboolean polling, char *text, gsize size);

/* When check() is worth calling; G_MAXINT64: never. */
gint64 jkb_line_watch_deadline (const JkbLineWatch *watch);

G_END_DECLS
