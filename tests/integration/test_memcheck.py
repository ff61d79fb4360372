#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A whole life of the daemon under Valgrind's memcheck: no wrong access, nothing lost, nothing left open."""

import os
import re
import shutil
import signal

import jkbtest
from jkbdbus import ROOT, bms_path
from jkbtest import wait_until

SUPPRESSIONS = os.path.join(jkbtest.SOURCE_ROOT, "tests", "memcheck.supp")
FAILED = 99


class Checked(jkbtest.Daemon):
    def spawn(self, **options):
        self.argv = ["valgrind", "--leak-check=full", "--errors-for-leak-kinds=definite,possible",
                     "--track-fds=yes", "--num-callers=30", f"--suppressions={SUPPRESSIONS}",
                     f"--error-exitcode={FAILED}", *self.argv]
        super().spawn(**options)


class Memcheck(jkbtest.Case):

    def setUp(self):
        super().setUp()
        if shutil.which("valgrind") is None:
            self.skipTest("valgrind is not installed")
        self.bus = self.enter(jkbtest.PrivateBus())
        self.broker = self.enter(jkbtest.Broker())
        self.sim = self.enter(jkbtest.Sim("--master", "--bms", "0,1", "--rate", "3"))
        self.slaves = self.enter(jkbtest.Sim("--bms", "4", tcp=True))
        config = (self.sim.config("garage", mode="listen")
                  + self.slaves.config("shed", mode="poll", addresses="4", listen_before_talk=1)
                  + self.broker.config(interval=0.5, commands="protection") + "[writes]\naccess=protection\n")
        self.daemon = self.enter(Checked(config, bus=self.bus, env={"G_SLICE": "always-malloc"}))

    def live(self):
        """Everything that a daemon goes through: calls, a write, a change, losses."""
        client = self.bus.client()
        wait_until(lambda: {"garage_0", "garage_1", "shed_4"} <= set(client.bms()), 60,
                   lambda: f"{client.bms()}\n{self.daemon.log}")
        self.daemon.wait_for_log("MQTT: connected", 30)
        for path in client.objects():
            client.introspect(path)
        client.set(bms_path("shed_4"), "Settings", "CellVoltageOvervoltageProtection", ("d", 3.64), timeout=60)
        self.daemon.send_signal(signal.SIGHUP)
        self.broker.kill()
        self.broker.start()
        self.sim.stop()
        self.daemon.wait_for_log("warning: garage: ", 20)
        self.sim.start()
        wait_until(lambda: client.get(f"{ROOT}/bms/garage_1", "Bms", "Online"), 30, "not back")
        wait_until(lambda: client.get(f"{ROOT}/mqtt", "Mqtt", "Connected"), 30, "not connected again")
        client.call(f"{ROOT}/bms/garage_0", "Bms", "Forget")

    def test_a_life(self):
        self.live()
        status = self.daemon.child.poll()
        self.assertIsNone(status, self.daemon.log[-6000:])
        self.daemon.child.send_signal(signal.SIGTERM)
        self.assertEqual(self.daemon.child.wait(60), 0, self.daemon.log[-12000:])
        self.assertIn("ERROR SUMMARY: 0 errors", self.daemon.log)
        # Those that GLib keeps for itself are all that may be open, beside the three standard ones.
        for block in re.findall(r"Open .*:(?:\n.*(?:at|by) .*)+", self.daemon.log):
            self.assertRegex(block.splitlines()[2], r"libg(lib|io)-2\.0\.so", block)


if __name__ == "__main__":
    jkbtest.main()
