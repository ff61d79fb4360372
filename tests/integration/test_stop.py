#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""An orderly stop while everything that the daemon waits for hangs: disk, name servers, a capture."""

import os
import subprocess
import threading
import time

from gi.repository import Gio, GLib

import jkbtest
from jkbdbus import NAME, ROOT, Error, bus_path

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
        sim = self.enter(jkbtest.Sim("--bms", "1"))
        self.daemon = self.enter(jkbtest.Daemon(
            sim.config("garage", listen_before_talk=1, addresses="1")
            + jkbtest.bus_config("shed", "tcp:gateway.example:1") + "[mqtt]\nuri=mqtt://broker.example\n", bus=self.bus,
            env={"LD_PRELOAD": library, "HANG": self.path("hang")}))

    def change(self):
        """A change of the configuration that does not reach the disk."""
        def call():
            with self.assertRaises(Error):
                self.client.set(ROOT, "Manager", "LogLevel", ("s", "debug"))
        thread = threading.Thread(target=call)
        thread.start()
        self.addCleanup(thread.join)

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
        jkbtest.wait_until(lambda: self.client.bms() != [], 20)
        self.write("hang", "")
        self.change()
        time.sleep(0.5)
        self.daemon.stop()
        self.assertIn("a change of the configuration could not be written in time", self.daemon.log)
        os.close(writer)
        os.close(reader)


if __name__ == "__main__":
    jkbtest.main()
