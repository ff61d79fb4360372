# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl doctor and ports: each trouble that it knows, on simulated buses, ptys and sockets."""

import grp
import json
import os
import pty
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
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


def crc16(data):
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc.to_bytes(2, "little")


def record(*head):
    return bytes(head) + crc16(head)


def live_frame():
    frame = bytes.fromhex("55aaeb9002") + bytes(294)
    return frame + bytes([sum(frame) & 0xFF])


def say(text):
    def run(client):
        client.sendall(text)
        client.recv(1)
    return run


def only_frames(client):
    """A gateway that passes frames and loses what is around them."""
    while True:
        client.sendall(live_frame())
        time.sleep(0.3)


def modbus_tcp(client):
    """A gateway that translates: silent until it is asked in its own protocol."""
    while True:
        data = client.recv(1024)
        if not data:
            return
        if len(data) >= 8 and data[2:4] == b"\0\0":
            client.sendall(data[:4] + b"\0\3" + data[6:7] + b"\x83\x0b")


def same_address(client):
    """A master asks 1 and 2; at 2 there are two BMS."""
    frame = live_frame()
    while True:
        for address in (1, 2):
            client.sendall(record(address, 0x10, 0x16, 0x20, 0, 1, 2, 0, 0))
            client.sendall(frame if address == 1 else frame[:80] + os.urandom(220))
            client.sendall(record(address, 0x10, 0x16, 0x20, 0, 1) if address == 1 else b"")
            time.sleep(0.1)


class Held(jkbtest.Part):
    """A port that a process has open and locked."""

    PROGRAM = ("import fcntl, sys; f = open(sys.argv[1], 'rb+', buffering=0);"
               "fcntl.flock(f, fcntl.LOCK_EX); print(1, flush=True); sys.stdin.read()")

    def start(self):
        self.master, slave = pty.openpty()
        self.name = os.ttyname(slave)
        self.holder = subprocess.Popen([sys.executable, "-c", self.PROGRAM, self.name],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.holder.stdout.readline()
        os.close(slave)

    def close(self):
        self.holder.communicate()
        os.close(self.master)


class Base(jkbtest.Case):
    def serve(self, function):
        server = Server(function)
        self.addCleanup(server.listener.close)
        return server.uri

    def sim(self, *arguments, tcp=False):
        return self.enter(jkbtest.Sim("--rate", "line", *arguments, tcp=tcp))

    def nobody(self, *arguments, env=None):
        """jkbmsctl as a user without rights, from where that user may read it."""
        if os.geteuid() != 0:
            return ctl(*arguments, env=env)
        directory = tempfile.mkdtemp(prefix="jkbtest-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        copy = shutil.copy(jkbtest.program("jkbmsctl"), directory)
        done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", copy,
                               *arguments], capture_output=True, timeout=60 * jkbtest.FACTOR,
                              stdin=subprocess.DEVNULL, check=False,
                              env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})})
        return done.returncode, done.stdout.decode(), done.stderr.decode()


class PortTest(Base):
    def examine(self, port, *arguments, seconds=2):
        status, out, err = ctl("doctor", port, "--json", "--time", str(seconds * jkbtest.FACTOR),
                               *arguments)
        self.assertEqual(err, "")
        finding, = json.loads(out)
        self.assertEqual(finding["what"], port)
        self.assertEqual(status, 0 if finding["verdict"] == "ok" else 1, out)
        return finding

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
        status, out, _ = ctl("doctor", self.serve(same_address), "--time", "1")
        self.assertEqual(status, 1)
        self.assertIn("It is address 2.", out)

    def test_collision_when_asked(self):
        """Nobody else asks: the garbled answers are those to our own questions."""
        sim = self.sim("--bms", "1,2,3", "--fault", "crosstalk@2=1")
        status, out, _ = ctl("doctor", sim.link, "--time", "0.3", "--ask")
        self.assertEqual(status, 1)
        self.assertIn("It is address 2.", out)
        self.assertIn("BMS at these addresses: 1, 3", out)

    def test_no_ack(self):
        self.assertEqual(self.examine(self.serve(only_frames))["verdict"], "no-ack")

    def test_modbus_tcp(self):
        self.assertEqual(self.examine(self.serve(modbus_tcp), seconds=0.5)["verdict"], "modbus-tcp")

    def test_other_ports(self):
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
        master, slave = pty.openpty()
        name = os.ttyname(slave)
        os.chmod(name, 0)
        status, out, err = self.nobody("doctor", name, "--time", "0.1")
        self.assertEqual((status, err), (1, ""))
        self.assertIn("You may not open this port.", out)
        gid = os.stat(name).st_gid
        group = grp.getgrgid(gid).gr_name if gid != 0 else "dialout"
        user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.assertIn(f"To allow it: sudo usermod -aG {group} {user}\n", out)
        finding, = json.loads(self.nobody("doctor", name, "--json")[1])
        self.assertEqual((finding["verdict"], finding["command"]),
                         ("no-permission", f"sudo usermod -aG {group} {user}"))
        os.close(slave)
        os.close(master)

    def test_held(self):
        held = self.enter(Held())
        finding = self.examine(held.name)
        self.assertEqual(finding["verdict"], "held")
        self.assertIn(f"({held.holder.pid})", finding["detail"])
        # Who may not look at other users' processes is told so.
        os.chmod(held.name, 0o666)
        status, out, _ = self.nobody("doctor", held.name)
        self.assertEqual(status, 1)
        if os.geteuid() == 0:
            self.assertIn("try with sudo", out)

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


class DaemonTest(Base):
    """The same with a daemon that has the ports: it hears, doctor judges."""

    def findings(self, names):
        """One doctor for each bus, all at once."""
        children = {name: subprocess.Popen(
            [jkbtest.program("jkbmsctl"), "--bus-address", self.bus.address, "doctor", name, "--json",
             "--time", str(2 * jkbtest.FACTOR)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env={**os.environ, "LC_ALL": "C.UTF-8"}) for name in names}
        found = {}
        for name, child in children.items():
            out, err = child.communicate(timeout=60 * jkbtest.FACTOR)
            self.assertEqual(err, "", name)
            found[name], = json.loads(out)
            self.assertEqual(child.returncode, 0 if found[name]["verdict"] == "ok" else 1, name)
        return found

    def test_everything(self):
        self.bus = self.enter(jkbtest.PrivateBus())
        held = self.enter(Held())
        master = ("--master", "--bms", "0,1,2")
        uris = {
            "ok": self.sim(*master).uri,
            "inverted": self.sim(*master, "--fault", "invert=1").uri,
            "wrong-speed": self.sim(*master, "--fault", "baud=9600").uri,
            "noise": self.sim(*master, "--fault", "corrupt=0.5").uri,
            "collision": self.serve(same_address),
            "silence": self.sim("--bms", "1").uri,
            "no-answer": self.sim("--master", "--bms", "0,1", "--fault", "drop@0=1", "--fault",
                                  "deaf@1=1").uri,
            "no-ack": self.serve(only_frames),
            "bluetooth": self.serve(say(b"\r\nAT\r\nAT+ROLE?\r\n" * 3)),
            "other-protocol": self.serve(say(b"~2001468200C0FD37\r" * 4)),
            "modbus-tcp": self.enter(jkbtest.TcpPeer(lambda client, _: modbus_tcp(client))).uri,
            "held": f"serial:{held.name}",
            "not-there": "serial:/dev/ttyUSB77",
        }
        expected = {verdict.replace("-", ""): verdict for verdict in uris}
        for kind in ("bluetooth", "other-protocol"):
            del expected[kind.replace("-", "")]  # said once, when the daemon connects
        self.enter(jkbtest.Daemon("".join(
            jkbtest.bus_config(verdict.replace("-", ""), uri, mode="listen")
            for verdict, uri in uris.items()), bus=self.bus))
        client = self.bus.client()
        jkbtest.wait_until(lambda: client.get(f"{jkbtest.ROOT}/bus/held", "Bus", "LastError"))
        for name in set(expected) - {"held", "notthere"}:
            jkbtest.wait_until(lambda path=f"{jkbtest.ROOT}/bus/{name}":
                               client.get(path, "Bus", "State") == "up", 20)
        found = self.findings(expected)
        self.assertEqual({name: f["verdict"] for name, f in found.items()}, expected)
        self.assertEqual(found["ok"]["addresses"], [0, 1, 2])
        self.assertIn(f"({held.holder.pid})", found["held"]["detail"])
        self.assertIn("/dev/ttyUSB77 is not there", found["notthere"]["detail"])
        text = jkbtest.ctl("doctor", "collision", "--time", "1", bus=self.bus, status=1)
        self.assertIn("It is address 2.", text)
        text = jkbtest.ctl("doctor", "inverted", "--time", "1", bus=self.bus, status=1)
        self.assertRegex(text, r"(?m)^The daemon's own counters: \w")
        self.without_rights()

    def without_rights(self):
        """Reading the counters is free to everyone; the bytes are not."""
        env = {"JKBMSD_BUS_ADDRESS": self.bus.address}
        status, out, err = self.nobody("doctor", "ok", "--time", "1", env=env)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("All is well.", out)
        status, out, _ = self.nobody("doctor", "inverted", "--time", "1", env=env)
        self.assertEqual(status, 1)
        if os.geteuid() == 0:
            self.assertIn("with sudo the bytes are looked at", out)

    def test_polled(self):
        """Whose answers are damaged is not known there: it tells how to find out, and that works."""
        self.bus = self.enter(jkbtest.PrivateBus())
        sim = self.sim("--bms", "1,2", "--fault", "corrupt=0.3")
        self.enter(jkbtest.Daemon(jkbtest.bus_config(
            "garage", sim.uri, mode="poll", addresses="1,2", listen_before_talk="1", poll_interval="0.1",
            command_gap="0.05"), bus=self.bus))
        client = self.bus.client()
        jkbtest.wait_until(lambda: len(client.bms()) == 2, 20)
        self.assertEqual(client.get(f"{jkbtest.ROOT}/bus/garage", "Bus", "Role"), "polling")
        seconds = str(2 * jkbtest.FACTOR)
        finding, = json.loads(jkbtest.ctl("doctor", "garage", "--json", "--time", seconds, bus=self.bus,
                                          status=1))
        commands = ["jkbmsctl bus set garage enabled=false", f"jkbmsctl doctor {sim.link} --ask",
                    "jkbmsctl bus set garage enabled=true"]
        self.assertEqual((finding["verdict"], finding["next"]), ("noise", "; ".join(commands)))
        text = jkbtest.ctl("doctor", "garage", "--time", seconds, bus=self.bus, status=1)
        self.assertIn("\n  " + "\n  ".join(commands) + "\n", text)
        jkbtest.ctl(*commands[0].split()[1:], bus=self.bus)
        finding, = json.loads(jkbtest.ctl(*commands[1].split()[1:], "--json", "--time", "2", bus=self.bus,
                                          status=None))
        self.assertGreater(finding["bytes"], 0)
        self.assertIsNone(finding["next"])
        jkbtest.ctl(*commands[2].split()[1:], bus=self.bus)
        jkbtest.wait_until(lambda: client.get(f"{jkbtest.ROOT}/bus/garage", "Bus", "State") == "up")

    def test_what_the_daemon_says(self):
        bus = self.enter(jkbtest.PrivateBus())
        mock = jkbmock.Mock(bus.address)
        mock.add_bus("garage", BytesReceived=1000, FramesReceived=3)
        mock.add_bus("shed", State="down", LastError="adapter unplugged")
        mock.add_bus("attic", State="down", Enabled=False)
        mock.add_bus("barn", State="connecting")
        mock.add_bus("cellar", State="connecting", Uri="serial:/dev/ttyUSB0",
                     LastError="/dev/ttyUSB0: permission denied: add the daemon's user to the group")
        self.enter(mock)
        env = {"JKBMSD_BUS_ADDRESS": bus.address}
        status, out, err = ctl("doctor", "--json", "--time", "0.1", env=env)
        self.assertEqual((status, err), (1, ""))
        found = {f["what"]: f for f in json.loads(out)}
        self.assertEqual({name: f["verdict"] for name, f in found.items()},
                         {"garage": "silence", "shed": "failed", "attic": "failed",
                          "barn": "failed", "cellar": "no-permission"})
        self.assertEqual(found["shed"]["detail"], "adapter unplugged")
        self.assertIn("enabled=false", found["attic"]["detail"])
        self.assertIn("only begun to open it", found["barn"]["detail"])
        user = pwd.getpwuid(os.geteuid()).pw_name  # the stand-in runs as we do
        self.assertRegex(found["cellar"]["command"],
                         rf"^sudo usermod -aG \w+ {user} && sudo systemctl restart jkbmsd$")
        status, _, err = ctl("doctor", "loft", env=env)
        self.assertEqual(status, 3)
        self.assertIn("no bus “loft”", err)


if __name__ == "__main__":
    jkbtest.main()
