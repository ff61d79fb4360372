/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The layered store behind a configuration: for each group and key the text of each layer and the
 * file and line that it came from. Main thread only.
 */
#pragma once

#include "core/jkb-config.h"
#include "core/jkb-options.h"

G_BEGIN_DECLS

/* The newest form of the overlay that this daemon understands. */
#define JKB_OVERLAY_NAME "overrides.conf"
#define JKB_OVERLAY_FORMAT 1
#define JKB_OVERLAY_REPLACED "replaced "
#define JKB_OVERLAY_REMOVED "removed "

/* A stored password (JKB_OPTION_STORED) replaces what the admin says with this key as well. */
#define JKB_OVERLAY_STORED_ALSO "password-credential"

typedef enum
{
  JKB_LAYER_ADMIN,   /* jkbmsd.conf and conf.d; a later file hides an earlier one */
  JKB_LAYER_OVERLAY, /* changed over D-Bus, kept in the state directory */
  JKB_N_LAYERS
} JkbLayer;

typedef struct
{
  const JkbOption *option;
  JkbLayer layer;
  char *value;
  const char *file; /* of the store */
  guint line;
} JkbConfigEntry;

typedef struct
{
  char *group; /* "bus garage" */
  JkbSection section;
  const char *name; /* "garage", inside .group; "" for sections without names */
  const char *file; /* where it was first named */
  guint line;
  JkbLayer layer;
  GPtrArray *entries[JKB_N_LAYERS]; /* (element-type JkbConfigEntry) */
} JkbConfigGroup;

JkbConfigStore *jkb_config_store_new (void);
JkbConfigStore *jkb_config_store_copy (const JkbConfigStore *store);
void jkb_config_store_free (JkbConfigStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbConfigStore, jkb_config_store_free)

/* Returns: (element-type JkbConfigGroup) (transfer none): in the order of files and lines. */
GPtrArray *jkb_config_store_get_groups (JkbConfigStore *store);

JkbConfigGroup *jkb_config_store_find_group (JkbConfigStore *store, const char *group);

/* Returns: the group, made when it is new; @file is copied once. */
JkbConfigGroup *jkb_config_store_add_group (JkbConfigStore *store, const char *group,
                                            JkbSection section, JkbLayer layer, const char *file,
                                            guint line);

void jkb_config_group_set (JkbConfigStore *store, JkbConfigGroup *group, const JkbOption *option,
                           JkbLayer layer, const char *value, const char *file, guint line);

/* Returns: (nullable): what that one layer says. */
const JkbConfigEntry *jkb_config_group_find_in (const JkbConfigGroup *group, const char *key,
                                                JkbLayer layer);

/* Returns: (nullable): what counts; %NULL: the default. */
const JkbConfigEntry *jkb_config_group_find (const JkbConfigGroup *group, const char *key);

/* Takes away what the overlay says of one key; nothing when it says nothing. */
void jkb_config_group_reset (JkbConfigGroup *group, const char *key);

/* Takes the group out; one that the admin's files have is remembered as removed. */
void jkb_config_store_remove_group (JkbConfigStore *store, JkbConfigGroup *group);

/* Brings back a group that was removed, as the admin's files have it. Returns: (nullable) */
JkbConfigGroup *jkb_config_store_restore_group (JkbConfigStore *store, const char *group);

/* Returns: (element-type JkbConfigGroup) (transfer none): the groups of the admin's files that were
 * removed at run time. */
GPtrArray *jkb_config_store_get_removed (JkbConfigStore *store);

/* What became of the overlay when it was read. */
typedef enum
{
  JKB_OVERLAY_GOOD,
  JKB_OVERLAY_STALE,    /* something in it counts no more and should be written no more */
  JKB_OVERLAY_SET_ASIDE /* nothing of it is used: damaged, or of a newer jkbmsd */
} JkbOverlayFate;

JkbOverlayFate jkb_config_store_get_fate (const JkbConfigStore *store);
void jkb_config_store_set_fate (JkbConfigStore *store, JkbOverlayFate fate);

/* Position of a file in the order of reading. */
guint jkb_config_store_rank_file (JkbConfigStore *store, const char *file);

/* @entry: (nullable): none means "default"; else "FILE:LINE" or "runtime". */
char *jkb_config_entry_describe_origin (const JkbConfigEntry *entry);

/* The structs for what the store says, without any checks. @store: (transfer full) */
JkbConfig *jkb_config_new_from_store (JkbConfigStore *store);

/**
 * jkb_config_store_load:
 *
 * Reads one file into @layer. Mistakes become @problems and leave the key as it was; in the overlay,
 * which no person writes, they are warnings.
 */
void jkb_config_store_load (JkbConfigStore *store, const char *file, gboolean required,
                            JkbLayer layer, GPtrArray *problems);

G_END_DECLS
