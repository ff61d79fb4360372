#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Who may write settings: polkit (played here) on a bus that the daemon takes for the system's, and
the rule of the same user elsewhere. Callers are another user, by busctl."""

import os
import subprocess
import threading
import time
import unittest

from gi.repository import Gio, GLib

import jkbtest
from jkbdbus import NAME, bms_path, bus_path

BUS = bus_path("garage")
BMS = bms_path("garage_1")
SETTINGS = f"{NAME}.Settings"
WRITE = f"{NAME}.write-settings"
PROTECTION = f"{NAME}.write-protection"

XML = """<node><interface name="org.freedesktop.PolicyKit1.Authority">
<method name="CheckAuthorization"><arg type="(sa{sv})" direction="in"/><arg type="s" direction="in"/>
<arg type="a{ss}" direction="in"/><arg type="u" direction="in"/><arg type="s" direction="in"/>
<arg type="(bba{ss})" direction="out"/></method></interface></node>"""


class Polkit(jkbtest.Part):
    """Allows the actions in .allowed, and those in .asks once a user has typed a password, which
    takes .delay seconds; hangs while .hangs."""

    def __init__(self, bus):
        self.bus = bus
        self.allowed, self.asks, self.delay, self.hangs = set(), set(), 0, False
        self.calls = []  # (action, details, flags)

    def start(self):
        self.connection = Gio.DBusConnection.new_for_address_sync(
            self.bus.address, Gio.DBusConnectionFlags.AUTHENTICATION_CLIENT
            | Gio.DBusConnectionFlags.MESSAGE_BUS_CONNECTION, None, None)
        self.connection.set_exit_on_close(False)
        self.loop = GLib.MainLoop(GLib.MainContext())
        ready = threading.Event()

        def run():
            self.loop.get_context().push_thread_default()
            self.connection.register_object(
                "/org/freedesktop/PolicyKit1/Authority",
                Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], self.on_call, None, None)
            ready.set()
            self.loop.run()

        threading.Thread(target=run, daemon=True).start()
        ready.wait()
        self.connection.call_sync(
            "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
            GLib.Variant("(su)", ("org.freedesktop.PolicyKit1", 0)), None, 0, -1, None)

    def on_call(self, _connection, _sender, _path, _interface, _method, parameters, invocation):
        _subject, action, details, flags, _id = parameters.unpack()
        self.calls.append((action, details, flags))
        if self.hangs:
            return
        interactive = action in self.asks and flags & 1
        if interactive:
            time.sleep(self.delay)
        good = action in self.allowed or bool(interactive)
        invocation.return_value(GLib.Variant("((bba{ss}))", ((good, action in self.asks and not good,
                                                              {}),)))

    def close(self):
        self.loop.quit()
        self.connection.close_sync(None)


class SystemDaemon(jkbtest.Daemon):
    """On a bus that it takes for the system's."""

    def __init__(self, config, bus):
        super().__init__(config, bus, env={"DBUS_SYSTEM_BUS_ADDRESS": bus.address})

    def start(self):
        self.argv = [jkbtest.program("jkbmsd"), "--config", self.config_path, "--state-dir",
                     self.state_dir, "--system"]
        self.spawn()
        client = self.bus.client()
        jkbtest.wait_until(lambda: self._owns_name(client), 15)


@unittest.skipUnless(os.geteuid() == 0, "only root can call as another user")
class Authorisation(jkbtest.Case):

    def begin(self, daemon=SystemDaemon):
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.sim = self.enter(jkbtest.Sim("--bms", "1"))
        config = "[writes]\naccess=protection\n\n[bms garage_1]\nname=Left rack\n\n" \
            + self.sim.config("garage", listen_before_talk=1, addresses="1")
        self.daemon = self.enter(daemon(config, bus=self.bus))
        jkbtest.wait_until(lambda: SETTINGS in self.client.objects().get(BMS, {}), 20)

    def nobody(self, *arguments, interactive=False):
        """What busctl says as an unprivileged user: (status, text)."""
        done = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl",
             f"--address={self.bus.address}",
             f"--allow-interactive-authorization={'yes' if interactive else 'no'}", *arguments],
            capture_output=True, text=True, timeout=30 * jkbtest.FACTOR, check=False)
        return done.returncode, done.stdout + done.stderr

    def set(self, key, signature, value, **keys):
        # "busctl set-property" never lets polkit ask.
        return self.nobody("call", NAME, BMS, "org.freedesktop.DBus.Properties", "Set", "ssv",
                           SETTINGS, key, signature, value, **keys)

    def held(self, register):
        return int(self.sim.command(f"get 1 {register}").removeprefix("ok "))

    def assert_denied(self, outcome):
        self.assertNotEqual(outcome[0], 0, outcome[1])
        self.assertRegex(outcome[1], "polkit|not allowed|as root")

    def test_allowed(self):
        self.begin()
        polkit = self.enter(Polkit(self.bus))
        polkit.allowed = {WRITE}
        self.assertEqual(self.set("Balancer", "b", "false"), (0, ""))
        self.assertEqual(self.held("balancer"), 0)
        (action, details, flags), = polkit.calls
        self.assertEqual((action, flags), (WRITE, 0))
        self.assertEqual(details["bms"], "garage_1 (Left rack)")
        self.assertEqual(details["change"], "balancer from true to false")
        self.assertIn("$(bms)", details["polkit.message"])
        self.assertIn("$(change)", details["polkit.message"])

        # What can stop the system needs the other action, alone or among others.
        self.assert_denied(self.set("MaxChargeCurrent", "d", "50"))
        self.assert_denied(self.nobody("call", NAME, BMS, SETTINGS, "Apply", "a{sv}", "2", "balancer",
                                       "b", "true", "discharging_switch", "b", "false"))
        self.assertEqual([call[0] for call in polkit.calls[1:]], [PROTECTION, PROTECTION])
        self.assertEqual(self.held("balancer"), 0)
        polkit.allowed = {PROTECTION}
        self.assertEqual(self.set("MaxChargeCurrent", "d", "50"), (0, ""))
        self.assertIn(self.held("max_charge_current"), (49999, 50000))
        self.assertRegex(polkit.calls[-1][1]["change"], r"max_charge_current from [\d.]+ to 50\.000 A")

    def test_denied(self):
        self.begin()
        polkit = self.enter(Polkit(self.bus))
        self.assert_denied(self.set("Balancer", "b", "false"))
        self.assertEqual(len(polkit.calls), 1)
        self.assertEqual(self.held("balancer"), 1)
        # Nobody is asked about what would be refused anyway.
        self.assertIn("nobody ever writes it", self.set("DeviceAddress", "u", "2")[1])
        self.assertIn("600", self.set("MaxChargeCurrent", "d", "5000")[1])
        self.assertEqual(len(polkit.calls), 1)

    def test_interactive(self):
        self.begin()
        polkit = self.enter(Polkit(self.bus))
        polkit.asks, polkit.delay = {WRITE}, 10  # longer than a Set may take without a user
        self.assert_denied(self.set("Balancer", "b", "false"))
        self.assertEqual(self.held("balancer"), 1)
        self.assertEqual(self.set("Balancer", "b", "false", interactive=True), (0, ""))
        self.assertEqual(self.held("balancer"), 0)
        self.assertEqual([call[2] for call in polkit.calls], [0, 1])

    def test_hanging(self):
        self.begin()
        polkit = self.enter(Polkit(self.bus))
        polkit.hangs = True
        begin = time.monotonic()
        status, text = self.set("Balancer", "b", "false")
        self.assertNotEqual(status, 0)
        self.assertIn("polkit does not answer", text)
        self.assertLess(time.monotonic() - begin, 6 * jkbtest.FACTOR)
        self.assertEqual(self.held("balancer"), 1)

    def test_absent(self):
        self.begin()
        self.assert_denied(self.set("Balancer", "b", "false"))
        self.assertEqual(self.held("balancer"), 1)
        self.client.set(BMS, "Settings", "Balancer", ("b", False))  # as root
        self.assertEqual(self.held("balancer"), 0)

    def check_reads_and_writes_nothing(self):
        self.client.set(BMS, "Settings", "Balancer", ("b", False))
        (snapshot, _), = self.client.call(BMS, "Settings", "Snapshots")
        writes = self.sim.command("stats")
        for path, interfaces in self.client.objects().items():
            for interface in interfaces:
                status, text = self.nobody("call", NAME, path,
                                           "org.freedesktop.DBus.Properties", "GetAll", "s", interface)
                self.assertEqual(status, 0, text)
        self.assertEqual(self.nobody("call", NAME, BMS, SETTINGS, "Validate", "a{sv}", "1", "balancer",
                                     "b", "true"), (0, "a(sss) 0\n"))
        self.assertIn(snapshot, self.nobody("call", NAME, BMS, SETTINGS, "Snapshots")[1])
        self.assert_denied(self.set("Balancer", "b", "true"))
        self.assert_denied(self.set("DischargingSwitch", "b", "false"))
        for arguments in ((BMS, SETTINGS, "Apply", "a{sv}", "1", "balancer", "b", "true"),
                          (BMS, SETTINGS, "Restore", "s", snapshot),
                          (BMS, f"{NAME}.Bms", "Refresh"), (BMS, f"{NAME}.Bms", "Forget"),
                          (BUS, f"{NAME}.Bus", "Scan"), (BUS, f"{NAME}.Bus", "Reconnect")):
            self.assert_denied(self.nobody("call", NAME, *arguments))
        self.assertEqual(self.held("balancer"), 0)
        self.assertIn('"writes":1,', writes)
        self.assertIn('"writes":1,', self.sim.command("stats"))

    def test_unprivileged_on_the_system_bus(self):
        self.begin()
        self.enter(Polkit(self.bus))
        self.check_reads_and_writes_nothing()

    def test_unprivileged_on_a_private_bus(self):
        self.begin(jkbtest.Daemon)
        self.check_reads_and_writes_nothing()


if __name__ == "__main__":
    jkbtest.main()
