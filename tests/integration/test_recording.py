#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The history of the real daemon: what it answers, what it survives, what it costs."""

import fcntl
import math
import os
import signal
import subprocess
import tempfile
import time
import unittest

import jkbtest
from jkbdbus import ROOT, Error, bms_path
from jkbtest import wait_until

ALL = (1 << 63) - 1


class Base(jkbtest.Case):
    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "line"))

    def start_daemon(self, state_dir=None, wait=True, **env):
        runtime = self.path("runtime")
        os.makedirs(runtime, 0o700, exist_ok=True)
        env.setdefault("RUNTIME_DIRECTORY", runtime)
        self.daemon = self.enter(jkbtest.Daemon("[daemon]\ndbus-interval=0\n\n" + self.sim.config("garage"),
                                                bus=self.bus, state_dir=state_dir, env=env))
        if wait:
            self.wait_for_bms()

    def wait_for_bms(self):
        wait_until(lambda: self.client.bms() == ["garage_0", "garage_1", "garage_2"], 20)
        wait_until(lambda: all(self.client.get(bms_path(bms), "Bms", "Online") for bms in self.client.bms()), 20)

    def ask(self, bms, key, since=0, until=ALL, points=0):
        return self.client.call(bms_path(bms), "Bms", "GetHistory", "(sttu)", key, since, until, points)

    def manager(self, key):
        return self.client.get(ROOT, "Manager", key)

    def set_config(self, key, value):
        self.client.call(ROOT, "Manager", "SetConfig", "(sss)", "history", key, value)

    def file(self, name):
        return os.path.join(self.daemon.state_dir, name)


class History(Base):
    def setUp(self):
        super().setUp()
        self.start_daemon()

    def test_what_was_is_what_was_shown(self):
        """Each value that was read from Telemetry is in the history, at the time of its frame."""
        shown = {}
        for _ in range(60):
            bms = self.client.get_all(bms_path("garage_1"), "Bms")
            live = self.client.get_all(bms_path("garage_1"), "Telemetry")
            if self.client.get(bms_path("garage_1"), "Bms", "LastSeen") == bms["LastSeen"]:
                shown[bms["LastSeen"]] = live
            time.sleep(0.07)
        self.assertGreater(len(shown), 5)
        for key, read in (("total_voltage", lambda live: live["TotalVoltage"]),
                          ("current", lambda live: live["Current"]),
                          ("cell_voltage_3", lambda live: live["CellVoltages"][2]),
                          ("charging", lambda live: float(live["Charging"]))):
            history = dict(self.ask("garage_1", key))
            for stamp, live in shown.items():
                # LastSeen moves with frames of every type, and settings come between.
                if stamp in history:
                    self.assertTrue(math.isclose(history[stamp], read(live), abs_tol=1e-9), (key, stamp))
            self.assertGreater(len(set(shown) & set(history)), 3)
        stamps = [stamp for stamp, _ in self.ask("garage_1", "current")]
        self.assertEqual(stamps, sorted(stamps))
        self.assertLess(abs(stamps[-1] / 1e6 - time.time()), 5)

    def test_times_and_points(self):
        wait_until(lambda: len(self.ask("garage_1", "total_voltage")) >= 20, 30)
        history = self.ask("garage_1", "total_voltage")
        middle = history[5:15]
        self.assertEqual(self.ask("garage_1", "total_voltage", middle[0][0], middle[-1][0]), middle)
        few = self.ask("garage_1", "total_voltage", history[0][0], history[19][0], 6)
        self.assertLessEqual(len(few), 6)
        values = [value for _, value in history[:20]]
        self.assertEqual({min(values), max(values)} - {value for _, value in few}, set())
        self.assertEqual(self.ask("garage_1", "total_voltage", ALL - 1, ALL), [])

    def test_refused(self):
        for key, arguments, name in (("nothing", (0, ALL, 0), "NotFound"),
                                     ("cell_voltage_99", (0, ALL, 0), "NotFound"),
                                     ("cell_voltages", (0, ALL, 0), "InvalidArgument"),
                                     ("errors", (0, ALL, 0), "InvalidArgument"),
                                     ("charge_status", (0, ALL, 0), "InvalidArgument"),
                                     ("current", (2, 1, 0), "InvalidArgument")):
            with self.assertRaises(Error) as caught:
                self.ask("garage_1", key, *arguments)
            self.assertTrue(caught.exception.name.endswith(".Error." + name), (key, caught.exception.name))

    def test_forget(self):
        wait_until(lambda: len(self.ask("garage_2", "current")) > 5, 20)
        self.sim.close()
        self.client.call(bms_path("garage_2"), "Bms", "Forget")
        self.daemon.stop()
        for name in ("known-bms.ini",):
            os.unlink(self.file(name))
        sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "line"))
        self.daemon.write_config(sim.config("garage"))
        began = time.time()
        self.daemon.start()
        self.wait_for_bms()
        wait_until(lambda: self.ask("garage_2", "current"), 20)
        self.assertGreaterEqual(self.ask("garage_2", "current")[0][0], (began - 1) * 1e6)
        self.assertLess(self.ask("garage_1", "current")[0][0], began * 1e6)

    def test_forget_survives(self):
        """A BMS that is forgotten while the journal cannot be opened is forgotten by the next daemon."""
        wait_until(lambda: len(self.ask("garage_2", "current")) > 5, 20)
        self.daemon.stop()
        with open(self.path("runtime/history.journal"), "rb") as journal:
            fcntl.flock(journal, fcntl.LOCK_EX)
            self.daemon.start()
            self.wait_for_bms()
            self.assertIn("in use by another process", self.manager("HistoryError"))
            self.sim.close()
            self.client.call(bms_path("garage_2"), "Bms", "Forget")
            wait_until(lambda: "forgotten" in self.known(), 10)
            self.daemon.kill()
        sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "line"))
        self.daemon.write_config(sim.config("garage"))
        began = time.time()
        self.daemon.start()
        self.wait_for_bms()
        wait_until(lambda: self.ask("garage_2", "current"), 20)
        self.assertGreaterEqual(self.ask("garage_2", "current")[0][0], (began - 1) * 1e6)
        self.assertLess(self.ask("garage_1", "current")[0][0], began * 1e6)
        wait_until(lambda: "forgotten" not in self.known(), 10)

    def known(self):
        with open(self.file("known-bms.ini"), encoding="utf-8") as file:
            return file.read()

    def test_configured_at_run_time(self):
        self.set_config("enabled", "false")
        recorded = self.manager("HistoryRecorded")
        with self.assertRaises(Error) as caught:
            self.ask("garage_1", "current")
        self.assertIn("set enabled=true", str(caught.exception))
        self.set_config("enabled", "true")
        wait_until(lambda: self.manager("HistoryRecorded") > recorded, 20)
        wait_until(lambda: self.ask("garage_1", "current"), 20)
        self.set_config("size-max", "10")
        self.set_config("keep", "7200")
        wait_until(lambda: self.manager("HistorySize") > 0, 20)
        self.assertEqual(self.manager("HistoryError"), "")

    def test_killed(self):
        """Whatever was answered before a kill -9 is answered after it, each sample once."""
        before = {}
        for _ in range(4):
            count = self.manager("HistoryRecorded")
            wait_until(lambda: self.manager("HistoryRecorded") > count + 30, 30)
            for bms in ("garage_1", "garage_2"):
                history = self.ask(bms, "total_voltage")
                self.assertEqual(history[:len(before.get(bms, []))], before.get(bms, []))
                before[bms] = history
            self.daemon.send_signal(signal.SIGKILL)
            self.daemon.child.wait()
            self.daemon.start()
            self.wait_for_bms()
        for bms in ("garage_1", "garage_2"):
            stamps = [stamp for stamp, _ in self.ask(bms, "total_voltage")]
            self.assertEqual(len(stamps), len(set(stamps)))

    def test_quiet(self):
        """Between two commits nothing is written, and the thread sleeps, however many frames come."""
        thread = next(task for task in os.listdir(f"/proc/{self.daemon.pid}/task")
                      if self.read(f"/proc/{self.daemon.pid}/task/{task}/comm").strip() == "jkb-history")
        wait_until(lambda: self.manager("HistorySize") > 0, 10)
        count = self.manager("HistoryRecorded")
        wait_until(lambda: self.manager("HistoryRecorded") > count, 10)
        time.sleep(0.5)

        def state():
            text = self.read(f"/proc/{self.daemon.pid}/task/{thread}/status")
            files = [(name, os.stat(self.file(name)).st_mtime_ns) for name in sorted(os.listdir(self.daemon.state_dir))
                     if name.startswith("history")]
            return text.split("voluntary_ctxt_switches:")[1].split()[0], files
        before, count = state(), self.manager("HistoryRecorded")
        wait_until(lambda: self.manager("HistoryRecorded") > count + 40, 20)
        self.assertEqual(state(), before)

    @staticmethod
    def read(path):
        with open(path, encoding="ascii") as file:
            return file.read()

    def test_private(self):
        modes = {name: os.stat(self.file(name)).st_mode & 0o777 for name in os.listdir(self.daemon.state_dir)
                 if name.startswith("history")}
        self.assertEqual(set(modes), {"history.sqlite", "history.sqlite-wal"})
        self.assertEqual(set(modes.values()), {0o600})
        self.assertEqual(os.stat(self.path("runtime/history.journal")).st_mode & 0o777, 0o600)


class ByHand(Base):
    """Without a runtime directory the daemon makes one in memory."""

    def start_by_hand(self):
        self.daemon = self.enter(jkbtest.Daemon(self.sim.config("garage"), bus=self.bus))
        if os.statvfs(self.daemon.memory).f_fsid == os.statvfs(self.daemon.state_dir).f_fsid:
            self.skipTest("no file system in memory here")
        self.wait_for_bms()

    def journals(self):
        return [os.path.join(where, name) for where, _, names in os.walk(self.daemon.memory) for name in names]

    def test_killed_and_stopped(self):
        self.start_by_hand()
        wait_until(lambda: self.manager("HistoryRecorded") > 40, 20)
        self.assertEqual([os.path.basename(path) for path in self.journals()], ["history.journal"])
        self.assertNotIn("history.journal", os.listdir(self.daemon.state_dir))
        self.assertEqual(os.stat(os.path.dirname(self.journals()[0])).st_mode & 0o777, 0o700)
        before = self.ask("garage_1", "current")
        self.daemon.kill()
        self.assertTrue(self.journals())
        self.daemon.start()
        self.wait_for_bms()
        after = wait_until(lambda: self.ask("garage_1", "current"), 20)
        self.assertTrue(before)
        self.assertEqual(after[:len(before)], before)
        self.daemon.stop()
        self.assertEqual(os.listdir(self.daemon.memory), [], "the journal was left in memory")


class Trouble(Base):
    def test_damaged(self):
        self.start_daemon()
        wait_until(lambda: self.manager("HistoryRecorded") > 10, 20)
        self.daemon.stop()
        for path in (self.file("history.sqlite"), self.path("runtime/history.journal")):
            with open(path, "r+b") as file:
                file.write(b"nonsense" * 100)
        self.daemon.start()
        self.wait_for_bms()
        wait_until(lambda: self.ask("garage_1", "current"), 20)
        self.assertEqual(self.manager("HistoryError"), "")
        self.assertEqual(self.daemon.log.count("set aside as"), 2, self.daemon.log)
        self.assertTrue(os.path.exists(self.file("history.sqlite.set-aside")))

    def test_second_daemon(self):
        """Two on one directory do not tear each other's journal."""
        self.start_daemon()
        other_bus = self.enter(jkbtest.PrivateBus())
        other = self.enter(jkbtest.Daemon("", bus=other_bus, state_dir=self.daemon.state_dir,
                                          env={"RUNTIME_DIRECTORY": self.path("runtime")}))
        self.assertIn("in use by another process", other_bus.client().get(ROOT, "Manager", "HistoryError"))
        self.assertEqual(self.manager("HistoryError"), "")
        other.stop()

    def small_disk(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount the small file system")
        directory = tempfile.mkdtemp(prefix="jkbtest-state-")
        self.addCleanup(os.rmdir, directory)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "none", directory],
                          capture_output=True, check=False).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", directory], check=False)
        return directory

    def test_full_disk(self):
        """One warning, a property, live data goes on; all of it is there once there is room."""
        self.start_daemon(self.small_disk())
        wait_until(lambda: self.manager("HistorySize") > 0, 10)
        with open(self.file("ballast"), "wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        wait_until(lambda: self.ask("garage_1", "current"), 20)
        first = self.ask("garage_1", "current")[0]
        for keep in ("7000", "7001", "7002"):  # each tries a commit
            count = self.manager("HistoryRecorded")
            wait_until(lambda: self.manager("HistoryRecorded") > count + 60, 30)
            try:
                self.set_config("keep", keep)
            except Error:  # there is no room for that either
                os.truncate(self.file("ballast"), os.stat(self.file("ballast")).st_size - 8192)
                self.set_config("keep", keep)
        wait_until(lambda: self.manager("HistoryError") != "", 10)
        self.assertIn("the history cannot be written: ", self.manager("HistoryError"))
        seen = self.client.get(bms_path("garage_1"), "Bms", "LastSeen")
        wait_until(lambda: self.client.get(bms_path("garage_1"), "Bms", "LastSeen") > seen, 10)
        os.unlink(self.file("ballast"))
        self.set_config("keep", "8000")
        wait_until(lambda: self.manager("HistoryError") == "", 10)
        self.assertEqual(self.daemon.log.count("the history cannot be written"), 1, self.daemon.log)
        self.assertEqual(self.manager("HistoryDropped"), 0)
        self.assertEqual(self.ask("garage_1", "current")[0], first)

    def test_read_only(self):
        directory = self.small_disk()
        subprocess.run(["mount", "-o", "remount,ro", directory], check=True)
        self.start_daemon(directory, wait=False)
        wait_until(lambda: "the history cannot be written" in self.daemon.log, 20)
        self.wait_for_bms()
        self.assertIn("cannot be written", self.manager("HistoryError"))
        subprocess.run(["mount", "-o", "remount,rw", directory], check=True)
        self.set_config("size-max", "10")
        wait_until(lambda: self.manager("HistoryError") == "", 10)
        wait_until(lambda: self.ask("garage_1", "current"), 20)


if __name__ == "__main__":
    jkbtest.main()
