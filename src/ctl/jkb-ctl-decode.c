/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * `jkbmsctl decode`: a stream with unknown timing, its events as lines. A frame whose sender is not
 * decided yet holds back the lines behind it; these are few.
 */
#include "ctl/jkb-ctl-decode.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/jkb-decode.h"
#include "wire/jkb-stream.h"
#include "wire/jkb-text.h"

typedef struct
{
  guint64 offset;
  GString *text;
} Line;

typedef struct
{
  gboolean json;
  JkbStream *stream;
  GPtrArray *lines; /* (element-type Line) not printed yet, in the order of their offsets */
  gboolean found;   /* a record */
} Decoder;

static const char *
event_name (const JkbEvent *event)
{
  switch (event->kind)
    {
    case JKB_EVENT_REQUEST:
      return "request";
    case JKB_EVENT_ACK:
      return "ack";
    case JKB_EVENT_READ_REQUEST:
      return "read_request";
    case JKB_EVENT_READ_RESPONSE:
      return "read_response";
    case JKB_EVENT_EXCEPTION:
      return "exception";
    default:
      return jkb_frame_type_name (event->type);
    }
}

static gboolean
is_frame (const JkbEvent *event)
{
  return event->kind == JKB_EVENT_FRAME || event->kind == JKB_EVENT_BAD_FRAME;
}

static gboolean
has_register (const JkbEvent *event)
{
  return event->kind == JKB_EVENT_REQUEST || event->kind == JKB_EVENT_ACK;
}

static void
append_json_fields (GString *out, const JkbEvent *event)
{
  JkbValues values;

  if (!jkb_decode (event->bytes, &values))
    return;
  g_string_append (out, ",\"fields\":{");
  for (JkbFieldId id = jkb_group_first ((JkbGroup) values.group);
       id < jkb_group_end ((JkbGroup) values.group); id++)
    jkb_text_append_member (out, &values, id);
  g_string_append_c (out, '}');
}

static void
append_json (GString *out, const JkbEvent *event)
{
  g_string_append_printf (out, "{\"offset\":%" G_GUINT64_FORMAT ",\"type\":\"%s\",\"address\":",
                          event->offset, event_name (event));
  if (event->address < 0)
    g_string_append (out, "null");
  else
    g_string_append_printf (out, "%d", event->address);
  if (is_frame (event))
    g_string_append_printf (out, ",\"attributed_by\":\"%s\",\"checksum\":%s",
                            jkb_evidence_name (event->evidence),
                            event->kind == JKB_EVENT_FRAME ? "true" : "false");
  if (has_register (event))
    g_string_append_printf (out, ",\"register\":%u", event->reg);
  if (event->kind == JKB_EVENT_FRAME)
    append_json_fields (out, event);
  g_string_append (out, "}\n");
}

/* The values that tell most about a frame of each type. */
static void
append_main_values (GString *out, const JkbEvent *event)
{
  static const JkbFieldId main_fields[] = {
    JKB_FIELD_TOTAL_VOLTAGE,         JKB_FIELD_CURRENT,
    JKB_FIELD_STATE_OF_CHARGE,       JKB_FIELD_MIN_CELL_VOLTAGE,
    JKB_FIELD_MAX_CELL_VOLTAGE,      JKB_FIELD_TEMPERATURE_SENSOR_1,
    JKB_FIELD_ERRORS,                JKB_FIELD_DEVICE_ADDRESS,
    JKB_FIELD_CONFIGURED_CELL_COUNT, JKB_FIELD_TOTAL_BATTERY_CAPACITY,
    JKB_FIELD_CHARGING_SWITCH,       JKB_FIELD_DISCHARGING_SWITCH,
    JKB_FIELD_MODEL,                 JKB_FIELD_HARDWARE_VERSION,
    JKB_FIELD_SOFTWARE_VERSION,
  };
  JkbValues values;

  if (!jkb_decode (event->bytes, &values))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (main_fields); i++)
    {
      const JkbField *field = &jkb_fields[main_fields[i]];

      if (field->group != values.group)
        continue;
      g_string_append_printf (out, "  %s=", field->key);
      jkb_text_append_plain (out, &values, main_fields[i]);
      if (field->unit != NULL && jkb_values_is_known (&values, main_fields[i]))
        g_string_append_printf (out, " %s", field->unit);
    }
}

static void
append_text (GString *out, const JkbEvent *event)
{
  g_string_append_printf (out, "%10" G_GUINT64_FORMAT "  %-13s  ", event->offset,
                          event_name (event));
  if (event->address < 0)
    g_string_append (out, "  ?");
  else
    g_string_append_printf (out, "%3d", event->address);
  if (has_register (event))
    g_string_append_printf (out, "  0x%04X", event->reg);
  if (event->kind == JKB_EVENT_BAD_FRAME)
    g_string_append_printf (out, "  %s", _ ("checksum wrong"));
  if (event->kind == JKB_EVENT_FRAME)
    {
      g_string_append_printf (out, "  (%s)", jkb_evidence_name (event->evidence));
      append_main_values (out, event);
    }
  g_string_append_c (out, '\n');
}

static void
line_free (gpointer data)
{
  Line *line = data;

  g_string_free (line->text, TRUE);
  g_free (line);
}

/* Sorted from the end: nearly always the newest line is the last one. */
static void
add_line (Decoder *decoder, const JkbEvent *event)
{
  Line *line = g_new (Line, 1);
  guint at = decoder->lines->len;

  decoder->found = TRUE;
  line->offset = event->offset;
  line->text = g_string_sized_new (2048);
  if (decoder->json)
    append_json (line->text, event);
  else
    append_text (line->text, event);
  while (at > 0 && ((Line *) decoder->lines->pdata[at - 1])->offset > line->offset)
    at--;
  g_ptr_array_insert (decoder->lines, (gint) at, line);
}

/* Prints the lines that no frame can come in front of any more. */
static gboolean
print_lines (Decoder *decoder)
{
  guint64 undecided = jkb_stream_undecided (decoder->stream);
  guint n_printed = 0;

  while (n_printed < decoder->lines->len)
    {
      Line *line = decoder->lines->pdata[n_printed];

      if (line->offset > undecided)
        break;
      if (fwrite (line->text->str, 1, line->text->len, stdout) != line->text->len)
        return FALSE;
      n_printed++;
    }
  if (n_printed > 0)
    g_ptr_array_remove_range (decoder->lines, 0, n_printed);
  return TRUE;
}

static gboolean
print_events (Decoder *decoder)
{
  JkbEvent event;

  while (jkb_stream_next (decoder->stream, 0, &event))
    {
      add_line (decoder, &event);
      if (!print_lines (decoder))
        return FALSE;
    }
  return TRUE;
}

/* Returns: 0 at the end of the file, else what read() or write() said. */
static int
decode_fd (Decoder *decoder, int fd)
{
  for (;;)
    {
      gsize room;
      guint8 *place = jkb_stream_reserve (decoder->stream, &room);
      gssize n_read = read (fd, place, room);

      if (n_read < 0 && errno == EINTR)
        continue;
      if (n_read < 0)
        return errno;
      if (n_read == 0)
        jkb_stream_finish (decoder->stream);
      jkb_stream_commit (decoder->stream, n_read, 0);
      if (!print_events (decoder) || fflush (stdout) != 0)
        return errno != 0 ? errno : EIO;
      if (n_read == 0)
        return 0;
    }
}

int
jkb_ctl_decode (const char *file, gboolean json)
{
  g_autoptr(JkbStream) stream = jkb_stream_new (JKB_TIMING_UNKNOWN);
  g_autoptr(GPtrArray) lines = g_ptr_array_new_with_free_func (line_free);
  Decoder decoder = { json, stream, lines, FALSE };
  gboolean standard_input = strcmp (file, "-") == 0;
  int fd = standard_input ? STDIN_FILENO : open (file, O_RDONLY | O_CLOEXEC);
  int error = fd < 0 ? errno : decode_fd (&decoder, fd);

  if (fd >= 0 && !standard_input)
    close (fd);
  if (error == 0 && !decoder.found && !json)
    fprintf (stderr, _ ("jkbmsctl: there is no record of a JK BMS in %s\n"), file);
  if (error == 0)
    return 0;
  fprintf (stderr, _ ("jkbmsctl: cannot decode %s: %s\n"), file, g_strerror (error));
  return 1;
}
