#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: what the machine does to a process: sleep, memory, descriptors, disk."""

import contextlib
import os
import random
import re
import resource
import signal
import subprocess
import tempfile
import time
import unittest

import jkbmatrix
import jkbtest
from jkbdbus import ROOT, Error
from jkbfault import Rig
from jkbmatrix import LONG, fault, lane
from jkbtest import wait_until


# ---- machine: what the system does to a process

GONE = r"warning: a: .*(unplugged|not there|hung up|Input/output|No such)"


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


def check_descriptors():
    if jkbtest.FACTOR != 1:
        raise unittest.SkipTest("a sanitizer needs descriptors to look up its suppressions")


@contextlib.contextmanager
def no_descriptor_left(pid):
    """As many as it has now and no more: with fewer, poll() itself would refuse."""
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    lowest = 1000
    for _ in range(40):
        numbers = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        lowest = min(lowest, next(n for n in range(1000) if n not in numbers))
        time.sleep(0.02)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@fault("machine", "no-descriptors", "out of file descriptors while a port comes back", r"warning: a: ")
def no_descriptors(rig):
    check_descriptors()
    rig.unplug()
    with no_descriptor_left(rig.daemon.pid):
        rig.plug_in()
        rig.daemon.wait_for_log("oo many open files")


@fault("machine", "no-descriptors-broker", "out of file descriptors while the broker comes back", r"MQTT: (?!connected)",
       broker=False)
def no_descriptors_broker(rig):
    check_descriptors()
    rig.broker.kill()
    rig.daemon.wait_for_log("The connection to the broker was lost")
    with no_descriptor_left(rig.daemon.pid):
        rig.broker.start()
        time.sleep(2.5)
        if rig.get(f"{ROOT}/mqtt", "Mqtt", "Connected"):
            raise AssertionError("nothing was missing")


def buses(rig):
    return sorted(path for path in rig.client.objects() if path.startswith(f"{ROOT}/bus/"))


def refuse_bus(rig, method, signature="()", *arguments):
    try:
        rig.client.call(ROOT, "Manager", method, signature, *arguments)
    except Error as error:
        if error.name.endswith(".Error.Io") and "no room for bus c" in error.text \
                and "raise LimitNOFILE= of jkbmsd.service" in error.text:
            return
        raise
    raise AssertionError(f"{method} was not refused")


@fault("machine", "no-room-for-bus", "file descriptors for two buses, and a third is wanted",
       r"the configuration was not reloaded: there is no room for bus c")
def no_room_for_bus(rig):
    """It is refused, and nothing changes."""
    overlay = os.path.join(rig.daemon.state_dir, "overrides.conf")
    before = buses(rig), os.path.exists(overlay)
    with open(rig.daemon.config_path, encoding="utf-8") as file:
        config = file.read()
    limits = resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, (70, limits[1]))
    try:
        refuse_bus(rig, "AddBus", "(ssa{sv})", "c", "tcp:127.0.0.1:1", {})
        rig.daemon.write_config(config + "[bus c]\nuri=tcp:127.0.0.1:1\n")
        refuse_bus(rig, "Reload")
        if (buses(rig), os.path.exists(overlay)) != before:
            raise AssertionError(f"{before} became {buses(rig)}")
    finally:
        rig.daemon.write_config(config)
        resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, limits)
    rig.client.call(ROOT, "Manager", "AddBus", "(ssa{sv})", "c", "tcp:127.0.0.1:1", {})
    rig.client.call(ROOT, "Manager", "RemoveBus", "(s)", "c")


@fault("machine", "reload-storm", "told 50 times within a second to read its configuration again")
def reload_storm(rig):
    for _ in range(50):
        rig.daemon.send_signal(signal.SIGHUP)
        time.sleep(0.02)


# ---- memory: a limit that the kernel keeps

class Limited(jkbtest.Daemon):
    """In a control group."""

    group = None

    def spawn(self, **options):
        self.argv = ["sh", "-c", 'echo $$ >"$1" && shift && exec "$@"', "sh",
                     os.path.join(self.group, "cgroup.procs"), *self.argv]
        super().spawn(**options)


class LimitedRig(Rig):
    def __init__(self, mebibytes):
        super().__init__()
        self.group = make_memory_group(mebibytes << 20)
        self.daemon_class = type("Daemon", (Limited,), {"group": self.group})

    def close(self):
        super().close()
        os.rmdir(self.group)

    def killed(self):
        """How many processes were killed for want of memory."""
        for name in ("memory.oom_control", "memory.events"):
            path = os.path.join(self.group, name)
            if os.path.exists(path):
                with open(path, encoding="ascii") as file:
                    return int(re.search(r"^oom_kill (\d+)", file.read(), re.MULTILINE).group(1))
        raise AssertionError("the control group tells nothing")


def make_memory_group(size):
    """A control group of whichever version this machine has."""
    with open("/proc/self/mounts", encoding="utf-8") as mounts:
        lines = [line.split() for line in mounts]
    for _device, place, kind, options, *_rest in lines:
        group = os.path.join(place, f"jkbtest-memory-{os.getpid()}")
        limit = "memory.max" if kind == "cgroup2" else "memory.limit_in_bytes"
        if kind != "cgroup2" and (kind != "cgroup" or "memory" not in options.split(",")):
            continue
        try:
            os.mkdir(group)
            with open(os.path.join(group, limit), "w", encoding="ascii") as file:
                file.write(str(size))
            return group
        except OSError:
            if os.path.isdir(group):
                os.rmdir(group)
    raise unittest.SkipTest("no control group can limit the memory here")


@lane("memory")
def make_memory():
    if jkbtest.FACTOR != 1:
        raise unittest.SkipTest("sanitizers need more memory than that")
    return LimitedRig(24)


@fault("memory", "memory-24", "24 MiB are all that it may have: busy D-Bus, no broker, no adapter", GONE, broker=False)
def memory_24(rig):
    rig.broker.send_signal(signal.SIGSTOP)
    rig.unplug()
    clients = [rig.dbus.client() for _ in range(30)]
    for _ in range(10):
        for client in clients:
            client.objects()
    for client in clients:
        client.close()
        rig.dbus.clients.remove(client)
    rig.plug_in()
    rig.broker.send_signal(signal.SIGCONT)
    if rig.killed() or not rig.daemon.running:
        raise AssertionError("the kernel killed it")


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
    # A database that is open would keep the file system from becoming read-only; test_recording.py has its faults.
    return StateRig(state_dir=directory, more="[history]\nenabled=false\n")


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


# ---- room: apart, since the soak may strike "machine", and bus b must not go there

@lane("room")
def make_room():
    return Rig()


@fault("room", "no-room-at-start", "file descriptors for one of two buses at the start",
       r"warning: b: there is no room for bus b", other_bus=False, broker=False)
def no_room_at_start(rig):
    """The other one is served; with room for both a reload brings what was missing."""
    rig.daemon.stop()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (60, limits[1]))  # which the daemon inherits
    try:
        rig.daemon.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    bus = f"{ROOT}/bus/a"
    wait_until(lambda: rig.get(bus, "Bus", "FramesReceived") > 4, 20, "bus a tells nothing")
    if buses(rig) != [bus]:
        raise AssertionError(f"there are {buses(rig)}")
    resource.prlimit(rig.daemon.pid, resource.RLIMIT_NOFILE, limits)
    rig.client.call(ROOT, "Manager", "Reload")


Faults = jkbmatrix.make_tests("The machine")

if __name__ == "__main__":
    jkbmatrix.main()
