#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Signs of life to systemd: none while a thread stands still, whichever it is; but whoever waits for a
battery, a broker or a name server is alive."""

import contextlib
import os
import socket
import subprocess
import time

import jkbtest
import jkbtrace
from jkbfault import Proxy
from jkbtest import bus_config

LIMIT = 30    # s, JKB_BEAT_LIMIT_US
PERIOD = 1    # s between two signs of life
SLOW_NAMES = """#include <netdb.h>
#include <unistd.h>
int getaddrinfo (const char *node, const char *service, const struct addrinfo *hints,
                 struct addrinfo **result)
{
  if (hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0)
    return EAI_NONAME;
  sleep (300);
  return EAI_AGAIN;
}
"""


class Supervised(jkbtest.Daemon):
    """A daemon that tells a systemd of ours that it lives."""

    def __init__(self, config, env=None):
        super().__init__(config)
        path = os.path.join(self.directory, "notify")
        self.notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notified.bind(path)
        self.notified.setblocking(False)
        self.env.update(env or {}, NOTIFY_SOCKET=path, WATCHDOG_USEC=str(int(2e6 * PERIOD)))
        self.last = None  # sign of life

    def hear(self):
        """Takes what it has told; to be called often.  Returns whether it ever told that it lives."""
        try:
            while message := self.notified.recv(4096):
                if b"WATCHDOG=1" in message:
                    self.last = time.monotonic()
        except BlockingIOError:
            pass
        return self.last is not None

    @property
    def silence(self):
        """s since the last sign of life"""
        return time.monotonic() - self.last


class Watchdog(jkbtest.Case):
    """All daemons of the test run at the same time, as each of them needs LIMIT."""

    def setUp(self):
        super().setUp()
        self.daemons = []

    def make(self, config, env=None):
        daemon = self.enter(Supervised(config, env))
        self.daemons.append(daemon)
        jkbtest.wait_until(daemon.hear, 10, f"no sign of life: {daemon.log}")
        return daemon

    def watch(self, well, seconds):
        """Hears all; none of these may be silent for long, though a crowded machine may be late."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for daemon in self.daemons:
                daemon.hear()
            for daemon in well:
                self.assertLess(daemon.silence, PERIOD + LIMIT / 2, daemon.log)
            time.sleep(0.1)

    def whole(self, name):
        """A daemon that lacks nothing."""
        sim = self.enter(jkbtest.Sim("--master", "--bms", "0", "--rate", "2", tcp=True))
        other = self.enter(jkbtest.Sim("--master", "--bms", "0", "--rate", "2"))
        daemon = self.make(sim.config("garage") + other.config("shed") + self.broker.config(client_id=name))
        daemon.wait_for_log("MQTT: connected")
        return daemon

    def lonely(self):
        """Two daemons that wait: for a port, a gateway and a broker, and for names of them."""
        deaf = self.enter(Proxy(self.broker.port))
        deaf.set("deaf")
        source, library = self.write("slow.c", SLOW_NAMES), self.path("slow.so")
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True)
        return [self.make(bus_config("garage", "serial:/nowhere/tty")
                          + bus_config("shed", f"tcp:127.0.0.1:{deaf.port}")
                          + f"[mqtt]\nuri=mqtt://127.0.0.1:{deaf.port}\n"),
                self.make(bus_config("garage", "tcp:gateway.example:1")
                          + "[mqtt]\nuri=mqtt://broker.example\n", {"LD_PRELOAD": library})]

    def stop(self, stuck):
        stack = contextlib.ExitStack()
        for name, daemon in stuck.items():
            stack.enter_context(jkbtrace.Stopped(daemon.pid, name))
        return stack

    def test_who_stands_still_is_noticed(self):
        self.broker = self.enter(jkbtest.Broker())
        stuck = {name: self.whole(name) for name in ("garage", "shed", "jkb-mqtt", "jkbmsd")}
        well = self.lonely()
        self.watch(self.daemons, 2 * PERIOD)
        with self.stop(stuck):
            self.watch(well, LIMIT + 6 * PERIOD)
            for name, daemon in stuck.items():
                self.assertGreater(daemon.silence, 3 * PERIOD,
                                   f"{name} stands still, and systemd is told that all is well")
        for name, daemon in stuck.items():
            jkbtest.wait_until(lambda: daemon.hear() and daemon.silence < PERIOD, 10,
                               f"{name} goes on, and systemd is not told")
            self.assertEqual("a thread no longer runs" in daemon.log, name != "jkbmsd")
        for daemon in well:
            self.assertNotIn("a thread no longer runs", daemon.log)


if __name__ == "__main__":
    jkbtest.main()
