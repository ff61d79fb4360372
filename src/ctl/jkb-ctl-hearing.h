/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What a port or bus sounds like, and what that means: the knowledge of `jkbmsctl doctor`. Bytes in,
 * a verdict out; no I/O, no clock.
 */
#pragma once

#include "wire/jkb-stream.h"

G_BEGIN_DECLS

typedef enum
{
  JKB_VERDICT_OK,
  JKB_VERDICT_NOISE,          /* many damaged frames */
  JKB_VERDICT_COLLISION,      /* two BMS have the same address */
  JKB_VERDICT_NO_ACK,         /* frames, but none says whose it is */
  JKB_VERDICT_NO_ANSWER,      /* somebody asks, nobody answers */
  JKB_VERDICT_INVERTED,       /* A and B swapped */
  JKB_VERDICT_BLUETOOTH,      /* AT commands: the port of the Bluetooth module */
  JKB_VERDICT_OTHER_MODBUS,   /* good Modbus records, but no JK BMS */
  JKB_VERDICT_MODBUS_TCP,     /* a gateway that wraps what it carries */
  JKB_VERDICT_OTHER_PROTOCOL, /* text */
  JKB_VERDICT_WRONG_SPEED,    /* bytes that make no sense */
  JKB_VERDICT_SILENCE,
  JKB_VERDICT_CLOSED,         /* the gateway hangs up */
  JKB_VERDICT_HELD,           /* another process has the port */
  JKB_VERDICT_NO_PERMISSION,
  JKB_VERDICT_NOT_THERE,      /* no such port or host */
  JKB_VERDICT_FAILED,         /* any other error of the port */
  JKB_N_VERDICTS
} JkbVerdict;

/* "ok", "noise" … : the same in every language and version. */
const char *jkb_verdict_name (JkbVerdict verdict);

typedef struct _JkbCtlHearing JkbCtlHearing;

JkbCtlHearing *jkb_ctl_hearing_new (JkbTiming timing);
void jkb_ctl_hearing_free (JkbCtlHearing *hearing);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (JkbCtlHearing, jkb_ctl_hearing_free)

void jkb_ctl_hearing_take (JkbCtlHearing *hearing, const guint8 *bytes, gsize n_bytes,
                           gint64 monotonic_us);
/* We ask @address ourselves: what comes next is its answer; -1: nobody is asked any more. */
void jkb_ctl_hearing_ask (JkbCtlHearing *hearing, int address, gint64 monotonic_us);
/* No more bytes will come. */
void jkb_ctl_hearing_end (JkbCtlHearing *hearing);

typedef struct
{
  guint64 bytes, frames, bad_frames, attributed, requests;
  guint64 skipped; /* bytes that belong to no record */
  guint good_by_address[256], bad_by_address[256]; /* bad: after a request to it */
  gboolean master;   /* a BMS at address 0 was heard */
  int collision;     /* the address, -1: none */
} JkbCtlHeard;

JkbVerdict jkb_ctl_hearing_judge (JkbCtlHearing *hearing, JkbCtlHeard *heard);

/* As jkb_ctl_hearing_judge() where only answers are among what was heard, because whoever asks does
 * not hear itself: what is no record there was an answer. */
JkbVerdict jkb_ctl_hearing_judge_answers (JkbCtlHearing *hearing, JkbCtlHeard *heard);

G_END_DECLS
