/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The main thread's side of one RS485 bus: owns its configuration, inbox and reader. Main thread
 * only.
 */
#include "bus/jkb-bus.h"

#include <fcntl.h>
#include <glib-unix.h>

#include "bus/jkb-capture.h"
#include "bus/jkb-health.h"
#include "bus/jkb-reader.h"
#include "bus/jkb-talker.h"
#include "bus/jkb-transport.h"
#include "core/jkb-log.h"
#include "poll/jkb-poller.h"

struct _JkbBus
{
  GObject parent_instance;

  JkbBusConfig *config;
  const JkbTransportClass *klass; /* NULL: the URI is wrong, and the error says so */
  JkbInbox *inbox;
  JkbReader *reader;
  gboolean running;
  JkbCapture *capture; /* NULL: none runs */
  guint capture_source;
  GTask *capture_end; /* (nullable): who waits for its end */

  JkbLinkStatus status;
  JkbHealth health;

  JkbBusFrameFunc frame_func;
  JkbBusDrainedFunc drained_func;
  gpointer user_data;
  JkbBusSnapshotFunc snapshot_func;
  JkbBusProgressFunc progress_func;
  JkbBusWrittenFunc written_func;
  gpointer write_data;
};

G_DEFINE_TYPE (JkbBus, jkb_bus, G_TYPE_OBJECT)

enum
{
  CHANGED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
on_inbox_frame (const JkbFrame *frame, gpointer user_data)
{
  JkbBus *self = user_data;

  self->frame_func (self, frame, self->user_data);
}

static void
on_inbox_status (const JkbLinkStatus *status, gpointer user_data)
{
  JkbBus *self = user_data;

  self->status = *status;
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
get_report (JkbBus *self, JkbReaderReport *report)
{
  if (self->reader != NULL)
    jkb_reader_get_report (self->reader, report);
  else
    *report = (JkbReaderReport){ 0 };
}

static void
on_inbox_drained (gpointer user_data)
{
  JkbBus *self = user_data;
  JkbReaderReport report;

  get_report (self, &report);
  jkb_health_note (&self->health, g_get_monotonic_time (), &report);
  self->drained_func (self, self->user_data);
}

static void
on_inbox_report (JkbMpscNode *node, gpointer user_data)
{
  JkbBus *self = user_data;
  g_autofree JkbReport *report = (JkbReport *) node;

  switch (report->kind)
    {
    case JKB_REPORT_SNAPSHOT:
      self->snapshot_func (self, report->address, report->settings, self->write_data);
      break;
    case JKB_REPORT_PROGRESS:
      self->progress_func (self, report->address, report->done, report->total, self->write_data);
      break;
    case JKB_REPORT_WRITTEN:
      self->written_func (self, report->write, self->write_data);
      break;
    }
}

/* The inbox goes after the reader, which pushes to the last. */
static void
jkb_bus_finalize (GObject *object)
{
  JkbBus *self = JKB_BUS (object);

  g_clear_pointer (&self->reader, jkb_reader_free);
  g_clear_handle_id (&self->capture_source, g_source_remove);
  g_clear_pointer (&self->capture, jkb_capture_unref); /* its own thread writes the rest */
  g_clear_pointer (&self->inbox, jkb_inbox_free);
  jkb_bus_config_free (self->config);
  G_OBJECT_CLASS (jkb_bus_parent_class)->finalize (object);
}

static void
jkb_bus_class_init (JkbBusClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = jkb_bus_finalize;
  signals[CHANGED] = g_signal_new ("changed", JKB_TYPE_BUS, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 0);
}

static void
jkb_bus_init (JkbBus *self)
{
  self->status.state = JKB_LINK_DOWN;
  self->status.role = JKB_ROLE_IDLE;
}

/* Of what errno says. */
static void
set_no_descriptor (JkbBus *self, GError **error)
{
  g_set_error (error, JKB_ERROR, JKB_ERROR_IO,
               "bus %s: %s; raise LimitNOFILE= of jkbmsd.service", self->config->name,
               g_strerror (errno));
}

/* With the first good URI comes the reader. */
static gboolean
find_transport (JkbBus *self, GError **error)
{
  const char *rest;

  self->klass = jkb_transport_find (self->config->uri, &rest, error);
  if (self->klass != NULL && self->reader == NULL)
    {
      self->reader = jkb_reader_new (self->config, self->inbox);
      if (self->reader == NULL)
        set_no_descriptor (self, error);
    }
  return self->klass != NULL && self->reader != NULL;
}

JkbBus *
jkb_bus_new (const JkbBusConfig *config, JkbBusFrameFunc frame, JkbBusDrainedFunc drained,
             gpointer user_data, GError **error)
{
  g_autoptr (JkbBus) self = g_object_new (JKB_TYPE_BUS, NULL);
  g_autoptr (GError) problem = NULL;

  self->config = jkb_bus_config_copy (config);
  self->frame_func = frame;
  self->drained_func = drained;
  self->user_data = user_data;
  self->inbox = jkb_inbox_new ();
  if (self->inbox == NULL)
    {
      set_no_descriptor (self, error);
      return NULL;
    }
  jkb_inbox_attach (self->inbox, on_inbox_frame, on_inbox_status, on_inbox_drained, self);
  jkb_inbox_set_report_func (self->inbox, on_inbox_report);
  if (self->config->uri == NULL)
    self->config->uri = g_strdup ("");
  if (!find_transport (self, &problem))
    {
      if (self->klass != NULL)
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return NULL;
        }
      g_strlcpy (self->status.error, problem->message, sizeof self->status.error);
    }
  return g_steal_pointer (&self);
}

void
jkb_bus_start (JkbBus *self)
{
  JkbReaderReport report;

  if (self->running || !self->config->enabled)
    return;
  if (self->reader == NULL)
    {
      jkb_log (G_LOG_LEVEL_WARNING, self->config->name, NULL, "%s", self->status.error);
      return;
    }
  get_report (self, &report);
  jkb_health_start (&self->health, g_get_monotonic_time (), &report);
  self->running = TRUE;
  jkb_reader_start (self->reader);
}

void
jkb_bus_begin_stop (JkbBus *self)
{
  if (self->running)
    jkb_reader_begin_stop (self->reader);
}

void
jkb_bus_stop (JkbBus *self)
{
  if (!self->running)
    return;
  self->running = FALSE;
  jkb_reader_stop (self->reader);
  jkb_inbox_drain (self->inbox);
}

void
jkb_bus_configure (JkbBus *self, const JkbBusConfig *config)
{
  g_autoptr (GError) problem = NULL;

  jkb_bus_config_free (self->config);
  self->config = jkb_bus_config_copy (config);
  if (!config->enabled)
    jkb_bus_stop (self);
  if (find_transport (self, &problem))
    jkb_reader_configure (self->reader, self->config);
  else
    {
      jkb_bus_stop (self); /* a URI that the check of the configuration let through */
      if (self->reader == NULL)
        g_strlcpy (self->status.error, problem->message, sizeof self->status.error);
    }
  jkb_bus_start (self);
  g_signal_emit (self, signals[CHANGED], 0);
}

/* ---- capture ---- */

static gboolean
on_capture_done (int fd, GIOCondition condition, gpointer user_data)
{
  JkbBus *self = user_data;
  g_autoptr (GTask) waiting = g_steal_pointer (&self->capture_end);
  guint64 dropped = jkb_capture_get_dropped (self->capture);

  jkb_log (dropped == 0 ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING, self->config->name, NULL,
           "the capture ended: %" G_GUINT64_FORMAT " bytes written, %" G_GUINT64_FORMAT
           " dropped%s%s",
           jkb_capture_get_written (self->capture), dropped,
           jkb_capture_get_error (self->capture) != 0 ? ": " : "",
           jkb_capture_get_error (self->capture) != 0
               ? g_strerror (jkb_capture_get_error (self->capture))
               : "");
  self->capture_source = 0;
  g_clear_pointer (&self->capture, jkb_capture_unref);
  if (waiting != NULL)
    g_task_return_boolean (waiting, TRUE);
  return G_SOURCE_REMOVE;
}

gboolean
jkb_bus_start_capture (JkbBus *self, int fd, GError **error)
{
  int mode = fcntl (fd, F_GETFL);

  if (mode < 0 || (mode & O_ACCMODE) == O_RDONLY)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                         "the file cannot be written to; open it for writing");
  else if (self->capture != NULL)
    g_set_error (error, JKB_ERROR, JKB_ERROR_BUSY,
                 "a capture of bus %s is running; end it with StopCapture first",
                 self->config->name);
  else if (self->reader == NULL)
    g_set_error (error, JKB_ERROR, JKB_ERROR_OFFLINE, "%s", self->status.error);
  else
    {
      self->capture = jkb_capture_new (self->config->name, fd);
      if (self->capture == NULL)
        {
          set_no_descriptor (self, error);
          return FALSE;
        }
      self->capture_source = g_unix_fd_add (jkb_capture_get_done_fd (self->capture), G_IO_IN,
                                            on_capture_done, self);
      jkb_reader_set_capture (self->reader, self->capture);
      jkb_log (G_LOG_LEVEL_MESSAGE, self->config->name, NULL, "capturing the bus to a file");
      return TRUE;
    }
  return FALSE;
}

void
jkb_bus_stop_capture_async (JkbBus *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  if (self->capture == NULL)
    g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_NOT_FOUND,
                             "no capture of bus %s is running; begin one with StartCapture",
                             self->config->name);
  else if (self->capture_end != NULL)
    g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY,
                             "the capture of bus %s is ending already; wait", self->config->name);
  else
    {
      self->capture_end = g_object_ref (task);
      jkb_reader_set_capture (self->reader, NULL);
    }
}

gboolean
jkb_bus_stop_capture_finish (JkbBus *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
jkb_bus_end_capture (JkbBus *self)
{
  if (self->capture != NULL && self->capture_end == NULL)
    jkb_reader_set_capture (self->reader, NULL);
}

void
jkb_bus_wait_capture (JkbBus *self, int timeout_ms)
{
  if (self->capture != NULL)
    jkb_capture_wait (self->capture, timeout_ms);
}

void
jkb_bus_reconnect (JkbBus *self)
{
  if (self->running)
    jkb_reader_reconnect (self->reader);
}

/* ---- talking ---- */

void
jkb_bus_set_write_funcs (JkbBus *self, JkbBusSnapshotFunc snapshot, JkbBusProgressFunc progress,
                         JkbBusWrittenFunc written, gpointer user_data)
{
  self->snapshot_func = snapshot;
  self->progress_func = progress;
  self->written_func = written;
  self->write_data = user_data;
}

void
jkb_bus_submit (JkbBus *self, JkbWrite *write)
{
  if (!self->running)
    {
      jkb_write_abort (write, JKB_ERROR_OFFLINE, "This bus is not enabled");
      self->written_func (self, write, self->write_data);
      return;
    }
  jkb_talker_submit (jkb_reader_get_talker (self->reader), write);
  jkb_reader_wake_talker (self->reader);
}

void
jkb_bus_snapshot_saved (JkbBus *self, guint address, gboolean saved)
{
  if (!self->running)
    return;
  jkb_talker_snapshot_saved (jkb_reader_get_talker (self->reader), address, saved);
  jkb_reader_wake_talker (self->reader);
}

/* As the reader told last; the poller, which knows better, says the same when it comes to it. */
static gboolean
check_may_send (JkbBus *self, const char *listen_only, const char *other_master, GError **error)
{
  if (!self->running || self->status.state != JKB_LINK_UP)
    g_set_error (error, JKB_ERROR, JKB_ERROR_OFFLINE, "The link to bus %s is down; %s",
                 self->config->name,
                 self->config->enabled ? "see its LastError" : "it is not enabled");
  else if (self->status.role == JKB_ROLE_POLLING)
    return TRUE;
  else if (self->config->mode == JKB_MODE_LISTEN || self->klass->recorded)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_READ_ONLY, listen_only);
  else if (self->status.heard_foreign)
    g_set_error_literal (error, JKB_ERROR, JKB_ERROR_READ_ONLY, other_master);
  else
    g_set_error (error, JKB_ERROR, JKB_ERROR_BUSY,
                 "Bus %s is listened to first, for %g s or somewhat more; try again then",
                 self->config->name, self->config->listen_before_talk);
  return FALSE;
}

gboolean
jkb_bus_check_writable (JkbBus *self, GError **error)
{
  return check_may_send (self, JKB_LISTEN_ONLY_TEXT, JKB_OTHER_MASTER_TEXT, error);
}

static gboolean
check_may_ask (JkbBus *self, GError **error)
{
  return check_may_send (self, JKB_LISTEN_ONLY_ASK_TEXT, JKB_OTHER_MASTER_ASK_TEXT, error);
}

gboolean
jkb_bus_scan (JkbBus *self, GError **error)
{
  if (!check_may_ask (self, error))
    return FALSE;
  jkb_talker_scan (jkb_reader_get_talker (self->reader));
  jkb_reader_wake_talker (self->reader);
  return TRUE;
}

gboolean
jkb_bus_refresh (JkbBus *self, guint address, GError **error)
{
  if (!check_may_ask (self, error))
    return FALSE;
  jkb_talker_refresh (jkb_reader_get_talker (self->reader), address);
  jkb_reader_wake_talker (self->reader);
  return TRUE;
}

void
jkb_bus_drain (JkbBus *self)
{
  if (self->running)
    jkb_inbox_drain (self->inbox);
}

void
jkb_bus_set_due (JkbBus *self, gint64 monotonic_us)
{
  jkb_inbox_set_due (self->inbox, monotonic_us);
}

const JkbBusConfig *
jkb_bus_peek_config (JkbBus *self)
{
  return self->config;
}

const char *
jkb_bus_get_name (JkbBus *self)
{
  return self->config->name;
}

JkbLinkState
jkb_bus_get_state (JkbBus *self)
{
  return self->status.state;
}

JkbRole
jkb_bus_get_role (JkbBus *self)
{
  return self->status.role;
}

gboolean
jkb_bus_get_writable (JkbBus *self)
{
  return self->status.writable;
}

const char *
jkb_bus_get_last_error (JkbBus *self)
{
  return self->status.error;
}

void
jkb_bus_get_counters (JkbBus *self, JkbBusCounters *counters)
{
  JkbReaderReport report;

  get_report (self, &report);
  *counters = report.counters;
  counters->overruns = jkb_inbox_get_overruns (self->inbox);
}

guint
jkb_bus_get_health (JkbBus *self, gint64 monotonic_us, char **reason)
{
  gint64 timeout_us = (gint64) (self->config->no_data_timeout * G_USEC_PER_SEC);
  JkbReaderReport report;

  get_report (self, &report);
  jkb_health_note (&self->health, monotonic_us, &report);
  if (self->klass != NULL && self->klass->recorded)
    timeout_us = 0;
  return jkb_health_score (&self->health, monotonic_us, &report, self->status.state,
                           self->status.error, timeout_us, reason);
}

gint64
jkb_bus_get_reader_beat (JkbBus *self)
{
  return self->running ? jkb_reader_get_beat (self->reader) : g_get_monotonic_time ();
}

const char *
jkb_link_state_name (JkbLinkState state)
{
  static const char *const names[] = { "connecting", "up", "down" };

  return names[state];
}

const char *
jkb_role_name (JkbRole role)
{
  static const char *const names[] = { "idle", "listening", "polling", "yielding" };

  return names[role];
}
