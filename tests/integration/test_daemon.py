#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The daemon as a whole: start, what it finds on its buses, going away of everything, stop."""

import math
import os
import signal
import subprocess
import time

import jkbtest
from jkbdbus import ROOT, Error, bms_path, bus_path

FAST = "[daemon]\ndbus-interval=0.2\n\n"


class StartAndStop(jkbtest.Case):

    def test_without_any_bus(self):
        bus = self.enter(jkbtest.PrivateBus())
        self.enter(jkbtest.Daemon(bus=bus))
        client = bus.client()
        manager = client.get_all(ROOT, "Manager")
        self.assertRegex(manager["Version"], r"^\d+\.\d+\.\d+$")
        self.assertEqual(manager["LogLevel"], "info")
        self.assertEqual(client.bms(), [])
        self.assertFalse(client.get(f"{ROOT}/mqtt", "Mqtt", "Enabled"))

    def test_version(self):
        done = subprocess.run([jkbtest.program("jkbmsd"), "--version"], capture_output=True, text=True,
                              check=True)
        self.assertRegex(done.stdout, r"^jkbmsd \d+\.\d+\.\d+\n$")

    def test_wrong_usage(self):
        for arguments in (["--nonsense"], ["--system", "--session"], ["extra"]):
            done = subprocess.run([jkbtest.program("jkbmsd"), *arguments], capture_output=True,
                                  text=True, check=False)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_both_signals_stop_it(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            daemon = self.enter(jkbtest.Daemon(bus=self.enter(jkbtest.PrivateBus())))
            self.assertEqual(daemon.stop(number), 0)

    def test_stop_at_any_moment_of_the_start(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        broker = self.enter(jkbtest.Broker())
        bus = self.enter(jkbtest.PrivateBus())
        config = sim.config("garage") + broker.config()
        for n in range(12):
            daemon = jkbtest.Daemon(config, bus=bus, wait=False)
            daemon.start()
            time.sleep(n * 0.02)
            status = jkbtest.Process.stop(daemon, signal.SIGTERM, 2)
            # Before it can know of signals, one ends it like any program.
            self.assertIn(status, (0, -signal.SIGTERM), f"after {n * 20} ms:\n{daemon.log}")
            daemon.check_log()
            daemon.forget()

    def test_without_dbus(self):
        sim = self.enter(jkbtest.Sim("--bms", "0", "--master", "--rate", "line"))
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        self.enter(jkbtest.Daemon(sim.config("garage") + broker.config(interval=0.2)))
        seen.wait_for("jkbms/garage_0/state")


class Buses(jkbtest.Case):

    def setUp(self):
        super().setUp()
        self.dbus = self.enter(jkbtest.PrivateBus())
        self.client = self.dbus.client()

    def wait_for_bms(self, *ids, timeout=15):
        jkbtest.wait_until(lambda: self.client.bms() == sorted(ids), timeout,
                           lambda: f"BMS are {self.client.bms()}, not {sorted(ids)}")

    def bms(self, bms, key):
        return self.client.get(bms_path(bms), "Bms", key)

    def test_two_buses(self):
        """What is on them appears, each value typed and known, and nothing else."""
        garage = self.enter(jkbtest.Sim("--bms", "0,1,2,5", "--master", "--rate", "line"))
        shed = self.enter(jkbtest.Sim("--bms", "0,1", "--cells", "8", "--master", "--rate", "line",
                                      tcp=True))
        self.enter(jkbtest.Daemon(FAST + garage.config("garage") + shed.config("shed"), bus=self.dbus))
        self.wait_for_bms("garage_0", "garage_1", "garage_2", "garage_5", "shed_0", "shed_1")
        for bms, cells in (("garage_5", 16), ("shed_1", 8)):
            live = jkbtest.wait_until(
                lambda bms=bms: self.client.objects()[bms_path(bms)].get("io.github.jkbmsd1.Telemetry"))
            self.assertEqual(live["CellCount"], cells)
            self.assertEqual(len(live["CellVoltages"]), cells)
            self.assertFalse(any(map(math.isnan, live["CellVoltages"])))
            self.assertAlmostEqual(sum(live["CellVoltages"]), live["TotalVoltage"], delta=0.1)
            self.assertAlmostEqual(live["Power"], live["TotalVoltage"] * live["Current"], delta=1)
            self.assertTrue(0 <= live["StateOfCharge"] <= 100)
        self.assertTrue(self.bms("shed_1", "Online"))
        self.assertEqual(self.bms("shed_1", "Bus"), bus_path("shed"))
        self.assertEqual(self.bms("shed_1", "Address"), 1)
        now = time.time() * 1e6
        self.assertLess(abs(now - self.bms("shed_1", "LastSeen")), 5e6 * jkbtest.FACTOR)
        for name in ("garage", "shed"):
            state = self.client.get_all(bus_path(name), "Bus")
            self.assertEqual((state["State"], state["Role"], state["LastError"]), ("up", "listening", ""))
            self.assertGreater(state["FramesReceived"], 0)
            self.assertEqual(state["ChecksumErrors"], 0)
            self.assertGreater(state["HealthScore"], 90)

    def test_signals_are_coalesced(self):
        """At most one PropertiesChanged per object, interface and interval, with real changes only."""
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        self.enter(jkbtest.Daemon("[daemon]\ndbus-interval=1\n\n" + sim.config("garage"), bus=self.dbus))
        self.wait_for_bms("garage_0", "garage_1")
        signals = self.client.signals()
        time.sleep(5)
        changes = [s for s in signals if s.name == "PropertiesChanged"
                   and s.arguments[0].endswith(".Telemetry") and s.path == bms_path("garage_1")]
        self.assertIn(len(changes), range(3, 8))
        for change in changes:
            self.assertTrue(change.arguments[1])
        self.assertFalse([s for s in signals if s.name == "InterfacesRemoved"])

    def test_silence_makes_it_offline_and_speech_online(self):
        sim = self.enter(jkbtest.Sim("--bms", "0", "--master", "--rate", "line"))
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        self.enter(jkbtest.Daemon(FAST + sim.config("garage", offline_after=1, reconnect_max=1)
                                  + broker.config(interval=0.2), bus=self.dbus))
        self.wait_for_bms("garage_0")
        seen.wait_for("jkbms/garage_0/availability", lambda m: m.payload == "online" and m.retain)
        sim.stop()
        jkbtest.wait_until(lambda: not self.bms("garage_0", "Online"), 10, "still online")
        seen.wait_for("jkbms/garage_0/availability", lambda m: m.payload == "offline")
        self.assertEqual(self.client.bms(), ["garage_0"])
        sim.start()
        jkbtest.wait_until(lambda: self.bms("garage_0", "Online"), 15, "still offline")
        seen.wait_for("jkbms/garage_0/availability", lambda m: m.payload == "online")

    def test_a_known_bms_exists_at_the_next_start(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,3", "--master", "--rate", "line"))
        daemon = self.enter(jkbtest.Daemon(FAST + sim.config("garage"), bus=self.dbus))
        self.wait_for_bms("garage_0", "garage_3")
        daemon.stop()
        sim.stop()
        daemon.start()
        self.wait_for_bms("garage_0", "garage_3", timeout=1)
        self.assertFalse(self.bms("garage_3", "Online"))
        self.assertNotIn("io.github.jkbmsd1.Telemetry", self.client.objects()[bms_path("garage_3")])
        sim.start()
        jkbtest.wait_until(lambda: self.bms("garage_3", "Online"), 15, "still offline")

    def test_forget(self):
        sim = self.enter(jkbtest.Sim("--bms", "0", "--master", "--rate", "line"))
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        daemon = self.enter(jkbtest.Daemon(FAST + sim.config("garage") + broker.config(interval=0.2),
                                           bus=self.dbus))
        self.wait_for_bms("garage_0")
        config = "homeassistant/device/jkbmsd_garage_0/config"
        seen.wait_for(config, lambda m: m.payload and m.retain)
        sim.stop()
        self.client.call(bms_path("garage_0"), "Bms", "Forget")
        self.wait_for_bms()
        seen.wait_for(config, lambda m: m.payload == "")
        seen.wait_for("jkbms/garage_0/availability", lambda m: m.payload == "")
        daemon.restart()
        self.assertEqual(self.client.bms(), [])

    def test_the_dbus_daemon_goes_and_comes_back(self):
        """MQTT does not notice, and the name is taken again."""
        sim = self.enter(jkbtest.Sim("--bms", "0", "--master", "--rate", "line"))
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        self.enter(jkbtest.Daemon(FAST + sim.config("garage") + broker.config(interval=0.2),
                                  bus=self.dbus))
        self.wait_for_bms("garage_0")
        self.dbus.kill()
        before = len(seen.messages("jkbms/garage_0/state"))
        jkbtest.wait_until(lambda: len(seen.messages("jkbms/garage_0/state")) > before + 3, 10,
                           "MQTT went quiet with D-Bus")
        self.dbus.start()
        self.client = self.dbus.client()
        jkbtest.wait_until(lambda: self.client.has_owner(jkbtest.NAME), 15, "the name is not back")
        self.wait_for_bms("garage_0")
        self.assertFalse([m for m in seen.messages("jkbms/bridge/availability")
                          if m.payload == "offline"])

    def test_a_crash_leaves_the_last_will(self):
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        daemon = self.enter(jkbtest.Daemon(broker.config(), bus=self.dbus))
        seen.wait_for("jkbms/bridge/availability", lambda m: m.payload == "online" and m.retain)
        daemon.kill()
        seen.wait_for("jkbms/bridge/availability", lambda m: m.payload == "offline" and m.retain)

    def test_an_orderly_stop_says_offline(self):
        broker = self.enter(jkbtest.Broker())
        seen = self.enter(jkbtest.Capture(broker))
        daemon = self.enter(jkbtest.Daemon(broker.config(), bus=self.dbus))
        seen.wait_for("jkbms/bridge/availability", lambda m: m.payload == "online")
        daemon.stop()
        seen.wait_for("jkbms/bridge/availability", lambda m: m.payload == "offline" and m.retain)

    def test_ignored(self):
        sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master", "--rate", "line"))
        self.enter(jkbtest.Daemon(sim.config("garage") + "[bms garage_1]\nignore=true\n"
                                  "[bms garage_0]\nname=Left rack\n", bus=self.dbus))
        self.wait_for_bms("garage_0")
        self.assertEqual(self.bms("garage_0", "Name"), "Left rack")
        time.sleep(1)
        self.assertEqual(self.client.bms(), ["garage_0"])

    def test_unknown_objects_and_keys_are_errors(self):
        self.enter(jkbtest.Daemon(bus=self.dbus))
        for path, interface, key in ((bms_path("garage_9"), "Bms", "Online"), (ROOT, "Manager", "Nonsense")):
            with self.assertRaises(Error):
                self.client.get(path, interface, key)

    def test_unplugged_and_plugged_under_another_number(self):
        """The link of a by-id name comes back to another device; nothing has to be done."""
        line = self.enter(jkbtest.Pty())
        cycle = jkbtest.bus_bytes()
        self.enter(jkbtest.Daemon(FAST + jkbtest.bus_config("garage", line.uri, mode="listen",
                                                            reconnect_max=1), bus=self.dbus))
        up = self.bus_is_up
        jkbtest.wait_until(up, 10, "not up")
        line.write(cycle)
        self.wait_for_bms("garage_0", "garage_1")
        before = self.client.get(bus_path("garage"), "Bus", "FramesReceived")
        line.unplug()
        jkbtest.wait_until(lambda: not up(), 10, "still up")
        self.assertNotEqual(self.client.get(bus_path("garage"), "Bus", "LastError"), "")
        line.start()
        jkbtest.wait_until(up, 10, "not up again")
        line.write(cycle)
        jkbtest.wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "FramesReceived") > before,
                           10, "no frames after the replug")
        self.assertEqual(self.client.get(bus_path("garage"), "Bus", "LastError"), "")

    def bus_is_up(self):
        return self.client.get(bus_path("garage"), "Bus", "State") == "up"

    def test_one_daemon_per_port(self):
        """A port that another program holds is named, and taken when it is free."""
        line = self.enter(jkbtest.Pty())
        config = jkbtest.bus_config("garage", line.uri, mode="listen", reconnect_max=1)
        first = self.enter(jkbtest.Daemon(config, bus=self.enter(jkbtest.PrivateBus())))
        jkbtest.wait_until(lambda: os.path.realpath(line.link) in map(
            os.path.realpath, (f"/proc/{first.pid}/fd/{fd}" for fd in os.listdir(f"/proc/{first.pid}/fd"))),
            10, "the first daemon has not opened the port")
        self.enter(jkbtest.Daemon(config, bus=self.dbus))
        jkbtest.wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "LastError"), 10,
                           "no error from the second daemon")
        self.assertFalse(self.bus_is_up())
        first.stop()
        jkbtest.wait_until(self.bus_is_up, 10, "the free port was not taken")


if __name__ == "__main__":
    jkbtest.main()
