#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: what the machine does to a process: sleep, files, disk, clock."""

import os
import random
import resource
import signal
import subprocess
import tempfile
import time
import unittest

import jkbmatrix
import jkbtest
from jkbdbus import ROOT
from jkbfault import Rig
from jkbmatrix import LONG, fault, lane
from jkbtest import wait_until


# ---- machine: what the system does to a process

@lane("machine")
def make_machine():
    return Rig()


@fault("machine", "suspend", "the machine sleeps (SIGSTOP)", other_bus=False, broker=not LONG)
def suspend(rig):
    rig.daemon.send_signal(signal.SIGSTOP)
    time.sleep(60 if LONG else 5)
    rig.daemon.send_signal(signal.SIGCONT)


@fault("machine", "all-at-once", "bus, broker and D-Bus lost together", r"warning: a: ", other_bus=False,
       broker=False)
def all_at_once(rig):
    rig.broker.kill()
    rig.dbus.kill()
    rig.unplug()
    time.sleep(2)
    rig.plug_in()
    rig.dbus.start()
    rig.broker.start()
    rig.reconnect_client()


@fault("machine", "no-descriptors", "out of file descriptors while a port comes back", r"warning: a: ")
def no_descriptors(rig):
    limits = resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE)
    # As many as it has without the port: with fewer, poll() itself would refuse.
    rig.unplug()
    lowest = 1000
    for _ in range(40):
        numbers = {int(name) for name in os.listdir(f"/proc/{rig.daemon.pid}/fd")}
        lowest = min(lowest, next(n for n in range(1000) if n not in numbers))
        time.sleep(0.02)
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, (lowest, limits[1]))
    rig.plug_in()
    time.sleep(2)
    if "oo many open files" not in rig.daemon.log and "descriptors" not in rig.daemon.log:
        raise AssertionError("nothing was missing")
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, limits)


# ---- state: what is kept between two runs

class StateRig(Rig):
    def close(self):
        try:
            super().close()
        finally:
            subprocess.run(["umount", "-l", self.state_dir], check=False)
            os.rmdir(self.state_dir)


@lane("state")
def make_state():
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can mount the small file system")
    directory = tempfile.mkdtemp(prefix="jkbtest-state-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", directory],
                      capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest("no file system can be mounted here")
    return StateRig(state_dir=directory)


def learn(rig):
    """A BMS is forgotten and found again: what is known is written anew."""
    rig.client.call(f"{ROOT}/bms/a_0", "Bms", "Forget")


UNWRITTEN = r"cannot remember"


@fault("state", "disk-full", "no room in the state directory", UNWRITTEN)
def disk_full(rig):
    path = os.path.join(rig.state_dir, "ballast")
    try:
        with open(path, "wb", buffering=0) as file:
            for size in (4096, 1):
                try:
                    while file.write(bytes(size)):
                        pass
                except OSError:
                    pass
        learn(rig)
        rig.daemon.wait_for_log("cannot remember")
        rig.wait_healthy()
    finally:
        os.unlink(path)
    learn(rig)


@fault("state", "read-only", "state directory read-only", UNWRITTEN)
def read_only(rig):
    before = rig.daemon.log.count("cannot remember")
    subprocess.run(["mount", "-o", "remount,ro", rig.state_dir], check=True)
    try:
        learn(rig)
        wait_until(lambda: rig.daemon.log.count("cannot remember") > before, 10, "nothing was said")
        rig.wait_healthy()
    finally:
        subprocess.run(["mount", "-o", "remount,rw", rig.state_dir], check=True)
    learn(rig)


@fault("state", "state-damaged", "what was kept is garbage at the start", r"set aside|cannot be read",
       other_bus=False)
def state_damaged(rig):
    rig.daemon.stop()
    for name in os.listdir(rig.state_dir):
        with open(os.path.join(rig.state_dir, name), "wb") as file:
            file.write(random.Random(8).randbytes(3000))
    rig.daemon.start()


# ---- clock

@lane("clock")
def make_clock():
    library = next((path for path in (f"/usr/lib/{machine}/faketime/libfaketimeMT.so.1"
                                      for machine in os.listdir("/usr/lib")) if os.path.exists(path)), None)
    if library is None:
        raise unittest.SkipTest("libfaketime is not installed")
    if jkbtest.FACTOR != 1:
        raise unittest.SkipTest("libfaketime and sanitizers do not go together")
    directory = tempfile.mkdtemp(prefix="jkbtest-clock-")
    path = os.path.join(directory, "time")
    with open(path, "w", encoding="ascii") as file:
        file.write("+0")
    rig = Rig(env={"LD_PRELOAD": library, "FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_NO_CACHE": "1",
                   "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"})
    rig.clock = path
    rig.directories.append(directory)
    return rig


def step_clock(rig, seconds):
    with open(rig.clock, "w", encoding="ascii") as file:
        file.write(f"{seconds:+d}")
    rig.now_us = lambda: int((time.time() + seconds) * 1e6)


@fault("clock", "clock-forward", "clock a day forward")
def clock_forward(rig):
    step_clock(rig, 86400)


@fault("clock", "clock-back", "clock two days back")
def clock_back(rig):
    step_clock(rig, -86400)


@fault("clock", "clock-right", "clock set right again")
def clock_right(rig):
    step_clock(rig, 0)


Faults = jkbmatrix.make_tests("The machine")

if __name__ == "__main__":
    jkbmatrix.main()
