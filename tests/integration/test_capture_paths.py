#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Recordings of real buses, through every transport, to D-Bus and MQTT.

Each capture has, beside it, the records that it holds.  Per address with at least three attributed
frames there must be a BMS whose values are those of its last frames; there must be no other; and no
secret of an info frame (the word CANARY stands in its place) may be left anywhere."""

import glob
import json
import math
import os
import re
import unittest

import jkbtest
from jkbdbus import bms_path, bus_path

INTERFACES = {"live": "Telemetry", "settings": "Settings", "info": "Info"}
TEMPERATURES = ("mosfet_temperature", "temperature_sensor_1", "temperature_sensor_2",
                "temperature_sensor_4", "temperature_sensor_5")
RESISTANCES = ("cell_resistances", "connection_wire_resistances")
CELLS = ("cell_voltages", "cell_resistances")
CANARY = b"CANARY"


def without_absent(fields):
    """The fields with what cannot be true, or is not fitted, as None (protocol 5.2)."""
    known = dict(fields)
    for key in TEMPERATURES:
        if key in known and known[key] is not None and not -40 <= known[key] <= 125:
            known[key] = None
    four, five = known.get("temperature_sensor_4"), known.get("temperature_sensor_5")
    warm = (known.get("temperature_sensor_1") or 0) > 5 and (known.get("temperature_sensor_2") or 0) > 5
    if four == 0 and five == 0 and warm:
        known["temperature_sensor_4"] = known["temperature_sensor_5"] = None
    for key in RESISTANCES:
        if key in known:
            known[key] = [value or None for value in known[key]]
    return known


class CaptureFile:
    """One recording and what should come of it."""

    def __init__(self, path, bus):
        self.path, self.bus = path, bus
        with open(path, "rb") as file:
            self.data = file.read()
        self.expected = {}  # id: {"live": fields, ...}
        frames = {}
        with open(path.removesuffix(".bin") + ".jsonl", encoding="utf-8") as file:
            for record in map(json.loads, file):
                if record.get("checksum") and record["address"] is not None:
                    frames.setdefault(record["address"], []).append(record)
        for address, records in frames.items():
            if len(records) >= 3:
                self.expected[f"{bus}_{address}"] = {
                    record["type"]: without_absent(record["fields"])
                    for record in records if record["type"] in INTERFACES}


def all_captures():
    paths = sorted(glob.glob(os.path.join(jkbtest.shared("captures"), "*.bin")))
    return [CaptureFile(os.path.abspath(path), f"c{n}") for n, path in enumerate(paths)]


def camel_case(key):
    return "".join(part.capitalize() for part in key.split("_"))


def same(expected, value):
    """Whether a value is the expected one, to the resolution of its register; NaN is None."""
    if isinstance(value, float) and math.isnan(value):
        value = None
    if expected is None or value is None:
        return expected is None and value is None
    if isinstance(expected, list):
        return len(expected) == len(value) and all(map(same, expected, value))
    if isinstance(expected, (bool, str)):
        return expected == value and isinstance(value, type(expected))
    return not isinstance(value, (bool, str)) and abs(value - expected) <= 2e-4 + 1e-6 * abs(expected)


def differences(expected, values, name=lambda key: key, unavailable=()):
    for key, value in expected.items():
        if name(key) not in values:
            yield f"{key} is missing"
        elif value is None and key in unavailable:
            continue
        elif not same(value, values[name(key)]):
            yield f"{key} is {values[name(key)]!r}, not {value!r}"
        elif key in unavailable:
            yield f"{key} is listed in Unavailable and has a value"


def memory_of(pid):
    """The private, writable memory of a process, piece by piece."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            start, end, flags = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            size = int(end, 16) - int(start, 16)
            if flags.startswith("rw") and size < 1 << 30:
                try:
                    memory.seek(int(start, 16))
                    yield memory.read(size)
                except (OSError, OverflowError):
                    continue


class CapturePaths(jkbtest.Case):

    def run_captures(self, make_uri, feed=lambda capture, uri: None):
        captures = all_captures()
        uris = [make_uri(capture) for capture in captures]
        broker = self.enter(jkbtest.Broker())
        self.seen = self.enter(jkbtest.Capture(broker))
        bus = self.enter(jkbtest.PrivateBus())
        config = "[daemon]\nlog-level=debug\ndbus-interval=0.1\n\n"
        config += broker.config(interval=0.2, cells_interval=0.2)
        config += "".join(jkbtest.bus_config(c.bus, uri, mode="listen")
                          for c, uri in zip(captures, uris))
        self.daemon = self.enter(jkbtest.Daemon(config, bus=bus))
        self.client = bus.client()
        for capture, uri in zip(captures, uris):
            feed(capture, uri)
        jkbtest.wait_until(lambda: all(map(self.all_received, captures)), 30,
                           lambda: "not all bytes were read: " + ", ".join(
                               c.path for c in captures if not self.all_received(c)))
        self.expected = {bms: groups for c in captures for bms, groups in c.expected.items()}
        self.assertGreaterEqual(len(self.expected), 7)
        jkbtest.wait_until(lambda: not list(self.complaints()), 15,
                           lambda: "\n".join(list(self.complaints())[:40]))
        self.check_nothing_else()
        self.check_secrets()

    def all_received(self, capture):
        received = self.client.get(bus_path(capture.bus), "Bus", "BytesReceived")
        self.assertLessEqual(received, len(capture.data), capture.path)
        return received == len(capture.data)

    def complaints(self):
        """What is not yet as it should be."""
        objects = self.client.objects()
        for bms, groups in self.expected.items():
            interfaces = objects.get(bms_path(bms))
            if interfaces is None:
                yield f"{bms} does not exist"
                continue
            for group, interface in INTERFACES.items():
                values = interfaces.get(f"io.github.jkbmsd1.{interface}")
                if (values is None) != (group not in groups):
                    yield f"{bms} has {'no ' if values is None else 'a '}{interface}"
                if values is None or group not in groups:
                    continue
                for text in differences(groups[group], values, camel_case, values["Unavailable"]):
                    yield f"D-Bus {bms} {interface}: {text}"
                for key in RESISTANCES:
                    if 0 in values.get(camel_case(key), []):
                        yield f"D-Bus {bms} {interface}: {key} has a 0, which means not measured"
            yield from self.mqtt_complaints(bms, groups)

    def mqtt_complaints(self, bms, groups):
        live = groups.get("live", {})
        topics = {"settings": groups.get("settings"), "info": groups.get("info"),
                  "state": {k: v for k, v in live.items() if k not in CELLS},
                  "cells": {k: v for k, v in live.items() if k in CELLS}}
        for topic, expected in topics.items():
            if not expected:
                continue
            message = self.seen.last(f"jkbms/{bms}/{topic}")
            if message is None:
                yield f"no message on jkbms/{bms}/{topic}"
                continue
            if topic == "info":  # the serial number goes to D-Bus and the device block only
                expected = {k: v for k, v in expected.items() if k != "serial_number"}
                if "serial_number" in message.json:
                    yield f"MQTT {bms} info has the serial number"
            for text in differences(expected, message.json):
                yield f"MQTT {bms} {topic}: {text}"

    def check_nothing_else(self):
        self.assertEqual(self.client.bms(), sorted(self.expected))
        for topic in self.seen.topics():
            if topic.startswith("jkbms/"):
                self.assertIn(topic.split("/")[1], [*self.expected, "bridge"], topic)
            elif topic.endswith("/config"):
                self.assertIn(topic.split("/")[2].removeprefix("jkbmsd_"),
                              [*self.expected, "bridge"], topic)

    def check_secrets(self):
        dump = repr(self.client.objects())
        for capture in all_captures():
            dump += repr(self.client.get_all(bus_path(capture.bus), "Bus"))
        self.assertNotIn("CANARY", dump)
        self.assertNotIn("CANARY", self.seen.log)
        self.assertNotIn("CANARY", self.daemon.log)
        for directory, _, names in os.walk(self.daemon.state_dir):
            for name in names:
                with open(os.path.join(directory, name), "rb") as file:
                    self.assertNotIn(CANARY, file.read(), name)
        sees_memory = False
        for piece in memory_of(self.daemon.pid):
            at = piece.find(CANARY)
            self.assertLess(at, 0, f"in memory: {piece[max(0, at - 80):at + 20]!r}")
            sees_memory |= self.daemon.config_path.encode() in piece
        self.assertTrue(sees_memory)

    def test_replay(self):
        self.run_captures(lambda capture: f"replay:{capture.path}")

    def test_tcp(self):
        """A gateway that splits and merges as it likes."""
        def peer(capture):
            def send(connection, number):
                if number > 1:
                    return
                for at in range(0, len(capture.data), 1009):
                    connection.sendall(capture.data[at:at + 1009])
                connection.recv(1)  # stays connected until the test is over
            return self.enter(jkbtest.TcpPeer(send)).uri
        self.run_captures(peer)

    def test_pty(self):
        lines = {}

        def pty(capture):
            lines[capture.path] = self.enter(jkbtest.Pty())
            return lines[capture.path].uri

        def feed(capture, _uri):
            jkbtest.wait_until(
                lambda: self.client.get(bus_path(capture.bus), "Bus", "State") == "up", 10,
                f"{capture.bus} is not up")
            lines[capture.path].write(capture.data)
        self.run_captures(pty, feed)


class Comparison(unittest.TestCase):
    """The comparison itself sees differences."""

    def test_differences(self):
        self.assertEqual(list(differences({"a": 1.5, "b": [1, None], "c": None, "d": True},
                                          {"a": 1.5, "b": [1.0, math.nan], "c": None, "d": True})), [])
        for expected, values in (({"a": 1.5}, {"a": 1.501}), ({"a": None}, {"a": 0}), ({"a": 1}, {}),
                                 ({"a": True}, {"a": 1}), ({"a": [1]}, {"a": [1, 2]})):
            self.assertEqual(len(list(differences(expected, values))), 1)


if __name__ == "__main__":
    jkbtest.main()
