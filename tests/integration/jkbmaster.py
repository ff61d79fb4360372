# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A master on the bus that also asks for device info, which a BMS as master never does.

It stands between jkbms-sim, whose BMS it asks in turn, and a daemon that listens: both sides of the
conversation reach the daemon, as on a real bus."""

import socket
import struct
import time

import jkbtest

LIVE, SETTINGS, INFO = 0x1620, 0x161E, 0x161C


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return struct.pack("<H", value)


def request(address, register):
    head = struct.pack(">BBHHBH", address, 0x10, register, 1, 2, 0)
    return head + crc(head)


class Master(jkbtest.TcpPeer):
    """Asks the given BMS again and again; the daemon's bus is tcp:127.0.0.1:PORT of this peer."""

    def __init__(self, sim, addresses, registers=(LIVE, SETTINGS, INFO), pause=0.1):
        super().__init__(self._talk)
        self.sim, self.addresses, self.registers, self.pause = sim, addresses, registers, pause

    def _talk(self, connection, _number):
        with socket.create_connection(("127.0.0.1", self.sim.port)) as bus:
            bus.settimeout(1)
            while True:
                for address in self.addresses:
                    for register in self.registers:
                        connection.sendall(self._ask(bus, address, register))
                        time.sleep(self.pause)

    @staticmethod
    def _ask(bus, address, register):
        record = request(address, register)
        bus.sendall(record)
        reply = b""
        while len(reply) < 308:  # the frame and its ACK
            chunk = bus.recv(4096)
            if not chunk:
                raise OSError("the simulator is gone")
            reply += chunk
        return record + reply

    def config(self, name, **keys):
        return jkbtest.bus_config(name, self.uri, mode="listen", **keys)
