/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the broker knows of one BMS, and what it must be told next. Main thread only.
 */
#pragma once

#include "bms/jkb-registry.h"
#include "core/jkb-config.h"
#include "mqtt/jkb-mqtt-link.h"
#include "mqtt/jkb-throttle.h"
#include "mqtt/jkb-topic.h"

G_BEGIN_DECLS

#define JKB_CHANGED_ALL ((JKB_CHANGED_URGENT << 1) - 1)

/* What all publishers use. */
typedef struct
{
  JkbMqttLink *link;
  const JkbConfig *config;
  JkbRegistry *registry;
  GString *text;     /* scratch */
  GString *document; /* scratch */
} JkbPublisherContext;

typedef struct
{
  JkbBms *bms;
  JkbBmsTopics topics;
  guint pending; /* JkbBmsChange flags that nobody acted on yet */
  gboolean dirty; /* in the list of those that have something pending */
  JkbThrottle state;
  JkbThrottle cells;
  guint settings_hash; /* of the text that was published last, 0: none */
  guint info_hash;
  guint discovery_hash;
} JkbPublisher;

JkbPublisher *jkb_publisher_new (const JkbPublisherContext *context, JkbBms *bms);
void jkb_publisher_free (JkbPublisher *self);

void jkb_publisher_availability (JkbPublisher *self, const JkbPublisherContext *context);

/* @always: FALSE: only when it is other than what was published last. */
void jkb_publisher_discovery (JkbPublisher *self, const JkbPublisherContext *context,
                              gboolean always);

/* @old: the discovery that the broker had kept from before: what is no more is removed. */
void jkb_publisher_retire (JkbPublisher *self, const JkbPublisherContext *context,
                           const char *old);

/* The settings, also when they are what was published last. */
void jkb_publisher_settings (JkbPublisher *self, const JkbPublisherContext *context);
void jkb_publisher_groups (JkbPublisher *self, const JkbPublisherContext *context, gboolean always);
void jkb_publisher_state (JkbPublisher *self, const JkbPublisherContext *context);
void jkb_publisher_cells (JkbPublisher *self, const JkbPublisherContext *context);

/* Takes every retained message of a BMS back, whether it exists or not. */
void jkb_publisher_clear (const JkbPublisherContext *context, const char *id);

/* Notes what changed. */
void jkb_publisher_mark (JkbPublisher *self, guint changes);

/**
 * jkb_publisher_act:
 * Publishes what is pending and due.
 *
 * Returns: when it wants to be called again, G_MAXINT64: nothing is pending
 */
gint64 jkb_publisher_act (JkbPublisher *self, const JkbPublisherContext *context,
                          gint64 monotonic_us);

G_END_DECLS
