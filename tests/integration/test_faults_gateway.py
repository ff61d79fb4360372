#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The fault matrix, part: gateways and whoever else is at their address."""

import os
import random
import shutil
import signal
import time
import unittest

import jkbmatrix
import jkbtest
from jkbfault import PAUSE, Feed, Proxy, Rig
from jkbmatrix import LONG, fault, lane
from jkbtest import wait_until


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


Faults = jkbmatrix.make_tests("Gateways")

if __name__ == "__main__":
    jkbmatrix.main()
