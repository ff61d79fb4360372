#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Every property that changes while the daemon runs: at once, only what was meant, and for good."""

import os
import stat
import threading
import time

import jkbtest
from jkbconfigure import FAST, MQTT, Base, frames_of
from jkbdbus import ROOT, bms_path, bus_path
from jkbtest import wait_until


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


if __name__ == "__main__":
    jkbtest.main()
