#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""`jkbmsctl decode --json` of recordings of real buses: every record known to be in them."""

import glob
import json
import os
import random
import re
import subprocess

import jkbtest

# Half a step of the finest value, and of the average, which has none of its own.
TOLERANCE = 0.0005


def decode(path, stdin=None):
    done = subprocess.run([jkbtest.program("wire-dump"), path], stdin=stdin, capture_output=True,
                          check=True)
    assert done.stderr == b"", done.stderr
    return done.stdout.decode()


def same(expected, found):
    if isinstance(expected, list):
        return (isinstance(found, list) and len(expected) == len(found)
                and all(map(same, expected, found)))
    if isinstance(expected, bool) or not isinstance(expected, (int, float)):
        return type(expected) is type(found) and expected == found
    return (isinstance(found, (int, float)) and not isinstance(found, bool)
            and abs(expected - found) < TOLERANCE)


class Captures(jkbtest.Case):

    def check(self, name, expected, found):
        for key, value in expected.items():
            if key == "fields":
                self.assertIn("fields", found, name)
                for field, content in value.items():
                    value_found = found["fields"].get(field, "missing")
                    self.assertTrue(same(content, value_found),
                                    f"{name}: {field} is {value_found}, not {content}")
            else:
                self.assertEqual(value, found.get(key), name)

    def test_every_record(self):
        paths = sorted(glob.glob(os.path.join(jkbtest.shared("captures"), "*.bin")))
        self.assertTrue(paths)
        for path in paths:
            name = os.path.basename(path)
            text = decode(path)
            with open(path, "rb") as file:
                self.assertEqual(text, decode("-", file), name)
            self.assertNotIn("CANARY", text)

            records = list(map(json.loads, text.splitlines()))
            offsets = [record["offset"] for record in records]
            self.assertEqual(offsets, sorted(set(offsets)), name)
            found = {record["offset"]: record for record in records}
            with open(path.removesuffix(".bin") + ".jsonl", encoding="utf-8") as file:
                expected = {record["offset"]: record for record in map(json.loads, file)}
            for offset, record in expected.items():
                self.assertIn(offset, found, f"{name}: nothing at {offset}")
                self.check(f"{name} at {offset}", record, found[offset])
            self.assertEqual(set(), set(found) - set(expected), f"{name}: not in it")

    def test_text(self):
        path = jkbtest.shared("captures", "dbusserial_addr3.bin")
        done = subprocess.run([jkbtest.program("wire-dump"), "--text", path], capture_output=True,
                              check=True)
        lines = done.stdout.decode().splitlines()
        self.assertEqual(len(lines), len(decode(path).splitlines()))
        self.assertRegex(lines[1], r"^ +11  live +3  \(ack\)  total_voltage=52\.695 V ")
        self.assertNotIn("CANARY", done.stdout.decode())

    def test_memory_does_not_grow_with_the_file(self):
        with open(jkbtest.shared("captures", "mppsolar_capture.bin"), "rb") as file:
            cycle = file.read()[:2 ** 16]
        noise = random.Random(1).randbytes(2 ** 16)
        with subprocess.Popen([jkbtest.program("wire-dump"), "-"], stdin=subprocess.PIPE,
                              stdout=subprocess.DEVNULL) as child:
            for n in range(256):
                child.stdin.write(cycle if n % 4 == 0 else noise)
            with open(f"/proc/{child.pid}/status", encoding="ascii") as status:
                peak_kb = int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))
            child.stdin.close()
        self.assertEqual(child.returncode, 0)
        if jkbtest.FACTOR == 1:
            self.assertLess(peak_kb, 8 * 1024)

    def test_what_cannot_be_read(self):
        for path in ("/nonexistent", "/"):
            done = subprocess.run([jkbtest.program("wire-dump"), path], capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1)
        with open("/dev/full", "w", encoding="ascii") as full:
            path = jkbtest.shared("captures", "phinix_readme_cycle.bin")
            done = subprocess.run([jkbtest.program("wire-dump"), path], stdout=full,
                                  stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode, 1)


if __name__ == "__main__":
    jkbtest.main()
