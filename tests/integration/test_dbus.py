#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The D-Bus interface of the real daemon, from outside: documented, consistent, paced, guarded."""

import os
import subprocess
import unittest
import xml.etree.ElementTree as ET

import jkbtest
from jkbdbus import NAME, ROOT, bms_path, bus_path

INTERVAL = 0.5
CONFIG = f"[daemon]\ndbus-interval={INTERVAL}\n\n"
DOC = "org.gtk.GDBus.DocString"
EMITS = "org.freedesktop.DBus.Property.EmitsChangedSignal"


def annotation(element, name, default=None):
    for child in element.findall("annotation"):
        if child.get("name") == name:
            return child.get("value")
    return default


def same(a, b):
    """Equal, and NaN is NaN."""
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    return a == b or (a != a and b != b)


class Dbus(jkbtest.Case):

    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "line"))
        self.daemon = self.enter(jkbtest.Daemon(CONFIG + self.sim.config("garage"), bus=self.bus))
        jkbtest.wait_until(lambda: self.client.bms() == ["garage_0", "garage_1", "garage_2"], 20,
                           lambda: f"BMS are {self.client.bms()}")
        jkbtest.wait_until(
            lambda: f"{NAME}.Settings" in self.client.objects()[bms_path("garage_1")], 20)

    def interfaces(self, path):
        """{interface: its XML element} of ours."""
        root = ET.fromstring(self.client.introspect(path))
        return {i.get("name"): i for i in root.findall("interface")
                if i.get("name").startswith(NAME)}

    def test_everything_is_documented(self):
        paths = [ROOT, f"{ROOT}/mqtt", bus_path("garage"), bms_path("garage_1")]
        seen = set()
        for path in paths:
            for name, interface in self.interfaces(path).items():
                seen.add(name.removeprefix(NAME + "."))
                values = self.client.get_all(path, name)
                self.assertTrue(annotation(interface, DOC), name)
                for member in interface:
                    if member.tag in ("method", "signal", "property"):
                        self.assertTrue(annotation(member, DOC), f"{name}.{member.get('name')}")
                properties = {p.get("name") for p in interface.findall("property")}
                self.assertEqual(set(values), properties, name)
        self.assertGreaterEqual(seen, {"Manager", "Mqtt", "Bus", "Bms", "Telemetry", "Settings"})

    def test_installed_files_are_what_is_introspected(self):
        folder = os.path.join(jkbtest.SOURCE_ROOT, "dbus")
        for path, name in ((ROOT, "Manager"), (f"{ROOT}/mqtt", "Mqtt"), (bus_path("garage"), "Bus"),
                           (bms_path("garage_1"), "Bms")):
            file = ET.parse(os.path.join(folder, f"{NAME}.{name}.xml")).getroot().find("interface")
            live = self.interfaces(path)[f"{NAME}.{name}"]
            for tag in ("method", "signal", "property"):
                self.assertEqual({(m.get("name"), m.get("type"), annotation(m, DOC))
                                  for m in file.findall(tag)},
                                 {(m.get("name"), m.get("type"), annotation(m, DOC))
                                  for m in live.findall(tag)}, name)

    def test_busctl_shows_it(self):
        for arguments in (["tree", NAME], ["introspect", NAME, bms_path("garage_1")]):
            done = subprocess.run(["busctl", f"--address={self.bus.address}", *arguments],
                                  capture_output=True, text=True, timeout=20, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("garage_1", done.stdout)

    def test_who_follows_the_signals_knows_the_values(self):
        """A client that reads once and then only listens has the same values as one that reads."""
        signals = self.client.signals()
        known = self.client.objects()
        jkbtest.wait_until(
            lambda: len([s for s in signals if s.name == "PropertiesChanged"]) > 20, 20)
        self.sim.stop()
        jkbtest.wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "State") != "up", 10)

        def agrees():
            for path, interfaces in self.client.objects().items():
                for name, values in interfaces.items():
                    quiet = {p.get("name") for p in self.interfaces(path)[name].findall("property")
                             if annotation(p, EMITS, "true") != "true"}
                    for key, value in values.items():
                        if key not in quiet and not same(known[path][name][key], value):
                            return None
            return True

        def follow():
            while signals:
                s = signals.pop(0)
                if s.name == "PropertiesChanged":
                    interface, changed, invalidated = s.arguments
                    self.assertEqual(invalidated, [])
                    known[s.path][interface].update(changed)
                elif s.name == "InterfacesAdded":
                    path, interfaces = s.arguments
                    known.setdefault(path, {}).update(interfaces)
            return agrees()

        jkbtest.wait_until(follow, 10, "what was signalled is not what can be read")

    def test_pace(self):
        """At most one PropertiesChanged per interface and interval, and never with counters."""
        quiet = {(name, p.get("name"))
                 for path in (bus_path("garage"), bms_path("garage_1"))
                 for name, interface in self.interfaces(path).items()
                 for p in interface.findall("property") if annotation(p, EMITS, "true") != "true"}
        self.assertIn((f"{NAME}.Bms", "LastSeen"), quiet)
        signals = self.client.signals()
        jkbtest.wait_until(lambda: len(signals) > 40, 30)
        last, times = {}, {}
        for s in list(signals):
            if s.name != "PropertiesChanged":
                continue
            interface, changed, _ = s.arguments
            self.assertTrue(changed)
            for key in changed:
                self.assertNotIn((interface, key), quiet)
            # Charging and discharging switches go at once, like alarms.
            urgent = {"Errors", "Charging", "Discharging"} & set(changed)
            before = last.get((s.path, interface))
            if before is not None and not urgent:  # one that was delivered late makes the next look early
                self.assertGreater(s.time - before, INTERVAL * 0.5, (s.path, interface))
                times.setdefault((s.path, interface), []).append(s.time)
            last[(s.path, interface)] = s.time
        for key, heard in times.items():
            self.assertLess(len(heard) - 2, (heard[-1] - heard[0]) / (INTERVAL * 0.9), key)

    def test_alarms(self):
        signals = self.client.signals()
        self.sim.command("alarm 1 4 on")
        jkbtest.wait_until(lambda: [s for s in signals if s.name == "AlarmRaised"], 10)
        raised = [s for s in signals if s.name == "AlarmRaised"][0]
        self.assertEqual(raised.path, bms_path("garage_1"))
        self.assertEqual(raised.arguments, ("cell_overvoltage", "protect"))
        changes = [s for s in signals[:signals.index(raised)]
                   if s.name == "PropertiesChanged" and "Errors" in s.arguments[1]]
        self.assertIn("cell_overvoltage", changes[-1].arguments[1]["Errors"])
        self.assertIn("cell_overvoltage",
                      self.client.get(bms_path("garage_1"), "Telemetry", "Errors"))
        self.sim.command("alarm 1 4 off")
        jkbtest.wait_until(lambda: [s for s in signals if s.name == "AlarmCleared"], 10)
        self.assertNotIn("cell_overvoltage",
                         self.client.get(bms_path("garage_1"), "Telemetry", "Errors"))

    def test_reconnect(self):
        before = self.client.get(bus_path("garage"), "Bus", "Reconnects")
        self.client.call(bus_path("garage"), "Bus", "Reconnect")
        jkbtest.wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "Reconnects") > before
                           and self.client.get(bus_path("garage"), "Bus", "State") == "up", 10)

    @unittest.skipUnless(os.geteuid() == 0, "only root can call as another user")
    def test_others_may_read_and_nothing_else(self):
        def gdbus(path, method, *arguments):
            return subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                   "gdbus", "call", "--address", self.bus.address, "--dest", NAME,
                                   "--object-path", path, "--method", method, *arguments],
                                  capture_output=True, text=True, timeout=20, check=False)

        done = gdbus(bms_path("garage_1"), "org.freedesktop.DBus.Properties.GetAll",
                     f"{NAME}.Telemetry")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("StateOfCharge", done.stdout)
        for path, method in ((bms_path("garage_1"), f"{NAME}.Bms.Forget"),
                             (bus_path("garage"), f"{NAME}.Bus.Reconnect"),
                             (f"{ROOT}/mqtt", f"{NAME}.Mqtt.Reconnect"),
                             (f"{ROOT}/mqtt", f"{NAME}.Mqtt.Republish")):
            done = gdbus(path, method)
            self.assertNotEqual(done.returncode, 0, method)
            self.assertIn(f"{NAME}.Error.NotAuthorized", done.stderr)
        self.assertIn("garage_1", self.client.bms())


if __name__ == "__main__":
    unittest.main()
