#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A bad line: whatever the daemon publishes from it, on D-Bus and MQTT, was really said, by that BMS.

The simulator writes down what each BMS sent; every published message is looked up there.  What does
not occur there, for that address, with all its values in one frame, was invented or is another's."""

import json
import math
import re
import socket
import threading
import time

import jkbtest
from jkbdbus import bus_path

N_BMS = 16
CYCLE = 2 * N_BMS  # frames
# The figures come from the plain build; under a sanitizer a part of the frames shows what it can find.
PART = 1 if jkbtest.FACTOR == 1 else 4
STATE = re.compile(r"jkbms/garage_(\d+)/(state|cells|settings)")
TELEMETRY = re.compile(r".*/bms/garage_(\d+)$")
# Live values that identify a frame among all of its BMS, or nearly.
IDENTITY = ("cell_voltages", "total_voltage", "current", "capacity_remaining", "total_runtime")


def snake(name):
    """StateOfCharge -> state_of_charge, TemperatureSensor1 -> temperature_sensor_1"""
    return re.sub(r"(?<=[a-z])(?=[A-Z0-9])", "_", name).lower()


def same(published, sent):
    if isinstance(sent, list):
        return len(published) == len(sent) and all(map(same, published, sent))
    if published is None:
        return False
    return abs(float(published) - float(sent)) < 1e-6


def index_key(value):
    """Numbers as thousandths, so that equal ones meet."""
    return tuple(map(index_key, value)) if isinstance(value, list) else round(value * 1000)


class Truth:
    """What the simulator says it sent."""

    def __init__(self, path):
        self.frames = []
        with open(path, encoding="ascii") as file:
            for line in file:
                if '"record":"frame"' in line:
                    self.frames.append(json.loads(line))
        self.by_kind = {}
        self.by_value = {}
        for frame in self.frames:
            address, kind = frame["address"], frame["type"]
            self.by_kind.setdefault((address, kind), []).append(frame)
            for key in IDENTITY if kind == "live" else ():
                self.by_value.setdefault((address, key, index_key(frame[key])), []).append(frame)

    def last_live(self, address):
        return self.by_kind[address, "live"][-1]

    def candidates(self, address, kind, values):
        """The shortest list of frames that can be meant."""
        lists = [self.by_value.get((address, key, index_key(values[key])), [])
                 for key in IDENTITY if key in values]
        return min(lists, key=len) if lists else self.by_kind.get((address, kind), [])

    def matches(self, address, kind, values):
        """Whether one frame of that BMS had all of these values at once."""
        return any(all(same(values[key], sent[key]) for key in values if key in sent)
                   for sent in self.candidates(address, kind, values))


class Tap:
    """Another adapter on the same line, with everything it hears."""

    def __init__(self, port):
        self.data = bytearray()
        self.connection = socket.create_connection(("127.0.0.1", port))
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while chunk := self.connection.recv(1 << 16):
            self.data += chunk

    def close(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


class Noise(jkbtest.Case):

    def set_up(self, *arguments, rate=40):
        self.broker = self.enter(jkbtest.Broker())
        self.dbus = self.enter(jkbtest.PrivateBus())
        self.truth_path = self.path("truth")
        self.sim = self.enter(jkbtest.Sim("--master", "--bms", f"0-{N_BMS - 1}", "--rate", rate, "--wait",
                                          "--truth", self.truth_path, *arguments, tcp=True))
        self.sim.command("pause")
        self.seen = self.enter(jkbtest.Capture(self.broker, "jkbms/#"))
        config = ("[daemon]\ndbus-interval=0\n\n" + self.sim.config("garage", mode="listen")
                  + self.broker.config(interval=0, cells_interval=0, queue_max=100000))
        self.signals = self.dbus.client().signals()
        self.daemon = self.enter(jkbtest.Daemon(config, bus=self.dbus))
        self.client = self.dbus.client()
        jkbtest.wait_until(lambda: self.stats()["connects"] == 1)
        jkbtest.wait_until(lambda: self.client.get("/io/github/jkbmsd1/mqtt", "Mqtt", "Connected"))

    def stats(self):
        return json.loads(self.sim.command("stats").removeprefix("ok "))

    def run_frames(self, n, timeout=300):
        """The simulated master sends n frames more; returns when the daemon has had them."""
        goal = self.stats()["frames"] + n
        self.sim.command(f"step {n}")
        jkbtest.wait_until(lambda: self.stats()["frames"] >= goal, timeout)
        sent = jkbtest.wait_until(self._settled, 20)
        jkbtest.wait_until(lambda: self.counter("BytesReceived") == sent, 20,
                           lambda: f"{self.counter('BytesReceived')} of {sent} bytes received")
        time.sleep(0.3)

    def _settled(self):
        before = self.stats()["bytes"]
        time.sleep(0.2)
        return before if self.stats()["bytes"] == before else None

    def counter(self, name):
        return self.client.get(bus_path("garage"), "Bus", name)

    def published(self):
        """[(address, kind, values, text)] of everything that D-Bus and MQTT have told so far."""
        self.seen.sync()
        found = []
        for message in self.seen.messages():
            match = STATE.fullmatch(message.topic)
            if match and message.payload:
                values = {k: v for k, v in message.json.items() if k not in ("timestamp", "age", "power")}
                kind = "settings" if match[2] == "settings" else "live"
                if kind == "settings":
                    values = {k: v for k, v in values.items() if v is not None and not isinstance(v, list)}
                found.append((int(match[1]), kind, values, repr(message)))
        for signal in self.signals:
            match = TELEMETRY.fullmatch(signal.path)
            if match and signal.name == "PropertiesChanged":
                interface, changed, _ = signal.arguments
                kind = {"Telemetry": "live", "Settings": "settings"}.get(interface.rpartition(".")[2])
                if kind:
                    values = {snake(k): v for k, v in changed.items()}
                    found.append((int(match[1]), kind, values, repr(signal)))
        return found

    def wrong(self, truth):
        """The published messages that no frame of their BMS accounts for."""
        published = self.published()
        states = sum(kind == "live" for _, kind, _, _ in published)
        wrong = [text for address, kind, values, text in published
                 if not truth.matches(address, kind, self.comparable(values))]
        return published, states, wrong

    @staticmethod
    def comparable(values):
        """The values that are numbers and known; power is computed from two of them."""
        def is_known(value):
            if isinstance(value, list):
                return all(map(is_known, value))
            return isinstance(value, (bool, int, float)) and not math.isnan(value)
        return {key: value for key, value in values.items() if key != "power" and is_known(value)}

    def test_no_wrong_value_and_no_wrong_address(self):
        faults = ["--fault", "corrupt=0.01", "--fault", "drop=0.01", "--fault", "echo=1"]
        self.set_up(*faults)
        start = time.monotonic()
        self.run_frames(20480 // PART)
        seconds = time.monotonic() - start
        # the faults end: two cycles later everybody is fresh
        self.sim.command("fault none")
        self.run_frames(2 * CYCLE)
        shown = [self.client.objects()[f"/io/github/jkbmsd1/bms/garage_{n}"] for n in range(N_BMS)]
        truth = Truth(self.truth_path)
        published, states, wrong = self.wrong(truth)
        fates = [sum(f["fate"] == fate for f in truth.frames) for fate in ("good", "damaged", "dropped")]
        print(f"\n{len(truth.frames)} frames in {seconds:.1f} s ({len(truth.frames) / seconds:.0f} a second; "
              f"the line carries 36): {fates[0]} good, {fates[1]} damaged, {fates[2]} dropped; "
              f"{len(published)} messages published, {states} of live data, {len(wrong)} wrong; "
              f"unattributed {self.counter('UnattributedFrames')}, bad sums {self.counter('ChecksumErrors')}")
        self.assertEqual(wrong, [])
        unknown = [text for _, kind, values, text in published
                   if kind == "live" and any(values.get(key, 0) is None for key in truth.frames[0])]
        self.assertEqual(unknown, [])
        self.assertGreater(len(truth.frames), 20000 // PART)
        self.assertGreater(fates[1], 100 // PART)
        self.assertGreater(fates[2], 100 // PART)
        # nearly everything that was good got through: both channels tell (almost) every live frame
        self.assertGreater(self.counter("FramesReceived"), fates[0] - 5)
        # States are newest-wins: a daemon that is slowed down by a sanitizer publishes fewer.
        self.assertGreater(states, 1.5 * fates[0] / 2 if jkbtest.FACTOR == 1 else fates[0] / 20)
        self.assertEqual(self.client.bms(), sorted(f"garage_{n}" for n in range(N_BMS)))
        self.check_fresh(truth, shown)

    def check_fresh(self, truth, shown):
        for address, interfaces in enumerate(shown):
            sent = truth.last_live(address)
            self.assertEqual(sent["fate"], "good")
            state = self.seen.last(f"jkbms/garage_{address}/state").json
            cells = self.seen.last(f"jkbms/garage_{address}/cells").json
            telemetry = interfaces["io.github.jkbmsd1.Telemetry"]
            self.assertTrue(same(state["total_runtime"], sent["total_runtime"]), address)
            self.assertTrue(same(state["current"], sent["current"]), address)
            self.assertTrue(same(cells["cell_voltages"], sent["cell_voltages"]), address)
            self.assertTrue(same(telemetry["TotalRuntime"], sent["total_runtime"]), address)
            self.assertTrue(interfaces["io.github.jkbmsd1.Bms"]["Online"], address)

    def lucky_frames(self, truth, data):
        """Frames that were damaged and whose sum is right all the same, with the truth behind them."""
        raw = self.path("raw")
        with open(raw, "wb") as file:
            file.write(data)
        good = {frame["offset"]: frame for frame in truth.frames}
        lucky = []
        for line in jkbtest.ctl("decode", raw, "--json", timeout=120).splitlines():
            found = json.loads(line)
            sent = good.get(found["offset"])
            if found.get("checksum") and sent and sent["fate"] == "damaged":
                lucky.append((found, sent))
        return lucky

    def bytes_damaged(self, rate, frames):
        """An 8-bit sum cannot catch everything: what it lets through, and what becomes of it."""
        self.set_up("--fault", f"bitrate={rate}")
        tap = Tap(self.sim.port)
        self.addCleanup(tap.close)
        jkbtest.wait_until(lambda: self.stats()["connects"] == 2)
        self.run_frames(frames // PART)
        truth = Truth(self.truth_path)
        damaged = [f for f in truth.frames if f["fate"] == "damaged"]
        lucky = self.lucky_frames(truth, bytes(tap.data))
        acked = [(found, sent) for found, sent in lucky if found["attributed_by"] == "ack"]
        attributed = [(found, sent) for found, sent in lucky if found["address"] is not None]
        published, states, wrong = self.wrong(truth)
        fates = [self.what_became_of(found, sent) for found, sent in attributed]
        print(f"\n{rate:.1%} of all bytes damaged: {len(truth.frames)} frames, {len(damaged)} damaged, "
              f"{len(lucky)} of these kept their sum by chance, {len(acked)} their ACK too; {len(attributed)} "
              f"were attributed, all rightly: {fates.count('harmless')} had no published value damaged, "
              f"{fates.count('stopped')} were stopped by plausibility, {fates.count('published')} published. "
              f"Wrong messages: {len(wrong)} of {len(published)}")
        self.assertEqual([1 for found, sent in attributed if found["address"] != sent["address"]], [])
        # a damaged frame can be told once on each of state, cells (or settings) and D-Bus, no more
        self.assertLessEqual(len(wrong), 4 * len(attributed))
        self.assertEqual(self.client.bms(), sorted(f"garage_{n}" for n in range(N_BMS)))

    def what_became_of(self, found, sent):
        """A damaged frame: "harmless", "published" with a wrong value on MQTT, or "stopped"."""
        fields = {k: v for k, v in self.comparable(found["fields"]).items() if k in sent}
        wrong = {k: v for k, v in fields.items() if not same(v, sent[k])}
        if not wrong:
            return "harmless"
        for topic in {"live": ("state", "cells"), "settings": ("settings",)}[found["type"]]:
            for message in self.seen.messages(f"jkbms/garage_{found['address']}/{topic}"):
                values = {k: v for k, v in message.json.items() if k in fields} if message.payload else {}
                if all(v is None or same(v, fields[k]) for k, v in values.items()) \
                        and any(values.get(k) is not None for k in wrong):
                    return "published"
        return "stopped"

    def test_one_byte_in_a_thousand(self):
        self.bytes_damaged(0.001, 24000)

    def test_one_byte_in_a_hundred(self):
        self.bytes_damaged(0.01, 8000)


if __name__ == "__main__":
    jkbtest.main()
