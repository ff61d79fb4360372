/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Constants of the wire and the record in which a verified frame travels (protocol §2, §4).
 */
#pragma once

#include <glib.h>

#include "wire/jkb-field.h"

G_BEGIN_DECLS

#define JKB_FRAME_SIZE 300
#define JKB_FRAME_PAYLOAD 6 /* offset of the first register */
#define JKB_FRAME_TYPE 4    /* offset of the type byte */
#define JKB_ACK_SIZE 8
#define JKB_REQUEST_SIZE 11
#define JKB_MAX_ADDRESS 15      /* the range of the DIP switches */
#define JKB_N_ADDRESSES 16

typedef enum
{
  JKB_FRAME_SETTINGS = 1,
  JKB_FRAME_LIVE = 2,
  JKB_FRAME_INFO = 3,
  JKB_FRAME_LOG = 5,
  JKB_FRAME_DETAIL_LOG = 6
} JkbFrameType;

/* Which evidence named the sender (protocol §4.1), weakest first. */
typedef enum
{
  JKB_EVIDENCE_NONE,
  JKB_EVIDENCE_NEIGHBOUR,   /* E5, probable */
  JKB_EVIDENCE_UNSOLICITED, /* E4, probable */
  JKB_EVIDENCE_REQUEST,     /* E3, probable */
  JKB_EVIDENCE_SETTINGS,    /* E2, sure */
  JKB_EVIDENCE_ACK          /* E1, sure */
} JkbEvidence;

/* "none", "neighbour", "unsolicited", "request", "settings", "ack" */
const char *jkb_evidence_name (JkbEvidence evidence);

static inline gboolean
jkb_evidence_is_sure (JkbEvidence evidence)
{
  return evidence >= JKB_EVIDENCE_SETTINGS;
}

/* "live", "settings", "info", "log", "detail_log", "unknown" */
const char *jkb_frame_type_name (guint8 type);

/* The group whose fields a frame of @type carries; JKB_N_GROUPS for the others. */
JkbGroup jkb_frame_group (guint8 type);

/**
 * JkbFrame:
 * A frame whose sum is good and whose sender is known: what a reader thread hands to the main
 * thread, by value. Secrets are wiped already.
 */
typedef struct
{
  gint64 monotonic_us; /* arrival of its last byte, CLOCK_MONOTONIC */
  gint64 realtime_us;  /* the same moment on the wall clock, µs since 1970 */
  guint32 sequence;    /* counts the frames of one bus; wraps */
  guint8 address;      /* 0..15 (16..247 valid but unusual) */
  guint8 evidence;     /* JkbEvidence */
  guint8 type;         /* JkbFrameType */
  guint8 data[JKB_FRAME_SIZE];
} JkbFrame;

G_END_DECLS
