#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Who may configure: callers without rights, with and without polkit."""

import os
import subprocess
import time
import unittest

import jkbtest
from jkbconfigure import FAST, MQTT, Base
from jkbdbus import NAME, ROOT, bus_path
from jkbtest import wait_until


class SystemDaemon(jkbtest.Daemon):
    """On a private bus that plays the system bus."""

    def start(self):
        self.argv = [jkbtest.program("jkbmsd"), "--config", self.config_path, "--state-dir",
                     self.state_dir, "--system"]
        self.env["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus.address
        self.spawn()
        client = self.bus.client()
        wait_until(lambda: self._owns_name(client), 15)


@unittest.skipUnless(os.geteuid() == 0, "only root can call as another user")
class Authorisation(Base):

    def nobody(self, *arguments, allowed):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               "busctl", f"--address={self.bus.address}", *map(str, arguments)],
                              capture_output=True, text=True, timeout=20 * jkbtest.FACTOR,
                              check=False)
        self.assertEqual(done.returncode == 0, allowed, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def writes(self):
        """Everything that changes something, as arguments of busctl."""
        path = bus_path("garage")
        yield "set-property", NAME, path, f"{NAME}.Bus", "PollInterval", "d", "5"
        yield "set-property", NAME, path, f"{NAME}.Bus", "Uri", "s", "tcp:h:2"
        yield "set-property", NAME, MQTT, f"{NAME}.Mqtt", "Uri", "s", "mqtt://h"
        yield "set-property", NAME, ROOT, f"{NAME}.Manager", "LogLevel", "s", "debug"
        for method, *arguments in (("AddBus", "ssa{sv}", "shed", "tcp:h:3", "0"),
                                   ("RemoveBus", "s", "garage"), ("Reload",),
                                   ("SetConfig", "sss", "daemon", "language", "de"),
                                   ("ResetConfig", "ss", "", "")):
            yield "call", NAME, ROOT, f"{NAME}.Manager", method, *arguments
        yield "call", NAME, MQTT, f"{NAME}.Mqtt", "SetPassword", "s", "CANARY"
        yield "call", NAME, path, f"{NAME}.Bus", "StopCapture"

    CONFIG = FAST + jkbtest.bus_config("garage", "tcp:127.0.0.1:9", enabled="false")

    def refuses_all(self, state_dir):
        before = self.config()
        for arguments in self.writes():
            self.nobody(*arguments, allowed=False)
        self.assertEqual(self.config(), before)
        self.assertEqual([n for n in os.listdir(state_dir)
                          if n != "known-bms.ini" and not n.startswith("history.")], [])

    def test_private_bus(self):
        self.start(self.CONFIG)
        for path in (ROOT, MQTT, bus_path("garage")):
            self.nobody("introspect", NAME, path, allowed=True)
        self.nobody("get-property", NAME, bus_path("garage"), f"{NAME}.Bus", "Uri", allowed=True)
        self.assertIn("garage", self.nobody("call", NAME, ROOT, f"{NAME}.Manager", "GetConfig",
                                            allowed=True))
        self.nobody("call", NAME, ROOT, f"{NAME}.Manager", "GetConfigOrigins", allowed=True)
        self.refuses_all(self.daemon.state_dir)

    def test_polkit(self):
        self.daemon = self.enter(SystemDaemon(self.CONFIG, bus=self.bus))
        self.refuses_all(self.daemon.state_dir)  # nobody to ask: no
        polkit = self.enter(jkbtest.Process(
            "polkitd", ["/usr/bin/python3", "-m", "dbusmock", "--template", "polkitd"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}))
        wait_until(lambda: self.client.has_owner("org.freedesktop.PolicyKit1"), 15,
                   lambda: polkit.log)
        self.refuses_all(self.daemon.state_dir)
        self.allow("io.github.jkbmsd1.write-settings", "io.github.jkbmsd1.write-protection")
        self.refuses_all(self.daemon.state_dir)
        self.allow("io.github.jkbmsd1.configure")
        self.nobody("set-property", NAME, bus_path("garage"), f"{NAME}.Bus", "PollInterval", "d",
                    "5", allowed=True)
        self.nobody("call", NAME, ROOT, f"{NAME}.Manager", "AddBus", "ssa{sv}", "shed", "tcp:h:3",
                    "0", allowed=True)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 5.0)
        self.assertIn(bus_path("shed"), self.client.objects())

    def allow(self, *actions):
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "SetAllowed", "(as)", list(actions), name="org.freedesktop.PolicyKit1")

    def start_hanging_polkit(self):
        """One that allows everything, but answers only when release() says so."""
        self.daemon = self.enter(SystemDaemon(self.CONFIG, bus=self.bus))
        polkit = self.enter(jkbtest.Process(
            "polkitd", ["/usr/bin/python3", "-m", "dbusmock", "--template", "polkitd"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}))
        wait_until(lambda: self.client.has_owner("org.freedesktop.PolicyKit1"), 15,
                   lambda: polkit.log)
        self.allow("io.github.jkbmsd1.configure")
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "SimulateHang", "(b)", True, name="org.freedesktop.PolicyKit1")
        return polkit

    def release(self):
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "ReleaseHangingCalls", name="org.freedesktop.PolicyKit1")
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "SimulateHang", "(b)", False, name="org.freedesktop.PolicyKit1")

    def test_a_question_that_stays_open_holds_up_nobody(self):
        self.start_hanging_polkit()
        asking = self.ask(65534, 5)
        time.sleep(0.5)
        self.client.set(bus_path("garage"), "Bus", "PollInterval", ("d", 6.0))
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 6.0)
        self.assertIsNone(asking.poll())
        self.release()
        self.assertEqual(asking.wait(10), 0)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 5.0)

    def ask(self, uid, value):
        """A change that polkit will ask about, by a user without rights; it is not waited for."""
        child = subprocess.Popen(
            ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "busctl",
             f"--address={self.bus.address}", "--timeout=60", "set-property", NAME,
             bus_path("garage"), f"{NAME}.Bus", "PollInterval", "d", str(value)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(child.kill)
        self.addCleanup(child.stdout.close)
        return child

    def test_questions_of_one_user_are_few(self):
        """A user whose agent never answers does not fill the daemon, nor keep others from asking."""
        polkit = self.start_hanging_polkit()
        mine = [self.ask(65534, 5) for _ in range(19)]
        wait_until(lambda: sum(child.poll() is not None for child in mine) == 3, 15,
                   lambda: f"{sum(child.poll() is not None for child in mine)} of 19 ended")
        refused = [child for child in mine if child.poll() is not None]
        for child in refused:
            self.assertIn("wait for polkit already", child.stdout.read())
        other = self.ask(1, 6)
        self.client.set(bus_path("garage"), "Bus", "PollInterval", ("d", 7.0))
        time.sleep(0.3)
        self.assertIsNone(other.poll(), polkit.log)
        self.release()
        for child in [other, *mine]:
            wait_until(lambda child=child: child.poll() is not None, 15)
        self.assertEqual([child.returncode for child in [other, *mine] if child not in refused],
                         17 * [0])
        self.nobody("set-property", NAME, bus_path("garage"), f"{NAME}.Bus", "PollInterval", "d",
                    "8", allowed=True)


if __name__ == "__main__":
    jkbtest.main()
