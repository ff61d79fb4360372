#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbms-sim from outside: its ports, its pace, its commands, its truth, and that the decoder of
the daemon attributes every frame of it as the truth says."""

import json
import os
import random
import select
import signal
import socket
import subprocess
import termios
import time

import jkbtest

TYPES = {1: "settings", 2: "live", 3: "info"}


def crc(data):
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
    return value.to_bytes(2, "little")


def with_crc(text):
    data = bytes.fromhex(text)
    return data + crc(data)


def records(data):
    """[(offset, kind, address, what)] of a clean stream; fails at the first byte that fits nothing."""
    found, at = [], 0
    while at < len(data):
        rest = data[at:]
        if rest[:4] == b"\x55\xaa\xeb\x90":
            if len(rest) < 300:
                break
            assert sum(rest[:299]) % 256 == rest[299], f"bad sum at {at}"
            found.append((at, "frame", None, rest[4]))
            at += 300
        elif len(rest) < 11:
            break
        elif rest[1] == 0x10 and rest[6] == 2 and crc(rest[:9]) == rest[9:11]:
            found.append((at, "request", rest[0], rest[3]))
            at += 11
        elif rest[1] == 0x10 and crc(rest[:6]) == rest[6:8]:
            found.append((at, "ack", rest[0], rest[3]))
            at += 8
        else:
            raise AssertionError(f"nothing begins at {at}: {rest[:20].hex()}")
    return found


def read_all(connection, timeout=20):
    connection.settimeout(timeout * jkbtest.FACTOR)
    data = b""
    while chunk := connection.recv(65536):
        data += chunk
    return data


def read_for(fd, seconds):
    """What comes from a file descriptor in that time, and how long it really took."""
    data, start = b"", time.monotonic()
    while (left := start + seconds - time.monotonic()) > 0:
        if select.select([fd], [], [], left)[0]:
            data += os.read(fd, 65536)
    return data, time.monotonic() - start


def run(*arguments, **keys):
    return subprocess.run([jkbtest.program("jkbms-sim"), *arguments], capture_output=True, text=True,
                          timeout=20 * jkbtest.FACTOR, check=False, **keys)


class CommandLine(jkbtest.Case):

    def test_help_and_version(self):
        self.assertRegex(run("--version").stdout, r"^jkbms-sim \d+\.\d+\.\d+\n$")
        text = run("--help")
        self.assertEqual(text.returncode, 0)
        for word in ("--listen", "--pty", "--bms", "--master", "--seed", "--cells", "--rate", "--fault",
                     "--replay", "--truth", "--events", "corrupt", "bitrate", "drop", "truncate",
                     "split", "merge", "echo", "noise", "silence", "crosstalk", "invert", "baud"):
            self.assertIn(word, text.stdout)

    def test_wrong_usage(self):
        for arguments in (["--nonsense"], ["extra"], ["--listen", "nowhere"], ["--listen", "tcp:x:99999"],
                          ["--listen", "tcp:h:1", "--pty", "p"], ["--bms", "1,,2"], ["--bms", "248"],
                          ["--bms", "3-1"], ["--cells", "33"], ["--cells", "0"], ["--rate", "fast"],
                          ["--rate", "-1"], ["--firmware", "1"], ["--fault", "x=1"],
                          ["--fault", "corrupt=2"], ["--alarm", "1"], ["--alarm", "1:40@1"],
                          ["--alarm", "4294967297:1@1"], ["--alarm", "1@4:1"],
                          ["--seed", "-1"], ["--count", "-1"], ["--replay", "x", "--master"]):
            done = run(*arguments)
            self.assertEqual(done.returncode, 2, arguments)
            self.assertRegex(done.stderr, r"^jkbms-sim: [^\n]+\n$", arguments)

    def test_failures(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            for arguments in (["--listen", f"tcp:127.0.0.1:{taken.getsockname()[1]}"],
                              ["--pty", self.path("no/such/place")], ["--replay", self.path("none")],
                              ["--truth", self.path("no/such/file")]):
                done = run(*arguments)
                self.assertEqual(done.returncode, 1, arguments)
                self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_free_port_and_both_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with subprocess.Popen([jkbtest.program("jkbms-sim"), "--listen", "tcp:127.0.0.1:0", "--master"],
                                  stdout=subprocess.PIPE, text=True) as child:
                self.assertRegex(child.stdout.readline(), r"^listening on tcp:127\.0\.0\.1:[1-9]\d+\n$")
                start = time.monotonic()
                child.send_signal(number)
                self.assertEqual(child.wait(5), 0)
                self.assertLess(time.monotonic() - start, 1 * jkbtest.FACTOR)

    def test_duration(self):
        start = time.monotonic()
        self.assertEqual(run("--listen", "tcp:127.0.0.1:0", "--duration", "0.5").returncode, 0)
        self.assertGreater(time.monotonic() - start, 0.45)


class Tcp(jkbtest.Case):

    def connect(self, sim, **options):
        connection = socket.socket()
        for option, value in options.items():
            connection.setsockopt(socket.SOL_SOCKET, getattr(socket, option), value)
        connection.connect(("127.0.0.1", sim.port))
        self.addCleanup(connection.close)
        return connection

    def stream(self, *arguments):
        sim = self.enter(jkbtest.Sim("--wait", *arguments, tcp=True))
        return read_all(self.connect(sim))

    def test_line_rate(self):
        sim = self.enter(jkbtest.Sim("--master", "--bms", "0-15", "--rate", "line", "--wait", tcp=True))
        connection = self.connect(sim)
        read_for(connection.fileno(), 0.5)
        data, seconds = read_for(connection.fileno(), 5)
        self.assertAlmostEqual(len(data) / seconds / 11520, 1, delta=0.03)

    def test_factor(self):
        sim = self.enter(jkbtest.Sim("--master", "--bms", "0-15", "--rate", "20", "--wait", tcp=True))
        connection = self.connect(sim)
        read_for(connection.fileno(), 0.5)
        data, seconds = read_for(connection.fileno(), 3)
        self.assertAlmostEqual(len(data) / seconds / 11520, 20, delta=0.6)

    def test_real_slots(self):
        sim = self.enter(jkbtest.Sim("--master", "--bms", "0,1", "--firmware", "19.31", "--wait", tcp=True))
        data, _ = read_for(self.connect(sim).fileno(), 7.3)
        found = records(data)
        self.assertEqual(len([r for r in found if r[1] == "request"]), 30)
        acks = [(r[2], r[3]) for r in found if r[1] == "ack"]
        self.assertEqual(acks[:4], [(0, 0x20), (0, 0x1E), (1, 0x20), (1, 0x1E)])
        self.assertEqual(acks[4], (0, 0x20))  # 7.04 s later

    def test_same_seed_same_bytes(self):
        arguments = ["--master", "--rate", "0", "--count", "400", "--fault", "corrupt=0.05", "--fault",
                     "truncate=0.02", "--fault", "noise=0.1", "--seed"]
        first, again, other = (self.stream(*arguments, seed) for seed in ("4", "4", "5"))
        self.assertEqual(first, again)
        self.assertNotEqual(first, other)

    def test_everybody_hears_and_nobody_waits_for_the_slow(self):
        sim = self.enter(jkbtest.Sim("--master", "--rate", "100", tcp=True))
        slow = self.connect(sim, SO_RCVBUF=4096)
        fast = [self.connect(sim) for _ in range(3)]
        time.sleep(0.5)
        for _ in range(40):
            for connection in fast:
                jkbtest.wait_until(lambda: len(read_for(connection.fileno(), 0.1)[0]) > 1000, 2)
        stats = json.loads(sim.command("stats").removeprefix("ok "))
        self.assertEqual(stats["overruns"], 1)
        slow.close()
        data, _ = read_for(self.connect(sim).fileno(), 0.5)
        self.assertGreater(len(data), 10000)

    def test_reads_writes_and_read_back(self):
        sim = self.enter(jkbtest.Sim("--bms", "1-3", tcp=True))
        one, other = self.connect(sim), self.connect(sim)
        time.sleep(0.1)

        def ask(text):
            one.send(with_crc(text))
            return read_for(one.fileno(), 0.2)[0]
        self.assertEqual(ask("02 03 1078 0002")[:7], bytes.fromhex("02030400000001"))
        self.assertEqual(ask("02 10 1078 0002 04 00000000"), with_crc("02 10 1078 0002"))
        self.assertEqual(ask("02 03 1078 0002"), b"")  # deaf
        time.sleep(0.3)
        self.assertEqual(ask("02 03 1078 0002")[:7], bytes.fromhex("02030400000000"))
        reply = ask("02 10 161E 0001 02 0000")
        self.assertEqual(records(reply)[0][1:], ("frame", None, 1))
        self.assertEqual(reply[122:126], b"\1\0\0\0")
        self.assertEqual(reply[126:130], b"\0\0\0\0")
        self.assertEqual(sim.command("get 2 balancer"), "ok 0")
        # the other adapter on the same line has heard question and answer
        heard = read_for(other.fileno(), 0.2)[0]
        self.assertIn(with_crc("02 10 161E 0001 02 0000"), heard)
        self.assertIn(reply, heard)

    def test_replay(self):
        data = random.Random(1).randbytes(20000)
        path = self.path("raw")
        with open(path, "wb") as file:
            file.write(data)
        self.assertEqual(self.stream("--replay", path, "--rate", "50"), data)
        start = time.monotonic()
        with open(path, "wb") as file:
            file.write(data[:11520])
        self.assertEqual(self.stream("--replay", path, "--rate", "line"), data[:11520])
        self.assertAlmostEqual(time.monotonic() - start, 1, delta=0.4)

    def test_commands(self):
        sim = self.enter(jkbtest.Sim("--master", "--bms", "0,3", "--rate", "20", "--alarm", "3:9@0", tcp=True))
        connection = self.connect(sim)
        read_for(connection.fileno(), 0.2)
        self.assertEqual(int(sim.command("get 3 errors_bitmask").split()[1]), 1 << 19 | 1 << 9)
        sim.command("pause")
        read_for(connection.fileno(), 0.2)
        self.assertEqual(read_for(connection.fileno(), 0.3)[0], b"")
        for line in ("alarm 3 4 on", "set 3 soc 55", "set 3 user_data 'Left rack'", "fault corrupt 0.5",
                     "fault none", "offline 3", "online 3", "readdress 3 4", "resume"):
            self.assertEqual(sim.command(line), "ok", line)
        data, _ = read_for(connection.fileno(), 0.5)
        self.assertIn(with_crc("04 10 1620 0001"), data)
        for line in ("offline 7", "alarm 0 40 on", "fault bogus", "bogus", "set 4 bogus 1", "set", ""):
            with self.assertRaisesRegex(AssertionError, "error: "):
                sim.command(line)
        sim.command("quit")
        self.assertEqual(sim.child.wait(5), 0)


class Pty(jkbtest.Case):

    def open(self, sim):
        fd = os.open(sim.link, os.O_RDWR | os.O_NOCTTY)
        self.addCleanup(lambda: os.close(fd) if fd in self.fds else None)
        self.fds.add(fd)
        return fd

    def close(self, fd):
        self.fds.discard(fd)
        os.close(fd)

    def setUp(self):
        super().setUp()
        self.fds = set()

    def test_reader_comes_and_goes(self):
        sim = self.enter(jkbtest.Sim("--master", "--rate", "line"))
        time.sleep(2)  # nobody listens: more than any buffer holds goes by
        for _ in range(3):
            fd = self.open(sim)
            flags = termios.tcgetattr(fd)[3]
            self.assertFalse(flags & (termios.ICANON | termios.ECHO))
            data, seconds = read_for(fd, 1)
            self.assertAlmostEqual(len(data) / seconds / 11520, 1, delta=0.1)
            header = data.index(b"\x55\xaa\xeb\x90")
            self.assertLess(header, 320)  # whole records after at most one that had begun
            self.close(fd)
            time.sleep(0.3)
        stats = json.loads(sim.command("stats").removeprefix("ok "))
        self.assertEqual(stats["connects"], 3)
        self.assertGreater(stats["bytes_lost"], 20000)

    def test_reader_that_does_not_read(self):
        sim = self.enter(jkbtest.Sim("--master", "--rate", "20"))
        fd = self.open(sim)
        time.sleep(2)
        stats = json.loads(sim.command("stats").removeprefix("ok "))
        self.assertGreater(stats["frames"], 500)
        self.assertGreater(stats["bytes_lost"], 50000)
        data, _ = read_for(fd, 1)
        self.assertGreater(len(data), 100000)

    def test_question_and_answer(self):
        sim = self.enter(jkbtest.Sim("--bms", "1"))
        fd = self.open(sim)
        time.sleep(0.1)
        for _ in range(3):
            os.write(fd, with_crc("01 10 1620 0001 02 0000"))
            data, _ = read_for(fd, 0.2)
            self.assertEqual([r[1] for r in records(data + bytes(3))[:2]], ["frame", "ack"])

    def test_link_is_removed(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
            sim = self.enter(jkbtest.Sim("--master"))
            self.assertTrue(os.path.islink(sim.link))
            status = sim.stop(number)
            if number == signal.SIGKILL:
                self.assertTrue(os.path.islink(sim.link))
                sim.start()  # over its old link
                self.assertEqual(sim.stop(), 0)
            else:
                self.assertEqual(status, 0)
            self.assertFalse(os.path.lexists(sim.link))

    def test_another_file_is_not_removed(self):
        path = self.write("tty", "precious")
        self.assertEqual(run("--pty", path).returncode, 1)
        with open(path, encoding="ascii") as file:
            self.assertEqual(file.read(), "precious")


class Decoder(jkbtest.Case):
    """The stream as the daemon's own library reads it, against the truth."""

    def decode(self, *arguments):
        truth = self.path("truth")
        sim = self.enter(jkbtest.Sim("--wait", "--rate", "0", "--truth", truth, *arguments, tcp=True))
        with socket.create_connection(("127.0.0.1", sim.port)) as connection:
            data = read_all(connection, 60)
        self.assertEqual(sim.child.wait(5), 0)
        raw = self.path("raw")
        with open(raw, "wb") as file:
            file.write(data)
        lines = jkbtest.ctl("decode", raw, "--json", timeout=60).splitlines()
        decoded = {record["offset"]: record for record in map(json.loads, lines)}
        with open(truth, encoding="ascii") as file:
            sent = [json.loads(line) for line in file]
        return decoded, sent

    def check_values(self, decoded, sent, where):
        if sent["type"] == "settings" and sent["heating_start_temperature"] > sent["heating_stop_temperature"]:
            for key, other in (("heating_start_temperature", "battery_overtemperature_alarm"),
                               ("heating_stop_temperature", "battery_overtemperature_alarm_recovery")):
                self.assertIsNone(decoded["fields"][key])
                sent[other] = sent.pop(key)  # the same register means this on older firmware
        for key, value in sent.items():
            if key in decoded.get("fields", {}) and not isinstance(value, list):
                read = decoded["fields"][key]
                self.assertAlmostEqual(float(value), float(read), places=6, msg=f"{key} {where}")
        if sent["type"] == "live":
            self.assertEqual(decoded["fields"]["cell_voltages"], sent["cell_voltages"], where)

    def check_clean(self, *arguments):
        decoded, sent = self.decode("--master", "--count", "2000", *arguments)
        self.assertEqual(len(decoded), len(sent))
        for record in sent:
            found = decoded[record["offset"]]
            self.assertEqual(found["address"], record["address"], record)
            if record["record"] != "frame":
                self.assertEqual(found["type"], record["record"])
                continue
            self.assertEqual(found["type"], record["type"])
            self.assertEqual(found["attributed_by"], "ack")
            self.check_values(found, record, f"at {record['offset']}")

    def test_clean_streams(self):
        for firmware in ("14.20", "15.41", "19.31"):
            for bms in ("0", "0,1", "0,2,5,15", "0-15"):
                with self.subTest(firmware=firmware, bms=bms):
                    self.check_clean("--firmware", firmware, "--bms", bms)
        self.check_clean("--cells", "8,25,32,1")

    def test_every_fault(self):
        """Whatever happens on the way: what is attributed is attributed rightly and has its values."""
        for fault in ("corrupt=0.05", "drop=0.05", "truncate=0.05", "split=0.2", "merge=0.2", "echo=1",
                      "noise=0.2", "silence=0.1", "crosstalk=0.05"):
            with self.subTest(fault=fault):
                decoded, sent = self.decode("--master", "--bms", "0-15", "--count", "3000", "--fault", fault)
                good = {r["offset"]: r for r in sent if r["record"] == "frame" and r["fate"] == "good"}
                seen = 0
                for offset, found in decoded.items():
                    if found["type"] not in ("live", "settings") or not found["checksum"]:
                        continue
                    self.assertIn(offset, good)
                    self.assertEqual(found["type"], good[offset]["type"])
                    if found["address"] is None:
                        continue
                    seen += 1
                    self.assertEqual(found["address"], good[offset]["address"], (fault, found))
                    self.check_values(found, good[offset], f"with {fault} at {offset}")
                share = seen / len(good)
                print(f"{fault}: {len(good)} good frames of 3000 heard, {share:.1%} attributed, none wrongly")
                self.assertGreater(share, 0.85)

    def test_wrong_line(self):
        """Swapped wires and a wrong speed give bytes and no frame."""
        for fault in ("invert=1", "baud=9600", "baud=57600", "baud=230400"):
            with self.subTest(fault=fault):
                decoded, _ = self.decode("--master", "--count", "500", "--fault", fault)
                self.assertEqual([r for r in decoded.values() if r.get("checksum")], [])

    def test_poll_with_info(self):
        """Device info comes only when it is asked for; the secrets of it never reach the decoder."""
        sim = self.enter(jkbtest.Sim("--bms", "1-3", tcp=True))
        data = b""
        with socket.create_connection(("127.0.0.1", sim.port)) as connection:
            time.sleep(0.1)
            for address in (1, 2, 3):
                request = with_crc(f"{address:02x} 10 161C 0001 02 0000")
                connection.send(request)
                data += request + read_for(connection.fileno(), 0.2)[0]
        self.assertEqual(data.count(b"CANARY-PIN"), 3)
        raw = self.path("raw")
        with open(raw, "wb") as file:
            file.write(data)
        text = jkbtest.ctl("decode", raw, "--json")
        self.assertNotIn("CANARY", text)
        found = [r for r in map(json.loads, text.splitlines()) if r["type"] == "info"]
        self.assertEqual([r["address"] for r in found], [1, 2, 3])
        self.assertEqual([r["fields"]["user_data"] for r in found], [f"Simulated {n}" for n in (1, 2, 3)])


if __name__ == "__main__":
    jkbtest.main()
