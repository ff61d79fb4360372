# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""What can be at the other end of a bus (see jkbtest.py): jkbms-sim, a pty, a TCP peer."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading

from jkbprocess import Part, Process, free_port, program, wait_until


class Sim(Process):
    """jkbms-sim behind a pty (default) or, with tcp=True, a loopback port."""

    def __init__(self, *arguments, tcp=False):
        super().__init__("jkbms-sim")
        self.arguments, self.tcp = arguments, tcp
        self.link = os.path.join(self.directory, "tty")
        self.port = free_port() if tcp else None
        self._starts = 0

    def start(self):
        where = (["--listen", f"tcp:127.0.0.1:{self.port}"] if self.tcp else ["--pty", self.link])
        self.argv = [program("jkbms-sim"), *where, "--events", *map(str, self.arguments)]
        self._starts += 1
        self.spawn(stdin=subprocess.PIPE)
        wait_until(self._ready, 10, lambda: f"jkbms-sim is not ready:\n{self.log}")

    def _ready(self):
        if len(re.findall(r"^(?:listening on|pty) .*\n", self.log, re.MULTILINE)) >= self._starts:
            return True
        if not self.running:
            raise AssertionError(f"jkbms-sim ended with {self.child.returncode}:\n{self.log}")
        return False

    @property
    def uri(self):
        return f"tcp:127.0.0.1:{self.port}" if self.tcp else f"serial:{self.link}"

    def config(self, name, **keys):
        """The group [bus NAME] of a jkbmsd.conf; underscores stand for hyphens."""
        return bus_config(name, self.uri, **keys)

    def _answers(self):
        whole = self.log.rpartition("\n")[0]  # the last line may be half written
        return [line for line in whole.splitlines() if not line.startswith(("listening on", "pty "))]

    def command(self, line):
        """Runs a command of jkbms-sim ("offline 1", "alarm 0 4 on", ...) and returns its answer."""
        before = len(self._answers())
        self.child.stdin.write(line.encode() + b"\n")
        self.child.stdin.flush()
        wait_until(lambda: len(self._answers()) > before, 10, f"no answer to '{line}'")
        answer = self._answers()[before]
        if answer.startswith("error"):
            raise AssertionError(f"'{line}': {answer}")
        return answer


def bus_bytes(size=20000):
    """What a bus with a master and one slave carries, from the beginning of a record."""
    with Sim("--bms", "0,1", "--master", "--rate", "50", "--wait", tcp=True) as sim, \
            socket.create_connection(("127.0.0.1", sim.port)) as connection:
        data = b""
        while len(data) < size:
            chunk = connection.recv(size - len(data))
            if not chunk:
                raise AssertionError(f"the simulator is gone after {len(data)} of {size} bytes")
            data += chunk
    return data


def bus_config(name, uri, **keys):
    lines = [f"[bus {name}]", f"uri={uri}"]
    lines += [f"{key.replace('_', '-')}={value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n\n"


class TcpPeer(Part):
    """A TCP server on a loopback port: behave(connection, number) is run in a thread per client."""

    def __init__(self, behave):
        self.behave = behave
        self.port = free_port()
        self.connections = 0
        self._server = None
        self._open = []

    @property
    def uri(self):
        return f"tcp:127.0.0.1:{self.port}"

    def start(self):
        self._server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection, self.connections),
                             daemon=True).start()

    def _serve(self, connection, number):
        try:
            self.behave(connection, number)
        except OSError:
            pass

    def close(self):
        if self._server is None:
            return
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._server = None
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self._open = []


class Pty(Part):
    """A serial line: the daemon opens .link, the test writes and reads the other end."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="jkbtest-pty-")
        self.link = os.path.join(self.directory, "tty")
        self.master = self.slave = None

    @property
    def uri(self):
        return f"serial:{self.link}"

    def start(self):
        import tty
        self.master, self.slave = os.openpty()
        tty.setraw(self.slave)
        if os.path.lexists(self.link):
            os.unlink(self.link)
        os.symlink(os.ttyname(self.slave), self.link)

    def write(self, data):
        while data:
            data = data[os.write(self.master, data):]

    def unplug(self):
        """The adapter is pulled out: the link goes and readers see a hang-up."""
        os.unlink(self.link)
        os.close(self.slave)
        os.close(self.master)
        self.master = self.slave = None

    def close(self):
        for fd in (self.master, self.slave):
            if fd is not None:
                os.close(fd)
        self.master = self.slave = None
        shutil.rmtree(self.directory, ignore_errors=True)
