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

Programs come from the environment: JKBMSD, JKBMSCTL, JKBMS_SIM (meson sets them).  JKB_TEST_FACTOR
stretches every timeout, for builds with sanitizers.
"""

import ctypes
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

FACTOR = float(os.environ.get("JKB_TEST_FACTOR", "1"))
SOURCE_ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SHARED = os.environ.get("JKB_SHARED", os.path.join(SOURCE_ROOT, "..", "shared"))
NAME = "io.github.jkbmsd1"
ROOT = "/io/github/jkbmsd1"

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
    """Polls until predicate() is true and returns its value; fails loudly after the time."""
    end = time.monotonic() + timeout * FACTOR
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            what = message() if callable(message) else message
            raise AssertionError(f"not within {timeout * FACTOR:g} s: {what or predicate}")
        time.sleep(0.02)


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


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


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
        self.env = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
        self.child = None
        self.directory = tempfile.mkdtemp(prefix=f"jkbtest-{title}-")
        self.log_path = os.path.join(self.directory, "log")
        self._log = ""

    def spawn(self, stdin=subprocess.DEVNULL):
        with open(self.log_path, "ab") as log:
            self.child = subprocess.Popen(self.argv, stdin=stdin, stdout=log, stderr=log,
                                          env=self.env, preexec_fn=_die_with_parent)

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
        """Everything it has printed since it was made, over all its starts."""
        if os.path.exists(self.log_path):
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                self._log = file.read()
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


class Broker(Process):
    """A real Mosquitto on a loopback port that stays its own, with or without password and TLS.

    extra: further lines of mosquitto.conf."""

    def __init__(self, username=None, password=None, tls=None, extra=""):
        super().__init__("mosquitto")
        self.port = free_port()
        self.username, self.password, self.tls = username, password, tls
        lines = [f"listener {self.port} 127.0.0.1", "log_dest stderr", "persistence false",
                 "max_queued_messages 100000",
                 f"allow_anonymous {'false' if username else 'true'}"]
        if os.geteuid() == 0:
            lines.append("user root")
        if username:
            passwords = os.path.join(self.directory, "passwords")
            with open(passwords, "w", encoding="utf-8") as file:
                file.write(f"{username}:{password}\n")
            os.chmod(passwords, 0o600)
            subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
            lines.append(f"password_file {passwords}")
        if tls:
            lines += [f"cafile {tls.ca}", f"certfile {tls.cert}", f"keyfile {tls.key}"]
        config = os.path.join(self.directory, "mosquitto.conf")
        with open(config, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + f"\n{extra}\n")
        self.argv = [shutil.which("mosquitto", path=os.environ["PATH"] + ":/usr/sbin"), "-c", config]

    @property
    def uri(self):
        return f"{'mqtts' if self.tls else 'mqtt'}://127.0.0.1:{self.port}"

    def config(self, **keys):
        """The group [mqtt] of a jkbmsd.conf; underscores stand for hyphens."""
        lines = ["[mqtt]", f"uri={self.uri}"]
        lines += [f"{key.replace('_', '-')}={value}" for key, value in keys.items()]
        return "\n".join(lines) + "\n\n"

    def start(self):
        self.spawn()
        wait_until(self._listens, 10, lambda: f"mosquitto does not listen:\n{self.log}")

    def _listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def client_options(self):
        options = ["-h", "127.0.0.1", "-p", str(self.port)]
        if self.username:
            options += ["-u", self.username, "-P", self.password]
        if self.tls:
            options += ["--cafile", self.tls.ca]
        return options

    def publish(self, topic, payload, retain=False, qos=1):
        argv = ["mosquitto_pub", *self.client_options(), "-t", topic, "-q", str(qos)]
        argv += ["-m", payload] if payload else ["-n"]
        subprocess.run(argv + (["-r"] if retain else []), check=True, timeout=10 * FACTOR)


class Certificates:
    """A throw-away authority with a server certificate for 127.0.0.1 and one for a client."""

    def __init__(self, directory, days=2, names="IP:127.0.0.1,DNS:localhost"):
        self.directory = directory
        self.ca, ca_key = self._path("ca.pem"), self._path("ca.key")
        self._openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout",
                      ca_key, "-out", self.ca, "-subj", "/CN=jkbtest authority")
        self.cert, self.key = self._sign("server", ca_key, days, f"subjectAltName={names}")
        self.client_cert, self.client_key = self._sign("client", ca_key, days, "basicConstraints=CA:FALSE")

    def _path(self, name):
        return os.path.join(self.directory, name)

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)

    def _sign(self, name, ca_key, days, extension):
        key, request, cert = (self._path(name + end) for end in (".key", ".csr", ".pem"))
        extensions = self._path(name + ".ext")
        with open(extensions, "w", encoding="utf-8") as file:
            file.write(extension + "\n")
        self._openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", request,
                      "-subj", f"/CN=jkbtest {name}")
        self._openssl("x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-set_serial",
                      str(random.getrandbits(60)), "-days", str(days), "-extfile", extensions,
                      "-out", cert)
        return cert, key


class Message:
    """One MQTT message as a subscriber saw it."""

    def __init__(self, record):
        self.topic = record["topic"]
        self.payload = record.get("payload") or ""
        self.retain = bool(record["retain"])
        self.qos = record["qos"]

    @property
    def json(self):
        return json.loads(self.payload)

    def __repr__(self):
        return f"{self.topic}{' (retained)' if self.retain else ''} {self.payload[:100]}"


class Capture(Process):
    """A subscriber (mosquitto_sub) that remembers everything; it reconnects by itself."""

    def __init__(self, broker, topic="#"):
        super().__init__("mosquitto_sub")
        self.broker = broker
        self.argv = ["mosquitto_sub", *broker.client_options(), "-V", "5", "-q", "1", "-t", topic,
                     "-t", "jkbtest/probe", "--retain-as-published", "-F", "%j"]

    def start(self):
        self.spawn()
        self.sync()

    def sync(self):
        """Returns when everything that the broker had before is here."""
        probe = f"{random.getrandbits(64):x}"

        def probe_seen():
            if f'"payload":"{probe}"' in self.log:
                return True
            self.broker.publish("jkbtest/probe", probe)
            return False
        wait_until(probe_seen, 10, lambda: f"no echo of a probe; mosquitto_sub said {self.log[-500:]}")

    @property
    def lines(self):
        """The raw records, one JSON object per line, without our own probes."""
        return [line for line in self.log.splitlines(keepends=True)
                if line.startswith("{") and line.endswith("}\n") and '"jkbtest/probe"' not in line]

    def messages(self, topic=None):
        found = [Message(json.loads(line)) for line in self.lines]
        return [m for m in found if topic is None or m.topic == topic]

    def topics(self):
        return {m.topic for m in self.messages()}

    def last(self, topic):
        found = self.messages(topic)
        return found[-1] if found else None

    def wait_for(self, topic, predicate=lambda message: True, timeout=10):
        """The newest message on the topic, once it satisfies the predicate."""
        def satisfied():
            message = self.last(topic)
            return message if message is not None and predicate(message) else None
        return wait_until(satisfied, timeout,
                          lambda: f"{topic} did not come; last: {self.last(topic)}")

    def save(self, path):
        """The form that ha_check.py reads."""
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(self.lines)
        return path

    def tell(self, test):
        print(f"---- {test}: {len(self.lines)} MQTT messages, topics {sorted(self.topics())}",
              file=sys.stderr)


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
            data += connection.recv(size - len(data))
    return data


def bus_config(name, uri, **keys):
    lines = [f"[bus {name}]", f"uri={uri}"]
    lines += [f"{key.replace('_', '-')}={value}" for key, value in keys.items()]
    return "\n".join(lines) + "\n\n"


class Daemon(Process):
    """jkbmsd with a configuration text; bus=None runs it with --no-dbus."""

    def __init__(self, config="", bus=None, arguments=(), env=None, state_dir=None, wait=True):
        options = {"G_DEBUG": "fatal-criticals"}
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

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

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
