#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What the daemon costs, beside the floor: CPU and wake-ups per frame, latency, memory, start, idle.

The simulator plays the buses, a real Mosquitto and a private D-Bus daemon take what comes.  For each
load the floor program (one thread: read, check, publish; floor.c) runs in the same minute, since the
machine's speed drifts: the ratio is what counts.  A measurement, not a test: nothing here passes or
fails.  Usage: whole_daemon.py [--long] [SECONDS PER MEASUREMENT]
"""

import argparse
import contextlib
import glob
import json
import os
import subprocess
import time

os.environ.setdefault("JKB_TEST_FACTOR", "10")  # the machine may be as busy as it likes
import jkbmeasure  # noqa: E402
import jkbtest  # noqa: E402
from jkbmeasure import percentile  # noqa: E402

FLOOR = os.environ.get("JKB_FLOOR")
EVERY = {"interval": 0, "cells_interval": 0}
LOADS = (
    # buses, BMS on each, rate of the simulator, modes
    (1, 4, "line", ("default", "every")),
    (1, 16, "line", ("default", "every")),
    (16, 16, "line", ("default",)),
    (64, 16, "line", ("default",)),
    (1, 16, "0", ("default", "every")),
)
LONG_LOADS = ((1, 4, "real", ("default", "every")), (1, 16, "16", ("every",)), (16, 16, "line", ("every",)))
GROWTH = (
    # buses, BMS on each, cells
    (1, 1, 16), (1, 4, 16), (1, 16, 16), (4, 16, 16),
    (1, 16, 8), (1, 16, 32),
)


def sent_frames(sims):
    return sum(json.loads(sim.command("stats").removeprefix("ok "))["frames"] for sim in sims)


def over(pid, sims, seconds):
    """(frames/s, CPU µs per frame, wake-ups per frame, share of a core in %)"""
    frames, start = sent_frames(sims), time.monotonic()
    cpu, wakes = jkbmeasure.thread_totals(pid)
    time.sleep(seconds)
    n = sent_frames(sims) - frames
    cpu_end, wakes_end = jkbmeasure.thread_totals(pid)
    took = time.monotonic() - start
    return n / took, (cpu_end - cpu) / n / 1e3, (wakes_end - wakes) / n, (cpu_end - cpu) / took / 1e7


def start_sims(stack, n_buses, n_bms, rate, cells=16):
    return [stack.enter_context(jkbtest.Sim("--master", "--seed", i + 1, "--bms", f"0-{n_bms - 1}",
                                            "--cells", cells, "--rate", rate, tcp=True))
            for i in range(n_buses)]


@contextlib.contextmanager
def floor_program(broker, uris):
    ports = [uri.rsplit(":", 1)[1] for uri in uris]
    with subprocess.Popen([FLOOR, str(broker.port), *ports]) as floor:
        try:
            yield floor
        finally:
            floor.terminate()


@contextlib.contextmanager
def daemon_on(broker, mode, buses):
    """The daemon with D-Bus, MQTT and these buses."""
    config = broker.config(**(EVERY if mode == "every" else {})) if broker else ""
    config += "".join(buses)
    environment = {"G_SLICE": "always-malloc"}  # as in the service
    with jkbtest.PrivateBus() as bus, jkbtest.Daemon(config, bus=bus, env=environment) as daemon:
        yield daemon


def sim_configs(sims):
    return [sim.config(f"b{i}", mode="listen") for i, sim in enumerate(sims)]


# ---- loads ----

def measure_floor(n_buses, n_bms, rate, seconds):
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(jkbtest.Broker())
        sims = start_sims(stack, n_buses, n_bms, rate)
        floor = stack.enter_context(floor_program(broker, [sim.uri for sim in sims]))
        time.sleep(2)
        return over(floor.pid, sims, seconds)


def measure(n_buses, n_bms, rate, mode, seconds, floor):
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(jkbtest.Broker())
        sims = start_sims(stack, n_buses, n_bms, rate)
        daemon = stack.enter_context(daemon_on(broker, mode, sim_configs(sims)))
        time.sleep(5 if n_buses < 16 else 30)  # all are known and described, the heap is trimmed
        rate_in, cpu, wakes, core = over(daemon.pid, sims, seconds)
        sizes = (*jkbmeasure.memory(daemon.pid), daemon.heap_kib())
        title = f"{n_buses} x {n_bms}, {'flood' if rate == '0' else rate}, {mode}"
        ratio = f"{cpu / floor:5.2f}" if floor else "    -"
        print(f"{title:24} {rate_in:8.0f} {cpu:9.1f} {ratio} {wakes:8.2f} {core:7.2f} "
              + " ".join(f"{size / 1024:7.1f}" for size in sizes), flush=True)


def measure_loads(loads, seconds):
    print(f"{'buses x BMS, rate, mode':24} {'frames/s':>8} {'CPU µs/fr':>9} {'/floor':>5} {'wakes/fr':>8} "
          f"{'% core':>7} {'RSS MB':>7} {'PSS':>7} {'dirty':>7} {'heap':>7}")
    for n_buses, n_bms, rate, modes in loads:
        floor = None
        if FLOOR:
            figures = measure_floor(n_buses, n_bms, rate, seconds)
            floor = figures[1]
            print(f"{'  floor':24} {figures[0]:8.0f} {floor:9.1f}  1.00 {figures[2]:8.2f} {figures[3]:7.2f}",
                  flush=True)
        for mode in modes:
            measure(n_buses, n_bms, rate, mode, seconds, floor)


def measure_growth(seconds):
    print(f"\n{'buses x BMS, cells':24} {'frames/s':>8} {'CPU µs/fr':>9} {'% core':>7} {'RSS MB':>7} {'heap':>7}")
    for n_buses, n_bms, cells in GROWTH:
        with contextlib.ExitStack() as stack:
            broker = stack.enter_context(jkbtest.Broker())
            sims = start_sims(stack, n_buses, n_bms, "line", cells)
            daemon = stack.enter_context(daemon_on(broker, "default", sim_configs(sims)))
            time.sleep(5)
            rate_in, cpu, _, core = over(daemon.pid, sims, seconds)
            print(f"{f'{n_buses} x {n_bms}, {cells} cells':24} {rate_in:8.0f} {cpu:9.1f} {core:7.2f} "
                  f"{jkbmeasure.memory(daemon.pid)[0] / 1024:7.1f} {daemon.heap_kib() / 1024:7.1f}",
                  flush=True)


# ---- latency ----

def ask_and_wait(line, subscriber, seconds):
    """Milliseconds from the last byte of an ACK to the subscriber, one record at a time."""
    taken, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        n = len(subscriber.moments)
        sent = line.send(1)
        came = subscriber.wait(n)
        if came is not None:
            taken.append((came - sent) * 1e3)
        time.sleep(0.055)
    return taken


def first_states(line, subscriber):
    """Milliseconds from the end of the third frame of a BMS to its first state."""
    taken = []
    for address in range(2, 16):
        n = len(subscriber.moments)
        for _ in range(3):
            sent = line.send(address)
            time.sleep(0.028)
        came = subscriber.wait(n)
        if came is not None:
            taken.append((came - sent) * 1e3)
    return taken


def print_latency(title, taken):
    if taken:
        print(f"{title:34} {percentile(taken, .5):7.2f} {percentile(taken, .99):7.2f} {max(taken):7.2f} "
              f"{len(taken):6}", flush=True)


def measure_latency(seconds):
    print(f"\n{'latency, ms':34} {'p50':>7} {'p99':>7} {'max':>7} {'n':>6}")
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(jkbtest.Broker())
        line = stack.enter_context(jkbmeasure.Line())
        subscriber = stack.enter_context(contextlib.closing(jkbmeasure.Subscriber(broker.port)))
        if FLOOR:
            with floor_program(broker, [line.uri]):
                line.ready.wait(5)
                time.sleep(0.5)
                print_latency("  floor", ask_and_wait(line, subscriber, seconds))
            line.ready.clear()
        stack.enter_context(daemon_on(broker, "every", [line.config("b0")]))
        line.ready.wait(5)
        time.sleep(1)
        print_latency("first state after the third frame", first_states(line, subscriber))
        for _ in range(3):
            line.send(1)
            time.sleep(0.1)
        time.sleep(3)  # all has been told twice
        print_latency("every frame", ask_and_wait(line, subscriber, seconds))


def measure_flood_age(seconds):
    """How old the values are that leave in a flood: from the read to the text."""
    with contextlib.ExitStack() as stack:
        broker = stack.enter_context(jkbtest.Broker())
        sims = start_sims(stack, 1, 16, "0")
        subscriber = stack.enter_context(contextlib.closing(jkbmeasure.Subscriber(broker.port)))
        stack.enter_context(daemon_on(broker, "every", sim_configs(sims)))
        time.sleep(3)
        before = len(subscriber.moments)
        time.sleep(seconds)
        print_latency("flood: read to text", [json.loads(payload)["age"] * 1e3 for _, _, payload
                                              in subscriber.moments[before:before + 20000]])


# ---- start and idle ----

def measure_start():
    took = []
    with jkbtest.PrivateBus() as bus:
        for _ in range(5):
            started = time.monotonic()
            with jkbtest.Daemon("", bus=bus):
                took.append((time.monotonic() - started) * 1e3)
    print(f"\nstart to the D-Bus name: {percentile(took, .5):.0f} ms (median of 5)")


def measure_idle(seconds):
    for title, with_broker in (("silent bus, MQTT", True), ("silent bus, no MQTT", False)):
        with contextlib.ExitStack() as stack:
            broker = stack.enter_context(jkbtest.Broker()) if with_broker else None
            sims = start_sims(stack, 1, 4, "line")
            daemon = stack.enter_context(daemon_on(broker, "default", sim_configs(sims)))
            time.sleep(5)
            sims[0].command("pause")
            time.sleep(45)  # until all of them are offline
            before = {task: jkbmeasure.thread_wakes(task) for task in glob.glob(f"/proc/{daemon.pid}/task/*")}
            time.sleep(seconds)
            print(f"{title}: wake-ups per second", {
                jkbmeasure.thread_name(task): round((jkbmeasure.thread_wakes(task) - n) / seconds, 2)
                for task, n in before.items() if os.path.exists(task)}, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("seconds", nargs="?", type=float, help="per measurement (5; 20 with --long)")
    parser.add_argument("--long", action="store_true", help="more loads, growth over more sizes, idle figures")
    arguments = parser.parse_args()
    seconds = arguments.seconds or (20 if arguments.long else 5)
    measure_loads(LOADS + (LONG_LOADS if arguments.long else ()), seconds)
    measure_latency(2 * seconds)
    measure_flood_age(min(seconds, 5))
    measure_growth(seconds)
    measure_start()
    if arguments.long:
        measure_idle(60)


main()
