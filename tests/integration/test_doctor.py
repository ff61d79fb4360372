# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl doctor and ports: each trouble that it knows, on simulated buses, ptys and sockets."""

import json
import os
import pty
import socket
import subprocess
import sys
import threading
import unittest

import jkbmock
import jkbtest


def ctl(*arguments, env=None):
    done = subprocess.run([jkbtest.program("jkbmsctl"), *arguments], capture_output=True,
                          timeout=60 * jkbtest.FACTOR, stdin=subprocess.DEVNULL,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
    out, err = done.stdout.decode(), done.stderr.decode()
    for word in jkbtest.BAD_WORDS:
        assert word not in out + err, out + err
    return done.returncode, out, err


class Server(threading.Thread):
    """A TCP server that treats each client with a function."""

    def __init__(self, serve):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"tcp:127.0.0.1:{self.listener.getsockname()[1]}"
        self.serve = serve
        self.start()

    def run(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client:
                try:
                    self.serve(client)
                except OSError:
                    pass


class Test(jkbtest.Case):
    def examine(self, port, *arguments, seconds=2):
        status, out, err = ctl("doctor", port, "--json", "--time", str(seconds * jkbtest.FACTOR),
                               *arguments)
        self.assertEqual(err, "")
        finding, = json.loads(out)
        self.assertEqual(finding["what"], port)
        self.assertEqual(status, 0 if finding["verdict"] == "ok" else 1, out)
        return finding

    def sim(self, *arguments, tcp=False):
        return self.enter(jkbtest.Sim("--rate", "line", *arguments, tcp=tcp))

    def serve(self, function):
        server = Server(function)
        self.addCleanup(server.listener.close)
        return server.uri

    def test_good(self):
        sim = self.sim("--master", "--bms", "0,1,5")
        finding = self.examine(sim.link)
        self.assertEqual((finding["verdict"], finding["addresses"]), ("ok", [0, 1, 5]))

    def test_good_gateway(self):
        sim = self.sim("--master", "--bms", "0,1", tcp=True)
        self.assertEqual(self.examine(sim.uri)["verdict"], "ok")

    def test_inverted(self):
        sim = self.sim("--master", "--bms", "0,1", "--fault", "invert=1")
        self.assertEqual(self.examine(sim.link)["verdict"], "inverted")

    def test_wrong_speed(self):
        for baud in (9600, 57600, 230400):
            with self.subTest(baud):
                sim = self.sim("--master", "--bms", "0,1", "--fault", f"baud={baud}")
                self.assertEqual(self.examine(sim.link)["verdict"], "wrong-speed")
                sim.stop()

    def test_noise(self):
        sim = self.sim("--master", "--bms", "0,1", "--fault", "corrupt=0.5")
        self.assertEqual(self.examine(sim.link)["verdict"], "noise")

    def test_silence_and_asking(self):
        sim = self.sim("--bms", "1,2")
        self.assertEqual(self.examine(sim.link, seconds=0.5)["verdict"], "silence")
        finding = self.examine(sim.link, "--ask", seconds=0.5)
        self.assertEqual((finding["verdict"], finding["addresses"]), ("ok", [1, 2]))

    def test_words(self):
        sim = self.sim("--bms", "1")
        status, out, _ = ctl("doctor", sim.link, "--time", "0.3")
        self.assertEqual(status, 1)
        self.assertIn("Nothing is heard.", out)
        self.assertIn("A: pins 2 and 7", out)
        self.assertLessEqual(max(map(len, out.splitlines()[1:])), 80)

    def test_collision(self):
        def record(*head):
            crc = 0xFFFF
            for byte in head:
                crc ^= byte
                for _ in range(8):
                    crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
            return bytes(head) + crc.to_bytes(2, "little")

        def talk(client):
            frame = bytes.fromhex("55aaeb9002") + bytes(294)
            frame += bytes([sum(frame) & 0xFF])
            for _ in range(3):
                for address in (1, 2):
                    client.sendall(record(address, 0x10, 0x16, 0x20, 0, 1, 2, 0, 0))
                    client.sendall(frame if address == 1 else frame[:80] + os.urandom(220))
                    client.sendall(record(address, 0x10, 0x16, 0x20, 0, 1) if address == 1 else b"")
            client.recv(1)
        status, out, _ = ctl("doctor", self.serve(talk), "--time", "1")
        self.assertEqual(status, 1)
        self.assertIn("It is address 2.", out)

    def test_modbus_tcp(self):
        def answer(client):
            while True:
                data = client.recv(1024)
                if not data:
                    return
                if len(data) >= 8 and data[2:4] == b"\0\0":
                    client.sendall(data[:4] + b"\0\3" + data[6:7] + b"\x83\x0b")
        self.assertEqual(self.examine(self.serve(answer), seconds=0.5)["verdict"], "modbus-tcp")

    def test_other_ports(self):
        def say(text):
            def run(client):
                client.sendall(text)
                client.recv(1)
            return run
        for text, verdict in ((b"\r\nAT\r\nAT+ROLE?\r\n", "bluetooth"),
                              (b"~2001468200C0FD37\r" * 4, "other-protocol"),
                              (bytes(range(128, 256)), "wrong-speed")):
            with self.subTest(verdict):
                self.assertEqual(self.examine(self.serve(say(text)), seconds=0.5)["verdict"], verdict)

    def test_closed(self):
        self.assertEqual(self.examine(self.serve(lambda client: None))["verdict"], "closed")

    def test_refused(self):
        port = jkbtest.free_port()
        self.assertEqual(self.examine(f"tcp:127.0.0.1:{port}")["verdict"], "not-there")

    def test_no_such_port(self):
        self.assertEqual(self.examine("/dev/ttyUSB77")["verdict"], "not-there")

    def test_no_permission(self):
        if os.geteuid() == 0:
            self.skipTest("root may open everything")
        path = self.write("tty", "", mode=0)
        self.assertEqual(self.examine(path)["verdict"], "no-permission")

    def test_held(self):
        master, slave = pty.openpty()
        name = os.ttyname(slave)
        program = ("import fcntl, sys; f = open(sys.argv[1], 'rb+', buffering=0);"
                   "fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()")
        holder = subprocess.Popen([sys.executable, "-c", program, name], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        holder.stdout.readline()
        os.close(slave)
        finding = self.examine(name)
        holder.communicate()
        os.close(master)
        self.assertEqual(finding["verdict"], "held")
        self.assertIn(f"({holder.pid})", finding["detail"])

    def test_bus_of_the_daemon(self):
        bus = self.enter(jkbtest.PrivateBus())
        mock = jkbmock.Mock(bus.address)
        mock.add_bus("garage", BytesReceived=1000, FramesReceived=3)
        mock.add_bus("shed", State="down", LastError="adapter unplugged")
        self.enter(mock)
        env = {"JKBMSD_BUS_ADDRESS": bus.address}
        status, out, err = ctl("doctor", "--json", "--time", "0.1", env=env)
        self.assertEqual((status, err), (1, ""))
        self.assertEqual([(f["what"], f["verdict"], f["detail"]) for f in json.loads(out)],
                         [("garage", "silence", ""), ("shed", "failed", "adapter unplugged")])
        status, _, err = ctl("doctor", "attic", env=env)
        self.assertEqual(status, 3)
        self.assertIn("no bus “attic”", err)

    def test_wrong_usage(self):
        for arguments in (["--time", "0"], ["--time", "x"], ["--baud", "1"], ["a", "b"]):
            self.assertEqual(ctl("doctor", "/dev/null", *arguments)[0], 2)
        status, _, err = ctl("doctor", "carrier:pigeon")
        self.assertEqual(status, 2)
        self.assertIn("Unknown kind of bus", err)

    def test_ports(self):
        os.makedirs(self.path("sys/class/tty/ttyUSB0/device"))
        os.makedirs(self.path("dev/serial/by-path"))
        os.symlink("../../ttyUSB0", self.path("dev/serial/by-path/pci-0"))
        status, out, _ = ctl("ports", "--root", self.directory)
        self.assertEqual(status, 0)
        self.assertIn("uri=serial:/dev/serial/by-path/pci-0", out)
        port, = json.loads(ctl("ports", "--json", "--root", self.directory)[1])
        self.assertEqual(port, {"device": "/dev/ttyUSB0", "by_id": None,
                                "by_path": "/dev/serial/by-path/pci-0", "driver": None,
                                "product": None, "serial_number": None, "holder": None,
                                "unique": False})
        os.makedirs(self.path("empty"))
        self.assertIn("No serial port", ctl("ports", "--root", self.path("empty"))[1])


if __name__ == "__main__":
    unittest.main()
