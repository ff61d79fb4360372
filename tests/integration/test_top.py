# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""jkbmsctl top in a real terminal emulator (tmux): what stands where, at any size."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import sys
import termios
import time
import unittest

import jkbmock
import jkbtest
from test_ctl import columns


class Terminal(jkbtest.Part):
    """tmux with one window that runs one program."""

    def __init__(self, directory, width, height, *argv, env=None):
        self.socket = os.path.join(directory, f"tmux-{width}-{height}")
        self.end = os.path.join(directory, "end")
        self.width, self.height, self.argv, self.env = width, height, argv, env or {}

    def tmux(self, *arguments):
        return subprocess.run(["tmux", "-f", "/dev/null", "-S", self.socket, *arguments], check=True,
                              capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C.UTF-8"}).stdout

    def start(self):
        # The leak checker of a sanitizer build can spin for ever when its terminal is taken away.
        variables = [f"{key}={value}" for key, value in self.env.items()]
        variables.append(f'ASAN_OPTIONS={os.environ.get("ASAN_OPTIONS", "")}:detect_leaks=0')
        command = (f'env {" ".join(variables)} {" ".join(self.argv)} 2>{self.end}.err; '
                   f'echo $? >{self.end}; sleep 60')
        self.tmux("new-session", "-d", "-x", str(self.width), "-y", str(self.height), command, ";",
                  "set", "-g", "status", "off", ";", "set", "-g", "window-size", "manual")
        self.resize(self.width, self.height)

    def resize(self, width, height):
        self.tmux("resize-window", "-x", str(width), "-y", str(height))

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def screen(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def wait_for(self, pattern, timeout=10):
        jkbtest.wait_until(lambda: re.search(pattern, self.screen()), timeout,
                           lambda: f"'{pattern}' is not on the screen:\n{self.screen()}")
        return self.screen()

    def status(self):
        jkbtest.wait_until(lambda: os.path.exists(self.end) and os.path.getsize(self.end) > 0)
        with open(self.end, encoding="ascii") as file:
            return int(file.read())

    def close(self):
        try:
            self.tmux("kill-server")
        except subprocess.CalledProcessError:
            pass

    def tell(self, test):
        try:
            print(f"---- {test}: the screen:\n{self.screen()}", file=sys.stderr)
        except subprocess.CalledProcessError:
            pass  # closed already


class Base(jkbtest.Case):
    def setUp(self):
        super().setUp()
        self.bus = self.enter(jkbtest.PrivateBus())
        self.mock = jkbmock.Mock(self.bus.address)
        self.mock.add_bus("garage", FramesReceived=1000)
        self.ctl = jkbtest.program("jkbmsctl")

    def start_mock(self, count):
        for n in range(count):
            self.mock.add_bms("garage", n, name=f"Rack {n}" if n != 1 else "右架電池",
                              online=n != 3, live={"state_of_charge": float(5 * n)})
        self.enter(self.mock)


class ScreenTest(Base):
    def setUp(self):
        super().setUp()
        if shutil.which("tmux") is None:
            self.skipTest("tmux is not installed")

    def open(self, width, height, *arguments, **env):
        environment = {"JKBMSD_BUS_ADDRESS": self.bus.address, "LC_ALL": "C.UTF-8", **env}
        return self.enter(Terminal(self.directory, width, height, self.ctl, "top", *arguments,
                                   env=environment))

    def check(self, screen, width, height, count):
        lines = screen.splitlines()
        self.assertLessEqual(len(lines), height)
        self.assertLessEqual(max(map(columns, lines)), width)
        self.assertRegex(lines[0], rf"BMS online: {count - (count > 3)} of {count}   discharging")
        self.assertRegex(lines[1], "garage: up, listening, health 100")
        self.assertRegex(lines[2], "NAME +CHARGE +SOC +VOLTAGE +CURRENT +POWER +TEMP +AGE")
        self.assertRegex(lines[3], r"Rack 0 +·+ +0 % +52\.63 V +-12\.30 A +-647 W +21\.2 °C")
        self.assertRegex(screen, r" 1▼3\.289 \*█+·+ +2 3\.290 ")
        self.assertRegex(screen, r"16▲3\.304 \*█")
        self.assertRegex(screen, r"T1 21\.2 °C  T2 -0\.4 °C  T4 –")
        self.assertRegex(screen, "Alarms:  none")
        self.assertEqual(lines[height - 1], "q quit   ↑↓ select")

    def test_sizes(self):
        done = 0
        for count in (1, 4, 16):
            for n in range(done, count):
                self.mock.add_bms("garage", n, name=f"Rack {n}" if n != 1 else "右架電池",
                                  online=n != 3, live={"state_of_charge": float(5 * n)})
            if done == 0:
                self.enter(self.mock)
            done = count
            for width, height in ((80, 24), (132, 43)):
                with self.subTest(count=count, width=width):
                    terminal = self.open(width, height)
                    screen = terminal.wait_for("Alarms:")
                    self.check(screen, width, height, count)
                    if count > 1:
                        self.assertRegex(screen, "右架電池 +█*·")
                    if height == 43 and count == 16:
                        self.assertRegex(screen, "Rack 15 +█+·+ +75 %")
                    terminal.keys("q")
                    self.assertEqual(terminal.status(), 0)
                    os.unlink(terminal.end)
                    terminal.close()

    def test_narrow(self):
        """What is less important is left out; what stays is whole."""
        self.start_mock(4)
        terminal = self.open(80, 32)
        terminal.wait_for("Alarms:")
        for width, heads in ((79, "NAME CHARGE SOC VOLTAGE CURRENT POWER TEMP AGE"),
                             (72, "NAME CHARGE SOC VOLTAGE CURRENT POWER TEMP AGE"),
                             (71, "NAME SOC VOLTAGE CURRENT POWER TEMP AGE"),
                             (60, "NAME SOC CURRENT POWER TEMP AGE"),
                             (51, "NAME SOC CURRENT POWER AGE"), (34, "NAME SOC CURRENT AGE")):
            with self.subTest(width=width):
                terminal.resize(width, 32)
                pattern = "(?m)^ " + " +".join(heads.split()) + "$"
                lines = terminal.wait_for(pattern).splitlines()
                self.assertLessEqual(max(map(columns, lines)), width)
                self.assertEqual(columns(lines[2]), width)
                self.assertRegex(lines[3], r"^ Rack 0 .* 0 % .*-12\.30 A .*\d (s|min)$")
                self.assertRegex(lines[6], r" 15 % .*-12\.30 A .*offline$")
                self.assertEqual("V" in lines[3], "VOLTAGE" in heads)
        terminal.resize(20, 32)
        self.assertEqual(terminal.wait_for("quits").split(),
                         "Too narrow: 34 columns are needed. q quits.".split())
        terminal.resize(80, 24)
        self.check(terminal.wait_for("Alarms:"), 80, 24, 4)

    def test_keys(self):
        self.start_mock(16)
        terminal = self.open(80, 24)
        terminal.wait_for("garage_0 \\(Rack 0\\)")
        terminal.keys("Down", "j")
        terminal.wait_for("garage_2 \\(Rack 2\\)")
        terminal.keys("End")
        screen = terminal.wait_for("garage_15 \\(Rack 15\\)")
        self.assertIn(" Rack 15 ", screen)
        self.assertNotIn(" Rack 0 ", screen)
        terminal.keys("Home")
        terminal.wait_for("garage_0 \\(Rack 0\\)")

    def test_resize(self):
        self.start_mock(4)
        terminal = self.open(80, 24)
        terminal.wait_for("Alarms:")
        for width, height in ((132, 43), (40, 10), (20, 5), (10, 2), (200, 50), (80, 24)):
            terminal.resize(width, height)
            time.sleep(0.5)
            screen = terminal.screen()
            self.assertLessEqual(max(map(columns, screen.splitlines())), width)
        self.check(terminal.wait_for("Alarms:"), 80, 24, 4)
        terminal.keys("q")
        self.assertEqual(terminal.status(), 0)

    def test_colours(self):
        self.mock.add_bms("garage", 7, name="Alarmed", live={"errors": ["cell_overvoltage"],
                                                             "errors_bitmask": 16})
        self.start_mock(1)
        terminal = self.open(80, 24, TERM="screen-256color")
        terminal.wait_for("Alarms:")
        terminal.keys("End")
        terminal.wait_for(r"Cell overvoltage \(protect\)")
        self.assertRegex(terminal.screen("-e"), "\033\\[[0-9;]*31m")
        terminal.close()
        os.unlink(terminal.socket)
        for arguments, env in ((["--no-color"], {}), ([], {"NO_COLOR": "1"}), ([], {"TERM": "vt100"})):
            terminal = self.open(80, 24, *arguments, **{"TERM": "screen-256color", **env})
            screen = terminal.wait_for("!Alarmed")
            self.assertIn("1▼3.289 *", screen)
            self.assertNotRegex(terminal.screen("-e"), "\033\\[[0-9;]*3[0-7]m")
            terminal.close()
            os.unlink(terminal.socket)

    def test_restart_of_the_daemon(self):
        terminal = self.open(80, 24)
        terminal.wait_for("jkbmsd is gone; waiting for it")
        self.start_mock(2)
        terminal.wait_for("BMS online: 2 of 2")
        self.mock.stop()
        terminal.wait_for("jkbmsd is gone")
        self.mock.start()
        terminal.wait_for("BMS online: 2 of 2")
        self.mock.change("garage_0", "Telemetry", {"Current": jkbmock.double(33.5)})
        terminal.wait_for("33.50 A")

    def test_age_is_asked_for(self):
        """The daemon does not announce when a BMS was last heard."""
        self.start_mock(1)
        terminal = self.open(80, 24)
        terminal.wait_for("Alarms:")
        begin = time.monotonic()
        for minutes in (20, 30, 40, 50):
            self.mock.objects[f"{jkbtest.ROOT}/bms/garage_0"]["Bms"]["LastSeen"] = (
                jkbmock.GLib.Variant("t", int((time.time() - 60 * minutes) * 1e6)))
            terminal.wait_for(f"{minutes} min", 10 * jkbtest.FACTOR)
        self.assertLess(time.monotonic() - begin, 12 * jkbtest.FACTOR)

    def test_unknown(self):
        self.mock.add_bms("garage", 0, live=False, settings=False, info=False, age=None)
        self.enter(self.mock)
        terminal = self.open(80, 24)
        screen = terminal.wait_for("Alarms:")
        self.assertRegex(screen, "garage_0 +·+ +– +– +– +– +– +–")
        self.assertIn("Alarms:  unknown", screen)


GOLDEN = os.path.join(jkbtest.SOURCE_ROOT, "tests", "golden")


def masked(screen):
    """Without what differs with the moment: the clock, how long ago something was heard, and the health,
    which falls as silence goes on."""
    screen = re.sub(r"health \d+", "health 100", screen)
    screen = re.sub(r"\d\d:\d\d:\d\d", "--:--:--", screen)
    return re.sub(r"(?m)( °C +)(\d\S* (?:s|min))$",
                  lambda m: m.group(1) + "…".rjust(len(m.group(2))), screen)


class GoldenTest(jkbtest.Case):
    """Whole screens of the real daemon, compared with those that somebody looked at.

    ninja update-top writes them anew (so does JKB_UPDATE_GOLDEN=1)."""

    NAMES = {1: "Left rack", 2: "右架電池"}

    def setUp(self):
        super().setUp()
        if shutil.which("tmux") is None:
            self.skipTest("tmux is not installed")
        self.bus = self.enter(jkbtest.PrivateBus())
        self.enter(jkbtest.Daemon("".join(f"[bms garage_{n}]\nname={name}\n\n"
                                          for n, name in self.NAMES.items()), bus=self.bus))
        self.client = self.bus.client()

    def say(self, count):
        """A bus that has said the same as every time, and is silent since."""
        frames = 8 * count + 8
        sim = self.enter(jkbtest.Sim(
            "--bms", ",".join(map(str, range(count))), "--master", "--rate", "0", "--seed", "7",
            "--alarm", "1:4@0", "--alarm", "2:0@0", "--count", frames, "--stay", "--wait", tcp=True))
        self.client.call(jkbtest.ROOT, "Manager", "AddBus", "(ssa{sv})", "garage", sim.uri,
                         {"offline-after": jkbmock.double(3600), "no-data-timeout": jkbmock.double(3600),
                          "mode": jkbmock.GLib.Variant("s", "listen")})
        path = f"{jkbtest.ROOT}/bus/garage"
        jkbtest.wait_until(lambda: self.client.get(path, "Bus", "FramesReceived") == frames
                           and len(self.client.bms()) == count, 20, lambda: self.client.bms())
        time.sleep(1.2)  # the longest that D-Bus may be behind
        return sim

    def compare(self, screen, name):
        path = os.path.join(GOLDEN, name)
        if os.environ.get("JKB_UPDATE_GOLDEN"):
            with open(path, "w", encoding="utf-8") as file:
                file.write(screen)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(screen.splitlines(), file.read().splitlines(),
                             f"{name} is not what top shows; look at it, then: ninja update-top")

    def screens(self, count):
        for width, height in ((80, 24), (132, 43)):
            with self.subTest(count=count, width=width):
                terminal = self.enter(Terminal(
                    self.directory, width, height, jkbtest.program("jkbmsctl"), "--bus-address",
                    self.bus.address, "top", env={"LC_ALL": "C.UTF-8", "LANGUAGE": "en"}))
                terminal.wait_for("Alarms:")
                screen = masked(terminal.screen())
                terminal.close()
                os.unlink(terminal.socket)
                self.assertLessEqual(max(map(columns, screen.splitlines())), width)
                self.compare(screen, f"top-{count}-{width}x{height}.txt")

    def test_shown_in_readme(self):
        with open(os.path.join(GOLDEN, "top-4-80x24.txt"), encoding="utf-8") as file:
            screen = file.read().rstrip("\n")
        path = os.path.join(jkbtest.SOURCE_ROOT, "README.md")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if os.environ.get("JKB_UPDATE_GOLDEN"):
            text = re.sub(r"(\n\$ jkbmsctl top\n)[^`]*(\n```)",
                          lambda m: m.group(1) + screen + m.group(2), text)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        self.assertIn(f"\n$ jkbmsctl top\n{screen}\n```\n", text)

    def test_screens(self):
        for count in (1, 4, 16):
            sim = self.say(count)
            self.screens(count)
            self.client.call(jkbtest.ROOT, "Manager", "RemoveBus", "(s)", "garage")
            sim.stop()


class BytesTest(Base):
    """What goes over the line: little, also with many BMS."""

    def read(self, master, seconds):
        total, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([master], [], [], 0.05)[0]:
                try:
                    total += len(os.read(master, 65536))
                except OSError:
                    break  # it has ended
        return total

    def test_bounded(self):
        self.start_mock(16)
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        child = subprocess.Popen([self.ctl, "top"], stdin=slave, stdout=slave, stderr=slave,
                                 env={"JKBMSD_BUS_ADDRESS": self.bus.address, "TERM": "xterm",
                                      "LC_ALL": "C.UTF-8", **jkbtest.SANITIZERS})
        os.close(slave)
        try:
            self.assertGreater(self.read(master, 2 * jkbtest.FACTOR), 1000)
            quiet = self.read(master, 3)
            # A clock and sixteen ages each second.
            self.assertLess(quiet, 3 * 1500)
            self.assertGreater(quiet, 20)
            for step in range(30):
                for n in range(16):
                    self.mock.change(f"garage_{n}", "Telemetry",
                                     {"Current": jkbmock.double(step + n / 10)})
                time.sleep(0.01)
            # However fast the news come, four screens a second at most.
            self.assertLess(self.read(master, 2), 8 * 3000)
            os.write(master, b"q")
            self.read(master, 0.5)
            self.assertEqual(child.wait(10), 0)
        finally:
            child.kill()
            child.wait()
            os.close(master)

    def test_no_terminal(self):
        self.enter(self.mock)
        done = subprocess.run([self.ctl, "top"], capture_output=True, text=True, timeout=10,
                              stdin=subprocess.DEVNULL,
                              env={"JKBMSD_BUS_ADDRESS": self.bus.address, "LC_ALL": "C.UTF-8",
                                   **jkbtest.SANITIZERS})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("needs a terminal", done.stderr)


if __name__ == "__main__":
    jkbtest.main()
