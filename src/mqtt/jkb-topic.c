/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Topics and payload texts, by walking the field table.
 */
#include "mqtt/jkb-topic.h"

#include <string.h>
#include <time.h>

#include "bus/jkb-bus.h"
#include "config.h"
#include "wire/jkb-alarm.h"
#include "wire/jkb-text.h"

void
jkb_bms_topics_init (JkbBmsTopics *topics, const char *prefix, const char *id)
{
  topics->availability = g_strdup_printf ("%s/%s/availability", prefix, id);
  topics->state = g_strdup_printf ("%s/%s/state", prefix, id);
  topics->cells = g_strdup_printf ("%s/%s/cells", prefix, id);
  topics->settings = g_strdup_printf ("%s/%s/settings", prefix, id);
  topics->info = g_strdup_printf ("%s/%s/info", prefix, id);
  topics->energy = g_strdup_printf ("%s/%s/energy", prefix, id);
  topics->alarm = g_strdup_printf ("%s/%s/alarm", prefix, id);
}

void
jkb_bms_topics_clear (JkbBmsTopics *topics)
{
  g_free (topics->availability);
  g_free (topics->state);
  g_free (topics->cells);
  g_free (topics->settings);
  g_free (topics->info);
  g_free (topics->energy);
  g_free (topics->alarm);
}

char *
jkb_topic_history (const char *prefix, const char *id)
{
  return g_strdup_printf ("%s/%s/history", prefix, id);
}

char *
jkb_topic_bridge (const char *prefix, const char *leaf)
{
  return g_strdup_printf ("%s/bridge/%s", prefix, leaf);
}

/* The last @n digits of @value. */
static void
put_digits (char *at, guint n, guint value)
{
  while (n > 0)
    {
      at[--n] = (char) ('0' + value % 10);
      value /= 10;
    }
}

void
jkb_payload_append_stamp (GString *out, gint64 stamp_us)
{
  char text[] = "\"0000-00-00T00:00:00.000Z\"";
  time_t seconds = (time_t) (stamp_us / G_USEC_PER_SEC);
  struct tm tm;

  if (stamp_us == 0 || gmtime_r (&seconds, &tm) == NULL)
    {
      g_string_append (out, "null");
      return;
    }
  put_digits (text + 1, 4, (guint) tm.tm_year + 1900);
  put_digits (text + 6, 2, (guint) tm.tm_mon + 1);
  put_digits (text + 9, 2, (guint) tm.tm_mday);
  put_digits (text + 12, 2, (guint) tm.tm_hour);
  put_digits (text + 15, 2, (guint) tm.tm_min);
  put_digits (text + 18, 2, (guint) tm.tm_sec);
  put_digits (text + 21, 3, (guint) (stamp_us % G_USEC_PER_SEC / 1000));
  g_string_append_len (out, text, sizeof text - 1);
}

static void
append_timestamp (GString *out, gint64 stamp_us)
{
  g_string_append (out, ",\"timestamp\":");
  jkb_payload_append_stamp (out, stamp_us);
}

/* Replaces what is in @out; the brace stays open. */
static void
begin_live (GString *out, const JkbValues *live, gboolean lists, gint64 stamp_us)
{
  g_string_assign (out, "{");
  for (JkbFieldId id = jkb_group_first (JKB_GROUP_LIVE); id < jkb_group_end (JKB_GROUP_LIVE); id++)
    if (lists || jkb_fields[id].kind != JKB_KIND_LIST)
      jkb_text_append_member (out, live, id);
  append_timestamp (out, stamp_us);
}

void
jkb_payload_history (GString *out, const JkbValues *live, gint64 stamp_us)
{
  begin_live (out, live, TRUE, stamp_us);
  g_string_append_c (out, '}');
}

void
jkb_payload_state (GString *out, const JkbValues *live, gint64 stamp_us, gint64 age_us)
{
  begin_live (out, live, FALSE, stamp_us);
  g_string_append (out, ",\"age\":");
  jkb_text_append_fixed (out, MAX (0, age_us) / 1000, 1000);
  g_string_append_c (out, '}');
}

void
jkb_payload_cells (GString *out, const JkbValues *live, gint64 stamp_us)
{
  g_string_assign (out, "{");
  jkb_text_append_member (out, live, JKB_FIELD_CELL_VOLTAGES);
  jkb_text_append_member (out, live, JKB_FIELD_CELL_RESISTANCES);
  append_timestamp (out, stamp_us);
  g_string_append_c (out, '}');
}

void
jkb_payload_group (GString *out, const JkbValues *values)
{
  JkbGroup group = (JkbGroup) values->group;

  g_string_assign (out, "{");
  for (JkbFieldId id = jkb_group_first (group); id < jkb_group_end (group); id++)
    if (id != JKB_FIELD_SERIAL_NUMBER)
      jkb_text_append_member (out, values, id);
  g_string_append_c (out, '}');
}

void
jkb_payload_alarm (GString *out, guint bit, gboolean raised, gint64 stamp_us)
{
  g_string_printf (out, "{\"event_type\":\"%s\",\"alarm\":\"%s\",\"severity\":\"%s\"",
                   raised ? "raised" : "cleared", jkb_alarm_key (bit),
                   jkb_severity_name (jkb_alarm_severity (bit)));
  append_timestamp (out, stamp_us);
  g_string_append_c (out, '}');
}

static void
append_string (GString *out, const char *key, const char *text)
{
  g_string_append_printf (out, ",\"%s\":", key);
  jkb_text_append_json_string (out, text);
}

static void
append_bus (GString *out, JkbBus *bus, gint64 monotonic_us)
{
  g_autofree char *reason = NULL;
  guint health = jkb_bus_get_health (bus, monotonic_us, &reason);
  JkbBusCounters c;

  jkb_bus_get_counters (bus, &c);
  jkb_text_append_json_string (out, jkb_bus_get_name (bus));
  g_string_append_printf (out, ":{\"state\":\"%s\",\"role\":\"%s\",\"health\":%u",
                          jkb_link_state_name (jkb_bus_get_state (bus)),
                          jkb_role_name (jkb_bus_get_role (bus)), health);
  append_string (out, "health_reason", reason);
  append_string (out, "last_error", jkb_bus_get_last_error (bus));
#define COUNTER(member)                                                                            \
  g_string_append_printf (out, ",\"" #member "\":%" G_GUINT64_FORMAT, c.member)
  COUNTER (bytes_received);
  COUNTER (frames_received);
  COUNTER (requests_seen);
  COUNTER (checksum_errors);
  COUNTER (ack_errors);
  COUNTER (unattributed_frames);
  COUNTER (resyncs);
  COUNTER (overruns);
  COUNTER (reconnects);
#undef COUNTER
  g_string_append_c (out, '}');
}

void
jkb_payload_bridge (GString *out, GPtrArray *buses, guint64 history_waiting, gint64 monotonic_us)
{
  g_string_printf (out,
                   "{\"version\":\"" VERSION "\",\"history_waiting\":%" G_GUINT64_FORMAT
                   ",\"buses\":{",
                   history_waiting);
  for (guint i = 0; i < buses->len; i++)
    {
      if (i > 0)
        g_string_append_c (out, ',');
      append_bus (out, g_ptr_array_index (buses, i), monotonic_us);
    }
  g_string_append (out, "}}");
}
