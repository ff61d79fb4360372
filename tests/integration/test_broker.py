# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Brokers that come and go: the daemon is back within 5 s, nothing is lost that must not be."""

import random
import signal
import time

import jkbtest
from jkbtest import Broker, Capture, Daemon, Sim, wait_until

PREFIX = "jkbms"


def topic(bms, leaf):
    return f"{PREFIX}/{bms}/{leaf}"


class ComingAndGoing(jkbtest.Case):
    def sim_and_daemon(self, config, *sim_arguments):
        sim = self.enter(Sim("--master", "--rate", "4", *sim_arguments))
        daemon = self.enter(Daemon(sim.config("garage", mode="listen") + config))
        return sim, daemon

    def test_broker_is_not_there_yet(self):
        broker = Broker()
        _, daemon = self.sim_and_daemon(broker.config(), "--bms", "0")
        daemon.wait_for_log("Nothing listens on port")
        self.enter(broker)
        capture = self.enter(Capture(broker))
        capture.wait_for(topic("garage_0", "state"), timeout=15)

    def test_twenty_restarts(self):
        broker = self.enter(Broker())
        _, daemon = self.sim_and_daemon(broker.config(interval=1), "--bms", "0,1,2,3")
        daemon.wait_for_log("MQTT: connected")
        generator = random.Random(4)
        slowest, resident = 0.0, []
        for round_ in range(20):
            time.sleep(generator.uniform(0.0, 0.8))
            broker.kill()
            time.sleep(generator.uniform(0.0, 0.6))
            before = len(daemon.log)
            broker.start()
            back = time.monotonic()
            wait_until(lambda at=before: "MQTT: connected" in daemon.log[at:], 5)
            slowest = max(slowest, time.monotonic() - back)
            capture = Capture(broker)
            with capture:
                for bms in range(4):
                    capture.wait_for(topic(f"garage_{bms}", "availability"),
                                     lambda m: m.payload == "online", 10)
                capture.wait_for(f"{PREFIX}/bridge/availability", lambda m: m.payload == "online")
            capture.forget()
            if round_ >= 4:
                resident.append(daemon.resident_kib())
        print(f"slowest reconnection {slowest:.1f} s, resident {resident[0]} to {resident[-1]} KiB")
        self.assertLess(slowest, 5 * jkbtest.FACTOR)
        if jkbtest.FACTOR == 1:  # sanitizers keep what was freed
            self.assertLess(resident[-1] - resident[0], 512)

    def test_events_wait_for_the_broker(self):
        broker = self.enter(Broker())
        sim, daemon = self.sim_and_daemon(broker.config(queue_max=10), "--bms", "0")
        daemon.wait_for_log("MQTT: connected")
        daemon.wait_for_log("garage_0: BMS found")
        broker.kill()
        for bit in (4, 6, 8):
            sim.command(f"alarm 0 {bit} on")
            time.sleep(2.5)
        capture = Capture(broker)
        broker.start()
        self.enter(capture)
        alarm = topic("garage_0", "alarm")
        wait_until(lambda: len(capture.messages(alarm)) >= 3, 15,
                   lambda: f"{capture.messages(alarm)}")
        self.assertEqual([m.json["alarm"] for m in capture.messages(alarm)],
                         ["cell_overvoltage", "charge_overcurrent", "charge_overtemperature"])
        stamps = [m.json["timestamp"] for m in capture.messages(alarm)]
        self.assertEqual(stamps, sorted(set(stamps)))

    def test_broker_that_freezes(self):
        """A black hole behind an open connection: memory stays bounded, all goes on afterwards."""
        broker = self.enter(Broker())
        _, daemon = self.sim_and_daemon(broker.config(interval=0, cells_interval=0), "--bms",
                                        "0,1,2,3", "--rate", "20")
        capture = self.enter(Capture(broker))
        capture.wait_for(topic("garage_3", "state"))
        time.sleep(2)
        before = daemon.resident_kib()
        broker.send_signal(signal.SIGSTOP)
        time.sleep(12)
        grown = daemon.resident_kib() - before
        broker.send_signal(signal.SIGCONT)
        capture.sync()
        seen = len(capture.messages(topic("garage_3", "state")))
        wait_until(lambda: len(capture.messages(topic("garage_3", "state"))) > seen + 3, 15)
        if jkbtest.FACTOR == 1:
            self.assertLess(grown, 4096)


if __name__ == "__main__":
    jkbtest.main()
