#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What the daemon costs on a bus: CPU and wake-ups per frame, share of a core, memory.

The simulator plays the bus, a real Mosquitto and a private D-Bus daemon take what comes.  A measurement,
not a test: nothing here passes or fails.  Usage: whole_daemon.py [SECONDS]
"""

import glob
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import jkbtest  # noqa: E402
from jkbdbus import bus_path  # noqa: E402

SCENARIOS = (
    # title, simulator options, further configuration of [mqtt]
    ("4 BMS, pace of a BMS master", ["--bms", "0-3", "--rate", "real"], {}),
    ("4 BMS, line rate", ["--bms", "0-3", "--rate", "line"], {}),
    ("16 BMS, line rate", ["--bms", "0-15", "--rate", "line"], {}),
    ("16 BMS, line rate, every frame", ["--bms", "0-15", "--rate", "line"],
     {"interval": 0, "cells_interval": 0}),
    ("16 BMS, 16 x line rate", ["--bms", "0-15", "--rate", "16"], {}),
)


def thread_totals(pid):
    """(nanoseconds of CPU, wake-ups) of all threads."""
    cpu = wakes = 0
    for task in glob.glob(f"/proc/{pid}/task/*"):
        with open(f"{task}/schedstat", encoding="ascii") as file:
            cpu += int(file.read().split()[0])
        with open(f"{task}/status", encoding="ascii") as file:
            wakes += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))
    return cpu, wakes


def memory(pid):
    """(resident, private dirty) in kB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        text = file.read()
    return tuple(int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))
                 for key in ("Rss", "Private_Dirty"))


def measure(title, options, mqtt, seconds):
    with jkbtest.Broker() as broker, jkbtest.PrivateBus() as bus, \
            jkbtest.Sim("--master", "--seed", 1, *options, tcp=True) as sim, \
            jkbtest.Daemon(broker.config(**mqtt) + sim.config("b0", mode="listen"), bus=bus) as daemon:
        client = bus.client()
        jkbtest.wait_until(lambda: client.get(bus_path("b0"), "Bus", "FramesReceived") > 30, 60)
        time.sleep(2)

        def frames():
            return client.get(bus_path("b0"), "Bus", "FramesReceived")
        before, start, (cpu, wakes) = frames(), time.monotonic(), thread_totals(daemon.pid)
        time.sleep(seconds)
        (cpu_end, wakes_end), took, n = thread_totals(daemon.pid), time.monotonic() - start, frames() - before
        resident, dirty = memory(daemon.pid)
        print(f"{title:36} {n / took:8.1f} {(cpu_end - cpu) / n / 1e3:9.1f} {(wakes_end - wakes) / n:9.2f} "
              f"{(cpu_end - cpu) / took / 1e7:8.2f} {resident / 1024:8.1f} {dirty / 1024:8.1f}", flush=True)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 20
    print(f"{'':36} {'frames/s':>8} {'CPU µs/fr':>9} {'wakes/fr':>9} {'% core':>8} {'RSS MB':>8} "
          f"{'dirty MB':>8}")
    for title, options, mqtt in SCENARIOS:
        measure(title, options, mqtt, seconds)


main()
