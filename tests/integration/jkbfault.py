# SPDX-License-Identifier: MIT
# SPDX-FileCopyrightText: the jkbmsd contributors
"""A daemon with everything around it that can break, and the judgement whether it took a fault well.

A Rig has two buses: "a", which the faults strike, and "b", which must not notice.  BMS say constant
numbers of charging cycles, one of their own each, so that whatever is published wrongly or under another's name
is seen at once.  Between the daemon and the broker is a Proxy that can misbehave."""

import json
import os
import re
import shutil
import signal
import socket
import sys
import threading
import time
import unittest

import jkbtest
from jkbdbus import ROOT, Error, bms_path, bus_path

RSS_SLACK_KIB = 1536
LOST = "connection to the broker was lost"
MAX_LINES = 24  # in the log, from fault to recovery
PAUSE = 2.2  # longer than no-data-timeout
TIMES = dict(reconnect_min=0.1, reconnect_max=0.4, no_data_timeout=1.5, offline_after=2.5, mode="listen")


class Proxy(jkbtest.Part):
    """A TCP relay to 127.0.0.1:target.  mode: pass; refuse (nobody listens); deaf (a listening socket
    that never accepts); silent (accepts, says nothing); close (at once); second (after a second);
    babble (not the protocol)."""

    def __init__(self, target):
        self.target = target
        self.port = jkbtest.free_port()
        self.mode = "refuse"
        self._server = None
        self._sockets = set()

    def start(self):
        self.set("pass")

    def close(self):
        self.set("refuse")

    def set(self, mode):
        """The connections that there are end, but for the mode "freeze": they stay and say nothing."""
        self.mode = mode
        if mode == "freeze":
            return
        if self._server is not None:
            try:
                self._server.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            self._server.close()
            self._server = None
        self.cut()
        if mode == "refuse":
            return
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind(("127.0.0.1", self.port))
        self._server.listen(0 if mode == "deaf" else 16)
        if mode == "deaf":  # the queue is full, so that even the handshake has no answer
            for _ in range(3):
                filler = socket.socket()
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", self.port))
                self._sockets.add(filler)
        else:
            threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def cut(self):
        for connection in list(self._sockets):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self._sockets.clear()

    def _accept(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._sockets.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        mode = self.mode
        try:
            if mode == "silent":
                return
            if mode == "babble":
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            if mode in ("close", "babble"):
                connection.close()
                return
            there = socket.create_connection(("127.0.0.1", self.target), 5)
            there.settimeout(None)  # a peer may well be silent for longer
        except OSError:
            connection.close()
            return
        self._sockets.add(there)
        for source, sink in ((connection, there), (there, connection)):
            threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()
        if mode == "second":
            time.sleep(1)
            for end in (connection, there):
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _pump(self, source, sink):
        try:
            while data := source.recv(65536):
                while self.mode == "freeze":
                    time.sleep(0.05)
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Feed(jkbtest.Part):
    """A TCP gateway in place of a simulator: behave(connection) decides what it says."""

    def __init__(self, behave, port):
        self.behave, self.port = behave, port
        self._server, self._sockets = None, []

    def start(self):
        self._server = socket.socket()
        self._server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._server.bind(("127.0.0.1", self.port))
        self._server.listen(8)
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def _accept(self, server):
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._sockets.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.behave(connection)
        except OSError:
            pass

    def close(self):
        for end in [self._server, *self._sockets]:
            if end is not None:
                try:
                    end.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                end.close()
        self._server, self._sockets = None, []


class BrokerBus(jkbtest.PrivateBus):
    """dbus-broker instead of dbus-daemon; for root, who alone may make the namespace that it needs."""

    def __init__(self):
        super().__init__()
        if os.geteuid() != 0 or shutil.which("dbus-broker-launch") is None:
            raise unittest.SkipTest("dbus-broker is not installed, or this is not root")
        config = os.path.join(self.directory, "bus.conf")
        script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "dbus_broker.py")
        self.argv = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run/systemd && exec "$@"', "sh",
                     sys.executable, script, config, self.socket]

    def _processes(self):
        """The launcher, and the broker, which is its child."""
        with open(f"/proc/{self.pid}/task/{self.pid}/children", encoding="ascii") as children:
            return [self.pid, *map(int, children.read().split())]

    def send_signal(self, number):
        for pid in self._processes():
            os.kill(pid, number)

    def kill(self):
        if self.running:
            self.send_signal(signal.SIGKILL)
        super().kill()


class Published:
    """What a subscriber saw, read as it grows."""

    STATE = re.compile(r"jkbms/([a-z0-9]+_\d+)/state")

    def __init__(self, capture):
        self.capture = capture
        self.at = 0
        self.wrong = []
        self.states = {}  # id: how many

    def look(self, truth):
        path = self.capture.log_path
        with open(path, "rb") as file:
            file.seek(self.at)
            data = file.read()
        data = data[:data.rfind(b"\n") + 1]
        self.at += len(data)
        for line in data.decode(errors="replace").splitlines():
            if line.startswith("{"):
                self._judge(json.loads(line), truth)

    def _judge(self, record, truth):
        topic = record["topic"]
        found = self.STATE.fullmatch(topic)
        if not found:
            if "CANARY" in str(record.get("payload")):
                self.wrong.append(f"a secret on {topic}")
            return
        name = found.group(1)
        self.states[name] = self.states.get(name, 0) + 1
        state = json.loads(record["payload"])
        said = state.get("charging_cycles")
        if (state["timestamp"] or "2024") < "2024":  # a clock that was never set; null is right then
            self.wrong.append(f"{name} has the time {state['timestamp']}")
        if name not in truth:
            self.wrong.append(f"{name} does not exist")
        elif said is not None and said != truth[name]:
            self.wrong.append(f"{name} has {said} cycles, not {truth[name]}")


class Rig(jkbtest.Part):
    """bus_a(rig) makes what plays bus "a" and sets rig.uri_a; None: a simulator on a pty."""

    def __init__(self, bus_a=None, mqtt="", env=None, broker=None, state_dir=None, dbus=None, more=""):
        self.parts = []
        self.directories = []  # to be removed at the end
        self.interval = 0.5  # of states, s
        self.keeps_broker = True  # faults do not cost the connection to the broker
        self.bus_a, self.mqtt, self.env = bus_a, mqtt, env
        self.broker = broker or jkbtest.Broker()
        self.state_dir = state_dir
        self.dbus = dbus or jkbtest.PrivateBus()
        self.daemon_class = jkbtest.Daemon
        self.more = more  # at the end of the configuration
        self.truth = {}

    # ---- parts

    def enter(self, part):
        part.start()
        self.parts.append(part)
        return part

    def start(self):
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        self.enter(self.dbus)
        self.enter(self.broker)
        self.proxy = self.enter(Proxy(self.broker.port))
        self.sim_a = jkbtest.Sim("--master", "--bms", "0,1", "--rate", "3", "--wait", tcp=self.bus_a is not None)
        self.sim_b = jkbtest.Sim("--master", "--bms", "0,1", "--rate", "3", "--wait", tcp=True)
        for letter, sim in (("a", self.sim_a), ("b", self.sim_b)):
            self.enter(sim)
            self.prepare(letter, sim)
        self.plug = os.path.join(self.sim_a.directory, "adapter")
        if self.bus_a is None:
            os.symlink(os.readlink(self.sim_a.link), self.plug)
        self.uri_a = self.bus_a(self) if self.bus_a else f"serial:{self.plug}"
        scheme = "mqtts" if self.broker.tls else "mqtt"
        config = (f"[daemon]\ndbus-interval=0.2\n\n{jkbtest.bus_config('a', self.uri_a, **TIMES)}"
                  f"{self.sim_b.config('b', **TIMES)}"
                  f"[mqtt]\nuri={scheme}://127.0.0.1:{self.proxy.port}\n"
                  f"interval={self.interval}\ncells-interval=2\n{self.mqtt}\n\n{self.more}")
        self.capture = self.enter(jkbtest.Capture(self.broker))
        self.published = Published(self.capture)
        self.daemon = self.daemon_class(config, bus=self.dbus, env=self.env, state_dir=self.state_dir)
        self.enter(self.daemon)
        self.client = self.dbus.client()
        self.wait_healthy(20)
        time.sleep(0.5)

    def prepare(self, letter, sim):
        for address in (0, 1):
            cycles = 1000 + address * 100 + (10 if letter == "b" else 0)
            sim.command(f"set {address} charging_cycles {cycles}")
            self.truth[f"{letter}_{address}"] = cycles

    def unplug(self):
        """The adapter is pulled out: the port hangs up and its name goes."""
        os.unlink(self.plug)
        self.sim_a.stop()

    def plug_in(self):
        """The same bus comes back; its name only once it has the values that it had."""
        self.sim_a.start()
        self.prepare("a", self.sim_a)
        os.symlink(os.readlink(self.sim_a.link), self.plug)

    def close(self):
        try:
            for part in reversed(self.parts):
                part.close()
        finally:
            self.parts = []
            for directory in self.directories:
                shutil.rmtree(directory, ignore_errors=True)

    def tell(self, test):
        if hasattr(self, "daemon"):
            self.daemon.tell(test)
            self.broker.tell(test)

    # ---- judgement

    def get(self, path, interface, key):
        return self.client.get(path, interface, key)

    def reconnect_client(self):
        self.client = self.dbus.client()

    def unhealthy(self, since_us):
        """None, or what is not as it should be.  since_us: only what was heard later counts."""
        try:
            objects = self.client.objects()
        except Error as error:
            return str(error)
        for name in sorted(self.truth):
            bms = objects.get(bms_path(name), {}).get("io.github.jkbmsd1.Bms")
            if bms is None or not bms["Online"]:
                return f"{name} is not online"
            if bms["LastSeen"] < since_us:
                return f"{name} was not heard again"
            cycles = objects[bms_path(name)]["io.github.jkbmsd1.Telemetry"].get("ChargingCycles")
            if cycles is not None and cycles != self.truth[name]:
                raise AssertionError(f"{name} has {cycles} cycles on D-Bus, not {self.truth[name]}")
        for name in ("a", "b"):
            bus = objects[bus_path(name)]["io.github.jkbmsd1.Bus"]
            if bus["State"] != "up" or bus["LastError"]:
                return f"bus {name}: {bus['State']}, '{bus['LastError']}'"
        mqtt = objects[f"{ROOT}/mqtt"]["io.github.jkbmsd1.Mqtt"]
        if not mqtt["Connected"]:
            return f"MQTT: {mqtt['LastError']}"
        found = {path.rpartition("/")[2] for path in objects if path.startswith(f"{ROOT}/bms/")}
        if found != set(self.truth):
            raise AssertionError(f"these BMS exist: {sorted(found)}")
        return None

    def now_us(self):
        return int(time.time() * 1e6)

    def wait_healthy(self, timeout=20):
        since = self.now_us()
        last = []

        def healthy():
            last[:] = [self.unhealthy(since)]
            if last[0] is not None:
                time.sleep(0.05)
            return last[0] is None
        jkbtest.wait_until(healthy, timeout, lambda: f"not healthy: {last[0]}")

    def wait_published(self):
        """One state more of each BMS has come to a subscriber since now."""
        if not self.capture.running:  # mosquitto_sub ends when the broker refuses it
            self.capture.start()
        self.published.look(self.truth)
        before = dict(self.published.states)

        def more():
            self.published.look(self.truth)
            return all(self.published.states.get(name, 0) > before.get(name, 0) for name in self.truth)
        jkbtest.wait_until(more, 12, "a BMS is not published again")

    def b_counters(self):
        bus = self.client.get_all(bus_path("b"), "Bus")
        return {key: bus[key] for key in ("ChecksumErrors", "AckErrors", "UnattributedFrames", "Overruns",
                                          "Reconnects")}

    def strike(self, fault, says, other_bus=True, broker=True):
        """fault(self) breaks something, waits, and mends it.  Returns the recovery time in seconds.

        other_bus, broker: whether the other bus and the connection to the broker must not suffer."""
        counters = self.b_counters() if other_bus else None
        log_at, fds, resident = len(self.daemon.log), len(self.open_names()), self.daemon.resident_kib()
        fault(self)
        mended = time.monotonic()
        self.wait_healthy()
        recovery = time.monotonic() - mended
        self.wait_published()
        self._judge(says, log_at, fds, resident)
        if broker and self.keeps_broker and LOST in self.daemon.log[log_at:]:
            raise AssertionError(f"the broker was lost:\n{self.daemon.log[log_at:]}")
        if counters is not None and self.b_counters() != counters:
            raise AssertionError(f"the other bus suffered: {counters} became {self.b_counters()}")
        return recovery

    def _judge(self, says, log_at, fds, resident):
        if self.published.wrong:
            raise AssertionError(f"published wrongly: {self.published.wrong[:5]}")
        lines = [line for line in self.daemon.log[log_at:].splitlines() if line]
        if says and not any(re.search(says, line) for line in lines):
            raise AssertionError(f"no line of the log says /{says}/:\n" + "\n".join(lines))
        if len(lines) > MAX_LINES:
            raise AssertionError(f"{len(lines)} lines in the log:\n" + "\n".join(lines[:60]))
        jkbtest.wait_until(lambda: len(self.open_names()) <= fds, 8,
                           lambda: f"{fds} files were open, now {self.open_names()}")
        if jkbtest.FACTOR == 1:
            jkbtest.wait_until(lambda: self.daemon.resident_kib() - resident < RSS_SLACK_KIB, 2,
                               lambda: f"{resident} KiB became {self.daemon.resident_kib()}")

    def open_names(self):
        """Without the history's files, which its thread opens when it comes to it, and the pipes from a
        sanitizer to its symbolizer."""
        directory, names = f"/proc/{self.daemon.pid}/fd", []
        for fd in os.listdir(directory):
            try:
                names.append(os.readlink(f"{directory}/{fd}"))
            except FileNotFoundError:
                pass  # closed meanwhile
        return sorted(name for name in names
                      if "/history." not in name and not (jkbtest.FACTOR != 1 and name.startswith("pipe:")))
