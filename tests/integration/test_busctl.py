# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Every writable property and every method of Manager, Bus, Mqtt and Bms, with busctl: the effect, what is
left after a restart, and a bus beside it that loses nothing meanwhile.

The list of members comes from introspection: a new one without a step here fails the test."""

import json
import os
import re
import time
import xml.etree.ElementTree as ElementTree

import jkbtest
from gi.repository import Gio, GLib
from jkbconfigure import FAST, MQTT, Base, frames_of
from jkbdbus import NAME, ROOT, bms_path, bus_path
from jkbtest import wait_until

GARAGE, LEFT = bus_path("garage"), bms_path("garage_1")
PATHS = {"Manager": ROOT, "Bus": GARAGE, "Mqtt": MQTT, "Bms": LEFT}


class Everything(Base):

    def setUp(self):
        super().setUp()
        self.truth = self.path("truth.jsonl")
        self.still = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line", "--wait",
                                            "--truth", self.truth, tcp=True))
        self.sim = self.enter(jkbtest.Sim("--bms", "1,2", tcp=True))
        self.broker = self.enter(jkbtest.Broker())
        self.text = (FAST + self.still.config("still", mode="listen")
                     + self.sim.config("garage", mode="poll", addresses="1,2", poll_interval=1,
                                       settings_interval=3600, listen_before_talk=1)
                     + self.broker.config(interval=60, cells_interval=3600))
        self.start(self.text)
        self.wait_for_bms("garage_1", "garage_2", "still_1")
        wait_until(lambda: self.has(LEFT, "Settings") and self.has(LEFT, "Info"), 20)
        self.messages = self.enter(jkbtest.Capture(self.broker))
        self.kept = {}
        self.done = set()

    # ---- steps

    def has(self, path, interface):
        return f"{NAME}.{interface}" in self.client.objects().get(path, {})

    def write(self, interface, key, signature, value, kept=True):
        """Sets it with busctl, reads it back and remembers what must be there after a restart."""
        self.set(PATHS[interface], interface, key, signature, value)
        self.assertEqual(self.client.get(PATHS[interface], interface, key), value, key)
        self.done.add((interface, key))
        if kept:
            self.kept[interface, key] = value

    def run_method(self, interface, method, *arguments, path=None):
        self.done.add((interface, method))
        return self.call(path or PATHS[interface], interface, method, *arguments)

    def requests(self, seconds=1.5):
        """How many requests the simulated line hears in that time."""
        before = json.loads(self.sim.command("stats").partition(" ")[2])["requests_heard"]
        time.sleep(seconds)
        return json.loads(self.sim.command("stats").partition(" ")[2])["requests_heard"] - before

    def role(self):
        return self.client.get(GARAGE, "Bus", "Role")

    def steps_of_the_bus(self):
        slow = self.requests()
        self.write("Bus", "PollInterval", "d", 0.2)
        self.assertGreater(self.requests(), slow + 3)
        for key, value in (("InfoInterval", 600.0), ("CommandGap", 0.1), ("ReplyTimeout", 0.5),
                           ("ListenBeforeTalk", 1.5), ("ReconnectMax", 12.0), ("ReconnectMin", 0.5),
                           ("NoDataTimeout", 20.0)):
            self.write("Bus", key, "d", value)
        self.sim.command("set 1 balance_trigger_voltage 17")
        self.write("Bus", "SettingsInterval", "d", 10.0)
        wait_until(lambda: self.client.get(LEFT, "Settings", "BalanceTriggerVoltage") == 0.017, 20)
        self.write("Bus", "OfflineAfter", "d", 1.0, kept=False)
        self.sim.command("offline 2")
        wait_until(lambda: not self.client.get(bms_path("garage_2"), "Bms", "Online"), 15)
        self.sim.command("online 2")
        self.write("Bus", "OfflineAfter", "d", 45.0)
        self.write("Bus", "Addresses", "s", "1", kept=False)
        self.assertNotIn("garage_2", self.client.bms())
        self.write("Bus", "Addresses", "s", "1-2")
        self.wait_for_bms("garage_2")
        self.write("Bus", "Mode", "s", "listen", kept=False)
        wait_until(lambda: self.role() == "listening", 5)
        time.sleep(0.3)
        self.assertEqual(self.requests(1), 0)
        self.write("Bus", "Mode", "s", "poll")
        wait_until(lambda: self.role() == "polling", 10)
        self.write("Bus", "Enabled", "b", False, kept=False)
        wait_until(lambda: self.client.get(GARAGE, "Bus", "State") == "down", 5)
        self.write("Bus", "Enabled", "b", True, kept=False)
        wait_until(lambda: self.role() == "polling", 15)

    def methods_of_the_bus(self):
        before = self.client.get(GARAGE, "Bus", "Reconnects")
        self.run_method("Bus", "Reconnect")
        wait_until(lambda: self.client.get(GARAGE, "Bus", "Reconnects") == before + 1
                   and self.role() == "polling", 15)
        self.sim.command("offline 2")
        self.run_method("Bms", "Forget", path=bms_path("garage_2"))
        self.assertNotIn("garage_2", self.client.bms())
        self.messages.wait_for("jkbms/garage_2/availability", lambda m: m.payload == "")
        self.sim.command("online 2")
        self.run_method("Bus", "Scan")
        self.wait_for_bms("garage_2")
        with open(self.path("raw.bin"), "wb") as file:
            fds = Gio.UnixFDList.new()
            self.client.connection.call_with_unix_fd_list_sync(  # busctl cannot pass files
                NAME, GARAGE, f"{NAME}.Bus", "StartCapture",
                GLib.Variant("(h)", (fds.append(file.fileno()),)), None, Gio.DBusCallFlags.NONE, 10000,
                fds, None)
        self.done.add(("Bus", "StartCapture"))
        time.sleep(1)
        self.run_method("Bus", "StopCapture")
        self.assertGreater(os.path.getsize(self.path("raw.bin")), 308)

    def steps_of_a_bms(self):
        self.sim.command("set 1 balance_trigger_voltage 21")
        self.run_method("Bms", "Refresh")
        wait_until(lambda: self.client.get(LEFT, "Settings", "BalanceTriggerVoltage") == 0.021, 5)
        self.write("Bms", "Name", "s", "Left rack")
        self.messages.wait_for("homeassistant/device/jkbmsd_garage_1/config",
                               lambda m: "Left rack" in m.payload)
        self.assertRegex(self.run_method("Bms", "GetHistory", "sttu", "state_of_charge", 0,
                                         int(time.time() * 1e6) + 10**9, 0), r"^a\(td\) [1-9]")

    def steps_of_the_manager(self):
        self.write("Manager", "Language", "s", "de")
        self.write("Manager", "LogLevel", "s", "debug")
        other = self.enter(jkbtest.Sim("--bms", "0,5", "--master", "--rate", "line"))
        self.run_method("Manager", "AddBus", "ssa{sv}", "shed", other.uri, 1, "offline-after", "d", 60)
        self.wait_for_bms("shed_5")
        self.assertIn('"bus shed"', self.run_method("Manager", "GetConfig"))
        self.assertIn('"poll-interval" "runtime"', self.run_method("Manager", "GetConfigOrigins"))
        self.run_method("Manager", "SetConfig", "sss", "bms shed_5", "ignore", "true")
        self.assertNotIn("shed_5", self.client.bms())
        self.run_method("Manager", "ResetConfig", "ss", "bms shed_5", "")
        self.wait_for_bms("shed_5")
        self.run_method("Manager", "RemoveBus", "s", "shed")
        self.assertNotIn("shed_0", self.client.bms())
        self.daemon.write_config(self.text + "[bms still_1]\nname=From the file\n")
        self.run_method("Manager", "Reload")
        self.assertEqual(self.client.get(bms_path("still_1"), "Bms", "Name"), "From the file")

    def steps_of_mqtt(self):
        self.write("Mqtt", "Interval", "d", 0.0)
        self.write("Mqtt", "CellsInterval", "d", 0.0)
        states, cells = (len(self.messages.messages(f"jkbms/garage_1/{what}"))
                         for what in ("state", "cells"))
        wait_until(lambda: len(self.messages.messages("jkbms/garage_1/state")) > states + 5
                   and len(self.messages.messages("jkbms/garage_1/cells")) > cells + 5, 15)
        configs = len(self.messages.messages("homeassistant/device/jkbmsd_garage_1/config"))
        self.run_method("Mqtt", "Republish")
        wait_until(lambda: len(self.messages.messages(
            "homeassistant/device/jkbmsd_garage_1/config")) > configs, 10)
        connections = self.broker.log.count("New client connected")
        self.run_method("Mqtt", "Reconnect")
        wait_until(lambda: self.broker.log.count("New client connected") > connections, 10)
        wait_until(lambda: self.client.get(MQTT, "Mqtt", "Connected"), 10)
        self.write("Mqtt", "Enabled", "b", False, kept=False)
        self.messages.wait_for("jkbms/bridge/availability", lambda m: m.payload == "offline")
        self.write("Mqtt", "Enabled", "b", True, kept=False)
        self.messages.wait_for("jkbms/bridge/availability", lambda m: m.payload == "online")
        self.another_broker()

    def another_broker(self):
        """One that wants a certificate, a user and a password, under other topics."""
        certificates = jkbtest.Certificates(self.directory)
        other = self.enter(jkbtest.Broker(username="me", password="CANARY-password", tls=certificates,
                                          extra="require_certificate true"))
        for key, value in (("TopicPrefix", "shed/jk"), ("DiscoveryPrefix", "ha"),
                           ("ClientId", "jkbtest-client"), ("Username", "me"),
                           ("CaFile", certificates.ca), ("CertFile", certificates.client_cert),
                           ("KeyFile", certificates.client_key)):
            self.write("Mqtt", key, "s", value)
        self.run_method("Mqtt", "SetPassword", "s", "CANARY-password")
        self.write("Mqtt", "Uri", "s", other.uri)
        wait_until(lambda: self.client.get(MQTT, "Mqtt", "Connected"), 15,
                   lambda: self.client.get(MQTT, "Mqtt", "LastError"))
        self.assertRegex(other.log, r"as jkbtest-client .*u'me'")

    def another_port(self):
        """Last, since other BMS are behind it."""
        self.write("Bus", "Baud", "u", 57600)
        port = self.enter(jkbtest.Sim("--bms", "1,2"))
        self.write("Bus", "Uri", "s", port.uri)
        wait_until(lambda: self.client.get(GARAGE, "Bus", "State") == "up" and self.role() == "polling", 15)

    # ---- the judgement

    def members(self):
        """(interface, member) of all writable properties and methods, as introspection tells."""
        found = set()
        for interface, path in PATHS.items():
            root = ElementTree.fromstring(self.client.introspect(path))
            node = root.find(f"interface[@name='{NAME}.{interface}']")
            found |= {(interface, e.get("name")) for e in node.iter("method")}
            found |= {(interface, e.get("name")) for e in node.iter("property")
                      if "write" in e.get("access")}
        return found

    def check_still(self):
        """The untouched bus lost nothing, and nobody there was away for a moment."""
        self.still.command("pause")
        time.sleep(0.5)
        received = self.client.get_all(bus_path("still"), "Bus")
        for signal in list(self.signals):
            if signal.name == "PropertiesChanged" and "still" in signal.path:
                self.assertFalse({"State", "Role"} & set(signal.arguments[1]), signal)
                self.assertNotEqual(signal.arguments[1].get("Online"), False, signal)
        self.still.stop()
        self.assertEqual(received["FramesReceived"], frames_of(self.truth))
        for key in ("Reconnects", "Resyncs", "ChecksumErrors"):
            self.assertEqual(received[key], 0, key)

    def test_all(self):
        self.signals = self.client.signals()
        self.steps_of_the_bus()
        self.methods_of_the_bus()
        self.steps_of_a_bms()
        self.steps_of_the_manager()
        self.steps_of_mqtt()
        self.another_port()
        members = self.members()
        self.assertGreater(len(members), 40)
        self.assertEqual(self.done, members, "a step for each member, and none for what is not there")
        self.check_still()
        self.daemon.restart()
        for (interface, key), value in self.kept.items():
            self.assertEqual(self.client.get(PATHS[interface], interface, key), value, key)
        wait_until(lambda: self.client.get(LEFT, "Bms", "Online")
                   and self.client.get(MQTT, "Mqtt", "Connected"), 20)
        self.assertFalse(re.search("CANARY", str(self.config()) + self.daemon.log))


if __name__ == "__main__":
    jkbtest.main()
