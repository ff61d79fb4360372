#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: starts and stops, when there is nothing yet that could recover."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time

import jkbmatrix
import jkbtest
import jkbtrace
from jkbdbus import ROOT
from jkbfault import TIMES, Proxy
from jkbmatrix import LONG, fault, lane
from jkbtest import wait_until


# ---- start: faults before there is anything to recover

@lane("start")
def make_start():
    return None


def small_daemon(broker, bus, sim, kind=jkbtest.Daemon, **options):
    return kind(f"[daemon]\ndbus-interval=0.2\n\n{sim.config('a', **TIMES)}{broker.config(interval=0.5)}",
                bus=bus, **options)


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


# ---- stop: asked for while something is under way

@lane("stop")
def make_stop():
    return None


def end(daemon, began):
    """Waits for an orderly end; returns how long it took."""
    status = daemon.child.wait(10 * jkbtest.FACTOR)
    # Before main() the signal has its default action.
    if status != 0 and not (status == -signal.SIGTERM and not daemon.log):
        raise AssertionError(f"it ended with {status}:\n{daemon.log}")
    daemon.check_log()
    return time.monotonic() - began


class Traced(jkbtest.Daemon):
    """Started so far that it has entered and left so many system calls."""

    steps = 0
    until = None

    def spawn(self):
        with open(self.log_path, "ab") as log:
            self.child = jkbtrace.spawn(self.argv, jkbtest.die_with_parent, stdin=subprocess.DEVNULL,
                                        stdout=log, stderr=log, env=self.env)
        self.steps = jkbtrace.run_steps(self.pid, self.steps, self.until)


def count_steps(make):
    """System calls of the main thread from its first instruction until all is up."""
    daemon = make()
    daemon.steps = 100000
    daemon.until = lambda: "MQTT: connected" in daemon.log and "acquired" in daemon.log
    daemon.start()
    jkbtrace.let_go(daemon.pid)
    daemon.stop(timeout=5)
    daemon.close()
    return daemon.steps


@fault("stop", "sigterm-each-step", "SIGTERM at " + ("400" if LONG else "40") + " system calls of the start")
def sigterm_each_step(_rig):
    slowest = 0.0
    stack, (bus, broker, sim) = parts(jkbtest.PrivateBus(), jkbtest.Broker(),
                                      jkbtest.Sim("--master", "--bms", "0", "--rate", "3"))
    with stack:
        def make():
            return small_daemon(broker, bus, sim, wait=False, kind=Traced)
        steps = count_steps(make)
        for number in range(0, steps, max(1, steps // (400 if LONG else 40))):
            daemon = make()
            daemon.steps = number
            daemon.start()
            began = time.monotonic()
            jkbtrace.let_go(daemon.pid, signal.SIGTERM)
            slowest = max(slowest, end(daemon, began))
            daemon.forget()
    if slowest > 5 * jkbtest.FACTOR:  # on a machine that is busy with the other lanes
        raise AssertionError(f"a stop took {slowest:.1f} s")
    return slowest


@fault("stop", "stop-in-trouble", "SIGTERM while gateway, broker and D-Bus daemon do not answer")
def stop_in_trouble(_rig):
    stack, (bus, broker, sim) = parts(jkbtest.PrivateBus(), jkbtest.Broker(),
                                      jkbtest.Sim("--master", "--bms", "0", "--rate", "3"))
    with stack:
        deaf = stack.enter_context(Proxy(broker.port))
        deaf.set("deaf")
        broker.port = deaf.port
        config = jkbtest.bus_config("b", f"tcp:127.0.0.1:{deaf.port}") + sim.config("a", **TIMES)
        daemon = jkbtest.Daemon(config + broker.config(), bus=bus)
        daemon.start()
        time.sleep(0.5)  # both are connecting
        bus.send_signal(signal.SIGSTOP)
        time.sleep(0.5)
        began = time.monotonic()
        daemon.child.send_signal(signal.SIGTERM)
        took = end(daemon, began)
        daemon.forget()
        bus.send_signal(signal.SIGCONT)
    if took > 3 * jkbtest.FACTOR:  # 2 s on a machine with nothing else to do
        raise AssertionError(f"the stop took {took:.1f} s")
    return took


Faults = jkbmatrix.make_tests("Start and stop")

if __name__ == "__main__":
    jkbmatrix.main()
