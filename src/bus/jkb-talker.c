/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Requests in, reports out, bytes to the port. The only place that writes to a bus.
 */
#include "bus/jkb-talker.h"

#include <string.h>

#include "core/jkb-log.h"

typedef enum
{
  REQUEST_SUBMIT,
  REQUEST_SNAPSHOT_SAVED,
  REQUEST_SCAN,
  REQUEST_REFRESH
} RequestKind;

typedef struct
{
  JkbMpscNode node;
  RequestKind kind;
  JkbWrite *write;
  gboolean saved;
  guint address;
} Request;

struct _JkbTalker
{
  /* constant */
  JkbInbox *inbox;

  /* both threads */
  JkbMpsc requests;

  /* reader thread */
  const JkbBusConfig *config;
  const JkbTransportClass *klass;
  JkbPoller *poller;
  gboolean linked;
};

/* An empty list of addresses is "auto": every one may be there, 0 only as protocol §9, 21 says. */
static JkbPollerConfig
poller_config (const JkbBusConfig *config, const JkbTransportClass *klass)
{
  double reply = config->reply_timeout == JKB_AUTO_SECONDS ? klass->reply_timeout
                                                           : config->reply_timeout;

  return (JkbPollerConfig){
    .mode = klass->recorded ? JKB_MODE_LISTEN : config->mode,
    .listen_before_talk = config->listen_before_talk,
    .command_gap = config->command_gap,
    .reply_timeout = reply,
    .baud = config->baud,
    .timing = klass->timing,
    .seed = g_random_int (),
    .schedule = { .addresses = config->address_mask,
                  .listed = g_strcmp0 (config->addresses, "auto") != 0,
                  .poll_interval = config->poll_interval,
                  .settings_interval = config->settings_interval,
                  .info_interval = config->info_interval,
                  .probe_cost = reply + config->command_gap },
  };
}

JkbTalker *
jkb_talker_new (const JkbBusConfig *config, const JkbTransportClass *klass, JkbInbox *inbox)
{
  JkbTalker *self = g_new0 (JkbTalker, 1);
  JkbPollerConfig poller = poller_config (config, klass);

  self->config = config;
  self->klass = klass;
  self->inbox = inbox;
  self->poller = jkb_poller_new (&poller);
  return self;
}

static void
request_free (Request *request)
{
  g_clear_pointer (&request->write, jkb_write_free);
  g_free (request);
}

void
jkb_talker_configure (JkbTalker *self, const JkbBusConfig *config,
                      const JkbTransportClass *klass, gint64 now_us)
{
  JkbPollerConfig poller = poller_config (config, klass);

  self->config = config;
  self->klass = klass;
  jkb_poller_configure (self->poller, &poller, now_us);
}

void
jkb_talker_free (JkbTalker *self)
{
  JkbMpscNode *node;

  if (self == NULL)
    return;
  for (node = jkb_mpsc_drain (&self->requests); node != NULL;)
    {
      JkbMpscNode *next = node->next;

      request_free ((Request *) node);
      node = next;
    }
  jkb_poller_free (self->poller);
  g_free (self);
}

/* ---- main thread ---- */

static void
push_request (JkbTalker *self, Request request)
{
  Request *node = g_memdup2 (&request, sizeof request);

  jkb_mpsc_push (&self->requests, &node->node);
}

void
jkb_talker_submit (JkbTalker *self, JkbWrite *write)
{
  push_request (self, (Request){ .kind = REQUEST_SUBMIT, .write = write });
}

void
jkb_talker_snapshot_saved (JkbTalker *self, guint address, gboolean saved)
{
  push_request (self, (Request){ .kind = REQUEST_SNAPSHOT_SAVED, .address = address,
                                 .saved = saved });
}

void
jkb_talker_scan (JkbTalker *self)
{
  push_request (self, (Request){ .kind = REQUEST_SCAN });
}

void
jkb_talker_refresh (JkbTalker *self, guint address)
{
  push_request (self, (Request){ .kind = REQUEST_REFRESH, .address = address });
}

/* ---- reader thread ---- */

static void
take_request (JkbTalker *self, Request *request, gint64 now_us)
{
  switch (request->kind)
    {
    case REQUEST_SUBMIT:
      jkb_poller_submit (self->poller, g_steal_pointer (&request->write), now_us);
      break;
    case REQUEST_SNAPSHOT_SAVED:
      jkb_poller_snapshot_saved (self->poller, request->address, request->saved, now_us);
      break;
    case REQUEST_SCAN:
      jkb_poller_scan (self->poller, now_us);
      break;
    case REQUEST_REFRESH:
      jkb_poller_refresh (self->poller, request->address, now_us);
      break;
    }
  request_free (request);
}

static void
take_requests (JkbTalker *self, gint64 now_us)
{
  JkbMpscNode *node = jkb_mpsc_drain (&self->requests);

  while (node != NULL)
    {
      JkbMpscNode *next = node->next;

      take_request (self, (Request *) node, now_us);
      node = next;
    }
}

void
jkb_talker_port_opened (JkbTalker *self, gboolean lost, gint64 now_us)
{
  if (lost || !self->linked)
    jkb_poller_set_link (self->poller, TRUE, now_us);
  else
    jkb_poller_port_reopened (self->poller, now_us);
  self->linked = TRUE;
}

void
jkb_talker_port_lost (JkbTalker *self, gint64 now_us)
{
  if (self->linked)
    jkb_poller_set_link (self->poller, FALSE, now_us);
  self->linked = FALSE;
}

void
jkb_talker_hear_bytes (JkbTalker *self, gint64 now_us)
{
  jkb_poller_hear_bytes (self->poller, now_us);
}

static void
log_role (JkbTalker *self, JkbRole before)
{
  JkbRole after = jkb_poller_get_role (self->poller);

  if (after == before)
    return;
  if (after == JKB_ROLE_POLLING)
    jkb_log (G_LOG_LEVEL_MESSAGE, self->config->name, NULL,
             "nobody else polls this bus: polling it");
  else if (after == JKB_ROLE_YIELDING)
    jkb_log (G_LOG_LEVEL_MESSAGE, self->config->name, NULL,
             "another master was heard: polling stops");
}

void
jkb_talker_take_event (JkbTalker *self, const JkbEvent *event, gint64 now_us)
{
  JkbRole before = jkb_poller_get_role (self->poller);

  jkb_poller_take_event (self->poller, event, now_us);
  log_role (self, before);
}

static void
post (JkbTalker *self, JkbReportKind kind, JkbWrite *write)
{
  JkbReport *report = g_new0 (JkbReport, 1);
  guint n_items;

  report->kind = kind;
  report->address = jkb_write_get_address (write);
  report->done = jkb_write_get_progress (write);
  jkb_write_peek_items (write, &n_items);
  report->total = n_items;
  if (kind == JKB_REPORT_SNAPSHOT)
    memcpy (report->settings, jkb_write_peek_snapshot (write), JKB_FRAME_SIZE);
  else if (kind == JKB_REPORT_WRITTEN)
    report->write = write;
  jkb_inbox_post (self->inbox, &report->node);
}

/* A command is shorter than any buffer on the way: what cannot be written at once is lost, which
 * the missing answer shows. */
static void
send_command (JkbTalker *self, JkbTransport *transport, const JkbCommand *command)
{
  self->klass->write (transport, command->bytes, command->n_bytes);
}

gboolean
jkb_talker_run (JkbTalker *self, JkbTransport *transport, gint64 now_us, gint64 *until_us)
{
  JkbRole before = jkb_poller_get_role (self->poller);

  take_requests (self, now_us);
  for (;;)
    {
      JkbCommand command;
      JkbWrite *write = NULL;

      switch (jkb_poller_next (self->poller, now_us, &command, &write, until_us))
        {
        case JKB_POLLER_NOTHING:
          log_role (self, before);
          return TRUE;
        case JKB_POLLER_REOPEN:
          return FALSE;
        case JKB_POLLER_SEND:
          send_command (self, transport, &command);
          break;
        case JKB_POLLER_SNAPSHOT:
          post (self, JKB_REPORT_SNAPSHOT, write);
          break;
        case JKB_POLLER_PROGRESS:
          post (self, JKB_REPORT_PROGRESS, write);
          break;
        case JKB_POLLER_FINISHED:
          post (self, JKB_REPORT_WRITTEN, write);
          break;
        }
    }
}

JkbRole
jkb_talker_get_role (JkbTalker *self)
{
  return jkb_poller_get_role (self->poller);
}

gboolean
jkb_talker_heard_foreign (JkbTalker *self)
{
  return jkb_poller_heard_foreign (self->poller);
}
