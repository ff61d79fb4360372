/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Values as text. Digits are written straight into the string's own memory: this is the path of the
 * MQTT payloads. Any thread.
 */
#include "wire/jkb-text.h"

#include <string.h>

#include "wire/jkb-alarm.h"

/* Enough for a sign, 20 digits, a point and a NUL. */
#define NUMBER_ROOM 24

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

/* Digits are made from the last to the first: how many there will be is counted before. */
static char *
put_fixed (char *at, gint64 raw, guint decimals)
{
  guint64 value = raw < 0 ? 0 - (guint64) raw : (guint64) raw;
  guint n_digits = 1;
  char *end, *digit;

  for (guint64 rest = value; rest >= 10; rest /= 10)
    n_digits++;
  n_digits = MAX (n_digits, decimals + 1);
  if (raw < 0)
    *at++ = '-';
  digit = end = at + n_digits + (decimals > 0);
  for (guint i = 0; i < n_digits; i++, value /= 10)
    {
      if (i == decimals && i > 0)
        *--digit = '.';
      *--digit = (char) ('0' + value % 10);
    }
  return end;
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

void
jkb_text_append_json (GString *out, const JkbValues *values, JkbFieldId id)
{
  const JkbField *field = &jkb_fields[id];
  const char *text;
  gint64 raw;

  if (field->kind == JKB_KIND_LIST)
    {
      append_json_list (out, values, field);
      return;
    }
  if (field->kind == JKB_KIND_TEXT)
    {
      text = jkb_values_get_text (values, id);
      if (text == NULL)
        g_string_append_len (out, "null", 4);
      else
        jkb_text_append_json_string (out, text);
      return;
    }

  raw = jkb_values_get (values, id);
  if (raw == JKB_UNKNOWN)
    g_string_append_len (out, "null", 4);
  else if (field->kind == JKB_KIND_NUMBER)
    jkb_text_append_fixed (out, raw, field->scale);
  else if (field->kind == JKB_KIND_BOOL)
    take_room (out, raw != 0 ? put (make_room (out, 4), "true", 4)
                             : put (make_room (out, 5), "false", 5));
  else if (field->kind == JKB_KIND_FLAGS)
    append_json_flags (out, (guint32) raw);
  else if ((text = enum_name (field, raw)) != NULL)
    append_json_name (out, text);
  else
    g_string_append_len (out, "null", 4);
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
  const char *key = jkb_fields[id].key;
  gsize n_key = strlen (key);
  gboolean first = out->len > 0 && out->str[out->len - 1] == '{';
  char *at = make_room (out, n_key + 4 + NUMBER_ROOM);

  if (!first)
    *at++ = ',';
  *at++ = '"';
  at = put (at, key, n_key);
  at = put (at, "\":", 2);
  take_room (out, at);
  jkb_text_append_json (out, values, id);
}
