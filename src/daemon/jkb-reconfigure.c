/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The queue of changes, and what one change does to the parts of the daemon. Main thread, but for
 * writer_thread(): one that lives as long as a change is written.
 */
#include "daemon/jkb-reconfigure.h"

#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/jkb-config-edit.h"
#include "core/jkb-error.h"
#include "core/jkb-forms.h"
#include "core/jkb-log.h"
#include "core/jkb-options.h"
#include "core/jkb-watchdog.h"
#include "daemon/jkb-daemon-private.h"
#include "daemon/jkb-writer.h"
#include "history/jkb-history.h"

#define MAX_WAITING 64
#define MAX_PASSWORD 4096

typedef enum
{
  JOB_SET,
  JOB_RESET,
  JOB_ADD_BUS,
  JOB_REMOVE_BUS,
  JOB_PASSWORD,
  JOB_RELOAD,
  JOB_TIDY
} JobKind;

/* The task data of one change. */
typedef struct
{
  JobKind kind;
  char *group; /* of a bus: its name alone */
  char *key;
  char *text; /* of a password: wiped in the end */
  char **options;
  JkbConfig *config;    /* NULL: as it is */
  GPtrArray *new_buses; /* that come with it (element-type JkbBus); NULL: none */
} Job;

/* What the writing thread gets, and what comes of it. */
typedef struct
{
  char *state_dir;
  char *overlay;
  gboolean set_aside;
  char *password;           /* NULL: leave it */
  gboolean forget_password; /* it counts no more */
  int done_fd;
  GError *error; /* NULL: it is written */
} Change;

struct _JkbReconfigure
{
  JkbDaemon *daemon;
  char *state_dir;
  GQueue waiting; /* (element-type GTask) */
  GTask *running; /* NULL: none */
  GThread *writer; /* of the running one; NULL: none */
  Change *change;
  int done_fd; /* readable: it has been written */
  guint done_source;
  gboolean stopping;
};

static void
wipe (char *text)
{
  if (text != NULL)
    explicit_bzero (text, strlen (text));
  g_free (text);
}

static void
job_free (Job *job)
{
  g_free (job->group);
  g_free (job->key);
  wipe (job->text);
  g_strfreev (job->options);
  g_clear_pointer (&job->new_buses, g_ptr_array_unref);
  jkb_config_free (job->config);
  g_free (job);
}

static void
change_free (Change *change)
{
  g_free (change->state_dir);
  g_free (change->overlay);
  wipe (change->password);
  g_free (change);
}

/* ---- the new configuration ---- */

static gboolean
check_not_writing (JkbReconfigure *self, const char *bus, GError **error)
{
  if (!jkb_writer_is_writing (jkb_daemon_get_writer (self->daemon), bus))
    return TRUE;
  g_set_error (error, JKB_ERROR, JKB_ERROR_BUSY,
               "settings of a BMS on bus %s are being written; try again in some seconds", bus);
  return FALSE;
}

/* Changes that would cut off a write of settings have to wait. */
static gboolean
check_bus_is_free (JkbReconfigure *self, const Job *job, GError **error)
{
  static const char *const hard[] = { "uri", "baud", "mode", "enabled", "addresses", "", NULL };

  if (job->kind == JOB_REMOVE_BUS)
    return check_not_writing (self, job->group, error);
  if ((job->kind == JOB_SET || job->kind == JOB_RESET) && g_str_has_prefix (job->group, "bus ")
      && g_strv_contains (hard, job->key))
    return check_not_writing (self, job->group + strlen ("bus "), error);
  return TRUE;
}

static gboolean
edit_new_bus (JkbConfigEdit *edit, const Job *job, GError **error)
{
  g_autofree char *group = g_strconcat ("bus ", job->group, NULL);

  if (!jkb_config_edit_add_bus (edit, job->group, error)
      || !jkb_config_edit_set (edit, group, "uri", job->text, error))
    return FALSE;
  for (char **option = job->options; *option != NULL; option += 2)
    if (!jkb_config_edit_set (edit, group, option[0], option[1], error))
      return FALSE;
  return TRUE;
}

static gboolean
edit_password (JkbReconfigure *self, JkbConfigEdit *edit, const Job *job, GError **error)
{
  g_autofree char *path = NULL;

  if (job->text[0] == '\0')
    return jkb_config_edit_reset (edit, "mqtt", "password-file", error);
  if (strlen (job->text) > MAX_PASSWORD || strpbrk (job->text, "\r\n") != NULL)
    {
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT,
                           "the password is longer than 4096 bytes or holds a line break; give the "
                           "password alone");
      return FALSE;
    }
  if (self->state_dir == NULL)
    {
      g_set_error_literal (error, JKB_ERROR, JKB_ERROR_IO,
                           "there is no state directory to keep the password in");
      return FALSE;
    }
  path = jkb_password_store_path (self->state_dir);
  jkb_config_edit_set_password_file (edit, path);
  return TRUE;
}

static JkbConfig *
edit_config (JkbReconfigure *self, const Job *job, GError **error)
{
  g_autoptr (JkbConfigEdit) edit = jkb_config_edit_new (jkb_daemon_peek_config (self->daemon));
  gboolean good = FALSE;

  if (job->kind == JOB_SET)
    good = jkb_config_edit_set (edit, job->group, job->key, job->text, error);
  else if (job->kind == JOB_RESET)
    good = jkb_config_edit_reset (edit, job->group, job->key, error);
  else if (job->kind == JOB_ADD_BUS)
    good = edit_new_bus (edit, job, error);
  else if (job->kind == JOB_REMOVE_BUS)
    good = jkb_config_edit_remove_bus (edit, job->group, error);
  else if (job->kind == JOB_PASSWORD)
    good = edit_password (self, edit, job, error);
  return good ? jkb_config_edit_finish (edit, error) : NULL;
}

/* Every mistake into the log, and the errors into one message. */
static JkbConfig *
load_config (JkbReconfigure *self, GError **error)
{
  const JkbDaemonOptions *options = jkb_daemon_peek_options (self->daemon);
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);
  g_autoptr (GString) message = g_string_new ("the configuration stays as it was:");
  g_autoptr (JkbConfig) config = jkb_config_load (options->config_file, options->config_required,
                                                  options->state_dir, problems);

  for (guint i = 0; i < problems->len; i++)
    {
      const JkbProblem *problem = g_ptr_array_index (problems, i);
      g_autofree char *text = jkb_problem_to_string (problem);

      jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "%s", text);
      if (problem->level == JKB_PROBLEM_ERROR)
        g_string_append_printf (message, "\n%s", text);
    }
  if (!jkb_problems_have_error (problems))
    return g_steal_pointer (&config);
  jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
           "the configuration was not reloaded; correct the mistakes and reload again");
  g_set_error_literal (error, JKB_ERROR, JKB_ERROR_INVALID_ARGUMENT, message->str);
  return NULL;
}

/* Beforehand: what they need may not be had, and then nothing changes. */
static gboolean
make_new_buses (JkbReconfigure *self, Job *job, GError **error)
{
  job->new_buses = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < job->config->buses->len; i++)
    {
      const JkbBusConfig *wanted = g_ptr_array_index (job->config->buses, i);
      JkbBus *bus;

      if (jkb_daemon_find_bus (self->daemon, wanted->name) != NULL)
        continue;
      bus = jkb_daemon_make_bus (self->daemon, wanted, job->new_buses->len, error);
      if (bus == NULL)
        return FALSE;
      g_ptr_array_add (job->new_buses, bus);
    }
  return TRUE;
}

/* ---- applying ---- */

static void
follow_buses (JkbDaemon *daemon, const JkbConfig *config)
{
  GPtrArray *buses = jkb_daemon_list_buses (daemon);

  for (guint i = buses->len; i > 0; i--)
    {
      JkbBus *bus = g_ptr_array_index (buses, i - 1);
      const JkbBusConfig *wanted = jkb_config_find_bus (config, jkb_bus_get_name (bus));

      if (wanted == NULL)
        jkb_daemon_remove_bus (daemon, bus);
      else if (!jkb_section_equal (JKB_SECTION_BUS, wanted, jkb_bus_peek_config (bus)))
        jkb_bus_configure (bus, wanted);
    }
}

/* What goes is told by the old configuration, what comes by the new one. @config: (transfer full).
 * @new_buses: (nullable) */
static void
apply_config (JkbReconfigure *self, JkbConfig *config, GPtrArray *new_buses)
{
  JkbDaemon *daemon = self->daemon;
  g_autoptr (JkbConfig) old = jkb_daemon_swap_config (daemon, config);

  follow_buses (daemon, config);
  jkb_registry_configure (jkb_daemon_get_registry (daemon), config);
  for (guint i = 0; new_buses != NULL && i < new_buses->len; i++)
    jkb_daemon_add_bus (daemon, g_ptr_array_index (new_buses, i));
  jkb_history_configure (jkb_daemon_get_history (daemon), &config->history);
  jkb_mqtt_reconfigure (jkb_daemon_get_mqtt (daemon));
  if (!g_str_equal (old->daemon.log_level, config->daemon.log_level))
    jkb_log_set_level (config->daemon.log_level);
  jkb_daemon_tell_configured (daemon);
}

static void
log_change (const Job *job)
{
  const GLogLevelFlags level = G_LOG_LEVEL_MESSAGE;
  g_autofree char *shown = NULL;

  switch (job->kind)
    {
    case JOB_SET:
      shown = jkb_form_show (job->text);
      jkb_log (level, NULL, NULL, "[%s] %s=%s from now on", job->group, job->key, shown);
      break;
    case JOB_RESET:
      jkb_log (level, NULL, NULL, "%s%s%s as in the configuration files from now on",
               job->group[0] != '\0' ? job->group : "everything", job->key[0] != '\0' ? ": " : "",
               job->key);
      break;
    case JOB_ADD_BUS:
      shown = jkb_form_show (job->text);
      jkb_log (level, job->group, NULL, "bus added: %s", shown);
      break;
    case JOB_REMOVE_BUS:
      jkb_log (level, job->group, NULL, "bus removed");
      break;
    case JOB_PASSWORD:
      jkb_log (level, NULL, NULL, "the broker's password was %s",
               job->text[0] != '\0' ? "stored" : "removed");
      break;
    case JOB_RELOAD:
      jkb_log (level, NULL, NULL, "configuration reloaded");
      break;
    case JOB_TIDY:
      break;
    }
}

static void
apply_job (JkbReconfigure *self, Job *job)
{
  JkbConfig *config = g_steal_pointer (&job->config);

  log_change (job);
  if (config == NULL)
    return;
  apply_config (self, config, job->new_buses);
  jkb_overlay_note_written (config);
  /* The command line may have said otherwise; and a password is read when connecting. */
  if (job->kind == JOB_SET && g_strcmp0 (job->key, "log-level") == 0)
    jkb_log_set_level (config->daemon.log_level);
  if (job->kind == JOB_PASSWORD)
    jkb_mqtt_reconnect (jkb_daemon_get_mqtt (self->daemon));
}

/* ---- the queue ---- */

static void begin_next (JkbReconfigure *self);

static void
notify_reloaded (JkbReconfigure *self)
{
  g_autofree char *status = jkb_daemon_describe (self->daemon);

  jkb_notify_ready (status);
}

/* @error: (transfer full) (nullable) */
static void
end_job (JkbReconfigure *self, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->running);
  Job *job = g_task_get_task_data (task);

  if (error == NULL && !self->stopping)
    apply_job (self, job);
  if (job->kind == JOB_RELOAD && !self->stopping)
    notify_reloaded (self);
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

/* The password is there before the overlay names it, and goes after that. */
static gpointer
writer_thread (gpointer data)
{
  Change *change = data;

  if ((change->password == NULL
       || jkb_password_store_write (change->state_dir, change->password, &change->error))
      && jkb_overlay_write (change->state_dir, change->overlay, change->set_aside, &change->error)
      && change->forget_password)
    jkb_password_store_remove (change->state_dir);
  eventfd_write (change->done_fd, 1);
  return NULL;
}

static gboolean
on_written (int fd, GIOCondition condition, gpointer user_data)
{
  JkbReconfigure *self = user_data;
  GError *error = NULL;
  eventfd_t count;

  eventfd_read (fd, &count);
  g_thread_join (g_steal_pointer (&self->writer));
  error = g_steal_pointer (&self->change->error);
  g_clear_pointer (&self->change, change_free);
  end_job (self, error);
  begin_next (self);
  return G_SOURCE_CONTINUE;
}

/* Returns: (nullable): what is to be written; NULL: nothing on the disk changes. */
static Change *
make_change (JkbReconfigure *self, const Job *job)
{
  const JkbConfig *before = jkb_daemon_peek_config (self->daemon);
  const JkbConfig *config = job->config != NULL ? job->config : before;
  g_autofree char *overlay = jkb_overlay_to_text (config);
  g_autofree char *old_overlay = jkb_overlay_to_text (before);
  gboolean new_password = job->kind == JOB_PASSWORD && job->text[0] != '\0';
  g_autofree char *stored = NULL;
  Change *change;

  if (self->state_dir == NULL
      || (g_str_equal (overlay, old_overlay) && !jkb_overlay_is_stale (config) && !new_password))
    return NULL;
  stored = jkb_password_store_path (self->state_dir);
  change = g_new0 (Change, 1);
  change->state_dir = g_strdup (self->state_dir);
  change->overlay = g_steal_pointer (&overlay);
  change->set_aside = jkb_overlay_is_set_aside (config);
  change->password = new_password ? g_strdup (job->text) : NULL;
  change->forget_password = !g_str_equal (config->mqtt.password_file, stored);
  change->done_fd = self->done_fd;
  return change;
}

static GError *
prepare_reload (JkbReconfigure *self, Job *job)
{
  GError *error = NULL;

  jkb_notify_reloading (g_get_monotonic_time ());
  job->config = load_config (self, &error);
  if (job->config != NULL && !make_new_buses (self, job, &error))
    jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL, "the configuration was not reloaded: %s",
             error->message);
  return error;
}

static GError *
prepare (JkbReconfigure *self, Job *job)
{
  GError *error = NULL;

  if (!check_bus_is_free (self, job, &error) || job->kind == JOB_TIDY)
    return error;
  if (job->kind == JOB_RELOAD)
    return prepare_reload (self, job);
  job->config = edit_config (self, job, &error);
  /* No other change brings a bus, nor fails for one that could not be made before. */
  if (job->config != NULL && (job->kind == JOB_ADD_BUS || job->kind == JOB_RESET))
    make_new_buses (self, job, &error);
  return error;
}

static void
begin_next (JkbReconfigure *self)
{
  while (self->running == NULL && !g_queue_is_empty (&self->waiting))
    {
      Job *job;
      GError *error;

      self->running = g_queue_pop_head (&self->waiting);
      job = g_task_get_task_data (self->running);
      error = prepare (self, job);
      self->change = error == NULL ? make_change (self, job) : NULL;
      if (self->change == NULL)
        end_job (self, error);
      else
        self->writer = g_thread_new ("jkb-config", writer_thread, self->change);
    }
}

static void
submit (JkbReconfigure *self, const Job *copied, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, NULL, callback, user_data);

  g_task_set_task_data (task, g_memdup2 (copied, sizeof *copied), (GDestroyNotify) job_free);
  if (self->stopping || self->waiting.length >= MAX_WAITING)
    {
      g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY, "%s",
                               self->stopping ? "jkbmsd is stopping; try again when it runs"
                                              : "too many changes wait; try again in some seconds");
      g_object_unref (task);
      return;
    }
  g_queue_push_tail (&self->waiting, task);
  begin_next (self);
}

/* ---- public ---- */

JkbReconfigure *
jkb_reconfigure_new (JkbDaemon *daemon, const char *state_dir)
{
  JkbReconfigure *self = g_new0 (JkbReconfigure, 1);

  self->daemon = daemon;
  self->state_dir = g_strdup (state_dir);
  self->done_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (self->done_fd < 0)
    g_error ("cannot create an eventfd: %s", g_strerror (errno));
  self->done_source = g_unix_fd_add (self->done_fd, G_IO_IN, on_written, self);
  return self;
}

void
jkb_reconfigure_free (JkbReconfigure *self)
{
  g_source_remove (self->done_source);
  if (self->change == NULL) /* else a thread that hangs has it */
    close (self->done_fd);
  g_free (self->state_dir);
  g_free (self);
}

void
jkb_reconfigure_tidy (JkbReconfigure *self)
{
  if (self->state_dir == NULL)
    return;
  jkb_overlay_clean (self->state_dir);
  if (jkb_overlay_is_stale (jkb_daemon_peek_config (self->daemon)))
    submit (self, &(Job){ .kind = JOB_TIDY }, NULL, NULL);
}

static gboolean
wait_written (JkbReconfigure *self, gint64 until_us)
{
  struct pollfd fd = { .fd = self->done_fd, .events = POLLIN };
  gint64 left_us = MAX (until_us - g_get_monotonic_time (), 0);

  return poll (&fd, 1, (int) (left_us / 1000)) > 0;
}

/* The change that is being written is told to its caller if the disk is quick. */
void
jkb_reconfigure_stop (JkbReconfigure *self, gint64 until_us)
{
  GTask *task;

  self->stopping = TRUE;
  while ((task = g_queue_pop_head (&self->waiting)) != NULL)
    {
      g_task_return_new_error (task, JKB_ERROR, JKB_ERROR_BUSY,
                               "jkbmsd is stopping; try again when it runs");
      g_object_unref (task);
    }
  while (self->running != NULL && wait_written (self, until_us))
    g_main_context_iteration (NULL, FALSE);
}

/* The thread keeps what it works with when it hangs; the process ends before it. */
void
jkb_reconfigure_close (JkbReconfigure *self, gint64 until_us)
{
  if (self->running == NULL)
    return;
  if (wait_written (self, until_us))
    {
      on_written (self->done_fd, G_IO_IN, self);
      return;
    }
  jkb_log (G_LOG_LEVEL_WARNING, NULL, NULL,
           "%s: a change of the configuration could not be written in time", self->state_dir);
  g_clear_pointer (&self->writer, g_thread_unref);
  g_task_return_new_error (self->running, JKB_ERROR, JKB_ERROR_IO,
                           "the change could not be written in time");
  g_clear_object (&self->running);
}

void
jkb_reconfigure_set_async (JkbReconfigure *self, const char *group, const char *key,
                           const char *text, GAsyncReadyCallback callback, gpointer user_data)
{
  submit (self,
          &(Job){ .kind = JOB_SET,
                  .group = g_strdup (group),
                  .key = g_strdup (key),
                  .text = g_strdup (text) },
          callback, user_data);
}

void
jkb_reconfigure_reset_async (JkbReconfigure *self, const char *group, const char *key,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  submit (self,
          &(Job){ .kind = JOB_RESET, .group = g_strdup (group), .key = g_strdup (key) },
          callback, user_data);
}

void
jkb_reconfigure_add_bus_async (JkbReconfigure *self, const char *name, const char *uri,
                               const char *const *options, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  submit (self,
          &(Job){ .kind = JOB_ADD_BUS,
                  .group = g_strdup (name),
                  .text = g_strdup (uri),
                  .options = g_strdupv ((char **) options) },
          callback, user_data);
}

void
jkb_reconfigure_remove_bus_async (JkbReconfigure *self, const char *name,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  submit (self, &(Job){ .kind = JOB_REMOVE_BUS, .group = g_strdup (name) }, callback, user_data);
}

void
jkb_reconfigure_set_password_async (JkbReconfigure *self, const char *password,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  submit (self, &(Job){ .kind = JOB_PASSWORD, .text = g_strdup (password) }, callback, user_data);
}

void
jkb_reconfigure_reload_async (JkbReconfigure *self, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  submit (self, &(Job){ .kind = JOB_RELOAD }, callback, user_data);
}

gboolean
jkb_reconfigure_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
