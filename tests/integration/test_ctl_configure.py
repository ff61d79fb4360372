# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl changes the real daemon while it runs: buses, the broker, captures, and back again."""

import json
import os
import pathlib
import unittest

import jkbdbus
import jkbtest
from jkbtest import ctl


class Test(jkbtest.Case):
    def setUp(self):
        super().setUp()
        for name in ("jkbmsctl", "jkbmsd"):
            jkbtest.program(name)
        self.bus = self.enter(jkbtest.PrivateBus())
        self.sim = self.enter(jkbtest.Sim("--master", "--bms", "0,1", "--rate", "line"))
        self.shed = self.enter(jkbtest.Sim("--master", "--bms", "0", "--rate", "line", tcp=True))
        self.daemon = self.enter(jkbtest.Daemon(self.sim.config("garage"), bus=self.bus))
        self.client = self.bus.client()
        jkbtest.wait_until(lambda: len(self.client.bms()) == 2)

    def ctl(self, *arguments, **options):
        return ctl(*arguments, bus=self.bus, **options)

    def origin(self, group, key):
        value = json.loads(self.ctl("config", "show", "--origin", "--json"))[group][key]
        return value["value"], value["origin"]

    def test_bus(self):
        self.ctl("bus", "add", "shed", self.shed.uri, "mode=listen", "offline-after=12.5")
        jkbtest.wait_until(lambda: "shed_0" in self.client.bms())
        self.assertEqual(self.origin("bus shed", "offline-after"), ("12.5", "runtime"))
        self.assertEqual(self.origin("bus shed", "baud"), ("115200", "default"))
        self.assertIn("there", self.ctl("bus", "add", "shed", self.shed.uri, status=1))
        self.ctl("bus", "add", "Shed", self.shed.uri, status=2)
        self.ctl("bus", "add", "barn", "frob:", status=2)

        self.ctl("bus", "set", "shed", "offline-after=20", "reply-timeout=auto")
        self.daemon.restart()
        jkbtest.wait_until(lambda: "shed_0" in self.client.bms())
        self.assertEqual(self.origin("bus shed", "offline-after"), ("20", "runtime"))
        self.ctl("bus", "set", "shed", "offline-after=0", status=5)
        self.ctl("bus", "scan", "nothing", status=3)

        self.ctl("bus", "remove", "shed")
        jkbtest.wait_until(lambda: "shed_0" not in self.client.bms())
        self.ctl("bus", "remove", "shed", status=3)
        self.assertNotIn("[bus shed]", self.ctl("config", "show"))

    def test_reset(self):
        value, origin = self.origin("bus garage", "offline-after")
        self.assertEqual(origin, "default")
        self.assertRegex(self.origin("bus garage", "uri")[1], r"jkbmsd\.conf:\d+$")
        for reset in (["bus", "garage", "offline-after"], ["bus garage"], []):
            self.ctl("bus", "set", "garage", "offline-after=40")
            self.assertEqual(self.origin("bus garage", "offline-after"), ("40", "runtime"))
            self.ctl("config", "reset", *reset)
            self.assertEqual(self.origin("bus garage", "offline-after"), (value, "default"))
        self.ctl("config", "reset", "bus nothing", status=3)

    def test_mqtt(self):
        broker = self.enter(jkbtest.Broker(username="jkb", password="s3cret"))
        self.ctl("mqtt", "set", "username=jkb", "password=-", f"uri={broker.uri}",
                 "discovery-prefix=ha", stdin="s3cret\n")
        jkbtest.wait_until(lambda: json.loads(self.ctl("mqtt", "--json"))["connected"])
        self.assertEqual(self.origin("homeassistant", "prefix"), ("ha", "runtime"))
        self.assertNotIn("s3cret", self.ctl("config", "show", "--origin"))
        self.assertNotIn("s3cret", self.daemon.log)

    def test_capture(self):
        file = self.path("garage.bin")
        text = self.ctl("capture", "garage", file, "--time", "2")
        self.assertRegex(text, rf"\A\d+ bytes in {file}\n\Z")
        self.assertGreater(int(text.split()[0]), 5000)
        self.assertGreaterEqual(os.path.getsize(file), int(text.split()[0]))
        self.assertNotIn(b"CANARY", pathlib.Path(file).read_bytes())
        records = [json.loads(line) for line in self.ctl("decode", "--json", file).splitlines()]
        self.assertLessEqual({0, 1}, {record["address"] for record in records
                                      if record["type"] == "live"})
        self.assertEqual(self.client.get(jkbdbus.bus_path("garage"), "Bus", "State"), "up")
        self.ctl("capture", "garage", file, status=1)


if __name__ == "__main__":
    unittest.main()
