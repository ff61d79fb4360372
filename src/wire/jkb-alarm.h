/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The alarm bits of register 0x12A0 (protocol §5.4): keys, labels and severities. Constant.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define JKB_N_ALARM_BITS 32

typedef enum
{
  JKB_SEVERITY_INFO,    /* no problem state */
  JKB_SEVERITY_WARN,
  JKB_SEVERITY_PROTECT, /* a protection is active, recovers alone */
  JKB_SEVERITY_FAULT    /* output blocked or hardware broken */
} JkbSeverity;

/* Key of a bit, "cell_overvoltage"; bits 29..31 are "bit_29" …  */
const char *jkb_alarm_key (guint bit);

/* English label of a bit, sentence case, marked for translation; NULL for bits 29..31. */
const char *jkb_alarm_label (guint bit);

JkbSeverity jkb_alarm_severity (guint bit);

/* "info", "warn", "protect", "fault" */
const char *jkb_severity_name (JkbSeverity severity);

/* The bits of @mask that raise a problem state: all but those of severity info. */
guint32 jkb_alarm_problems (guint32 mask);

G_END_DECLS
