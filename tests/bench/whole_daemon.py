#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What the daemon costs on a bus, beside the floor: CPU and wake-ups per frame, latency, memory.

The simulator plays the buses, a real Mosquitto and a private D-Bus daemon take what comes.  For each
load the floor program (one thread: read, check, publish; floor.c) runs in the same minute, since the
machine's speed drifts: the ratio is what counts.  A measurement, not a test: nothing here passes or
fails.  Usage: whole_daemon.py [SECONDS PER MEASUREMENT]
"""

import contextlib
import glob
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import jkbtest  # noqa: E402

FLOOR = os.environ.get("JKB_FLOOR")
EVERY = {"interval": 0, "cells_interval": 0}
LOADS = (
    # buses, BMS on each, rate of the simulator, modes
    (1, 4, "real", ("default",)),
    (1, 4, "line", ("default", "every")),
    (1, 16, "line", ("default", "every")),
    (1, 16, "16", ("every",)),
    (4, 16, "line", ("default", "every")),
    (16, 16, "line", ("default",)),
    (64, 16, "line", ("default",)),
    (1, 16, "0", ("every",)),
)


def thread_totals(pid):
    """(nanoseconds of CPU, wake-ups) of all threads."""
    cpu = wakes = 0
    for task in glob.glob(f"/proc/{pid}/task/*"):
        with contextlib.suppress(FileNotFoundError):
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


def sent_frames(sims):
    return sum(json.loads(sim.command("stats").removeprefix("ok "))["frames"] for sim in sims)


def over(pid, sims, seconds):
    """(frames/s, CPU µs per frame, wake-ups per frame, share of a core in %)"""
    frames, (cpu, wakes), start = sent_frames(sims), thread_totals(pid), time.monotonic()
    time.sleep(seconds)
    n, (cpu_end, wakes_end) = sent_frames(sims) - frames, thread_totals(pid)
    took = time.monotonic() - start
    return n / took, (cpu_end - cpu) / n / 1e3, (wakes_end - wakes) / n, (cpu_end - cpu) / took / 1e7


def start_sims(stack, n_buses, n_bms, rate):
    return [stack.enter_context(jkbtest.Sim("--master", "--seed", i + 1, "--bms", f"0-{n_bms - 1}",
                                            "--rate", rate, tcp=True))
            for i in range(n_buses)]


def measure_floor(n_buses, n_bms, rate, seconds):
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(jkbtest.Broker())
        sims = start_sims(stack, n_buses, n_bms, rate)
        ports = [sim.uri.rsplit(":", 1)[1] for sim in sims]
        with subprocess.Popen([FLOOR, str(broker.port), *ports]) as floor:
            try:
                time.sleep(2)
                figures = over(floor.pid, sims, seconds)
            finally:
                floor.terminate()
    return figures


def measure(n_buses, n_bms, rate, mode, seconds, floor):
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(jkbtest.Broker())
        bus = stack.enter_context(jkbtest.PrivateBus())
        sims = start_sims(stack, n_buses, n_bms, rate)
        config = broker.config(**(EVERY if mode == "every" else {}))
        config += "".join(sim.config(f"b{i}", mode="listen") for i, sim in enumerate(sims))
        started = time.monotonic()
        daemon = stack.enter_context(jkbtest.Daemon(config, bus=bus))
        up_ms = (time.monotonic() - started) * 1e3
        time.sleep(5 if n_buses < 16 else 12)
        rate_in, cpu, wakes, core = over(daemon.pid, sims, seconds)
        resident, dirty = memory(daemon.pid)
        title = f"{n_buses} x {n_bms}, {'flood' if rate == '0' else rate}, {mode}"
        ratio = f"{cpu / floor:5.2f}" if floor else "    -"
        print(f"{title:24} {rate_in:8.0f} {cpu:9.1f} {ratio} {wakes:8.2f} {core:7.2f} "
              f"{resident / 1024:7.1f} {dirty / 1024:7.1f} {up_ms:7.0f}", flush=True)


def measure_idle(seconds):
    for title, with_broker in (("silent bus, MQTT", True), ("silent bus, no MQTT", False)):
        with contextlib.ExitStack() as stack:
            bus = stack.enter_context(jkbtest.PrivateBus())
            config = stack.enter_context(jkbtest.Broker()).config() if with_broker else ""
            sims = start_sims(stack, 1, 4, "line")
            daemon = stack.enter_context(jkbtest.Daemon(config + sims[0].config("b0", mode="listen"), bus=bus))
            time.sleep(5)
            sims[0].command("pause")
            time.sleep(45)  # until all of them are offline
            before = {task: thread_wakes(task) for task in glob.glob(f"/proc/{daemon.pid}/task/*")}
            time.sleep(seconds)
            print(f"{title}: wake-ups per second", {
                thread_name(task): round((thread_wakes(task) - n) / seconds, 2)
                for task, n in before.items()})


def thread_name(task):
    with open(f"{task}/comm", encoding="utf-8") as file:
        return file.read().strip()


def thread_wakes(task):
    with open(f"{task}/status", encoding="ascii") as file:
        return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(), re.M).group(1))


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10
    print(f"{'buses x BMS, rate, mode':24} {'frames/s':>8} {'CPU µs/fr':>9} {'/floor':>5} {'wakes/fr':>8} "
          f"{'% core':>7} {'RSS MB':>7} {'dirty':>7} {'up ms':>7}")
    for n_buses, n_bms, rate, modes in LOADS:
        floor = None
        if FLOOR:
            figures = measure_floor(n_buses, n_bms, rate, seconds)
            floor = figures[1]
            print(f"{'  floor':24} {figures[0]:8.0f} {floor:9.1f}  1.00 {figures[2]:8.2f} {figures[3]:7.2f}",
                  flush=True)
        for mode in modes:
            measure(n_buses, n_bms, rate, mode, seconds, floor)
    measure_idle(max(seconds, 30))


main()
