/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Anything that a bus can say, cut in any way, with any clock: framer, attribution, decoder,
 * plausibility and text. Beside the sanitizers, what must always hold is asserted, and the records
 * are those that the slow splitter finds. The first bytes of an input say how the rest is fed; the
 * mutator puts records in whose checks are right, since chance never would.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "fuzz-input.h"
#include "slow-splitter.h"
#include "strict-json.h"
#include "wire/jkb-alarm.h"
#include "wire/jkb-crc.h"
#include "wire/jkb-decode.h"
#include "wire/jkb-framer.h"
#include "wire/jkb-secret.h"
#include "wire/jkb-stream.h"
#include "wire/jkb-text.h"

#define N_CONTROL 3 /* clock and flags, size of the pieces, gaps in ms */
#define CLOCKS 3    /* of the first byte */
#define OWN 0x20    /* requests at the beginning of a piece are ours, and not seen on the bus */
#define LONG 0x40   /* once more until the buffer has turned round */
#define RESET 0x80  /* once more after a reconnect */

size_t LLVMFuzzerMutate (uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed);

/* What others make of single values. */
static void
check_fields (const JkbValues *values)
{
  const JkbValues copy = *values;
  char name[JKB_DBUS_NAME_MAX];

  for (JkbFieldId id = jkb_group_first (values->group); id < jkb_group_end (values->group); id++)
    {
      const JkbField *field = &jkb_fields[id];

      g_assert_true (jkb_values_field_equal (values, &copy, id));
      jkb_field_dbus_name (field, name);
      g_assert_true (g_ascii_isupper (name[0]) && strlen (name) < sizeof name);
      if (field->kind == JKB_KIND_NUMBER)
        g_assert_true (jkb_values_is_known (values, id)
                       == !isnan (jkb_values_get_double (values, id)));
    }
}

static void
check_alarms (const JkbValues *values)
{
  gint64 mask = values->group == JKB_GROUP_LIVE ? jkb_values_get (values, JKB_FIELD_ERRORS_BITMASK)
                                                : JKB_UNKNOWN;

  if (mask == JKB_UNKNOWN)
    return;
  g_assert_cmpuint (jkb_alarm_problems ((guint32) mask) & ~(guint32) mask, ==, 0);
  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if ((mask & 1u << bit) != 0)
      {
        g_assert_cmpuint (strlen (jkb_alarm_key (bit)), >, 4);
        g_assert_true ((jkb_alarm_label (bit) == NULL) == (bit > 28));
        g_assert_nonnull (jkb_severity_name (jkb_alarm_severity (bit)));
      }
}

static void
check_values (const JkbEvent *event)
{
  g_autoptr(GString) json = g_string_new ("{");
  g_autoptr(GString) plain = g_string_new (NULL);
  JkbValues values;

  if (!jkb_decode (event->bytes, &values))
    return;
  jkb_plausible_frame (event->bytes, &values);
  for (guint round = 0; round < 2; round++)
    {
      for (JkbFieldId id = jkb_group_first (values.group); id < jkb_group_end (values.group); id++)
        {
          jkb_text_append_member (json, &values, id);
          jkb_text_append_plain (plain, &values, id);
        }
      g_string_append_c (json, '}');
      g_assert_true (strict_json_is_good (json->str, json->len));
      g_string_assign (json, "{");
      jkb_plausible_values (event->bytes, &values);
    }
  check_fields (&values);
  check_alarms (&values);
  /* What was judged once is possible. */
  g_assert_cmpuint (jkb_plausible_values (event->bytes, &values), ==, 0);
}

static void
check_event (JkbStream *stream, const JkbEvent *event)
{
  const JkbStreamCounters *counters = jkb_stream_counters (stream);

  g_assert_cmpuint (event->n_bytes, >=, 5);
  g_assert_cmpuint (event->offset + event->n_bytes, <=, counters->bytes);
  g_assert_cmpint (event->address, <=, 247);
  if (event->kind == JKB_EVENT_BAD_FRAME)
    return;
  if (event->kind != JKB_EVENT_FRAME)
    {
      g_assert_cmpint (event->address, >=, 0);
      g_assert_true (jkb_crc16_is_good (event->bytes, event->n_bytes));
      return;
    }
  g_assert_cmpuint (event->n_bytes, ==, JKB_FRAME_SIZE);
  g_assert_cmpuint (jkb_sum8 (event->bytes, 299), ==, event->bytes[299]);
  g_assert_cmpint (event->address < 0, ==, event->drop != JKB_DROP_NONE);
  g_assert_cmpint (event->evidence == JKB_EVIDENCE_NONE, ==, event->drop != JKB_DROP_NONE);
  if (event->type == JKB_FRAME_INFO)
    for (guint i = 46; i < 134; i++)
      g_assert_true ((i >= 78 && i < 118) || event->bytes[i] == 0);
  check_values (event);
}

static void
take_events (JkbStream *stream, gint64 now_us)
{
  JkbEvent event;

  while (jkb_stream_next (stream, now_us, &event))
    check_event (stream, &event);
  g_assert_cmpuint (jkb_stream_missing (stream), >=, 1);
  g_assert_cmpuint (jkb_stream_missing (stream), <=, 608);
}

static gsize piece_size;

static gsize
one_piece (void)
{
  return piece_size;
}

/* Not a record more, and none less, than the splitter finds that was written independently. */
static void
check_records (const uint8_t *bytes, size_t n_bytes)
{
  g_autofree char *slow = slow_splitter_events (bytes, n_bytes);
  g_autofree char *fast = slow_splitter_of_stream (bytes, n_bytes, one_piece);

  g_assert_cmpstr (fast, ==, slow);
}

/* What a capture is made of: no secret is left, nothing else is touched. */
static void
check_filter (const uint8_t *bytes, size_t n_bytes)
{
  JkbSecretFilter filter = { 0 };
  g_autofree guint8 *copy = g_memdup2 (bytes, n_bytes);

  for (gsize at = 0; at < n_bytes; at += piece_size)
    jkb_secret_filter (&filter, copy + at, MIN (piece_size, n_bytes - at));
  for (gsize at = 0; at + JKB_FRAME_SIZE <= n_bytes; at++)
    if (memcmp (bytes + at, "\x55\xaa\xeb\x90\x03", 5) == 0)
      for (gsize i = at + 46; i < at + 78; i++)
        g_assert_cmpuint (copy[i], ==, 0);
}

/* The length of the request at @bytes, as a master would send it; 0: none. */
static gsize
request_length (const uint8_t *bytes, gsize n_bytes)
{
  gsize length = n_bytes < 2             ? 0
                 : bytes[1] == 0x10      ? JKB_REQUEST_SIZE
                 : bytes[1] == 0x03      ? JKB_ACK_SIZE
                                         : 0;

  return length > 0 && length <= n_bytes && jkb_crc16_is_good (bytes, length) ? length : 0;
}

static gint64
feed (JkbStream *stream, const uint8_t *data, size_t size, gint64 now_us)
{
  gsize at = N_CONTROL;

  while (at < size)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (stream, &room);
      gsize own = (data[0] & OWN) != 0 ? request_length (data + at, size - at) : 0;
      gsize n = own > 0 ? own : MIN (piece_size, size - at);

      g_assert_cmpuint (room, >=, 1);
      n = MIN (n, room);
      if (own > 0)
        jkb_stream_sent (stream, data + at, own, now_us);
      else
        {
          memcpy (place, data + at, n);
          jkb_stream_commit (stream, n, now_us);
        }
      at += n;
      take_events (stream, now_us);
      now_us += data[2] * 1000;
      if (jkb_stream_deadline (stream) <= now_us)
        take_events (stream, now_us);
    }
  return now_us;
}

static void
feed_all (JkbStream *stream, const uint8_t *data, size_t size)
{
  guint rounds = (data[0] & LONG) != 0 ? 2 * JKB_FRAMER_BUFFER / (guint) size + 1 : 1;
  gint64 now_us = 1000000;

  for (guint i = 0; i < MIN (rounds, 20); i++)
    now_us = feed (stream, data, size, now_us);
  jkb_stream_finish (stream);
  take_events (stream, now_us);
  g_assert_cmpuint (jkb_stream_undecided (stream), ==, G_MAXUINT64);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
  g_autoptr(JkbStream) stream = NULL;

  if (size < N_CONTROL)
    return 0;
  piece_size = 1 + (gsize) data[1] * 4;
  stream = jkb_stream_new (data[0] % CLOCKS);
  feed_all (stream, data, size);
  if ((data[0] & RESET) != 0) /* nothing of before counts */
    {
      jkb_stream_reset (stream);
      feed_all (stream, data, size);
    }
  check_records (data + N_CONTROL, size - N_CONTROL);
  check_filter (data + N_CONTROL, size - N_CONTROL);
  return 0;
}

/* One record with right checks. */
static gsize
make_record (guint8 *record, unsigned int seed)
{
  static const guint8 headers[][6] = {
    { 0x01, 0x10, 0x16, 0x20, 0x00, 0x01 }, { 0x00, 0x10, 0x16, 0x1e, 0x00, 0x01 },
    { 0x0f, 0x10, 0x16, 0x20, 0x00, 0x01 }, { 0x01, 0x03, 0x14, 0x38, 0x00, 0x02 },
    { 0x01, 0x03, 0x04, 0x11, 0x22, 0x33 }, { 0x01, 0x83, 0x02, 0x00, 0x00, 0x00 },
  };
  static const guint8 lengths[] = { 8, 8, 11, 8, 9, 5 };
  guint which = seed % 10;
  gsize n_bytes = JKB_FRAME_SIZE;

  memset (record, 0, JKB_FRAME_SIZE);
  if (which < G_N_ELEMENTS (lengths))
    {
      n_bytes = lengths[which];
      memcpy (record, headers[which], 6);
      if (n_bytes == 11)
        record[6] = 2;
      record[0] = seed / 10 % 3 == 0 ? (guint8) (seed >> 8 & 0x0f) : record[0];
      jkb_crc16_store (record, n_bytes);
      return n_bytes;
    }
  memcpy (record, "\x55\xaa\xeb\x90", 4);
  record[4] = (guint8) (seed / 10 % 7);
  for (guint i = 6; i < 299; i++)
    record[i] = (guint8) ((seed = seed * 1103515245 + 12345) >> 16 & (i % 3 == 0 ? 0xff : 0x0f));
  record[299] = jkb_sum8 (record, 299);
  return n_bytes;
}

/* Puts the sums of the frames right that are there. */
static void
mend_sums (uint8_t *data, size_t size)
{
  for (size_t at = N_CONTROL; at + JKB_FRAME_SIZE <= size; at++)
    if (memcmp (data + at, "\x55\xaa\xeb\x90", 4) == 0)
      {
        data[at + 299] = jkb_sum8 (data + at, 299);
        at += 299;
      }
}

size_t
LLVMFuzzerCustomMutator (uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
  guint8 record[JKB_FRAME_SIZE];
  gsize n_bytes, at;

  if (seed % 3 == 0)
    return LLVMFuzzerMutate (data, size, max_size);
  if (seed % 3 == 1)
    {
      size = LLVMFuzzerMutate (data, size, max_size);
      mend_sums (data, size);
      return size;
    }
  n_bytes = make_record (record, seed / 3);
  if (size < N_CONTROL || size + n_bytes > max_size)
    return LLVMFuzzerMutate (data, size, max_size);
  at = seed / 30 % 2 == 0 ? size : N_CONTROL + seed / 60 % (size - N_CONTROL + 1);
  memmove (data + at + n_bytes, data + at, size - at);
  memcpy (data + at, record, n_bytes);
  return size + n_bytes;
}
