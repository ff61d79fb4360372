/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * The serial adapters of this machine, from /sys and /dev, and who holds one of them.
 */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef struct
{
  char *device;  /* "/dev/ttyUSB0" */
  char *by_id;   /* NULL: none */
  char *by_path; /* NULL: none */
  char *driver;  /* "ch341-uart"; NULL: unknown */
  char *product; /* "1a86:7523 QinHeng USB Serial"; NULL: no USB device */
  char *serial;  /* USB serial number, NULL: none */
  char *holder;  /* "jkbmsd (1234)"; NULL: nobody, or not ours to see */
  gboolean unique; /* by_id names this adapter and no other of its kind */
} JkbCtlPort;

void jkb_ctl_port_free (JkbCtlPort *port);

/**
 * jkb_ctl_ports_scan:
 * @root: "" for this machine, or a directory that holds sys/, dev/ and proc/
 *
 * Returns: (element-type JkbCtlPort) (transfer full): sorted by device
 */
GPtrArray *jkb_ctl_ports_scan (const char *root);

/**
 * jkb_ctl_port_holder:
 *
 * Returns: (nullable): "name (pid), …" of those that have @device open, as far as we may look
 */
char *jkb_ctl_port_holder (const char *root, const char *device);

G_END_DECLS
