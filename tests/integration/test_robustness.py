#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Bad input from every side: a clear message, bounded memory, no crash, and the next good frame counts."""

import os
import random
import re
import time

import jkbtest
from jkbdbus import ROOT, bus_path

# Sanitizers keep freed memory for a while; its growth says nothing then.
WEIGHS_MEMORY = jkbtest.FACTOR == 1

CONFIG = """[daemon]
log-level=info
dbus-interval=0.5

[bus garage]
uri=serial:{directory}/no-such-port
baud=115200
mode=listen
addresses=0,1,4-7
offline-after=30
reconnect-min=0.5
reconnect-max=20

[bms garage_1]
name=Left rack
ignore=false

[mqtt]
uri=mqtt://127.0.0.1:{port}
username=jkbms
topic-prefix=jkbms
interval=5
queue-max=1000

[homeassistant]
discovery=true
prefix=homeassistant
entities=standard

[bank house]
members=garage_1;garage_4
require=any

[writes]
access=none
"""


class BadPeer(jkbtest.Case):

    def setUp(self):
        super().setUp()
        self.dbus = self.enter(jkbtest.PrivateBus())
        self.client = self.dbus.client()
        self.good = jkbtest.bus_bytes()

    def start_daemon(self, *peers):
        config = "".join(jkbtest.bus_config(f"b{n}", peer.uri, mode="listen", reconnect_min=0.1,
                                            reconnect_max=0.5) for n, peer in enumerate(peers))
        return self.enter(jkbtest.Daemon(config, bus=self.dbus))

    def bus(self, key, name="b0"):
        return self.client.get(bus_path(name), "Bus", key)

    def wait_for_frames(self, name="b0", timeout=15):
        jkbtest.wait_until(lambda: self.bus("FramesReceived", name) > 0, timeout, "no good frame was used")

    def test_megabytes_of_garbage(self):
        """... then good frames on the same connection."""
        megabytes = 64 if os.environ.get("JKB_TEST_LONG") else 8
        junk = random.Random(5).randbytes(1 << 20)
        sent = []

        def behave(connection, number):
            if number > 1:
                return
            connection.sendall(junk)  # once, so that every buffer has its size
            sent.append(1)
            while len(sent) < 2:
                time.sleep(0.02)
            for _ in range(megabytes):
                connection.sendall(junk)
            connection.sendall(self.good)
            connection.recv(1)

        peer = self.enter(jkbtest.TcpPeer(behave))
        daemon = self.start_daemon(peer)
        jkbtest.wait_until(lambda: self.bus("BytesReceived") == len(junk), 20, "the junk was not read")
        before = daemon.resident_kib()
        sent.append(2)
        self.wait_for_frames(timeout=60)
        if WEIGHS_MEMORY:
            self.assertLess(daemon.resident_kib() - before, 1024)
        jkbtest.wait_until(lambda: self.client.bms() == ["b0_0", "b0_1"], 10, "not both were found")
        self.assertGreater(self.bus("Resyncs"), 0)

    def test_peer_that_closes_at_once(self):
        """It is tried again, not too often, and what is wrong is said; another bus does not suffer."""
        closing = self.enter(jkbtest.TcpPeer(lambda connection, number: connection.close()))

        def good(connection, number):
            while True:
                connection.sendall(self.good)
                time.sleep(0.5)

        other = self.enter(jkbtest.TcpPeer(good))
        self.start_daemon(closing, other)
        self.wait_for_frames("b1")
        time.sleep(3)
        self.assertIn(closing.connections, range(3, 60))
        # It is up for the moment in which the peer has not closed yet.
        jkbtest.wait_until(lambda: "closed" in self.bus("LastError") and self.bus("State") != "up", 5)
        self.assertEqual((self.bus("State", "b1"), self.bus("LastError", "b1")), ("up", ""))
        self.assertEqual(other.connections, 1)

    def test_nobody_listens(self):
        peer = jkbtest.TcpPeer(lambda connection, number: None)  # never started
        self.start_daemon(peer)
        error = jkbtest.wait_until(lambda: self.bus("LastError"), 10, "no error")
        self.assertIn(str(peer.port), error)

    def test_half_frames(self):
        """A connection that ends inside a frame leaves nothing behind for the next one."""
        cycle = self.good

        def behave(connection, number):
            if number <= 5:
                connection.sendall(cycle[:150 + number])
                connection.close()
            elif number == 6:
                connection.sendall(cycle)
                connection.recv(1)

        peer = self.enter(jkbtest.TcpPeer(behave))
        self.start_daemon(peer)
        jkbtest.wait_until(lambda: self.client.bms() == ["b0_0", "b0_1"], 15, "the good frames were not used")
        self.assertEqual(self.bus("ChecksumErrors"), 0)

    def test_a_frame_byte_by_byte(self):
        """A slow peer."""
        def behave(connection, number):
            for byte in self.good[:308 * 3 + 100]:
                connection.sendall(bytes([byte]))
                time.sleep(0.0005)
            connection.recv(1)

        self.start_daemon(self.enter(jkbtest.TcpPeer(behave)))
        self.wait_for_frames(timeout=20)
        self.assertEqual(self.bus("ChecksumErrors"), 0)


class BadBroker(jkbtest.Case):

    def setUp(self):
        super().setUp()
        self.dbus = self.enter(jkbtest.PrivateBus())
        self.client = self.dbus.client()

    def mqtt(self, key):
        return self.client.get(f"{ROOT}/mqtt", "Mqtt", key)

    def last_error(self):
        return jkbtest.wait_until(lambda: self.mqtt("LastError"), 15, "no error")

    def test_refused_password(self):
        broker = self.enter(jkbtest.Broker(username="jkbms", password="right horse"))
        password = self.write("password", "wrong battery\n")
        daemon = self.enter(jkbtest.Daemon(broker.config(username="jkbms", password_file=password),
                                           bus=self.dbus))
        error = self.last_error()
        self.assertRegex(error, r"(?i)user name|password|authori[sz]ed")
        self.assertFalse(self.mqtt("Connected"))
        self.assertNotIn("wrong battery", daemon.log + repr(self.client.objects()))
        self.write("password", "right horse\n")

    def test_nobody_listens_then_somebody_does(self):
        broker = jkbtest.Broker()
        self.enter(jkbtest.Daemon(broker.config(), bus=self.dbus))
        self.assertIn(str(broker.port), self.last_error())
        self.enter(broker)
        jkbtest.wait_until(lambda: self.mqtt("Connected"), 10, "not connected")
        self.assertEqual(self.mqtt("LastError"), "")

    def test_broker_that_closes_and_broker_that_babbles(self):
        def behave(connection, number):
            connection.recv(1000)
            connection.sendall(b"" if number % 2 else b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        peer = self.enter(jkbtest.TcpPeer(behave))
        self.enter(jkbtest.Daemon(f"[mqtt]\nuri=mqtt://127.0.0.1:{peer.port}\n", bus=self.dbus))
        self.last_error()
        time.sleep(4)
        self.assertFalse(self.mqtt("Connected"))
        self.assertIn(peer.connections, range(2, 30))

    def test_broker_that_never_answers(self):
        """Neither the start nor the stop waits for it."""
        peer = self.enter(jkbtest.TcpPeer(lambda connection, number: time.sleep(60)))
        daemon = self.enter(jkbtest.Daemon(f"[mqtt]\nuri=mqtt://127.0.0.1:{peer.port}\n", bus=self.dbus))
        jkbtest.wait_until(lambda: peer.connections, 10, "it did not connect")
        self.assertFalse(self.mqtt("Connected"))
        daemon.stop()


class BadConfiguration(jkbtest.Case):

    def damaged(self):
        """(line number, text) with one line damaged, in every way for every line."""
        generator = random.Random(7)
        lines = CONFIG.format(directory=self.directory, port=1).splitlines()
        damages = (
            lambda line: line[:len(line) // 2],
            lambda line: line.replace("=", " ").replace("]", ""),
            lambda line: "".join(chr(generator.randrange(33, 127)) for _ in line),
            lambda line: line + "\x01\xff\ud83d"[0:2] + "=" + line,
            lambda line: line.partition("=")[0] + "=" + "9" * 40,
            lambda line: line.partition("=")[0] + "=",
            lambda line: "x" + line,
            lambda line: line * 200,
        )
        for number, line in enumerate(lines, 1):
            if line:
                for damage in damages:
                    yield number, "\n".join(lines[:number - 1] + [damage(line)] + lines[number:]) + "\n"

    def test_check_config_names_file_and_line(self):
        daemon = jkbtest.Daemon()
        self.addCleanup(daemon.forget)
        daemon.write_config(CONFIG.format(directory=self.directory, port=1))
        self.assertEqual(daemon.check_config()[0], 0, daemon.check_config()[1])
        complained = 0
        for number, text in self.damaged():
            daemon.write_config(text)
            status, output = daemon.check_config()
            self.assertIn(status, (0, 1), f"line {number} damaged:\n{text}\n{output}")
            self.assertNotIn("Sanitizer", output)
            if status == 1:
                complained += 1
                for line in output.splitlines():
                    self.assertRegex(line, rf"^{re.escape(daemon.config_path)}:\d+: \S.+", text)
        self.assertGreater(complained, 150)

    def test_the_daemon_starts_all_the_same(self):
        damaged = list(self.damaged())
        some = damaged if os.environ.get("JKB_TEST_LONG") else random.Random(11).sample(damaged, 25)
        bus = self.enter(jkbtest.PrivateBus())
        for number, text in some:
            with self.subTest(line=number, text=text):
                with jkbtest.Daemon(text, bus=bus) as daemon:
                    self.assertTrue(daemon.running)

    def test_no_file(self):
        daemon = jkbtest.Daemon(bus=self.enter(jkbtest.PrivateBus()))
        self.addCleanup(daemon.forget)
        os.unlink(daemon.config_path)
        status, output = daemon.check_config()
        self.assertEqual(status, 1)
        self.assertIn(daemon.config_path, output)

    def test_not_text(self):
        """Bytes that are no text, and a directory in place of the file."""
        daemon = jkbtest.Daemon()
        self.addCleanup(daemon.forget)
        with open(daemon.config_path, "wb") as file:
            file.write(bytes(range(256)) * 300)
        self.assertEqual(daemon.check_config()[0], 1)
        os.unlink(daemon.config_path)
        os.mkdir(daemon.config_path)
        self.assertEqual(daemon.check_config()[0], 1)


if __name__ == "__main__":
    jkbtest.main()
