# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The workshop of the integration tests: real programs on private ends of everything.

    class Test(jkbtest.Case):
        def test_something(self):
            broker = self.enter(jkbtest.Broker())
            bus = self.enter(jkbtest.PrivateBus())
            sim = self.enter(jkbtest.Sim("--bms", "0,1", "--master"))
            daemon = self.enter(jkbtest.Daemon(sim.config("garage") + broker.config(), bus=bus))
            ...

Everything that enter() starts is stopped when the test ends, in reverse order, and what it said is
printed when the test fails.  Only children of the test are ever signalled; they die with it too.
The daemon's log is searched for reports that no test may leave behind (see BAD_WORDS).

This file has the test case, the D-Bus daemon and jkbmsd; the rest of the workshop is reached through
it: jkbprocess (programs, waiting, ports), jkbline (what is on a bus: simulator, pty, TCP peer),
jkbbroker (Mosquitto, its subscriber, certificates).

Programs come from the environment: JKBMSD, JKBMSCTL, JKBMS_SIM (meson sets them).  JKB_TEST_FACTOR
stretches every timeout, for builds with sanitizers.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import unittest

from jkbbroker import Broker, Capture, Certificates, Message  # noqa: F401
from jkbline import Pty, Sim, TcpPeer, bus_bytes, bus_config  # noqa: F401
from jkbprocess import (BAD_WORDS, FACTOR, NAME, ROOT, SANITIZERS, SHARED, SOURCE_ROOT,  # noqa: F401
                        Part, Process, die_with_parent, free_port, program, shared, wait_until)


class Case(unittest.TestCase):
    """A test with a directory of its own and parts that are stopped when it ends."""

    maxDiff = 4000

    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="jkbtest-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self._parts = []

    def enter(self, part):
        self._parts.append(part)
        part.start()
        self.addCleanup(part.close)
        return part

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text, mode=0o600):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(self.path(name), mode)
        return self.path(name)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        outcome = super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for part in getattr(self, "_parts", []):
                part.tell(self.id())
        return outcome


class PrivateBus(Process):
    """A D-Bus daemon of our own; restart() brings it back at the same address."""

    CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-BUS Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={path}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
    <allow user="*"/>
  </policy>
</busconfig>
"""

    def __init__(self):
        super().__init__("dbus-daemon")
        self.socket = os.path.join(self.directory, "bus")
        self.address = f"unix:path={self.socket}"
        config = os.path.join(self.directory, "bus.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write(self.CONFIG.format(path=self.socket))
        self.argv = ["dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile"]
        os.chmod(self.directory, 0o755)
        self.clients = []

    def start(self):
        if os.path.exists(self.socket):
            os.unlink(self.socket)
        self.spawn()
        wait_until(self._answers, 10, lambda: f"dbus-daemon does not answer: {self.log}")

    def _answers(self):
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(self.socket)
            return True
        except OSError:
            return False

    def restart(self):
        self.kill()
        self.start()

    def client(self):
        """A new connection; they end with the bus."""
        from jkbdbus import Client
        client = Client(self.address)
        self.clients.append(client)
        return client

    def close(self):
        for client in self.clients:
            client.close()
        super().close()


class Daemon(Process):
    """jkbmsd with a configuration text; bus=None runs it with --no-dbus."""

    def __init__(self, config="", bus=None, arguments=(), env=None, state_dir=None, wait=True):
        # A mapped file on a busy disk keeps the main loop waiting, as /run of a real system never does.
        self.memory = tempfile.mkdtemp(prefix="jkbtest-run-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        options = {"G_DEBUG": "fatal-criticals", "XDG_RUNTIME_DIR": self.memory}
        options.update(env or {})
        super().__init__("jkbmsd", env=options)
        self.bus, self.arguments, self.wait = bus, arguments, wait
        self.config_path = os.path.join(self.directory, "jkbmsd.conf")
        self.state_dir = state_dir or os.path.join(self.directory, "state")
        self.allowed = []  # bad words that this test provokes on purpose
        os.makedirs(self.state_dir, 0o700, exist_ok=True)
        self.write_config(config)

    def write_config(self, text):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(text)

    def start(self):
        where = ["--bus-address", self.bus.address] if self.bus else ["--no-dbus"]
        self.argv = [program("jkbmsd"), "--config", self.config_path, "--state-dir", self.state_dir,
                     *where, *self.arguments]
        self.spawn()
        if self.bus and self.wait:
            client = self.bus.client()
            wait_until(lambda: self._owns_name(client), 15,
                       lambda: f"jkbmsd did not take its D-Bus name:\n{self.log[-3000:]}")

    def _owns_name(self, client):
        if not self.running:
            raise AssertionError(f"jkbmsd ended with {self.child.returncode}:\n{self.log[-3000:]}")
        return client.has_owner(NAME)

    def check_config(self, *arguments):
        """Runs jkbmsd --check-config on the configuration; returns (status, output)."""
        done = subprocess.run([program("jkbmsd"), "--config", self.config_path, "--state-dir",
                               self.state_dir, "--check-config", *arguments], env=self.env,
                              capture_output=True, text=True, timeout=20 * FACTOR)
        return done.returncode, done.stdout + done.stderr

    def stop(self, number=signal.SIGTERM, timeout=2):
        """An orderly stop: exit status 0 within 2 s."""
        if not self.running:
            return self.child.returncode if self.child else None
        status = super().stop(number, timeout)
        if status is None:
            raise AssertionError(f"jkbmsd did not stop within {timeout * FACTOR:g} s:\n{self.log[-3000:]}")
        if status != 0:
            raise AssertionError(f"jkbmsd ended with status {status}:\n{self.log[-6000:]}")
        return status

    def check_log(self):
        for word in BAD_WORDS:
            if word in self.log and word not in self.allowed:
                at = self.log.index(word)
                raise AssertionError(f"'{word}' in the log of jkbmsd:\n{self.log[max(0, at - 500):at + 5000]}")

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        ended_badly = self.child and not self.running and self.child.returncode not in (0, -signal.SIGKILL)
        try:
            self.stop()
            self.check_log()
            if ended_badly:
                raise AssertionError(f"jkbmsd ended by itself with {self.child.returncode}:\n{self.log[-6000:]}")
        finally:
            self.kill()
            self.forget()
            shutil.rmtree(self.memory, ignore_errors=True)

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def heap_kib(self):
        """What is resident of malloc's heap: [heap], and what stands for it in other threads."""
        total, ours = 0, False
        with open(f"/proc/{self.pid}/smaps", encoding="utf-8") as file:
            for line in file:
                mapping = re.match(r"([0-9a-f]+)-\S+ (\S+) \S+ \S+ 0 *(.*)$", line)
                if mapping:
                    start, rights, name = mapping.groups()
                    arena = name == "" and int(start, 16) % (64 << 20) == 0
                    ours = rights == "rw-p" and (name == "[heap]" or arena)
                elif re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    ours = False
                elif ours and line.startswith("Rss:"):
                    total += int(line.split()[1])
        return total

    def mapped_kib(self, name):
        """What is resident of the file of that name."""
        total, ours = 0, False
        with open(f"/proc/{self.pid}/smaps", encoding="utf-8") as file:
            for line in file:
                if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                    ours = line.rstrip().endswith("/" + name)
                elif ours and line.startswith("Rss:"):
                    total += int(line.split()[1])
        return total

    def open_files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def ctl(*arguments, bus=None, status=0, timeout=20, stdin=None):
    """Runs jkbmsctl, checks its exit status (None: any) and returns what it printed."""
    argv = [program("jkbmsctl"), *(["--bus-address", bus.address] if bus else []), *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=timeout * FACTOR, input=stdin,
                          env=dict(os.environ, LC_ALL="C.UTF-8", LANGUAGE="en"), check=False)
    if status is not None and done.returncode != status:
        raise AssertionError(f"{' '.join(argv)} ended with {done.returncode}, not {status}:\n"
                             f"{done.stdout}{done.stderr}")
    return done.stdout if status in (0, None) else done.stdout + done.stderr


def main():
    """Runs the tests of the file; exit status 77 (Meson: skipped) when none could run."""
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))  # Meson's time limit: clean up
    # No warnings: the port locks are meant to stay open.
    result = unittest.main(verbosity=2, warnings="ignore", exit=False).result
    for reason in dict.fromkeys(reason for _, reason in result.skipped):
        print(f"SKIPPED: {reason}")
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped and len(result.skipped) >= result.testsRun else 0)
