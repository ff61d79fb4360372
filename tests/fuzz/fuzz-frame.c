/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Values into a frame, onto a line between noise, and out again: the same values. The input is the
 * values, then the noise in front.
 */
#include <string.h>

#include "fuzz-input.h"
#include "made-frame.h"
#include "strict-json.h"
#include "wire/jkb-decode.h"
#include "wire/jkb-stream.h"
#include "wire/jkb-text.h"

static const guint8 *values_data;
static size_t values_left;

/* Four bytes of the input; zeros behind its end. */
static guint32
next_number (void)
{
  guint32 number = 0;
  size_t n = MIN (values_left, sizeof number);

  memcpy (&number, values_data, n);
  values_data += n;
  values_left -= n;
  return number;
}

static void
append (JkbStream *stream, const guint8 *bytes, gsize n_bytes)
{
  while (n_bytes > 0)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize n = MIN (room, n_bytes);

      memcpy (place, bytes, n);
      jkb_stream_commit (stream, n, 0);
      bytes += n;
      n_bytes -= n;
    }
}

static void
check_texts (const JkbValues *values)
{
  g_autoptr (GString) json = g_string_new ("{");
  g_autoptr (GString) plain = g_string_new (NULL);

  for (JkbFieldId id = jkb_group_first ((JkbGroup) values->group);
       id < jkb_group_end ((JkbGroup) values->group); id++)
    {
      jkb_text_append_member (json, values, id);
      jkb_text_append_plain (plain, values, id);
    }
  g_string_append_c (json, '}');
  g_assert_true (strict_json_is_good (json->str, json->len));
  g_assert_true (g_utf8_validate (plain->str, (gssize) plain->len, NULL));
}

/* Whether values happen to look like the beginning of a frame. What then begins like an info frame is
 * blanked, in a good frame too: the price of keeping secrets of cut ones. */
static gboolean
has_header_inside (const guint8 *frame)
{
  return memmem (frame + 1, JKB_FRAME_SIZE - 1, "\x55\xaa\xeb\x90", 4) != NULL;
}

/* Noise may hold the beginning of a frame that swallows ours: then nothing comes. */
static gboolean
find_frame (JkbStream *stream, const guint8 *frame, JkbEvent *event)
{
  while (jkb_stream_next (stream, 0, event))
    if (event->kind == JKB_EVENT_FRAME && memcmp (event->bytes, frame, 46) == 0)
      return TRUE;
  return FALSE;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autoptr (JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  guint8 frame[JKB_FRAME_SIZE];
  JkbValues wanted, values;
  JkbEvent event;
  gsize n_noise;

  if (size < 2)
    return 0;
  n_noise = MIN (data[1], size - 2);
  values_data = data + 2 + n_noise;
  values_left = size - 2 - n_noise;
  made_frame_fill ((JkbGroup) (data[0] % JKB_N_GROUPS), frame, &wanted, next_number);
  if (has_header_inside (frame))
    return 0;
  append (stream, data + 2, n_noise);
  append (stream, frame, sizeof frame);
  jkb_stream_finish (stream);
  if (!find_frame (stream, frame, &event))
    {
      g_assert_cmpuint (n_noise, >, 0);
      return 0;
    }
  g_assert_true (jkb_decode (event.bytes, &values));
  made_frame_check (&values, &wanted);
  check_texts (&values);
  jkb_plausible_frame (event.bytes, &values);
  jkb_plausible_values (event.bytes, &values);
  check_texts (&values);
  return 0;
}
