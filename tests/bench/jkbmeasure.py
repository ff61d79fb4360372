# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What a measurement reads of a process, and the two ends between which latency is taken: a line
that sends one record at a time, and a subscriber that notes when a state comes."""

import contextlib
import glob
import os
import re
import socket
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import jkbtest  # noqa: E402
from jkbline import bus_bytes  # noqa: E402
from jkbmaster import crc, request  # noqa: E402

LIVE = 0x1620


# ---- a process ----

def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def thread_totals(pid):
    """(nanoseconds of CPU, wake-ups) of all threads."""
    cpu = wakes = 0
    for task in glob.glob(f"/proc/{pid}/task/*"):
        with contextlib.suppress(FileNotFoundError):
            cpu += int(read(f"{task}/schedstat").split()[0])
            wakes += thread_wakes(task)
    return cpu, wakes


def thread_wakes(task):
    return int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", read(f"{task}/status"), re.M).group(1))


def thread_name(task):
    return read(f"{task}/comm").strip()


def memory(pid):
    """(resident, proportional, private dirty) in kB."""
    text = read(f"/proc/{pid}/smaps_rollup")
    return tuple(int(re.search(rf"^{key}:\s+(\d+)", text, re.M).group(1))
                 for key in ("Rss", "Pss", "Private_Dirty"))


# ---- the two ends ----

class Line(jkbtest.TcpPeer):
    """A gateway; send() puts one live record of an address on the bus."""

    def __init__(self):
        super().__init__(self._keep)
        stream = bus_bytes()
        at = stream.index(b"\x55\xaa\xeb\x90\x02")
        self.frame = stream[at:at + 300]
        self.ready = threading.Event()
        self.connection = None

    def _keep(self, connection, _number):
        self.connection = connection
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ready.set()
        while connection.recv(4096):
            pass

    def send(self, address):
        """Returns the moment at which the last byte of the ACK went out."""
        ack = struct.pack(">BBHH", address, 0x10, LIVE, 1)
        self.connection.sendall(request(address, LIVE) + self.frame + ack + crc(ack))
        return time.monotonic()

    def config(self, name):
        return jkbtest.bus_config(name, self.uri, mode="listen")


class Subscriber(threading.Thread):
    """Notes when messages come whose topic ends with /state and has no "bridge" in it."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.connection.sendall(b"\x10\x11\x00\x04MQTT\x04\x02\x00\x00\x00\x05probe"
                                b"\x82\x06\x00\x01\x00\x01#\x00")
        self.moments = []  # (time, topic, payload)
        self.arrived = threading.Condition()
        self.start()

    def run(self):
        stream = self.connection.makefile("rb")
        while head := stream.read(1):
            size, shift = 0, 0
            while True:
                byte = stream.read(1)[0]
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            self._take(head[0], stream.read(size), time.monotonic())

    def _take(self, kind, body, moment):
        if kind >> 4 != 3:
            return
        end = 2 + struct.unpack(">H", body[:2])[0]
        topic = body[2:end]
        if topic.endswith(b"/state") and b"bridge" not in topic:
            with self.arrived:
                self.moments.append((moment, topic.decode(), body[end:]))
                self.arrived.notify()

    def wait(self, n, timeout=2):
        """The moment of the @n-th message, None when it does not come."""
        with self.arrived:
            if self.arrived.wait_for(lambda: len(self.moments) > n, timeout):
                return self.moments[n][0]
        return None

    def close(self):
        self.connection.close()


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]
