# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What the tests of changes at run time share: calls with busctl, refusals, origins."""

import subprocess

import jkbtest
from jkbdbus import NAME, ROOT, Error
from jkbtest import wait_until

FAST = "[daemon]\ndbus-interval=0.1\n\n"
MQTT = f"{ROOT}/mqtt"


class Base(jkbtest.Case):

    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()

    def start(self, config, **keys):
        self.daemon = self.enter(jkbtest.Daemon(config, bus=self.bus, **keys))
        return self.daemon

    def busctl(self, *arguments, status=0):
        done = subprocess.run(["busctl", f"--address={self.bus.address}", *map(str, arguments)],
                              capture_output=True, text=True, timeout=20 * jkbtest.FACTOR,
                              check=False)
        if status is not None:
            self.assertEqual(done.returncode, status, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout if status == 0 else done.stderr

    def set(self, path, interface, key, signature, value):
        self.busctl("set-property", NAME, path, f"{NAME}.{interface}", key, signature, "--",
                    str(value).lower() if isinstance(value, bool) else value)

    def call(self, path, interface, method, *arguments, **keys):
        return self.busctl("call", NAME, path, f"{NAME}.{interface}", method, *arguments, **keys)

    def config(self):
        return self.client.call(ROOT, "Manager", "GetConfig")

    def origins(self):
        return self.client.call(ROOT, "Manager", "GetConfigOrigins")

    def refused(self, error, path, interface, key, variant):
        with self.assertRaises(Error) as caught:
            self.client.set(path, interface, key, variant)
        self.assertEqual(caught.exception.name, f"{NAME}.Error.{error}", caught.exception.text)
        return caught.exception.text

    def refused_call(self, error, path, interface, method, *arguments):
        with self.assertRaises(Error) as caught:
            self.client.call(path, interface, method, *arguments)
        self.assertEqual(caught.exception.name, f"{NAME}.Error.{error}", caught.exception.text)
        return caught.exception.text

    def wait_for_bms(self, *ids, timeout=20):
        wait_until(lambda: set(ids) <= set(self.client.bms()), timeout,
                   lambda: f"BMS are {self.client.bms()}, not {ids}")


def frames_of(truth):
    """Frames that a simulator which has ended had sent."""
    with open(truth, encoding="utf-8") as file:
        return sum(1 for line in file if '"record":"frame"' in line)
