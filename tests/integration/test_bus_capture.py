#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""StartCapture and StopCapture: what is recorded, and what a stuck reader of it does."""

import os
import time

import jkbtest
from gi.repository import Gio, GLib
from jkbconfigure import FAST, Base
from jkbdbus import NAME, ROOT, Error, bus_path
from jkbtest import wait_until


class Capture(Base):

    @staticmethod
    def info_frame():
        frame = bytearray(300)
        frame[0:6] = b"\x55\xaa\xeb\x90\x03\x00"
        frame[6:16] = b"JK_PB2A16S"
        frame[46:62] = b"CANARY-name-----"
        frame[62:78] = b"CANARY-pin------"
        frame[118:134] = b"CANARY-password-"
        frame[299] = sum(frame[:299]) & 0xff
        return bytes(frame)

    def test_capture(self):
        pty = self.enter(jkbtest.Pty())
        self.start(FAST + jkbtest.bus_config("garage", pty.uri, mode="listen"))
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "State") == "up", 10)
        path = self.path("raw.bin")
        good = self.info_frame()
        bad = good[:299] + bytes([good[299] ^ 0x55])
        with open(path, "wb") as file:
            self.start_capture(file.fileno())
        self.refused_capture("Busy", os.devnull, "wb")
        sent = b"noise" + good + b"\x01\x10\x16\x1c" + bad + good[:120] + b"end"
        for start in range(0, len(sent), 37):
            pty.write(sent[start:start + 37])
            time.sleep(0.01)
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "BytesReceived") == len(sent), 5)
        self.call(bus_path("garage"), "Bus", "StopCapture")
        with open(path, "rb") as file:
            raw = file.read()
        self.assertEqual(len(raw), len(sent))
        self.assertNotIn(b"CANARY", raw)
        first, second = raw[5:305], raw[309:609]
        self.assertEqual(sum(first[:299]) & 0xff, first[299])
        self.assertNotEqual(sum(second[:299]) & 0xff, second[299])
        self.assertEqual((first[6:16], raw[:5]), (b"JK_PB2A16S", b"noise"))
        self.assertEqual(first[134:299], good[134:299])
        self.refused_capture("InvalidArgument", path, "rb")

    def test_a_handle_that_is_none(self):
        """The number of a file that the call does not bring."""
        self.start(FAST + jkbtest.bus_config("garage", "tcp:127.0.0.1:9"))
        with open(self.path("raw.bin"), "wb") as file:
            for handle in (-1, 1, 2 ** 31 - 1, -2 ** 31):
                with self.assertRaises(Error) as caught:
                    self.start_capture(file.fileno(), handle)
                self.assertEqual(caught.exception.name, f"{NAME}.Error.InvalidArgument")

    def start_capture(self, fd, handle=None, bus="garage"):
        """busctl cannot pass files."""
        fds = Gio.UnixFDList.new()
        own = fds.append(fd)
        handle = own if handle is None else handle
        try:
            self.client.connection.call_with_unix_fd_list_sync(
                NAME, bus_path(bus), f"{NAME}.Bus", "StartCapture",
                GLib.Variant("(h)", (handle,)), None, Gio.DBusCallFlags.NONE, 10000, fds, None)
        except GLib.Error as error:
            raise Error(error) from None

    def refused_capture(self, error, path, mode):
        with open(path, mode) as file, self.assertRaises(Error) as caught:
            self.start_capture(file.fileno())
        self.assertEqual(caught.exception.name, f"{NAME}.Error.{error}", caught.exception.text)

    def test_a_reader_that_stops_reading(self):
        """Neither the bus nor the daemon waits; what does not fit is counted; the end comes."""
        sim = self.enter(jkbtest.Sim("--bms", "0,1,2", "--master", "--rate", "0", tcp=True))
        self.start(FAST + sim.config("garage"))
        self.wait_for_bms("garage_1")
        reader, writer = os.pipe()
        self.start_capture(writer)
        os.close(writer)
        before = self.client.get(bus_path("garage"), "Bus", "BytesReceived")
        wait_until(lambda: self.client.get(bus_path("garage"), "Bus", "BytesReceived")
                   > before + 1500000, 30)
        self.call(bus_path("garage"), "Bus", "StopCapture")
        self.assertRegex(self.daemon.log, r"the capture ended: \d+ bytes written, [1-9]\d+ dropped")
        os.close(reader)
        reader, writer = os.pipe()
        self.start_capture(writer)
        os.close(writer)
        os.close(reader)
        self.daemon.wait_for_log("Broken pipe")
        with open(self.path("x"), "wb") as file:
            self.start_capture(file.fileno())
        self.call(ROOT, "Manager", "RemoveBus", "s", "garage")
        self.assertEqual(self.client.bms(), [])

    def test_many_that_hang_at_the_stop(self):
        """They have their time together: an orderly stop is over within 2 s."""
        ptys = {f"b{n}": self.enter(jkbtest.Pty()) for n in range(8)}
        self.start(FAST + "".join(jkbtest.bus_config(name, pty.uri, mode="listen")
                                  for name, pty in ptys.items()))
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        try:
            while True:
                os.write(writer, bytes(4096))
        except BlockingIOError:
            pass
        for name, pty in ptys.items():
            wait_until(lambda bus=name: self.client.get(bus_path(bus), "Bus", "State") == "up", 10)
            self.start_capture(writer, bus=name)
            pty.write(b"x" * 100)
            wait_until(lambda bus=name: self.client.get(bus_path(bus), "Bus", "BytesReceived") == 100, 5)
        self.daemon.stop()
        os.close(writer)
        os.close(reader)


if __name__ == "__main__":
    jkbtest.main()
