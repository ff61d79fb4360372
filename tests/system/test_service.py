#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The installed package under a real systemd: sandbox, D-Bus policy, polkit, credentials, restarts."""

import json
import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import jkbtest  # noqa: E402
from jkbdbus import NAME, ROOT  # noqa: E402
from jkbsystem import Failed, Machine, need  # noqa: E402

EXPOSURE = 1.2
PASSWORD = "CANARY-BROKER-PASSWORD"
CONFIG = """[bus garage]
uri=serial:/run/jkbtest/tty
mode=listen
offline-after=5

[bus shed]
uri=tcp:127.0.0.1:5001
mode=listen

[mqtt]
uri=mqtt://127.0.0.1
username=jkbms
interval=0.5
"""
BROKER = "listener 1883 127.0.0.1\nallow_anonymous false\npassword_file /run/jkbtest/passwords\nuser root\n"
RULE = """polkit.addRule (function (action, subject) {
  if (action.id == "io.github.jkbmsd1.configure" && subject.user == "helper")
    return polkit.Result.YES;
});
"""
DROP_IN = "/run/systemd/system/jkbmsd.service.d/jkbtest.conf"
machine = Machine()


def setUpModule():
    """One boot for all tests: a broker with a password, a bus on a pty and one on TCP, the daemon."""
    unittest.addModuleCleanup(machine.close)
    machine.start()
    set_up_broker()
    sim = ["jkbms-sim", "--master", "--rate", "line"]
    machine.run("mkdir", "-p", "/run/jkbtest")
    machine.background("jkbtest-pty", *sim, "--bms", "0,1,2", "--pty", "/run/jkbtest/tty")
    machine.background("jkbtest-tcp", *sim, "--bms", "0,5", "--listen", "tcp:127.0.0.1:5001")
    machine.wait_until(lambda: machine.run("test", "-e", "/run/jkbtest/tty", status=None).returncode == 0)
    # As udev does it with serial ports.
    machine.run("sh", "-c", "chgrp dialout $(readlink -f /run/jkbtest/tty)"
                " && chmod 660 $(readlink -f /run/jkbtest/tty)")
    machine.write("/etc/jkbmsd/jkbmsd.conf", CONFIG, 0o640, "jkbmsd")
    machine.write("/etc/credstore/jkbmsd.mqtt-password", PASSWORD + "\n", 0o600)
    machine.run("systemctl", "start", "jkbmsd")


def set_up_broker():
    machine.write("/run/jkbtest/passwords", f"jkbms:{PASSWORD}\n", 0o600)
    machine.run("mosquitto_passwd", "-U", "/run/jkbtest/passwords")
    machine.write("/run/jkbtest/mosquitto.conf", BROKER)
    machine.background("jkbtest-broker", "mosquitto", "-c", "/run/jkbtest/mosquitto.conf")


def call(path, method, *arguments, user=None, name=NAME):
    """Calls a method with arguments such as "string:TEXT"; Failed has the name of the error."""
    return machine.out("dbus-send", "--system", "--print-reply", f"--dest={name}", path, method, *arguments,
                       user=user)


def get(path, interface, key, user="visitor"):
    words = machine.out("busctl", "--json=short", "get-property", NAME, path, f"{NAME}.{interface}", key,
                        user=user)
    return json.loads(words)["data"]


def published(topic, seconds=5):
    """The next message on the topic."""
    return machine.out("mosquitto_sub", "-h", "127.0.0.1", "-u", "jkbms", "-P", PASSWORD, "-t", topic,
                       "-C", "1", "-W", seconds, timeout=seconds + 5)


def main_pid():
    return int(machine.show("jkbmsd", "MainPID"))


class Service(unittest.TestCase):

    def setUp(self):
        if machine.show("jkbmsd", "ActiveState") != "active":
            machine.run("systemctl", "reset-failed", "jkbmsd", status=None)
            machine.run("systemctl", "start", "jkbmsd")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before and machine.pid:
            machine.tell(self.id())

    def wait_for_bms(self, *ids):
        def listed():
            words = machine.out("jkbmsctl", "list", user="visitor", status=None)
            return all(re.search(rf"^{bms} +\S+ +yes ", words, re.MULTILINE) for bms in ids)
        machine.wait_until(listed, 10, lambda: machine.out("jkbmsctl", "list", status=None))

    def assert_refused(self, error, *arguments, **options):
        with self.assertRaises(Failed) as caught:
            call(*arguments, **options)
        self.assertIn(error, caught.exception.output)

    # What it is for

    def test_reads_a_serial_port_and_a_gateway(self):
        """A pty counts as a serial port: DevicePolicy=closed lets pseudo terminals through."""
        self.wait_for_bms("garage_0", "garage_1", "garage_2", "shed_0", "shed_5")
        for bms in ("garage_1", "shed_5"):
            self.assertGreater(get(f"{ROOT}/bms/{bms}", "Telemetry", "TotalVoltage"), 20)
        self.assertEqual(get(f"{ROOT}/bus/garage", "Bus", "State"), "up")

    def test_publishes_with_the_password_from_the_credential(self):
        """The broker lets nobody in without it."""
        self.assertEqual(published("jkbms/bridge/availability"), "online")
        state = json.loads(published("jkbms/garage_1/state"))
        self.assertGreater(state["total_voltage"], 20)
        self.assertEqual(get(f"{ROOT}/mqtt", "Mqtt", "Connected"), True)

    def test_credential_is_for_the_daemon_only(self):
        path = "/run/credentials/jkbmsd.service/jkbmsd.mqtt-password"
        self.assertEqual(machine.out("cat", path, user="jkbmsd"), PASSWORD)
        machine.run("cat", path, user="visitor", status=1)
        environment = machine.out("tr", "\\0", "\\n", stdin=machine.out("cat", f"/proc/{main_pid()}/environ"))
        self.assertNotIn("CANARY", environment)
        self.assertNotIn("CANARY", machine.journal())

    def test_starts_without_a_credential(self):
        machine.run("mv", "/etc/credstore", "/etc/credstore.away")
        try:
            machine.run("systemctl", "restart", "jkbmsd")
            self.wait_for_bms("garage_1", "shed_5")
        finally:
            machine.run("mv", "/etc/credstore.away", "/etc/credstore")
            machine.run("systemctl", "restart", "jkbmsd")

    # The sandbox

    def test_exposure(self):
        machine.run("systemd-analyze", "verify", "jkbmsd.service")
        words = machine.out("systemd-analyze", "security", "--no-pager", "jkbmsd.service")
        last = words.splitlines()[-1]
        print(last.strip("→ "), file=sys.stderr)
        self.assertLessEqual(float(re.search(r"exposure level for \S+: ([0-9.]+)", last).group(1)), EXPOSURE)

    def test_process_has_no_privileges(self):
        lines = machine.out("cat", f"/proc/{main_pid()}/status").splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[capabilities], 16), 0, capabilities)
        self.assertEqual(status["NoNewPrivs"], "1")
        self.assertEqual(status["Seccomp"], "2")
        uid = machine.out("id", "-u", "jkbmsd")
        self.assertEqual(status["Uid"].split(), [uid] * 4)
        groups = {machine.out("getent", "group", group).split(":")[2] for group in ("jkbmsd", "dialout")}
        self.assertEqual(set(status["Groups"].split()), groups)
        limits = machine.out("cat", f"/proc/{main_pid()}/limits")
        self.assertRegex(limits, r"Max core file size +0 +0 ")

    def test_devices(self):
        """In the unit's control group only serial ports and the harmless devices open."""
        group = "/sys/fs/cgroup" + machine.show("jkbmsd", "ControlGroup") + "/cgroup.procs"
        script = 'echo $$ >"$1" && mknod "$2" c "$3" "$4" && exec 3<"$2"'
        inside = ("sh", "-c", script, "sh")
        try:
            kernel_log = machine.run(*inside, group, "/dev/jkbtest-kmsg", 1, 11, status=None)
            self.assertIn("Operation not permitted", kernel_log.stderr)
            outside = machine.run("sh", "-c", "rm -f /dev/jkbtest-kmsg && mknod /dev/jkbtest-kmsg c 1 11"
                                  " && exec 3</dev/jkbtest-kmsg", status=None)
            self.assertNotIn("Operation not permitted", outside.stderr)
        finally:
            machine.run("rm", "-f", "/dev/jkbtest-kmsg")
        opened = machine.run("sh", "-c", 'echo $$ >"$1" && exec 3<>/run/jkbtest/tty', "sh", group)
        self.assertEqual(opened.stderr, "")

    def test_files(self):
        """State and runtime directory are the daemon's alone, and all that it may write to."""
        machine.run("systemctl", "restart", "jkbmsd")  # everything that is kept is written
        lines = machine.out("find", "/var/lib/jkbmsd", "/run/jkbmsd", "-printf", "%y %m %u:%g %p\n").splitlines()
        for name in ("/var/lib/jkbmsd/known-bms.ini", "/var/lib/jkbmsd/history.sqlite",
                     "/run/jkbmsd/history.journal"):
            self.assertTrue(any(line.endswith(" " + name) for line in lines), lines)
        for line in lines:
            self.assertRegex(line, r"^(d 700|f 600) jkbmsd:jkbmsd ")
        self.assertEqual(machine.out("busctl", "get-property", "io.github.jkbmsd1", "/io/github/jkbmsd1",
                                     "io.github.jkbmsd1.Manager", "HistoryError"), 's ""')
        namespace = ("nsenter", "--target", str(main_pid()), "--mount", "--")
        for place in ("/usr", "/var/lib", "/run", "/home"):  # not even with root's rights
            refused = machine.run(*namespace, "touch", f"{place}/jkbtest", status=None)
            self.assertNotEqual(refused.returncode, 0, f"{place} can be written to")
        machine.run("touch", "/etc/jkbmsd/jkbtest", user="jkbmsd", status=1)
        for place in ("/var/lib/jkbmsd", "/run/jkbmsd"):
            machine.run("ls", place, user="visitor", status=2)
        machine.run("systemctl", "stop", "jkbmsd")  # the journal outlives the service
        machine.run("test", "-f", "/run/jkbmsd/history.journal")
        machine.run("systemctl", "start", "jkbmsd")

    # Who may do what

    def test_everybody_may_read(self):
        self.wait_for_bms("garage_1")
        self.assertIn("garage_1", machine.out("jkbmsctl", "list", user="visitor"))
        machine.run("jkbmsctl", "show", "garage_1", "--json", user="visitor")
        tree = call(ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", user="visitor")
        self.assertIn(f"{ROOT}/bms/garage_1", tree)

    def test_nobody_may_configure(self):
        self.wait_for_bms("garage_1")
        bms, mqtt = f"{ROOT}/bms/garage_1", f"{ROOT}/mqtt"
        for refused in ((bms, f"{NAME}.Bms.Forget"), (mqtt, f"{NAME}.Mqtt.Reconnect"),
                        (f"{ROOT}/bus/garage", f"{NAME}.Bus.Reconnect")):
            self.assert_refused("io.github.jkbmsd1.Error.NotAuthorized", *refused, user="visitor")
        self.wait_for_bms("garage_1")

    def test_nobody_else_may_own_the_name(self):
        machine.run("systemctl", "stop", "jkbmsd")
        self.assert_refused("AccessDenied", "/org/freedesktop/DBus", "org.freedesktop.DBus.RequestName",
                            f"string:{NAME}", "uint32:0", user="visitor", name="org.freedesktop.DBus")

    def test_polkit_rule(self):
        """An administrator's rule lets one user configure, and nobody else."""
        need(machine.run("systemctl", "cat", "polkit", status=None).returncode == 0,
             "polkit is not installed")
        self.wait_for_bms("shed_5")
        forget = f"{NAME}.Bms.Forget"
        self.assert_refused("NotAuthorized", f"{ROOT}/bms/shed_5", forget, user="helper")
        machine.write("/etc/polkit-1/rules.d/50-jkbtest.rules", RULE)
        machine.run("systemctl", "restart", "polkit")
        before = get(f"{ROOT}/bus/shed", "Bus", "FramesReceived")
        machine.run("systemctl", "stop", "jkbtest-tcp")
        call(f"{ROOT}/bms/shed_5", forget, user="helper")
        self.assert_refused("NotAuthorized", f"{ROOT}/bms/garage_1", forget, user="visitor")
        self.assertNotIn("shed_5", machine.out("jkbmsctl", "list"))
        self.assertGreaterEqual(get(f"{ROOT}/bus/shed", "Bus", "FramesReceived"), before)
        machine.background("jkbtest-tcp", "jkbms-sim", "--master", "--rate", "line", "--bms", "0,5",
                           "--listen", "tcp:127.0.0.1:5001")
        self.wait_for_bms("shed_5")

    def test_without_polkit_only_root_may_configure(self):
        self.wait_for_bms("garage_2")
        machine.run("systemctl", "mask", "--runtime", "--now", "polkit")
        try:
            self.assert_refused("NotAuthorized", f"{ROOT}/bms/garage_2", f"{NAME}.Bms.Forget", user="helper")
            call(f"{ROOT}/mqtt", f"{NAME}.Mqtt.Reconnect")
        finally:
            machine.run("systemctl", "unmask", "--runtime", "polkit")

    # Start, stop, restart

    def test_stops_within_two_seconds(self):
        self.wait_for_bms("garage_1")
        self.assertLess(machine.seconds("systemctl", "stop", "jkbmsd"), 2)
        self.assertEqual(machine.show("jkbmsd", "Result"), "success")
        self.assertEqual(published("jkbms/bridge/availability"), "offline")

    def test_is_started_by_a_call(self):
        machine.run("systemctl", "stop", "jkbmsd")
        version = get(ROOT, "Manager", "Version")
        self.assertTrue(version)
        self.assertEqual(machine.show("jkbmsd", "ActiveState"), "active")

    def test_reload(self):
        pid = main_pid()
        machine.write("/etc/jkbmsd/conf.d/jkbtest.conf", "[bms garage_1]\nname=Left rack\n", 0o640, "jkbmsd")
        try:
            machine.run("systemctl", "reload", "jkbmsd")
            machine.wait_until(lambda: get(f"{ROOT}/bms/garage_1", "Bms", "Name") == "Left rack", 5)
            self.assertEqual(main_pid(), pid)
            machine.write("/etc/jkbmsd/conf.d/jkbtest.conf", "[bms garage_1]\nignore=perhaps\n", 0o640,
                          "jkbmsd")
            machine.run("systemctl", "reload", "jkbmsd")
            machine.wait_until(lambda: "perhaps" in machine.journal("-u", "jkbmsd"), 5)
            self.assertEqual(main_pid(), pid)
            self.assertEqual(get(f"{ROOT}/bms/garage_1", "Bms", "Name"), "Left rack")
        finally:
            machine.run("rm", "-f", "/etc/jkbmsd/conf.d/jkbtest.conf")

    def with_drop_in(self, text):
        """The unit with other times, so that the test needs not wait for the real ones."""
        machine.write(DROP_IN, text)
        machine.run("systemctl", "daemon-reload")
        machine.run("systemctl", "restart", "jkbmsd")
        self.addCleanup(machine.run, "systemctl", "restart", "jkbmsd")
        self.addCleanup(machine.run, "systemctl", "daemon-reload")
        self.addCleanup(machine.run, "rm", "-f", DROP_IN)

    def wait_for_restart(self, pid, timeout):
        def restarted():
            return machine.show("jkbmsd", "ActiveState") == "active" and main_pid() not in (0, pid)
        machine.wait_until(restarted, timeout, lambda: machine.out("systemctl", "status", "jkbmsd",
                                                                   status=None))

    def test_watchdog_restarts_a_hung_daemon(self):
        self.with_drop_in("[Service]\nWatchdogSec=2s\nRestartSec=200ms\nTimeoutAbortSec=2s\n")
        time.sleep(2.5)
        pid = main_pid()
        self.assertEqual(machine.show("jkbmsd", "NRestarts"), "0")  # it pings
        machine.run("kill", "-STOP", pid)
        self.wait_for_restart(pid, 10)
        self.assertIn("Watchdog timeout", machine.journal("UNIT=jkbmsd.service"))
        self.wait_for_bms("garage_1")

    def test_is_restarted_for_ever(self):
        """No number of crashes makes systemd give up: here ten times as fast as with the real times."""
        self.assertEqual(machine.show("jkbmsd", "RestartUSec"), "5s")
        self.with_drop_in("[Service]\nRestartSec=100ms\n")
        for crash in range(8):
            pid = main_pid()
            machine.run("kill", "-KILL", pid)
            self.wait_for_restart(pid, 5)
            self.assertEqual(machine.show("jkbmsd", "NRestarts"), str(crash + 1))

    def test_lives_on_without_dbus(self):
        """The D-Bus daemon restarts: MQTT goes on, and the name is taken again."""
        pid = main_pid()
        machine.run("systemctl", "restart", "dbus")
        json.loads(published("jkbms/garage_1/state"))
        self.wait_for_bms("garage_1")
        self.assertEqual(main_pid(), pid)

    # The log

    def test_journal_fields(self):
        self.wait_for_bms("garage_1", "shed_5")
        for match, field, value in (("JKB_BUS=garage", "JKB_BUS", "garage"),
                                    ("JKB_BMS=shed_5", "JKB_BMS", "shed_5")):
            entries = machine.journal(match, fields=True)
            self.assertTrue(entries, f"nothing in the journal for {match}")
            for entry in entries:
                self.assertEqual(entry[field], value)
                self.assertRegex(entry["MESSAGE"], rf"^{value}(_\d+)?: ")
                self.assertEqual(entry["_SYSTEMD_UNIT"], "jkbmsd.service")
                self.assertIn(entry["PRIORITY"], "34567")
        self.assertEqual(machine.journal("_SYSTEMD_UNIT=jkbmsd.service", "-p", "crit"), "")


if __name__ == "__main__":
    jkbtest.main()
