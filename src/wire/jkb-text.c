/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Values as text. Digits are written straight into the string's own memory: this is the path of the
 * MQTT payloads. Any thread.
 */
#include "wire/jkb-text.h"

#include <string.h>

#include "wire/jkb-alarm.h"

/* Enough for a sign, 20 digits and a point, and for the copies of fixed length that make them. */
#define NUMBER_ROOM 48
#define DIGITS_ROOM 20

/* Where @n_bytes can be written; take_room() says how many were. */
static inline char *
make_room (GString *out, gsize n_bytes)
{
  gsize length = out->len;

  if (out->allocated_len - length <= n_bytes)
    {
      g_string_set_size (out, length + n_bytes);
      out->len = length;
    }
  return out->str + length;
}

static inline void
take_room (GString *out, const char *end)
{
  out->len = end - out->str;
  out->str[out->len] = '\0';
}

static inline char *
put (char *at, const char *text, gsize n_bytes)
{
  memcpy (at, text, n_bytes);
  return at + n_bytes;
}

/* The scales of nearly all rows first: this runs for every number of every text. */
static inline guint
decimals_of (guint32 scale)
{
  guint decimals = 0;

  if (scale <= 1)
    return 0;
  if (scale == 1000)
    return 3;
  for (; scale >= 10; scale /= 10)
    decimals++;
  return decimals;
}

/* The digits of @value, two at a time and backwards from @end. Returns: the first one. */
static inline char *
put_digits (char *end, guint64 value)
{
  static const char pairs[] = "00010203040506070809101112131415161718192021222324"
                              "25262728293031323334353637383940414243444546474849"
                              "50515253545556575859606162636465666768697071727374"
                              "75767778798081828384858687888990919293949596979899";
  guint32 low;

  for (; value > G_MAXUINT32; value /= 100)
    memcpy (end -= 2, pairs + 2 * (value % 100), 2);
  for (low = (guint32) value; low >= 100; low /= 100)
    memcpy (end -= 2, pairs + 2 * (low % 100), 2);
  if (low >= 10)
    return memcpy (end - 2, pairs + 2 * low, 2);
  *--end = (char) ('0' + low);
  return end;
}

/* The digits are made in a place of their own, zeros in front; then both sides of the point are
 * copied, always DIGITS_ROOM bytes: that is cheaper than as many as there are. */
static char *
put_fixed (char *at, gint64 raw, guint decimals)
{
  char digits[3 * DIGITS_ROOM];
  char *end = digits + 2 * DIGITS_ROOM;
  char *digit, *point = end - decimals;

  memset (digits + DIGITS_ROOM, '0', 2 * DIGITS_ROOM);
  digit = put_digits (end, raw < 0 ? 0 - (guint64) raw : (guint64) raw);
  if (digit >= point)
    digit = point - (decimals > 0);
  if (raw < 0)
    *at++ = '-';
  memcpy (at, digit, DIGITS_ROOM);
  at += point - digit;
  if (decimals == 0)
    return at;
  *at++ = '.';
  memcpy (at, point, DIGITS_ROOM);
  return at + decimals;
}

void
jkb_text_append_fixed (GString *out, gint64 raw, guint32 scale)
{
  take_room (out, put_fixed (make_room (out, NUMBER_ROOM), raw, decimals_of (scale)));
}

void
jkb_text_append_json_string (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (const char *c = text; *c != '\0'; c++)
    if (*c == '"' || *c == '\\')
      {
        g_string_append_c (out, '\\');
        g_string_append_c (out, *c);
      }
    else if ((guchar) *c < 0x20 || *c == 0x7f)
      g_string_append_printf (out, "\\u%04x", (guchar) *c);
    else
      g_string_append_c (out, *c);
  g_string_append_c (out, '"');
}

static const char *
enum_name (const JkbField *field, gint64 raw)
{
  for (gint64 i = 0; field->names[i] != NULL; i++)
    if (i == raw)
      return field->names[i];
  return NULL;
}

static void
append_json_list (GString *out, const JkbValues *values, const JkbField *field)
{
  const gint32 *items = values->list[field->slot];
  guint decimals = decimals_of (field->scale);
  char *at = make_room (out, 2 + values->n_cells * (NUMBER_ROOM + 1));

  *at++ = '[';
  for (guint i = 0; i < values->n_cells; i++)
    {
      if (i > 0)
        *at++ = ',';
      at = items[i] == JKB_UNKNOWN_ITEM ? put (at, "null", 4) : put_fixed (at, items[i], decimals);
    }
  *at++ = ']';
  take_room (out, at);
}

/* Names from our own tables need no escaping. */
static void
append_json_name (GString *out, const char *name)
{
  gsize n_name = strlen (name);
  char *at = make_room (out, n_name + 2);

  *at++ = '"';
  at = put (at, name, n_name);
  *at++ = '"';
  take_room (out, at);
}

static void
append_json_flags (GString *out, guint32 mask)
{
  g_string_append_c (out, '[');
  for (; mask != 0; mask &= mask - 1)
    {
      if (out->str[out->len - 1] != '[')
        g_string_append_c (out, ',');
      append_json_name (out, jkb_alarm_key ((guint) g_bit_nth_lsf (mask, -1)));
    }
  g_string_append_c (out, ']');
}

/* Numbers and switches, nearly all there is. @at has NUMBER_ROOM bytes. */
static inline char *
put_scalar (char *at, const JkbField *field, gint64 raw)
{
  if (raw == JKB_UNKNOWN)
    return put (at, "null", 4);
  if (field->kind == JKB_KIND_NUMBER)
    return put_fixed (at, raw, decimals_of (field->scale));
  return raw != 0 ? put (at, "true", 4) : put (at, "false", 5);
}

static void
append_json_text (GString *out, const char *text)
{
  if (text == NULL)
    g_string_append_len (out, "null", 4);
  else
    jkb_text_append_json_string (out, text);
}

static void
append_json_enum (GString *out, const JkbField *field, gint64 raw)
{
  const char *name = enum_name (field, raw);

  if (name == NULL)
    g_string_append_len (out, "null", 4);
  else
    append_json_name (out, name);
}

void
jkb_text_append_json (GString *out, const JkbValues *values, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];

  switch (field->kind)
    {
    case JKB_KIND_LIST:
      append_json_list (out, values, field);
      return;
    case JKB_KIND_TEXT:
      append_json_text (out, jkb_values_get_text (values, id));
      return;
    case JKB_KIND_ENUM:
      append_json_enum (out, field, jkb_values_get (values, id));
      return;
    case JKB_KIND_FLAGS:
      if (jkb_values_get (values, id) != JKB_UNKNOWN)
        {
          append_json_flags (out, (guint32) jkb_values_get (values, id));
          return;
        }
      G_GNUC_FALLTHROUGH;
    default:
      take_room (out, put_scalar (make_room (out, NUMBER_ROOM), field,
                                  jkb_values_get (values, id)));
    }
}

static void
append_plain_list (GString *out, const JkbValues *values, JkbFieldId id)
{
  if (!jkb_values_is_known (values, id))
    {
      g_string_append (out, "unknown");
      return;
    }
  for (guint i = 0; i < values->n_cells; i++)
    {
      gint32 item = jkb_values_get_item (values, id, i);

      if (i > 0)
        g_string_append (out, ", ");
      if (item == JKB_UNKNOWN_ITEM)
        g_string_append (out, "unknown");
      else
        jkb_text_append_fixed (out, item, jkb_fields[id].scale);
    }
}

static void
append_plain_flags (GString *out, guint32 mask)
{
  const char *separator = "";

  if (mask == 0)
    g_string_append (out, "none");
  for (guint bit = 0; bit < JKB_N_ALARM_BITS; bit++)
    if ((mask & 1u << bit) != 0)
      {
        g_string_append (out, separator);
        g_string_append (out, jkb_alarm_key (bit));
        separator = ", ";
      }
}

void
jkb_text_append_plain (GString *out, const JkbValues *values, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];
  const char *text = NULL;
  gint64 raw;

  if (field->kind == JKB_KIND_LIST)
    {
      append_plain_list (out, values, id);
      return;
    }
  if (field->kind == JKB_KIND_TEXT)
    {
      text = jkb_values_get_text (values, id);
      g_string_append (out, text != NULL ? text : "unknown");
      return;
    }

  raw = jkb_values_get (values, id);
  if (raw != JKB_UNKNOWN && field->kind == JKB_KIND_NUMBER)
    {
      jkb_text_append_fixed (out, raw, field->scale);
      return;
    }
  if (raw != JKB_UNKNOWN && field->kind == JKB_KIND_FLAGS)
    {
      append_plain_flags (out, (guint32) raw);
      return;
    }
  if (raw != JKB_UNKNOWN)
    text = field->kind == JKB_KIND_BOOL ? (raw != 0 ? "true" : "false") : enum_name (field, raw);
  g_string_append (out, text != NULL ? text : "unknown");
}

void
jkb_text_append_member (GString *out, const JkbValues *values, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];
  gsize n_key = strlen (field->key);
  char *at = make_room (out, n_key + 4 + NUMBER_ROOM);

  if (at == out->str || at[-1] != '{')
    *at++ = ',';
  *at++ = '"';
  at = put (at, field->key, n_key);
  *at++ = '"';
  *at++ = ':';
  if (field->kind == JKB_KIND_NUMBER || field->kind == JKB_KIND_BOOL)
    {
      take_room (out, put_scalar (at, field, jkb_values_get (values, id)));
      return;
    }
  take_room (out, at);
  jkb_text_append_json (out, values, id);
}
