#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The demo does what README.md says, and what README.md shows is still what the programs print."""

import os
import re
import signal
import subprocess

import jkbtest

DEMO = os.path.join(jkbtest.SOURCE_ROOT, "demo.sh")
BMS = ("garage_0", "garage_1", "garage_2", "garage_3", "shed_0", "shed_1")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


class Demo(jkbtest.Case):

    def test_one_snapshot(self):
        done = subprocess.run([DEMO, "--once"], capture_output=True, text=True, check=False,
                              timeout=700, env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="de"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        for bms in BMS:
            self.assertRegex(done.stdout, rf"(?m)^.*\b{bms}\b")
        self.assertEqual(len(re.findall(r"(?m)^ *Ladezustand\b", done.stdout)), len(BMS))

    def test_live_view_ends_with_everything(self):
        demo = self.enter(jkbtest.Process("demo.sh", [DEMO]))
        demo.wait_for_log("busctl --address=", timeout=400)
        demo.wait_for_log("jkbms/garage_1/state", timeout=30)
        busctl = re.search(r"^ +(busctl .* tree .*)$", demo.log, re.MULTILINE).group(1)
        tree = subprocess.run(busctl.split(), capture_output=True, text=True, check=True).stdout
        self.assertIn("/io/github/jkbmsd1/bms/shed_1", tree)
        started = children_of(demo.pid)
        self.assertGreaterEqual(len(started), 5)
        # Ctrl-C goes to the whole group; its children ignore it and end with the script.
        self.assertIn(demo.stop(signal.SIGTERM), (0, 143))
        jkbtest.wait_until(lambda: not [pid for pid in started if os.path.exists(f"/proc/{pid}")], 3,
                           "the demo left processes behind")

    def test_wrong_usage(self):
        done = subprocess.run([DEMO, "--never"], capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn("Usage", done.stderr)


README = os.path.join(jkbtest.SOURCE_ROOT, "README.md")
BLOCK = re.compile(r"```console\n\$ (.+)\n([^`]*)```")


class Readme(jkbtest.Case):
    """Names and keys of the outputs in README.md still come; values may differ.

    JKB_UPDATE_README=1 writes the outputs into README.md instead."""

    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        sim = self.enter(jkbtest.Sim("--bms", "0,1,2,3", "--master", "--rate", "line", "--seed", 1))
        shed = self.enter(jkbtest.Sim("--bms", "0,1", "--cells", 8, "--master", "--rate", "line",
                                      "--seed", 2, tcp=True))
        broker = self.enter(jkbtest.Broker())
        self.enter(jkbtest.Daemon(broker.config() + sim.config("garage") + shed.config("shed"),
                                  bus=self.bus))
        client = self.bus.client()
        jkbtest.wait_until(lambda: client.bms() == sorted(BMS), 20)
        jkbtest.wait_until(lambda: all(
            {"io.github.jkbmsd1.Telemetry", "io.github.jkbmsd1.Settings"} <= set(
                client.objects()[f"/io/github/jkbmsd1/bms/{bms}"]) for bms in BMS), 20)

    def output(self, command):
        name, *arguments = command.split()
        if name == "busctl":
            argv = ["busctl", f"--address={self.bus.address}", "--no-pager", *arguments]
        else:
            argv = [jkbtest.program(name), "--bus-address", self.bus.address, *arguments]
        done = subprocess.run(argv, capture_output=True, text=True, check=True,
                              env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="en"))
        return "".join(line.rstrip() + "\n" for line in done.stdout.splitlines())

    def check(self, command, pattern):
        """Every name that README.md shows is still printed, and every name that is printed is shown."""
        now = self.output(command)
        with open(README, encoding="utf-8") as file:
            text = file.read()
        if os.environ.get("JKB_UPDATE_README"):
            text = BLOCK.sub(lambda m: f"```console\n$ {command}\n{now}```" if m.group(1) == command
                             else m.group(0), text)
            with open(README, "w", encoding="utf-8") as file:
                file.write(text)
        shown = dict(BLOCK.findall(text))[command]
        names = set(re.findall(pattern, shown, re.MULTILINE))
        self.assertGreater(len(names), 5, "README.md shows less than expected")
        self.assertEqual(names, set(re.findall(pattern, now, re.MULTILINE)),
                         f"README.md does not show what '{command}' prints; run this test with "
                         "JKB_UPDATE_README=1")

    def test_tree(self):
        self.check("busctl tree io.github.jkbmsd1", r"/\S+")

    def test_introspect(self):
        self.check("busctl introspect io.github.jkbmsd1 /io/github/jkbmsd1/bms/garage_1",
                   r"^(\S+ +(?:interface|method|property|signal)) ")

    def test_show(self):
        self.check("jkbmsctl show garage_1", r"^ *([A-Z][a-z]+)|  ([A-Z]\S*(?: \S+)*)")


if __name__ == "__main__":
    jkbtest.main()
