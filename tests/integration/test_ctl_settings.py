# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl writes settings through the real daemon to simulated BMS: what it says is what they hold."""

import json
import pathlib
import re
import unittest

import jkbdbus
import jkbtest
from jkbtest import ctl

OVERVOLTAGE = "cell_voltage_overvoltage_protection"
RECOVERY = "cell_voltage_overvoltage_recovery"


class Test(jkbtest.Case):
    ACCESS = "protection"

    def setUp(self):
        super().setUp()
        for name in ("jkbmsctl", "jkbmsd"):
            jkbtest.program(name)
        self.bus = self.enter(jkbtest.PrivateBus())
        self.sim = self.enter(jkbtest.Sim("--bms", "1,2", "--rate", "real"))
        self.daemon = self.enter(jkbtest.Daemon(
            self.sim.config("garage", mode="poll", listen_before_talk=1, poll_interval=0.5,
                            addresses="1,2")
            + f"[writes]\naccess={self.ACCESS}\n", bus=self.bus))
        self.client = self.bus.client()
        jkbtest.wait_until(lambda: len(self.client.bms()) == 2
                           and all(self.heard(bms) for bms in ("garage_1", "garage_2")), 30)

    def heard(self, bms):
        return f"{jkbtest.NAME}.Settings" in self.client.objects()[jkbdbus.bms_path(bms)]

    def ctl(self, *arguments, **options):
        return ctl(*arguments, bus=self.bus, **options)

    def value(self, bms, key):
        return self.ctl("get", bms, f"settings.{key}").strip()


class WriteTest(Test):
    def test_set(self):
        """One setting, a wrong one, a dry run, several, and back."""
        before = self.value("garage_1", OVERVOLTAGE)
        recovery = self.value("garage_1", RECOVERY)
        self.assertIn("Nothing has been written", self.ctl("snapshots", "garage_1"))

        # Below the recovery value: refused, and the sentence names both.
        low = f"{float(recovery) - 0.1:.3f}"
        for options in ([], ["--dry-run"], ["--yes"]):
            text = self.ctl("set", "garage_1", f"{OVERVOLTAGE}={low}", *options, status=5)
            self.assertEqual(len(text.splitlines()), 1, text)
            for word in (OVERVOLTAGE, low, RECOVERY, recovery):
                self.assertIn(word, text)
        self.assertEqual(self.value("garage_1", OVERVOLTAGE), before)

        new = f"{float(before) - 0.01:.3f}"
        text = self.ctl("set", "garage_1", f"{OVERVOLTAGE}={new}", "--dry-run")
        raw = round(float(new) * 1000)
        self.assertRegex(text, fr"{OVERVOLTAGE} +{before} V +{new} V +0x100C +{raw} +01 10 10 0c 00 "
                               fr"02 04 00 00 {raw >> 8:02x} {raw & 255:02x}")
        self.ctl("set", "garage_1", f"{OVERVOLTAGE}={new}", status=2)
        self.assertEqual(self.value("garage_1", OVERVOLTAGE), before)

        text = self.ctl("set", "garage_1", f"{OVERVOLTAGE}={new}", "--yes")
        self.assertIn(f"garage_1  {OVERVOLTAGE}  {before} V → {new} V\n", text)
        self.assertEqual(self.value("garage_1", OVERVOLTAGE), new)

        text = self.ctl("set", "garage_1", "balancer=off", "smart_sleep_delay=30")
        self.assertRegex(text, "garage_1  balancer  on → off\n")
        self.assertEqual(self.value("garage_1", "balancer"), "false")
        self.assertEqual(self.value("garage_1", "smart_sleep_delay"), "30")

        snapshots = [entry["name"] for entry in
                     json.loads(self.ctl("snapshots", "garage_1", "--json"))]
        self.assertEqual(len(snapshots), 2)
        self.ctl("restore", "garage_1", "nothing", "--yes", status=3)
        text = self.ctl("restore", "garage_1", snapshots[0], "--yes")
        self.assertIn(f"garage_1  {OVERVOLTAGE}  {new} V → {before} V\n", text)
        self.assertIn("garage_1  balancer  off → on\n", text)
        self.assertEqual(self.value("garage_1", OVERVOLTAGE), before)

    def test_apply(self):
        """The settings of one BMS for another."""
        self.ctl("set", "garage_1", "balancer=off", "smart_sleep_delay=30")
        difference = json.loads(self.ctl("settings", "garage_1", "--diff", "garage_2", "--json"))
        self.assertEqual(difference["balancer"], {"garage_1": False, "garage_2": True})
        file = self.path("garage_1.conf")
        self.ctl("settings", "garage_1", "--export", file)
        self.assertIn("Nothing differs", self.ctl("apply", "garage_1", file))
        text = self.ctl("apply", "garage_2", file, "--dry-run")
        self.assertEqual({line.split()[0] for line in text.splitlines()[1:]}, set(difference))
        self.ctl("apply", "garage_2", file, status=2)
        self.ctl("apply", "garage_2", file, "--yes")
        self.assertIn("are the same", self.ctl("settings", "garage_1", "--diff", "garage_2"))

        text = pathlib.Path(file).read_text(encoding="utf-8")
        bad = self.write("bad.conf", re.sub(f"(?m)^{OVERVOLTAGE}=.*$", f"{OVERVOLTAGE}=3.0", text))
        self.assertIn(RECOVERY, self.ctl("apply", "garage_2", bad, "--dry-run", status=5))

    def test_a_bms_that_does_not_do_it(self):
        self.sim.command("fault ignore-write 1")
        text = self.ctl("set", "garage_1", "balancer=off", status=1)
        self.assertEqual(len(text.splitlines()), 1, text)
        self.assertEqual(self.value("garage_1", "balancer"), "true")


class NoAccessTest(Test):
    ACCESS = "none"

    def test_refused(self):
        text = self.ctl("set", "garage_1", "balancer=off", status=1)
        self.assertIn("access=switches", text)
        self.assertEqual(self.value("garage_1", "balancer"), "true")


if __name__ == "__main__":
    unittest.main()
