# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The JSON of jkbmsctl has the keys of the table in docs/jkbmsctl.md, no more and no less."""

import json
import os
import re
import signal

import jkbtest
from jkbtest import ctl

DOCS = os.path.join(jkbtest.SOURCE_ROOT, "docs")


def documented():
    """{(command, part): the set of keys} of the rows whose keys are written out."""
    with open(os.path.join(DOCS, "jkbmsctl.md"), encoding="utf-8") as file:
        rows = re.findall(r"(?m)^\| `([a-z -]+)` \|([^|]*)\|([^|]*)\|$",
                          file.read().partition("\n## JSON\n")[2])
    return {(command, part.replace("`", "").strip()): set(re.findall(r"[a-z_]+", "".join(re.findall("`(.*?)`", keys))))
            for command, part, keys in rows}


def fields(title):
    """The keys of a table of docs/fields.md."""
    with open(os.path.join(DOCS, "fields.md"), encoding="utf-8") as file:
        section = file.read().partition(f"\n## {title} ")[2].partition("\n## ")[0]
    return set(re.findall(r"(?m)^\| `([a-z0-9_]+)` \|", section))


class Json(jkbtest.Case):

    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        broker = self.enter(jkbtest.Broker())
        self.sim = self.enter(jkbtest.Sim("--bms", "1,2"))
        self.daemon = self.enter(jkbtest.Daemon(
            self.sim.config("garage", mode="poll", listen_before_talk=1, addresses="1,2",
                            poll_interval=0.5) + broker.config() + "[writes]\naccess=switches\n",
            bus=self.bus))
        self.client = self.bus.client()

    def json(self, *arguments, **options):
        return json.loads(ctl(*arguments, "--json", bus=self.bus, **options))

    def check(self, value, command, part=""):
        with self.subTest(command=command, part=part):
            self.assertIsInstance(value, dict)
            self.assertEqual(set(value), documented()[command, part])

    def lines(self, monitor, **wanted):
        found = [json.loads(line) for line in monitor.log.splitlines()]
        return [line for line in found if all(line.get(k) == v for k, v in wanted.items())]

    def watch(self):
        """A monitor while all that it tells of happens."""
        monitor = self.enter(jkbtest.Process(
            "jkbmsctl", [jkbtest.program("jkbmsctl"), "--bus-address", self.bus.address, "monitor",
                         "--json"]))
        monitor.wait_for_log('"event":"daemon"')
        jkbtest.wait_until(lambda: all(
            f"{jkbtest.NAME}.Info" in self.client.objects().get(f"{jkbtest.ROOT}/bms/{bms}", {})
            for bms in ("garage_1", "garage_2")), 30)
        self.sim.command("alarm 1 4 on")
        jkbtest.wait_until(lambda: self.lines(monitor, event_type="raised", alarm="cell_overvoltage"))
        self.sim.command("alarm 1 4 off")
        jkbtest.wait_until(lambda: self.lines(monitor, event_type="cleared"))
        ctl("bus", "set", "garage", "offline-after=40", bus=self.bus)
        jkbtest.wait_until(lambda: self.lines(monitor, event="changed", key="offline_after"))
        return monitor

    def check_monitor(self, monitor):
        self.sim.command("offline 2")
        ctl("forget", "garage_2", bus=self.bus)
        jkbtest.wait_until(lambda: self.lines(monitor, event="removed"))
        self.assertEqual(monitor.stop(signal.SIGINT), 0)
        where = {"id", "bus", "object"}
        other = {"time", "event", "key", "value"}
        seen = set()
        for line in self.lines(monitor):
            seen.add(line["event"])
            if line["event"] in ("alarm", "daemon"):
                self.check(line, "monitor", line["event"])
            elif line["event"] in ("added", "removed"):
                self.assertEqual(len(where & set(line)), 1, line)
                self.assertLessEqual(set(line) - where, {"time", "event", "interface"})
            elif "group" in line:
                self.check(line, "monitor", "changed of a BMS's values")
            else:
                self.assertEqual(set(line) - where, other, line)
        self.assertEqual(seen, {"alarm", "daemon", "added", "removed", "changed"})

    def check_decode(self):
        path = self.path("garage.bin")
        ctl("capture", "garage", path, "--time", "2", bus=self.bus)
        kinds = set()
        for line in ctl("decode", "--json", path).splitlines():
            record = json.loads(line)
            kind = "a frame" if "checksum" in record else "a request or ACK"
            kinds.add(kind)
            if kind == "a frame" and not record["checksum"]:
                continue
            self.check(record, "decode", kind)
        self.assertEqual(kinds, {"a frame", "a request or ACK"})

    def test_keys(self):
        monitor = self.watch()
        bms = self.json("show", "garage_1")
        self.check(bms, "show")
        for group, title in (("live", "Telemetry"), ("settings", "Settings"), ("info", "Info")):
            self.assertEqual(set(bms[group]), fields(title), group)
        listed = self.json("list")
        self.check(listed, "list")
        self.check(listed["bms"][0], "show")
        self.check(listed["buses"][0], "bus list", "[]")
        self.check(self.json("bus", "list")[0], "bus list", "[]")
        self.check(self.json("mqtt", "show"), "mqtt show")
        self.check(self.json("health"), "health")
        self.assertEqual(set(self.json("settings", "garage_1")), fields("Settings"))
        ctl("set", "garage_1", "balancer=off", bus=self.bus)
        differences = self.json("settings", "garage_1", "--diff", "garage_2")
        self.assertEqual(differences["balancer"], {"garage_1": False, "garage_2": True})
        self.check(self.json("snapshots", "garage_1")[0], "snapshots", "[]")
        self.assertEqual(self.json("config", "show")["writes"], {"access": "switches"})
        self.check(self.json("config", "show", "--origin")["mqtt"]["interval"], "config show --origin",
                   "GROUP.KEY")
        self.check(self.json("doctor", "garage", "--time", "1")[0], "doctor", "[]")
        history = self.json("history", "garage_1", "current")
        self.check(history, "history")
        self.check(history["points"][0], "history", "points[]")
        self.check_decode()
        self.check_monitor(monitor)

    def test_ports(self):
        os.makedirs(self.path("root/sys/class/tty/ttyUSB0/device"))
        self.check(json.loads(ctl("ports", "--json", "--root", self.path("root")))[0], "ports", "[]")


if __name__ == "__main__":
    jkbtest.main()
