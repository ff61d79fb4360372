/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the parts behind the wire cost: a hop over a queue, a frame through the registry, its D-Bus
 * properties, its text, a discovery document. Prints the best of several rounds in nanoseconds;
 * judges nothing.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bms/jkb-registry.h"
#include "core/jkb-config.h"
#include "dbus/jkb-table-skeleton.h"
#include "mqtt/jkb-homeassistant.h"
#include "queue/jkb-mpsc.h"
#include "queue/jkb-newest.h"
#include "queue/jkb-spsc.h"
#include "wire/jkb-text.h"

#define N_ROUNDS 9

typedef void (*Part) (guint n);

static JkbSpsc *ring;
static JkbNewest newest;
static JkbMpsc list;
static JkbRegistry *registry;
static JkbFrame frame;
static JkbSkeleton *telemetry;
static JkbConfig *config;
static GString *text;

static void
put32 (guint8 *at, guint32 value)
{
  for (guint i = 0; i < 4; i++)
    at[i] = value >> (8 * i) & 0xff;
}

static void
fill_frame (void)
{
  frame = (JkbFrame){ .address = 1, .evidence = JKB_EVIDENCE_ACK, .type = JKB_FRAME_LIVE };
  memcpy (frame.data, "\x55\xaa\xeb\x90\x02", 5);
  for (guint cell = 0; cell < 16; cell++)
    {
      frame.data[6 + 2 * cell] = (3300 + cell) & 0xff;
      frame.data[7 + 2 * cell] = (3300 + cell) >> 8;
      frame.data[80 + 2 * cell] = 60;
    }
  put32 (frame.data + 70, 0xffff);
  put32 (frame.data + 150, 52920);
  put32 (frame.data + 158, 12345);
  put32 (frame.data + 174, 160000);
  put32 (frame.data + 178, 314000);
  frame.data[173] = 51;
  frame.data[214] = 0xff;
}

static void
hop_ring (guint n)
{
  JkbFrame taken;

  for (guint i = 0; i < n; i++)
    {
      jkb_spsc_push (ring, &frame);
      jkb_spsc_pop (ring, &taken);
    }
}

static void
hop_newest (guint n)
{
  for (guint i = 0; i < n; i++)
    {
      memcpy (jkb_newest_back (&newest), &frame, sizeof frame);
      jkb_newest_publish (&newest);
      jkb_newest_take (&newest);
    }
}

static void
hop_list (guint n)
{
  static JkbMpscNode node;

  for (guint i = 0; i < n; i++)
    {
      jkb_mpsc_push (&list, &node);
      jkb_mpsc_drain (&list);
    }
}

static void
feed_registry (guint n)
{
  for (guint i = 0; i < n; i++)
    {
      frame.monotonic_us += 1000;
      frame.data[158] = (frame.data[158] + 1) & 0x7f;
      jkb_registry_feed (registry, "b0", &frame);
      jkb_registry_flush (registry);
    }
}

static void
format_state (guint n)
{
  JkbBms *bms = jkb_registry_find (registry, "b0_1");
  const JkbValues *values = jkb_bms_peek_values (bms, JKB_GROUP_LIVE);

  for (guint i = 0; i < n; i++)
    {
      g_string_assign (text, "{");
      for (JkbFieldId id = 0; id < JKB_FIRST_SETTING; id++)
        if (jkb_fields[id].kind != JKB_KIND_LIST)
          jkb_text_append_member (text, values, id);
      g_string_append_c (text, '}');
    }
}

static const JkbValues *
peek_values (gpointer bms, JkbGroup group)
{
  return jkb_bms_peek_values (bms, group);
}

/* What changed is made into a PropertiesChanged that nobody gets. */
static void
announce_properties (guint n)
{
  for (guint i = 0; i < n; i++)
    {
      feed_registry (1);
      jkb_skeleton_announce (telemetry);
    }
}

static void
describe_bms (guint n)
{
  JkbBms *bms = jkb_registry_find (registry, "b0_1");

  for (guint i = 0; i < n; i++)
    jkb_ha_bms_document (text, config, registry, bms, NULL);
}

static void
measure (const char *name, Part part, guint n)
{
  gint64 best_ns = G_MAXINT64;

  part (n / 10 + 3);
  for (guint round = 0; round < N_ROUNDS; round++)
    {
      gint64 start_us = g_get_monotonic_time ();

      part (n);
      best_ns = MIN (best_ns, (g_get_monotonic_time () - start_us) * 1000);
    }
  printf ("%-44s %8.0f ns\n", name, (double) best_ns / n);
}

static JkbConfig *
default_config (void)
{
  g_autoptr (GPtrArray) problems
      = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_problem_free);

  return jkb_config_load ("/nonexistent", FALSE, NULL, problems);
}

int
main (void)
{
  fill_frame ();
  ring = aligned_alloc (_Alignof (JkbSpsc), sizeof *ring);
  jkb_spsc_init (ring, 64, sizeof (JkbFrame));
  jkb_newest_init (&newest, sizeof (JkbFrame));
  registry = jkb_registry_new (NULL);
  text = g_string_new (NULL);
  config = default_config ();

  measure ("a frame over the ring", hop_ring, 200000);
  measure ("a frame over a newest-wins slot", hop_newest, 200000);
  measure ("a node over the list", hop_list, 1000000);
  measure ("a live frame through the registry", feed_registry, 100000);
  telemetry = jkb_table_skeleton_new (JKB_GROUP_LIVE, peek_values,
                                      G_OBJECT (jkb_registry_find (registry, "b0_1")));
  measure ("the same, and its D-Bus properties", announce_properties, 20000);
  measure ("text of a state", format_state, 50000);
  measure ("discovery of a BMS", describe_bms, 500);

  jkb_spsc_clear (ring);
  free (ring);
  jkb_newest_clear (&newest);
  g_object_unref (telemetry);
  g_object_unref (registry);
  jkb_config_free (config);
  g_string_free (text, TRUE);
  return 0;
}
