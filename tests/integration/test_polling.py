#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Who talks on a bus, and what is asked: the daemon beside a BMS master, beside another daemon, and
alone with up to 16 BMS, over ptys and TCP, in real time."""

import json
import statistics
import time

import jkbtest
from jkbdbus import NAME, bms_path, bus_path

BUS = bus_path("garage")
# From a request to the end of its answer on this bus: 11 bytes, 11 ms, 308 bytes at 115200 baud.
ANSWER = (11 + 308) * 10 / 115200 + 0.011
GAP = 0.12


class Polling(jkbtest.Case):

    def begin(self, *arguments, tcp=False, **keys):
        keys.setdefault("listen_before_talk", 1)
        self.bus = self.enter(jkbtest.PrivateBus())
        self.client = self.bus.client()
        self.sim = self.enter(jkbtest.Sim(*arguments, tcp=tcp))
        self.daemon = self.enter(jkbtest.Daemon(self.sim.config("garage", **keys), bus=self.bus))

    def role(self):
        return self.client.get(BUS, "Bus", "Role")

    def wait_for_role(self, *roles, timeout=5):
        jkbtest.wait_until(lambda: self.role() in roles, timeout,
                           lambda: f"role is {self.role()}, not one of {roles}")

    def requests(self):
        """How many requests of ours the bus has heard."""
        return json.loads(self.sim.command("stats").removeprefix("ok "))["requests_heard"]

    def frames(self):
        return self.client.get(BUS, "Bus", "FramesReceived")

    def wait_for_bms(self, ids, timeout=20):
        jkbtest.wait_until(lambda: set(self.client.bms()) >= set(ids), timeout,
                           lambda: f"BMS are {self.client.bms()}, not {ids}")

    def have(self, ids, *interfaces):
        objects = self.client.objects()
        return all(f"{NAME}.{name}" in objects[bms_path(bms)] for bms in ids for name in interfaces)

    def last_seen(self, bms):
        return self.client.get(bms_path(bms), "Bms", "LastSeen") / 1e6

    def gaps(self, ids, seconds):
        """{id: [seconds between its frames]}, over a stretch of time; of each comes one a second at
        most."""
        last, gaps = {}, {bms: [] for bms in ids}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for bms in ids:
                seen = self.last_seen(bms)
                if bms in last and seen != last[bms]:
                    gaps[bms].append(seen - last[bms])
                last[bms] = seen
            time.sleep(0.1)
        return gaps

    # ---- another master ----

    def check_beside_master(self, tcp):
        self.begin("--bms", "0,1,2", "--master", "--firmware", "19.31", tcp=tcp, poll_interval=0.5,
                   addresses="1,2")
        self.wait_for_role("listening")
        time.sleep(3)
        self.assertEqual(self.role(), "listening")
        self.assertEqual(self.requests(), 0)

        left = time.monotonic()
        self.sim.command("offline 0")
        self.wait_for_role("polling")
        self.assertGreater(time.monotonic() - left, 0.7)  # its last record was up to a slot before
        before = self.frames()
        jkbtest.wait_until(lambda: self.frames() > before + 5, 10, "polling brings no frames")
        self.wait_for_bms(["garage_1", "garage_2"])

        self.sim.command("online 0")
        self.wait_for_role("yielding", "listening")
        sent = self.requests()
        time.sleep(2)
        self.assertEqual(self.requests(), sent)
        self.assertEqual(self.role(), "listening")
        self.assertFalse(self.client.get(BUS, "Bus", "Writable"))

        self.sim.command("offline 0")
        self.wait_for_role("polling")

    def test_beside_master_on_pty(self):
        self.check_beside_master(tcp=False)

    def test_beside_master_over_tcp(self):
        self.check_beside_master(tcp=True)

    def test_mode_listen_never_sends(self):
        self.begin("--bms", "1", mode="listen")
        time.sleep(2.5)
        self.assertEqual(self.role(), "listening")
        self.assertEqual(self.requests(), 0)
        with self.assertRaises(Exception) as caught:
            self.client.call(BUS, "Bus", "Scan")
        self.assertEqual(caught.exception.name, f"{NAME}.Error.ReadOnly")
        self.assertIn("mode=auto to have its BMS asked", caught.exception.text)

    def test_two_daemons_settle_on_one_poller(self):
        self.begin("--bms", "1,2", tcp=True, poll_interval=0.5, addresses="1,2")
        other_bus = self.enter(jkbtest.PrivateBus())
        self.enter(jkbtest.Daemon(self.sim.config("garage", listen_before_talk=1, poll_interval=0.5,
                                                  addresses="1,2"),
                                  bus=other_bus))
        clients = (self.client, other_bus.client())

        def roles():
            return sorted(client.get(BUS, "Bus", "Role") for client in clients)

        # Both may begin at once: then both yield, and draw lots again.
        jkbtest.wait_until(lambda: roles() == ["listening", "polling"], 30,
                           lambda: f"roles are {roles()}")
        for _ in range(15):
            time.sleep(0.2)
            self.assertEqual(roles(), ["listening", "polling"])
        for client in clients:  # the listener has the data, too
            jkbtest.wait_until(lambda c=client: set(c.bms()) == {"garage_1", "garage_2"}, 15)

    def test_own_echo_is_not_foreign(self):
        self.begin("--bms", "1,3", "--echo", poll_interval=0.5, addresses="1,3")
        self.wait_for_bms(["garage_1", "garage_3"])
        self.assertEqual(self.role(), "polling")
        jkbtest.wait_until(lambda: self.have(["garage_1"], "Info"), 10)
        self.assertEqual(self.client.bms(), ["garage_1", "garage_3"])
        self.assertNotIn("another master", self.daemon.log)

    # ---- what is asked ----

    def test_sixteen_stay_fresh(self):
        ids = [f"garage_{n}" for n in range(16)]
        self.begin("--bms", "0-15", addresses="0-15", poll_interval=0.1, settings_interval=86400,
                   command_gap=GAP)
        self.wait_for_bms(ids, 40)
        jkbtest.wait_until(lambda: self.have(ids, "Settings", "Info"), 40,
                           "not everybody has told settings and info")
        shortest = 16 * (ANSWER + GAP)
        for _ in range(4):  # a busy machine may spoil one stretch of time
            gaps = self.gaps(ids, 3 * shortest)
            worst = max(max(gaps[bms], default=99) for bms in ids)
            if worst < 1.2 * shortest * jkbtest.FACTOR:
                return
        self.fail(f"{worst:.2f} s between two frames, the bus allows {shortest:.2f} s: {gaps}")

    def six(self, addresses):
        """A client of a daemon that polls those addresses, of which 1-6 are there."""
        bus = self.enter(jkbtest.PrivateBus())
        sim = self.enter(jkbtest.Sim("--bms", "1-6"))
        self.enter(jkbtest.Daemon(
            sim.config("garage", listen_before_talk=1, poll_interval=0.1, addresses=addresses,
                       settings_interval=86400, reply_timeout=0.08, command_gap=0.06), bus=bus))
        return bus.client()

    def test_absent_ones_cost_little(self):
        clients = [self.six("0-15"), self.six("1-6")]  # side by side: the machine is as busy for both
        for client in clients:
            jkbtest.wait_until(
                lambda c=client: len([o for o in c.objects().values() if f"{NAME}.Info" in o]) == 6, 40)
        time.sleep(3)  # the scan is over
        before = [client.get(BUS, "Bus", "FramesReceived") for client in clients]
        time.sleep(8)
        frames = [client.get(BUS, "Bus", "FramesReceived") - n for client, n in zip(clients, before)]
        self.assertGreater(frames[0], 0.95 * frames[1])

    def test_lazy_one_slows_nobody(self):
        ids = ["garage_1", "garage_2", "garage_4", "garage_5"]
        self.begin("--bms", "1-5", addresses="1-5", poll_interval=1, settings_interval=86400)
        self.wait_for_bms(ids + ["garage_3"])
        jkbtest.wait_until(lambda: self.have(ids, "Info"), 10)
        self.sim.command("fault deaf@3 0.67")
        for bms, gaps in self.gaps(ids, 6).items():
            # The strict figure is test-schedule's, in virtual time; here programs wait for a processor.
            self.assertLess(statistics.median(gaps), 2 * jkbtest.FACTOR, (bms, gaps))
        self.assertTrue(self.client.get(bms_path("garage_3"), "Bms", "Online"))

    def test_address_changes(self):
        self.begin("--bms", "1,2", poll_interval=0.3, offline_after=2)
        self.wait_for_bms(["garage_1", "garage_2"])
        self.sim.command("readdress 2 9")
        self.wait_for_bms(["garage_9"], 20)
        jkbtest.wait_until(lambda: not self.client.get(bms_path("garage_2"), "Bms", "Online"), 10)
        self.assertTrue(self.client.get(bms_path("garage_1"), "Bms", "Online"))
        self.assertTrue(self.client.get(bms_path("garage_9"), "Bms", "Online"))

    def test_port_is_opened_anew(self):
        self.begin("--bms", "1", poll_interval=0.2, addresses="1")
        self.wait_for_bms(["garage_1"])
        self.sim.command("fault deaf 1")
        jkbtest.wait_until(lambda: self.client.get(BUS, "Bus", "Reconnects") == 1, 15,
                           "a port that answers nothing was not opened anew")
        self.sim.command("fault none")
        before = self.last_seen("garage_1")
        jkbtest.wait_until(lambda: self.last_seen("garage_1") > before, 20)
        self.assertEqual(self.role(), "polling")

    def test_scan_refresh_and_info(self):
        self.begin("--bms", "1,12", addresses="1,12", poll_interval=0.5, settings_interval=86400,
                   command_gap=0.05)
        self.sim.command("offline 12")
        self.wait_for_bms(["garage_1"])
        jkbtest.wait_until(lambda: self.have(["garage_1"], "Info"), 10)
        self.assertEqual(self.client.get(bms_path("garage_1"), "Info", "SoftwareVersion"), "15.41")
        self.assertTrue(self.client.get(bms_path("garage_1"), "Bms", "Model"))

        time.sleep(6)  # the scan at the start is over
        self.assertEqual(self.client.bms(), ["garage_1"])
        self.sim.command("online 12")
        self.client.call(BUS, "Bus", "Scan")
        self.wait_for_bms(["garage_12"], 10)

        self.sim.command("set 1 balance_trigger_voltage 17")
        time.sleep(1)
        path = bms_path("garage_1")
        self.assertNotEqual(self.client.get(path, "Settings", "BalanceTriggerVoltage"), 0.017)
        self.client.call(path, "Bms", "Refresh")
        jkbtest.wait_until(
            lambda: self.client.get(path, "Settings", "BalanceTriggerVoltage") == 0.017, 5)


if __name__ == "__main__":
    jkbtest.main()
