#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The installed package where dbus-broker is the system's D-Bus daemon: the same policy, the same
activation."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import jkbtest  # noqa: E402
from jkbdbus import NAME, ROOT  # noqa: E402
from jkbsystem import Failed, Machine, need  # noqa: E402

UNIT = "/lib/systemd/system/dbus-broker.service"
machine = Machine({"etc/systemd/system/dbus.service": UNIT})


def setUpModule():
    need(os.path.exists(UNIT), "dbus-broker is not installed")
    unittest.addModuleCleanup(machine.close)
    machine.start()
    machine.background("jkbtest-tcp", "jkbms-sim", "--master", "--rate", "line", "--bms", "0,5", "--listen",
                       "tcp:127.0.0.1:5001")
    machine.write("/etc/jkbmsd/jkbmsd.conf", "[bus shed]\nuri=tcp:127.0.0.1:5001\nmode=listen\n", 0o640,
                  "jkbmsd")


class DbusBroker(unittest.TestCase):

    def call(self, path, method, *arguments, user="visitor", name=NAME):
        return machine.out("dbus-send", "--system", "--print-reply", f"--dest={name}", path, method, *arguments,
                           user=user)

    def test_all(self):
        """Started by a call of somebody who may read, and no more."""
        self.assertIn("dbus-broker-launch", machine.show("dbus", "ExecStart"))
        self.assertNotEqual(machine.show("jkbmsd", "ActiveState"), "active")
        version = machine.out("busctl", "--json=short", "get-property", NAME, ROOT, f"{NAME}.Manager", "Version",
                              user="visitor")
        self.assertTrue(json.loads(version)["data"])
        self.assertEqual(machine.show("jkbmsd", "ActiveState"), "active")
        machine.wait_until(lambda: "shed_5" in machine.out("jkbmsctl", "list", user="visitor", status=None), 15)
        for refused, error in (((f"{ROOT}/bms/shed_5", f"{NAME}.Bms.Forget"), "NotAuthorized"),
                               ((ROOT, f"{NAME}.Manager.NoSuchMethod"), "UnknownMethod")):
            with self.assertRaises(Failed) as caught:
                self.call(*refused)
            self.assertIn(error, caught.exception.output)
        self.call(f"{ROOT}/bms/shed_5", f"{NAME}.Bms.Forget", user=None)
        machine.run("systemctl", "stop", "jkbmsd")
        with self.assertRaises(Failed) as caught:
            self.call("/org/freedesktop/DBus", "org.freedesktop.DBus.RequestName", f"string:{NAME}", "uint32:0",
                      name="org.freedesktop.DBus")
        self.assertIn("AccessDenied", caught.exception.output)


if __name__ == "__main__":
    jkbtest.main()
