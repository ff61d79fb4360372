/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The crossing between the main thread and the MQTT thread. The members of each side are marked;
 * the atomic ones belong to both. Every message counts from jkb_mqtt_link_send() until
 * jkb_mqtt_link_account().
 */
#include "mqtt/jkb-mqtt-link.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "queue/jkb-spsc.h"
#include "queue/jkb-wake.h"

#define RING_SLOTS 2048
#define MAX_ARRIVED_BYTES (8 * 1024 * 1024)

struct _JkbMqttLink
{
  JkbSpsc ring; /* of JkbMessage *, main to MQTT; aligned */
  JkbMpsc events;
  int wake_fd;  /* wakes the MQTT thread */
  int main_fd;  /* wakes the main thread */
  int done_fd;  /* the MQTT thread has ended */
  atomic_int references;
  atomic_bool stop;
  atomic_bool low_wanted;
  atomic_int_fast64_t beat_us;
  atomic_int_fast64_t excused_us;
  atomic_int_fast64_t queued_bytes;
  atomic_int queued;
  atomic_uint_fast64_t published;
  atomic_uint_fast64_t dropped;
  atomic_int_fast64_t arrived_bytes;
  atomic_int_fast64_t heard_us;
  atomic_uint_fast64_t told;
  atomic_uint_fast64_t untold;

  /* main thread */
  JkbOutbox overflow;
  gboolean unflushed;
  guint64 next_sequence;
  gint64 asked_us; /* for a sign of life */
  guint source;
  JkbMqttEventFunc func;
  gpointer user_data;
};

JkbMqttLink *
jkb_mqtt_link_new (guint events_max)
{
  JkbMqttLink *link = aligned_alloc (64, (sizeof *link + 63) / 64 * 64);

  memset (link, 0, sizeof *link);
  jkb_spsc_init (&link->ring, RING_SLOTS, sizeof (JkbMessage *));
  jkb_outbox_init (&link->overflow, events_max);
  link->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  link->main_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  link->done_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (link->wake_fd < 0 || link->main_fd < 0 || link->done_fd < 0)
    g_error ("Cannot create an eventfd: %s", g_strerror (errno));
  atomic_init (&link->references, 1);
  return link;
}

JkbMqttLink *
jkb_mqtt_link_ref (JkbMqttLink *link)
{
  atomic_fetch_add (&link->references, 1);
  return link;
}

/* What a message holds on its way in, whoever has it. */
static gint64
arrived_cost (const char *topic, gsize size)
{
  return (gint64) (4 * sizeof (JkbMqttEvent) + strlen (topic) + size);
}

static void
event_free (JkbMqttLink *link, JkbMqttEvent *event)
{
  if (event->kind == JKB_MQTT_ARRIVED)
    atomic_fetch_sub (&link->arrived_bytes, arrived_cost (event->text, event->size));
  g_free (event->text);
  g_free (event->payload);
  g_free (event);
}

void
jkb_mqtt_link_unref (JkbMqttLink *link)
{
  JkbMessage *message;
  JkbMpscNode *node;

  if (atomic_fetch_sub (&link->references, 1) != 1)
    return;
  while ((message = jkb_mqtt_link_receive (link)) != NULL)
    g_free (message);
  for (node = jkb_mpsc_drain (&link->events); node != NULL;)
    {
      JkbMqttEvent *event = (JkbMqttEvent *) node;

      node = node->next;
      event_free (link, event);
    }
  jkb_outbox_clear (&link->overflow);
  jkb_spsc_clear (&link->ring);
  close (link->wake_fd);
  close (link->main_fd);
  close (link->done_fd);
  free (link);
}

/* ---- main thread ---- */

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  JkbMqttLink *link = jkb_mqtt_link_ref (user_data);
  eventfd_t count;
  JkbMpscNode *node;

  eventfd_read (fd, &count);
  for (node = jkb_mpsc_drain (&link->events); node != NULL;)
    {
      JkbMqttEvent *event = (JkbMqttEvent *) node;

      node = node->next;
      if (link->source != 0)
        link->func (event, link->user_data);
      event_free (link, event);
    }
  jkb_mqtt_link_flush (link);
  jkb_mqtt_link_unref (link);
  return G_SOURCE_CONTINUE;
}

void
jkb_mqtt_link_attach (JkbMqttLink *link, JkbMqttEventFunc func, gpointer user_data)
{
  link->func = func;
  link->user_data = user_data;
  link->source = jkb_wake_add (link->main_fd, on_readable, link);
}

void
jkb_mqtt_link_detach (JkbMqttLink *link)
{
  g_clear_handle_id (&link->source, g_source_remove);
}

static gboolean
push (JkbMqttLink *link, JkbMessage *message)
{
  if (!jkb_spsc_push (&link->ring, &message))
    return FALSE;
  link->unflushed = TRUE;
  return TRUE;
}

/* What had to wait goes first. */
static void
push_overflow (JkbMqttLink *link)
{
  JkbMessage *message;

  while ((message = jkb_outbox_peek (&link->overflow, TRUE)) != NULL && push (link, message))
    jkb_outbox_pop (&link->overflow, TRUE);
}

static void
send_numbered (JkbMqttLink *link, JkbMessage *message)
{
  JkbMessage *victim;

  atomic_fetch_add (&link->queued, 1);
  atomic_fetch_add (&link->queued_bytes, jkb_message_cost (message));
  if (jkb_outbox_get_length (&link->overflow) > 0)
    push_overflow (link);
  if (jkb_outbox_get_length (&link->overflow) == 0 && push (link, message))
    return;

  victim = jkb_outbox_add (&link->overflow, message);
  if (victim == NULL)
    return;
  if (victim->kind == JKB_MESSAGE_EVENT)
    jkb_mqtt_link_count_dropped (link);
  jkb_mqtt_link_account (link, jkb_message_cost (victim), FALSE);
  g_free (victim);
}

void
jkb_mqtt_link_send (JkbMqttLink *link, JkbMessage *message)
{
  message->sequence = link->next_sequence++;
  send_numbered (link, message);
}

void
jkb_mqtt_link_send_history (JkbMqttLink *link, JkbMessage *message, guint64 number)
{
  message->sequence = number;
  send_numbered (link, message);
}

void
jkb_mqtt_link_flush (JkbMqttLink *link)
{
  push_overflow (link);
  if (!link->unflushed)
    return;
  link->unflushed = FALSE;
  eventfd_write (link->wake_fd, 1);
}

/* The wish is stored before the second look, and the MQTT thread looks at the wish after it counts
 * down: one of the two sees the other. */
gboolean
jkb_mqtt_link_is_full (JkbMqttLink *link)
{
  if (atomic_load (&link->queued_bytes) < JKB_MQTT_HIGH_WATER)
    return FALSE;
  atomic_store (&link->low_wanted, true);
  return atomic_load (&link->queued_bytes) >= JKB_MQTT_LOW_WATER
         || !atomic_exchange (&link->low_wanted, false);
}

void
jkb_mqtt_link_request_stop (JkbMqttLink *link)
{
  jkb_mqtt_link_flush (link);
  atomic_store (&link->stop, true);
  eventfd_write (link->wake_fd, 1);
}

gboolean
jkb_mqtt_link_wait_done (JkbMqttLink *link, int timeout_ms)
{
  gint64 deadline_us = g_get_monotonic_time () + timeout_ms * (gint64) 1000;

  while (TRUE)
    {
      struct pollfd fds = { link->done_fd, POLLIN, 0 };
      int left_ms = (int) (MAX (0, deadline_us - g_get_monotonic_time ()) / 1000);
      int rc = poll (&fds, 1, left_ms);

      if (rc >= 0 || errno != EINTR)
        return rc > 0;
    }
}

int
jkb_mqtt_link_get_done_fd (JkbMqttLink *link)
{
  return link->done_fd;
}

gint64
jkb_mqtt_link_get_beat (JkbMqttLink *link)
{
  gint64 now_us = g_get_monotonic_time ();

  if (atomic_load (&link->beat_us) < link->asked_us)
    return now_us < atomic_load (&link->excused_us) ? now_us : link->asked_us;
  link->asked_us = now_us;
  eventfd_write (link->wake_fd, 1);
  return link->asked_us;
}

guint64
jkb_mqtt_link_get_told (JkbMqttLink *link)
{
  return atomic_load (&link->told);
}

guint64
jkb_mqtt_link_get_untold (JkbMqttLink *link)
{
  return atomic_load (&link->untold);
}

gint64
jkb_mqtt_link_get_heard (JkbMqttLink *link)
{
  return atomic_load (&link->heard_us);
}

guint64
jkb_mqtt_link_get_published (JkbMqttLink *link)
{
  return atomic_load_explicit (&link->published, memory_order_relaxed);
}

guint64
jkb_mqtt_link_get_dropped (JkbMqttLink *link)
{
  return atomic_load_explicit (&link->dropped, memory_order_relaxed);
}

guint
jkb_mqtt_link_get_queued (JkbMqttLink *link)
{
  return (guint) MAX (0, atomic_load_explicit (&link->queued, memory_order_relaxed));
}

/* ---- MQTT thread ---- */

int
jkb_mqtt_link_get_fd (JkbMqttLink *link)
{
  return link->wake_fd;
}

void
jkb_mqtt_link_wake (JkbMqttLink *link)
{
  eventfd_write (link->wake_fd, 1);
}

void
jkb_mqtt_link_excuse (JkbMqttLink *link, gint64 until_us)
{
  atomic_store (&link->beat_us, g_get_monotonic_time ());
  atomic_store (&link->excused_us, until_us);
}

void
jkb_mqtt_link_clear (JkbMqttLink *link)
{
  eventfd_t count;

  eventfd_read (link->wake_fd, &count);
  atomic_store (&link->beat_us, g_get_monotonic_time ());
}

JkbMessage *
jkb_mqtt_link_receive (JkbMqttLink *link)
{
  JkbMessage *message;

  return jkb_spsc_pop (&link->ring, &message) ? message : NULL;
}

void
jkb_mqtt_link_account (JkbMqttLink *link, gsize cost, gboolean published)
{
  gint64 left = atomic_fetch_sub (&link->queued_bytes, (gint64) cost) - (gint64) cost;

  atomic_fetch_sub (&link->queued, 1);
  if (published)
    atomic_fetch_add_explicit (&link->published, 1, memory_order_relaxed);
  if (left < JKB_MQTT_LOW_WATER && atomic_load (&link->low_wanted)
      && atomic_exchange (&link->low_wanted, false))
    jkb_mqtt_link_report (link, JKB_MQTT_LOW, NULL, NULL, 0, FALSE);
}

void
jkb_mqtt_link_count_dropped (JkbMqttLink *link)
{
  atomic_fetch_add_explicit (&link->dropped, 1, memory_order_relaxed);
}

void
jkb_mqtt_link_hear (JkbMqttLink *link)
{
  atomic_store (&link->heard_us, g_get_monotonic_time ());
}

void
jkb_mqtt_link_tell (JkbMqttLink *link, guint64 number, gboolean delivered)
{
  if (delivered)
    atomic_store (&link->told, number);
  else
    atomic_fetch_add (&link->untold, 1);
}

void
jkb_mqtt_link_report (JkbMqttLink *link, JkbMqttEventKind kind, char *text, char *payload,
                      gsize size, gboolean retained)
{
  JkbMqttEvent *event = g_new0 (JkbMqttEvent, 1);

  event->kind = kind;
  event->text = text;
  event->payload = payload;
  event->size = size;
  event->retained = retained;
  event->heard_us = atomic_load (&link->heard_us);
  jkb_mpsc_push (&link->events, &event->node);
  eventfd_write (link->main_fd, 1);
}

gboolean
jkb_mqtt_link_reserve (JkbMqttLink *link, const char *topic, gsize size)
{
  gint64 cost = arrived_cost (topic, size);

  if (atomic_fetch_add (&link->arrived_bytes, cost) + cost <= MAX_ARRIVED_BYTES)
    return TRUE;
  atomic_fetch_sub (&link->arrived_bytes, cost);
  jkb_mqtt_link_count_dropped (link);
  return FALSE;
}

gboolean
jkb_mqtt_link_must_stop (JkbMqttLink *link)
{
  return atomic_load (&link->stop);
}

void
jkb_mqtt_link_set_done (JkbMqttLink *link)
{
  eventfd_write (link->done_fd, 1);
}
