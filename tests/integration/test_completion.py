# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""Tab completion in real interactive shells: what the Tab key makes of a line that was begun."""

import fcntl
import os
import pty
import re
import select
import shutil
import struct
import subprocess
import termios
import time

import jkbmock
import jkbtest

COMPLETIONS = os.path.join(jkbtest.SOURCE_ROOT, "data", "completions")
CONTROL_A, CONTROL_U, TAB = "\x01", "\x15", "\t"


class Shell(jkbtest.Part):
    """A shell at a terminal of its own; every prompt is "ready> "."""

    def __init__(self, argv, environment, setup):
        self.argv, self.environment, self.setup = argv, environment, setup
        self.text = ""

    def start(self):
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 400, 0, 0))  # no line wraps
        self.child = subprocess.Popen(self.argv, stdin=slave, stdout=slave, stderr=slave,
                                      env=self.environment, start_new_session=True)
        os.close(slave)
        self.type(self.setup + "\r")
        self.wait_for(r"\nready> ")

    def type(self, text):
        os.write(self.master, text.encode())

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            self.text += os.read(self.master, 65536).decode(errors="replace")

    def wait_for(self, pattern, timeout=15):
        """Returns the match and forgets what was before its end."""
        end = time.monotonic() + timeout * jkbtest.FACTOR
        while not (found := re.search(pattern, self.text)):
            if time.monotonic() > end:
                raise AssertionError(f"'{pattern}' is not in what {self.argv[0]} shows:\n{self.text}")
            self.read(0.1)
        self.text = self.text[found.end():]
        return found

    def complete(self, line):
        """The line that it becomes with the Tab key, in marks that show a blank at its end."""
        self.type(line + TAB)
        # The line is put in quotes, behind a command that prints it; what the shell shows while this is
        # typed has no "result:" in one piece.
        self.type("'" + CONTROL_A + "printf 'res''ult:%s\\n' '\r")
        found = self.wait_for(r"result:([^\r\n]*)\r\n")
        self.wait_for("ready> ")
        return found.group(1)

    def choices(self, line, *expected):
        """Waits until all of them were offered."""
        self.type(line + 3 * TAB)
        end = time.monotonic() + 15 * jkbtest.FACTOR
        while not set(expected) <= set(re.findall(r"[^\s\x1b]+", self.text)):
            if time.monotonic() > end:
                raise AssertionError(f"{expected} were not offered:\n{self.text}")
            self.read(0.1)
        offered = set(re.findall(r"[^\s\x1b]+", self.text))
        self.type(CONTROL_U + "echo do''ne\r")
        self.wait_for("done")
        self.wait_for("ready> ")
        return offered

    def close(self):
        self.child.kill()
        self.child.wait()
        os.close(self.master)

    def tell(self, test):
        print(f"---- {test}: {self.argv[0]} showed:\n{self.text[-3000:]}")


class Cases:
    """The same for each shell; open() is the shell's own."""

    def setUp(self):
        super().setUp()
        if not shutil.which(self.NAME):
            self.skipTest(f"{self.NAME} is not installed")
        self.bus = self.enter(jkbtest.PrivateBus())
        self.mock = jkbmock.Mock(self.bus.address)
        self.mock.add_bus("garage")
        self.mock.add_bms("garage", 1)
        self.mock.add_bms("garage", 2)
        self.mock.add_bms("garage", 10)
        self.environment = {
            "PATH": os.path.dirname(jkbtest.program("jkbmsctl")) + ":" + os.environ["PATH"],
            "JKBMSD_BUS_ADDRESS": self.bus.address, "TERM": "dumb", "HOME": self.directory,
            "LC_ALL": "C.UTF-8", "LANGUAGE": "en"}

    def test_lines(self):
        self.enter(self.mock)
        shell = self.open()
        self.write("settings.conf", "")
        for line, completed in (
                ("jkbmsctl mon", "jkbmsctl monitor "),
                ("jkbmsctl bus rem", "jkbmsctl bus remove "),
                ("jkbmsctl monitor garage_2 state_of_c", "jkbmsctl monitor garage_2 state_of_charge "),
                ("jkbmsctl hel", "jkbmsctl help "),
                ("jkbmsctl help mon", "jkbmsctl help monitor "),
                ("jkbmsctl help bus rem", "jkbmsctl help bus remove "),
                ("jkbmsctl help show gar", "jkbmsctl help show gar"),
                ("jkbmsctl config re", "jkbmsctl config reset "),
                ("jkbmsctl show garage_2", "jkbmsctl show garage_2 "),
                ("jkbmsctl get garage_2 state_of_c", "jkbmsctl get garage_2 state_of_charge "),
                ("jkbmsctl history garage_2 state_of_c", "jkbmsctl history garage_2 state_of_charge "),
                ("jkbmsctl bus scan g", "jkbmsctl bus scan garage "),
                ("jkbmsctl doctor g", "jkbmsctl doctor garage "),
                ("jkbmsctl set garage_1 max_charge_c", "jkbmsctl set garage_1 max_charge_current="),
                ("jkbmsctl set garage_1 balancer=of", "jkbmsctl set garage_1 balancer=off "),
                ("jkbmsctl bus set garage mode=lis", "jkbmsctl bus set garage mode=listen "),
                ("jkbmsctl mqtt set topic", "jkbmsctl mqtt set topic-prefix="),
                ("jkbmsctl list --js", "jkbmsctl list --json "),
                (f"jkbmsctl apply garage_1 {self.directory}/sett",
                 f"jkbmsctl apply garage_1 {self.directory}/settings.conf "),
                ("jkbmsctl no_such", "jkbmsctl no_such")):
            with self.subTest(line):
                self.assertEqual(shell.complete(line), completed)
        offered = shell.choices("jkbmsctl show gar", "garage_1", "garage_2", "garage_10")
        self.assertNotIn("garage", offered)
        offered = shell.choices("jkbmsctl mqtt ", "show", "set")
        self.assertNotIn("list", offered)

    def test_without_a_daemon(self):
        shell = self.open()
        self.assertEqual(shell.complete("jkbmsctl show gar"), "jkbmsctl show gar")
        self.assertEqual(shell.complete("jkbmsctl dec"), "jkbmsctl decode ")


class Bash(Cases, jkbtest.Case):
    NAME = "bash"

    def open(self):
        script = os.path.join(COMPLETIONS, "jkbmsctl.bash")
        return self.enter(Shell(
            ["bash", "--norc", "--noprofile", "-i"], self.environment,
            f"bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; . {script}; "
            "PS1='rea''dy> '"))


class Zsh(Cases, jkbtest.Case):
    NAME = "zsh"

    def open(self):
        return self.enter(Shell(
            ["zsh", "-f", "-i"], self.environment,
            f"fpath=({COMPLETIONS} $fpath); autoload -Uz compinit; compinit -u -D; "
            "unsetopt beep prompt_cr prompt_sp; unset zle_bracketed_paste; PS1='rea''dy> '"))


if __name__ == "__main__":
    jkbtest.main()
