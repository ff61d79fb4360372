#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix: what breaks in years, broken on purpose, with real parts around the daemon.

After each fault the daemon must be well again by itself; nothing wrong may have been published; the
other bus must not have noticed; open files and memory must be back where they were; the log says in
a line what was wrong and is not flooded.  Lanes of faults run at the same time, each with a daemon
of its own (see jkbfault.Rig).

    JKB_TEST_LONG=1       heavier and longer faults as well
    JKB_WRITE_TABLE=1     writes the table of recovery times to docs/reliability.md
    test_faults.py LANE [FAULT...]   runs one lane and prints its results as JSON lines
"""

import concurrent.futures
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import unittest

import jkbtest
from jkbdbus import ROOT, bus_path
from jkbfault import Feed, Proxy, Rig, TIMES
from jkbtest import wait_until

LONG = bool(os.environ.get("JKB_TEST_LONG"))
LANES = {}  # name: (function that makes the rig, {fault: (what, function, says, options)})
PAUSE = 2.2  # longer than no-data-timeout
AT_A_TIME = 5
LONGEST = ("tcp", "broker", "line", "serial", "tls", "dbus")  # begin first


def lane(name):
    def register(make):
        LANES[name] = (make, {})
        return make
    return register


def fault(lane_name, name, what, says=None, **options):
    """says: a regular expression that a line of the log must match."""
    def register(function):
        LANES[lane_name][1][name] = (what, function, says, options)
        return function
    return register


# ---- serial: a pty that is pulled out and plugged in

@lane("serial")
def make_serial():
    return Rig()


GONE = r"warning: a: .*(unplugged|not there|hung up|Input/output|No such)"


@fault("serial", "unplug", "adapter pulled out for 2 s", GONE)
def unplug(rig):
    rig.unplug()
    time.sleep(2)
    rig.plug_in()


@fault("serial", "other-number", "adapter back under another number", GONE)
def other_number(rig):
    old = os.readlink(rig.plug)
    rig.unplug()
    holders = []
    try:
        while not os.path.exists(old) and len(holders) < 64:
            holders.append(os.openpty())  # takes the number that is free now
        rig.plug_in()
        if os.readlink(rig.plug) == old:
            raise AssertionError("the number is the same")
    finally:
        for pair in holders:
            os.close(pair[0])
            os.close(pair[1])


@fault("serial", "eio", "port answers EIO, its link stays", GONE)
def eio(rig):
    rig.sim_a.kill()
    os.unlink(rig.sim_a.link)
    time.sleep(1.5)
    os.unlink(rig.plug)
    rig.plug_in()


@fault("serial", "loose-plug", "6 contacts made and broken within 3 s", GONE)
def loose_plug(rig):
    for _ in range(6):
        rig.unplug()
        time.sleep(0.2)
        rig.plug_in()
        time.sleep(0.2)


@fault("serial", "silent-bus", "nobody speaks on the line", r"warning: a: ")
def silent_bus(rig):
    rig.sim_a.command("pause")
    time.sleep(PAUSE + 1)
    rig.sim_a.command("resume")


@fault("serial", "frozen-line", "whoever drives the line stops (SIGSTOP)", r"warning: a: ")
def frozen_line(rig):
    rig.sim_a.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE + 1)
    rig.sim_a.send_signal(signal.SIGCONT)


@fault("serial", "dead-bus", "one bus dead for 6 s, the other loses no frame", GONE)
def dead_bus(rig):
    def frames():
        return rig.get(bus_path("b"), "Bus", "FramesReceived")
    rig.unplug()
    before, began = frames(), time.monotonic()
    time.sleep(6)
    rate = (frames() - before) / (time.monotonic() - began)
    if rate < 30:  # 3 times the line: over 100 frames a second without load
        raise AssertionError(f"the other bus brought {rate:.0f} frames a second")
    rig.plug_in()


@fault("serial", "bms-off", "one BMS is switched off", r"a_1", )
def bms_off(rig):
    rig.sim_a.command("offline 1")
    wait_until(lambda: not rig.get(f"{ROOT}/bms/a_1", "Bms", "Online"), 10, "still online")
    rig.sim_a.command("online 1")


# ---- line: what happens to bytes on their way

@lane("line")
def make_line():
    return Rig()


def line_fault(kind, rate, what, says=None, seconds=2.5):
    def strike(rig):
        rig.sim_a.command(f"fault {kind} {rate}")
        time.sleep(seconds)
        rig.sim_a.command("fault none")
    fault("line", kind, what, says)(strike)


line_fault("corrupt", 0.3, "one wrong byte in 30 % of the records")
line_fault("bitrate", 0.001, "0.1 % of all bytes wrong")
line_fault("drop", 0.3, "30 % of the records not heard")
line_fault("truncate", 0.3, "30 % of the records cut short")
line_fault("split", 1, "every record in two pieces")
line_fault("merge", 1, "records come together")
line_fault("echo", 1, "what is sent is heard")
line_fault("noise", 1, "random bytes in front of every record")
line_fault("silence", 0.5, "spells of silence")
line_fault("crosstalk", 0.3, "another frame on top of 30 % of the records")
line_fault("invert", 1, "A and B swapped", r"warning: a: ", seconds=PAUSE + 1.5)
line_fault("baud", 9600, "the reader at 9600 baud", r"warning: a: ", seconds=PAUSE + 1.5)


# ---- tcp: socat as the gateway

class Gateway(jkbtest.Process):
    """Connects whoever comes to its port with the simulator."""

    def __init__(self, argv, port):
        super().__init__(os.path.basename(argv[0]), argv)
        self.port = port

    def start(self):
        self.spawn()
        wait_until(self._listens, 10, lambda: f"the gateway does not listen:\n{self.log}")

    def _listens(self):
        with open("/proc/net/tcp", encoding="ascii") as file:
            return not self.port or any(f":{self.port:04X} " in line and line.split()[3] == "0A" for line in file)


def find(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
    if path is None:
        raise unittest.SkipTest(f"{name} is not installed")
    return path


@lane("tcp")
def make_tcp():
    def relay(rig):
        find("socat")
        rig.gateway_port = jkbtest.free_port()
        rig.gateway = rig.enter(Gateway(
            ["socat", f"TCP-LISTEN:{rig.gateway_port},bind=127.0.0.1,reuseaddr,fork",
             f"TCP:127.0.0.1:{rig.sim_a.port}"], rig.gateway_port))
        rig.relay = rig.enter(Proxy(rig.gateway_port))
        return f"tcp:127.0.0.1:{rig.relay.port}"
    return Rig(relay)


def relay_fault(name, mode, what, says=r"warning: a: ", seconds=PAUSE):
    def strike(rig):
        rig.relay.set(mode)
        time.sleep(seconds)
        rig.relay.set("pass")
    fault("tcp", name, what, says)(strike)


relay_fault("gateway-refuses", "refuse", "gateway refuses connections")
relay_fault("gateway-deaf", "deaf", "gateway never accepts (black hole)")
relay_fault("gateway-silent", "silent", "gateway accepts and says nothing")
relay_fault("gateway-closes", "close", "gateway closes at once")
relay_fault("gateway-second", "second", "gateway closes after a second", seconds=3.5)
relay_fault("gateway-babbles", "babble", "another service on the port")
relay_fault("gateway-half-open", "freeze", "half-open connection", seconds=PAUSE + 1)


@fault("tcp", "gateway-reboot", "gateway reboots (socat killed, 2 s)", r"warning: a: ")
def gateway_reboot(rig):
    rig.gateway.kill()
    rig.relay.cut()
    time.sleep(2)
    rig.gateway.start()


@fault("tcp", "gateway-stopped", "gateway hangs (SIGSTOP, half-open TCP)", r"warning: a: ")
def gateway_stopped(rig):
    rig.gateway.send_signal(signal.SIGSTOP)
    rig.relay.cut()
    time.sleep(PAUSE + 1)
    rig.gateway.send_signal(signal.SIGCONT)


def peer_fault(name, behave, what, says=r"warning: a: ", seconds=PAUSE):
    def strike(rig):
        rig.relay.set("refuse")
        with Feed(behave, rig.relay.port):
            time.sleep(seconds)
        rig.relay.set("pass")
    fault("tcp", name, what, says)(strike)


JUNK = random.Random(3).randbytes(1 << 18)


def flood(connection):
    began, sent = time.monotonic(), 0
    while True:
        connection.sendall(JUNK)
        sent += len(JUNK)
        time.sleep(max(0, sent / 10e6 - (time.monotonic() - began)))


def flood_of_headers(connection):
    data = b"\x55\xaa\xeb\x90\x02" * 4000
    while True:
        connection.sendall(data)
        time.sleep(len(data) / 1e6)


def slow_loris(connection):
    for byte in JUNK:
        connection.sendall(bytes([byte]))
        time.sleep(0.03)


def modbus_tcp(connection):
    while connection.recv(1000):
        pass


def half_frame(connection):
    connection.sendall(b"\x55\xaa\xeb\x90\x02" + bytes(140))
    connection.close()


peer_fault("flood", flood, "random bytes at 10 MB/s", seconds=20 if LONG else 3)
peer_fault("flood-of-headers", flood_of_headers, "beginnings of frames at 1 MB/s", seconds=3)
peer_fault("slow-loris", slow_loris, "a byte every 30 ms", seconds=3)
peer_fault("half-frame", half_frame, "half a frame, then closed, again and again")
peer_fault("listener-only", modbus_tcp, "a gateway that only takes bytes", seconds=PAUSE + 1)


# ---- ser2net: a gateway as people have it

@lane("ser2net")
def make_ser2net():
    def gateway(rig):
        program = find("ser2net")
        port = jkbtest.free_port()
        link = os.path.join(rig.sim_a.directory, "tty")
        rig.line = rig.enter(Gateway(
            [find("socat"), f"PTY,link={link},raw,echo=0", f"TCP:127.0.0.1:{rig.sim_a.port}"], 0))
        config = os.path.join(rig.sim_a.directory, "ser2net.yaml")
        with open(config, "w", encoding="utf-8") as file:
            file.write("%YAML 1.1\n---\nconnection: &bus\n"
                       f"  accepter: tcp,127.0.0.1,{port}\n"
                       f"  connector: serialdev,{link},115200n81,local\n"
                       "  options:\n    kickolduser: true\n")
        rig.gateway = rig.enter(Gateway([program, "-n", "-u", "-c", config], port))
        return f"tcp:127.0.0.1:{port}"
    return Rig(gateway)


@fault("ser2net", "ser2net-restart", "ser2net restarts", r"warning: a: ")
def ser2net_restart(rig):
    rig.gateway.kill()
    time.sleep(1)
    rig.gateway.start()


@fault("ser2net", "ser2net-stopped", "ser2net hangs (SIGSTOP)", r"warning: a: ")
def ser2net_stopped(rig):
    rig.gateway.send_signal(signal.SIGSTOP)
    time.sleep(PAUSE + 1)
    rig.gateway.send_signal(signal.SIGCONT)


@fault("ser2net", "ser2net-adapter", "the adapter behind ser2net is pulled out", r"warning: a: ")
def ser2net_adapter(rig):
    rig.line.stop()
    time.sleep(1.5)
    rig.line.spawn()


# ---- broker

@lane("broker")
def make_broker():
    return Rig()


def broker_fault(name, mode, what, says=r"MQTT: (?!connected)", seconds=2.5):
    def strike(rig):
        rig.proxy.set(mode)
        time.sleep(seconds)
        rig.proxy.set("pass")
    fault("broker", name, what, says)(strike)


broker_fault("broker-refuses", "refuse", "broker refuses connections")
broker_fault("broker-deaf", "deaf", "broker never accepts (black hole)")
broker_fault("broker-silent", "silent", "broker accepts and never answers")
broker_fault("broker-closes", "close", "broker closes at once")
broker_fault("broker-second", "second", "broker closes every second", seconds=5)
broker_fault("broker-babbles", "babble", "another service on the broker's port")
broker_fault("broker-frozen-link", "freeze", "the path to the broker swallows everything", None, 4)


@fault("broker", "broker-killed", "broker killed, back after 1 s", r"MQTT: (?!connected)")
def broker_killed(rig):
    rig.broker.kill()
    time.sleep(1)
    rig.broker.start()


@fault("broker", "broker-stopped", "broker hangs (SIGSTOP)")
def broker_stopped(rig):
    rig.broker.send_signal(signal.SIGSTOP)
    time.sleep(60 if LONG else 4)
    rig.broker.send_signal(signal.SIGCONT)


@fault("broker", "broker-flaps", "5 restarts within 3 s", r"MQTT: (?!connected)")
def broker_flaps(rig):
    for _ in range(5):
        rig.broker.kill()
        time.sleep(0.2)
        rig.broker.start()
        time.sleep(0.3)


# ---- security of the broker: password and certificates

@lane("login")
def make_login():
    broker = jkbtest.Broker(username="jkbms", password="right")
    password = os.path.join(broker.directory, "client-password")
    with open(password, "w", encoding="ascii") as file:
        file.write("right\n")
    os.chmod(password, 0o600)
    return Rig(broker=broker, mqtt=f"username=jkbms\npassword-file={password}")


@fault("login", "wrong-password", "broker has another password", r"MQTT: .*(?i:password|authori)")
def wrong_password(rig):
    passwords = os.path.join(rig.broker.directory, "passwords")
    with open(passwords, encoding="ascii") as file:
        right = file.read()
    wrong = passwords + ".new"
    with open(wrong, "w", encoding="ascii") as file:
        file.write("jkbms:another\n")
    subprocess.run(["mosquitto_passwd", "-U", wrong], check=True)
    os.chmod(wrong, 0o600)
    rig.broker.kill()
    os.replace(wrong, passwords)
    rig.broker.start()
    time.sleep(3)
    rig.broker.kill()
    with open(passwords, "w", encoding="ascii") as file:
        file.write(right)
    rig.broker.start()


@lane("tls")
def make_tls():
    directory = tempfile.mkdtemp(prefix="jkbtest-tls-")
    certificates = jkbtest.Certificates(directory)
    rig = Rig(broker=jkbtest.Broker(tls=certificates), mqtt=f"ca-file={certificates.ca}")
    rig.certificates = certificates
    rig.directories.append(directory)
    return rig


def with_certificate(rig, files):
    """The broker runs with other files for 3 s."""
    own = [rig.certificates.cert, rig.certificates.key]
    kept = []
    for path in own:
        with open(path, "rb") as file:
            kept.append(file.read())
    rig.broker.kill()
    for source, path in zip(files, own):
        shutil.copy(source, path)
    rig.broker.start()
    time.sleep(3)
    rig.broker.kill()
    for data, path in zip(kept, own):
        with open(path, "wb") as file:
            file.write(data)
    rig.broker.start()


def signed_elsewhere(rig, name, **options):
    directory = os.path.join(rig.certificates.directory, name)
    os.makedirs(directory)
    return jkbtest.Certificates(directory, **options)


def signed_by_the_same(rig, name, days, names):
    """A certificate of the same authority."""
    mine = rig.certificates
    kept = [mine.cert, mine.key]
    mine.cert, mine.key = mine._sign(name, os.path.join(mine.directory, "ca.key"), days,
                                     f"subjectAltName={names}")
    files = [mine.cert, mine.key]
    mine.cert, mine.key = kept
    return files


TLS = r"MQTT: .*(?i:certificate|TLS|ca-file)"


@fault("tls", "tls-unknown-authority", "certificate of an unknown authority", TLS)
def tls_unknown(rig):
    other = signed_elsewhere(rig, "other")
    with_certificate(rig, [other.cert, other.key])


@fault("tls", "tls-wrong-name", "certificate for another name", TLS)
def tls_name(rig):
    with_certificate(rig, signed_by_the_same(rig, "elsewhere", 2, "DNS:elsewhere.example"))


@fault("tls", "tls-expired", "certificate expired", TLS)
def tls_expired(rig):
    with_certificate(rig, signed_by_the_same(rig, "old", -1, "IP:127.0.0.1"))


@fault("tls", "tls-none", "broker speaks without TLS", r"MQTT: (?!connected)")
def tls_none(rig):
    with jkbtest.Broker() as plain:
        rig.proxy.target = plain.port
        rig.proxy.cut()
        time.sleep(2.5)
        rig.proxy.target = rig.broker.port
        rig.proxy.cut()


# ---- dbus

@lane("dbus")
def make_dbus():
    return Rig()


@fault("dbus", "dbus-restart", "D-Bus daemon restarts", r"D-Bus: ")
def dbus_restart(rig):
    rig.dbus.restart()
    rig.reconnect_client()


@fault("dbus", "dbus-absent", "D-Bus daemon away for 3 s", r"D-Bus: ")
def dbus_absent(rig):
    rig.dbus.kill()
    before = len(rig.capture.lines)
    time.sleep(3)
    if len(rig.capture.lines) < before + 4:
        raise AssertionError("MQTT stood still without D-Bus")
    rig.dbus.start()
    rig.reconnect_client()


@fault("dbus", "dbus-stopped", "D-Bus daemon hangs (SIGSTOP)")
def dbus_stopped(rig):
    rig.dbus.send_signal(signal.SIGSTOP)
    before = len(rig.capture.lines)
    time.sleep(20 if LONG else 4)
    moved = len(rig.capture.lines) - before
    rig.dbus.send_signal(signal.SIGCONT)
    if moved < 4:
        raise AssertionError("MQTT stood still while D-Bus hung")


@fault("dbus", "dbus-clients", "100 clients come, ask for everything and go")
def dbus_clients(rig):
    for _ in range(100):
        client = rig.dbus.client()
        client.objects()
        client.close()
        rig.dbus.clients.remove(client)


@fault("dbus", "dbus-flaps", "4 restarts within 2 s", r"D-Bus: ")
def dbus_flaps(rig):
    for _ in range(4):
        rig.dbus.kill()
        rig.dbus.start()
        time.sleep(0.4)
    rig.reconnect_client()


# ---- machine: what the system does to a process

@lane("machine")
def make_machine():
    return Rig()


@fault("machine", "suspend", "the machine sleeps (SIGSTOP)", other_bus=False)
def suspend(rig):
    rig.daemon.send_signal(signal.SIGSTOP)
    time.sleep(60 if LONG else 5)
    rig.daemon.send_signal(signal.SIGCONT)


@fault("machine", "all-at-once", "bus, broker and D-Bus lost together", r"warning: a: ", other_bus=False)
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


@lane("state")
def make_state():
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can mount the small file system")
    directory = tempfile.mkdtemp(prefix="jkbtest-state-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", directory],
                      capture_output=True, check=False).returncode != 0:
        raise unittest.SkipTest("no file system can be mounted here")
    rig = Rig(state_dir=directory)
    rig.unmount = lambda: (subprocess.run(["umount", "-l", directory], check=False), os.rmdir(directory))
    return rig


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


@fault("state", "state-damaged", "what was kept is garbage at the start", r"set aside|cannot be read", other_bus=False)
def state_damaged(rig):
    rig.daemon.stop()
    for name in os.listdir(rig.state_dir):
        with open(os.path.join(rig.state_dir, name), "wb") as file:
            file.write(random.Random(8).randbytes(3000))
    rig.daemon.start()


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


# ---- running

def run_lane(name, wanted):
    """Prints a JSON line per fault."""
    make, faults = LANES[name]

    def report(key, **values):
        print(json.dumps(dict(fault=key, **values)), flush=True)

    def attempt(key, rig):
        what, function, says, options = faults[key]
        try:
            seconds = rig.strike(function, says, **options) if rig else function(None)
            report(key, seconds=seconds)
            return True
        except unittest.SkipTest as reason:
            report(key, skipped=str(reason))
            return True
        except Exception:
            report(key, error=traceback.format_exc())
            return False

    left = [key for key in faults if not wanted or key in wanted]
    while left:
        rig = None
        try:
            rig = make()
            if rig is not None:
                rig.start()
            while left:
                if not attempt(left.pop(0), rig) and rig is not None:
                    rig.tell(name)
                    break  # a fresh rig for the others
        except unittest.SkipTest as reason:
            for key in left:
                report(key, skipped=str(reason))
            left = []
        except Exception:
            report(left.pop(0), error=traceback.format_exc())
        finally:
            try:
                if rig is not None:
                    rig.close()
                    for directory in rig.directories:
                        shutil.rmtree(directory, ignore_errors=True)
            except Exception:
                report("the end of " + name, error=traceback.format_exc())
            if hasattr(rig, "unmount"):
                rig.unmount()


def run_in_child(name):
    """{fault: result} of one lane."""
    results = {}
    child = subprocess.Popen([sys.executable, os.path.abspath(__file__), name], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    try:
        output, errors = child.communicate()
    finally:
        child.terminate()
    for line in output.splitlines():
        if line.startswith("{"):
            result = json.loads(line)
            result["errors"] = errors[-8000:]
            results[result.pop("fault")] = result
    if child.returncode != 0:
        results[f"the lane {name}"] = {"error": f"status {child.returncode}\n{errors[-8000:]}"}
    return results


def run_lanes():
    """{fault: result} of all lanes, several at the same time."""
    results = {}
    names = [*LONGEST, *(name for name in LANES if name not in LONGEST)]
    with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
        for found in pool.map(run_in_child, names):
            results.update(found)
    return results


class Faults(unittest.TestCase):
    results = {}

    @classmethod
    def setUpClass(cls):
        began = time.monotonic()
        cls.results = run_lanes()
        print(table(cls.results))
        print(f"{time.monotonic() - began:.0f} s in all")
        if os.environ.get("JKB_WRITE_TABLE"):
            write_document(cls.results)

    def judge(self, key):
        result = self.results.get(key, {"error": "it did not run"})
        if "skipped" in result:
            self.skipTest(result["skipped"])
        if "error" in result:
            self.fail(result["error"] + result.get("errors", ""))

    def test_nothing_else(self):
        for key, result in self.results.items():
            if key.startswith("the "):
                self.fail(f"{key}: {result['error']}")


for _name, (_make, _faults) in LANES.items():
    for _key in _faults:
        setattr(Faults, f"test_{_name}_{_key}".replace("-", "_"),
                lambda self, key=_key: self.judge(key))


def outcome(result):
    if result is None or "error" in result:
        return "**failed**"
    if "skipped" in result:
        return f"not run: {result['skipped']}"
    return f"{result['seconds']:.1f} s"


def table(results):
    lines = ["| fault | what happens | well again after |", "|---|---|---|"]
    for _make_rig, faults in LANES.values():
        for key, (what, *_unused) in faults.items():
            lines.append(f"| {key} | {what} | {outcome(results.get(key))} |")
    return "\n".join(lines)


DOCUMENT = """# Reliability: what was broken on purpose

Written by `JKB_WRITE_TABLE=1 tests/integration/test_faults.py`. The parts are real: pseudo terminals,
socat and ser2net as gateways, Mosquitto, dbus-daemon. Each fault strikes one of two buses of a
running daemon, or what surrounds it, and ends. Then all must be true:

- every BMS of both buses is online and was heard again, both links are up, MQTT is connected, without
  anybody's help; the time until then is in the table;
- a subscriber has a new state of each BMS, and no state ever held a voltage that the BMS did not say,
  nor one of another BMS;
- the other bus lost nothing: its counters of errors, overruns and reconnections stand still;
- no file is open that was not before, and the resident memory is within {slack} KiB of what it was;
- the log says what was wrong, in at most {lines} lines from the fault to the recovery.

The reconnection pauses of the test are 0.1 to 0.4 s (`reconnect-min`, `reconnect-max`), silence is
noticed after 1.5 s (`no-data-timeout`); with the defaults add up to `reconnect-max`.
Times were taken on two busy cores, {count} faults.

"""


def write_document(results):
    from jkbfault import MAX_LINES, RSS_SLACK_KIB
    count = sum(len(faults) for _make_rig, faults in LANES.values())
    path = os.path.join(jkbtest.SOURCE_ROOT, "docs", "reliability.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(DOCUMENT.format(slack=RSS_SLACK_KIB, lines=MAX_LINES, count=count) + table(results) + "\n")


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] in LANES:
        signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
        run_lane(sys.argv[1], sys.argv[2:])
    else:
        jkbtest.main()
