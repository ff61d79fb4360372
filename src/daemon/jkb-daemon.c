/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The parts of the daemon and the tick that serves them. Frames mark what changed; one flush per
 * tick then tells D-Bus and MQTT. Each bus is told when the main loop next wants to act, so that its
 * reader wakes it no earlier; one timer covers what is due although no frame comes. Main thread only.
 */
#include "daemon/jkb-daemon.h"

#include <malloc.h>
#include <sys/resource.h>

#include "core/jkb-earlier.h"
#include "core/jkb-error.h"
#include "core/jkb-log.h"
#include "daemon/jkb-daemon-private.h"
#include "daemon/jkb-writer.h"
#include "dbus/jkb-service.h"
#include "history/jkb-history.h"
#include "mqtt/jkb-mqtt.h"

/* The timer lets the frames go first: they mostly arrive within this time and then save its
 * wake-up. */
#define TIMER_SLACK_US (100 * 1000)

/* BMS appear in a bunch, and are described to the broker in the seconds that follow. */
#define TRIM_AFTER_US (15 * G_USEC_PER_SEC)

/* How long the start waits for the D-Bus name before systemd hears that the daemon serves. */
#define READY_TIMEOUT_S 5

/* A stop is over within 2 s, whatever hangs. */
#define STOP_US (1900 * G_TIME_SPAN_MILLISECOND)
#define ANSWERS_US (100 * G_TIME_SPAN_MILLISECOND)  /* of it, for callers that wait for an answer */
#define CAPTURES_US (300 * G_TIME_SPAN_MILLISECOND) /* of it, for files of captures that hang */

/* How many a bus may have open (queues, port, hotplug, name lookup, a capture), and all else. */
#define DESCRIPTORS_PER_BUS 10
#define DESCRIPTORS 48

struct _JkbDaemon
{
  GObject parent_instance;

  JkbDaemonOptions options;
  JkbConfig *config;
  JkbRegistry *registry;
  JkbService *service; /* (nullable): without D-Bus */
  JkbHistory *history;
  JkbMqtt *mqtt;
  JkbWriter *writer;
  JkbReconfigure *reconfigure;
  GPtrArray *buses; /* (element-type JkbBus) */
  GSource *timer;
  gint64 timer_us;   /* when it is due; G_MAXINT64: not */
  guint n_bms;       /* when the heap was looked at last */
  gint64 trim_us;    /* when it is to be trimmed; G_MAXINT64: not */
  gboolean draining; /* the buses are being emptied for one flush */
  gboolean running; /* buses and MQTT are started */
  void (*on_running) (JkbDaemon *self, gpointer user_data);
  gpointer on_running_data;
  guint ready_timeout;
};

G_DEFINE_TYPE (JkbDaemon, jkb_daemon, G_TYPE_OBJECT)

enum
{
  SIGNAL_BUS_ADDED,
  SIGNAL_BUS_REMOVED,
  SIGNAL_CONFIGURED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

/* ---- the tick ---- */

static double
shortest_interval (JkbDaemon *self)
{
  double interval = self->config->daemon.dbus_interval;

  if (self->config->mqtt.enabled)
    interval = MIN (interval, MIN (self->config->mqtt.interval, self->config->mqtt.cells_interval));
  return interval;
}

/* What a receiver misses is in the journal before anything can happen to it; what has been told may
 * wait for the next turn. */
static gboolean
is_missed (JkbDaemon *self)
{
  return self->config->mqtt.enabled && !jkb_mqtt_get_connected (self->mqtt)
         && jkb_history_is_recording (self->history);
}

static void drain_all (JkbDaemon *self);

/* What was needed only while hundreds of BMS appeared goes back to the system, once. */
static void
trim_heap (JkbDaemon *self, gint64 now_us)
{
  guint n_bms = jkb_registry_list (self->registry)->len;

  if (n_bms != self->n_bms)
    self->trim_us = now_us + TRIM_AFTER_US;
  self->n_bms = n_bms;
  if (now_us < self->trim_us)
    return;
  self->trim_us = G_MAXINT64;
  malloc_trim (0);
}

static void
tick (JkbDaemon *self)
{
  gint64 now_us = g_get_monotonic_time ();
  gint64 due_us =
      is_missed (self) ? 0 : now_us + (gint64)(shortest_interval (self) * G_USEC_PER_SEC);
  gint64 next_us = jkb_registry_tick (self->registry, now_us);

  if (self->service != NULL)
    next_us = jkb_earlier (next_us, jkb_service_tick (self->service, now_us));
  next_us = jkb_earlier (next_us, jkb_mqtt_tick (self->mqtt, now_us));

  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_set_due (g_ptr_array_index (self->buses, i), due_us);
  self->timer_us = next_us == G_MAXINT64 ? G_MAXINT64 : MAX (next_us, now_us) + TIMER_SLACK_US;
  trim_heap (self, now_us);
}

/* The timer asks for its time before each poll. g_source_set_ready_time() would wake the loop it is
 * called from, at each tick. */
typedef struct
{
  GSource source;
  JkbDaemon *daemon;
} Timer;

static gboolean
timer_check (GSource *source)
{
  return g_get_monotonic_time () >= ((Timer *) source)->daemon->timer_us;
}

static gboolean
timer_prepare (GSource *source, int *timeout_ms)
{
  gint64 left_us = ((Timer *) source)->daemon->timer_us - g_get_monotonic_time ();

  *timeout_ms = (int) MIN (MAX (left_us, 0) / 1000 + 1, G_MAXINT);
  return left_us <= 0;
}

static gboolean
timer_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  JkbDaemon *self = ((Timer *) source)->daemon;

  self->timer_us = G_MAXINT64;
  drain_all (self);
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_funcs = { timer_prepare, timer_check, timer_dispatch, NULL, NULL, NULL };

static void
on_frame (JkbBus *bus, const JkbFrame *frame, gpointer user_data)
{
  JkbDaemon *self = user_data;

  jkb_registry_feed (self->registry, jkb_bus_get_name (bus), frame);
}

/* One bus that is due brings all others along: what they hold is due as well, and one flush serves
 * D-Bus and MQTT for all of them. */
static void
drain_all (JkbDaemon *self)
{
  self->draining = TRUE;
  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_drain (g_ptr_array_index (self->buses, i));
  self->draining = FALSE;
  jkb_registry_flush (self->registry);
  tick (self);
}

static void
on_drained (JkbBus *bus, gpointer user_data)
{
  JkbDaemon *self = user_data;

  if (!self->draining)
    drain_all (self);
}

static void
on_live (JkbBms *bms, const JkbFrame *frame, gpointer user_data)
{
  JkbDaemon *self = user_data;

  jkb_history_add (self->history, jkb_bms_get_id (bms), frame);
}

/* ---- object ---- */

static void
on_forgotten (JkbHistory *history, const char *id, JkbDaemon *self)
{
  jkb_registry_end_forgetting (self->registry, id);
}

/* What the process before could not tell its history. */
static void
forget_again (JkbDaemon *self)
{
  g_auto (GStrv) ids = jkb_registry_list_forgotten (self->registry);

  for (guint i = 0; ids[i] != NULL; i++)
    jkb_history_forget (self->history, ids[i]);
}

JkbDaemon *
jkb_daemon_new (const JkbDaemonOptions *options, JkbConfig *config)
{
  JkbDaemon *self = g_object_new (JKB_TYPE_DAEMON, NULL);

  self->options.config_file = g_strdup (options->config_file);
  self->options.config_required = options->config_required;
  self->options.state_dir = g_strdup (options->state_dir);
  self->options.runtime_dir = g_strdup (options->runtime_dir);
  self->options.bus_type = options->bus_type;
  self->options.bus_address = g_strdup (options->bus_address);
  self->config = config;
  self->registry = jkb_registry_new (options->state_dir);
  jkb_registry_configure (self->registry, config);
  self->history = jkb_history_new (options->state_dir, options->runtime_dir);
  if (options->runtime_dir_is_ours)
    jkb_history_own_runtime_dir (self->history);
  g_signal_connect (self->history, "forgotten", G_CALLBACK (on_forgotten), self);
  jkb_registry_set_live_func (self->registry, on_live, self);
  self->writer = jkb_writer_new (self, options->state_dir);
  self->reconfigure = jkb_reconfigure_new (self, options->state_dir);
  self->mqtt = jkb_mqtt_new (self);
  if (options->bus_type != G_BUS_TYPE_NONE || options->bus_address != NULL)
    self->service = jkb_service_new (self, self->mqtt);
  return self;
}

static void
jkb_daemon_finalize (GObject *object)
{
  JkbDaemon *self = JKB_DAEMON (object);

  g_clear_object (&self->service);
  g_clear_object (&self->mqtt);
  jkb_reconfigure_free (self->reconfigure);
  g_ptr_array_unref (self->buses);
  g_object_unref (self->writer);
  g_signal_handlers_disconnect_by_data (self->history, self);
  g_object_unref (self->history);
  g_object_unref (self->registry);
  jkb_config_free (self->config);
  g_free (self->options.config_file);
  g_free (self->options.state_dir);
  g_free (self->options.runtime_dir);
  g_free (self->options.bus_address);
  G_OBJECT_CLASS (jkb_daemon_parent_class)->finalize (object);
}

static void
jkb_daemon_class_init (JkbDaemonClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = jkb_daemon_finalize;
  signals[SIGNAL_BUS_ADDED] = g_signal_new ("bus-added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                            NULL, G_TYPE_NONE, 1, JKB_TYPE_BUS);
  signals[SIGNAL_BUS_REMOVED] = g_signal_new ("bus-removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                              NULL, G_TYPE_NONE, 1, JKB_TYPE_BUS);
  signals[SIGNAL_CONFIGURED] = g_signal_new ("configured", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                             NULL, G_TYPE_NONE, 0);
}

static void
jkb_daemon_init (JkbDaemon *self)
{
  self->buses = g_ptr_array_new_with_free_func (g_object_unref);
  self->trim_us = G_MAXINT64;
}

/* ---- start and stop ---- */

/* Beforehand, not when the last descriptor is taken: D-Bus, MQTT, the history and the ports of the
 * other buses cannot do without theirs, and GLib ends a program that has none. */
static gboolean
check_descriptors (const JkbBusConfig *config, guint n_buses, GError **error)
{
  guint needed = DESCRIPTORS + n_buses * DESCRIPTORS_PER_BUS;
  struct rlimit limit;

  if (getrlimit (RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= needed)
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
               "there is no room for bus %s: %u of them need %u file descriptors, and jkbmsd may "
               "have %lu; raise LimitNOFILE= of jkbmsd.service",
               config->name, n_buses, needed, (gulong) limit.rlim_cur);
  return FALSE;
}

JkbBus *
jkb_daemon_make_bus (JkbDaemon *self, const JkbBusConfig *config, guint n_made, GError **error)
{
  if (!check_descriptors (config, self->buses->len + n_made + 1, error))
    return NULL;
  return jkb_bus_new (config, on_frame, on_drained, self, error);
}

static void
add_bus (JkbDaemon *self, JkbBus *bus)
{
  g_ptr_array_add (self->buses, g_object_ref (bus));
  jkb_writer_watch_bus (self->writer, bus);
  g_signal_emit (self, signals[SIGNAL_BUS_ADDED], 0, bus);
}

/* One that cannot be made keeps no other from its work; a reload tries it again. */
static void
add_first_buses (JkbDaemon *self)
{
  for (guint i = 0; i < self->config->buses->len; i++)
    {
      const JkbBusConfig *config = g_ptr_array_index (self->config->buses, i);
      g_autoptr (GError) error = NULL;
      g_autoptr (JkbBus) bus = jkb_daemon_make_bus (self, config, 0, &error);

      if (bus != NULL)
        add_bus (self, bus);
      else
        jkb_log (G_LOG_LEVEL_WARNING, config->name, NULL, "%s", error->message);
    }
}

/* D-Bus serves, or cannot be had for now: in both cases the daemon is up. */
static gboolean
on_service_ready (gpointer user_data)
{
  JkbDaemon *self = user_data;

  g_clear_handle_id (&self->ready_timeout, g_source_remove);
  if (self->on_running != NULL)
    self->on_running (self, self->on_running_data);
  self->on_running = NULL;
  return G_SOURCE_REMOVE;
}

static gboolean
on_ready_timeout (gpointer user_data)
{
  JkbDaemon *self = user_data;

  self->ready_timeout = 0;
  jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "the D-Bus daemon does not answer; going on without it "
                                            "until it does");
  on_service_ready (self);
  return G_SOURCE_REMOVE;
}

void
jkb_daemon_start (JkbDaemon *self, JkbDaemonFunc on_running, gpointer user_data)
{
  self->on_running = on_running;
  self->on_running_data = user_data;
  self->timer = g_source_new (&timer_funcs, sizeof (Timer));
  ((Timer *) self->timer)->daemon = self;
  self->timer_us = G_MAXINT64;
  g_source_attach (self->timer, NULL);

  /* What is known already exists before the name is owned: clients find whole trees. */
  add_first_buses (self);
  jkb_registry_load (self->registry);
  jkb_writer_report_interrupted (self->writer);
  jkb_reconfigure_tidy (self->reconfigure);

  /* A D-Bus daemon that hangs must hold up neither the batteries nor MQTT. */
  if (self->service != NULL)
    {
      self->ready_timeout = g_timeout_add_seconds (READY_TIMEOUT_S, on_ready_timeout, self);
      jkb_service_start (self->service, self->options.bus_type, self->options.bus_address,
                         on_service_ready, self);
    }
  jkb_history_start (self->history, &self->config->history);
  forget_again (self);
  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_start (g_ptr_array_index (self->buses, i));
  jkb_mqtt_start (self->mqtt);
  self->running = TRUE;
  tick (self);
  if (self->service == NULL)
    on_service_ready (self);
}

static int
left_ms (gint64 until_us)
{
  return (int) (MAX (until_us - g_get_monotonic_time (), 0) / 1000);
}

/* All of them together, however many hang. */
static void
wait_for_captures (JkbDaemon *self, gint64 until_us)
{
  until_us = MIN (until_us, g_get_monotonic_time () + CAPTURES_US);
  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_wait_capture (g_ptr_array_index (self->buses, i), left_ms (until_us));
}

/* Who had settings written hears what became of them: the end of the buses has ended the writes, the
 * main loop tells the callers. */
static void
answer_writers (JkbDaemon *self, gint64 until_us)
{
  while (g_get_monotonic_time () < until_us && g_main_context_iteration (NULL, FALSE))
    ;
  if (self->service != NULL)
    jkb_service_flush (self->service, until_us);
}

void
jkb_daemon_stop (JkbDaemon *self)
{
  gint64 now_us = g_get_monotonic_time (), until_us = now_us + STOP_US;
  gboolean writing = jkb_writer_is_writing (self->writer, NULL);

  jkb_reconfigure_stop (self->reconfigure, now_us + ANSWERS_US / 2); /* the rest for writes */
  g_clear_handle_id (&self->ready_timeout, g_source_remove);
  g_source_destroy (self->timer);
  g_clear_pointer (&self->timer, g_source_unref);
  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_begin_stop (g_ptr_array_index (self->buses, i));
  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_stop (g_ptr_array_index (self->buses, i));
  for (guint i = 0; i < self->buses->len; i++)
    jkb_bus_end_capture (g_ptr_array_index (self->buses, i));
  if (writing)
    answer_writers (self, now_us + ANSWERS_US);
  /* What reaches the disk does so while MQTT waits for the broker: 2 s are for all of it. */
  jkb_history_begin_stop (self->history);
  jkb_registry_save (self->registry);
  jkb_mqtt_stop (self->mqtt);
  jkb_history_stop (self->history);
  if (self->service != NULL)
    jkb_service_stop (self->service);
  wait_for_captures (self, until_us);
  jkb_reconfigure_close (self->reconfigure, until_us);
  jkb_registry_close (self->registry, left_ms (until_us));
  self->running = FALSE;
}

/* ---- for the reconfiguration ---- */

JkbConfig *
jkb_daemon_swap_config (JkbDaemon *self, JkbConfig *config)
{
  JkbConfig *before = self->config;

  self->config = config;
  return before;
}

void
jkb_daemon_add_bus (JkbDaemon *self, JkbBus *bus)
{
  add_bus (self, bus);
  if (self->running)
    jkb_bus_start (bus);
}

void
jkb_daemon_remove_bus (JkbDaemon *self, JkbBus *bus)
{
  g_autoptr (JkbBus) keep = g_object_ref (bus);

  jkb_bus_stop (bus);
  jkb_registry_remove_bus (self->registry, jkb_bus_get_name (bus));
  g_ptr_array_remove (self->buses, bus);
  g_signal_emit (self, signals[SIGNAL_BUS_REMOVED], 0, keep);
}

void
jkb_daemon_tell_configured (JkbDaemon *self)
{
  jkb_registry_flush (self->registry);
  g_signal_emit (self, signals[SIGNAL_CONFIGURED], 0);
  if (self->running)
    tick (self);
}

const JkbDaemonOptions *
jkb_daemon_peek_options (JkbDaemon *self)
{
  return &self->options;
}

JkbMqtt *
jkb_daemon_get_mqtt (JkbDaemon *self)
{
  return self->mqtt;
}

JkbHistory *
jkb_daemon_get_history (JkbDaemon *self)
{
  return self->history;
}

JkbReconfigure *
jkb_daemon_get_reconfigure (JkbDaemon *self)
{
  return self->reconfigure;
}

/* ---- what others may ask ---- */

const JkbConfig *
jkb_daemon_peek_config (JkbDaemon *self)
{
  return self->config;
}

JkbRegistry *
jkb_daemon_get_registry (JkbDaemon *self)
{
  return self->registry;
}

JkbWriter *
jkb_daemon_get_writer (JkbDaemon *self)
{
  return self->writer;
}

GPtrArray *
jkb_daemon_list_buses (JkbDaemon *self)
{
  return self->buses;
}

JkbBus *
jkb_daemon_find_bus (JkbDaemon *self, const char *name)
{
  for (guint i = 0; i < self->buses->len; i++)
    {
      JkbBus *bus = g_ptr_array_index (self->buses, i);

      if (g_strcmp0 (jkb_bus_get_name (bus), name) == 0)
        return bus;
    }
  return NULL;
}

char *
jkb_daemon_describe (JkbDaemon *self)
{
  GPtrArray *bms = jkb_registry_list (self->registry);
  guint up = 0, online = 0;

  for (guint i = 0; i < self->buses->len; i++)
    up += jkb_bus_get_state (g_ptr_array_index (self->buses, i)) == JKB_LINK_UP;
  for (guint i = 0; i < bms->len; i++)
    online += jkb_bms_get_online (g_ptr_array_index (bms, i)) ? 1 : 0;
  return g_strdup_printf ("%u of %u buses up, %u of %u BMS online", up, self->buses->len, online,
                          bms->len);
}

gboolean
jkb_daemon_is_alive (JkbDaemon *self, gint64 monotonic_us)
{
  gint64 oldest_us = self->running ? jkb_mqtt_get_beat (self->mqtt) : monotonic_us;

  for (guint i = 0; self->running && i < self->buses->len; i++)
    oldest_us
        = jkb_earlier (oldest_us, jkb_bus_get_reader_beat (g_ptr_array_index (self->buses, i)));
  return monotonic_us - oldest_us < JKB_BEAT_LIMIT_US;
}
