#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""An orderly stop while everything that the daemon waits for hangs: disk, name servers, a capture."""

import os
import re
import subprocess
import threading
import time

from gi.repository import Gio, GLib

import jkbtest
from jkbdbus import NAME, ROOT, Error, bms_path, bus_path

HANGING = """#include <netdb.h>
#include <stdlib.h>
#include <unistd.h>
static int hang (void)
{
  while (access (getenv ("HANG"), F_OK) == 0)
    usleep (10000);
  return 0;
}
int fsync (int fd) { return hang (); }
int fdatasync (int fd) { return hang (); }
int getaddrinfo (const char *node, const char *service, const struct addrinfo *hints,
                 struct addrinfo **result)
{
  if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0)
    return EAI_NONAME;
  sleep (300);
  return EAI_AGAIN;
}
"""


class Stop(jkbtest.Case):

    def begin(self):
        source, library = self.write("hang.c", HANGING), self.path("hang.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.sim = self.enter(jkbtest.Sim("--bms", "1"))
        config = "[writes]\naccess=protection\n\n[mqtt]\nuri=mqtt://broker.example\n\n" \
            + self.sim.config("garage", listen_before_talk=1, addresses="1") \
            + jkbtest.bus_config("shed", "tcp:gateway.example:1")
        self.daemon = self.enter(jkbtest.Daemon(
            config, bus=self.bus, env={"LD_PRELOAD": library, "HANG": self.path("hang")}))

    def call(self, *arguments):
        """Calls from another thread; returns a list that gets the error."""
        errors = []

        def call():
            with self.assertRaises(Error) as caught:
                self.client.call(*arguments)
            errors.append(caught.exception)
        thread = threading.Thread(target=call)
        thread.start()
        self.addCleanup(thread.join)
        return errors

    def begin_write(self):
        """Returns when one of five settings is written: the others take a second each."""
        path = bms_path("garage_1")
        jkbtest.wait_until(lambda: f"{NAME}.Settings" in self.client.objects().get(path, {}), 20)
        numbers = {"smart_sleep_voltage": 3.41, "balance_trigger_voltage": 0.02,
                   "discharge_precharge_time": 6.0, "total_battery_capacity": 100.0}
        errors = self.call(path, "Settings", "Apply", "(a{sv})",
                           {"balancer": GLib.Variant("b", False),
                            **{key: GLib.Variant("d", value) for key, value in numbers.items()}})
        jkbtest.wait_until(lambda: re.search('"writes":1', self.sim.command("stats")), 10)
        return errors

    def capture(self, fd):
        fds = Gio.UnixFDList.new()
        self.client.connection.call_with_unix_fd_list_sync(
            NAME, bus_path("garage"), f"{NAME}.Bus", "StartCapture",
            GLib.Variant("(h)", (fds.append(fd),)), None, Gio.DBusCallFlags.NONE, 10000, fds, None)

    def test_everything_hangs(self):
        self.begin()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        while True:
            try:
                os.write(writer, bytes(4096))
            except BlockingIOError:
                break
        self.capture(writer)
        errors = self.begin_write()
        self.write("hang", "")
        self.call(ROOT, "Manager", "SetConfig", "(sss)", "daemon", "log-level", "debug")
        time.sleep(0.3)
        self.daemon.stop()
        jkbtest.wait_until(lambda: errors, 5)
        self.assertEqual(errors[0].name, f"{NAME}.Error.Offline")
        self.assertIn("a change of the configuration could not be written in time", self.daemon.log)
        os.close(writer)
        os.close(reader)


if __name__ == "__main__":
    jkbtest.main()
