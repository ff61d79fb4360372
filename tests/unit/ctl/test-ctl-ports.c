/* SPDX-License-Identifier: MIT
 * SPDX-FileCopyrightText: the jkbmsd contributors
 *
 * Ports of a machine that is made of files.
 */
#include "ctl/jkb-ctl-ports.h"

#include <glib/gstdio.h>
#include <unistd.h>

static void
put_file (const char *root, const char *path, const char *text)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_true (g_file_set_contents (full, text, -1, NULL));
}

static void
put_link (const char *root, const char *path, const char *target)
{
  g_autofree char *full = g_build_filename (root, path, NULL);
  g_autofree char *directory = g_path_get_dirname (full);

  g_assert_cmpint (g_mkdir_with_parents (directory, 0700), ==, 0);
  g_assert_cmpint (symlink (target, full), ==, 0);
}

static void
put_adapter (const char *root, const char *tty, const char *serial)
{
  g_autofree char *usb = g_strconcat ("sys/devices/usb/", tty, NULL);
  g_autofree char *vendor = g_build_filename (usb, "idVendor", NULL);
  g_autofree char *product = g_build_filename (usb, "idProduct", NULL);
  g_autofree char *number = g_build_filename (usb, "serial", NULL);
  g_autofree char *device = g_build_filename (usb, "1-1:1.0", tty, "tty", NULL);
  g_autofree char *driver = g_build_filename (usb, "1-1:1.0", tty, "driver", NULL);
  g_autofree char *class = g_strconcat ("sys/class/tty/", tty, "/device", NULL);
  g_autofree char *target = g_strconcat ("../../../devices/usb/", tty, "/1-1:1.0/", tty, NULL);

  put_file (root, vendor, "1a86\n");
  put_file (root, product, "7523\n");
  if (serial != NULL)
    put_file (root, number, serial);
  put_file (root, device, "");
  put_file (root, "sys/bus/usb/drivers/ch341-uart/bind", "");
  put_link (root, driver, "../../../../../bus/usb/drivers/ch341-uart");
  put_link (root, class, target);
}

static void
remove_tree (const char *path)
{
  GDir *dir = g_file_test (path, G_FILE_TEST_IS_SYMLINK) ? NULL : g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      remove_tree (child);
    }
  g_clear_pointer (&dir, g_dir_close);
  g_remove (path);
}

static void
test_scan (void)
{
  g_autofree char *root = g_dir_make_tmp ("jkb-ports-XXXXXX", NULL);
  g_autoptr(GPtrArray) ports = NULL;
  const JkbCtlPort *port;

  put_adapter (root, "ttyUSB0", "A5\n");
  put_adapter (root, "ttyUSB1", NULL);
  put_adapter (root, "ttyUSB2", NULL);
  put_file (root, "sys/class/tty/tty0/dev", "4:0\n");
  put_file (root, "sys/class/tty/ttyS0/type", "0\n");
  put_file (root, "sys/class/tty/ttyS0/device/x", "");
  put_link (root, "dev/serial/by-id/usb-A5", "../../ttyUSB0");
  put_link (root, "dev/serial/by-id/usb-1a86", "../../ttyUSB2");
  put_link (root, "dev/serial/by-path/pci-1", "../../ttyUSB1");
  put_link (root, "proc/1234/fd/5", "/dev/ttyUSB0");
  put_file (root, "proc/1234/comm", "picocom\n");

  ports = jkb_ctl_ports_scan (root);
  g_assert_cmpint (ports->len, ==, 3);
  port = ports->pdata[0];
  g_assert_cmpstr (port->device, ==, "/dev/ttyUSB0");
  g_assert_cmpstr (port->by_id, ==, "/dev/serial/by-id/usb-A5");
  g_assert_cmpstr (port->driver, ==, "ch341-uart");
  g_assert_cmpstr (port->product, ==, "1a86:7523");
  g_assert_cmpstr (port->serial, ==, "A5");
  g_assert_cmpstr (port->holder, ==, "picocom (1234)");
  g_assert_true (port->unique);
  port = ports->pdata[1];
  g_assert_null (port->by_id);
  g_assert_cmpstr (port->by_path, ==, "/dev/serial/by-path/pci-1");
  g_assert_false (port->unique);
  port = ports->pdata[2];
  g_assert_nonnull (port->by_id);
  g_assert_false (port->unique);
  g_assert_null (port->holder);
  remove_tree (root);
}

static void
test_empty (void)
{
  g_autoptr(GPtrArray) ports = jkb_ctl_ports_scan ("/nowhere/at/all");

  g_assert_cmpint (ports->len, ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ctl/ports/scan", test_scan);
  g_test_add_func ("/ctl/ports/empty", test_empty);
  return g_test_run ();
}
