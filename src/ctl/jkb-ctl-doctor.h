/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The examinations of jkbmsctl doctor: of a port that it opens itself, and of a bus that the daemon
 * has open. What they find is put into words in jkb-ctl-doctor.c. One thread; they block as long as
 * they listen.
 */
#pragma once

#include "ctl/jkb-ctl-hearing.h"
#include "ctl/jkb-ctl-model.h"
#include "ctl/jkb-ctl.h"

G_BEGIN_DECLS

typedef struct
{
  double seconds; /* to listen */
  guint baud;
  gboolean ask;   /* addresses 0 to 15, when nobody speaks */
} JkbCtlExam;

typedef struct
{
  JkbVerdict verdict;
  JkbCtlHeard heard;
  char *what;    /* the port or bus; set by the caller */
  char *detail;  /* nullable: an error text, a holder */
  char *command; /* nullable: what to type in a shell to mend it */
  char **next;   /* nullable: what to type in a shell to find out more */
} JkbCtlFinding;

void jkb_ctl_finding_clear (JkbCtlFinding *finding);

/**
 * jkb_ctl_examine_port:
 * @uri: "serial:/dev/ttyUSB0", "tcp:HOST:PORT"
 * @error: set when @uri cannot be understood; anything that is wrong with the port is a finding
 */
JkbCtlFinding jkb_ctl_examine_port (const char *uri, const JkbCtlExam *exam, GError **error);

/**
 * jkb_ctl_refused_port:
 * @reason: why it could not be opened, as a transport says it
 * @user: who wanted to open it
 * @service: the daemon, so that it must be restarted to belong to a group
 *
 * What is wrong with a port that cannot be opened.
 */
JkbCtlFinding jkb_ctl_refused_port (const char *uri, const char *reason, const char *user,
                                    gboolean service);

/* Hears what the daemon hears; without the right to that it compares the counters. */
JkbCtlFinding jkb_ctl_examine_bus (JkbCtl *ctl, const JkbCtlObject *bus, const JkbCtlExam *exam,
                                   GError **error);

G_END_DECLS
