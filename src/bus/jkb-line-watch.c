/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * One window at a time: it begins anew with each frame, and with each verdict when there is none.
 * Runs on the reader thread.
 */
#include "bus/jkb-line-watch.h"

/* A line that nobody drives collects a stray byte now and then. */
#define STRAY_BYTES 100

void
jkb_line_watch_start (JkbLineWatch *watch, gint64 timeout_us, gint64 now_us, guint64 bytes,
                      guint64 frames, guint64 requests)
{
  watch->timeout_us = timeout_us;
  watch->since_us = now_us;
  watch->bytes = bytes;
  watch->frames = frames;
  watch->requests = requests;
  watch->was_garbage = FALSE;
}

gint64
jkb_line_watch_deadline (const JkbLineWatch *watch)
{
  return watch->timeout_us == 0 ? G_MAXINT64 : watch->since_us + watch->timeout_us;
}

JkbLineVerdict
jkb_line_watch_check (JkbLineWatch *watch, gint64 now_us, guint64 bytes, guint64 frames,
                      guint64 requests)
{
  JkbLineVerdict verdict = JKB_LINE_GOOD;

  if (frames == watch->frames)
    {
      if (now_us < jkb_line_watch_deadline (watch))
        return JKB_LINE_GOOD;
      if (requests != watch->requests)
        verdict = JKB_LINE_UNANSWERED;
      else if (bytes - watch->bytes < STRAY_BYTES)
        verdict = JKB_LINE_SILENT;
      else
        verdict = watch->was_garbage ? JKB_LINE_STILL_GARBAGE : JKB_LINE_GARBAGE;
    }
  jkb_line_watch_start (watch, watch->timeout_us, now_us, bytes, frames, requests);
  watch->was_garbage = verdict >= JKB_LINE_GARBAGE;
  return verdict;
}

void
jkb_line_verdict_describe (JkbLineVerdict verdict, double timeout_s, guint baud, gboolean polling,
                           char *text, gsize size)
{
  if (verdict == JKB_LINE_SILENT && polling)
    g_snprintf (text, size,
                "no answers for %g s: no BMS at the addresses asked for, it is off, or A and B are "
                "not connected", timeout_s);
  else if (verdict == JKB_LINE_SILENT)
    g_snprintf (text, size,
                "no bytes for %g s: nobody polls this bus, or A, B or the adapter is not connected",
                timeout_s);
  else if (verdict == JKB_LINE_UNANSWERED)
    g_snprintf (text, size, "requests but no answers for %g s: no BMS at the addresses asked for",
                timeout_s);
  else
    g_snprintf (text, size,
                "bytes but no frames for %g s: wrong speed (%u baud is set), A and B swapped, or "
                "another protocol", timeout_s, baud);
}
