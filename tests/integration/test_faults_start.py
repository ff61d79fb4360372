#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: starts and stops, when there is nothing yet that could recover."""

import contextlib
import os
import shutil
import signal
import tempfile
import time

import jkbmatrix
import jkbtest
from jkbdbus import ROOT
from jkbfault import TIMES
from jkbmatrix import LONG, fault, lane
from jkbtest import wait_until


# ---- start: faults before there is anything to recover

@lane("start")
def make_start():
    return None


def small_daemon(broker, bus, sim, **options):
    return jkbtest.Daemon(f"[daemon]\ndbus-interval=0.2\n\n{sim.config('a', **TIMES)}"
                          f"{broker.config(interval=0.5)}", bus=bus, **options)


def parts(*more):
    stack = contextlib.ExitStack()
    return stack, [stack.enter_context(part) for part in more]


@fault("start", "dbus-absent-at-start", "D-Bus daemon comes 2 s after the daemon")
def dbus_absent_at_start(_rig):
    bus = jkbtest.PrivateBus()
    stack, (broker, sim) = parts(jkbtest.Broker(), jkbtest.Sim("--master", "--bms", "0", "--rate", "3"))
    with stack, small_daemon(broker, bus, sim, wait=False) as daemon:
        daemon.wait_for_log("D-Bus: ")
        time.sleep(2)
        with bus:
            began = time.monotonic()
            client = bus.client()
            wait_until(lambda: client.has_owner(jkbtest.NAME) and client.bms() == ["a_0"], 12, "no object")
            recovery = time.monotonic() - began
            daemon.stop()
    return recovery


@fault("start", "all-absent-at-start", "port and broker come 2 s after the daemon")
def all_absent_at_start(_rig):
    broker, sim = jkbtest.Broker(), jkbtest.Sim("--master", "--bms", "0", "--rate", "3")
    stack, (bus,) = parts(jkbtest.PrivateBus())
    with stack, small_daemon(broker, bus, sim) as daemon:
        time.sleep(2)
        with broker, sim:
            began = time.monotonic()
            client = bus.client()
            wait_until(lambda: client.bms() == ["a_0"] and client.get(f"{ROOT}/mqtt", "Mqtt", "Connected"),
                       12, "not up")
            recovery = time.monotonic() - began
            daemon.stop()
    return recovery


@fault("start", "sigterm-any-time", "SIGTERM 0 to 200 ms after the start")
def sigterm_any_time(_rig):
    slowest = 0.0
    stack, (bus, broker, sim) = parts(jkbtest.PrivateBus(), jkbtest.Broker(),
                                      jkbtest.Sim("--master", "--bms", "0", "--rate", "3"))
    with stack:
        for delay in [0, 5, *range(10, 210, 2 if LONG else 10)]:
            daemon = small_daemon(broker, bus, sim, wait=False)
            daemon.start()
            time.sleep(delay / 1000)
            began = time.monotonic()
            daemon.child.send_signal(signal.SIGTERM)
            status = daemon.child.wait(10 * jkbtest.FACTOR)
            slowest = max(slowest, time.monotonic() - began)
            # Before main() the signal has its default action.
            if status != 0 and not (status == -signal.SIGTERM and not daemon.log):
                raise AssertionError(f"SIGTERM after {delay} ms: status {status}\n{daemon.log}")
            daemon.check_log()
            daemon.forget()
    if slowest > 5 * jkbtest.FACTOR:  # on a machine that is busy with the other lanes
        raise AssertionError(f"a stop took {slowest:.1f} s")
    return slowest


@fault("start", "kill-9", "killed, with what it knows kept")
def kill_9(_rig):
    stack, (bus, broker, sim) = parts(jkbtest.PrivateBus(), jkbtest.Broker(),
                                      jkbtest.Sim("--master", "--bms", "0,1", "--rate", "3"))
    with stack, small_daemon(broker, bus, sim) as daemon:
        client = bus.client()
        wait_until(lambda: client.bms() == ["a_0", "a_1"], 12, "not found")
        time.sleep(0.5)
        for _ in range(5):
            daemon.kill()
            began = time.monotonic()
            daemon.start()
            wait_until(lambda: client.bms() == ["a_0", "a_1"] and client.get(f"{ROOT}/bms/a_1", "Bms", "Online"),
                       12, "not back")
        recovery = time.monotonic() - began
        daemon.stop()
    return recovery


@fault("start", "replay-ends", "a recording comes to its end")
def replay_ends(_rig):
    data = jkbtest.bus_bytes(30000)
    directory = tempfile.mkdtemp(prefix="jkbtest-replay-")
    try:
        path = os.path.join(directory, "recording")
        with open(path, "wb") as file:
            file.write(data)
        stack, (bus, sim) = parts(jkbtest.PrivateBus(), jkbtest.Sim("--master", "--bms", "0", tcp=True))
        config = jkbtest.bus_config("a", f"replay:{path}", mode="listen") + sim.config("b", **TIMES)
        with stack, jkbtest.Daemon(config, bus=bus) as daemon:
            client = bus.client()
            wait_until(lambda: {"a_0", "a_1", "b_0"} <= set(client.bms()), 12, "not found")
            began = daemon.open_files(), daemon.log
            time.sleep(1.5)
            lines = daemon.log[len(began[1]):].count("\n")
            if daemon.open_files() > began[0] or lines > 5:
                raise AssertionError(f"{lines} lines after the end:\n{daemon.log[-1000:]}")
            daemon.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    return 0.0


Faults = jkbmatrix.make_tests("Start and stop")

if __name__ == "__main__":
    jkbmatrix.main()
