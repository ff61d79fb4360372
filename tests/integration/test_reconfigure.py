#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Everything that can be changed while the daemon runs: at once, only what was meant, and for good.

JKB_TEST_LONG=1: 200 kills in the middle of changes instead of 20."""

import os
import random
import signal
import socket
import stat
import subprocess
import threading
import time
import unittest

import jkbtest
from gi.repository import Gio, GLib
from jkbdbus import NAME, ROOT, Error, bms_path, bus_path
from jkbtest import wait_until

FAST = "[daemon]\ndbus-interval=0.1\n\n"
MQTT = f"{ROOT}/mqtt"
LONG = "1" in (os.environ.get("JKB_TEST_LONG"), os.environ.get("JKB_LONG"))
ROUNDS = 200 if LONG else 20


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


class Properties(Base):
    """Every writable property, by busctl; beside it a bus that nobody touches."""

    BUS = [("Baud", "u", 57600), ("Mode", "s", "listen"), ("Addresses", "s", "0-3,7"),
           ("ListenBeforeTalk", "d", 5.5), ("PollInterval", "d", 1.25),
           ("SettingsInterval", "d", 33.0), ("InfoInterval", "d", 600.0), ("CommandGap", "d", 0.2),
           ("ReplyTimeout", "d", 0.5), ("OfflineAfter", "d", 45.0), ("ReconnectMax", "d", 12.0),
           ("ReconnectMin", "d", 0.5), ("NoDataTimeout", "d", 20.0)]

    def setUp(self):
        super().setUp()
        self.truth = self.path("truth.jsonl")
        self.still = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line", "--wait",
                                            "--truth", self.truth, tcp=True))
        self.sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "line", tcp=True))
        self.broker = self.enter(jkbtest.Broker())
        self.start(FAST + self.still.config("still") + self.sim.config("garage")
                   + self.broker.config(interval=1, cells_interval=1))
        self.wait_for_bms("garage_1", "still_1")
        self.signals = self.client.signals()

    def check_still(self):
        """No byte of the other bus was lost, no BMS was away for a moment; ends that bus."""
        self.still.command("pause")
        time.sleep(0.5)
        received = self.client.get_all(bus_path("still"), "Bus")
        for s in list(self.signals):
            if s.name == "PropertiesChanged":
                interface, changed, _ = s.arguments
                if s.path == bus_path("still"):
                    self.assertFalse({"State", "Role"} & set(changed), changed)
                self.assertNotEqual(changed.get("Online"), False, s.path)
        self.still.stop()
        self.assertEqual(received["FramesReceived"], frames_of(self.truth))
        for key in ("Reconnects", "Resyncs", "ChecksumErrors"):
            self.assertEqual(received[key], 0, key)

    def check_kept(self, expected):
        """expected: {(path, interface, property): value}"""
        for (path, interface, key), value in expected.items():
            self.assertEqual(self.client.get(path, interface, key), value, key)

    def test_all_of_a_bus(self):
        expected = {}
        for key, signature, value in self.BUS:
            self.set(bus_path("garage"), "Bus", key, signature, value)
            expected[bus_path("garage"), "Bus", key] = value
            self.assertEqual(self.client.get(bus_path("garage"), "Bus", key), value)
        self.assertEqual(self.origins()["bus garage"]["poll-interval"], "runtime")
        self.check_kept(expected)
        wait_until(lambda: {"Baud", "Mode", "NoDataTimeout"} <= {
            key for s in self.signals if s.name == "PropertiesChanged"
            and s.path == bus_path("garage") for key in s.arguments[1]}, 5, "no PropertiesChanged")
        self.check_still()
        self.daemon.restart()
        self.check_kept(expected)

    def test_changes_that_do_not_touch_the_line(self):
        before = self.client.get(bus_path("garage"), "Bus", "Reconnects")
        for key, signature, value in self.BUS[1:]:
            self.set(bus_path("garage"), "Bus", key, signature, value)
        frames = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "FramesReceived") > frames, 5)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "Reconnects"), before)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "State"), "up")
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "Resyncs"), 0)

    def test_uri_and_enabled(self):
        other = self.enter(jkbtest.Sim("--bms", "5", "--master", "--rate", "line"))
        frames = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        self.set(bus_path("garage"), "Bus", "Uri", "s", other.uri)
        self.wait_for_bms("garage_5")
        self.assertGreater(self.client.get(bus_path("garage"), "Bus", "FramesReceived"), frames)
        self.set(bus_path("garage"), "Bus", "Enabled", "b", False)
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "State") == "down", 5)
        frames = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        time.sleep(0.3)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "FramesReceived"), frames)
        self.set(bus_path("garage"), "Bus", "Enabled", "b", True)
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "FramesReceived") > frames, 10)
        self.check_still()
        self.daemon.restart()
        self.check_kept({(bus_path("garage"), "Bus", "Uri"): other.uri})
        wait_until(lambda: self.client.get(bms_path("garage_5"), "Bms", "Online"), 20)

    def test_manager_and_name(self):
        self.set(ROOT, "Manager", "LogLevel", "s", "debug")
        self.set(ROOT, "Manager", "Language", "s", "de")
        self.set(bms_path("garage_1"), "Bms", "Name", "s", "Linkes Regal")
        expected = {(ROOT, "Manager", "LogLevel"): "debug", (ROOT, "Manager", "Language"): "de",
                    (bms_path("garage_1"), "Bms", "Name"): "Linkes Regal"}
        self.check_kept(expected)
        capture = self.enter(jkbtest.Capture(self.broker))
        wait_until(lambda: "Linkes Regal" in capture.last(
            "homeassistant/device/jkbmsd_garage_1/config").payload, 10)
        self.check_still()
        self.daemon.restart()
        self.check_kept(expected)
        self.set(bms_path("garage_1"), "Bms", "Name", "s", "")
        self.assertEqual(self.client.get(bms_path("garage_1"), "Bms", "Name"), "garage_1")

    def test_mqtt_in_place(self):
        capture = self.enter(jkbtest.Capture(self.broker))
        capture.wait_for("jkbms/garage_1/state")
        documents = len(capture.messages("homeassistant/device/jkbmsd_garage_1/config"))
        self.set(MQTT, "Mqtt", "Interval", "d", 0)
        self.set(MQTT, "Mqtt", "CellsInterval", "d", 3600)
        before = len(capture.messages("jkbms/garage_1/state"))
        cells = len(capture.messages("jkbms/garage_1/cells"))
        time.sleep(1)
        self.assertGreater(len(capture.messages("jkbms/garage_1/state")) - before, 3)
        self.assertLessEqual(len(capture.messages("jkbms/garage_1/cells")) - cells, 1)
        self.assertEqual(len(capture.messages("homeassistant/device/jkbmsd_garage_1/config")),
                         documents)
        self.assertTrue(self.client.get(MQTT, "Mqtt", "Connected"))
        self.assertNotIn("offline", {m.payload for m in capture.messages("jkbms/bridge/availability")})
        self.check_still()
        self.daemon.restart()
        self.check_kept({(MQTT, "Mqtt", "Interval"): 0.0, (MQTT, "Mqtt", "CellsInterval"): 3600.0})

    def test_another_broker(self):
        other = self.enter(jkbtest.Broker(username="me", password="CANARY-password"))
        old = self.enter(jkbtest.Capture(self.broker))
        new = self.enter(jkbtest.Capture(other))
        old.wait_for("jkbms/garage_1/availability")
        self.set(MQTT, "Mqtt", "Username", "s", "me")
        self.call(MQTT, "Mqtt", "SetPassword", "s", "CANARY-password")
        self.set(MQTT, "Mqtt", "ClientId", "s", "jkbtest-client")
        self.set(MQTT, "Mqtt", "Uri", "s", other.uri)
        new.wait_for("jkbms/bridge/availability", lambda m: m.payload == "online")
        new.wait_for("jkbms/garage_1/state")
        new.wait_for("homeassistant/device/jkbmsd_garage_1/config")
        old.wait_for("jkbms/bridge/availability", lambda m: m.payload == "offline")
        wait_until(lambda: "jkbtest-client" in other.log, 5)
        self.check_still()
        self.check_secret("CANARY-password")
        self.daemon.restart()
        wait_until(lambda: self.client.get(MQTT, "Mqtt", "Connected"), 10)
        self.check_kept({(MQTT, "Mqtt", "Uri"): other.uri, (MQTT, "Mqtt", "Username"): "me",
                         (MQTT, "Mqtt", "ClientId"): "jkbtest-client"})
        # Another password, which is wrong; then none.
        self.call(MQTT, "Mqtt", "SetPassword", "s", "CANARY-wrong")
        wait_until(lambda: self.client.get(MQTT, "Mqtt", "LastError") != "", 10)
        self.call(MQTT, "Mqtt", "SetPassword", "s", "CANARY-password")
        wait_until(lambda: self.client.get(MQTT, "Mqtt", "Connected"), 15)
        self.call(MQTT, "Mqtt", "SetPassword", "s", "")
        self.assertFalse(os.path.exists(os.path.join(self.daemon.state_dir, "mqtt-password")))
        self.assertEqual(self.origins()["mqtt"]["password-file"], "default")

    def check_secret(self, secret):
        path = os.path.join(self.daemon.state_dir, "mqtt-password")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), secret)
        overlay = os.path.join(self.daemon.state_dir, "overrides.conf")
        self.assertEqual(stat.S_IMODE(os.stat(overlay).st_mode), 0o600)
        with open(overlay, encoding="utf-8") as file:
            self.assertNotIn(secret, file.read())
        self.assertNotIn(secret, str(self.config()) + str(self.client.objects()) + self.daemon.log)

    def test_other_prefixes(self):
        capture = self.enter(jkbtest.Capture(self.broker))
        capture.wait_for("jkbms/garage_1/settings", timeout=20)
        self.set(MQTT, "Mqtt", "TopicPrefix", "s", "shed/jk")
        self.set(MQTT, "Mqtt", "DiscoveryPrefix", "s", "ha")
        capture.wait_for("shed/jk/garage_1/state")
        capture.wait_for("ha/device/jkbmsd_garage_1/config")
        capture.wait_for("shed/jk/bridge/availability", lambda m: m.payload == "online")
        time.sleep(0.5)
        kept = self.enter(jkbtest.Capture(self.broker))
        left = [m.topic for m in kept.messages() if m.retain
                and m.topic.startswith(("jkbms/", "homeassistant/"))]
        self.assertEqual(left, [])
        self.assertIn("shed/jk/garage_1/availability", kept.topics())
        self.check_still()
        self.daemon.restart()
        self.check_kept({(MQTT, "Mqtt", "TopicPrefix"): "shed/jk",
                         (MQTT, "Mqtt", "DiscoveryPrefix"): "ha"})

    def test_mqtt_off_and_on_and_files(self):
        capture = self.enter(jkbtest.Capture(self.broker))
        capture.wait_for("jkbms/bridge/availability", lambda m: m.payload == "online")
        self.set(MQTT, "Mqtt", "Enabled", "b", False)
        capture.wait_for("jkbms/bridge/availability", lambda m: m.payload == "offline")
        self.assertFalse(self.client.get(MQTT, "Mqtt", "Connected"))
        self.set(MQTT, "Mqtt", "Enabled", "b", True)
        capture.wait_for("jkbms/bridge/availability", lambda m: m.payload == "online")
        certificates = jkbtest.Certificates(self.directory)
        secure = self.enter(jkbtest.Broker(tls=certificates, extra="require_certificate true"))
        for key, value in (("CaFile", certificates.ca), ("CertFile", certificates.client_cert),
                           ("KeyFile", certificates.client_key), ("Uri", secure.uri)):
            self.set(MQTT, "Mqtt", key, "s", value)
        wait_until(lambda: "New client connected" in secure.log
                   and self.client.get(MQTT, "Mqtt", "Connected"), 10,
                   lambda: self.client.get(MQTT, "Mqtt", "LastError"))
        self.check_still()
        self.daemon.restart()
        self.check_kept({(MQTT, "Mqtt", "CaFile"): certificates.ca,
                         (MQTT, "Mqtt", "KeyFile"): certificates.client_key})

    def test_many_at_once(self):
        """Changes that come together are done one after the other; the last one counts."""
        clients = [self.bus.client() for _ in range(6)]

        def change(client, n):
            for i in range(5):
                client.set(bus_path("garage"), "Bus", "PollInterval", ("d", 1.0 + n + i / 10))

        threads = [threading.Thread(target=change, args=(client, n))
                   for n, client in enumerate(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        value = self.client.get(bus_path("garage"), "Bus", "PollInterval")
        self.check_still()
        self.daemon.restart()
        self.check_kept({(bus_path("garage"), "Bus", "PollInterval"): value})


class Polled(Base):

    def test_a_polled_bus_goes_on(self):
        """Another interval is no reason to listen again: no BMS is away for a moment."""
        sim = self.enter(jkbtest.Sim("--bms", "1,2"))
        self.start(FAST + sim.config("garage", listen_before_talk=1, poll_interval=0.5,
                                     offline_after=1))
        self.wait_for_bms("garage_1", "garage_2")
        signals = self.client.signals()
        frames = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        for interval in (0.3, 0.2, 0.4, 0.25):
            self.client.set(bus_path("garage"), "Bus", "PollInterval", ("d", interval))
            self.client.set(bus_path("garage"), "Bus", "SettingsInterval", ("d", 10 + interval))
            self.client.set(bus_path("garage"), "Bus", "ListenBeforeTalk", ("d", 30 + interval))
            time.sleep(1)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "Role"), "polling")
        self.assertGreater(self.client.get(bus_path("garage"), "Bus", "FramesReceived"), frames + 5)
        for s in signals:
            if s.name == "PropertiesChanged":
                self.assertNotEqual(s.arguments[1].get("Online"), False)
                self.assertNotIn("Role", s.arguments[1])
        self.client.set(bus_path("garage"), "Bus", "Mode", ("s", "listen"))
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "Role") == "listening", 5)
        time.sleep(0.3)
        frames = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        time.sleep(1)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "FramesReceived"), frames)
        self.client.set(bus_path("garage"), "Bus", "Mode", ("s", "poll"))
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "Role") == "polling", 5)
        wait_until(lambda: self.client.get(bms_path("garage_1"), "Bms", "Online"), 5)


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


class Capture(Base):

    @staticmethod
    def info_frame():
        frame = bytearray(300)
        frame[0:6] = b"\x55\xaa\xeb\x90\x03\x00"
        frame[6:16] = b"JK_PB2A16S"
        frame[46:62] = b"CANARY-name-----"
        frame[62:78] = b"CANARY-pin------"
        frame[118:134] = b"CANARY-password-"
        frame[299] = sum(frame[:299]) & 0xff
        return bytes(frame)

    def test_capture(self):
        pty = self.enter(jkbtest.Pty())
        self.start(FAST + jkbtest.bus_config("garage", pty.uri, mode="listen"))
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "State") == "up", 10)
        path = self.path("raw.bin")
        good = self.info_frame()
        bad = good[:299] + bytes([good[299] ^ 0x55])
        with open(path, "wb") as file:
            self.start_capture(file.fileno())
        self.refused_capture("Busy", os.devnull, "wb")
        sent = b"noise" + good + b"\x01\x10\x16\x1c" + bad + good[:120] + b"end"
        for start in range(0, len(sent), 37):
            pty.write(sent[start:start + 37])
            time.sleep(0.01)
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "BytesReceived") == len(sent), 5)
        self.call(bus_path("garage"), "Bus", "StopCapture")
        with open(path, "rb") as file:
            raw = file.read()
        self.assertEqual(len(raw), len(sent))
        self.assertNotIn(b"CANARY", raw)
        first, second = raw[5:305], raw[309:609]
        self.assertEqual(sum(first[:299]) & 0xff, first[299])
        self.assertNotEqual(sum(second[:299]) & 0xff, second[299])
        self.assertEqual((first[6:16], raw[:5]), (b"JK_PB2A16S", b"noise"))
        self.assertEqual(first[134:299], good[134:299])
        self.refused_capture("InvalidArgument", path, "rb")

    def start_capture(self, fd):
        """busctl cannot pass files."""
        fds = Gio.UnixFDList.new()
        handle = fds.append(fd)
        try:
            self.client.connection.call_with_unix_fd_list_sync(
                NAME, bus_path("garage"), f"{NAME}.Bus", "StartCapture",
                GLib.Variant("(h)", (handle,)), None, Gio.DBusCallFlags.NONE, 10000, fds, None)
        except GLib.Error as error:
            raise Error(error) from None

    def refused_capture(self, error, path, mode):
        with open(path, mode) as file, self.assertRaises(Error) as caught:
            self.start_capture(file.fileno())
        self.assertEqual(caught.exception.name, f"{NAME}.Error.{error}", caught.exception.text)

    def test_a_reader_that_stops_reading(self):
        """Neither the bus nor the daemon waits; what does not fit is counted; the end comes."""
        sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "0", tcp=True))
        self.start(FAST + sim.config("garage"))
        self.wait_for_bms("garage_1")
        reader, writer = os.pipe()
        self.start_capture(writer)
        os.close(writer)
        before = self.client.get(bus_path("garage"), "Bus", "BytesReceived")
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "BytesReceived")
                   > before + 1500000, 30)
        self.call(bus_path("garage"), "Bus", "StopCapture")
        self.assertRegex(self.daemon.log, r"the capture ended: \d+ bytes written, [1-9]\d+ dropped")
        os.close(reader)
        reader, writer = os.pipe()
        self.start_capture(writer)
        os.close(writer)
        os.close(reader)
        self.daemon.wait_for_log("Broken pipe")
        with open(self.path("x"), "wb") as file:
            self.start_capture(file.fileno())
        self.call(ROOT, "Manager", "RemoveBus", "s", "garage")
        self.assertEqual(self.client.bms(), [])


class SystemDaemon(jkbtest.Daemon):
    """On a private bus that plays the system bus."""

    def start(self):
        self.argv = [jkbtest.program("jkbmsd"), "--config", self.config_path, "--state-dir",
                     self.state_dir, "--system"]
        self.env["DBUS_SYSTEM_BUS_ADDRESS"] = self.bus.address
        self.spawn()
        client = self.bus.client()
        wait_until(lambda: self._owns_name(client), 15)


@unittest.skipUnless(os.geteuid() == 0, "only root can call as another user")
class Authorisation(Base):

    def nobody(self, *arguments, allowed):
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                               "busctl", f"--address={self.bus.address}", *map(str, arguments)],
                              capture_output=True, text=True, timeout=20 * jkbtest.FACTOR,
                              check=False)
        self.assertEqual(done.returncode == 0, allowed, f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout + done.stderr

    def writes(self):
        """Everything that changes something, as arguments of busctl."""
        path = bus_path("garage")
        yield "set-property", NAME, path, f"{NAME}.Bus", "PollInterval", "d", "5"
        yield "set-property", NAME, path, f"{NAME}.Bus", "Uri", "s", "tcp:h:2"
        yield "set-property", NAME, MQTT, f"{NAME}.Mqtt", "Uri", "s", "mqtt://h"
        yield "set-property", NAME, ROOT, f"{NAME}.Manager", "LogLevel", "s", "debug"
        for method, *arguments in (("AddBus", "ssa{sv}", "shed", "tcp:h:3", "0"),
                                   ("RemoveBus", "s", "garage"), ("Reload",),
                                   ("SetConfig", "sss", "daemon", "language", "de"),
                                   ("ResetConfig", "ss", "", "")):
            yield "call", NAME, ROOT, f"{NAME}.Manager", method, *arguments
        yield "call", NAME, MQTT, f"{NAME}.Mqtt", "SetPassword", "s", "CANARY"
        yield "call", NAME, path, f"{NAME}.Bus", "StopCapture"

    CONFIG = FAST + jkbtest.bus_config("garage", "tcp:127.0.0.1:9", enabled="false")

    def refuses_all(self, state_dir):
        before = self.config()
        for arguments in self.writes():
            self.nobody(*arguments, allowed=False)
        self.assertEqual(self.config(), before)
        self.assertEqual([n for n in os.listdir(state_dir) if n != "known-bms.ini"], [])

    def test_private_bus(self):
        self.start(self.CONFIG)
        for path in (ROOT, MQTT, bus_path("garage")):
            self.nobody("introspect", NAME, path, allowed=True)
        self.nobody("get-property", NAME, bus_path("garage"), f"{NAME}.Bus", "Uri", allowed=True)
        self.assertIn("garage", self.nobody("call", NAME, ROOT, f"{NAME}.Manager", "GetConfig",
                                            allowed=True))
        self.nobody("call", NAME, ROOT, f"{NAME}.Manager", "GetConfigOrigins", allowed=True)
        self.refuses_all(self.daemon.state_dir)

    def test_polkit(self):
        self.daemon = self.enter(SystemDaemon(self.CONFIG, bus=self.bus))
        self.refuses_all(self.daemon.state_dir)  # nobody to ask: no
        polkit = self.enter(jkbtest.Process(
            "polkitd", ["/usr/bin/python3", "-m", "dbusmock", "--template", "polkitd"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}))
        wait_until(lambda: self.client.has_owner("org.freedesktop.PolicyKit1"), 15,
                   lambda: polkit.log)
        self.refuses_all(self.daemon.state_dir)
        self.allow("io.github.jkbmsd1.write-settings", "io.github.jkbmsd1.write-protection")
        self.refuses_all(self.daemon.state_dir)
        self.allow("io.github.jkbmsd1.configure")
        self.nobody("set-property", NAME, bus_path("garage"), f"{NAME}.Bus", "PollInterval", "d",
                    "5", allowed=True)
        self.nobody("call", NAME, ROOT, f"{NAME}.Manager", "AddBus", "ssa{sv}", "shed", "tcp:h:3",
                    "0", allowed=True)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 5.0)
        self.assertIn(bus_path("shed"), self.client.objects())

    def allow(self, *actions):
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "SetAllowed", "(as)", list(actions), name="org.freedesktop.PolicyKit1")

    def test_a_question_that_stays_open_holds_up_nobody(self):
        self.daemon = self.enter(SystemDaemon(self.CONFIG, bus=self.bus))
        polkit = self.enter(jkbtest.Process(
            "polkitd", ["/usr/bin/python3", "-m", "dbusmock", "--template", "polkitd"],
            env={"DBUS_SYSTEM_BUS_ADDRESS": self.bus.address}))
        wait_until(lambda: self.client.has_owner("org.freedesktop.PolicyKit1"), 15,
                   lambda: polkit.log)
        self.allow("io.github.jkbmsd1.configure")
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "SimulateHang", "(b)", True, name="org.freedesktop.PolicyKit1")
        asking = subprocess.Popen(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "busctl",
             f"--address={self.bus.address}", "--timeout=60", "set-property", NAME,
             bus_path("garage"), f"{NAME}.Bus", "PollInterval", "d", "5"])
        self.addCleanup(asking.kill)
        time.sleep(0.5)
        self.client.set(bus_path("garage"), "Bus", "PollInterval", ("d", 6.0))
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 6.0)
        self.assertIsNone(asking.poll())
        self.client.call("/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.DBus.Mock",
                         "ReleaseHangingCalls", name="org.freedesktop.PolicyKit1")
        self.assertEqual(asking.wait(10), 0)
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "PollInterval"), 5.0)


if __name__ == "__main__":
    jkbtest.main()
