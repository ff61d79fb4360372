# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""The ground of the workshop (see jkbtest.py): programs and their output, waiting, ports."""

import codecs
import ctypes
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

# What programs print is compared with English texts.
os.environ.pop("LANGUAGE", None)

FACTOR = float(os.environ.get("JKB_TEST_FACTOR", "1"))
SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("JKB_SHARED", os.path.join(SOURCE_ROOT, "..", "shared"))
NAME = "io.github.jkbmsd1"
ROOT = "/io/github/jkbmsd1"

# For programs that a test gives an environment of its own: how sanitizers are to behave.
SANITIZERS = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}

# Words that no program of ours may print, whatever a test does to it.
BAD_WORDS = ("CRITICAL", "CANARY", "AddressSanitizer", "LeakSanitizer", "ThreadSanitizer",
             "runtime error:", "Assertion")


def program(name):
    """The path of jkbmsd, jkbmsctl or jkbms-sim."""
    variable = name.upper().replace("-", "_")
    path = os.environ.get(variable) or shutil.which(name)
    if path is None:
        raise unittest.SkipTest(f"{name} was not built: set {variable} to its path")
    return path


def shared(*parts):
    """A path of the reference material beside the source tree; skips the test without it."""
    path = os.path.join(SHARED, *parts)
    if not os.path.exists(path):
        raise unittest.SkipTest(f"{os.path.join('../shared', *parts)} is not there: "
                                "set JKB_SHARED to the directory that has it")
    return path


def wait_until(predicate, timeout=10, message=None):
    """Polls until predicate() is true and returns its value; fails loudly after the time.

    What takes long to find out is asked less often: the processors are for what it waits for."""
    end = time.monotonic() + timeout * FACTOR
    while True:
        asked = time.monotonic()
        value = predicate()
        if value:
            return value
        now = time.monotonic()
        if now > end:
            what = message() if callable(message) else message
            raise AssertionError(f"not within {timeout * FACTOR:g} s: {what or predicate}")
        time.sleep(min(max(0.02, 4 * (now - asked)), 0.2))


_port_locks = []


def free_port():
    """A loopback port that stays ours, so that a server can come back on it.

    Below the range that the kernel hands out to clients; a name in the abstract socket space keeps
    tests that run at the same time apart."""
    for _ in range(1000):
        port = random.randrange(20000, 32000)
        lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            lock.bind(f"\0jkbtest-port-{port}")
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _port_locks.append(lock)
        return port
    raise AssertionError("no free loopback port")


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Part:
    """Something that a test starts and stops."""

    def start(self):
        pass

    def close(self):
        pass

    def tell(self, test):
        """Prints what helps to understand a failure of the test."""

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *unused):
        self.close()


class Process(Part):
    """A child with its output in a file."""

    def __init__(self, title, argv=None, env=None):
        self.title = title
        self.argv = argv
        self.env = {**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}
        self.child = None
        self.directory = tempfile.mkdtemp(prefix=f"jkbtest-{title}-")
        self.log_path = os.path.join(self.directory, "log")
        self._log, self._log_at = "", 0
        self._log_decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def spawn(self, stdin=subprocess.DEVNULL):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=stdin, stdout=log, stderr=log,
                                          env=self.env, preexec_fn=die_with_parent)

    def start(self):
        self.spawn()

    @property
    def pid(self):
        return self.child.pid

    @property
    def running(self):
        return self.child is not None and self.child.poll() is None

    @property
    def log(self):
        """Everything it has printed since it was made, over all its starts.  Waiting looks at it all
        the time, so only what is new is read."""
        if os.path.exists(self.log_path) and os.path.getsize(self.log_path) > self._log_at:
            with open(self.log_path, "rb") as file:
                file.seek(self._log_at)
                data = file.read()
            self._log_at += len(data)
            self._log += self._log_decoder.decode(data)
        return self._log

    def wait_for_log(self, text, timeout=10):
        wait_until(lambda: text in self.log, timeout,
                   lambda: f"{self.title} did not say '{text}'; it said:\n{self.log[-3000:]}")

    def send_signal(self, number):
        self.child.send_signal(number)

    def stop(self, number=signal.SIGTERM, timeout=10):
        """Asks it to end; returns its exit status, None when it had to be killed."""
        if self.child is None:
            return None
        if self.running:
            self.child.send_signal(signal.SIGCONT)
            self.child.send_signal(number)
        try:
            return self.child.wait(timeout * FACTOR)
        except subprocess.TimeoutExpired:
            self.kill()
            return None

    def kill(self):
        if self.child is not None:
            self.child.kill()
            self.child.wait()

    def close(self):
        self.stop()
        self.forget()

    def forget(self):
        self._log = self.log
        shutil.rmtree(self.directory, ignore_errors=True)

    def tell(self, test):
        print(f"---- {test}: {self.title} said (the end of it):\n{self.log[-6000:]}",
              file=sys.stderr)
