/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * jkbmsctl ports: serial adapters with the names that stay. Reads only; needs no rights.
 */
#include "config.h"

#include "ctl/jkb-ctl-ports.h"

#include <glib/gi18n.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/jkb-ctl-json.h"
#include "ctl/jkb-ctl-print.h"

#define LABEL_WIDTH 10

void
jkb_ctl_port_free (JkbCtlPort *port)
{
  g_free (port->device);
  g_free (port->by_id);
  g_free (port->by_path);
  g_free (port->driver);
  g_free (port->product);
  g_free (port->serial);
  g_free (port->holder);
  g_free (port);
}

static char *
read_line (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NULL;
  return g_strstrip (text);
}

static char *
real_path (const char *path)
{
  char buffer[PATH_MAX];

  return realpath (path, buffer) != NULL ? g_strdup (buffer) : NULL;
}

static char *
base_of_link (const char *directory, const char *name)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);
  g_autofree char *target = real_path (path);

  return target != NULL ? g_path_get_basename (target) : NULL;
}

/* The link in dev/serial/WHAT that leads to @device. */
static char *
find_link (const char *root, const char *what, const char *device)
{
  g_autofree char *directory = g_strconcat (root, "/dev/serial/", what, NULL);
  g_autofree char *wanted = g_path_get_basename (device);
  g_autoptr(GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);
      g_autofree char *target = g_file_read_link (path, NULL);
      g_autofree char *base = target != NULL ? g_path_get_basename (target) : NULL;

      if (g_strcmp0 (base, wanted) == 0)
        return g_strconcat ("/dev/serial/", what, "/", name, NULL);
    }
  return NULL;
}

/* The USB device is one of the parents of the port's own directory. */
static void
read_usb (JkbCtlPort *port, const char *sys_device)
{
  g_autofree char *at = real_path (sys_device);

  for (int depth = 0; at != NULL && depth < 6; depth++)
    {
      g_autofree char *vendor = read_line (at, "idVendor");
      g_autofree char *product = read_line (at, "idProduct");
      char *parent;

      if (vendor != NULL && product != NULL)
        {
          g_autofree char *maker = read_line (at, "manufacturer");
          g_autofree char *name = read_line (at, "product");

          port->serial = read_line (at, "serial");
          port->product
            = g_strdup_printf ("%s:%s%s%s%s%s", vendor, product, maker != NULL ? " " : "",
                               maker != NULL ? maker : "", name != NULL ? " " : "",
                               name != NULL ? name : "");
          return;
        }
      parent = g_path_get_dirname (at);
      g_free (at);
      at = parent;
    }
}

static JkbCtlPort *
read_port (const char *root, const char *name)
{
  g_autofree char *sys = g_strconcat (root, "/sys/class/tty/", name, NULL);
  g_autofree char *sys_device = g_build_filename (sys, "device", NULL);
  g_autofree char *type = read_line (sys, "type");
  JkbCtlPort *port;

  /* No device: a console. Type 0: a port of a chip that is not there. */
  if (!g_file_test (sys_device, G_FILE_TEST_EXISTS) || g_strcmp0 (type, "0") == 0)
    return NULL;
  port = g_new0 (JkbCtlPort, 1);
  port->device = g_strconcat ("/dev/", name, NULL);
  port->driver = base_of_link (sys_device, "driver");
  port->by_id = find_link (root, "by-id", port->device);
  port->by_path = find_link (root, "by-path", port->device);
  port->holder = jkb_ctl_port_holder (root, port->device);
  read_usb (port, sys_device);
  return port;
}

/* Two adapters without a serial number share their by-id name: whoever came last has it. */
static gboolean
is_unique (const GPtrArray *ports, const JkbCtlPort *port)
{
  if (port->by_id == NULL)
    return FALSE;
  for (guint i = 0; i < ports->len; i++)
    {
      const JkbCtlPort *other = ports->pdata[i];

      if (other != port && g_strcmp0 (other->product, port->product) == 0
          && g_strcmp0 (other->serial, port->serial) == 0 && other->by_id == NULL)
        return FALSE;
    }
  return port->serial != NULL && *port->serial != '\0';
}

static int
compare_ports (gconstpointer a, gconstpointer b)
{
  return strcmp ((*(JkbCtlPort *const *) a)->device, (*(JkbCtlPort *const *) b)->device);
}

GPtrArray *
jkb_ctl_ports_scan (const char *root)
{
  GPtrArray *ports = g_ptr_array_new_with_free_func ((GDestroyNotify) jkb_ctl_port_free);
  g_autofree char *directory = g_strconcat (root, "/sys/class/tty", NULL);
  g_autoptr(GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      JkbCtlPort *port = read_port (root, name);

      if (port != NULL)
        g_ptr_array_add (ports, port);
    }
  g_ptr_array_sort (ports, compare_ports);
  for (guint i = 0; i < ports->len; i++)
    ((JkbCtlPort *) ports->pdata[i])->unique = is_unique (ports, ports->pdata[i]);
  return ports;
}

static gboolean
process_has (const char *process, const char *target)
{
  g_autofree char *directory = g_build_filename (process, "fd", NULL);
  g_autoptr(GDir) dir = g_dir_open (directory, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (directory, name, NULL);
      g_autofree char *open_file = g_file_read_link (path, NULL);

      if (g_strcmp0 (open_file, target) == 0)
        return TRUE;
    }
  return FALSE;
}

char *
jkb_ctl_port_holder (const char *root, const char *device)
{
  g_autofree char *processes = g_strconcat (root, "/proc", NULL);
  g_autofree char *target = *root == '\0' ? real_path (device) : g_strdup (device);
  g_autoptr(GDir) dir = g_dir_open (processes, 0, NULL);
  g_autoptr(GString) holders = g_string_new (NULL);
  const char *name;

  while (dir != NULL && target != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *process = g_build_filename (processes, name, NULL);
      g_autofree char *command = NULL;
      guint64 pid;

      if (!g_ascii_string_to_unsigned (name, 10, 1, G_MAXINT, &pid, NULL)
          || pid == (guint64) getpid () || !process_has (process, target))
        continue;
      command = read_line (process, "comm");
      g_string_append_printf (holders, "%s%s (%s)", holders->len > 0 ? ", " : "",
                              command != NULL ? command : "?", name);
    }
  return holders->len > 0 ? g_strdup (holders->str) : NULL;
}

/* ---- the verb ----------------------------------------------------------------------------- */

static void
print_json (const GPtrArray *ports)
{
  g_autoptr(GString) out = g_string_new ("[");

  for (guint i = 0; i < ports->len; i++)
    {
      const JkbCtlPort *port = ports->pdata[i];

      g_string_append (out, i > 0 ? ",{" : "{");
      jkb_ctl_json_text (out, "device", port->device);
      jkb_ctl_json_text (out, "by_id", port->by_id);
      jkb_ctl_json_text (out, "by_path", port->by_path);
      jkb_ctl_json_text (out, "driver", port->driver);
      jkb_ctl_json_text (out, "product", port->product);
      jkb_ctl_json_text (out, "serial_number", port->serial);
      jkb_ctl_json_text (out, "holder", port->holder);
      jkb_ctl_json_bool (out, "unique", port->unique);
      g_string_append_c (out, '}');
    }
  printf ("%s]\n", out->str);
}

static void
print_detail (const char *label, const char *text)
{
  g_autofree char *safe = text != NULL ? jkb_ctl_text_safe (text) : NULL;

  g_autoptr(GString) head = g_string_new (NULL);

  if (safe == NULL)
    return;
  jkb_ctl_text_pad (head, label, LABEL_WIDTH, FALSE, FALSE);
  g_print ("  %s%s\n", head->str, safe);
}

static void
print_port (const JkbCtl *ctl, const JkbCtlPort *port)
{
  const char *best = port->unique || port->by_path == NULL ? port->by_id : port->by_path;
  g_autofree char *uri = g_strconcat ("uri=serial:", best != NULL ? best : port->device, NULL);

  g_print ("%s%s%s\n", jkb_ctl_style_on (ctl, JKB_CTL_BOLD), port->device,
           jkb_ctl_style_off (ctl, JKB_CTL_BOLD));
  /* Translators: these labels have 9 columns: adapter, driver, note, held by, use */
  print_detail (_("adapter"), port->product);
  print_detail (_("driver"), port->driver);
  print_detail ("by-id", port->by_id);
  print_detail ("by-path", port->by_path);
  if (port->by_id != NULL && !port->unique)
    print_detail (_("note"), _("no serial number of its own: a second one of this kind would get "
                               "the same by-id name"));
  print_detail (_("held by"), port->holder);
  /* Translators: in front of what is to be written into the configuration */
  print_detail (_("use"), uri);
}

int
jkb_ctl_verb_ports (JkbCtl *ctl, const JkbCtlVerb *verb, int argc, char **argv)
{
  gboolean json = FALSE;
  char *root = NULL;
  const GOptionEntry options[]
    = { { "json", 0, 0, G_OPTION_ARG_NONE, &json, N_("Print JSON"), NULL },
        { "root", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &root, NULL, NULL },
        { NULL } };
  g_autoptr(GPtrArray) ports = NULL;
  int status;

  if (!jkb_ctl_parse (ctl, verb, options, &argc, &argv, &status))
    return status;
  ports = jkb_ctl_ports_scan (root != NULL ? root : "");
  g_free (root);
  if (json)
    print_json (ports);
  else if (ports->len == 0)
    g_print (_("No serial port here: plug in an adapter, or use a gateway (uri=tcp:HOST:PORT).\n"));
  for (guint i = 0; !json && i < ports->len; i++)
    print_port (ctl, ports->pdata[i]);
  return JKB_CTL_OK;
}
