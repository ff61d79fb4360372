#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""One daemon, for as long as asked, under faults of the matrix in a random order.

    soak.py [--minutes M] [--seed S] [--quiet S]

It needs the environment of the integration tests (JKBMSD, JKBMS_SIM: `meson devenv` has it).  After each
fault the daemon is judged as by the matrix; what is measured on top is printed once a minute:

    faults     struck so far, and how many of them ended badly
    recovery   median and longest time from the end of a fault until all was well again
    memory     resident, KiB; files: open ones; threads
    latency    from the last byte of a frame of bus "b", which no fault strikes, until a subscriber had
               its state: median, 99 %, longest, while the broker is there
    frames     that bus "b" carried, and how many of them the daemon did not get
    alarms     raised or cleared on bus "b", and how many of them never came to the broker

The exit status tells whether nothing ended badly, next to nothing was lost, and memory and files did not grow.
"""

import argparse
import datetime
import json
import os
import random
import statistics
import sys
import time
import traceback
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import jkbmatrix  # noqa: E402
import jkbtest  # noqa: E402
import test_faults_broker  # noqa: E402, F401
import test_faults_dbus  # noqa: E402, F401
import test_faults_line  # noqa: E402, F401
import test_faults_machine  # noqa: E402, F401
from jkbdbus import bus_path  # noqa: E402
from jkbfault import RSS_SLACK_KIB, Rig  # noqa: E402

LANES = ("serial", "line", "broker", "dbus", "machine")  # those whose faults want a plain rig
LONGEST_FAULT = 14  # s, about
MAX_HEARD = 8 << 20  # bytes of messages that are kept
# The table has every lost frame; on a machine that is busy with other tests one in a thousand may be,
# where the pause that ends the counting came too late or the simulator itself was held up.
LOSS_ALLOWED = 0.001
HEADER = ("minute  faults bad  recovery s     memory files threads  latency ms            frames lost  "
          "alarms lost")


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(share * len(values)))] if values else 0.0


class Heard:
    """What a subscriber heard of bus "b", read as its file grows: the alarms, and how long each state
    took from its time stamp to its arrival."""

    def __init__(self, rig):
        self.path, self.at, self.truth = rig.capture.log_path, 0, rig.truth
        self.alarms = 0

    def read(self):
        """The latencies, in ms, of the states since the last call."""
        with open(self.path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        self.at += len(data)
        self.alarms += data.count(b'"topic":"jkbms/b_0/alarm"')
        return [self._latency(json.loads(line)) for line in data.splitlines()
                if line.startswith(b"{") and b'"topic":"jkbms/b_' in line and b'/state"' in line]

    def forget(self, published):
        """What was read, by us and by the judgement, must not fill the disk of a long run."""
        published.look(self.truth)
        if self.at > MAX_HEARD:
            os.truncate(self.path, 0)  # the subscriber appends
            self.at = published.at = 0

    @staticmethod
    def _latency(record):
        arrived = datetime.datetime.strptime(record["tst"], "%Y-%m-%dT%H:%M:%S.%fZ%z")
        stamp = datetime.datetime.fromisoformat(json.loads(record["payload"])["timestamp"])
        return 1000 * (arrived - stamp).total_seconds()


class Soak:
    def __init__(self, seed, quiet):
        self.random = random.Random(seed)
        self.quiet = quiet
        self.faults = [(lane, key, *jkbmatrix.LANES[lane][1][key])
                       for lane in LANES for key in jkbmatrix.LANES[lane][1]]
        self.order = []
        self.recoveries, self.latencies, self.bad = [], [], []
        self.struck = self.frames = self.frames_lost = self.alarms = self.alarms_lost = 0
        self.resident = []
        self.rig = self.heard = self.counted = None

    # ---- what is measured

    def count_frames(self):
        """Bus "b" pauses for a moment, so that nothing is on its way: what its simulator has sent and the
        daemon has not counted by then is lost, but for what was sent before the daemon listened."""
        self.rig.sim_b.command("pause")
        last, end = None, time.monotonic() + 1.2  # the daemon calls it silent after 1.5 s
        while time.monotonic() < end:
            time.sleep(0.2)
            sent = json.loads(self.rig.sim_b.command("stats").removeprefix("ok "))["frames"]
            missing = sent - self.rig.get(bus_path("b"), "Bus", "FramesReceived")
            if missing == last:
                break
            last = missing
        self.rig.sim_b.command("resume")
        if self.counted is not None:
            self.frames += sent - self.counted[0]
            self.frames_lost += missing - self.counted[1]
        self.counted = (sent, missing)

    def raise_alarm(self):
        """Returns how many alarm events there must be then."""
        self.alarms += 1
        before = self.heard.alarms
        self.rig.sim_b.command(f"alarm 0 4 {'on' if self.alarms % 2 else 'off'}")
        return before + 1

    def wait_for_alarm(self, expected):
        """Returns the latencies of what was heard meanwhile."""
        found = self.heard.read()
        end = time.monotonic() + 10
        while self.heard.alarms < expected:
            if time.monotonic() > end:
                self.alarms_lost += 1
                break
            time.sleep(0.05)
            found += self.heard.read()
        return found

    # ---- one fault

    def next_fault(self):
        if not self.order:
            self.order = list(self.faults)
            self.random.shuffle(self.order)
        return self.order.pop()

    def strike(self, lane, key, _what, function, says, options):
        rig = self.rig
        rig.keeps_broker = lane != "broker"
        self.heard.read()
        self.heard.forget(rig.published)
        time.sleep(self.random.uniform(1, self.quiet))
        self.latencies += self.heard.read()  # of the quiet time
        expected = self.raise_alarm()
        self.struck += 1
        self.recoveries.append(rig.strike(function, says, **options))
        latencies = self.wait_for_alarm(expected)
        if lane != "broker" and options.get("other_bus", True) and options.get("broker", True):
            self.latencies += latencies  # no fault of others may delay this bus
        self.resident.append(rig.daemon.resident_kib())

    def open_rig(self):
        self.rig = Rig()
        self.rig.interval = 0  # a message for every frame
        self.rig.start()
        self.heard = Heard(self.rig)
        self.counted = None
        self.count_frames()

    def attempt(self, fault):
        try:
            self.strike(*fault)
        except unittest.SkipTest as reason:
            print(f"{fault[1]} was left out: {reason}", flush=True)
        except Exception:
            self.bad.append(fault[1])
            print(f"{fault[1]} ended badly:\n{traceback.format_exc()}", flush=True)
            self.rig.tell(fault[1])
            self.close_rig()
            self.open_rig()

    def close_rig(self):
        try:
            self.rig.close()
        except Exception:
            self.bad.append("the end")
            print(traceback.format_exc(), flush=True)

    # ---- all of it

    def print_row(self, minute):
        self.count_frames()
        rig, last = self.rig, self.latencies
        with open(f"/proc/{rig.daemon.pid}/status", encoding="ascii") as file:
            threads = next(line.split()[1] for line in file if line.startswith("Threads:"))
        print(f"{minute:6.1f} {self.struck:7} {len(self.bad):3}  "
              f"{percentile(self.recoveries, 0.5):4.1f} /{max(self.recoveries, default=0):5.1f}   "
              f"{rig.daemon.resident_kib():7} {rig.daemon.open_files():5} {threads:>7}  "
              f"{percentile(last, 0.5):5.1f} /{percentile(last, 0.99):6.1f} /{max(last, default=0):7.1f}  "
              f"{self.frames:7} {self.frames_lost:4}  {self.alarms:6} {self.alarms_lost:4}", flush=True)

    def run(self, seconds):
        self.open_rig()
        began = time.monotonic()
        next_row = began + 60
        print(HEADER, flush=True)
        while time.monotonic() + LONGEST_FAULT < began + seconds or not self.struck:
            self.attempt(self.next_fault())
            if time.monotonic() >= next_row:
                next_row += 60
                self.print_row((time.monotonic() - began) / 60)
        self.print_row((time.monotonic() - began) / 60)
        self.close_rig()

    def verdict(self):
        """Sentences; none: all is well."""
        found = [f"{name} ended badly" for name in self.bad]
        if self.frames_lost > self.frames * LOSS_ALLOWED:
            found.append(f"{self.frames_lost} frames of the other bus were lost")
        if self.alarms_lost:
            found.append(f"{self.alarms_lost} alarms were lost")
        half = len(self.resident) // 2
        if half >= 10 and jkbtest.FACTOR == 1:
            first, second = statistics.median(self.resident[:half]), statistics.median(self.resident[half:])
            if second - first > RSS_SLACK_KIB:
                found.append(f"memory grew from {first:.0f} to {second:.0f} KiB")
        return found


def main():
    parser = argparse.ArgumentParser(description="Random faults for as long as asked")
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--quiet", type=float, default=4, help="seconds between two faults, at most")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}")
    soak = Soak(arguments.seed, arguments.quiet)
    soak.run(60 * arguments.minutes)
    found = soak.verdict()
    print("\n".join(found) or "nothing to complain of: nothing grew, all faults were overcome")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
