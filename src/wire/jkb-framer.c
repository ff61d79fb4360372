/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The scan of protocol §2.5. At every position a frame is tried first, then the Modbus records;
 * what is none of them is skipped byte by byte, so that inside a bad frame and behind a cut one the
 * next good record is found. A Modbus record never reaches over the header of a frame.
 */
#include "wire/jkb-framer.h"

#include <string.h>

#include "wire/jkb-crc.h"
#include "wire/jkb-secret.h"

#define MAX_UNICAST 247
#define MAX_WRITE_COUNT 123
#define MAX_READ_COUNT 125
#define MAX_EXCEPTION_CODE 11
#define OWN_READ_JUNK 11 /* stray bytes that a CH341 puts in front of an answer */

static const guint8 header[] = { 0x55, 0xaa, 0xeb, 0x90 };

typedef enum
{
  NO_RECORD,
  RECORD,
  WAIT
} Verdict;

static inline guint16
be16 (const guint8 *bytes)
{
  return (guint16) (bytes[0] << 8 | bytes[1]);
}

void
jkb_framer_init (JkbFramer *framer, JkbStreamCounters *counters)
{
  memset (framer, 0, sizeof *framer);
  framer->counters = counters;
  framer->read.address = -1;
}

void
jkb_framer_reset (JkbFramer *framer)
{
  guint64 offset = framer->offset + jkb_framer_available (framer);
  JkbStreamCounters *counters = framer->counters;

  jkb_framer_init (framer, counters);
  framer->offset = offset;
}

/* What has been taken is moved away when room gets short, a few hundred bytes once per some
 * thousand. The bytes that were moved are cleared at their old place: they may hold secrets. */
guint8 *
jkb_framer_reserve (JkbFramer *framer, gsize *room)
{
  gsize n_left = jkb_framer_available (framer);

  if (n_left == 0)
    framer->head = framer->tail = 0;
  else if (framer->head > 0 && JKB_FRAMER_BUFFER - framer->tail < JKB_FRAMER_BUFFER / 2)
    {
      gsize stale = MAX (framer->head, n_left);

      memmove (framer->buffer, framer->buffer + framer->head, n_left);
      memset (framer->buffer + stale, 0, framer->tail - stale);
      framer->head = 0;
      framer->tail = n_left;
    }
  *room = JKB_FRAMER_BUFFER - framer->tail;
  return framer->buffer + framer->tail;
}

void
jkb_framer_commit (JkbFramer *framer, gsize n_bytes)
{
  g_assert (n_bytes <= JKB_FRAMER_BUFFER - framer->tail);
  framer->tail += n_bytes;
  framer->counters->bytes += n_bytes;
}

void
jkb_framer_expect_read (JkbFramer *framer, guint8 address, guint16 reg, guint16 count)
{
  framer->read.address = address;
  framer->read.reg = reg;
  framer->read.count = count;
  framer->read.max_junk = OWN_READ_JUNK;
}

/* Zero bytes behind a record are padding (protocol §2.2), all else is junk. Junk is cleared: it may
 * have been part of an info frame. */
static void
skip (JkbFramer *framer, gsize n_bytes)
{
  guint8 *bytes = framer->buffer + framer->head;
  gsize n_padding = 0;

  if (framer->junk == 0)
    while (n_padding < n_bytes && bytes[n_padding] == 0)
      n_padding++;
  framer->padding += n_padding;
  if (n_bytes > n_padding)
    {
      framer->counters->resyncs += framer->junk == 0;
      framer->counters->skipped += n_bytes - n_padding;
      framer->junk += n_bytes - n_padding;
      memset (bytes + n_padding, 0, n_bytes - n_padding);
    }
  framer->head += n_bytes;
  framer->offset += n_bytes;
}

/* Skips one byte, and on to where a record could begin. */
static void
skip_junk (JkbFramer *framer)
{
  static const guint8 functions[256] = { [0x03] = 1, [0x10] = 1, [0x83] = 1, [0x90] = 1 };
  const guint8 *start = framer->buffer + framer->head;
  const guint8 *end = framer->buffer + framer->tail - 1;
  const guint8 *at = start + 1;

  while (at < end && *at != header[0] && !functions[at[1]])
    at++;
  skip (framer, at - start);
}

/* A record of @n_bytes begins at head: @final decides whether it can still become whole. */
static Verdict
need (JkbFramer *framer, gsize n_bytes, gboolean final)
{
  if (final)
    return NO_RECORD;
  framer->need = n_bytes;
  return WAIT;
}

/* Returns: (nullable): the first header in those bytes */
static const guint8 *
find_header (const guint8 *bytes, gsize n_bytes)
{
  const guint8 *end = bytes + n_bytes;

  while (end - bytes >= (gssize) sizeof header
         && (bytes = memchr (bytes, header[0], end - bytes - (sizeof header - 1))) != NULL)
    {
      if (memcmp (bytes, header, sizeof header) == 0)
        return bytes;
      bytes++;
    }
  return NULL;
}

static gboolean
has_good_sum (const guint8 *frame)
{
  return jkb_sum8 (frame, JKB_FRAME_SIZE - 1) == frame[JKB_FRAME_SIZE - 1];
}

/* One frame in 256 that was cut, with the beginning of the next one behind it, has a good sum by
 * chance. So a frame inside with a good sum of its own is the true one; it is waited for. */
static Verdict
check_inside (JkbFramer *framer, gboolean final)
{
  guint8 *bytes = framer->buffer + framer->head;
  const guint8 *end = bytes + JKB_FRAME_SIZE;
  gboolean found = FALSE;

  for (const guint8 *at = bytes; (at = find_header (at + 1, end - at - 1)) != NULL; found = TRUE)
    {
      gsize n_bytes = at - bytes + JKB_FRAME_SIZE;

      if (jkb_framer_available (framer) >= n_bytes)
        {
          if (has_good_sum (at))
            return NO_RECORD;
        }
      else if (!final)
        return need (framer, n_bytes, final);
    }
  if (found || bytes[JKB_FRAME_TYPE] == JKB_FRAME_INFO)
    {
      jkb_secret_blank_frame (bytes, JKB_FRAME_SIZE);
      bytes[JKB_FRAME_SIZE - 1] = jkb_sum8 (bytes, JKB_FRAME_SIZE - 1);
    }
  return RECORD;
}

static Verdict
scan_frame (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  guint8 *bytes = framer->buffer + framer->head;
  gsize available = jkb_framer_available (framer);
  Verdict verdict = NO_RECORD;

  if (available < sizeof header)
    return need (framer, available + 1, final);
  framer->in_frame = TRUE;
  if (available < JKB_FRAME_SIZE)
    {
      framer->counters->truncated += final;
      return need (framer, JKB_FRAME_SIZE, final);
    }
  if (has_good_sum (bytes))
    verdict = check_inside (framer, final);
  if (verdict == WAIT)
    return WAIT;

  record->type = bytes[JKB_FRAME_TYPE];
  record->address = -1;
  record->n_bytes = JKB_FRAME_SIZE;
  if (verdict == RECORD)
    {
      framer->counters->frames++;
      record->kind = JKB_EVENT_FRAME;
      record->bytes = bytes;
      return RECORD;
    }

  /* What it holds is of no use, and any of it may be secret: the type byte may be what is wrong, or
   * half of it another frame. The buffer stays as it is, for good records may begin inside. */
  framer->counters->checksum_errors++;
  memcpy (framer->bad, bytes, JKB_FRAME_PAYLOAD);
  record->kind = JKB_EVENT_BAD_FRAME;
  record->bytes = framer->bad;
  return RECORD;
}

/* A Modbus record of @n_bytes by its shape: whole? CRC? */
static Verdict
check_modbus (JkbFramer *framer, gsize n_bytes, gboolean final)
{
  const guint8 *bytes = framer->buffer + framer->head;
  gsize available = jkb_framer_available (framer);

  if (available < n_bytes && find_header (bytes + 1, available - 1) == NULL)
    return need (framer, n_bytes, final);
  if (available < n_bytes)
    return NO_RECORD;
  return jkb_crc16_is_good (bytes, n_bytes) && find_header (bytes + 1, n_bytes - 1) == NULL
             ? RECORD
             : NO_RECORD;
}

static Verdict
found (JkbRecord *record, JkbEventKind kind, gsize n_bytes)
{
  record->kind = kind;
  record->n_bytes = n_bytes;
  return RECORD;
}

/* FC 0x10. An ACK can be the beginning of a request (address 12, register 0x1044: its CRC reads
 * like a byte count), so the request is tried first and waited for. */
static Verdict
scan_write (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  guint8 *bytes = framer->buffer + framer->head;
  Verdict verdict;

  if (jkb_framer_available (framer) < JKB_ACK_SIZE)
    return need (framer, JKB_ACK_SIZE, final);
  record->reg = be16 (bytes + 2);
  record->count = be16 (bytes + 4);
  if (record->count < 1 || record->count > MAX_WRITE_COUNT)
    return NO_RECORD;
  if (bytes[6] == 2 * record->count)
    {
      gsize n_bytes = 9 + bytes[6];

      verdict = check_modbus (framer, n_bytes, final);
      if (verdict == WAIT)
        return WAIT;
      if (verdict == RECORD)
        {
          if (jkb_secret_blank_registers (bytes + 7, bytes[6], record->reg))
            jkb_crc16_store (bytes, n_bytes);
          return found (record, JKB_EVENT_REQUEST, n_bytes);
        }
    }
  verdict = check_modbus (framer, JKB_ACK_SIZE, final);
  return verdict == RECORD ? found (record, JKB_EVENT_ACK, JKB_ACK_SIZE) : verdict;
}

static Verdict
scan_read_request (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  const guint8 *bytes = framer->buffer + framer->head;
  Verdict verdict;

  if (jkb_framer_available (framer) < JKB_ACK_SIZE)
    return need (framer, JKB_ACK_SIZE, final);
  record->reg = be16 (bytes + 2);
  record->count = be16 (bytes + 4);
  if (record->count < 1 || record->count > MAX_READ_COUNT)
    return NO_RECORD;
  verdict = check_modbus (framer, JKB_ACK_SIZE, final);
  return verdict == RECORD ? found (record, JKB_EVENT_READ_REQUEST, JKB_ACK_SIZE) : verdict;
}

/* Which registers an answer holds is known only from the request directly in front of it. Without
 * one nobody can use the data, and they may be secret: all of them are blanked. */
static void
blank_answer (JkbFramer *framer, guint8 *bytes)
{
  gboolean known = framer->read.address == bytes[0] && 2 * framer->read.count == bytes[2]
                   && framer->junk <= framer->read.max_junk;

  if (known && !jkb_secret_blank_registers (bytes + 3, bytes[2], framer->read.reg))
    return;
  if (!known)
    memset (bytes + 3, 0, bytes[2]);
  jkb_crc16_store (bytes, 5 + bytes[2]);
}

static Verdict
scan_read_answer (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  guint8 *bytes = framer->buffer + framer->head;
  guint8 n_data = bytes[2];
  Verdict verdict;

  if (n_data < 2 || n_data > 2 * MAX_READ_COUNT || n_data % 2 != 0)
    return NO_RECORD;
  verdict = check_modbus (framer, 5 + n_data, final);
  if (verdict != RECORD)
    return verdict;
  record->count = n_data / 2;
  blank_answer (framer, bytes);
  return found (record, JKB_EVENT_READ_RESPONSE, 5 + n_data);
}

/* FC 0x03. The request is tried first; but an answer with one register is shorter than a request
 * and must not wait for the byte behind it. */
static Verdict
scan_read (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  const guint8 *bytes = framer->buffer + framer->head;
  gboolean answer_first;
  Verdict verdict;

  if (jkb_framer_available (framer) < 3)
    return need (framer, 3, final);
  answer_first = bytes[2] == 2;
  verdict = answer_first ? scan_read_answer (framer, final, record)
                         : scan_read_request (framer, final, record);
  if (verdict != NO_RECORD)
    return verdict;
  return answer_first ? scan_read_request (framer, final, record)
                      : scan_read_answer (framer, final, record);
}

static Verdict
scan_exception (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  const guint8 *bytes = framer->buffer + framer->head;
  Verdict verdict;

  if (jkb_framer_available (framer) < 3)
    return need (framer, 3, final);
  if (bytes[2] < 1 || bytes[2] > MAX_EXCEPTION_CODE)
    return NO_RECORD;
  verdict = check_modbus (framer, 5, final);
  return verdict == RECORD ? found (record, JKB_EVENT_EXCEPTION, 5) : verdict;
}

static Verdict
scan_modbus (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  const guint8 *bytes = framer->buffer + framer->head;

  if (bytes[0] > MAX_UNICAST)
    return NO_RECORD;
  if (jkb_framer_available (framer) < 2)
    return need (framer, 2, final);
  record->address = bytes[0];
  record->bytes = bytes;
  record->reg = record->count = 0;
  switch (bytes[1])
    {
    case 0x10:
      return scan_write (framer, final, record);
    case 0x03:
      return scan_read (framer, final, record);
    case 0x83:
    case 0x90:
      return scan_exception (framer, final, record);
    default:
      return NO_RECORD;
    }
}

static Verdict
scan (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  const guint8 *bytes = framer->buffer + framer->head;
  gsize n_header = MIN (jkb_framer_available (framer), sizeof header);

  framer->in_frame = FALSE;
  if (bytes[0] == header[0] && memcmp (bytes, header, n_header) == 0)
    {
      Verdict verdict = scan_frame (framer, final, record);

      if (verdict != NO_RECORD)
        return verdict;
    }
  return scan_modbus (framer, final, record);
}

/* The record at head is taken. A bad frame is not: the scan goes on behind its first byte. */
static void
take (JkbFramer *framer, JkbRecord *record)
{
  record->offset = framer->offset;
  record->padding = framer->padding;
  record->junk = framer->junk;
  framer->padding = framer->junk = 0;
  framer->read.address = -1;
  if (record->kind == JKB_EVENT_READ_REQUEST)
    {
      framer->read.address = record->address;
      framer->read.reg = record->reg;
      framer->read.count = record->count;
      framer->read.max_junk = 0;
    }
  if (record->kind == JKB_EVENT_BAD_FRAME)
    {
      skip_junk (framer);
      return;
    }
  framer->head += record->n_bytes;
  framer->offset += record->n_bytes;
}

gboolean
jkb_framer_next (JkbFramer *framer, gboolean final, JkbRecord *record)
{
  framer->need = 0;
  while (jkb_framer_available (framer) > 0)
    switch (scan (framer, final, record))
      {
      case RECORD:
        take (framer, record);
        return TRUE;
      case WAIT:
        return FALSE;
      case NO_RECORD:
        skip_junk (framer);
        break;
      }
  framer->in_frame = FALSE;
  return FALSE;
}
