#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Buses that come and go, overrides and the admin's files, reload, kill -9 in the middle of it.

JKB_TEST_LONG=1: 200 kills in the middle of changes instead of 20."""

import os
import random
import signal
import socket
import threading
import time

import jkbtest
from gi.repository import GLib
from jkbconfigure import FAST, MQTT, Base, frames_of
from jkbdbus import ROOT, Error, bms_path, bus_path
from jkbtest import wait_until

LONG = "1" in (os.environ.get("JKB_TEST_LONG"), os.environ.get("JKB_LONG"))
ROUNDS = 200 if LONG else 20


class Methods(Base):

    def test_buses_come_and_go(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        other = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line", tcp=True))
        broker = self.enter(jkbtest.Broker())
        self.start(FAST + broker.config())
        capture = self.enter(jkbtest.Capture(broker))
        answer = self.call(ROOT, "Manager", "AddBus", "ssa{sv}", "garage", sim.uri, 0)
        self.assertEqual(answer.split(), ["o", f'"{bus_path("garage")}"'])
        self.call(ROOT, "Manager", "AddBus", "ssa{sv}", "shed", other.uri, 4, "offline-after", "d",
                  "12.5", "baud", "u", "57600", "mode", "s", "listen", "enabled", "b", "true")
        self.wait_for_bms("garage_1", "shed_1")
        shed = self.client.get_all(bus_path("shed"), "Bus")
        self.assertEqual((shed["OfflineAfter"], shed["Baud"], shed["Mode"], shed["Enabled"]),
                         (12.5, 57600, "listen", True))
        self.client.set(bms_path("shed_1"), "Bms", "Name", ("s", "Roof"))
        capture.wait_for("jkbms/shed_1/availability", lambda m: m.payload == "online")
        capture.wait_for("homeassistant/device/jkbmsd_shed_1/config")

        self.daemon.restart()
        self.assertIn(bus_path("shed"), self.client.objects())
        wait_until(lambda: self.client.get(bms_path("shed_1"), "Bms", "Online"), 20)
        self.assertEqual(self.client.get(bms_path("shed_1"), "Bms", "Name"), "Roof")
        capture.wait_for("jkbms/shed_1/availability", lambda m: m.payload == "online")

        signals = self.client.signals()
        self.call(ROOT, "Manager", "RemoveBus", "s", "shed")
        self.assertNotIn(bus_path("shed"), self.client.objects())
        self.assertNotIn("shed_1", self.client.bms())
        self.assertIn("garage_1", self.client.bms())
        capture.wait_for("jkbms/shed_1/availability", lambda m: m.payload == "")
        capture.wait_for("homeassistant/device/jkbmsd_shed_1/config", lambda m: m.payload == "")
        wait_until(lambda: bus_path("shed") in {s.arguments[0] for s in signals
                                                if s.name == "InterfacesRemoved"}, 5)
        self.daemon.restart()
        self.assertNotIn(bus_path("shed"), self.client.objects())
        self.assertNotIn("bms shed_1", self.config())

    def test_a_bus_of_the_files_is_removed(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        config = FAST + sim.config("garage", poll_interval=3)
        self.start(config)
        self.wait_for_bms("garage_1")
        self.call(ROOT, "Manager", "RemoveBus", "s", "garage")
        with open(self.daemon.config_path, encoding="utf-8") as file:
            self.assertEqual(file.read(), config)
        self.daemon.restart()
        self.assertEqual(self.client.bms(), [])
        self.call(ROOT, "Manager", "ResetConfig", "ss", "bus garage", "")
        self.wait_for_bms("garage_1")
        self.call(ROOT, "Manager", "RemoveBus", "s", "garage")
        self.daemon.stop()
        self.daemon.write_config(config.replace("=3", "=4"))
        self.daemon.start()
        self.wait_for_bms("garage_1")
        self.assertEqual(self.daemon.log.count("was removed at runtime, but"), 1)
        self.daemon.restart()
        self.assertEqual(self.daemon.log.count("was removed at runtime, but"), 1)
        self.assertIn(bus_path("garage"), self.client.objects())

    def test_the_admin_wins(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        self.start(FAST + sim.config("garage", poll_interval=3))
        self.client.set(bus_path("garage"), "Bus", "PollInterval", ("d", 5.0))
        self.client.set(bus_path("garage"), "Bus", "OfflineAfter", ("d", 50.0))
        self.daemon.write_config(FAST + sim.config("garage", poll_interval=4))
        self.call(ROOT, "Manager", "Reload")
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 4.0)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "OfflineAfter"), 50.0)
        self.daemon.restart()
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 4.0)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "OfflineAfter"), 50.0)
        self.assertEqual(self.daemon.log.count("the files count"), 1)

    def test_reset(self):
        self.start("[daemon]\nlog-level=warning\n[mqtt]\ninterval=7\n")
        self.client.set(ROOT, "Manager", "LogLevel", ("s", "debug"))
        self.client.set(ROOT, "Manager", "Language", ("s", "fr"))
        self.client.set(MQTT, "Mqtt", "Interval", ("d", 9.0))
        self.client.set(MQTT, "Mqtt", "TopicPrefix", ("s", "x"))
        self.call(ROOT, "Manager", "ResetConfig", "ss", "daemon", "log-level")
        self.assertEqual(self.client.get(ROOT, "Manager", "LogLevel"), "warning")
        self.assertEqual(self.client.get(ROOT, "Manager", "Language"), "fr")
        self.call(ROOT, "Manager", "ResetConfig", "ss", "mqtt", "")
        self.assertEqual(self.client.get(MQTT, "Mqtt", "Interval"), 7.0)
        self.assertEqual(self.client.get(MQTT, "Mqtt", "TopicPrefix"), "jkbms")
        self.call(ROOT, "Manager", "ResetConfig", "ss", "", "")
        self.daemon.restart()
        self.assertEqual(self.client.get(ROOT, "Manager", "Language"), "en")
        self.assertNotIn("runtime", {o for keys in self.origins().values() for o in keys.values()})

    def test_keys_without_a_property(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        self.start(FAST + sim.config("garage"))
        self.wait_for_bms("garage_0", "garage_1")
        self.call(ROOT, "Manager", "SetConfig", "sss", "bms garage_1", "ignore", "true")
        self.assertEqual(self.client.bms(), ["garage_0"])
        self.daemon.restart()
        time.sleep(1)
        self.assertEqual(self.client.bms(), ["garage_0"])
        self.call(ROOT, "Manager", "ResetConfig", "ss", "bms garage_1", "ignore")
        self.wait_for_bms("garage_1")
        self.client.set(bus_path("garage"), "Bus", "Addresses", ("s", "1-3"))
        self.assertEqual(self.client.bms(), ["garage_1"])

    def test_what_is_refused(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        self.start(FAST + sim.config("garage") + "[mqtt]\nenabled=false\n\n[writes]\naccess=none\n")
        before = self.config()
        garage = bus_path("garage")
        self.assertTrue(
            self.refused("OutOfRange", garage, "Bus", "PollInterval", ("d", 0.0)).endswith(
                ": poll-interval=0 is outside 0.1..3600 seconds; the default is 2"))
        for error, path, interface, key, variant in (
                ("OutOfRange", garage, "Bus", "Baud", ("u", 7)),
                ("InvalidArgument", garage, "Bus", "Baud", ("s", "9600")),
                ("ReadOnly", garage, "Bus", "State", ("s", "up")),
                ("ReadOnly", MQTT, "Mqtt", "Connected", ("b", True)),
                ("NotFound", MQTT, "Mqtt", "Password", ("s", "CANARY")),
                ("OutOfRange", garage, "Bus", "PollInterval", ("d", 1e300)),
                ("InvalidArgument", garage, "Bus", "PollInterval", ("d", float("nan"))),
                ("InvalidArgument", garage, "Bus", "Mode", ("s", "loud")),
                ("InvalidArgument", garage, "Bus", "Uri", ("s", "ftp:nowhere")),
                ("InvalidArgument", garage, "Bus", "Uri", ("s", "tcp:me:CANARY@host:1")),
                ("InvalidArgument", garage, "Bus", "Uri", ("s", "")),
                ("InvalidArgument", garage, "Bus", "Addresses", ("s", "1,99")),
                ("InvalidArgument", garage, "Bus", "ReconnectMin", ("d", 3000.0)),
                ("InvalidArgument", MQTT, "Mqtt", "Uri", ("s", "mqtt://me:CANARY@host")),
                ("InvalidArgument", MQTT, "Mqtt", "Enabled", ("b", True)),
                ("InvalidArgument", MQTT, "Mqtt", "TopicPrefix", ("s", "a/#")),
                ("InvalidArgument", MQTT, "Mqtt", "CaFile", ("s", "relative.pem")),
                ("OutOfRange", MQTT, "Mqtt", "Interval", ("d", -1.0)),
                ("InvalidArgument", ROOT, "Manager", "LogLevel", ("s", "chatty")),
                ("InvalidArgument", ROOT, "Manager", "Language", ("s", "tlh"))):
            sentence = self.refused(error, path, interface, key, variant)
            self.assertNotIn("CANARY", sentence)
            self.assertGreater(len(sentence), 20)
        add = (ROOT, "Manager", "AddBus", "(ssa{sv})")
        self.refused_call("Exists", *add, "garage", "tcp:h:1", {})
        self.refused_call("InvalidArgument", *add, "Garage 2", "tcp:h:1", {})
        self.refused_call("InvalidArgument", *add, "shed", "tcp:me:CANARY@h:1", {})
        self.refused_call("InvalidArgument", *add, "shed", sim.uri, {})
        self.refused_call("NotFound", ROOT, "Manager", "RemoveBus", "(s)", "attic")
        self.refused_call("NotFound", ROOT, "Manager", "ResetConfig", "(ss)", "bus attic", "")
        self.refused_call("NotFound", ROOT, "Manager", "ResetConfig", "(ss)", "mqtt", "nonsense")
        self.refused_call("ReadOnly", ROOT, "Manager", "SetConfig", "(sss)", "writes", "access",
                          "protection")
        self.refused_call("ReadOnly", ROOT, "Manager", "SetConfig", "(sss)", "mqtt", "commands",
                          "basic")
        self.refused_call("InvalidArgument", MQTT, "Mqtt", "SetPassword", "(s)", "two\nlines")
        self.refused_call("NotFound", garage, "Bus", "StopCapture")
        self.assertEqual(self.config(), before)
        self.assertFalse(os.path.exists(os.path.join(self.daemon.state_dir, "overrides.conf")))

    def test_a_disk_that_takes_nothing(self):
        self.start("")
        os.rename(self.daemon.state_dir, self.daemon.state_dir + ".away")
        self.refused("Io", ROOT, "Manager", "Language", ("s", "de"))
        self.assertEqual(self.client.get(ROOT, "Manager", "Language"), "en")
        os.rename(self.daemon.state_dir + ".away", self.daemon.state_dir)
        self.client.set(ROOT, "Manager", "Language", ("s", "de"))
        self.assertEqual(self.client.get(ROOT, "Manager", "Language"), "de")


class Reload(Base):

    def setUp(self):
        super().setUp()
        self.truth = self.path("truth.jsonl")
        self.sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line", "--wait",
                                          "--truth", self.truth, tcp=True))
        self.other = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        self.notified = []
        path = self.path("notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(path)
        self.addCleanup(self.notify.close)
        threading.Thread(target=self.listen, daemon=True).start()
        self.start(FAST + self.sim.config("garage"), env={"NOTIFY_SOCKET": path})
        self.wait_for_bms("garage_1")

    def listen(self):
        try:
            while True:
                self.notified.append(self.notify.recv(4096).decode())
        except OSError:
            pass

    def test_the_difference(self):
        signals = self.client.signals()
        broker = self.enter(jkbtest.Broker())
        capture = self.enter(jkbtest.Capture(broker))
        self.daemon.write_config("[daemon]\ndbus-interval=0.2\nlog-level=debug\n\n"
                                 + self.sim.config("garage", poll_interval=7)
                                 + self.other.config("shed") + broker.config()
                                 + "[bms garage_1]\nname=Left\n")
        self.notified.clear()
        self.daemon.send_signal(signal.SIGHUP)
        self.wait_for_bms("shed_1")
        wait_until(lambda: any("READY=1" in text for text in self.notified), 5)
        self.assertTrue(any(text.startswith("RELOADING=1\nMONOTONIC_USEC=")
                            for text in self.notified), self.notified)
        capture.wait_for("jkbms/shed_1/state")
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 7.0)
        self.assertEqual(self.client.get(bms_path("garage_1"), "Bms", "Name"), "Left")
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "Reconnects"), 0)
        self.daemon.write_config(FAST + self.sim.config("garage"))
        self.client.call(ROOT, "Manager", "Reload")
        self.assertNotIn("shed_1", self.client.bms())
        self.assertEqual(self.client.get(bms_path("garage_1"), "Bms", "Name"), "garage_1")
        capture.wait_for("jkbms/bridge/availability", lambda m: m.payload == "offline")
        self.sim.command("pause")
        time.sleep(0.5)
        received = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        for s in list(signals):
            if s.name == "PropertiesChanged" and "garage" in s.path:
                self.assertNotEqual(s.arguments[1].get("Online"), False)
                self.assertNotIn("State", s.arguments[1])
        self.sim.stop()
        self.assertEqual(received, frames_of(self.truth))

    def test_mistakes_change_nothing(self):
        before = self.config()
        self.daemon.write_config("[daemon]\ndbus-interval=-1\n" + self.other.config("garage")
                                 + "[mqtt]\nuri=mqtt://a\ninterval=x\nfoo=bar\n")
        sentence = self.refused_call("InvalidArgument", ROOT, "Manager", "Reload")
        self.assertIn(":2: dbus-interval=-1 is outside", sentence)
        self.assertIn(":8: interval=x is not a number", sentence)
        self.assertNotIn("foo", sentence)
        self.assertEqual(self.config(), before)
        self.notified.clear()
        self.daemon.send_signal(signal.SIGHUP)
        self.daemon.wait_for_log("the configuration was not reloaded")
        wait_until(lambda: any("READY=1" in text for text in self.notified), 5)
        self.assertIn("unknown key foo", self.daemon.log)
        self.assertEqual(self.config(), before)


class Kill(Base):
    """kill -9 in the middle of changes: the next start has the old or the new configuration."""

    KEYS = ("poll-interval", "settings-interval", "info-interval", "offline-after")

    def change(self, n):
        """A bus goes, another comes; self.possible: what a start may find at any moment."""
        if n > 0:
            self.possible = {n - 1, None}
            self.client.call(ROOT, "Manager", "RemoveBus", "(s)", "x")
        values = {key: GLib.Variant("d", n + 10) for key in self.KEYS}
        self.possible = {None, n}
        self.client.call(ROOT, "Manager", "AddBus", "(ssa{sv})", "x",
                         f"tcp:127.0.0.1:{1000 + n}", values)
        self.possible = {n}

    def found(self):
        bus = self.config().get("bus x")
        if bus is None:
            return None
        numbers = {int(float(bus[key])) - 10 for key in self.KEYS}
        self.assertEqual(len(numbers), 1, f"half a configuration: {bus}")
        n = numbers.pop()
        self.assertEqual(bus["uri"], f"tcp:127.0.0.1:{1000 + n}")
        return n

    def test_kill(self):
        self.start("[daemon]\nlog-level=warning\n")
        chance = random.Random(4)
        for _ in range(ROUNDS):
            n, self.possible = 0, {None}
            timer = threading.Timer(chance.uniform(0.001, 0.08), self.daemon.kill)
            timer.start()
            try:
                while True:
                    self.change(n)
                    n += 1
            except Error:
                pass
            timer.join()
            self.daemon.start()
            while len(self.bus.clients) > 1:  # one more for each start: there is a limit
                self.bus.clients.pop().close()
            found = self.found()
            self.assertIn(found, self.possible)
            if found is not None:
                self.client.call(ROOT, "Manager", "RemoveBus", "(s)", "x")
        self.assertNotIn("set aside", self.daemon.log)
        left = [name for name in os.listdir(self.daemon.state_dir)
                if name.startswith("overrides.conf.")]
        self.assertEqual(left, [])


if __name__ == "__main__":
    jkbtest.main()
