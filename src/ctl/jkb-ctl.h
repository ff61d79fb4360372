/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * What the verbs of jkbmsctl share: the command's own settings, the table of verbs, exit codes and
 * errors. One thread.
 */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define JKB_CTL_BUS_NAME "io.github.jkbmsd1"
#define JKB_CTL_ROOT_PATH "/io/github/jkbmsd1"
#define JKB_CTL_MQTT_PATH JKB_CTL_ROOT_PATH "/mqtt"

typedef enum
{
  JKB_CTL_OK = 0,
  JKB_CTL_FAILED = 1,
  JKB_CTL_USAGE = 2,
  JKB_CTL_NOT_FOUND = 3,
  JKB_CTL_NOT_AUTHORIZED = 4,
  JKB_CTL_REFUSED = 5 /* by range or interlock */
} JkbCtlExit;

/* An error whose code is the exit code. */
#define JKB_CTL_ERROR (jkb_ctl_error_quark ())
GQuark jkb_ctl_error_quark (void);

typedef struct
{
  GBusType bus_type; /* G_BUS_TYPE_NONE: @address */
  char *address;
  gboolean no_color;
  gboolean color;    /* decided from no_color, NO_COLOR, TERM and what stdout is */
  gboolean tty;      /* stdout is a terminal */
  guint width;       /* of the terminal in columns; 0: not a terminal, lines may be long */
  GDBusConnection *connection;
} JkbCtl;

typedef struct _JkbCtlVerb JkbCtlVerb;

struct _JkbCtlVerb
{
  const char *name;      /* one or two words: "show", "bus list" */
  const char *arguments; /* for the usage line, NULL: none */
  const char *summary;   /* one line, marked for translation; NULL: not for people */
  const char *example;   /* for --help */
  int min_args, max_args; /* -1: any number */
  int (*run) (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
};

/**
 * jkb_ctl_parse:
 * @options: (nullable): the verb's own, beside the global ones
 * @argv: (inout): without the verb; what is left are its arguments
 * @status: (out): the exit code when it returns %FALSE
 *
 * Returns: %FALSE when the command ends here; the reason has been printed
 */
gboolean jkb_ctl_parse (JkbCtl *ctl, const JkbCtlVerb *verb, const GOptionEntry *options, int *argc,
                        char ***argv, int *status);

/* --system, --session, --bus-address, --no-color; they write to @ctl. */
GOptionGroup *jkb_ctl_global_options (JkbCtl *ctl);

int jkb_ctl_fail_usage (const char *message);

/* Prints "jkbmsctl: sentence" in one line to stderr. Returns: the exit code for that error. */
int jkb_ctl_fail (JkbCtl *ctl, const GError *error);

/* The exit code that belongs to an error of D-Bus, of the daemon or of JKB_CTL_ERROR. */
JkbCtlExit jkb_ctl_exit_code (const GError *error);

/* The table of verbs; in the program, not in the library. */
const JkbCtlVerb *jkb_ctl_verbs (gsize *n_verbs);

/* The groups of verbs. */
int jkb_ctl_verb_list (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_show (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_get (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_history (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_monitor (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_decode (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_top (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_health (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_bus_list (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_mqtt_show (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_forget (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_doctor (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_ports (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_set (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_settings (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_apply (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_snapshots (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_restore (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_bus_add (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_bus_set (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_bus_remove (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_bus_scan (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_mqtt_set (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_capture (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_config_show (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_config_reset (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);
int jkb_ctl_verb_complete (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv);

G_END_DECLS
