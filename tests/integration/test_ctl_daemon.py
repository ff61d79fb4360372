# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl with the real daemon and a simulated bus: what it prints is what the daemon says."""

import json
import math
import signal
import unittest

import jkbdbus
import jkbtest
from jkbtest import ctl


def camel(key):
    return "".join(word.capitalize() for word in key.split("_"))


class Test(jkbtest.Case):
    def setUp(self):
        super().setUp()
        jkbtest.program("jkbmsctl")
        jkbtest.program("jkbmsd")
        self.bus = self.enter(jkbtest.PrivateBus())
        self.sim = self.enter(jkbtest.Sim("--master", "--bms", "0,1,2", "--rate", "line"))
        self.daemon = self.enter(jkbtest.Daemon(
            self.sim.config("garage") + "[bms garage_1]\nname=Left rack\n", bus=self.bus))
        self.client = self.bus.client()
        jkbtest.wait_until(lambda: len(self.client.bms()) == 3)

    def ctl(self, *arguments, **options):
        return ctl(*arguments, bus=self.bus, **options)

    def hold(self):
        """Nothing changes any more, and the client knows the same as the daemon."""
        jkbtest.wait_until(lambda: len(self.client.get_all(jkbdbus.bms_path("garage_1"),
                                                           "Settings")) > 1)
        self.sim.command("pause")
        previous = None

        def settled():
            nonlocal previous
            now = self.ctl("show", "garage_1", "--json").partition('"live"')[2]
            same, previous = now == previous, now
            return same
        jkbtest.wait_until(settled)

    def test_same_as_dbus(self):
        self.hold()
        shown = json.loads(self.ctl("show", "garage_1", "--json"))
        objects = self.client.objects()[jkbdbus.bms_path("garage_1")]
        for group, interface in (("live", "Telemetry"), ("settings", "Settings")):
            properties = objects[f"{jkbtest.NAME}.{interface}"]
            unknown = properties["Unavailable"]
            self.assertEqual({camel(key) for key in shown[group]} | {"Unavailable"}, set(properties))
            for key, value in shown[group].items():
                with self.subTest(key):
                    other = properties[camel(key)]
                    if key in unknown:
                        self.assertIsNone(value)
                    elif isinstance(value, list) and value and isinstance(other[0], float):
                        for a, b in zip(value, other, strict=True):
                            self.assertTrue(a is None if math.isnan(b) else abs(a - b) < 1e-9)
                    elif isinstance(value, float):
                        self.assertAlmostEqual(value, other, places=6)
                    else:
                        self.assertEqual(value, other)
        self.assertIsNone(shown["info"])  # a bus that is listened to never tells

    def test_keyvalue_and_get(self):
        self.hold()
        lines = self.ctl("show", "Left rack", "--keyvalue").splitlines()
        pairs = dict(line.split("=", 1) for line in lines)
        self.assertEqual(pairs["name"], "Left rack")
        for key in ("total_voltage", "state_of_charge", "settings.cell_count", "charging",
                    "errors", "max_charge_current", "online", "bus"):
            self.assertEqual(self.ctl("get", "Left rack", key).rstrip("\n"), pairs[key], key)

    def test_list_health_and_restart(self):
        text = self.ctl("list")
        for line in (r"garage +up +listening ", r"garage_0 +garage_0 +yes ",
                     r"garage_1 +Left rack +yes ", r"garage_2 +garage_2 +yes "):
            self.assertRegex(text, line)
        self.assertEqual(self.ctl("health"), "good\n")
        self.assertRegex(self.ctl("bus", "list"), r"garage +up +listening +auto +\d+ +\d+")
        self.assertIn("enabled", self.ctl("mqtt"))
        self.assertIn("All is well.", self.ctl("doctor", "garage", "--time", "1"))
        self.ctl("get", "garage_7", "current", status=3)
        self.daemon.stop()
        self.assertIn("start it with", self.ctl("list", status=1))
        self.assertIn("down", self.ctl("health", status=1))

    def test_monitor(self):
        monitor = self.enter(jkbtest.Process(
            "jkbmsctl", [jkbtest.program("jkbmsctl"), "--bus-address", self.bus.address, "monitor",
                         "--json"]))
        monitor.wait_for_log('"running":true')
        monitor.wait_for_log('"key":"current"')
        self.sim.command("alarm 1 4 on")
        monitor.wait_for_log('"event_type":"raised","alarm":"cell_overvoltage","severity":"protect"')
        self.sim.command("alarm 1 4 off")
        monitor.wait_for_log('"event_type":"cleared","alarm":"cell_overvoltage"')
        self.daemon.stop()
        monitor.wait_for_log('"running":false')
        self.daemon.start()
        jkbtest.wait_until(lambda: monitor.log.count('"running":true') == 2)
        self.assertEqual(monitor.stop(signal.SIGTERM), 0)
        for line in monitor.log.splitlines():
            json.loads(line)

    def test_forget(self):
        self.sim.command("offline 2")
        self.assertIn("Forgot garage_2; it comes back", self.ctl("forget", "garage_2"))
        self.assertEqual(self.client.bms(), ["garage_0", "garage_1"])
        self.ctl("forget", "garage_2", status=3)


if __name__ == "__main__":
    unittest.main()
