# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl changes the real daemon while it runs: buses, the broker, captures, and back again."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import time
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
        self.assertEqual(self.ctl("bus", "add", "shed", self.shed.uri, "mode=listen",
                                  "offline-after=12.5"), "Added the bus shed (kept over restarts)\n")
        jkbtest.wait_until(lambda: "shed_0" in self.client.bms())
        self.assertEqual(self.origin("bus shed", "offline-after"), ("12.5", "runtime"))
        self.assertEqual(self.origin("bus shed", "baud"), ("115200", "default"))
        self.assertIn("there", self.ctl("bus", "add", "shed", self.shed.uri, status=1))
        self.ctl("bus", "add", "Shed", self.shed.uri, status=2)
        self.ctl("bus", "add", "barn", "frob:", status=2)

        self.assertEqual(self.ctl("bus", "set", "shed", "offline_after=20.0", "reply-timeout=auto"),
                         "Changed in [bus shed]: offline-after=20, reply-timeout=auto (kept over "
                         "restarts)\n")
        self.daemon.restart()
        jkbtest.wait_until(lambda: "shed_0" in self.client.bms())
        self.assertEqual(self.origin("bus shed", "offline-after"), ("20", "runtime"))
        self.assertNotIn("Changed", self.ctl("bus", "set", "shed", "offline-after=0", status=5))
        self.ctl("bus", "scan", "nothing", status=3)

        self.assertEqual(self.ctl("bus", "remove", "shed"),
                         "Removed the bus shed and its BMS (kept over restarts)\n")
        jkbtest.wait_until(lambda: "shed_0" not in self.client.bms())
        self.ctl("bus", "remove", "shed", status=3)
        self.assertNotIn("[bus shed]", self.ctl("config", "show"))

    def test_scan(self):
        """Who was switched on later is found now, not when its turn comes."""
        self.assertIn("polls", self.ctl("bus", "scan", "garage", status=1))  # another master does
        sim = self.enter(jkbtest.Sim("--bms", "1,12"))
        sim.command("offline 12")
        self.ctl("bus", "add", "attic", sim.uri, "mode=poll", "addresses=1,12", "poll-interval=0.5",
                 "command-gap=0.05", "listen-before-talk=1")
        jkbtest.wait_until(lambda: "attic_1" in self.client.bms(), 15)
        time.sleep(4)  # the scan at the start is over
        sim.command("online 12")
        self.assertIn("Asking all addresses of attic now", self.ctl("bus", "scan", "attic"))
        jkbtest.wait_until(lambda: "attic_12" in self.client.bms(), 10)
        self.assertIn("attic_12", self.ctl("list"))

    @unittest.skipUnless(os.geteuid() == 0, "only root can call as another user")
    def test_not_authorised(self):
        """Reading is free to everyone; whatever changes something ends with 4 and changes nothing."""
        directory = tempfile.mkdtemp(prefix="jkbtest-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o777)
        program = shutil.copy(jkbtest.program("jkbmsctl"), directory)
        before = self.ctl("config", "show")

        def nobody(*arguments):
            return subprocess.run(
                ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", program, "--bus-address",
                 self.bus.address, *arguments], capture_output=True, text=True, check=False, cwd=directory,
                timeout=20 * jkbtest.FACTOR, env={**os.environ, "LC_ALL": "C.UTF-8", "LANGUAGE": "en"})

        for arguments in (["list"], ["show", "garage_1"], ["config", "show"], ["mqtt"], ["bus", "list"],
                          ["health"]):
            self.assertEqual(nobody(*arguments).returncode, 0, arguments)
        for arguments in (["bus", "add", "shed", self.shed.uri], ["bus", "set", "garage", "poll-interval=5"],
                          ["bus", "remove", "garage"], ["mqtt", "set", "interval=9"],
                          ["config", "reset", "--yes"], ["forget", "garage_1"], ["capture", "garage", "x.bin"],
                          ["bus", "scan", "garage"]):
            with self.subTest(arguments):
                done = nobody(*arguments)
                self.assertEqual((done.returncode, done.stdout), (4, ""), done.stderr)
                self.assertRegex(done.stderr, r"\Ajkbmsctl: [^\n]+\n\Z")
        self.assertEqual(self.ctl("config", "show"), before)
        self.assertEqual(len(self.client.bms()), 2)
        self.assertNotIn("x.bin", os.listdir(directory))

    def test_reset(self):
        value, origin = self.origin("bus garage", "offline-after")
        self.assertEqual(origin, "default")
        self.assertRegex(self.origin("bus garage", "uri")[1], r"jkbmsd\.conf:\d+$")
        for reset in (["bus", "garage", "offline-after"], ["bus garage"], ["--yes"]):
            self.ctl("bus", "set", "garage", "offline-after=40")
            self.assertEqual(self.origin("bus garage", "offline-after"), ("40", "runtime"))
            self.assertEqual(self.ctl("config", "reset", *reset), "Dropped: bus garage offline-after\n")
            self.assertEqual(self.origin("bus garage", "offline-after"), (value, "default"))
        self.assertIn("Nothing of that was changed", self.ctl("config", "reset"))
        self.ctl("config", "reset", "bus nothing", status=3)

    def test_mqtt(self):
        broker = self.enter(jkbtest.Broker(username="jkb", password="s3cret"))
        said = self.ctl("mqtt", "set", "username=jkb", "password=-", f"uri={broker.uri}",
                        "discovery-prefix=ha", stdin="s3cret\n")
        self.assertEqual(said, f"Changed in [mqtt]: password, username=jkb, uri={broker.uri}, "
                               "discovery-prefix=ha (kept over restarts)\n")
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
